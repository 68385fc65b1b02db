"""Summaries of folded turns that roll: each is made from the one before it and the newly folded messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from agentmem.checkpoints.summary import Summary
from agentmem.compaction.summary.fit import fit
from agentmem.compaction.summary.merge import collect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from strands.types.content import Message

__all__ = ["ExtractiveSummarizer", "Summarizer"]


@runtime_checkable
class Summarizer(Protocol):
    """Makes the next summary from the last one and what was folded since."""

    def summarize(
        self,
        previous: Summary | None,
        folded: Sequence[Message],
        *,
        max_tokens: int,
        count: Callable[[str], int],
    ) -> Summary:
        """Summarize.

        Args:
            previous: The summary so far; None for the first.
            folded: The newly folded messages, oldest first; never changed.
            max_tokens: What the rendered summary may take.
            count: Counts the tokens of a text.

        Returns:
            The new summary of everything folded so far.
        """
        ...


class ExtractiveSummarizer:
    """Keeps what matters word for word: no model, no clock, the same input always gives the same summary."""

    def summarize(
        self,
        previous: Summary | None,
        folded: Sequence[Message],
        *,
        max_tokens: int,
        count: Callable[[str], int],
    ) -> Summary:
        """Merge the previous summary with the newly folded messages under the budget.

        Args:
            previous: The summary so far; None for the first.
            folded: The newly folded messages, oldest first; never changed.
            max_tokens: What the rendered summary may take.
            count: Counts the tokens of a text.

        Returns:
            The new summary.
        """
        return fit(collect(previous or Summary(), folded), max_tokens, count)
