"""Sending what waits, in order, each event exactly once, until it is gone or the service fails.

An event's request is frozen before its first attempt and its ``clientToken`` is a hash of it: a retry cannot be stored
twice. The first failure ends the attempt, so that nothing overtakes anything.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from agentmem.errors import HistoryUnavailableError
from agentmem.events.batch import as_call, body_of
from agentmem.events.jobs import QueuedRedaction
from agentmem.events.position import Position
from agentmem.events.reader import EventReader, check_answer
from agentmem.events.reconcile import find_message, look_up, without_state
from agentmem.events.redaction import replace_event
from agentmem.support import clock, telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agentmem.events.breaker import CircuitBreaker
    from agentmem.events.jobs import QueuedEvent, QueuedTurn
    from agentmem.events.send_queue import Backlog
    from agentmem.events.session_outbox import Journal
    from agentmem.scope.address import SessionAddress
    from agentmem.settings.sections import WriteConfig

__all__ = ["Sender"]

_REFUSED = frozenset({"ValidationException", "InvalidInputException", "RequestEntityTooLargeException"})
_FAILURES = (ClientError, BotoCoreError, ResponseParserError, HistoryUnavailableError, OSError)
_log = logging.getLogger(__name__)


class Sender:
    """Sends the backlog of one session's writer; one thread at a time may.

    Attributes:
        last_error: What the last failed attempt said, or None after a success.
        breaker: Says whether to try.
        must_settle: Whether it is not known what is newest in the log, because another process may have written;
            it is looked up before the next event gets its time.
    """

    def __init__(
        self,
        client: Any,
        address: SessionAddress,
        settings: WriteConfig,
        backlog: Backlog,
        journal: Journal | None,
        *,
        options: Mapping[str, Any],
        breaker: CircuitBreaker,
        now: Callable[[], float],
    ) -> None:
        """Send through a boto3 ``bedrock-agentcore`` client.

        Args:
            client: The client.
            address: The session.
            settings: The metadata of every event.
            backlog: What waits.
            journal: The outbox's record of it, if there is one.
            options: What every CreateEvent carries besides.
            breaker: Says whether to try.
            now: Seconds since the epoch.
        """
        self.last_error: str | None = None
        self.breaker = breaker
        self.must_settle = False
        self._client = client
        self._address = address
        self._metadata = settings.metadata
        self._backlog = backlog
        self._journal = journal
        self._options = dict(options)
        self._now = now
        self._reader = EventReader(client, address)
        self._last_ms = 0
        self._others_ms = -1
        self._failed = False

    def start_after(self, event_id: str) -> None:
        """Make every later event's time later than that of an event already in the log."""
        with self._backlog.lock:
            self._last_ms = max(self._last_ms, Position(event_id).milliseconds)

    def look_first(self) -> None:
        """Find out before the next event what is newest in the log, unless something is known of it."""
        with self._backlog.lock:
            self.must_settle = self.must_settle or not self._last_ms

    def body(self, turn: QueuedTurn, event: QueuedEvent, tail: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return what an event of a turn carries, besides the ids and the time."""
        is_last = event is turn.events[-1]
        metadata = {**self._metadata, **(turn.metadata if is_last else {})}
        return body_of(event.items, [*tail, *turn.last] if is_last else (), metadata, self._options)

    def send(self, until: float | None, *, insist: bool, take_over: Callable[[], None]) -> bool:
        """Send until nothing waits, the service fails, or the time is up.

        Args:
            until: When no further call is begun, by ``clock.monotonic``; None for no limit.
            insist: Try although the breaker is open.
            take_over: Puts what waits in the outbox only into the backlog.

        Returns:
            Whether nothing waits.
        """
        while True:
            if not self._backlog:
                take_over()
            job = self._backlog.first
            if job is None:
                return True
            if (until is not None and clock.monotonic() >= until) or not (self.breaker.allow() or insist):
                return False
            try:
                sent = self._step(job)
            except BaseException:
                self.breaker.failed()  # or the probe of a half-open breaker would stay out for ever
                raise
            if not sent:
                return False

    def _step(self, job: QueuedTurn | QueuedRedaction) -> bool:
        """Take one step; return False when the service failed."""
        try:
            if isinstance(job, QueuedRedaction):
                self._replace(job)
            else:
                self._store(job)
        except _FAILURES as failure:
            error = failure.__cause__ if isinstance(failure, HistoryUnavailableError) else failure
            self.last_error = f"{type(error).__name__}: {error}"
            if _code_of(error) in _REFUSED:
                self._give_up(job, _code_of(error))
                return True
            self._failed = True
            self.breaker.failed()
            telemetry.count("events.failed")
            _log.warning("session=<%s>, error=<%s> | not saved, kept for the next try", self._address, self.last_error)
            return False
        self.breaker.succeeded()
        self.last_error = None
        return True

    def _store(self, turn: QueuedTurn) -> None:
        event = turn.events[0]
        was_tried = event.at is not None and (event.kept_at or self._failed)
        event_id = self._settle(event) if self.must_settle or was_tried else None
        if event_id is None:
            call = as_call(self._address.parameters(), *self._frozen(turn, event))
            answer = self._client.create_event(**call)
            check_answer(answer, "create_event", "event")
            event_id = answer["event"]["eventId"]
        self._backlog.stored(turn, event_id)
        if self._journal is not None:
            self._journal.remove(event.seq)
        if not turn.events:
            self._backlog.done(turn)
            turn.on_stored(turn.last_event_id)

    def _settle(self, event: QueuedEvent) -> str | None:
        """Find out whether an event that was tried before is in the log, and make it fit behind what is.

        While it waited, other writers may have written, and one of them may have compacted: behind a boundary that
        has moved past its time nobody would see it. One of this process keeps its time when nobody did: the first
        attempt may still arrive, and only the same request is known to be the same.
        """
        body = event.body if event.body is not None else {"payload": []}
        try:
            found, newest = look_up(self._reader, body, event.at)
        except HistoryUnavailableError as error:
            if event.kept_at or _code_of(error.__cause__) != "AccessDeniedException":
                raise
            found = newest = None  # who may write and not read writes by the clock
        if newest is not None:
            self.start_after(newest)
        if self.must_settle:
            self.must_settle = False
            self._others_ms = -1 if newest is None else Position(newest).milliseconds
        if found is None and event.kept_at and event.kept_at <= self._others_ms:
            event.body = without_state(body)  # somebody has written since: that state is the newer one
        if found is None and event.at is not None:
            newest_ms = self._last_ms if event.kept_at else -1 if newest is None else Position(newest).milliseconds
            if event.at <= newest_ms:
                event.at = None
        self._failed = False
        return found

    def _frozen(self, turn: QueuedTurn, event: QueuedEvent) -> tuple[dict[str, Any], int]:
        """Return what the event carries and its time, the same at every attempt."""
        with self._backlog.lock:
            if event.body is not None and event.at is not None:
                return event.body, event.at
            if event.body is None:
                here = {name: Position("", place) for name, place in event.places.items() if place is not None}
                last = len(turn.events) == 1
                event.body = self.body(turn, event, turn.tail({**turn.positions, **here}) if last else ())
            self._last_ms = event.at = max(int(self._now() * 1000), self._last_ms + 1)
            frozen = event.body, event.at
        if self._journal is not None:
            self._journal.freeze(event.seq, *frozen)
        return frozen

    def _replace(self, job: QueuedRedaction) -> None:
        at = job.at or find_message(self._reader, job.new.tracking_id)
        made = None if at is None else replace_event(self._client, self._address, at, job.new, self._options)
        self._backlog.done(job)
        if self._journal is not None:
            self._journal.remove(job.seq)
        if at is None or made is None:
            _log.warning("session=<%s> | a redacted message is not in the log (any more)", self._address)
            return
        self._backlog.moved(at.event_id, made)
        job.on_replaced(at.event_id, made)

    def _give_up(self, job: QueuedTurn | QueuedRedaction, code: str) -> None:
        self.breaker.succeeded()  # the service answered: it is this event that is wrong
        event = self._backlog.refused(job)
        if self._journal is not None:
            self._journal.remove(job.seq if isinstance(job, QueuedRedaction) else event.seq if event else None)
        _log.error(
            "session=<%s>, messages=<%d>, code=<%s> | the service refuses this, it is given up",
            self._address,
            len(event.places) if event is not None else 0,
            code,
        )


def _code_of(error: object) -> str:
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else ""
