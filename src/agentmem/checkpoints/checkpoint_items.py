"""Reads and writes the checkpoint items of events: where the current one is, what it holds, its index in parts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from agentmem.checkpoints.checkpoint import Checkpoint, IndexEntry
from agentmem.errors import CheckpointStoreError
from agentmem.events.packed_entries import pack_entries, unpack_entries
from agentmem.events.position import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping

    from agentmem.events.codec import DecodedEvent

CHECKPOINT = "checkpoint"
"""Kind of the item that holds a checkpoint."""

POINTER = "pointer"
"""Kind of the item that names the event with the current checkpoint."""


class IndexParts:
    """Iterates over the parts of an index; holds no part that was given."""

    def __init__(
        self,
        holder: DecodedEvent,
        get: Callable[[str], DecodedEvent | None],
        agent_id: str,
        known: Container[str],
    ) -> None:
        """Begin with the event that holds the current checkpoint.

        Args:
            holder: That event.
            get: Reads one event by id.
            agent_id: Whose checkpoints.
            known: Ids of parts that are not wanted, and where the iteration ends.
        """
        self._holder: DecodedEvent | None = holder
        self._get = get
        self._agent_id = agent_id
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
        value = None if holder is None else value_of(holder, self._agent_id)
        if holder is None or value is None:
            raise StopIteration
        self._before = value.get("before")
        merged = [IndexEntry.from_list(entry) for entry in unpack_entries(value.get("merged"))]
        return holder.event_id, [*merged, *own_index(value, holder.event_id)]


def pointer_of(event: DecodedEvent, agent_id: str) -> tuple[bool, str | None]:
    """Return whether an event knows where the checkpoint is, and the id of the event that holds it."""
    carried = event.ours.get(CHECKPOINT)
    if carried is not None and carried.get("agent_id") == agent_id:
        return True, event.event_id
    pointer = event.ours.get(POINTER)
    if pointer is not None and pointer.get("agent_id") == agent_id:
        return True, pointer.get("event_id")
    return False, None


def holder_of(
    events: Iterable[DecodedEvent],
    get: Callable[[str], DecodedEvent | None],
    agent_id: str,
    known: Container[str] = (),
) -> tuple[str | None, DecodedEvent | None]:
    """Return the id of the event that holds the current checkpoint, and that event unless it is known or gone."""
    for event in events:
        tells, event_id = pointer_of(event, agent_id)
        if tells:
            if event_id is None or event_id in known:
                return event_id, None
            return event_id, event if event_id == event.event_id else get(event_id)
    return None, None


def value_of(event: DecodedEvent, agent_id: str) -> Mapping[str, Any] | None:
    """Return what an event carries of an agent's checkpoint."""
    value = event.ours.get(CHECKPOINT)
    return None if value is None or value.get("agent_id") != agent_id else value


def read_carried(event: DecodedEvent, agent_id: str) -> tuple[Checkpoint, str | None] | None:
    """Return the checkpoint an event carries and the id of the event with the one before it."""
    value = value_of(event, agent_id)
    return None if value is None else (checkpoint_of(value, event.event_id), value.get("previous"))


def checkpoint_of(value: Mapping[str, Any], event_id: str, *, with_index: bool = True) -> Checkpoint:
    """Read the checkpoint that an event carries.

    Args:
        value: What it carries (`value_of`).
        event_id: The event.
        with_index: False to leave the index packed, as a restore does.
    """
    stored = value["checkpoint"]
    read = _with_entries(stored) if with_index else {**stored, "index": []}
    return Checkpoint.from_dict(read).map_positions(lambda position: _placed(position, event_id))


def own_index(value: Mapping[str, Any], event_id: str) -> list[IndexEntry]:
    """Return the entries of the checkpoint's own version."""
    read = (IndexEntry.from_list(entry) for entry in _with_entries(value["checkpoint"])["index"])
    return [replace(entry, position=_placed(entry.position, event_id)) for entry in read]


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
