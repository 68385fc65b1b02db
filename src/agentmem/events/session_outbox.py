"""One writer's part of the outbox. A file that fails costs the outbox's promise, never the turn."""

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
    from agentmem.events.outbox import Outbox, Places, StoredEntry
    from agentmem.scope.address import SessionAddress

__all__ = ["Journal"]

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Journal:
    """Keeps what one session's writer has accepted.

    Attributes:
        parked: Tracking ids of messages that are in the file and not in the writer's memory.
    """

    def __init__(self, outbox: Outbox, address: SessionAddress) -> None:
        """Keep a session's entries in an outbox."""
        self._outbox = outbox
        self._address = address
        self._held: set[int] = set()
        self.parked: set[str] = set()

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None, address: SessionAddress) -> Journal | None:
        """Open a session's part of the outbox at a path; None without one.

        Raises:
            ConfigurationError: The file cannot be used.
        """
        return None if path is None else cls(open_outbox(path), address)

    def keep_messages(self, items: Sequence[OutgoingItem]) -> None:
        """Keep messages of a turn in progress."""
        self._try(lambda: self._outbox.keep_messages(self._address, items, self._held))

    def keep_events(self, events: Iterable[tuple[Places, Mapping[str, Any]]]) -> list[int] | None:
        """Keep the events of a closed turn; return their numbers, or None when they could not be kept."""
        return self._try(lambda: self._outbox.keep_events(self._address, events, self._held))

    def keep_redaction(self, tracking_id: str, body: Mapping[str, Any]) -> int | None:
        """Keep a redaction until it is carried out."""
        return self._try(lambda: self._outbox.keep_redaction(self._address, tracking_id, body, self._held))

    def freeze(self, seq: int | None, body: Mapping[str, Any], milliseconds: int) -> None:
        """Keep an event as it is going to be sent."""
        if seq is not None:
            self._try(lambda: self._outbox.freeze(seq, body, milliseconds))

    def change(self, seq: int | None, body: Mapping[str, Any]) -> None:
        """Keep an event that was not sent yet with other content."""
        if seq is not None:
            self._try(lambda: self._outbox.change(seq, body))

    def remove(self, seq: int | None) -> None:
        """Forget an entry."""
        if seq is not None:
            self._try(lambda: self._outbox.remove(seq, self._held))

    def take_over(self) -> tuple[list[StoredEntry], bool]:
        """Take what is left of the session, and what was parked; see ``Outbox.take_over``."""
        taken = self._try(lambda: self._outbox.take_over(self._address, self._held))
        if taken is None:
            return [], False
        self.parked.clear()
        return taken

    def park(self, numbers: Sequence[int], names: Iterable[str]) -> None:
        """Leave events to the file until ``take_over``."""
        self._outbox.let_go(set(numbers))
        self._held.difference_update(numbers)
        self.parked.update(names)

    def redact_parked(self, tracking_id: str, payload: Sequence[dict[str, Any]]) -> None:
        """Replace a message in what is parked."""
        entries, _ = self.take_over()
        for entry in entries:
            place = dict(entry.places).get(tracking_id)
            if entry.kind == "event" and place is not None:
                body = {**entry.body, "payload": put_in_place(entry.body["payload"], place, payload)}
                self.change(entry.seq, body)
        self.park([entry.seq for entry in entries], (name for entry in entries for name, _ in entry.places))

    def let_go(self) -> None:
        """Leave everything to whoever opens the session next."""
        self._outbox.let_go(self._held)

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
