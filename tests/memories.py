"""An embedded memory with a clock the test moves, and a service that can be made to fail."""

from __future__ import annotations

import functools
import itertools
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from botocore.awsrequest import AWSResponse
from botocore.config import Config

from agentmem.local import LocalMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FACTS = "/users/ann/facts/"
ONE_ATTEMPT = Config(retries={"total_max_attempts": 1})
"""Failures reach the caller at once instead of being retried by botocore, which sleeps in between."""


class Clock:
    """Epoch seconds that pass only when told."""

    def __init__(self, now: float = 1_770_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += seconds

    def time(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)


class Body:
    """A response body in memory."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def stream(self):
        yield self.content

    def read(self, amount=None) -> bytes:
        content, self.content = self.content, b""
        return content


def refusal(status: int, code: str) -> Callable[[Any], AWSResponse]:
    """An answer of the service that is an error."""
    return answer({"message": f"{code} on purpose"}, status, {"x-amzn-ErrorType": code})


def answer(body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None):
    """An answer of the service."""

    def respond(request: Any) -> AWSResponse:
        headers_ = {"content-type": "application/json", **(headers or {})}
        return AWSResponse(request.url, status, headers_, Body(json.dumps(body).encode()))

    return respond


@functools.cache
def embedded(extraction_delay: float, extractor: Any) -> tuple[Clock, Any, Any]:
    """One embedded service and a session of it, shared by all tests: a boto3 client takes long to make."""
    clock = Clock()
    service = LocalMemory(extraction_delay=extraction_delay, clock=clock, extractor=extractor)
    session = service.boto_session("us-west-2")
    return clock, session, session.client("bedrock-agentcore-control")


class Memory:
    """A memory resource of its own, its clients, and faults: what the next calls of an operation meet instead."""

    numbers = itertools.count()
    clients: ClassVar[dict[int, Any]] = {}
    current: ClassVar[Memory]

    def __init__(
        self, *, extraction_delay: float = 20.0, extractor: Any = None, templates: dict[str, str] | None = None
    ) -> None:
        self.clock, self.session, self.control = embedded(extraction_delay, extractor)
        strategies = [
            {"semanticMemoryStrategy": {"name": name, "namespaceTemplates": [template]}}
            for name, template in (templates or {"facts": "/users/{actorId}/facts/"}).items()
        ]
        memory = self.control.create_memory(
            name=f"memory{next(self.numbers)}", eventExpiryDuration=30, memoryStrategies=strategies
        )["memory"]
        self.id = memory["id"]
        self.strategies = {strategy["name"]: strategy["strategyId"] for strategy in memory["strategies"]}
        self.calls: list[str] = []
        self.faults: dict[str, list[Any]] = {}
        if id(self.session) not in self.clients:
            client = self.session.client("bedrock-agentcore", config=ONE_ATTEMPT)
            client.meta.events.register_first(
                "before-send.bedrock-agentcore.*",
                lambda **call: Memory.current._answer(**call),  # noqa: PLW0108 - looked up at each call
            )
            self.clients[id(self.session)] = client
        self.client = self.clients[id(self.session)]
        Memory.current = self

    def _answer(self, request: Any, event_name: str, **_kwargs: Any) -> AWSResponse | None:
        operation = event_name.rsplit(".", 1)[-1]
        self.calls.append(operation)
        waiting = self.faults.get(operation)
        if not waiting:
            return None
        fault = waiting.pop(0) if len(waiting) > 1 or waiting[0] is None else waiting[0]
        if waiting == [None]:
            waiting.clear()
        if isinstance(fault, Exception):
            raise fault
        return fault(request) if fault is not None else None

    def fail(self, operation: str, *faults: Any) -> None:
        """Meet the next calls with these, then let them through again."""
        self.faults[operation] = [*faults, None]

    def fail_always(self, operation: str, fault: Any) -> None:
        self.faults[operation] = [fault]

    def say(self, text: str, *, actor: str = "ann", session: str = "s1") -> dict[str, Any]:
        """Write an event; it is extracted after the delay."""
        return self.client.create_event(
            memoryId=self.id,
            actorId=actor,
            sessionId=session,
            eventTimestamp=self.clock.time(),
            payload=[{"conversational": {"role": "USER", "content": {"text": text}}}],
        )

    def add(self, texts: Sequence[str], namespace: str = FACTS) -> list[str]:
        """Put records there without extraction; returns their ids."""
        made: list[str] = []
        for part in _batches(texts, 100):
            records = [
                {
                    "requestIdentifier": f"r{next(self.numbers)}",
                    "namespaces": [namespace],
                    "content": {"text": text},
                    "timestamp": self.clock.time(),
                }
                for text in part
            ]
            created = self.client.batch_create_memory_records(memoryId=self.id, records=records)
            assert not created["failedRecords"]
            made += [record["memoryRecordId"] for record in created["successfulRecords"]]
        return made

    def rewrite(self, record_id: str, text: str) -> None:
        changed = self.client.batch_update_memory_records(
            memoryId=self.id,
            records=[{"memoryRecordId": record_id, "timestamp": self.clock.time(), "content": {"text": text}}],
        )
        assert not changed["failedRecords"]

    def delete(self, record_id: str) -> None:
        self.client.delete_memory_record(memoryId=self.id, memoryRecordId=record_id)


def _batches(items: Sequence[str], size: int):
    return (items[start : start + size] for start in range(0, len(items), size))


def texts(records: Sequence[dict[str, Any]]) -> list[str]:
    return [record["content"]["text"] for record in records]
