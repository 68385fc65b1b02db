"""Queues closed turns and redactions of one session, in order, until the service has acknowledged them."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from agentmem.events.agents import AGENT
from agentmem.events.batch import OutgoingItem, places_of, positions_of
from agentmem.events.codec import decode_event
from agentmem.events.position import Position
from agentmem.events.redaction import Replacement, put_in_place
from agentmem.support import telemetry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from strands.types.content import Message

    from agentmem.events.breaker import BreakerState
    from agentmem.events.outbox import StoredEntry

__all__ = [
    "REMEMBERED",
    "Job",
    "QueuedEvent",
    "QueuedRedaction",
    "QueuedTurn",
    "SendQueue",
    "Tally",
    "TurnCheckpoint",
    "WriterStatus",
    "job_of",
]

REMEMBERED = 10_000
"""Messages whose end is remembered: their position, or that they were given up; the newest of them."""

_SAVED, _DROPPED = telemetry.counter("messages.saved"), telemetry.counter("messages.dropped")


class TurnCheckpoint(Protocol):
    """The checkpoint that rides in the last event of a turn."""

    def items(self, stored: Mapping[str, Position], places: Mapping[str, int | None]) -> Sequence[dict[str, Any]]:
        """Return the payload items that follow the turn's messages; may call the service.

        Asked when the event is about to be sent, before its first attempt.

        Args:
            stored: Positions of the turn's messages that are stored already, by tracking id.
            places: The payload items of those in the event itself; see ``places_of``.

        Raises:
            HistoryUnavailableError: The service does not answer.
        """
        ...


@dataclass
class QueuedEvent:
    """One event that is to be written.

    Attributes:
        places: The payload item of each message by tracking id; None for one with nothing to store.
        items: The messages, while ``body`` is not made yet.
        body: The parameters of CreateEvent. Of a frozen event exactly those of every attempt; of an event from the
            outbox those that it will have.
        at: The time of a frozen event, milliseconds since the epoch.
        seq: Its number in the outbox.
        kept_at: When an earlier process accepted it, milliseconds since the epoch; 0 for an event of this process.
        is_reduced: Whether the service has refused it once, and it goes without checkpoint and state.
    """

    places: dict[str, int | None]
    items: list[OutgoingItem] = field(default_factory=list)
    body: dict[str, Any] | None = None
    at: int | None = None
    seq: int | None = None
    kept_at: int = 0
    is_reduced: bool = False

    @property
    def payload(self) -> list[dict[str, Any]]:
        """Its payload as far as it is known."""
        if self.body is not None:
            return list(self.body["payload"])
        return [payload for item in self.items for payload in item.payload_items]

    @property
    def marks(self) -> Mapping[str, str]:
        """Metadata that says whose its messages are."""
        if self.body is not None:
            return {key: value["stringValue"] for key, value in (self.body.get("metadata") or {}).items()}
        return self.items[0].marks if self.items else {}

    def replace(self, new: Replacement) -> None:
        """Replace a message; only before the first attempt to send the event."""
        place = self.places[new.tracking_id]
        if self.body is not None:
            if place is not None:
                self.body = {**self.body, "payload": put_in_place(self.body["payload"], place, new.payload)}
            return
        said = new.payload[0] if len(new.payload) > 1 else None
        payload = new.payload[-1] if new.payload else None
        items = [
            OutgoingItem(item.tracking_id, payload, item.conversational, said, item.marks)
            if item.tracking_id == new.tracking_id
            else item
            for item in self.items
        ]
        self.places, self.items = places_of(items), items


@dataclass(eq=False)
class QueuedTurn:
    """A closed turn; whoever submitted it can see in it what has become of it.

    Attributes:
        events: The events that are still to be stored.
        checkpoint: The checkpoint that rides in the last one.
        last: The payload items behind that.
        metadata: Event metadata of the last event.
        positions: Positions of the stored messages, by tracking id.
        event_ids: The events that are stored.
        is_done: Whether nothing of it waits any more: it is acknowledged, or what was refused of it is given up.
    """

    events: deque[QueuedEvent]
    checkpoint: TurnCheckpoint | None = None
    last: Sequence[dict[str, Any]] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    event_ids: list[str] = field(default_factory=list)
    is_done: bool = False


@dataclass(eq=False)
class QueuedRedaction:
    """A message of the log that is to be replaced; whoever submitted it can see in it what has become of it.

    Attributes:
        new: The new content.
        at: The message's position, once that is known.
        seq: Its number in the outbox.
        is_done: Whether it is carried out, or given up.
        replaced: The id of the event that was written anew, and the new one's.
    """

    new: Replacement
    at: Position | None
    seq: int | None = None
    is_done: bool = False
    replaced: tuple[str, str] | None = None


Job = QueuedTurn | QueuedRedaction


def job_of(entry: StoredEntry) -> Job:
    """Return the job of an outbox entry of kind ``event`` or ``redaction``."""
    if entry.kind == "redaction":
        new = Replacement.from_dict(entry.places[0][0], entry.body)
        at = entry.body["at"]
        return QueuedRedaction(new, None if at is None else Position(*at), entry.seq)
    event = QueuedEvent(dict(entry.places), body=entry.body, at=entry.at, seq=entry.seq, kept_at=entry.kept_at)
    return QueuedTurn(deque([event]))


@dataclass(frozen=True)
class WriterStatus:
    """Counts of a writer's messages, and the state of its service.

    Attributes:
        saved: Messages acknowledged by the service.
        pending: Messages in closed turns that are not acknowledged yet.
        dropped: Messages given up: the queue was full, or the service refused them for good.
        last_error: The text of the last failure, or None after a success. Of one by which something is not stored for
            good, until it was read.
        breaker: State of the circuit breaker.
    """

    saved: int
    pending: int
    dropped: int
    last_error: str | None
    breaker: BreakerState


class Tally:
    """Counts messages for one writer, or for several that share it.

    Attributes:
        saved: Messages acknowledged by the service.
        dropped: Messages given up.
        last_error: The text of the last failure, or None after a success.
        loss: The text of the last failure by which something is not stored for good, until it was read.
        lock: Held while the counts change.
    """

    def __init__(self) -> None:
        """Start at nothing."""
        self.saved = self.dropped = 0
        self.last_error: str | None = None
        self.loss: str | None = None
        self.lock = threading.Lock()

    def forget(self, error: str) -> None:
        """Forget an error that is over, unless another writer has had one since."""
        if self.last_error == error:
            self.last_error = None


class SendQueue:
    """The queue of one writer. Safe to share between threads.

    Attributes:
        lock: Held while something queued is looked at or changed; who holds it may take it again.
        tally: What has become of what left the queue.
    """

    def __init__(self, limit: int, tally: Tally) -> None:
        """Start empty.

        Args:
            limit: Turns that may wait; of more, the oldest are given up.
            tally: Counts what is stored and what is given up.
        """
        self.lock = threading.RLock()
        self.tally = tally
        self._limit = limit
        self._jobs: deque[Job] = deque()
        self._ends: dict[str, Position | None] = {}

    def __len__(self) -> int:
        """Return how many turns and redactions wait."""
        return len(self._jobs)

    @property
    def first(self) -> tuple[Job, QueuedEvent | None] | None:
        """The job to do next and, of a turn, the event to send next; None when nothing waits."""
        with self.lock:
            if not self._jobs:
                return None
            job = self._jobs[0]
            return job, job.events[0] if isinstance(job, QueuedTurn) else None

    @property
    def is_full(self) -> bool:
        """Whether a further turn would cost the oldest one its place."""
        return len(self._jobs) >= self._limit

    @property
    def messages(self) -> int:
        """Messages that wait."""
        with self.lock:
            return sum(len(event.places) for event in self.events())

    def events(self) -> list[QueuedEvent]:
        """Return the events that wait, in order."""
        with self.lock:
            return [event for job in self._jobs if isinstance(job, QueuedTurn) for event in job.events]

    def waiting(self, agent: str | None = None) -> list[Message]:
        """Return the messages of an agent that wait, in order, as they will be stored; plain text is not among them.

        Args:
            agent: What its events are marked with; None for the main agent.
        """
        waiting = [event for event in self.events() if event.marks.get(AGENT) == agent]
        decoded = [decode_event({"eventId": "", "payload": event.payload}) for event in waiting]
        return [one.message for event in decoded for one in event.messages if one.origin != "text"]

    def event_of(self, tracking_id: str) -> QueuedEvent | None:
        """Return the event that a waiting message is in."""
        return next((event for event in self.events() if tracking_id in event.places), None)

    def positions(self, names: Iterable[str] | None = None) -> dict[str, Position]:
        """Return the positions of messages that were stored, by tracking id: of these names, or of all."""
        with self.lock:
            found = ((name, self._ends.get(name)) for name in (self._ends if names is None else names))
            return {name: position for name, position in found if position is not None}

    def has_seen(self, tracking_id: str) -> bool:
        """Whether a message waits, was stored, or was given up."""
        with self.lock:
            return tracking_id in self._ends or self.event_of(tracking_id) is not None

    # ---- taking in

    def add(self, job: Job) -> list[QueuedTurn]:
        """Put a job at the end.

        Returns:
            The turns that were given up for it, because too many wait.
        """
        with self.lock:
            self._jobs.append(job)
            if len(self._jobs) <= self._limit:
                return []
            turns = [one for one in self._jobs if isinstance(one, QueuedTurn)]
            lost = turns[: max(0, len(turns) - self._limit)]
            for turn in lost:
                self._drop(turn)
            return lost

    def put_first(self, jobs: Iterable[Job]) -> None:
        """Put what an earlier process left before everything else, in its order."""
        with self.lock:
            self._jobs.extendleft(reversed(list(jobs)))

    def without_checkpoints(self) -> None:
        """Let what waits bring no checkpoint: whoever made it is gone."""
        with self.lock:
            for job in self._jobs:
                if isinstance(job, QueuedTurn):
                    job.checkpoint = None

    # ---- what becomes of it

    def stored(self, turn: QueuedTurn, event: QueuedEvent, event_id: str) -> None:
        """Note that the first event of a turn is in the log, under an id."""
        with self.lock:
            places = {name: Position(event_id, place) for name, place in event.places.items() if place is not None}
            # A message with nothing to store stands in front of what follows it.
            turn.positions |= places if len(places) == len(event.places) else positions_of(event.places, event_id)
            turn.event_ids.append(event_id)
            for job in self._jobs:
                if isinstance(job, QueuedRedaction) and job.at is None:
                    job.at = places.get(job.new.tracking_id)
            with self.tally.lock:
                self.tally.saved += len(event.places)
            self._end(turn, event, places)
        _SAVED.add(len(event.places))

    def redacted(self, job: QueuedRedaction, replaced: tuple[str, str] | None) -> None:
        """Note that a redaction is carried out.

        Args:
            job: The redaction.
            replaced: The id of the event that was written anew, and the new one's; None when the message was gone.
        """
        with self.lock:
            if replaced is not None:
                old, new = replaced
                for name, position in self._ends.items():
                    if position is not None and position.event_id == old:
                        self._ends[name] = Position(new, position.item)
                for other in self._jobs:
                    if isinstance(other, QueuedRedaction) and other.at is not None and other.at.event_id == old:
                        other.at = Position(new, other.at.item)
            job.replaced = replaced
            self._end(job)

    def refused(self, job: Job, event: QueuedEvent | None) -> None:
        """Give up what the service will not have: the first event of a turn, or a redaction."""
        with self.lock:
            self._drop(job, [] if event is None else [event])

    def give_up(self) -> None:
        """Give up everything that waits."""
        with self.lock:
            for job in list(self._jobs):
                self._drop(job)

    def _drop(self, job: Job, events: Sequence[QueuedEvent] | None = None) -> None:
        """Give up events of a turn, or all of it, or a redaction."""
        if isinstance(job, QueuedRedaction):
            self._end(job)
            return
        for event in list(job.events) if events is None else events:
            with self.tally.lock:
                self.tally.dropped += len(event.places)
            _DROPPED.add(len(event.places))
            self._end(job, event, dict.fromkeys(event.places))

    def _end(
        self, job: Job, event: QueuedEvent | None = None, ends: Mapping[str, Position | None] | None = None
    ) -> None:
        """Remember the ends of an event's messages, and take it off its turn, and the turn off the queue with it."""
        self._ends.update(ends or {})
        while len(self._ends) > REMEMBERED:
            del self._ends[next(iter(self._ends))]
        # A full queue may have given up this very turn while its event was on its way.
        if isinstance(job, QueuedRedaction):
            job.is_done = True
        elif job.events and job.events[0] is event:
            job.events.popleft()
            job.is_done = not job.events
        if job.is_done and job in self._jobs:
            self._jobs.remove(job)
