"""Waiting for long-term memories: what counts as new, how long it takes, and what ends it."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest
from bedrock_agentcore.memory.client import MemoryClient
from freezegun import freeze_time

from agentmem import MemoryConfig, Namespace
from agentmem.errors import ConfigurationError, ExtractionFailedError, MemoryWaitTimeout
from agentmem.local import LocalMemory
from agentmem.records.waiting.options import WaitOptions, with_defaults
from agentmem.records.waiting.wait import WaitProgress, take_mark, wait_for_memories, wait_for_memories_async
from agentmem.support.clock import monotonic
from loop_lag import loop_lags
from memories import FACTS, Clock, Memory, answer, refusal, texts


@pytest.fixture
def memory() -> Memory:
    return Memory()


def wait(memory: Memory, namespace: str = FACTS, query: str | None = None, **options):
    options = {"max_wait": 120, "sleep": memory.clock.tick, **options}
    return wait_for_memories(memory.client, memory.id, namespace, query, **options)


def mark(memory: Memory, *namespaces: str, **options):
    return take_mark(memory.client, memory.id, namespaces or (FACTS,), **options)


def test_a_record_is_awaited_until_extraction_made_it(memory):
    memory.say("My favourite drink is oolong tea.")
    began = memory.clock.now

    found = wait(memory)

    assert len(found) == 1
    assert "oolong" in found[0]["content"]["text"]
    assert memory.clock.now - began == 20


def test_without_since_whatever_is_there_counts(memory):
    memory.add(["Ann lives in Oslo."])
    assert texts(wait(memory)) == ["Ann lives in Oslo."]


def test_a_query_searches_and_returns_the_best_first(memory):
    memory.add(["Ann lives in Oslo.", "Ann's favourite drink is oolong tea.", "Ann has a dog."])
    found = wait(memory, query="favourite drink", top_k=2)
    assert len(found) == 2
    assert "oolong" in found[0]["content"]["text"]
    assert found[0]["score"] >= found[1]["score"]


@pytest.mark.parametrize("query", [None, "favourite drink"])
@pytest.mark.parametrize("kind", ["mark", "time", "event", "response", "event id"])
def test_on_a_populated_namespace_only_the_new_record_ends_the_wait(memory, kind, query):
    memory.add([f"Old fact number {number} about drinks." for number in range(101)])
    memory.clock.tick(5)
    before = mark(memory)
    now = memory.clock.time()
    response = memory.say("My favourite drink is oolong tea.")
    event = response["event"]
    since = {"mark": before, "time": now, "event": event, "response": response, "event id": event["eventId"]}[kind]

    found = wait(memory, query=query, since=since)

    assert len(found) == 1
    assert "oolong" in found[0]["content"]["text"]


def test_a_record_rewritten_in_place_is_new(memory):
    first, _second = memory.add(["Ann likes coffee.", "Ann has a dog."])
    before = mark(memory)
    seen = []

    def after_two(progress: WaitProgress) -> None:
        seen.append(progress.count)
        if progress.polls == 2:
            memory.rewrite(first, "Ann likes tea now.")

    assert texts(wait(memory, since=before, on_poll=after_two)) == ["Ann likes tea now."]
    assert seen == [0, 0, 1]


def test_with_a_time_a_record_rewritten_while_waiting_is_new(memory):
    [first] = memory.add(["Ann likes coffee."])
    memory.clock.tick(1)

    def after_one(progress: WaitProgress) -> None:
        if progress.polls == 1:
            memory.rewrite(first, "Ann likes tea now.")

    assert texts(wait(memory, since=memory.clock.time(), on_poll=after_one)) == ["Ann likes tea now."]


def test_a_deleted_record_is_not_new(memory):
    ids = memory.add([f"Fact {number}." for number in range(120)])
    before = mark(memory)

    def delete_one(progress: WaitProgress) -> None:
        memory.delete(ids[progress.polls])

    assert wait(memory, query="Fact", since=before, on_poll=delete_one, max_wait=20) == []


def test_a_clock_ahead_of_the_service_does_not_hide_what_arrives_while_waiting(memory):
    memory.add(["Ann lives in Oslo."])
    memory.say("I have a dog named Rex.")
    found = wait(memory, since=memory.clock.time() + timedelta(hours=1))
    assert ["Rex" in text for text in texts(found)] == [True]


def test_min_count_and_until_say_how_much_is_enough(memory):
    before = mark(memory)
    counts = []

    def arrive(progress: WaitProgress) -> None:
        counts.append(progress.count)
        memory.add([f"Fact number {progress.polls}."])

    found = wait(memory, since=before, min_count=2, on_poll=arrive, until=lambda records: "number 3" in str(records))

    assert counts == [0, 1, 2, 3]
    assert len(found) == 3


def test_min_count_above_top_k_returns_them_all(memory):
    memory.add([f"Fact number {number}." for number in range(6)])
    assert len(wait(memory, query="fact", top_k=2, min_count=5)) == 5


@pytest.mark.parametrize("match", ["path", "prefix"])
def test_a_path_matches_what_is_below_it_and_no_neighbour(memory, match):
    before = mark(memory, "/users/ann", match=match)
    memory.add(["A neighbour's."], "/users/annika/facts/")
    memory.add(["Ann's own."], "/users/ann/preferences/")
    assert texts(wait(memory, "/users/ann", match=match, since=before)) == ["Ann's own."]
    assert texts(wait(memory, "/users/ann", match=match)) == ["Ann's own."]


def test_an_exact_namespace_matches_nothing_below_it(memory):
    memory.add(["Below."], "/users/ann/facts/deep/")
    assert wait(memory, max_wait=10) == []


def test_a_mark_of_other_namespaces_falls_back_to_its_time(memory):
    memory.add(["Old."])
    with freeze_time(memory.clock.time() + timedelta(seconds=1)):
        elsewhere = mark(memory, "/elsewhere/")
    memory.clock.tick(2)
    memory.add(["New."])
    assert texts(wait(memory, since=elsewhere)) == ["New."]


def test_time_up_returns_nothing_even_if_some_were_there(memory):
    memory.add(["Only one."])
    assert wait(memory, min_count=2, max_wait=30) == []


def test_time_up_raises_with_what_was_seen(memory):
    memory.add(["Only one."])
    memory.fail("ListMemoryRecords", refusal(500, "ServiceException"))
    with pytest.raises(MemoryWaitTimeout, match=r"1 of 2 records in namespace '/users/ann/facts/'") as caught:
        wait(memory, min_count=2, max_wait=30, raise_on_timeout=True)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.polls == 7
    assert caught.value.elapsed == pytest.approx(30, abs=0.5)
    assert caught.value.last_count == 1
    assert "ServiceException" in str(caught.value.last_error)


def test_the_timeout_suggests_a_missing_slash(memory):
    with pytest.raises(MemoryWaitTimeout, match="'/users/ann/facts/' perhaps"):
        wait(memory, "/users/ann/facts", max_wait=1, raise_on_timeout=True)


def test_a_zero_wait_looks_once(memory):
    memory.add(["There."])
    assert texts(wait(memory, max_wait=0)) == ["There."]
    assert wait(memory, "/elsewhere/", max_wait=0) == []


def test_a_clock_that_stands_still_cannot_hang_a_wait(memory):
    pauses = []
    assert wait(memory, "/elsewhere/", max_wait=20, poll_interval=6, sleep=pauses.append, clock=lambda: 0.0) == []
    assert pauses == [6, 6, 6, 2]


def test_a_slow_service_shortens_the_pauses_and_ends_the_wait_in_time(memory):
    now = [0.0]

    def slow(_request):
        now[0] += 8
        return answer({"memoryRecordSummaries": []})(_request)

    memory.fail_always("ListMemoryRecords", slow)
    pauses = []
    assert wait(memory, max_wait=20, poll_interval=5, sleep=pauses.append, clock=lambda: now[0]) == []
    assert now[0] == 24  # three calls, the last of them begun before the time was up
    assert pauses == [5, 4]


def test_pages_are_not_read_on_after_the_time_is_up(memory):
    memory.add([f"Fact {number}." for number in range(250)])
    memory.calls.clear()
    now = [0.0]

    def clock():
        now[0] += 1
        return now[0]

    wait(memory, max_wait=2, min_count=1_000, clock=clock, sleep=lambda _seconds: None)
    assert memory.calls.count("ListMemoryRecords") == 2


def load_the_embedding_model(client, memory_id: str) -> None:
    """The embedded service loads its model at the first search, once a process."""
    record = {
        "requestIdentifier": "r",
        "namespaces": ["/elsewhere/"],
        "content": {"text": "x"},
        "timestamp": time.time(),
    }
    client.batch_create_memory_records(memoryId=memory_id, records=[record])
    assert wait_for_memories(client, memory_id, "/elsewhere/", "x", max_wait=0)


def test_two_minutes_of_extraction_pass_in_no_time_under_freezegun():
    with freeze_time("2026-03-01T12:00:00Z") as frozen:
        service = LocalMemory(extraction_delay=120)
        session = service.boto_session()
        control, client = session.client("bedrock-agentcore-control"), session.client("bedrock-agentcore")
        strategy = {"semanticMemoryStrategy": {"name": "facts", "namespaceTemplates": ["/users/{actorId}/facts/"]}}
        memory_id = control.create_memory(name="m", eventExpiryDuration=30, memoryStrategies=[strategy])["memory"]["id"]
        message = {"conversational": {"role": "USER", "content": {"text": "My favourite drink is oolong tea."}}}
        event = client.create_event(
            memoryId=memory_id, actorId="ann", sessionId="s", eventTimestamp=time.time(), payload=[message]
        )
        client.meta.events.register_first(
            "before-send.bedrock-agentcore.*",
            lambda request, event_name, **_: answer({"jobs": []})(request) if event_name.endswith("Jobs") else None,
        )
        load_the_embedding_model(client, memory_id)
        began = monotonic()
        found = wait_for_memories(
            client, memory_id, FACTS, "drink", max_wait=180, since=event, sleep=frozen.tick, raise_on_timeout=True
        )
        took = monotonic() - began
    assert took < 0.5  # seconds of real time
    assert "oolong" in found[0]["content"]["text"]


def failed_job(memory: Memory, event: dict, strategy: str = "facts", **changes):
    job = {
        "jobID": "job-1",
        "status": "FAILED",
        "failureReason": "the model was not available",
        "strategyId": memory.strategies.get(strategy, strategy),
        "actorId": "ann",
        "sessionId": "s1",
        "messages": {"messagesList": [{"eventId": event["event"]["eventId"], "messageIndex": 0}]},
    }
    return answer({"jobs": [{**job, **changes}]})


@pytest.mark.parametrize("kind", ["mark", "event", "event id"])
def test_a_failed_extraction_job_ends_the_wait_with_its_reason(memory, kind):
    memory.fail_always("ListMemoryExtractionJobs", answer({"jobs": []}))
    before = mark(memory, actor_id="ann", session_id="s1")
    event = memory.say("I have a dog.")
    memory.fail_always("ListMemoryExtractionJobs", failed_job(memory, event))
    since = {"mark": before, "event": event, "event id": event["event"]["eventId"]}[kind]

    with pytest.raises(ExtractionFailedError, match="the model was not available") as caught:
        wait(memory, since=since)
    assert caught.value.job["jobID"] == "job-1"


def test_jobs_that_concern_others_do_not_end_the_wait(memory):
    other = memory.say("Something earlier.")
    memory.add(["A record made by this namespace's strategy before."])
    old = failed_job(memory, other)
    memory.fail_always("ListMemoryExtractionJobs", old)
    before = mark(memory, actor_id="ann", session_id="s1")
    memory.say("My favourite drink is oolong tea.")

    assert len(wait(memory, since=before)) == 1  # the job had failed before the mark
    memory.clock.tick(1)
    event = memory.say("I have a dog named Rex.")
    assert len(wait(memory, since=event)) == 1  # the job is about another event


def test_a_job_of_a_strategy_that_files_elsewhere_does_not_end_the_wait():
    memory = Memory(templates={"facts": "/users/{actorId}/facts/", "other": "/other/{actorId}/"})
    client = MemoryClient(boto3_session=memory.session)
    client.gmdp_client = memory.client
    event = memory.say("My favourite drink is oolong tea.")
    memory.fail_always("ListMemoryExtractionJobs", failed_job(memory, event, "other"))
    options = {"since": event, "sleep": memory.clock.tick}

    assert len(wait_for_memories(client, memory.id, FACTS, **options)) == 1
    memory.clock.tick(1)
    event = memory.say("I have a dog.")
    memory.fail_always("ListMemoryExtractionJobs", failed_job(memory, event, "other"))
    with pytest.raises(ExtractionFailedError):
        wait_for_memories(client, memory.id, "/other/ann/", **{**options, "since": event})


def test_a_role_that_may_not_list_jobs_can_wait_all_the_same(memory):
    event = memory.say("My favourite drink is oolong tea.")
    memory.fail_always("ListMemoryExtractionJobs", refusal(403, "AccessDeniedException"))
    assert len(wait(memory, since=event)) == 1
    assert memory.calls.count("ListMemoryExtractionJobs") == 1


def test_the_clients_of_the_sdk_and_of_boto3_are_taken(memory):
    memory.add(["There."])
    client = MemoryClient(boto3_session=memory.session)
    assert texts(wait_for_memories(client, memory.id, FACTS)) == ["There."]
    with pytest.raises(ConfigurationError, match="memory_client"):
        wait_for_memories(object(), memory.id, FACTS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"namespace": ""}, "namespace = ''"),
        ({"namespace": "/users/*/facts/"}, "wildcards"),
        ({"namespace": "/users/{actorId}/facts/"}, "placeholder"),
        ({"memory_id": ""}, "memory_id is missing"),
        ({"query": "  "}, "query"),
        ({"query": "x" * 10_001}, "10,001 characters"),
        ({"max_wait": -1}, "max_wait = -1"),
        ({"max_wait": float("inf")}, "max_wait = inf"),
        ({"poll_interval": 0}, "poll_interval = 0"),
        ({"top_k": 101}, "top_k = 101"),
        ({"min_count": 0}, "min_count = 0"),
        ({"min_count": 101, "query": "x"}, "min_count = 101"),
        ({"match": "all"}, "match = 'all'"),
        ({"since": "yesterday"}, "since = 'yesterday'"),
        ({"since": 5}, "since = 5"),
    ],
)
def test_a_malformed_argument_is_named(memory, arguments, message):
    values = {"memory_id": memory.id, "namespace": FACTS, **arguments}
    with pytest.raises(ConfigurationError, match=message):
        wait_for_memories(memory.client, **values)


def test_a_time_without_a_zone_is_refused(memory):
    with pytest.raises(ConfigurationError, match="no time zone"):
        wait(memory, since=memory.clock.time().replace(tzinfo=None))


async def test_the_async_twin_finds_the_same_and_awaits_its_callbacks(memory):
    event = memory.say("My favourite drink is oolong tea.")
    memory.fail_always("ListMemoryExtractionJobs", answer({"jobs": []}))
    seen = []

    async def sleep(seconds: float) -> None:
        memory.clock.tick(seconds)

    async def on_poll(progress: WaitProgress) -> None:
        seen.append((progress.polls, progress.count, progress.done))

    found = await wait_for_memories_async(
        memory.client, memory.id, FACTS, "drink", since=event, sleep=sleep, on_poll=on_poll
    )
    assert "oolong" in found[0]["content"]["text"]
    assert seen == [(1, 0, False), (2, 0, False), (3, 0, False), (4, 0, False), (5, 1, True)]


async def test_the_async_twin_can_be_cancelled_at_once(memory):
    began = time.perf_counter()
    task = asyncio.create_task(wait_for_memories_async(memory.client, memory.id, "/elsewhere/"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.perf_counter() - began < 1


async def test_the_async_twin_does_not_block_the_event_loop(memory):
    def slow(request):
        time.sleep(0.15)
        return answer({"memoryRecordSummaries": []})(request)

    memory.fail_always("ListMemoryRecords", slow)
    async with loop_lags() as lags:
        assert await wait_for_memories_async(memory.client, memory.id, FACTS, max_wait=0) == []
    assert len(lags) >= 5
    assert max(lags) < 0.1


def test_a_session_resolves_names_and_waits_for_what_came_after_its_last_event():
    service_clock = Clock()
    config = MemoryConfig.local(
        LocalMemory(extraction_delay=20, clock=service_clock),
        namespaces=(Namespace.semantic("facts", "/users/{actorId}/facts/"),),
    )
    session = config.bind("ann", "s1")

    def say(text: str) -> None:
        session.client.create_event(
            memoryId=session.memory_id,
            actorId="ann",
            sessionId="s1",
            eventTimestamp=service_clock.time(),
            payload=[{"conversational": {"role": "USER", "content": {"text": text}}}],
        )

    say("I have a dog named Rex.")
    assert len(session.wait_for_memories("facts", sleep=service_clock.tick)) == 1
    service_clock.tick(1)
    before = session.mark(["facts"])
    say("My favourite drink is oolong tea.")
    for since in (None, before):
        found = session.wait_for_memories("facts", "drink", since=since, sleep=service_clock.tick)
        assert ["oolong" in text for text in texts(found)] == [True]
    assert texts(wait_for_memories(session, None, "facts", "drink", top_k=1)) == texts(found)
    assert texts(wait_for_memories(session, None, FACTS, "drink", top_k=1)) == texts(found)


@pytest.mark.parametrize("wait", [wait_for_memories, wait_for_memories_async])
def test_an_option_that_does_not_exist_is_named(wait):
    async def run():
        await wait(None, None, "facts", minimum=2)

    with pytest.raises(TypeError, match=rf"^{wait.__name__}\(\) got an unexpected keyword argument 'minimum'"):
        asyncio.run(run())


def test_all_ways_to_wait_take_the_same_options_with_the_same_defaults():
    sync, twin = (with_defaults({}, "wait", sleep=sleep) for sleep in (time.sleep, asyncio.sleep))
    assert sync.keys() == twin.keys() == WaitOptions.__annotations__.keys()
    assert {**sync, "sleep": None} == {**twin, "sleep": None}
