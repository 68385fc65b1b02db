"""Reads the events of Bedrock's ConverseStream, which Strands passes on for every model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentmem.streaming.events import ErrorEvent, MetadataEvent
from agentmem.streaming.guardrails import GuardrailSigns
from agentmem.streaming.visible_text import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentmem.streaming.events import StreamEvent
    from agentmem.streaming.tool_calls import ToolCalls
    from agentmem.streaming.visible_text import VisibleText

__all__ = ["ModelChunks", "figures", "is_model_chunk"]

_ERRORS = {
    "internalServerException": "The model service has failed.",
    "modelStreamErrorException": "The model has failed in the middle of its answer.",
    "serviceUnavailableException": "The model service is not available at the moment.",
    "throttlingException": "The model service is busy. Try again in a moment.",
    "validationException": "The model service has refused the request.",
}
_KINDS = (
    "contentBlockDelta",
    "contentBlockStart",
    "contentBlockStop",
    "messageStart",
    "messageStop",
    "metadata",
    "redactContent",
)
_ALL = frozenset((*_KINDS, *_ERRORS))
_FIGURES = (
    "inputTokens",
    "outputTokens",
    "totalTokens",
    "cacheReadInputTokens",
    "cacheWriteInputTokens",
    "latencyMs",
    "timeToFirstByteMs",
)


def is_model_chunk(data: Mapping[str, Any]) -> bool:
    """Whether an object is an event of ConverseStream."""
    for kind in data:  # noqa: SIM110 - mostly one; a generator over all that there are costs more than the rest of a delta
        if kind in _ALL and isinstance(data[kind], dict):
            return True
    return False


def figures(usage: Any, metrics: Any) -> dict[str, int]:
    """Return the known figures of a model call that are numbers."""
    both = {**(usage if isinstance(usage, dict) else {}), **(metrics if isinstance(metrics, dict) else {})}
    return {name: both[name] for name in _FIGURES if isinstance(both.get(name), int | float)}


class ModelChunks:
    """Reads one model call after the other.

    Attributes:
        seen: Whether any text or tool call came in this form, so that Strands' own forms of the same are repeats.
        in_message: Whether an answer has begun and not ended.
        stop_reason: Why the last answer ended, or None.
    """

    def __init__(self, text: VisibleText, calls: ToolCalls) -> None:
        """Share the text and the calls with the other forms of the same stream."""
        self._text = text
        self._calls = calls
        self._guardrail = GuardrailSigns()
        self.seen = False
        self.in_message = False
        self.stop_reason: str | None = None

    def read(self, chunk: Mapping[str, Any]) -> Sequence[StreamEvent]:
        """Return the events of one chunk; most have one or none."""
        if "contentBlockDelta" in chunk:
            return self.delta(chunk["contentBlockDelta"])
        for kind in chunk:
            found = chunk[kind]
            if not isinstance(found, dict):
                continue
            if kind in _ERRORS:
                self.in_message = False
                return [*self.settle(), ErrorEvent(_ERRORS[kind], kind)]
            if kind in _KINDS:
                return self._other(kind, found)
        return NOTHING

    def delta(self, found: Any) -> Sequence[StreamEvent]:
        """Return the events of a ``contentBlockDelta``."""
        delta = found.get("delta") if isinstance(found, dict) else None
        if not isinstance(delta, dict):
            return NOTHING
        if isinstance(text := delta.get("text"), str):
            self.seen = True
            return self._text.piece(text)
        if isinstance(call := delta.get("toolUse"), dict):
            self.seen = True
            self._calls.extend(call)
        return NOTHING

    def settle(self) -> Sequence[StreamEvent]:
        """Tell what was held back to see what follows."""
        return [*self._text.end_text(), *self._guardrail.settle()]

    def _other(self, kind: str, found: Mapping[str, Any]) -> Sequence[StreamEvent]:
        if kind == "messageStart":
            self.in_message = True
            return [*self._text.begin_message(), *self._guardrail.settle()]
        if kind == "contentBlockStart":
            start = found.get("start")
            if isinstance(start, dict) and isinstance(start.get("toolUse"), dict):
                self.seen = True
                self._calls.begin(start["toolUse"])
        elif kind == "contentBlockStop":
            return [*self._text.end_text(), *self._calls.end()]
        elif kind == "messageStop":
            self.in_message = False
            self.stop_reason = found.get("stopReason")
            self._guardrail.stop(self.stop_reason)
            return [*self._text.end_text(), *self._calls.end()]
        elif kind == "redactContent":
            self._guardrail.redact(found)
        elif kind == "metadata":
            return self._metadata(found)
        return NOTHING

    def _metadata(self, found: Mapping[str, Any]) -> Sequence[StreamEvent]:
        trace = found.get("trace")
        guardrail = trace.get("guardrail") if isinstance(trace, dict) else None
        told = self._guardrail.trace(guardrail) if isinstance(guardrail, dict) else self._guardrail.settle()
        data = figures(found.get("usage"), found.get("metrics"))
        return [*told, MetadataEvent(data)] if data else told
