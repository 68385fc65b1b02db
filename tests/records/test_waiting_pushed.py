"""Waiting that ends when the record stream says so."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time

import pytest

from agentmem import LocalMemory, MemoryConfig, Namespace, RecordStream
from agentmem.errors import ConfigurationError
from agentmem.records.waiting.pushed import RecordEvent
from agentmem.records.waiting.wait import wait_for_memories

STREAM = {
    "resources": [
        {
            "kinesis": {
                "dataStreamArn": "arn:aws:kinesis:us-east-1:000000000000:stream/changes",
                "contentConfigurations": [{"type": "MEMORY_RECORDS", "level": "FULL_CONTENT"}],
            }
        }
    ]
}
EVENT = {
    "memoryStreamEvent": {
        "eventType": "MemoryRecordCreated",
        "eventTime": "2026-02-16T00:13:54.912530116Z",
        "memoryId": "m-1",
        "memoryRecordId": "mem-1",
        "namespaces": ["/users/ann/facts/"],
        "createdAt": 1_736_622_300_000,
        "memoryStrategyId": "facts-1",
        "memoryStrategyType": "SEMANTIC",
        "metadata": {},
        "memoryRecordText": "Ann lives in Porto.",
    }
}


@pytest.fixture
def pushed():
    """A served memory that streams into a `RecordStream`, a session on it, and the stream."""
    stream = RecordStream()
    with LocalMemory(extraction_delay=0.4, stream_sink=stream.put) as memory, memory.serve():
        facts = Namespace.semantic("facts", "/users/{actorId}/facts/")
        config = MemoryConfig.local(memory, namespaces=(facts,))
        config.control_plane().update_memory(
            memoryId=config.memory_id,
            streamDeliveryResources=STREAM,
            memoryExecutionRoleArn="arn:aws:iam::000000000000:role/memory",
        )
        yield config.bind("ann", "s-1"), stream


def say(session):
    session.client.create_event(
        memoryId=session.memory_id,
        actorId="ann",
        sessionId="s-1",
        eventTimestamp=time.time(),
        payload=[{"conversational": {"content": {"text": "I live in Porto."}, "role": "USER"}}],
    )


def test_a_wait_ends_with_the_event_long_before_its_next_poll(pushed):
    session, stream = pushed
    say(session)
    polls = []
    began = time.monotonic()
    found = session.wait_for_memories("facts", max_wait=60, poll_interval=50, stream=stream, on_poll=polls.append)
    assert [record["content"]["text"] for record in found] == ["I live in Porto."]
    assert time.monotonic() - began < 20
    assert len(polls) <= 2


async def test_the_async_twin_does_too(pushed):
    session, stream = pushed
    await asyncio.to_thread(say, session)
    found = await session.wait_for_memories_async("facts", max_wait=60, poll_interval=50, stream=stream)
    assert len(found) == 1


def test_without_an_event_the_time_runs_out_as_it_was_set(pushed):
    session, _ = pushed
    began = time.monotonic()
    assert session.wait_for_memories("facts", max_wait=0.5, poll_interval=0.2, stream=RecordStream()) == []
    assert 0.4 < time.monotonic() - began < 5


def test_a_pause_ends_for_its_own_memory_and_place_only():
    stream = RecordStream()
    exact, other = stream.sleeper("m-1", "/users/ann/facts/"), stream.sleeper("m-2", "/users/ann/facts/")
    below, beside = stream.sleeper("m-1", "/users/ann", "path"), stream.sleeper("m-1", "/users/an", "path")
    threading.Timer(0.05, stream.put, [EVENT]).start()
    assert exact(30) < 20
    assert below(30) == pytest.approx(0, abs=0.05)  # it arrived before this pause, and after it was made
    assert other(0.05) == beside(0.05) == pytest.approx(0.05, abs=0.02)
    deleted = {**EVENT["memoryStreamEvent"], "eventType": "MemoryRecordDeleted"}
    stream.put({"memoryStreamEvent": deleted})
    assert exact(0.05) == pytest.approx(0.05, abs=0.02)


DATA = json.dumps(EVENT)


@pytest.mark.parametrize(
    "value",
    [
        EVENT,
        DATA,
        DATA.encode(),
        {"Data": DATA.encode(), "PartitionKey": "p", "SequenceNumber": "1"},
        {"kinesis": {"data": base64.b64encode(DATA.encode()).decode()}, "eventSource": "aws:kinesis"},
        {"Records": [{"kinesis": {"data": base64.b64encode(DATA.encode()).decode()}}]},
    ],
    ids=["object", "text", "bytes", "GetRecords", "Lambda record", "Lambda batch"],
)
def test_an_event_is_read_in_every_form_it_arrives_in(value):
    seen = []
    [event] = RecordStream(on_event=seen.append).put(value)
    assert seen == [event]
    assert (event.kind, event.memory_id, event.record_id) == ("MemoryRecordCreated", "m-1", "mem-1")
    assert (event.namespaces, event.text) == (("/users/ann/facts/",), "Ann lives in Porto.")
    assert event.at.isoformat() == "2026-02-16T00:13:54.912530+00:00"
    assert event.raw["memoryStrategyType"] == "SEMANTIC"


@pytest.mark.parametrize("value", ["no JSON", {}, {"memoryStreamEvent": {}}, 5, {"memoryStreamEvent": "x"}])
def test_what_is_no_event_is_refused(value):
    with pytest.raises(ConfigurationError, match="no event of AgentCore Memory's record stream"):
        RecordEvent.of(value)


def test_a_stream_and_a_pause_of_ones_own_exclude_each_other():
    with pytest.raises(TypeError, match="takes stream or sleep, not both"):
        wait_for_memories(None, "m-1", "/x/", stream=RecordStream(), sleep=lambda _: None)
