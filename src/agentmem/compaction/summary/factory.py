"""Makes the summarizer that the settings name, for one agent."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from agentmem.checkpoints.summary import Summary
from agentmem.compaction.summary.extractive import ExtractiveSummarizer
from agentmem.compaction.summary.fit import fit
from agentmem.compaction.summary.judge import Judge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from strands.types.content import Message

    from agentmem.compaction.summary.summarizer import Summarizer
    from agentmem.settings.sections import CompactionConfig

_log = logging.getLogger(__name__)


def summarizer_for(settings: CompactionConfig, agent: Any) -> Summarizer:
    """Return the summarizer.

    Args:
        settings: ``summarizer`` is ``"extractive"``, ``"model"`` for the agent's own, a Strands model, or a
            ``Summarizer``; ``encoder``, ``keep`` and ``prototypes`` say how sentences are judged.
        agent: The agent; its ``aux_model``, or its model where it has none, narrates for ``"model"``. Without an agent
            ``"model"`` is extractive.
    """
    extractive = ExtractiveSummarizer(Judge(settings.encoder, keep=settings.keep, prototypes=settings.prototypes))
    chosen = settings.summarizer
    if chosen == "extractive" or (chosen == "model" and agent is None):
        return extractive
    if chosen == "model" or hasattr(chosen, "stream"):
        from agentmem.compaction.summary.model_summarizer import ModelSummarizer

        return ModelSummarizer((agent.aux_model or agent.model) if chosen == "model" else chosen, extractive)
    return _Guarded(chosen, extractive)


class _Guarded:
    """A user's own summarizer, whose failure must not keep a context from shrinking."""

    def __init__(self, own: Summarizer, extractive: ExtractiveSummarizer) -> None:
        self._own = own
        self._extractive = extractive

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
            reason = type(error).__name__  # its text may quote the conversation, which no log record does
        else:
            if isinstance(summary, Summary):
                # Room was made for max_tokens and no more.
                return summary if count(summary.render()) <= max_tokens else fit(summary, max_tokens, count)
            reason = f"it returned {type(summary).__name__}, not Summary"
        name = type(self._own).__name__
        _log.warning("summarizer=<%s>, reason=<%s> | failed, the summary is extractive instead", name, reason)
        return self._extractive.summarize(previous, folded, max_tokens=max_tokens, count=count)
