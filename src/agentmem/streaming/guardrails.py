"""Collects the signs of a guardrail in one model answer and tells of them once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentmem.streaming.events import GuardrailEvent
from agentmem.streaming.visible_text import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentmem.streaming.events import StreamEvent

__all__ = ["GuardrailSigns"]

INTERVENED, PASSED = "GUARDRAIL_INTERVENED", "NONE"
_BLOCKING = {"BLOCKED", "ANONYMIZED"}
_DEEPEST = 10


class GuardrailSigns:
    """Knows what a model's answer says of a guardrail: its stop reason, Strands' redactions, and the trace."""

    def __init__(self) -> None:
        """Begin with none."""
        self._sources: list[str] = []
        self._stopped = False

    def stop(self, reason: str | None) -> None:
        """Take the reason the model stopped for."""
        self._stopped = self._stopped or reason == "guardrail_intervened"

    def redact(self, redaction: Mapping[str, Any]) -> None:
        """Take Strands' note that the input or the output was replaced."""
        if redaction.get("redactUserContentMessage") is not None:
            self._sources.append("INPUT")
        if redaction.get("redactAssistantContentMessage") is not None:
            self._sources.append("OUTPUT")

    def trace(self, trace: Mapping[str, Any]) -> Sequence[StreamEvent]:
        """Tell of the guardrail, now that its trace has come: one event for the input and one for the output."""
        events: list[StreamEvent] = []
        for source, key in (("INPUT", "inputAssessment"), ("OUTPUT", "outputAssessments")):
            assessments = tuple(_assessments(trace.get(key)))
            if not assessments:
                continue
            acted = source in self._sources or any(_blocks(one) for one in assessments)
            events.append(GuardrailEvent(source, INTERVENED if acted else PASSED, assessments))
        if events:
            self._sources, self._stopped = [], False
        return events or self.settle()

    def settle(self) -> Sequence[StreamEvent]:
        """Tell of a guardrail that left no trace."""
        sources, stopped = self._sources, self._stopped
        if not sources and not stopped:
            return NOTHING
        self._sources, self._stopped = [], False
        # Without a redaction or a trace nothing says which side it was; the model had begun to answer.
        return [GuardrailEvent(source, INTERVENED) for source in dict.fromkeys(sources or ["OUTPUT"])]


def _assessments(found: Any) -> list[Mapping[str, Any]]:
    """Return the assessments below the guardrails' ids; for the output there is a list for each."""
    if not isinstance(found, dict):
        return []
    values = [one for value in found.values() for one in (value if isinstance(value, list) else [value])]
    return [value for value in values if isinstance(value, dict)]


def _blocks(value: Any, depth: int = 0) -> bool:
    """Whether any policy of an assessment has acted; Bedrock says so four levels down."""
    if depth > _DEEPEST:
        return False
    if isinstance(value, dict):
        action = value.get("action")
        return (isinstance(action, str) and action in _BLOCKING) or any(
            _blocks(inner, depth + 1) for inner in value.values()
        )
    return isinstance(value, list) and any(_blocks(inner, depth + 1) for inner in value)
