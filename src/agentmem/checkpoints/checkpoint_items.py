"""Reads and writes the checkpoint items of events: where the current one is, what it holds, its index in parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey, IndexEntry
from agentmem.checkpoints.version_rules import interpreting
from agentmem.errors import CheckpointStoreError
from agentmem.events.packed_entries import pack_entries, unpack_entries
from agentmem.events.position import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from agentmem.events.codec import DecodedEvent

CHECKPOINT = "checkpoint"
"""Kind of the item that holds a checkpoint."""

POINTER = "pointer"
"""Kind of the item that names the event with the current checkpoint."""


@dataclass(frozen=True)
class Pointer:
    """Where the current checkpoint of an agent is, as events of the log tell.

    Attributes:
        event_id: The event that carries it; None when there is none.
        version: Its version; 0 when there is none, or an older agentmem did not say.
        is_final: Whether nothing older counts, because the checkpoints before were deleted or are gone.
    """

    event_id: str | None
    version: int = 0
    is_final: bool = False

    def is_overtaken_by(self, other: Pointer) -> bool:
        """Whether the other points to a checkpoint that stands in place of this one's."""
        return self._rank() < other._rank()

    def _rank(self) -> tuple[int, int]:
        return (self.version, -1 if self.event_id is None else Position(self.event_id).milliseconds)


NO_POINTER = Pointer(None)
"""The log says of no checkpoint."""


class IndexParts:
    """Iterates over the parts of an index, the newest version's entries first; holds no part that was given."""

    def __init__(
        self,
        holder: DecodedEvent,
        get: Callable[[str], DecodedEvent | None],
        key: CheckpointKey,
        known: Container[str],
    ) -> None:
        """Begin with the event that holds the current checkpoint.

        Args:
            holder: That event.
            get: Reads one event by id.
            key: Whose checkpoints.
            known: Ids of parts that are not wanted, and where the iteration ends.
        """
        self._holder: DecodedEvent | None = holder
        self._get = get
        self._key = key
        self._known = known
        self._before: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether there is no further part."""
        return self._holder is None and (self._before is None or self._before in self._known)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[str, list[IndexEntry]]:
        holder, self._holder = self._holder, None
        if holder is None and self._before is not None and self._before not in self._known:
            holder = self._get(self._before)
        value = None if holder is None else value_of(holder, self._key.agent_id)
        if holder is None or value is None:
            raise StopIteration
        self._before = value.get("before")
        earlier = earlier_index(value, holder.event_id, self._key)
        return holder.event_id, [*own_index(value, holder.event_id, self._key), *earlier]


def newest_pointer(events: Iterable[DecodedEvent], agent_id: str, known: Pointer | None = None) -> Pointer | None:
    """Return which checkpoint stands, of all that events know of; None when they know of none.

    Not simply what the newest event says: a writer that had not heard of another's checkpoint points to an older one.

    Args:
        events: Events, newest first.
        agent_id: The agent.
        known: What newer events say.
    """
    for event in events:
        if known is not None and known.is_final:
            return known
        found = _pointer_of(event, agent_id)
        if found is None:
            continue
        best = found if known is None or known.is_overtaken_by(found) else known
        known = Pointer(best.event_id, best.version, found.is_final)
    return known


def _pointer_of(event: DecodedEvent, agent_id: str) -> Pointer | None:
    """Return what one event says of the checkpoint."""
    carried = event.ours.get(CHECKPOINT)
    if carried is not None and carried.get("agent_id") == agent_id:
        checkpoint = carried.get("checkpoint")
        version = checkpoint.get("version") if isinstance(checkpoint, Mapping) else None
        return Pointer(event.event_id, version if isinstance(version, int) else 0)
    pointer = event.ours.get(POINTER)
    if pointer is None or pointer.get("agent_id") != agent_id:
        return None
    event_id, version = pointer.get("event_id"), pointer.get("version")
    event_id = event_id if isinstance(event_id, str) else None
    # An older agentmem, which gave no version, said so too when it had deleted the checkpoints.
    is_final = bool(pointer.get("deleted")) or (event_id is None and version is None)
    return Pointer(event_id, version if isinstance(version, int) else 0, is_final)


def holder_of(
    pointer: Pointer | None,
    events: Iterable[DecodedEvent],
    get: Callable[[str], DecodedEvent | None],
    known: Container[str] = (),
) -> tuple[str | None, DecodedEvent | None]:
    """Return the id of the event that a pointer leads to, and that event unless it is known or gone."""
    event_id = None if pointer is None else pointer.event_id
    if event_id is None or event_id in known:
        return event_id, None
    return event_id, next((event for event in events if event.event_id == event_id), None) or get(event_id)


def value_of(event: DecodedEvent, agent_id: str) -> Mapping[str, Any] | None:
    """Return what an event carries of an agent's checkpoint."""
    value = event.ours.get(CHECKPOINT)
    return None if value is None or value.get("agent_id") != agent_id else value


