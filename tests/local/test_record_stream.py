"""What is told of the changes of records, in the form of AgentCore Memory's record stream."""

import json
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError
from memory_api import PREFERENCE, SEMANTIC, SUMMARY, MemoryApi

from agentmem.local import LocalMemory

AT = datetime(2026, 1, 1, tzinfo=UTC)
ROLE = {"memoryExecutionRoleArn": "arn:aws:iam::000000000000:role/memory"}


def streaming(level="FULL_CONTENT"):
    content = [{"type": "MEMORY_RECORDS", "level": level}]
    stream = "arn:aws:kinesis:us-west-2:000000000000:stream/changes"
    return {"resources": [{"kinesis": {"dataStreamArn": stream, "contentConfigurations": content}}]}


@pytest.fixture
def told():
    return []


@pytest.fixture
def api(told, clock):
    with LocalMemory(clock=clock, stream_sink=told.append) as memory:
        yield MemoryApi(memory.boto_session("us-west-2"))


def drained(told):
    events = [event["memoryStreamEvent"] for event in told]
    told.clear()
    return events


def test_every_change_is_told_in_the_guides_form(api, told, clock):
    strategy = api.create(SEMANTIC, streamDeliveryResources=streaming(), **ROLE)["strategies"][0]
    time = datetime.fromtimestamp(clock.now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    message = f"Streaming enabled for memory resource: {api.memory_id}"
    about = {"eventTime": time, "memoryId": api.memory_id}
    assert drained(told) == [{"eventType": "StreamingEnabled", **about, "message": message}]
    api.say("I live in Porto.")
    [record] = api.records("/users/bob/facts/")
    assert drained(told) == [
        {
            "eventType": "MemoryRecordCreated",
            **about,
            "memoryRecordId": record["memoryRecordId"],
            "namespaces": ["/users/bob/facts/"],
            "createdAt": clock.now * 1_000,
            "memoryStrategyId": strategy["strategyId"],
            "memoryStrategyType": "SEMANTIC",
            "metadata": {},
            "memoryRecordText": "I live in Porto.",
        }
    ]
    api.say("I live in Porto.")  # renews the record: no update by a caller
    assert (len(api.records("/users/bob/facts/")), drained(told)) == (1, [])
    change = {"memoryRecordId": record["memoryRecordId"], "timestamp": AT, "content": {"text": "Ann lives in Porto."}}
    api.data.batch_update_memory_records(memoryId=api.memory_id, records=[change])
    [updated] = drained(told)
    assert (updated["eventType"], updated["memoryRecordText"]) == ("MemoryRecordUpdated", "Ann lives in Porto.")
    api.data.delete_memory_record(memoryId=api.memory_id, memoryRecordId=record["memoryRecordId"])
    deleted = {"eventType": "MemoryRecordDeleted", **about, "memoryRecordId": record["memoryRecordId"]}
    assert drained(told) == [deleted]


def test_only_what_the_level_says_is_told_and_nothing_without_streaming(api, told):
    api.create(streamDeliveryResources=streaming("METADATA_ONLY"), **ROLE)
    api.write("a", "b", metadata={"team": {"stringValue": "red"}})
    enabled, *created = drained(told)
    assert enabled["eventType"] == "StreamingEnabled"
    assert [(one["metadata"], "memoryRecordText" in one) for one in created] == [
        ({"team": {"stringValue": "red"}}, False)
    ] * 2
    api.control.update_memory(memoryId=api.memory_id, streamDeliveryResources=streaming())
    api.control.update_memory(memoryId=api.memory_id, description="not the stream")
    assert [one["eventType"] for one in drained(told)] == ["StreamingEnabled"]
    api.control.update_memory(memoryId=api.memory_id, streamDeliveryResources={"resources": []})
    ids = api.write("c")
    api.data.batch_delete_memory_records(memoryId=api.memory_id, records=[{"memoryRecordId": one} for one in ids])
    api.create(SEMANTIC, name="silent")
    api.say("I live in Porto.")
    assert (len(api.records("/users/bob/facts/")), drained(told)) == (1, [])


def test_consolidation_deletes_the_old_record_and_creates_the_new(api, told):
    api.create(SUMMARY, PREFERENCE, streamDeliveryResources=streaming(), **ROLE)
    api.say("I live in Porto.")
    api.records("/summaries/bob/s1/")
    first = drained(told)[-1]
    api.say("I work as a nurse.")
    [record] = api.records("/summaries/bob/s1/")
    told_of = [(one["eventType"], one["memoryRecordId"]) for one in drained(told)]
    assert told_of == [
        ("MemoryRecordDeleted", first["memoryRecordId"]),
        ("MemoryRecordCreated", record["memoryRecordId"]),
    ]


def test_a_failed_write_is_not_told(api, told):
    api.create(streamDeliveryResources=streaming(), **ROLE)
    drained(told)
    with pytest.raises(ClientError):
        api.write("x", recordExpirySpecification={"action": "REMOVE"})
    assert drained(told) == []


def test_streaming_needs_a_role(api):
    with pytest.raises(ClientError, match="needs a memoryExecutionRoleArn"):
        api.create(streamDeliveryResources=streaming())


def test_a_file_gets_a_line_an_event_and_a_sink_that_fails_stops_nothing(tmp_path, caplog):
    with LocalMemory(stream_sink=tmp_path / "changes.jsonl") as memory:
        api = MemoryApi(memory.boto_session("us-west-2"))
        api.create(streamDeliveryResources=streaming(), **ROLE)
        api.write("a", "über")
    events = [json.loads(line) for line in (tmp_path / "changes.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [event["memoryStreamEvent"].get("memoryRecordText") for event in events] == [None, "a", "über"]
    with LocalMemory(stream_sink=tmp_path) as memory:  # a folder, which cannot be written to
        api = MemoryApi(memory.boto_session("us-west-2"))
        api.create(streamDeliveryResources=streaming(), **ROLE)
        assert len(api.write("a")) == 1
    assert "the sink of the record stream failed" in caplog.text


def test_a_sink_may_use_the_memory(clock):
    seen = []

    def look(event):
        record_id = event["memoryStreamEvent"].get("memoryRecordId")
        if record_id:
            found = api.data.get_memory_record(memoryId=api.memory_id, memoryRecordId=record_id)
            seen.append(found["memoryRecord"]["content"]["text"])

    with LocalMemory(clock=clock, stream_sink=look) as memory:
        api = MemoryApi(memory.boto_session("us-west-2"))
        api.create(streamDeliveryResources=streaming("METADATA_ONLY"), **ROLE)
        api.write("a", "b")
    assert seen == ["a", "b"]
