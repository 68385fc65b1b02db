"""Keeps one session's part of the outbox; a file that fails costs the outbox's promise, never the turn."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, Any, TypeVar

from agentmem.events.outbox import open_outbox
from agentmem.events.redaction import put_in_place

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from agentmem.events.batch import OutgoingItem
    from agentmem.events.outbox import Outbox, StoredEntry
    from agentmem.events.send_queue import QueuedEvent
    from agentmem.scope.address import SessionAddress

__all__ = ["SessionOutbox"]

T = TypeVar("T")
_log = logging.getLogger(__name__)


class SessionOutbox:
    """Keeps what one session's writer has accepted.

    Attributes:
        parked: Tracking ids of messages that are in the file and not in the writer's memory.
    """

    def __init__(self, outbox: Outbox, address: SessionAddress) -> None:
        """Keep a session's entries in an outbox."""
        self._outbox = outbox
        self._address = address
        self.parked: set[str] = set()

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None, address: SessionAddress) -> SessionOutbox | None:
        """Open a session's part of the outbox at a path; None without one.

        Raises:
            ConfigurationError: The file cannot be used.
        """
        return None if path is None else cls(open_outbox(path), address)

    def keep_messages(self, items: Sequence[OutgoingItem]) -> None:
        """Keep messages of a turn in progress."""
        self._try(lambda: self._outbox.keep_messages(self._address, items, self))

    def keep_events(self, events: Sequence[QueuedEvent], bodies: Iterable[Mapping[str, Any]]) -> None:
        """Keep the events of a closed turn, which get their numbers; they get none when the file fails."""
        kept = zip([list(event.places.items()) for event in events], bodies, strict=True)
        numbers = self._try(lambda: self._outbox.keep_events(self._address, kept, self))
        for event, seq in zip(events, numbers or (), strict=False):
            event.seq = seq

    def keep_redaction(self, tracking_id: str, body: Mapping[str, Any]) -> int | None:
        """Keep a redaction until it is carried out."""
        return self._try(lambda: self._outbox.keep_redaction(self._address, tracking_id, body, self))

    def change(self, seq: int | None, body: Mapping[str, Any], milliseconds: int | None = None) -> None:
        """Keep an event with other content; see ``Outbox.change``."""
        if seq is not None:
            self._try(lambda: self._outbox.change(seq, body, milliseconds))

    def remove(self, seq: int | None) -> None:
        """Forget an entry."""
        if seq is not None:
            self._try(lambda: self._outbox.remove(seq))

    def take_over(self) -> tuple[list[StoredEntry], bool]:
        """Take what is left of the session, and what was parked; see ``Outbox.take_over``."""
        taken = self._try(lambda: self._outbox.take_over(self._address, self))
        if taken is None:
            return [], False
        self.parked.clear()
        return taken

    def park(self, events: Iterable[QueuedEvent]) -> bool:
        """Leave events to the file until ``take_over``; return False when they are not in the file."""
        numbers = {event.seq: event.places for event in events}
        if None in numbers:
            return False
        self._leave(numbers)
        return True

    def redact_parked(self, tracking_id: str, payload: Sequence[dict[str, Any]]) -> None:
        """Replace a message in what is parked."""
        entries, _ = self.take_over()
        for entry in entries:
            place = dict(entry.places).get(tracking_id)
            if entry.kind == "event" and place is not None:
                body = {**entry.body, "payload": put_in_place(entry.body["payload"], place, payload)}
                self.change(entry.seq, body)
        self._leave({entry.seq: dict(entry.places) for entry in entries})

    def let_go(self) -> None:
        """Leave everything to whoever opens the session next."""
        self._outbox.let_go(self)

    def _leave(self, entries: Mapping[int | None, Iterable[str]]) -> None:
        self._outbox.let_go(self, entries)
        self.parked.update(name for names in entries.values() for name in names)

    def _try(self, action: Callable[[], T]) -> T | None:
        try:
            return action()
        except sqlite3.Error as error:
            _log.error(
                "outbox=<%s>, session=<%s>, error=<%s: %s> | the outbox failed, going on without it",
                self._outbox.path,
                self._address,
                type(error).__name__,
                error,
            )
            return None