def read_carried(event: DecodedEvent, key: CheckpointKey) -> tuple[Checkpoint, str | None] | None:
    """Return the checkpoint an event carries and the id of the event with the one before it."""
    value = value_of(event, key.agent_id)
    return None if value is None else (checkpoint_of(value, event.event_id, key), value.get("previous"))


def checkpoint_of(
    value: Mapping[str, Any], event_id: str, key: CheckpointKey, *, with_index: bool = True
) -> Checkpoint:
    """Read the checkpoint that an event carries.

    Args:
        value: What it carries (`value_of`).
        event_id: The event.
        key: Whose it is.
        with_index: False to leave the index packed, as a restore does.

    Raises:
        CheckpointStoreError: It cannot be read.
    """
    with interpreting(key, f"event {event_id}"):
        stored = value["checkpoint"]
        read = _with_entries(stored) if with_index else {**stored, "index": []}
        return Checkpoint.from_dict(read).carried_by(event_id)


def own_index(value: Mapping[str, Any], event_id: str, key: CheckpointKey) -> list[IndexEntry]:
    """Return the entries of the checkpoint's own version."""
    with interpreting(key, f"event {event_id}"):
        read = [IndexEntry.from_list(entry) for entry in _with_entries(value["checkpoint"])["index"]]
        return [replace(entry, position=_placed(entry.position, event_id)) for entry in read]


def earlier_index(value: Mapping[str, Any], event_id: str, key: CheckpointKey) -> list[IndexEntry]:
    """Return the entries of the versions before it that a checkpoint carries, the newest version's first."""
    with interpreting(key, f"event {event_id}"):
        return [IndexEntry.from_list(entry) for entry in unpack_entries(value.get("merged"))]


def _placed(position: Position, event_id: str) -> Position:
    """Return a position; one without an event is in the event that carries it."""
    return position if position.event_id else Position(event_id, position.item)


def packed(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the JSON form with the index compressed: it is most of a checkpoint, and a restore does not unpack it."""
    value = checkpoint.to_dict()
    return {**value, "index": pack_entries(value["index"])}


def with_index_read(carried: Mapping[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """Change what an event carries of a checkpoint, whose index may be compressed.

    Args:
        carried: The value of an event's item, as JSON.
        change: Is given the value with the index readable, and returns it changed.

    Returns:
        The changed value, in the form to store.

    Raises:
        CheckpointStoreError: The index cannot be unpacked.
    """
    changed = change(
        {
            **carried,
            "checkpoint": _with_entries(carried["checkpoint"]),
            **({"merged": unpack_entries(carried["merged"])} if "merged" in carried else {}),
        }
    )
    checkpoint = {**changed["checkpoint"], "index": pack_entries(changed["checkpoint"]["index"])}
    return {
        **changed,
        "checkpoint": checkpoint,
        **({"merged": pack_entries(changed["merged"])} if "merged" in changed else {}),
    }


def _with_entries(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON form of a checkpoint with its index as entries."""
    try:
        return {**value, "index": unpack_entries(value.get("index"))}
    except ValueError as error:
        raise CheckpointStoreError(
            f"the index of checkpoint {value.get('version')} cannot be unpacked: {error}"
        ) from error
