"""Writing the event log: one turn at a time, in order, each exactly once.

A turn waits in the session manager or the hook until it is closed, because a guardrail may still redact a message.
Closing serializes it into one event, or several when it is large, and puts it at the end of the backlog; draining sends
the backlog in order.

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

from agentmem.errors import ConfigurationError, UnsentMessagesError
from agentmem.events import writer_registry
from agentmem.events.batch import MAX_BYTES, MAX_ITEMS, OutgoingItem, divided
from agentmem.events.breaker import breaker_of
from agentmem.events.codec import decode_event
from agentmem.events.jobs import QueuedEvent, QueuedRedaction, QueuedTurn, Tail, job_of, no_items, nothing, places
from agentmem.events.outbox import item_of
from agentmem.events.redaction import Replacement, put_in_place
from agentmem.events.send_queue import Backlog
from agentmem.events.sender import Sender
from agentmem.events.session_outbox import Journal
from agentmem.support import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from strands.types.content import Message

    from agentmem.events.breaker import CircuitBreaker
    from agentmem.events.position import Position
    from agentmem.scope.address import SessionAddress
    from agentmem.settings.sections import WriteConfig

__all__ = ["MAX_BYTES", "MAX_ITEMS", "EventWriter", "OutgoingItem", "WriterStatus", "check_flush"]

PATIENCE = 2.0
"""Seconds after which a turn starts no further call for turns that waited before it; they are sent aside."""

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
    if settings.flush == "background" and writer_registry.is_lambda():
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
            breaker: A breaker to share with other writers; None for the one that all writers through this client share.
            now: Seconds since the epoch.

        Raises:
            ConfigurationError: The outbox cannot be used, or the settings do not fit where this runs.
        """
        check_flush(settings)
        self.retry_seconds = settings.breaker_reset_seconds
        self._client = client
        self._address = address
        self._settings = settings
        self._journal = Journal.open(settings.outbox, address)
        self._backlog = Backlog(settings.queue_limit)
        breaker = breaker or breaker_of(client, settings)
        self._sender = Sender(
            client, address, settings, self._backlog, self._journal, options=options or {}, breaker=breaker, now=now
        )
        self._sending = threading.Lock()
        self._in_vain = False
        if self._journal is not None:
            weakref.finalize(self, self._journal.let_go).atexit = False

    # ---- what is known

    @property
    def status(self) -> WriterStatus:
        """Counts of messages, the last error, and the breaker's state."""
        saved, waiting, dropped = self._backlog.counts
        parked = len(self._journal.parked) if self._journal is not None else 0
        return WriterStatus(saved, waiting + parked, dropped, self._sender.last_error, self._sender.breaker.state)

    @property
    def has_outbox(self) -> bool:
        """Whether what is unsent outlives the process."""
        return self._journal is not None

    @property
    def positions(self) -> dict[str, Position]:
        """Where this writer has stored messages, by tracking id; of the last 10,000 of them."""
        return self._backlog.positions

    def positions_of(self, tracking_ids: Iterable[str]) -> dict[str, Position]:
        """Return where this writer has stored messages, of those that it has."""
        return self._backlog.positions_of(tracking_ids)

    def has_taken(self, tracking_id: str) -> bool:
        """Whether a message was submitted: it is queued, it was stored, or it was given up."""
        parked = self._journal is not None and tracking_id in self._journal.parked
        return parked or self._backlog.has_seen(tracking_id)

    def waiting(self) -> list[Message]:
        """Return the messages that are queued, in order, as they will be stored; plain text is not among them."""
        decoded = [decode_event({"eventId": "", "payload": payload}) for payload in self._backlog.payloads()]
        return [one.message for event in decoded for one in event.messages if one.origin != "text"]

    def serves(self, client: Any, address: SessionAddress, settings: WriteConfig) -> bool:
        """Whether this writer is what a new one with these arguments would be."""
        return self._client is client and self._address == address and self._settings == settings

    def inherit(self) -> None:
        """Serve another owner from now on: what is queued brings no checkpoint of the last one's."""
        self._backlog.without_tails()

    def start_after(self, event_id: str) -> None:
        """Make every later event's time later than that of an event already in the log."""
        self._sender.start_after(event_id)

    def look_first(self) -> None:
        """Find out before the first event what is newest in the log, unless that is known; nobody has read it."""
        self._sender.look_first()

    def begin_turn(self) -> None:
        """Begin a turn, which may wait for the service anew; see ``drain``."""
        self._in_vain = False

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
            bodies = [self._sender.body(turn, event, ()) for event in events]
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
        with self._backlog.lock:
            event = self._backlog.event_of(new.tracking_id)
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
        self._backlog.add(job)
        writer_registry.keep(self)

    def recover(self) -> None:
        """Take over what earlier processes left of this session in the outbox; it is sent before anything else."""
        self._take_over(settle=True)

    # ---- sending

    def drain(self, seconds: float | None = None, *, insist: bool = False) -> bool:
        """Send what is queued, in order, until it is empty or the service fails.

        Never raises for the service's sake: what it does not take stays queued, what it refuses for good is dropped
        with an error in the log.

        Args:
            seconds: On the user's time: after how long no further call is begun, and for how long to wait for another
                thread that is sending. What is left then, and everything more until the next ``begin_turn``, is sent
                aside, so that a turn waits in vain once. None for no limit.
            insist: Try although the breaker is open: there may be no later.

        Returns:
            Whether the queue is empty now.
        """
        if seconds is not None and self._in_vain and not writer_registry.is_lambda():
            writer_registry.retry(self, at_once=True)
            return False
        until = None if seconds is None else clock.monotonic() + seconds
        if not self._sending.acquire(timeout=-1 if seconds is None else seconds):
            self._in_vain = True
            return False
        try:
            done = self._sender.send(until, insist=insist, take_over=self._unpark)
            if done:
                writer_registry.release(self)
        finally:
            self._sending.release()
        if not done:
            writer_registry.retry(self)
        elif self._backlog:
            writer_registry.keep(self)  # submitted in between
        if done:
            self._in_vain = False
        elif seconds is not None:
            self._in_vain = True
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
                f"{count} messages of {self._address} are not saved: "
                f"{self._sender.last_error or 'the service is failing'}. {remedy}",
                count,
            )

    def abandon(self) -> None:
        """Give up what is queued; with an outbox it stays there."""
        self._backlog.give_up()
        if self._journal is not None:
            self._journal.let_go()
        _log.error("session=<%s> | too many sessions with unsent turns, those of this one are dropped", self._address)

    # ---- inside

    def _enqueue(self, turn: QueuedTurn, numbers: list[int] | None) -> None:
        lost: list[QueuedTurn] = []
        with self._backlog.lock:
            if self._journal is not None and numbers and (self._backlog.is_full or self._journal.parked):
                self._journal.park(numbers, [name for event in turn.events for name in event.places])
            else:
                lost = self._backlog.add(turn)
        writer_registry.keep(self)
        if lost:
            _log.error(
                "session=<%s>, turns=<%d>, queue_limit=<%d> | queue of unsent turns is full, oldest turns dropped",
                self._address,
                len(lost),
                self._settings.queue_limit,
            )

    def _unpark(self) -> None:
        if self._journal is not None and self._journal.parked:
            self._take_over(settle=False)

    def _take_over(self, *, settle: bool) -> None:
        entries, foreign = self._journal.take_over() if self._journal is not None else ([], False)
        if not entries:
            return
        self._backlog.put_first(job_of(entry) for entry in entries if entry.kind != "message")
        self._sender.must_settle = self._sender.must_settle or foreign or settle
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
        writer_registry.keep(self)

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
            self._journal.change(event.seq, event.body or self._sender.body(turn, event, ()))
