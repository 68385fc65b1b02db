"""Delivers the changes of memory records in the form in which AgentCore Memory streams them to Kinesis.

The form is that of AWS's developer guide, page memory-record-streaming: one JSON object a change, which on AWS is the
data of a Kinesis record.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from .calls import read_memory
from .errors import ServiceError

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from .changes import RecordChange

logger = logging.getLogger(__name__)

FULL_CONTENT = "FULL_CONTENT"


class StreamDelivery:
    """Hands stream events to a sink, in the order of the changes; a failing sink is logged and stops nothing.

    Args:
        sink: A callable that takes each event, or a file to which each is appended as a line of JSON.
        clock: Returns the service's time, epoch seconds.
    """

    def __init__(
        self, sink: Callable[[dict[str, Any]], object] | str | os.PathLike[str], clock: Callable[[], float]
    ) -> None:
        self._sink = sink if callable(sink) else _file_sink(Path(sink))
        self._clock = clock
        self._waiting: deque[dict[str, Any]] = deque()
        self._delivering = RLock()

    def take(self, connection: sqlite3.Connection, changes: Sequence[RecordChange]) -> None:
        """Make events of changes that were just committed, for `deliver`.

        Args:
            connection: For reading.
            changes: In their order.
        """
        levels: dict[str, tuple[str | None, Mapping[str, str]]] = {}
        for change in changes:
            if change.memory_id not in levels:
                levels[change.memory_id] = _settings(connection, change.memory_id)
            level, types = levels[change.memory_id]
            if level is not None:
                self._waiting.append(self._event(change, level, types))

    def deliver(self) -> None:
        """Hand over what waits; while another thread does, it is left to that one."""
        while self._waiting and self._delivering.acquire(blocking=False):
            try:
                while self._waiting:
                    self._hand_over(self._waiting.popleft())
            finally:
                self._delivering.release()

    def _hand_over(self, event: dict[str, Any]) -> None:
        try:
            self._sink({"memoryStreamEvent": event})
        except Exception:
            logger.exception(
                "memory=<%s> event=<%s> | the sink of the record stream failed; the event is lost",
                event["memoryId"], event["eventType"],
            )  # fmt: skip

    def _event(self, change: RecordChange, level: str, types: Mapping[str, str]) -> dict[str, Any]:
        event: dict[str, Any] = {
            "eventType": change.kind,
            "eventTime": _timestamp(self._clock()),
            "memoryId": change.memory_id,
        }
        if change.kind == "StreamingEnabled":
            return {**event, "message": f"Streaming enabled for memory resource: {change.memory_id}"}
        event["memoryRecordId"] = change.record_id
        if change.row is None:
            return event
        row = change.row
        event |= {"namespaces": [row["namespace"]], "createdAt": round(row["created_at"] * 1_000)}
        if row["strategy_id"]:
            event["memoryStrategyId"] = row["strategy_id"]
            if row["strategy_id"] in types:
                event["memoryStrategyType"] = types[row["strategy_id"]]
        event["metadata"] = json.loads(row["metadata"]) if row["metadata"] else {}
        if level == FULL_CONTENT:
            event["memoryRecordText"] = row["text"]
        return event


def _settings(connection: sqlite3.Connection, memory_id: str) -> tuple[str | None, Mapping[str, str]]:
    """Return how much of its records a memory streams, None for nothing, and the types of its strategies."""
    try:
        memory = read_memory(connection, memory_id)
    except ServiceError:  # deleted meanwhile
        return None, {}
    levels = [
        content.get("level", "METADATA_ONLY")
        for resource in memory.body.get("streamDeliveryResources", {}).get("resources", [])
        for content in resource.get("kinesis", {}).get("contentConfigurations", [])
    ]
    level = None if not levels else FULL_CONTENT if FULL_CONTENT in levels else levels[0]
    return level, {strategy["strategyId"]: strategy["type"] for strategy in memory.strategies}


def _file_sink(file: Path) -> Callable[[dict[str, Any]], object]:
    def append(event: dict[str, Any]) -> None:
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(event, ensure_ascii=False) + "\n")

    return append


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
