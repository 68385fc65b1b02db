"""Orders positions in the event log: an event, and an item of its payload."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["Position"]

_EVENT_ID = re.compile(r"(\d+)#([0-9A-Fa-f]+)")


@dataclass(frozen=True, order=False, slots=True)
class Position:
    """One payload item of one event.

    Positions are ordered by the event's time, then by the item. An ``eventId`` is the event's time in milliseconds,
    zero-padded, ``#`` and hex digits. The digits behind the ``#`` have no part in the order: an event that was
    rewritten by a redaction keeps its time and its items but not them, and what lay before it must still do so.

    Attributes:
        event_id: The ``eventId`` of the event.
        item: Index into the event's ``payload``, from 0.
        is_stored: Whether the item is the message's own; False for where a message would stand of which nothing is
            stored, because redaction has emptied it.
    """

    event_id: str
    item: int = 0
    is_stored: bool = field(default=True, compare=False)

    def _key(self) -> tuple[int, int, str]:
        match = _EVENT_ID.fullmatch(self.event_id)
        return (-1, self.item, self.event_id) if match is None else (int(match[1]), self.item, "")

    def __lt__(self, other: Position) -> bool:
        """Whether this item stands before the other in the log."""
        return self._key() < other._key()

    def __le__(self, other: Position) -> bool:
        """Whether this item stands before the other, or in its place."""
        return self._key() <= other._key()

    @property
    def milliseconds(self) -> int:
        """The event's time in milliseconds since the epoch, or -1 when the id is not of the known form."""
        return self._key()[0]
