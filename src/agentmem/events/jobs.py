"""What waits in a writer's queue: turns to be stored and messages to be redacted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agentmem.events.batch import OutgoingItem, places_of
from agentmem.events.position import Position
from agentmem.events.redaction import Replacement

if TYPE_CHECKING:
    from agentmem.events.outbox import StoredEntry

__all__ = ["QueuedEvent", "QueuedRedaction", "QueuedTurn", "Tail", "job_of", "no_items", "nothing", "places"]

Tail = Callable[[Mapping[str, Position]], Sequence[dict[str, Any]]]
"""Makes items behind a turn's messages from where its messages are stored; an empty event id is that event."""


@dataclass
class QueuedEvent:
    """One event that is to be written.

    ``places`` are the payload items of its messages by tracking id, None for one with nothing to store. ``body`` is
    what it carries: of a frozen one (which has a time, ``at``) exactly that, of one that was left in the outbox what
    it will be. ``kept_at`` is when an earlier process accepted it; 0 for one of this process.
    """

    places: dict[str, int | None]
    items: list[OutgoingItem] = field(default_factory=list)
    body: dict[str, Any] | None = None
    at: int | None = None
    seq: int | None = None
    kept_at: int = 0


def no_items(_positions: Mapping[str, Position]) -> Sequence[dict[str, Any]]:
    """Make no items."""
    return ()


def nothing(*_: str) -> None:
    """Do nothing."""


@dataclass
class QueuedTurn:
    """A closed turn: the events that are still to be stored, and what belongs to its last one."""

    events: deque[QueuedEvent]
    tail: Tail = no_items
    last: Sequence[dict[str, Any]] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    on_stored: Callable[[str], None] = nothing
    positions: dict[str, Position] = field(default_factory=dict)
    last_event_id: str = ""

    @property
    def messages(self) -> int:
        """How many messages are not stored yet."""
        return sum(len(event.places) for event in self.events)


@dataclass
class QueuedRedaction:
    """A message of the log that is to be replaced; ``at`` is None until it is known."""

    new: Replacement
    at: Position | None
    on_replaced: Callable[[str, str], None] = nothing
    seq: int | None = None
    messages: int = 0


def places(items: Sequence[OutgoingItem]) -> dict[str, int | None]:
    """Return the payload item of each message by tracking id; None for one with nothing to store."""
    found = places_of(items, "")
    return {item.tracking_id: found[item.tracking_id].item if item.tracking_id in found else None for item in items}


def job_of(entry: StoredEntry) -> QueuedTurn | QueuedRedaction:
    """Return what is to be done about an entry of the outbox, of kind ``event`` or ``redaction``."""
    if entry.kind == "redaction":
        new = Replacement.from_dict(entry.places[0][0], entry.body)
        at = entry.body["at"]
        return QueuedRedaction(new, None if at is None else Position(*at), seq=entry.seq)
    event = QueuedEvent(dict(entry.places), body=entry.body, at=entry.at, seq=entry.seq, kept_at=entry.kept_at)
    return QueuedTurn(deque([event]))
