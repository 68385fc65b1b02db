"""Writes one session's turns to the event log: in order, and each exactly once.

A turn is closed into one event, or several when it is large, and waits in a queue; sending empties the queue in order.
An event's request is frozen before its first attempt and its ``clientToken`` is a hash of it, so that a retry cannot be
stored twice. The first failure ends the attempt, so that nothing overtakes anything.

With an outbox every turn is in a file before it is queued, and so are the accepted messages of a turn in progress:
those that no model call can redact any more.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections import deque
from itertools import groupby
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from agentmem.clients.answers import ask
from agentmem.errors import ConfigurationError, HistoryUnavailableError, UnsentMessagesError
from agentmem.events.agents import AGENT
from agentmem.events.batch import as_call, body_of, parts_of
from agentmem.events.breaker import breaker_of
from agentmem.events.outbox import item_of
from agentmem.events.reader import EventReader, event_id_of
from agentmem.events.reconcile import Reconciler, find_message, without_state
from agentmem.events.redaction import Replacement, replace_event
from agentmem.events.send_queue import QueuedEvent, QueuedRedaction, QueuedTurn, SendQueue, Tally, WriterStatus, job_of
from agentmem.events.session_outbox import SessionOutbox
from agentmem.events.writer_registry import is_lambda, registry
from agentmem.support import clock, telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from agentmem.events.batch import OutgoingItem
    from agentmem.events.breaker import CircuitBreaker
    from agentmem.events.position import Position
    from agentmem.events.send_queue import Job, TurnCheckpoint
    from agentmem.events.writer_registry import Drains
    from agentmem.scope.address import SessionAddress
    from agentmem.settings.sections import WriteConfig

__all__ = ["EventWriter", "check_flush"]

_REFUSED = frozenset({"ValidationException", "InvalidInputException", "RequestEntityTooLargeException"})
_shared: weakref.WeakValueDictionary[tuple[int, SessionAddress], EventWriter] = weakref.WeakValueDictionary()
_shared_lock = threading.Lock()
_FAILURES = (ClientError, BotoCoreError, ResponseParserError, HistoryUnavailableError, OSError)
_log = logging.getLogger(__name__)


def check_flush(settings: WriteConfig) -> None:
    """Refuse a way of writing that does not work where this process runs.

    Raises:
        ConfigurationError: Writing in the background on Lambda.
    """
    if settings.flush == "background" and is_lambda():
        raise ConfigurationError(
            "flush = 'background': AWS Lambda freezes the process between calls, and what the thread has not sent by "
            "then may never be. Use flush='turn'."
        )


class EventWriter:
    """Writes one session's events. Safe to share between threads.

    Attributes:
        queue: Turns and redactions that wait to be sent, in order.
        retry_seconds: Seconds after a failure until another attempt may help.
        agents: The agents that write through it.
    """

    def __init__(
        self,
        client: Any,
        address: SessionAddress,
        settings: WriteConfig,
        *,
        options: Mapping[str, Any] | None = None,
        breaker: CircuitBreaker | None = None,
        tally: Tally | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        """Write through a boto3 ``bedrock-agentcore`` client.

        Args:
            client: The client; its own retries are the transient errors' first answer.
            address: The session.
            settings: Queue limit, breaker, outbox and metadata.
            options: Further parameters of every CreateEvent; see ``SessionScope.event_options``.
            breaker: A breaker to share with other writers; None for the one that all writers through this client share.
            tally: Counts to share with other writers; None for counts of its own.
            now: Seconds since the epoch; None for ``time.time``.

        Raises:
            ConfigurationError: The outbox cannot be used, or the settings do not fit where this runs.
        """
        check_flush(settings)
        self.retry_seconds = settings.breaker_reset_seconds
        self._client = client
        self._address = address
        self._ids = address.parameters()
        self._settings = settings
        self._options = dict(options or {})
        self._breaker = breaker or breaker_of(client, settings)
        self._now = now
        self.queue = SendQueue(settings.queue_limit, tally or Tally())
        self._outbox = SessionOutbox.open(settings.outbox, address)
        self._reader = EventReader(client, address, everyone=True)
        self._log_end = Reconciler(self._reader, self.queue)
        self._sending = threading.Lock()
        self._last_error: str | None = None
        self._told_dropped = self.queue.tally.dropped
        self.has_outbox = self._outbox is not None
        self.agents: set[str] = set()
        if self._outbox is not None:
            weakref.finalize(self, self._outbox.let_go).atexit = False

    @classmethod
    def inherited(cls, client: Any, address: SessionAddress, settings: WriteConfig) -> EventWriter | None:
        """Return the writer that still holds unsent turns of a session, for whoever opens it again in this process."""
        for writer in registry.waiting():
            if isinstance(writer, cls) and writer.serves(client, address, settings):
                writer.serve_anew()
                return writer
        return None

    def shared_by(self, agent_id: str) -> EventWriter:
        """Return the writer that an agent of the session writes through: one for all agents of this process.

        Args:
            agent_id: The agent. One that had a writer before gets a new one, which the others' later ones join.
        """
        key = id(self._client), self._address
        with _shared_lock:
            found = _shared.get(key)
            if (
                found is None
                or agent_id in found.agents
                or not found.serves(self._client, self._address, self._settings)
            ):
                found = _shared[key] = self
            found.agents.add(agent_id)
            return found

    def serve_anew(self) -> None:
        """Serve another owner from now on; what is queued brings no checkpoint of the last one's."""
        self.queue.without_checkpoints()
        registry.keep(self, self)

    # ---- what is known

    @property
    def status(self) -> WriterStatus:
        """Counts of messages, the last error, and the breaker's state."""
        tally = self.queue.tally
        parked = len(self._outbox.parked) if self._outbox is not None else 0
        pending = self.queue.messages + parked
        return WriterStatus(tally.saved, pending, tally.dropped, tally.loss or self._last_error, self._breaker.state)

    def read_status(self) -> WriterStatus:
        """Return the status to a user, who is then told of the last loss."""
        status = self.status
        self.queue.tally.loss = None
        return status

    def check_nothing_lost(self) -> None:
        """Say once that messages were given up.

        Raises:
            UnsentMessagesError: Messages were dropped since the last time.
        """
        dropped = self.queue.tally.dropped
        count, self._told_dropped = dropped - self._told_dropped, dropped
        reason = self.status.last_error or "the log says why"
        if count > 0:
            raise UnsentMessagesError(
                f"{count} messages of {self._address} were given up and are not saved: {reason}. Correct what the "
                "service refuses, or raise WriteConfig(queue_limit=...); the agent still has them in agent.messages.",
                count,
            )

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be sent."""
        return self.queue.first is None and not (self._outbox is not None and self._outbox.parked)

    def positions(self, tracking_ids: Iterable[str] | None = None) -> dict[str, Position]:
        """Return where this writer has stored messages, by tracking id.

        Args:
            tracking_ids: Of which messages; None for the last 10,000.
        """
        return self.queue.positions(tracking_ids)

    def has_taken(self, tracking_id: str) -> bool:
        """Whether a message was submitted: it is queued, it was stored, or it was given up."""
        parked = self._outbox is not None and tracking_id in self._outbox.parked
        return parked or self.queue.has_seen(tracking_id)

    def serves(self, client: Any, address: SessionAddress, settings: WriteConfig) -> bool:
        """Whether this writer is what a new one with these arguments would be."""
        return self._client is client and self._address == address and self._settings == settings

    def start_after(self, event_id: str) -> None:
        """Make every later event's time later than that of an event already in the log."""
        self._log_end.start_after(event_id)

    def look_first(self) -> None:
        """Find out before the first event what is newest in the log, unless something is known of it."""
        self._log_end.must_look = self._log_end.must_look or not self._log_end.last_ms

    # ---- taking in

    def accept(self, items: Sequence[OutgoingItem]) -> None:
        """Keep messages of a turn that is still going on in the outbox, if there is one.

        Args:
            items: Messages that nothing will redact any more, serialized.
        """
        if self._outbox is not None and items:
            self._outbox.keep_messages(items)

    def submit(
        self,
        items: Sequence[OutgoingItem],
        *,
        checkpoint: TurnCheckpoint | None = None,
        last: Sequence[dict[str, Any]] = (),
        metadata: Mapping[str, str] | None = None,
        owner: Drains | None = None,
    ) -> QueuedTurn | None:
        """Put a closed turn at the end of the queue. Nothing is sent until ``drain``.

        Args:
            items: The turn's messages, serialized, in order.
            checkpoint: Rides in the turn's last event, behind its messages.
            last: The payload items behind that.
            metadata: Event metadata of that event; every event carries the configured metadata.
            owner: Sends it in place of this writer, whoever has it sent; see ``WriterRegistry.keep``.

        Returns:
            The turn, in which can be seen what becomes of it; None when too many wait, so that only the outbox has it.
        """
        events = deque([QueuedEvent(*part) for part in parts_of(items)])
        turn = QueuedTurn(events, checkpoint, last, metadata or {})
        outbox = self._outbox
        lost: list[QueuedTurn] = []
        if outbox is not None:
            # Without the checkpoint: sent from the file, an older one stands, which is right.
            outbox.keep_events(events, [self._body(turn, event) for event in events])
        with self.queue.lock:
            is_parked = outbox is not None and (self.queue.is_full or outbox.parked) and outbox.park(turn.events)
            if not is_parked:
                lost = self.queue.add(turn)
        registry.keep(self, owner)
        if lost:
            self.queue.tally.loss = f"too many turns waited (queue_limit={self._settings.queue_limit}), oldest dropped"
            _log.error(
                "session=<%s>, turns=<%d>, queue_limit=<%d> | queue of unsent turns is full, oldest turns dropped",
                self._address,
                len(lost),
                self._settings.queue_limit,
            )
        return None if is_parked else turn

    def redact(
        self, new: Replacement, at: Position | None = None, owner: Drains | None = None
    ) -> QueuedRedaction | None:
        """Replace a message that was submitted before; what is in the log already is replaced with ``drain``.

        Args:
            new: The message's new content.
            at: Its position in the log, where that is known.
            owner: See ``submit``.

        Returns:
            The redaction, in which can be seen what becomes of it; None when the message was not sent yet and never is
            in its first form.
        """
        with self.queue.lock:
            event = self.queue.event_of(new.tracking_id)
            if event is not None and event.at is None:
                event.replace(new)
                if self._outbox is not None:
                    self._outbox.change(event.seq, event.body or self._body(QueuedTurn(deque([event])), event))
                return None
            job = QueuedRedaction(new, at or self.queue.positions([new.tracking_id]).get(new.tracking_id))
        if self._outbox is not None:
            if new.tracking_id in self._outbox.parked:
                self._outbox.redact_parked(new.tracking_id, new.payload)
                return None
            place = None if job.at is None else [job.at.event_id, job.at.item]
            job.seq = self._outbox.keep_redaction(new.tracking_id, {**new.to_dict(), "at": place})
        self.queue.add(job)
        registry.keep(self, owner)
        return job

    def recover(self) -> None:
        """Take over what earlier processes left of this session in the outbox; it is sent before anything else."""
        if self._outbox is not None and self._take_over(self._outbox):
            self._log_end.must_look = True

    # ---- sending

    def drain(self, seconds: float | None = None, *, insist: bool = False) -> bool:
        """Send what is queued, in order, until it is empty or the service fails; see ``sent``.

        Returns:
            Whether the queue is empty now.
        """
        for _ in self.sent(seconds, insist=insist):
            pass
        return self.is_idle

    def sent(self, seconds: float | None = None, *, insist: bool = False) -> Iterator[Job]:
        """Send what is queued, in order, until it is empty or the service fails.

        Never raises for the service's sake: what it does not take stays queued, what it refuses for good is dropped
        with an error in the log.

        Args:
            seconds: On the user's time: after how long no further call is begun, and for how long to wait for another
                thread that is sending; 0 to have it sent aside at once. None for no limit.
            insist: Try although the breaker is open: there may be no later.

        Yields:
            Each turn and redaction of which something was sent, before the next is looked at.
        """
        if seconds == 0:
            registry.retry(self, at_once=True)
            return
        until = None if seconds is None else clock.monotonic() + seconds
        is_done = False
        if self._sending.acquire(timeout=-1 if seconds is None else seconds):
            try:
                while (first := self._first()) is not None and (until is None or clock.monotonic() < until):
                    may_try = insist or not self._breaker.failures or self._breaker.allow()
                    if not may_try or not self._send(*first):
                        break
                    yield first[0]
                is_done = first is None
                if is_done:
                    registry.release(self)
            finally:
                self._sending.release()
            if not is_done:
                registry.retry(self)
            elif not self.is_idle:
                registry.keep(self)  # submitted in between

    def close(self) -> None:
        """Send what is left.

        Raises:
            UnsentMessagesError: Some messages are still unacknowledged; they stay queued, so ``drain`` may be tried
                again. Or some were given up.
        """
        if not self.drain(insist=True):
            raise self.unsent_messages()
        self.check_nothing_lost()

    def unsent_messages(self) -> UnsentMessagesError:
        """Return the error that says how many messages are unacknowledged, and what to do about it."""
        count = self.status.pending
        remedy = (
            "They are kept in the outbox, and the next process that opens the session sends them."
            if self.has_outbox
            else "They are still queued in this process; call close() again when the service is back, or configure "
            "WriteConfig(outbox=...) so that a later process sends them."
        )
        reason = self._last_error or "the service is failing"
        return UnsentMessagesError(f"{count} messages of {self._address} are not saved: {reason}. {remedy}", count)

    def abandon(self) -> None:
        """Give up what is queued; with an outbox it stays there."""
        self.queue.give_up()
        if self._outbox is not None:
            self._outbox.let_go()
        else:
            self.queue.tally.loss = "too many sessions had unsent turns, those of this one were dropped"
        _log.error("session=<%s> | too many sessions with unsent turns, those of this one are dropped", self._address)

    # ---- one job

    def _send(self, job: Job, event: QueuedEvent | None) -> bool:
        """Send one event, or carry out one redaction; return False when the service failed."""
        try:
            if isinstance(job, QueuedTurn) and event is not None:
                self._store(job, event)
            elif isinstance(job, QueuedRedaction):
                self._replace(job)
        except _FAILURES as failure:
            return self._is_given_up(job, event, failure)
        except BaseException:
            self._breaker.failed()  # or the probe of a half-open breaker would stay out for ever
            raise
        if self._breaker.failures:
            self._breaker.succeeded()
        if self._last_error is not None:
            self.queue.tally.forget(self._last_error)
            self._last_error = None
        return True

    def _store(self, turn: QueuedTurn, event: QueuedEvent) -> None:
        was_tried = event.at is not None and (event.kept_at or self._log_end.has_failed)
        event_id = self._log_end.settle(event) if self._log_end.must_look or was_tried else None
        if event_id is None:
            rides = turn.checkpoint is not None and len(turn.events) == 1 and event.body is None
            items = turn.checkpoint.items(turn.positions, event.places) if rides and turn.checkpoint is not None else ()
            body, milliseconds = self._frozen(turn, event, items)
            event_id = event_id_of(ask(self._client, "create_event", **as_call(self._ids, body, milliseconds)))
        self.queue.stored(turn, event, event_id)
        if self._outbox is not None:
            self._outbox.remove(event.seq)

    def _frozen(
        self, turn: QueuedTurn, event: QueuedEvent, checkpoint: Sequence[dict[str, Any]]
    ) -> tuple[dict[str, Any], int]:
        """Return what the event carries and its time, the same at every attempt."""
        with self.queue.lock:
            if event.body is not None and event.at is not None:
                return event.body, event.at
            if event.body is None:
                event.body = self._body(turn, event, checkpoint)
            now = time.time() if self._now is None else self._now()
            event.at = self._log_end.last_ms = max(int(now * 1000), self._log_end.last_ms + 1)
            frozen = event.body, event.at
        if self._outbox is not None:
            self._outbox.change(event.seq, *frozen)
        return frozen

    def _body(self, turn: QueuedTurn, event: QueuedEvent, checkpoint: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
        """Return what an event of a turn carries, besides the ids and the time."""
        metadata = {**self._settings.metadata, **(event.items[0].marks if event.items else {})}
        if not turn.events or event is not turn.events[-1]:
            return body_of(event.items, (), metadata, self._options)
        return body_of(event.items, [*checkpoint, *turn.last], {**metadata, **turn.metadata}, self._options)

    def _replace(self, job: QueuedRedaction) -> None:
        at = job.at or find_message(self._reader, job.new.tracking_id)
        made = None if at is None else replace_event(self._client, self._address, at, job.new, self._options)
        self.queue.redacted(job, None if at is None or made is None else (at.event_id, made))
        if self._outbox is not None:
            self._outbox.remove(job.seq)
        if made is None:
            _log.warning("session=<%s> | a redacted message is not in the log (any more)", self._address)

    def _is_given_up(self, job: Job, event: QueuedEvent | None, failure: Exception) -> bool:
        """Note a failure; return whether it is the event that is wrong, which is given up, and not the service."""
        error = failure.__cause__ if isinstance(failure, HistoryUnavailableError) else failure
        code = str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else ""
        self._last_error = self.queue.tally.last_error = f"{type(error).__name__}: {error}"
        if code not in _REFUSED:
            self._log_end.has_failed = True
            self._breaker.failed()
            telemetry.count("events.failed")
            _log.warning("session=<%s>, error=<%s> | not saved, kept for the next try", self._address, self._last_error)
            return False
        self._breaker.succeeded()  # the service answered
        if self._is_reduced(job, event):
            return True
        self.queue.refused(job, event)
        self.queue.tally.loss = self._last_error
        if self._outbox is not None:
            self._outbox.remove(job.seq if isinstance(job, QueuedRedaction) else event.seq if event else None)
        _log.error(
            "session=<%s>, messages=<%d>, code=<%s> | the service refuses this, it is given up",
            self._address,
            len(event.places) if event is not None else 0,
            code,
        )
        return True

    def _is_reduced(self, job: Job, event: QueuedEvent | None) -> bool:
        """Let a refused event go without what is not said in it; return whether that is worth a try."""
        if not isinstance(job, QueuedTurn) or event is None or event.is_reduced or event.body is None:
            return False
        reduced = without_state(event.body)
        if reduced == event.body or not reduced["payload"]:
            return False
        event.is_reduced, event.body, event.at = True, reduced, None
        if event is job.events[-1]:
            job.checkpoint = None
        self.note_loss(f"the agent's state of a turn is not stored, the service refused it: {self._last_error}")
        return True

    def note_loss(self, error: str) -> None:
        """Note that something is not stored for good; it is the status's last error until that was read."""
        self.queue.tally.loss = error
        _log.error("session=<%s>, error=<%s> | something is not stored", self._address, error)

    # ---- the outbox

    def _first(self) -> tuple[Job, QueuedEvent | None] | None:
        """Return what to do next; what waits in the outbox only is taken into the queue once that is empty."""
        first = self.queue.first
        if first is None and self._outbox is not None and self._outbox.parked:
            self._take_over(self._outbox)
            first = self.queue.first
        return first

    def _take_over(self, outbox: SessionOutbox) -> bool:
        """Queue what is left in the outbox before everything else; return whether there was anything."""
        entries, foreign = outbox.take_over()
        if not entries:
            return False
        self.queue.put_first(job_of(entry) for entry in entries if entry.kind != "message")
        self._log_end.must_look = self._log_end.must_look or foreign
        # The messages of a turn that was never closed become a turn of their own.
        items = [item_of(entry) for entry in entries if entry.kind == "message"]
        for _, of_one in groupby(sorted(items, key=_whose), key=_whose):
            self.submit(list(of_one))
        if foreign:
            _log.info(
                "session=<%s>, entries=<%d> | taken over from the outbox of a process that ended",
                self._address,
                len(entries),
            )
        registry.keep(self)
        return True


def _whose(item: OutgoingItem) -> str:
    return item.marks.get(AGENT, "")
