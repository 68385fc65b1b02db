"""Which summarizer a setting means, for one agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from agentmem.compaction.summarize import ExtractiveSummarizer

if TYPE_CHECKING:
    from agentmem.compaction.summarize import Summarizer

__all__ = ["summarizer_for"]


def summarizer_for(setting: Any, agent: Any) -> Summarizer:
    """Return the summarizer.

    Args:
        setting: ``"extractive"``, ``"model"`` for the agent's own, a Strands model, or a ``Summarizer``.
        agent: The agent; its ``aux_model``, or its model where it has none, narrates for ``"model"``.
    """
    if setting == "extractive":
        return ExtractiveSummarizer()
    if setting == "model" or hasattr(setting, "stream"):
        from agentmem.compaction.summary.model import ModelSummarizer

        return ModelSummarizer((agent.aux_model or agent.model) if setting == "model" else setting)
    return cast("Summarizer", setting)
