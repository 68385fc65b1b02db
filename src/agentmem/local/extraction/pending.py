"""Stores extraction tasks that wait: written with their event, read by `extraction.engine`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from agentmem.local.calls import MemoryResource


def enqueue(
    connection: sqlite3.Connection,
    memory: MemoryResource,
    sid: int,
    event_id: str,
    due_at: float,
    *,
    payload: Sequence[Mapping[str, Any]],
    variables: Mapping[str, str],
    metadata: Mapping[str, Any] | None,
    keep_payload: bool = False,
) -> None:
    """Note an event for extraction, if any of it may be knowledge (blobs never are).

    Args:
        connection: In a write transaction.
        memory: The memory resource.
        sid: Key of the session.
        event_id: Of the event; for ingested content, an id of its own.
        due_at: When extraction is due, epoch seconds by the service's clock.
        payload: The event's payload.
        variables: ``namespaceVariables`` of the request.
        metadata: Metadata of the event.
        keep_payload: Keep the payload here, because no event holds it.
    """
    if not any("conversational" in item or "json" in item for item in payload):
        return
    content: dict[str, Any] = {}
    if variables:
        content["variables"] = variables
    if metadata:
        content["metadata"] = {key: value["stringValue"] for key, value in metadata.items()}
    if keep_payload:
        content["payload"] = payload
    connection.execute(
        "INSERT INTO pending (memory_id, sid, event_id, due_at, content) VALUES (?, ?, ?, ?, ?)",
        (memory.memory_id, sid, event_id, due_at, json.dumps(content)),
    )
