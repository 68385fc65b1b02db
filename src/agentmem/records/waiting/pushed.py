"""Takes the events of AgentCore Memory's record stream, and wakes those who wait for records."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from agentmem.errors import ConfigurationError
from agentmem.records.waiting.marks import place_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from agentmem.records.waiting.marks import Match

_ARRIVING = frozenset({"MemoryRecordCreated", "MemoryRecordUpdated"})


class Slept(float):
    """Seconds that a pause really took, which may be fewer than were asked for."""


@dataclass(frozen=True)
class RecordEvent:
    """One change of a record.

    Attributes:
        kind: `MemoryRecordCreated`, `MemoryRecordUpdated`, `MemoryRecordDeleted` or `StreamingEnabled`.
        memory_id: The memory.
        record_id: The record; empty for `StreamingEnabled`.
        at: When it happened, with a time zone.
        namespaces: The record's namespaces; empty when it was deleted.
        text: Its content, when the memory streams with `FULL_CONTENT`; else None.
        raw: The event as the service sent it, strategy and metadata included.
    """

    kind: str
    memory_id: str
    record_id: str
    at: datetime
    namespaces: tuple[str, ...] = ()
    text: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, value: Any) -> RecordEvent:
        """Read an event in any of the forms in which it arrives.

        Args:
            value: The event as an object (``{"memoryStreamEvent": {...}}``), as JSON in text or bytes, a record of
                Kinesis' GetRecords (``{"Data": b"..."}``), or one that Lambda hands over
                (``{"kinesis": {"data": "<base64>"}}``).

        Raises:
            ConfigurationError: It is none of them.
        """
        try:
            event = _opened(value)["memoryStreamEvent"]
            return cls(
                str(event["eventType"]),
                str(event["memoryId"]),
                str(event.get("memoryRecordId", "")),
                datetime.fromisoformat(str(event["eventTime"])),
                tuple(event.get("namespaces", ())),
                event.get("memoryRecordText"),
                event,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigurationError(
                f"the value is no event of AgentCore Memory's record stream ({type(error).__name__}: {error}). Give "
                'the data of a Kinesis record: {"memoryStreamEvent": {"eventType": ..., "eventTime": ..., ...}}'
            ) from error


class RecordStream:
    """Wakes `wait_for_memories` when a record arrives, so that it looks at once instead of at its next poll.

    Whatever consumes the memory's Kinesis stream puts the events in; so does the embedded service:
    `LocalMemory(stream_sink=stream.put)`. A wait polls besides, for events that never come: `poll_interval` may be
    long.

    Args:
        on_event: Called with each event, in the thread that puts it in.
    """

    def __init__(self, on_event: Callable[[RecordEvent], object] | None = None) -> None:
        """Begin without events."""
        self._on_event = on_event
        self._arrived = threading.Condition()
        self._counts: dict[tuple[str, str], int] = {}

    def put(self, value: Any) -> list[RecordEvent]:
        """Take one event, or the batch that a Lambda function is called with (``{"Records": [...]}``).

        Args:
            value: See `RecordEvent.of`.

        Returns:
            The events.

        Raises:
            ConfigurationError: It is no event of the record stream.
        """
        batch = value["Records"] if isinstance(value, dict) and isinstance(value.get("Records"), list) else [value]
        events = [RecordEvent.of(one) for one in batch]
        for event in events:
            if self._on_event is not None:
                self._on_event(event)
        with self._arrived:
            for event in events:
                for namespace in event.namespaces if event.kind in _ARRIVING else ():
                    place = (event.memory_id, namespace)
                    self._counts[place] = self._counts.get(place, 0) + 1
            self._arrived.notify_all()
        return events

    def sleeper(self, memory_id: str, namespace: str, match: Match = "exact") -> Callable[[float], Slept]:
        """Return a pause that ends when a record arrives in a namespace.

        Args:
            memory_id: The memory.
            namespace: The resolved namespace.
            match: `exact`, or `path` for everything at and below it.

        Returns:
            A function that takes the most seconds to pause, and returns how many it did. What arrived since the last
            pause, or since this was made, ends a pause at once.
        """
        seen = self._count(memory_id, namespace, match)

        def sleep(seconds: float) -> Slept:
            nonlocal seen
            began = time.monotonic()
            with self._arrived:
                self._arrived.wait_for(lambda: self._count(memory_id, namespace, match) > seen, timeout=seconds)
                seen = self._count(memory_id, namespace, match)
            return Slept(min(time.monotonic() - began, seconds))

        return sleep

    def sleeper_async(
        self, memory_id: str, namespace: str, match: Match = "exact"
    ) -> Callable[[float], Awaitable[Slept]]:
        """Return a `sleeper` that does not block the event loop."""
        sleep = self.sleeper(memory_id, namespace, match)
        return lambda seconds: asyncio.to_thread(sleep, seconds)

    def _count(self, memory_id: str, namespace: str, match: Match) -> int:
        # An id stands for its ARN too: the stream names memories by their ids.
        memory_id = memory_id.rpartition("/")[2]
        exact = place_key(namespace, "exact") == place_key(namespace, match)
        below = f"{namespace.rstrip('/')}/"
        return sum(
            count
            for (memory, place), count in list(self._counts.items())
            if memory == memory_id and (place == namespace if exact else f"{place.rstrip('/')}/".startswith(below))
        )


def _opened(value: Any) -> Any:
    """Return the object that an event is, whatever it came in."""
    if isinstance(value, dict) and "Data" in value:
        value = value["Data"]
    elif isinstance(value, dict) and "kinesis" in value:
        value = base64.b64decode(value["kinesis"]["data"])
    return json.loads(value) if isinstance(value, (str, bytes, bytearray)) else value
