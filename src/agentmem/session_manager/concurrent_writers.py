"""Collects the messages that other writers put into a session's log while this process works on it.

A process shows its own history and learns of another's turns only when it opens the session again. A checkpoint moves
the boundary of the log for everyone, so it must also account for the other writers' messages that it moves past:
nobody else would, and they would be neither shown nor found.

    A looks at the log | B writes a turn, by a clock that is behind | A saves a checkpoint whose boundary lies after it

No order of calls rules that out, because the service has no conditional write. So a checkpoint says which events its
maker had seen (``SeenEvents``): whoever restores from it shows the others, and A's next look finds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentmem.checkpoints.checkpoint import SeenEvents
from agentmem.events.position import Position

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentmem.checkpoints.restore import RestoredSession
    from agentmem.events.codec import DecodedEvent, LoggedMessage
    from agentmem.events.reader import EventReader

__all__ = ["OtherWriters", "stands_before"]

CLOCK_DIFFERENCE = 60_000
"""Milliseconds by which another writer's clock may be behind, so that its newest event is not the newest here."""

EVENTS_BEHIND = 200
"""Events behind which another writer's newest may stand; a look reads so far back, and no further than the clock's
difference."""


def stands_before(position: Position, limit: Position) -> bool:
    """Whether a position of the log stands before another, which may be in the event that is about to be written."""
    return not limit.event_id or position < limit


class OtherWriters:
    """Collects other writers' messages until a checkpoint accounts for them."""

    def __init__(self, reader: EventReader) -> None:
        """Look through a reader; nothing is read before ``look`` is called."""
        self._reader = reader
        self._known: set[str] = set()
        self._since = -1
        self._waiting: dict[str, LoggedMessage] = {}
        self.newest_event_id: str | None = None

    def begin(self, restored: RestoredSession) -> None:
        """Take what was read when the session was opened as known."""
        self.newest_event_id = restored.newest_event_id
        self._since = restored.seen.since
        self.note(restored.seen.event_ids)
        self._forget()

    def note(self, event_ids: Iterable[str]) -> None:
        """Take events as known: they are this process's own."""
        self._known.update(event_ids)

    def look(self) -> list[DecodedEvent]:
        """Read what was written since the last look.

        Returns:
            The newest events, newest first, as far as they were read.

        Raises:
            HistoryUnavailableError: The log could not be read.
        """
        events: list[DecodedEvent] = []
        for page in self._reader.pages():
            events += page
            if events and Position(events[-1].event_id).milliseconds < self._since:
                break
        for event in events:
            if event.event_id in self._known or Position(event.event_id).milliseconds < self._since:
                continue
            # An event that a redaction has replaced is known in its new form too.
            if self._known.isdisjoint(event.replaces):
                self._waiting.update({one.message["tracking_id"]: one for one in event.messages})
            self._known.add(event.event_id)
        if events:
            self.newest_event_id = events[0].event_id
        self._forget()
        return events

    def behind(self, limit: Position) -> list[LoggedMessage]:
        """Return the messages of others that stand before a position, oldest first, as far as the last look saw.

        The same ones are returned until ``accounted`` is told of them.
        """
        found = (one for one in self._waiting.values() if stands_before(one.position, limit))
        return sorted(found, key=lambda one: one.position)

    def accounted(self, messages: Iterable[LoggedMessage]) -> None:
        """Let go of messages that a checkpoint accounts for."""
        for one in messages:
            self._waiting.pop(one.message["tracking_id"], None)

    def seen(self, boundary: Position) -> SeenEvents:
        """Return which of the newest events before a boundary are known here."""
        return SeenEvents.before(boundary, self._known, self._since)

    def _forget(self) -> None:
        """Move on the time from which on every event is known."""
        if self.newest_event_id is None:
            return
        times = sorted((Position(event_id).milliseconds for event_id in self._known), reverse=True)
        since = Position(self.newest_event_id).milliseconds - CLOCK_DIFFERENCE
        if len(times) > EVENTS_BEHIND:
            since = max(since, times[EVENTS_BEHIND])
        self._since = max(self._since, since)
        self._known = {event_id for event_id in self._known if Position(event_id).milliseconds >= self._since}
