"""Tells which messages of a history are new since it was looked at last, by the identity of the messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strands.types.content import Message

_NEWEST = 4


class KnownMessages:
    """The messages of a history as they were when they were looked at last.

    A history is asked before every model call, and is nearly always the same as the last time with a few messages
    behind it. So the lists are compared by identity, which takes microseconds, and only what follows is looked at.

    A message counts as changed when another object stands in its place. The content of an object may be replaced too,
    as a guardrail does with the newest message: that is seen of the newest few, and of all in a `thorough` look.
    """

    def __init__(self) -> None:
        """Know nothing."""
        self._messages: list[Message] = []
        self._contents: list[object] = []

    def first_new(self, messages: Sequence[Message], *, thorough: bool = False) -> int:
        """Return the index of the first message that is not the one that was known there.

        Args:
            messages: The history.
            thorough: Look at each message's content list too.
        """
        known = self._messages
        count = min(len(known), len(messages))
        same = known if count == len(known) else known[:count]
        # Equal lists of the same objects are compared without looking into the objects.
        if (messages if count == len(messages) else messages[:count]) != same:
            count = next(at for at in range(count) if messages[at] is not known[at])
        start = 0 if thorough else max(count - _NEWEST, 0)
        for at in range(start, count):
            if messages[at]["content"] is not self._contents[at]:
                return at
        return count

    def keep(self, messages: Sequence[Message], first_new: int) -> None:
        """Take a history as known.

        Args:
            messages: The history.
            first_new: Messages before this index are known already, and have not changed.
        """
        self._messages[first_new:] = messages[first_new:]
        self._contents[first_new:] = [message["content"] for message in messages[first_new:]]
