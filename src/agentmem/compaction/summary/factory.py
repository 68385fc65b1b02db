"""Which summarizer a setting means, for one agent."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from agentmem.checkpoints.summary import Summary
from agentmem.compaction.summary.extractive import ExtractiveSummarizer
from agentmem.compaction.summary.fit import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from strands.types.content import Message

    from agentmem.compaction.summary.extractive import Summarizer

__all__ = ["summarizer_for"]

_log = logging.getLogger(__name__)


def summarizer_for(setting: Any, agent: Any) -> Summarizer:
    """Return the summarizer.

    Args:
        setting: ``"extractive"``, ``"model"`` for the agent's own, a Strands model, or a ``Summarizer``.
        agent: The agent; its ``aux_model``, or its model where it has none, narrates for ``"model"``.
    """
    if setting == "extractive":
        return ExtractiveSummarizer()
    if setting == "model" or hasattr(setting, "stream"):
        from agentmem.compaction.summary.model_summarizer import ModelSummarizer

        return ModelSummarizer((agent.aux_model or agent.model) if setting == "model" else setting)
    return _Careful(setting)


class _Careful:
    """A user's own summarizer, whose failure must not keep a context from shrinking."""

    def __init__(self, own: Summarizer) -> None:
        self._own = own
        self._extractive = ExtractiveSummarizer()

    def summarize(
        self,
        previous: Summary | None,
        folded: Sequence[Message],
        *,
        max_tokens: int,
        count: Callable[[str], int],
    ) -> Summary:
        try:
            summary: object = self._own.summarize(previous, folded, max_tokens=max_tokens, count=count)
        except Exception as error:  # noqa: BLE001 - whatever it is, the context must shrink
            reason = type(error).__name__  # what it says may quote the conversation, which no log record does
        else:
            if isinstance(summary, Summary):
                # Room was made for max_tokens and no more.
                return summary if count(summary.render()) <= max_tokens else fit(summary, max_tokens, count)
            reason = f"it returned {type(summary).__name__}, not Summary"
        name = type(self._own).__name__
        _log.warning("summarizer=<%s>, reason=<%s> | failed, the summary is extractive instead", name, reason)
        return self._extractive.summarize(previous, folded, max_tokens=max_tokens, count=count)
