"""Makes the messages of one request after another from a growing history, and looks only at what is new."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentmem.messages.converse import Fitting, for_model, valid_message
from agentmem.messages.look_alikes import may_hold_tags
from agentmem.messages.summary_fence import with_inert_look_alikes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strands.types.content import Message

    from agentmem.messages.summary_fence import ShownSummaries

_OPEN_END = 8
"""The newest messages, which may still be shortened or joined: they are looked at every time."""


class Requests:
    """Makes requests from one agent's history; what was found valid is not looked at again.

    A history that needs more than a text made harmless is mended whole, every time.

    Attributes:
        is_first: Whether nothing changes the messages between the history and here. Otherwise all are looked at each
            time.
    """

    def __init__(self, summaries: ShownSummaries, *, is_first: bool = True) -> None:
        """Start with a history of which nothing is known.

        Args:
            summaries: Knows the blocks that are summaries.
            is_first: See the class.
        """
        self._summaries = summaries
        self.is_first = is_first
        self._begin()

    def _begin(self) -> None:
        self._settled = 0
        self._fitting = Fitting()
        self._with_tags: list[int] = []

    def changed_from(self, first_new: int) -> None:
        """Take note that the messages of the history from this index on are not those of the last request."""
        if first_new < self._settled:
            self._begin()

    def made(self, messages: Sequence[Message], *, tools: bool, results_apart: bool) -> list[Message]:
        """Return messages the Converse API accepts, in which nothing passes for a summary or for pinned statements.

        Args:
            messages: A copy of the history; not changed.
            tools: See `for_model`.
            results_apart: See there.
        """
        if self.is_first and tools and not results_apart and self._settle(messages):
            newest = messages[self._settled :]
            if all(valid_message(message) is message for message in newest) and self._fitting.would_end_with(newest):
                made = list(messages)
                for at in (*self._with_tags, *range(self._settled, len(messages))):
                    made[at] = self._harmless(messages[at])
                return made
        made = for_model(messages, tools=tools, results_apart=results_apart)
        if may_hold_tags([message["content"] for message in made]):
            return with_inert_look_alikes(made, self._summaries.blocks_in(messages))
        return made

    def _settle(self, messages: Sequence[Message]) -> bool:
        """Look at what is new and will not change any more; return whether nothing of it has to be mended."""
        if len(messages) < self._settled:
            self._begin()
        until = max(len(messages) - _OPEN_END, self._settled)
        for at in range(self._settled, until):
            message = messages[at]
            if valid_message(message) is not message or not self._fitting.goes_on_with(message):
                return False
            if self._harmless(message) is not message:
                self._with_tags.append(at)
            self._settled = at + 1
        return True

    def _harmless(self, message: Message) -> Message:
        if not may_hold_tags(message["content"]):
            return message
        summary = self._summaries.block_in(message)
        return with_inert_look_alikes([message], [] if summary is None else [summary])[0]
