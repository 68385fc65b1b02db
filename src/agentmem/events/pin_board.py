"""Holds the pins of a session as one process knows them, shared by everything in it that serves the session."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

from agentmem.events.pins import Pins

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agentmem.scope.address import SessionAddress


class PinBoard:
    """The pins of one session. Safe to share between threads.

    Attributes:
        pins: The pins now.
    """

    def __init__(self, pins: Pins | None = None, client: Any = None) -> None:
        """Begin with some pins.

        Args:
            pins: None for none.
            client: The client through which the session is read, kept so that no other one takes its identity.
        """
        self.pins = Pins() if pins is None else pins
        self._client = client
        self._lock = threading.Lock()

    @classmethod
    def shared(cls, client: Any, address: SessionAddress, agent: str | None = None) -> PinBoard:
        """Return the board of a session, the same for everyone in this process who reads it through one client.

        It lasts as long as somebody holds it.

        Args:
            client: The boto3 client, which tells one service from another.
            address: The session.
            agent: Of which agent, when it is not the session's main one.
        """
        with _boards_lock:
            key = (id(client), address, agent)
            board = _boards.get(key)
            if board is None:
                board = _boards[key] = cls(client=client)
            return board

    def replace(self, pins: Pins) -> None:
        """Take what the log says for the pins."""
        with self._lock:
            self.pins = pins

    def change(self, changes: Iterable[Mapping[str, Any]]) -> None:
        """Apply changes, oldest first; those that were applied before change nothing."""
        changes = list(changes)
        if changes:
            with self._lock:
                self.pins = self.pins.after(changes)


_boards: weakref.WeakValueDictionary[tuple[int, SessionAddress, str | None], PinBoard] = weakref.WeakValueDictionary()
_boards_lock = threading.Lock()
