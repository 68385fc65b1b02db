"""Writing the event log: one turn at a time, in order, each exactly once.

A turn waits in the buffer until it is closed, because a guardrail may still redact a message. Closing serializes it
into one event, or several when it is large, and puts it at the end of a queue; draining sends the queue in order and
stops at the first event that the service does not take, so that nothing overtakes anything. An event's request is
frozen before its first attempt and its ``clientToken`` is a hash of it: a retry cannot be stored twice.

With an outbox every turn is in a file before it is queued, and so are the messages of a turn in progress that are
accepted: those that no model call can redact any more.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from agentmem import clock
from agentmem.errors import ConfigurationError, HistoryUnavailableError, UnsentMessagesError
from agentmem.events import unsent
from agentmem.events.batch import MAX_BYTES, MAX_ITEMS, OutgoingItem, as_call, body_of, divided, payload_of
from agentmem.events.breaker import CircuitBreaker
from agentmem.events.codec import decode_event
from agentmem.events.jobs import QueuedEvent, QueuedRedaction, QueuedTurn, Tail, job_of, no_items, nothing, places
from agentmem.events.journal import Journal
from agentmem.events.outbox import item_of
from agentmem.events.position import Position
from agentmem.events.reader import EventReader, check_answer
from agentmem.events.replacing import Replacement, put_in_place, replace_event
from agentmem.events.settling import find_message, look_up, without_state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from strands.types.content import Message

    from agentmem.config import WriteConfig
    from agentmem.events.address import SessionAddress

__all__ = ["MAX_BYTES", "MAX_ITEMS", "EventWriter", "OutgoingItem", "WriterStatus", "check_flush"]

PATIENCE = 2.0
"""Seconds after which a turn starts no further call for turns that waited before it; they are sent aside."""

POSITIONS = 10_000
"""Positions of stored messages that a writer remembers."""

_REFUSED = frozenset({"ValidationException", "InvalidInputException", "RequestEntityTooLargeException"})
_FAILURES = (ClientError, BotoCoreError, ResponseParserError, HistoryUnavailableError, OSError)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WriterStatus:
    """What has become of what was written.

    Attributes:
        saved: Messages acknowledged by the service.
        pending: Messages in closed turns that are not acknowledged yet.
        dropped: Messages given up: the queue was full, or the service refused them for good.
        last_error: What the last failed attempt said, or None after a success.
        breaker: State of the circuit breaker.
    """

    saved: int
    pending: int
    dropped: int
    last_error: str | None
    breaker: Literal["closed", "open", "half-open"]


def check_flush(settings: WriteConfig) -> None:
    """Refuse what cannot be held where this runs.

    Raises:
        ConfigurationError: Writing in the background on Lambda.
    """
    if settings.flush == "background" and unsent.is_lambda():
        raise ConfigurationError(
            "flush = 'background': AWS Lambda freezes the process between calls, and what the thread has not sent by "
            "then may never be. Use flush='turn'."
        )


class EventWriter:
    """Writes one session's events. Safe to share between threads."""

    def __init__(
        self,
        client: Any,
        address: SessionAddress,
        settings: WriteConfig,
        *,
        options: Mapping[str, Any] | None = None,
        breaker: CircuitBreaker | None = None,
        now: Callable[[], float] = clock.now,
    ) -> None:
        """Write through a boto3 ``bedrock-agentcore`` client.

        Args:
            client: The client; its own retries are the transient errors' first answer.
            address: The session.
            settings: Queue limit, breaker, outbox and metadata.
            options: What every CreateEvent carries besides; see ``MemorySession.event_options``.
            breaker: A breaker to share with other writers to the same service; None for one of its own.
            now: Seconds since the epoch.

        Raises:
            ConfigurationError: The outbox cannot be used, or the settings do not fit where this runs.
        """
        check_flush(settings)
        self._options = dict(options or {})
        self._client = client
        self._address = address
        self._settings = settings
        self._now = now
        self._reader = EventReader(client, address)
        self._queue: deque[QueuedTurn | QueuedRedaction] = deque()
        self._state = threading.Lock()
        self._sending = threading.Lock()
        self._breaker = breaker or CircuitBreaker(settings.breaker_failures, settings.breaker_reset_seconds)
        self._last_ms = 0
        self._saved = self._dropped = 0
        self._last_error: str | None = None
        self._given_up: set[str] = set()
        self._positions: dict[str, Position] = {}
        self._journal = Journal.open(settings.outbox, address)
        self._unsettled = False
        self._others_ms = -1
        self.retry_seconds = settings.breaker_reset_seconds
        if self._journal is not None:
            weakref.finalize(self, self._journal.let_go).atexit = False

    # ---- what is known

    @property
    def status(self) -> WriterStatus:
        """Counts of messages, the last error, and the breaker's state."""
        with self._state:
            parked = len(self._journal.parked) if self._journal is not None else 0
            pending = sum(job.messages for job in self._queue) + parked
            return WriterStatus(self._saved, pending, self._dropped, self._last_error, self._breaker.state)

    @property
    def has_outbox(self) -> bool:
        """Whether what is unsent outlives the process."""
        return self._journal is not None

    def has_taken(self, tracking_id: str) -> bool:
        """Whether a message was submitted and is not acknowledged: it is queued, or it was given up."""
        with self._state:
            parked = self._journal is not None and tracking_id in self._journal.parked
            return parked or tracking_id in self._given_up or self._queued(tracking_id) is not None

    def start_after(self, event_id: str) -> None:
        """Make every later event's time later than that of an event already in the log."""
        with self._state:
            self._last_ms = max(self._last_ms, Position(event_id).milliseconds)

    @property
    def positions(self) -> dict[str, Position]:
        """Where this writer has stored messages, by tracking id; of the last 10,000 of them."""
        with self._state:
            return dict(self._positions)

    def waiting(self) -> list[Message]:
        """Return the messages that are queued, in order, as they will be stored; plain text is not among them."""
        with self._state:
            bodies = [
                event.body["payload"] if event.body is not None else payload_of(event.items)
                for job in self._queue
                if isinstance(job, QueuedTurn)
                for event in job.events
            ]
        decoded = [one for body in bodies for one in decode_event({"eventId": "", "payload": body}).messages]
        return [one.message for one in decoded if one.origin != "text"]

    def serves(self, client: Any, address: SessionAddress, settings: WriteConfig) -> bool:
        """Whether this writer is what a new one with these arguments would be."""
        return self._client is client and self._address == address and self._settings == settings

    def inherit(self) -> None:
        """Serve another owner from now on: what is queued brings no checkpoint of the last one's."""
        with self._state:
            for job in self._queue:
                if isinstance(job, QueuedTurn):
                    job.tail, job.on_stored = no_items, nothing

    # ---- taking in

    def accept(self, items: Sequence[OutgoingItem]) -> None:
        """Keep messages of a turn that is still going on in the outbox, if there is one.

        Args:
            items: Messages that nothing will redact any more, serialized.
        """
        if self._journal is not None and items:
            self._journal.keep_messages(items)

    def submit(
        self,
        items: Sequence[OutgoingItem],
        *,
        tail: Tail = no_items,
        last: Sequence[dict[str, Any]] = (),
        metadata: Mapping[str, str] | None = None,
        on_stored: Callable[[str], None] = nothing,
    ) -> None:
        """Put a closed turn at the end of the queue. Nothing is sent until ``drain``.

        Args:
            items: The turn's messages, serialized, in order.
            tail: Makes what follows the messages in the turn's last event, when that is about to be sent.
            last: What follows that.
            metadata: Event metadata of that event; every event carries the configured metadata.
            on_stored: Called once with the id of its last event, when the whole turn is acknowledged.
        """
        events = deque(QueuedEvent(places(part), part) for part in divided(items))
        turn = QueuedTurn(events, tail, last, metadata or {}, on_stored)
        numbers: list[int] | None = None
        if self._journal is not None:
            # Without what the tail would add: sent from there, an older checkpoint stands, which is right.
            bodies = [self._body(turn, event, ()) for event in events]
            kept = zip([list(event.places.items()) for event in events], bodies, strict=True)
            numbers = self._journal.keep_events(kept)
            for event, seq in zip(events, numbers or (), strict=False):
                event.seq = seq
        self._enqueue(turn, numbers)

    def redact(
        self, new: Replacement, at: Position | None = None, on_replaced: Callable[[str, str], None] = nothing
    ) -> None:
        """Replace a message that was submitted before; what is in the log already is replaced with ``drain``.

        Args:
            new: The message's new content.
            at: Where it stands in the log, if that is known.
            on_replaced: Called with the event's id and the new one's, when it is replaced.
        """
        with self._state:
            event = self._queued(new.tracking_id)
            if event is not None and event.at is None:
                self._change(event, new)
                return
        job = QueuedRedaction(new, at, on_replaced)
        if self._journal is not None:
            if new.tracking_id in self._journal.parked:
                self._journal.redact_parked(new.tracking_id, new.payload)
                return
            place = None if at is None else [at.event_id, at.item]
            job.seq = self._journal.keep_redaction(new.tracking_id, {**new.to_dict(), "at": place})
        with self._state:
            self._queue.append(job)
        unsent.keep(self)

    def recover(self) -> None:
        """Take over what earlier processes left of this session in the outbox; it is sent before anything else."""
        self._take_over(unsettled=True)

    def _take_over(self, *, unsettled: bool) -> None:
        entries, foreign = self._journal.take_over() if self._journal is not None else ([], False)
        if not entries:
            return
        jobs = [job_of(entry) for entry in entries if entry.kind != "message"]
        with self._state:
            self._queue.extendleft(reversed(jobs))
            self._unsettled = self._unsettled or foreign or unsettled
        # What was said in a turn that was never closed becomes a turn of its own.
        items = [item_of(entry) for entry in entries if entry.kind == "message"]
        if items:
            self.submit(items)
        if foreign:
            _log.info(
                "session=<%s>, entries=<%d> | taken over from the outbox of a process that ended",
                self._address,
                len(entries),
            )
        unsent.keep(self)

    # ---- sending

    def drain(self, seconds: float | None = None, *, insist: bool = False) -> bool:
        """Send what is queued, in order, until it is empty or the service fails.

        Never raises for the service's sake: what it does not take stays queued, what it refuses for good is dropped
        with an error in the log.

        Args:
            seconds: After how long no further call is begun, and for how long to wait for another thread that is
                sending; what is left then is sent aside. None for no limit.
            insist: Try although the breaker is open: there may be no later.

        Returns:
            Whether the queue is empty now.
        """
        until = None if seconds is None else clock.monotonic() + seconds
        if not self._sending.acquire(timeout=-1 if seconds is None else seconds):
            return False
        try:
            done = self._send_all(until, insist=insist)
            if done:
                unsent.release(self)
        finally:
            self._sending.release()
        if not done:
            unsent.retry(self)
        elif self._queue:
            unsent.keep(self)  # submitted in between
        return done

    def close(self) -> None:
        """Send what is left.

        Raises:
            UnsentMessagesError: Some messages are still unacknowledged; they stay queued, so ``drain`` may be tried
                again.
        """
        if not self.drain(insist=True):
            count = self.status.pending
            remedy = (
                "They are kept in the outbox, and the next process that opens the session sends them."
                if self.has_outbox
                else "They are still queued in this process; call close() again when the service is back, or configure "
                "WriteConfig(outbox=...) so that a later process sends them."
            )
            raise UnsentMessagesError(
                f"{count} messages of {self._address} are not saved: {self._last_error or 'the service is failing'}. "
                f"{remedy}",
                count,
            )

    def abandon(self) -> None:
        """Give up what is queued; with an outbox it stays there."""
        with self._state:
            for job in self._queue:
                self._note_lost(job)
            self._queue.clear()
        if self._journal is not None:
            self._journal.let_go()
        _log.error("session=<%s> | too many sessions with unsent turns, those of this one are dropped", self._address)

    # ---- inside

    def _enqueue(self, turn: QueuedTurn, numbers: list[int] | None) -> None:
        lost: list[QueuedTurn] = []
        with self._state:
            full = len(self._queue) >= self._settings.queue_limit
            if self._journal is not None and numbers and (full or self._journal.parked):
                self._journal.park(numbers, [name for event in turn.events for name in event.places])
            else:
                self._queue.append(turn)
                turns = [job for job in self._queue if isinstance(job, QueuedTurn)]
                lost = turns[: max(0, len(turns) - self._settings.queue_limit)]
                for job in lost:
                    self._queue.remove(job)
                    self._note_lost(job)
        unsent.keep(self)
        if lost:
            _log.error(
                "session=<%s>, turns=<%d>, queue_limit=<%d> | queue of unsent turns is full, oldest turns dropped",
                self._address,
                len(lost),
                self._settings.queue_limit,
            )

    def _send_all(self, until: float | None, *, insist: bool) -> bool:
        while True:
            if not self._queue and self._journal is not None and self._journal.parked:
                self._take_over(unsettled=False)
            if not self._queue:
                return True
            if (until is not None and clock.monotonic() >= until) or not (self._breaker.allow() or insist):
                return False
            job = self._queue[0]
            try:
                sent = self._send(job)
            except BaseException:
                self._breaker.failed()  # or the probe of a half-open breaker would stay out for ever
                raise
            if not sent:
                return False

    def _send(self, job: QueuedTurn | QueuedRedaction) -> bool:
        """Take one step; return False when the service failed."""
        try:
            if isinstance(job, QueuedRedaction):
                self._replace(job)
            else:
                self._store(job)
        except _FAILURES as failure:
            error = failure.__cause__ if isinstance(failure, HistoryUnavailableError) else failure
            self._last_error = f"{type(error).__name__}: {error}"
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
            if code in _REFUSED:
                self._give_up(job, code)
                return True
            self._breaker.failed()
            _log.warning("session=<%s>, error=<%s> | not saved, kept for the next try", self._address, self._last_error)
            return False
        self._breaker.succeeded()
        self._last_error = None
        return True

    def _store(self, turn: QueuedTurn) -> None:
        event = turn.events[0]
        event_id = self._settle(event) if self._unsettled or (event.kept_at and event.at is not None) else None
        if event_id is None:
            call = as_call(self._address.parameters(), *self._frozen(turn, event))
            answer = self._client.create_event(**call)
            check_answer(answer, "create_event", "event")
            event_id = answer["event"]["eventId"]
        self._acknowledged(turn, event, event_id)
        if not turn.events:
            self._remove(turn)
            turn.on_stored(turn.last_event_id)

    def _settle(self, event: QueuedEvent) -> str | None:
        """Find out whether an earlier process's event is in the log, and make it fit behind what is."""
        body = event.body if event.body is not None else {"payload": []}
        found, newest = look_up(self._reader, body, event.at)
        if newest is not None:
            self.start_after(newest)
        if self._unsettled:
            self._unsettled = False
            self._others_ms = -1 if newest is None else Position(newest).milliseconds
        if found is None and event.kept_at and event.kept_at <= self._others_ms:
            event.body = without_state(body)  # somebody has written since: that state is the newer one
        if found is None and event.at is not None and event.at <= self._last_ms:
            event.at = None
        return found

    def _frozen(self, turn: QueuedTurn, event: QueuedEvent) -> tuple[dict[str, Any], int]:
        """Return what the event carries and its time, the same at every attempt."""
        with self._state:
            if event.body is not None and event.at is not None:
                return event.body, event.at
            if event.body is None:
                here = {name: Position("", place) for name, place in event.places.items() if place is not None}
                last = len(turn.events) == 1
                event.body = self._body(turn, event, turn.tail({**turn.positions, **here}) if last else ())
            self._last_ms = event.at = max(int(self._now() * 1000), self._last_ms + 1)
            frozen = event.body, event.at
        if self._journal is not None:
            self._journal.freeze(event.seq, *frozen)
        return frozen

    def _body(self, turn: QueuedTurn, event: QueuedEvent, tail: Sequence[dict[str, Any]]) -> dict[str, Any]:
        is_last = event is turn.events[-1]
        metadata = {**self._settings.metadata, **(turn.metadata if is_last else {})}
        return body_of(event.items, [*tail, *turn.last] if is_last else (), metadata, self._options)

    def _acknowledged(self, turn: QueuedTurn, event: QueuedEvent, event_id: str) -> None:
        stored = {name: Position(event_id, place) for name, place in event.places.items() if place is not None}
        turn.positions.update(stored)
        turn.last_event_id = event_id
        with self._state:
            self._positions.update(stored)
            for name in list(self._positions)[: len(self._positions) - POSITIONS]:
                del self._positions[name]
            self._saved += len(event.places)
            turn.events.popleft()
            for job in self._queue:
                if isinstance(job, QueuedRedaction) and job.at is None:
                    job.at = stored.get(job.new.tracking_id)
        if self._journal is not None:
            self._journal.remove(event.seq)

    def _replace(self, job: QueuedRedaction) -> None:
        at = job.at or find_message(self._reader, job.new.tracking_id)
        made = None if at is None else replace_event(self._client, self._address, at, job.new, self._options)
        self._remove(job)
        if self._journal is not None:
            self._journal.remove(job.seq)
        if at is None or made is None:
            _log.warning("session=<%s> | a redacted message is not in the log (any more)", self._address)
            return
        with self._state:
            for name, position in self._positions.items():
                if position.event_id == at.event_id:
                    self._positions[name] = Position(made, position.item)
            for other in self._queue:
                if isinstance(other, QueuedRedaction) and other.at is not None and other.at.event_id == at.event_id:
                    other.at = Position(made, other.at.item)
        job.on_replaced(at.event_id, made)

    def _remove(self, job: QueuedTurn | QueuedRedaction) -> None:
        with self._state:
            # A full queue may have dropped this very turn while it was on its way.
            if self._queue and self._queue[0] is job:
                self._queue.popleft()

    def _queued(self, tracking_id: str) -> QueuedEvent | None:
        for job in self._queue:
            if isinstance(job, QueuedTurn):
                for event in job.events:
                    if tracking_id in event.places:
                        return event
        return None

    def _change(self, event: QueuedEvent, new: Replacement) -> None:
        """Replace a message in an event that no attempt was made to send."""
        event.items = [
            OutgoingItem(
                item.tracking_id,
                new.payload[-1] if new.payload else None,
                item.conversational,
                new.payload[0] if len(new.payload) > 1 else None,
            )
            if item.tracking_id == new.tracking_id
            else item
            for item in event.items
        ]
        place = event.places[new.tracking_id]
        if event.body is not None and place is not None:
            event.body = {**event.body, "payload": put_in_place(event.body["payload"], place, new.payload)}
        elif event.body is None:
            event.places = places(event.items)
        if self._journal is not None:
            turn = QueuedTurn(deque([event]))
            self._journal.change(event.seq, event.body or self._body(turn, event, ()))

    def _give_up(self, job: QueuedTurn | QueuedRedaction, code: str) -> None:
        self._breaker.succeeded()  # the service answered: it is this event that is wrong
        count = 0
        if isinstance(job, QueuedTurn):
            with self._state:
                event = job.events.popleft()
                count = len(event.places)
                self._note_lost(QueuedTurn(deque([event])))
            if self._journal is not None:
                self._journal.remove(event.seq)
        if isinstance(job, QueuedRedaction) or not job.events:
            self._remove(job)
            if self._journal is not None and isinstance(job, QueuedRedaction):
                self._journal.remove(job.seq)
        _log.error(
            "session=<%s>, messages=<%d>, code=<%s> | the service refuses this, it is given up",
            self._address,
            count,
            code,
        )

    def _note_lost(self, job: QueuedTurn | QueuedRedaction) -> None:
        if isinstance(job, QueuedTurn):
            self._dropped += job.messages
            self._given_up.update(name for event in job.events for name in event.places)
