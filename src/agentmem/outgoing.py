"""The event writers of many sessions: shared by the agents of a session, and kept while they hold unsent messages."""

from __future__ import annotations

import atexit
import logging
import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

from agentmem.events.address import SessionAddress
from agentmem.events.writer import EventWriter, WriterStatus

if TYPE_CHECKING:
    from agentmem.config import WriteConfig
    from agentmem.session import MemorySession

__all__ = ["HookStatus", "SessionWriters"]

BreakerState = Literal["closed", "half-open", "open"]
_ORDER: tuple[BreakerState, ...] = ("closed", "half-open", "open")
_NOTHING = WriterStatus(0, 0, 0, None, "closed")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HookStatus:
    """What has become of the messages a hook was given, over all its agents.

    Attributes:
        saved: Messages acknowledged by the service.
        pending: Messages waiting to be sent again.
        dropped: Messages given up: refused by the service, or a queue was full.
        last_error: What last went wrong in saving, restoring or retrieving, or None.
        breaker: State of the circuit breaker furthest from closed, of the writers in use and of retrieval.
    """

    saved: int
    pending: int
    dropped: int
    last_error: str | None
    breaker: BreakerState


class SessionWriters:
    """Hands out one writer for each session.

    A writer lives as long as an agent uses it or it holds unsent messages, so an outage costs a process that makes an
    agent for each request nothing but time. The turns waiting in all writers together are bounded by `queue_limit`
    times the sessions that fail, and the sessions by `queue_limit`.
    """

    def __init__(self, settings: WriteConfig) -> None:
        """Write with these settings."""
        self._settings = settings
        self._lock = threading.Lock()
        self._live: WeakValueDictionary[SessionAddress, EventWriter] = WeakValueDictionary()
        self._unsent: dict[SessionAddress, EventWriter] = {}
        self._seen: WeakKeyDictionary[EventWriter, WriterStatus] = WeakKeyDictionary()
        self._saved = self._dropped = 0
        self._last_error: str | None = None

    def writer(self, session: MemorySession) -> EventWriter:
        """Return the writer of a session; keep it as long as you use it."""
        address = SessionAddress(session.memory_id, session.actor_id, session.session_id)
        with self._lock:
            found = self._live.get(address)
            if found is None:
                found = EventWriter(session.client, address, self._settings, options=session.event_options())
                self._live[address] = found
            return found

    def drain(self, session: MemorySession, writer: EventWriter) -> bool:
        """Send what a session's writer holds; it is kept until it holds nothing.

        Returns:
            Whether everything is acknowledged.
        """
        address = SessionAddress(session.memory_id, session.actor_id, session.session_id)
        return self._drain(address, writer)

    def drain_all(self) -> bool:
        """Send what any session's writer still holds, longest unsent first; stop at the first that cannot.

        Returns:
            Whether everything is acknowledged.
        """
        with self._lock:
            waiting = list(self._unsent.items())
        return all(self._drain(address, writer) for address, writer in waiting)

    def finish_with(self, owner: object) -> None:
        """Send what is left when the owner is collected, or when the process ends."""
        # Collected in the middle of anything, so not in this thread; the end of the process has its own way.
        weakref.finalize(owner, _finish_aside, self).atexit = False
        _open.add(self)

    @property
    def unsent(self) -> bool:
        """Whether any writer holds messages after an attempt to send them."""
        return bool(self._unsent)

    @property
    def status(self) -> HookStatus:
        """Counts over all sessions."""
        with self._lock:
            writers = list(self._live.values())
        for writer in writers:
            self._account(writer)
        statuses = [writer.status for writer in writers]
        worst = max((status.breaker for status in statuses), key=_ORDER.index, default=_ORDER[0])
        with self._lock:
            return HookStatus(
                self._saved, sum(status.pending for status in statuses), self._dropped, self._last_error, worst
            )

    def _drain(self, address: SessionAddress, writer: EventWriter) -> bool:
        done = writer.drain()
        self._account(writer)
        with self._lock:
            if not done:
                self._unsent[address] = writer
            elif self._unsent.get(address) is writer:
                del self._unsent[address]
            lost = [self._unsent.pop(next(iter(self._unsent))) for _ in range(self._surplus())]
            self._dropped += sum(one.status.pending for one in lost)
        if lost:
            _log.error("sessions=<%d> | too many sessions with unsent turns, the oldest are dropped", len(lost))
        return done

    def _surplus(self) -> int:
        return max(0, len(self._unsent) - self._settings.queue_limit)

    def _account(self, writer: EventWriter) -> None:
        now = writer.status
        with self._lock:
            before = self._seen.get(writer, _NOTHING)
            self._seen[writer] = now
            self._saved += now.saved - before.saved
            self._dropped += now.dropped - before.dropped
            if now.last_error is not None or before.last_error == self._last_error:
                self._last_error = now.last_error


_open: WeakSet[SessionWriters] = WeakSet()


def _finish(writers: SessionWriters) -> None:
    if writers.unsent and not writers.drain_all():
        _log.error("messages=<%d> | not saved when their hook or the process ended", writers.status.pending)


def _finish_aside(writers: SessionWriters) -> None:
    if writers.unsent:
        threading.Thread(target=_finish, args=(writers,), name="agentmem-finish").start()


@atexit.register
def _finish_all() -> None:
    for writers in list(_open):
        _finish(writers)
