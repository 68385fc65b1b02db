"""What a writer has taken and the service has not acknowledged yet, in order, and what became of the rest."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from agentmem.events.batch import payload_of
from agentmem.events.jobs import QueuedRedaction, QueuedTurn, no_items, nothing
from agentmem.events.position import Position
from agentmem.support import telemetry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentmem.events.jobs import QueuedEvent

__all__ = ["REMEMBERED", "Backlog"]

REMEMBERED = 10_000
"""Messages whose end is remembered: where they were stored, or that they were given up; the newest of them."""

Job = QueuedTurn | QueuedRedaction


class Backlog:
    """The queue of one writer. Safe to share between threads.

    Attributes:
        lock: Held while something queued is looked at or changed; it may be taken again by who holds it.
    """

    def __init__(self, limit: int) -> None:
        """Start empty.

        Args:
            limit: Turns that may wait; of more, the oldest are given up.
        """
        self.lock = threading.RLock()
        self._limit = limit
        self._jobs: deque[Job] = deque()
        self._saved = self._dropped = 0
        self._given_up: dict[str, None] = {}
        self._positions: dict[str, Position] = {}

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._jobs)

    def __len__(self) -> int:
        """Return how many turns and redactions wait."""
        return len(self._jobs)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Messages that are saved, that wait, and that were given up."""
        with self.lock:
            return self._saved, sum(job.messages for job in self._jobs), self._dropped

    @property
    def positions(self) -> dict[str, Position]:
        """Where messages were stored, by tracking id."""
        with self.lock:
            return dict(self._positions)

    def positions_of(self, names: Iterable[str]) -> dict[str, Position]:
        """Return where those of some messages were stored that were."""
        with self.lock:
            return {name: self._positions[name] for name in names if name in self._positions}

    @property
    def is_full(self) -> bool:
        """Whether a further turn would cost the oldest one its place."""
        return len(self._jobs) >= self._limit

    @property
    def first(self) -> Job | None:
        """What is to be done next."""
        with self.lock:
            return self._jobs[0] if self._jobs else None

    def has_seen(self, tracking_id: str) -> bool:
        """Whether a message waits, was stored, or was given up."""
        with self.lock:
            ended = tracking_id in self._positions or tracking_id in self._given_up
            return ended or self.event_of(tracking_id) is not None

    def event_of(self, tracking_id: str) -> QueuedEvent | None:
        """Return the event that a waiting message is in."""
        with self.lock:
            turns = [job for job in self._jobs if isinstance(job, QueuedTurn)]
            return next((event for turn in turns for event in turn.events if tracking_id in event.places), None)

    def payloads(self) -> list[list[dict[str, Any]]]:
        """Return the payloads of the events that wait, in order."""
        with self.lock:
            turns = [job for job in self._jobs if isinstance(job, QueuedTurn)]
            events = [event for turn in turns for event in turn.events]
            return [event.body["payload"] if event.body is not None else payload_of(event.items) for event in events]

    # ---- taking in

    def add(self, job: Job) -> list[QueuedTurn]:
        """Put something at the end.

        Returns:
            The turns that were given up for it, because too many wait.
        """
        with self.lock:
            self._jobs.append(job)
            turns = [one for one in self._jobs if isinstance(one, QueuedTurn)]
            lost = turns[: max(0, len(turns) - self._limit)]
            for turn in lost:
                self._jobs.remove(turn)
                self._give_up(turn.events)
            return lost

    def put_first(self, jobs: Iterable[Job]) -> None:
        """Put what an earlier process left before everything else, in its order."""
        with self.lock:
            self._jobs.extendleft(reversed(list(jobs)))

    def without_tails(self) -> None:
        """Let what waits bring no checkpoint: whoever made it is gone."""
        with self.lock:
            for job in self._jobs:
                if isinstance(job, QueuedTurn):
                    job.tail, job.on_stored = no_items, nothing

    # ---- what becomes of it

    def stored(self, turn: QueuedTurn, event_id: str) -> QueuedEvent:
        """Note that the first event of a turn is in the log.

        Returns:
            That event, which waits no longer.
        """
        with self.lock:
            event = turn.events.popleft()
            places = {name: Position(event_id, place) for name, place in event.places.items() if place is not None}
            turn.positions.update(places)
            turn.last_event_id = event_id
            self._positions.update(places)
            _keep_newest(self._positions)
            self._saved += len(event.places)
            for job in self._jobs:
                if isinstance(job, QueuedRedaction) and job.at is None:
                    job.at = places.get(job.new.tracking_id)
        telemetry.count("messages.saved", len(event.places))
        return event

    def moved(self, event_id: str, new_event_id: str) -> None:
        """Follow an event that was written anew."""
        with self.lock:
            for name, position in self._positions.items():
                if position.event_id == event_id:
                    self._positions[name] = Position(new_event_id, position.item)
            for job in self._jobs:
                if isinstance(job, QueuedRedaction) and job.at is not None and job.at.event_id == event_id:
                    job.at = Position(new_event_id, job.at.item)

    def done(self, job: Job) -> None:
        """Take out what has been done."""
        with self.lock:
            # A full queue may have given up this very turn while it was on its way.
            if self._jobs and self._jobs[0] is job:
                self._jobs.popleft()

    def refused(self, job: Job) -> QueuedEvent | None:
        """Give up what the service will not have: the first event of a turn, or a redaction.

        Returns:
            The event; None for a redaction.
        """
        with self.lock:
            event = job.events.popleft() if isinstance(job, QueuedTurn) else None
            if event is not None:
                self._give_up([event])
            if isinstance(job, QueuedRedaction) or not job.events:
                self.done(job)
            return event

    def give_up(self) -> None:
        """Give up everything that waits."""
        with self.lock:
            for job in self._jobs:
                if isinstance(job, QueuedTurn):
                    self._give_up(job.events)
            self._jobs.clear()

    def _give_up(self, events: Iterable[QueuedEvent]) -> None:
        names = [name for event in events for name in event.places]
        self._dropped += len(names)
        self._given_up.update(dict.fromkeys(names))
        _keep_newest(self._given_up)
        telemetry.count("messages.dropped", len(names))


def _keep_newest(remembered: dict[str, Any]) -> None:
    while len(remembered) > REMEMBERED:
        del remembered[next(iter(remembered))]
