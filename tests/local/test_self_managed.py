"""Self-managed strategies: when their pipeline is told, and of what."""

import json
from datetime import UTC, datetime

import pytest
from memory_api import MemoryApi, said

from agentmem.local import LocalMemory

AT = datetime(2026, 1, 1, tzinfo=UTC)
TOPIC, BUCKET = "arn:aws:sns:us-west-2:000000000000:jobs", "payloads"


def strategy(*triggers, window=2):
    configuration = {
        "triggerConditions": list(triggers),
        "historicalContextWindowSize": window,
        "invocationConfiguration": {"topicArn": TOPIC, "payloadDeliveryBucketName": BUCKET},
    }
    return {"customMemoryStrategy": {"name": "own", "configuration": {"selfManagedConfiguration": configuration}}}


MESSAGES, TOKENS, IDLE = (
    {"messageBasedTrigger": {"messageCount": 3}},
    {"tokenBasedTrigger": {"tokenCount": 100}},
    {"timeBasedTrigger": {"idleSessionTimeout": 60}},
)


@pytest.fixture
def jobs():
    return []


@pytest.fixture
def api(jobs, clock):
    with LocalMemory(clock=clock, pipeline_sink=lambda *job: jobs.append(job)) as memory:
        yield MemoryApi(memory.boto_session("us-west-2"))


def contexts(jobs):
    return [
        [[item["content"]["text"] for item in payload[name]] for name in ("historicalContext", "currentContext")]
        for _, payload in jobs
    ]


def test_a_job_has_the_guides_form(api, jobs):
    made = api.create(strategy(MESSAGES))
    strategy_id = made["strategies"][0]["strategyId"]
    api.event(said("one"), said("two", "ASSISTANT"), at=AT)
    assert jobs == []
    api.event({"blob": "{}"}, at=AT.replace(second=5))
    [(notification, payload)] = jobs
    job_id, request_id = notification["jobId"], payload["requestId"]
    assert notification == {
        "jobId": job_id,
        "s3PayloadLocation": f"s3://{BUCKET}/{api.memory_id}/{strategy_id}/{job_id}.json",
        "memoryId": api.memory_id,
        "strategyId": strategy_id,
    }
    assert payload == {
        "requestId": request_id,
        "accountId": "000000000000",
        "memoryId": api.memory_id,
        "actorId": "bob",
        "sessionId": "s1",
        "strategyId": strategy_id,
        "startingTimestamp": round(AT.timestamp()),
        "endingTimestamp": round(AT.timestamp()) + 5,
        "currentContext": [
            {"role": "USER", "content": {"text": "one"}},
            {"role": "ASSISTANT", "content": {"text": "two"}},
            {"blob": "{}"},
        ],
        "historicalContext": [],
    }


def test_messages_are_counted_by_session_and_the_last_ones_are_told_again(api, jobs):
    api.create(strategy(MESSAGES))
    for number in range(7):
        api.say(f"first {number}")
    api.say("other", session="s2")
    api.say("not to be read", extractionMode="SKIP")
    assert contexts(jobs) == [
        [[], ["first 0", "first 1", "first 2"]],
        [["first 1", "first 2"], ["first 3", "first 4", "first 5"]],
    ]


def test_many_tokens_pull_the_trigger_of_tokens(api, jobs):
    api.create(strategy(MESSAGES, TOKENS, window=0))
    api.say("short")
    api.say("long " * 100)
    assert contexts(jobs) == [[[], ["short", "long " * 100]]]


def test_a_session_that_is_idle_is_told_when_somebody_looks(api, jobs, clock):
    api.create(strategy(IDLE))
    api.say("one")
    clock.advance(59)
    api.say("two")
    clock.advance(59)
    assert (api.records("/any/"), jobs) == ([], [])
    clock.advance(1)
    assert (api.records("/any/"), contexts(jobs)) == ([], [[[], ["one", "two"]]])
    clock.advance(600)
    api.records("/any/")
    assert len(jobs) == 1


def test_a_pipeline_writes_its_records_while_it_is_told(clock):
    def remember(_, payload):
        record = {
            "requestIdentifier": "r",
            "namespaces": [f"/own/{payload['actorId']}/"],
            "content": {"text": " ".join(item["content"]["text"] for item in payload["currentContext"])},
            "timestamp": payload["endingTimestamp"],
            "memoryStrategyId": payload["strategyId"],
        }
        api.data.batch_create_memory_records(memoryId=payload["memoryId"], records=[record])

    with LocalMemory(clock=clock, pipeline_sink=remember) as memory:
        api = MemoryApi(memory.boto_session("us-west-2"))
        api.create(strategy(MESSAGES))
        for text in ("a", "b", "c"):
            api.say(text)
        assert api.texts("/own/bob/") == ["a b c"]


def test_a_folder_gets_the_payloads_and_a_sink_that_fails_stops_nothing(tmp_path, caplog):
    for sink in (tmp_path / "jobs", lambda *_: 1 / 0):
        with LocalMemory(pipeline_sink=sink) as memory:
            api = MemoryApi(memory.boto_session("us-west-2"))
            api.create(strategy(MESSAGES))
            for text in ("a", "b", "c"):
                api.say(text)
            assert len(api.events()) == 3
    [line] = (tmp_path / "jobs" / "notifications.jsonl").read_text().splitlines()
    place = json.loads(line)["s3PayloadLocation"].removeprefix("s3://")
    payload = json.loads((tmp_path / "jobs" / place).read_text())
    assert [item["content"]["text"] for item in payload["currentContext"]] == ["a", "b", "c"]
    assert "the self-managed pipeline failed" in caplog.text


def test_what_was_deleted_is_not_told(api, jobs, clock):
    api.create(strategy(IDLE))
    event = api.say("gone")
    where = {"memoryId": api.memory_id, "actorId": "bob", "sessionId": "s1", "eventId": event["eventId"]}
    api.data.delete_event(**where)
    clock.advance(60)
    assert (api.records("/any/"), jobs) == ([], [])
