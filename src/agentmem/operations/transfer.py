"""Exports a memory as JSON lines: sessions, events, branches, records and checkpoints.

The first line describes the memory and the last one counts what is in between, so that a file that was cut off is
noticed. Every other line is a session, an event, a record or a checkpoint, in the order they are to be written in.
Records are found below the root and by the namespace templates of the memory's strategies.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from agentmem.errors import AgentMemError
from agentmem.operations.inventory import Inventory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agentmem.config import MemoryConfig

FORMAT = 1
"""The file format this version writes and reads."""

THREADS = 8
"""Records read at once: a listing does not tell when a record expires, so each is read by itself."""

KINDS = ("session", "event", "record", "checkpoint")


class TransferError(AgentMemError):
    """A file of exported lines cannot be used, or not all of it."""


def export_lines(config: MemoryConfig, *, actor_id: str | None = None) -> Iterator[dict[str, Any]]:
    """Read a memory, or the data of one actor, as JSON objects; it holds one session's events at a time.

    Args:
        config: The memory, and where its checkpoints are.
        actor_id: Only this actor.

    Yields:
        The lines of a file, in order.

    Raises:
        ClientError: The service refused a call.
        BotoCoreError, ResponseParserError: It could not be reached, or its answer was none.
        CheckpointStoreError: The checkpoints could not be read.
    """
    inventory = Inventory(config)
    memory = inventory.memory()
    yield {
        "kind": "memory",
        "format": FORMAT,
        "memory_id": config.memory_id,
        "exported_at": datetime.now(UTC).isoformat(),
        "strategies": [{"id": one["strategyId"], "name": one["name"]} for one in memory.get("strategies", [])],
    }
    counts: Counter[str] = Counter()
    for line in _contents(inventory, actor_id):
        counts[line["kind"]] += 1
        yield line
    yield {"kind": "end", **{kind: counts[kind] for kind in KINDS}}


def _contents(inventory: Inventory, actor_id: str | None) -> Iterator[dict[str, Any]]:
    for actor in [actor_id] if actor_id is not None else list(inventory.actors()):
        # Oldest first, so that written in this order they are listed in the old one.
        for session in reversed(list(inventory.sessions(actor))):
            whose = {"actor": actor, "session": session["sessionId"]}
            yield {"kind": "session", **whose, "created_at": session["createdAt"].astimezone(UTC).isoformat()}
            for event in _roots_first(list(inventory.events(actor, session["sessionId"]))[::-1]):
                yield {"kind": "event", **whose, **_event_line(event)}
    records = inventory.records() if actor_id is None else inventory.records_of(actor_id)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="agentmem-export") as pool:
        for record in pool.map(lambda one: _whole(inventory, one), reversed(list(records))):
            if record is not None:
                yield {"kind": "record", **_record_line(record)}
    store = inventory.store()
    for key in inventory.checkpoints(actor_id):
        for checkpoint in reversed(list(store.history(key))):
            whose = {"actor": key.actor_id, "session": key.session_id, "agent": key.agent_id}
            yield {"kind": "checkpoint", **whose, "checkpoint": checkpoint.to_dict()}


def _roots_first(events: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield a session's events, oldest first, but none before the root of its branch: events may be dated back."""
    listed = {event["eventId"] for event in events}
    waiting: dict[str, list[Mapping[str, Any]]] = {}
    done: set[str] = set()
    for event in events:
        ready = [event]
        while ready:
            one = ready.pop(0)
            root = one.get("branch", {}).get("rootEventId")
            if root in listed and root not in done and root != one["eventId"]:
                waiting.setdefault(root, []).append(one)
                continue
            yield one
            done.add(one["eventId"])
            ready += waiting.pop(one["eventId"], ())


def _whole(inventory: Inventory, listed: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return a record with all that is known of it; None when it is gone since it was listed."""
    try:
        found: dict[str, Any] = inventory.client.get_memory_record(
            memoryId=inventory.config.memory_id, memoryRecordId=listed["memoryRecordId"]
        )["memoryRecord"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return None
    return found


def _event_line(event: Mapping[str, Any]) -> dict[str, Any]:
    line = {"id": event["eventId"], "at": _milliseconds(event["eventTimestamp"]), "payload": event.get("payload", [])}
    return {**line, **{name: event[name] for name in ("branch", "metadata") if event.get(name)}}


def _record_line(record: Mapping[str, Any]) -> dict[str, Any]:
    at = record.get("timestamp") or record["createdAt"]
    line = {
        "id": record["memoryRecordId"],
        "at": _milliseconds(at),
        "namespaces": record["namespaces"],
        "strategy": record.get("memoryStrategyId", ""),
        "text": record["content"]["text"],
    }
    if expires := record.get("expiresAt"):
        line["expires_at"] = _milliseconds(expires)
    metadata = {name: _stamped(value) for name, value in record.get("metadata", {}).items()}
    return {**line, "metadata": metadata} if metadata else line


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000)


def _stamped(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: item.astimezone(UTC).isoformat() if isinstance(item, datetime) else item for name, item in value.items()
    }
