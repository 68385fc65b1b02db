"""The event writers of many sessions: shared by the agents of a session, and kept while they hold unsent messages."""

from __future__ import annotations

import logging
import sqlite3
import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary, WeakValueDictionary

from agentmem.events import writer_registry
from agentmem.events.breaker import CircuitBreaker
from agentmem.events.outbox import open_outbox
from agentmem.events.writer import PATIENCE, EventWriter, WriterStatus, check_flush
from agentmem.scope.address import SessionAddress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentmem.scope.scope import SessionScope
    from agentmem.settings.sections import WriteConfig

__all__ = ["HookStatus", "SessionWriters"]

BreakerState = Literal["closed", "half-open", "open"]
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
        breaker: State of the circuit breaker of writing or, when that is closed, of retrieval.
    """

    saved: int
    pending: int
    dropped: int
    last_error: str | None
    breaker: BreakerState


class SessionWriters:
    """Hands out one writer for each session.

    A writer lives as long as an agent uses it or it holds unsent messages, so an outage costs a process that makes an
    agent for each request nothing but time. They share one circuit breaker, because they share the service. The turns
    waiting in all writers together are bounded by `queue_limit` times the sessions that fail, and the sessions by
    `queue_limit`; with an outbox, by the disk.
    """

    def __init__(self, settings: WriteConfig) -> None:
        """Write with these settings.

        Raises:
            ConfigurationError: The outbox cannot be used, or the settings do not fit where this runs.
        """
        check_flush(settings)
        if settings.outbox is not None:
            open_outbox(settings.outbox)
        self._settings = settings
        self._lock = threading.Lock()
        self._live: WeakValueDictionary[SessionAddress, EventWriter] = WeakValueDictionary()
        self._unsent: dict[SessionAddress, EventWriter] = {}
        self._seen: WeakKeyDictionary[EventWriter, WriterStatus] = WeakKeyDictionary()
        self._breaker = CircuitBreaker(settings.breaker_failures, settings.breaker_reset_seconds)
        self._saved = self._dropped = 0
        self._last_error: str | None = None

    def writer(self, session: SessionScope) -> EventWriter:
        """Return the writer of a session; keep it as long as you use it."""
        address = SessionAddress(session.memory_id, session.actor_id, session.session_id)
        return self._writer_of(address, session.client, session.event_options())

    def drain(self, session: SessionScope, writer: EventWriter) -> bool:
        """Send what a session's writer holds, for as long as a turn may wait; it is kept until it holds nothing.

        Returns:
            Whether everything is acknowledged.
        """
        address = SessionAddress(session.memory_id, session.actor_id, session.session_id)
        return self._drain(address, writer, PATIENCE)

    def drain_all(self, *, insist: bool = False) -> bool:
        """Send what any session's writer still holds, longest unsent first, as long as the service answers.

        Args:
            insist: Try although the breaker is open: there may be no later.

        Returns:
            Whether everything is acknowledged.
        """
        with self._lock:
            waiting = list(self._unsent.items())
        done = True
        for address, writer in waiting:
            done = self._drain(address, writer, None, insist=insist) and done
            if self._breaker.state == "open":
                break
        return done

    def take_over(self, memory_id: str, client: Any) -> None:
        """Take over what processes that have ended left in the outbox, of any session of a memory."""
        if self._settings.outbox is None:
            return
        try:
            left = open_outbox(self._settings.outbox).left_behind(memory_id)
        except sqlite3.Error as error:
            _log.error("error=<%s: %s> | the outbox could not be read", type(error).__name__, error)
            return
        for address in left:
            writer = self._writer_of(address, client, {})
            with self._lock:
                self._unsent[address] = writer

    def finish_with(self, owner: object) -> None:
        """Send what is left when the owner is collected; the end of the process has its own way (`events.unsent`)."""
        # Collected in the middle of anything, so not in this thread.
        weakref.finalize(owner, _finish_aside, self).atexit = False

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
        pending = sum(writer.status.pending for writer in writers)
        with self._lock:
            return HookStatus(self._saved, pending, self._dropped, self._last_error, self._breaker.state)

    def _writer_of(self, address: SessionAddress, client: Any, options: Mapping[str, Any]) -> EventWriter:
        with self._lock:
            found = self._live.get(address)
            if found is None:
                found = EventWriter(client, address, self._settings, options=options, breaker=self._breaker)
                self._live[address] = found
                found.recover()
            return found

    def _drain(
        self, address: SessionAddress, writer: EventWriter, seconds: float | None, *, insist: bool = False
    ) -> bool:
        done = writer.drain(seconds, insist=insist)
        self._account(writer)
        with self._lock:
            if not done:
                self._unsent[address] = writer
            elif self._unsent.get(address) is writer:
                del self._unsent[address]
            lost = [self._unsent.pop(next(iter(self._unsent))) for _ in range(self._surplus())]
        for one in lost:
            one.abandon()
            writer_registry.drop(one)
            self._account(one)
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


def _finish(writers: SessionWriters) -> None:
    if writers.unsent and not writers.drain_all(insist=True):
        _log.error("messages=<%d> | not saved when their hook was collected, tried again", writers.status.pending)


def _finish_aside(writers: SessionWriters) -> None:
    if writers.unsent:
        threading.Thread(target=_finish, args=(writers,), name="agentmem-finish").start()
