"""Defines the protocol of summarizers: a summary rolls, each made from the one before and the newly folded messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from strands.types.content import Message

    from agentmem.checkpoints.summary import Summary


@runtime_checkable
class Summarizer(Protocol):
    """Makes the next summary from the last one and the messages that were folded since."""

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
            folded: The newly folded messages, oldest first; never changed. The time of each, when it is known, is
                ``message["metadata"]["custom"]["at"]`` (ISO 8601).
            max_tokens: What the rendered summary may take.
            count: Counts the tokens of a text.

        Returns:
            The new summary of everything folded so far.
        """
        ...
