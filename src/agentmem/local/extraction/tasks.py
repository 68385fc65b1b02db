"""Groups waiting events into extraction tasks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentmem.local.calls import MemoryResource, read_memory

from .messages import Message, read_payload

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Task:
    """What was said in one session and is to be read by the strategies together.

    Attributes:
        memory: The memory resource.
        sid: Key of the session.
        actor_id: The session's actor.
        session_id: The session.
        variables: Namespace variables of the events.
        metadata: Event metadata, for keys that are passed through to records.
        due_at: When the last of it became due, epoch seconds; the date of the records made.
        said_at: Time of the last event, epoch seconds.
        parts: ``(event id, messages)`` in order.
        strategy: Only this strategy is to read it; None for all of them.
        job: Id of the failed job that is repeated, or None.
    """

    memory: MemoryResource
    sid: int
    actor_id: str
    session_id: str
    variables: Mapping[str, str]
    metadata: Mapping[str, str]
    due_at: float
    said_at: float
    parts: tuple[tuple[str, tuple[Message, ...]], ...]
    strategy: str | None = None
    job: str | None = None

    @property
    def messages(self) -> list[Message]:
        """All messages in order."""
        return [message for _, messages in self.parts for message in messages]

    def stored(self) -> str:
        """The task as JSON, for a failed job that may be repeated."""
        return json.dumps(
            {
                "variables": self.variables,
                "metadata": self.metadata,
                "saidAt": self.said_at,
                "parts": [
                    [event_id, [[message.index, message.role, message.text] for message in messages]]
                    for event_id, messages in self.parts
                ],
            }
        )


def read_tasks(connection: sqlite3.Connection, memory_id: str, rows: Sequence[sqlite3.Row]) -> list[Task]:
    """Group pending events by session and variables, keeping their order; a repeated job is a task by itself.

    Args:
        connection: For reading.
        memory_id: The memory.
        rows: Of the table of pending work, in order.

    Returns:
        One task for each group.
    """
    groups: dict[tuple[int, str], list[tuple[sqlite3.Row, dict[str, Any]]]] = {}
    for row in rows:
        content = json.loads(row["content"])
        mark = content.get("job") or json.dumps(content.get("variables", {}), sort_keys=True)
        groups.setdefault((row["sid"], mark), []).append((row, content))
    memory = read_memory(connection, memory_id)
    return [_task(connection, memory, group) for group in groups.values()]


def _task(
    connection: sqlite3.Connection,
    memory: MemoryResource,
    group: Sequence[tuple[sqlite3.Row, dict[str, Any]]],
) -> Task:
    last_row, last = group[-1]
    session = connection.execute(
        "SELECT actor_id, session_id FROM sessions WHERE sid = ?", (last_row["sid"],)
    ).fetchone()
    metadata: dict[str, str] = {}
    for _, content in group:
        metadata.update(content.get("metadata", {}))
    if "job" in last:
        parts = [(event_id, tuple(Message(*message) for message in messages)) for event_id, messages in last["parts"]]
        said_at = last["saidAt"]
    else:
        parts = [(row["event_id"], tuple(read_payload(_payload(connection, row, content)))) for row, content in group]
        said_at = int(last_row["event_id"].split("#")[0]) / 1000
    return Task(
        memory,
        last_row["sid"],
        session["actor_id"],
        session["session_id"],
        last.get("variables", {}),
        metadata,
        due_at=last_row["due_at"],
        said_at=said_at,
        parts=tuple(parts),
        strategy=last.get("strategy"),
        job=last.get("job"),
    )


def _payload(connection: sqlite3.Connection, row: sqlite3.Row, content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What an event held; nothing when it was deleted or has expired meanwhile."""
    if "payload" in content:
        return list(content["payload"])
    query = "SELECT payload FROM events WHERE sid = ? AND event_id = ?"
    event = connection.execute(query, (row["sid"], row["event_id"])).fetchone()
    return list(json.loads(event["payload"])) if event else []
