"""Summarizes folded turns by choosing their sentences by meaning; no model is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentmem.checkpoints.summary import Summary
from agentmem.compaction.summary.collect import collect
from agentmem.compaction.summary.exchanges import exchanges_of
from agentmem.compaction.summary.fit import fit
from agentmem.compaction.summary.judge import Judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from strands.types.content import Message


class ExtractiveSummarizer:
    """Keeps passages word for word. The same input and the same judge always give the same summary."""

    def __init__(self, judge: Judge | None = None) -> None:
        """Choose by a judge; None for one with the packaged encoder."""
        self.judge = judge if judge is not None else Judge()

    def prepare(self, messages: Iterable[Message]) -> None:
        """Judge messages, not on a user's time, so that the compaction that folds them need not."""
        exchanges = exchanges_of(messages)
        self.judge.prepare(text.text for one in exchanges for text in (*one.asked, *one.answered))
        for one in exchanges:
            if one.calls and not one.ended:
                self.judge.does_something(one.calls[-1].name)

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
        return fit(collect(previous or Summary(), folded, self.judge), max_tokens, count)
