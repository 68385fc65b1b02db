"""Collects the messages that other writers put into a session's log while this process works on it.

A process shows its own history and learns of another's turns only when it opens the session again. A checkpoint moves
the boundary of the log for everyone, so it must also account for the other writers' messages that it moves past:
nobody else would, and they would be neither shown nor found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentmem.events.position import Position

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentmem.checkpoints.restore import RestoredSession
    from agentmem.events.codec import LoggedMessage
    from agentmem.events.reader import EventReader

__all__ = ["OtherWriters"]

CLOCK_DIFFERENCE = 60_000
"""Milliseconds by which another writer's clock may be behind, so that its newest event is not the newest here."""


class OtherWriters:
    """Collects other writers' messages until a checkpoint accounts for them."""

    def __init__(self, reader: EventReader) -> None:
        """Look through a reader; nothing is read before ``behind`` is called."""
        self._reader = reader
        self._known: set[str] = set()
        self._since = -1
        self._waiting: dict[str, LoggedMessage] = {}

    def begin(self, restored: RestoredSession) -> None:
        """Take what was read when the session was opened as known."""
        self.note(one.position.event_id for one in restored.messages)
        if restored.newest_event_id is not None:
            self.note([restored.newest_event_id])
            self._since = Position(restored.newest_event_id).milliseconds - CLOCK_DIFFERENCE
        if restored.checkpoint is not None:
            # What lies before the boundary is that checkpoint's affair.
            self._since = max(self._since, restored.checkpoint.boundary.milliseconds)

    def note(self, event_ids: Iterable[str]) -> None:
        """Take events as known: they are this process's own."""
        self._known.update(event_ids)

    def behind(self, limit: Position) -> list[LoggedMessage]:
        """Return the messages of others that stand before a position, oldest first.

        The same ones are returned until ``accounted`` is told of them.

        Raises:
            HistoryUnavailableError: The log could not be read.
        """
        self._look()
        return sorted((one for one in self._waiting.values() if one.position < limit), key=lambda one: one.position)

    def accounted(self, messages: Iterable[LoggedMessage]) -> None:
        """Let go of messages that a checkpoint accounts for."""
        for one in messages:
            self._waiting.pop(one.message["tracking_id"], None)

    def _look(self) -> None:
        newest = self._since
        for page in self._reader.pages():
            for event in page:
                at = Position(event.event_id).milliseconds
                if at < self._since:
                    break
                newest = max(newest, at - CLOCK_DIFFERENCE)
                if event.event_id not in self._known:
                    self._waiting.update({one.message["tracking_id"]: one for one in event.messages})
                    self._known.add(event.event_id)
            else:
                continue
            break
        self._since = newest
        self._known = {event_id for event_id in self._known if Position(event_id).milliseconds >= newest}
