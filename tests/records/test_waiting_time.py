"""Waiting and time: how long a wait may take, frozen clocks, cancellation, and arrivals in any order."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from datetime import timedelta

import pytest
from botocore.exceptions import ReadTimeoutError
from freezegun import freeze_time
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem.errors import MemoryWaitTimeout
from agentmem.records.waiting.wait import WaitProgress, take_mark, wait_for_memories, wait_for_memories_async
from agentmem.support import clock
from gears import examples
from memories import FACTS, Memory, answer, texts

SINCE = "a mark", "a time", "an event", "an event id"


def wait(memory: Memory, query: str | None = None, **options):
    options = {"max_wait": 60, "sleep": memory.clock.tick, "clock": memory.clock, **options}
    return wait_for_memories(memory.client, memory.id, FACTS, query, **options)


@settings(max_examples=examples(25))
@given(
    old=st.sampled_from([0, 3, 101]),
    arrivals=st.lists(st.floats(0, 80), min_size=1, max_size=6),
    kind=st.sampled_from(SINCE),
    interval=st.sampled_from([2.5, 5.0, 7.0]),
    min_count=st.integers(1, 3),
    with_query=st.booleans(),
)
def test_the_wait_ends_at_the_first_poll_after_enough_have_arrived(
    old, arrivals, kind, interval, min_count, with_query
):
    memory = Memory()
    memory.add([f"Old fact {number}." for number in range(old)])
    memory.clock.tick(10)
    event = memory.say("Hello.")["event"]
    since = {
        "a mark": take_mark(memory.client, memory.id, [FACTS]),
        "a time": memory.clock.time(),
        "an event": event,
        "an event id": event["eventId"],
    }[kind]
    memory.fail_always("ListMemoryExtractionJobs", answer({"jobs": []}))
    began, made = memory.clock.now, {}

    def pass_time(seconds: float) -> None:
        memory.clock.tick(seconds)
        for number, at in enumerate(arrivals):
            if number not in made and began + at <= memory.clock.now:
                made[number] = memory.add([f"New fact {number}."])[0]

    found = wait(
        memory, "a new fact" if with_query else None, since=since, poll_interval=interval, min_count=min_count,
        top_k=100, sleep=pass_time,
    )  # fmt: skip

    polls = sorted({*(interval * number for number in range(1, 61) if interval * number < 60), 60.0})
    enough = next((poll for poll in polls if sum(at <= poll for at in arrivals) >= min_count), None)
    expected = {f"New fact {number}." for number, at in enumerate(arrivals) if enough is not None and at <= enough}
    assert set(texts(found)) == expected
    assert memory.clock.now - began == pytest.approx(60 if enough is None else enough)


@pytest.mark.parametrize("query", [None, "fact"])
def test_the_last_look_reads_every_page(query):
    memory = Memory()
    first, *_others = memory.add([f"Old fact {number}." for number in range(201)])
    before = take_mark(memory.client, memory.id, [FACTS])

    def rewrite_at_last(progress: WaitProgress) -> None:
        if progress.elapsed == 55:
            memory.rewrite(first, "A rewritten fact.")

    found = wait(memory, query, since=before, on_poll=rewrite_at_last)
    assert texts(found) == ["A rewritten fact."]


def test_a_zero_wait_reads_every_page():
    memory = Memory()
    memory.add([f"Old fact {number}." for number in range(201)])
    assert len(wait(memory, max_wait=0, min_count=201)) == 201


def test_the_last_look_begins_early_enough_for_all_its_pages():
    memory = Memory()
    memory.add([f"Old fact {number}." for number in range(201)])
    before = take_mark(memory.client, memory.id, [FACTS])
    began = memory.clock.now
    pauses = []

    def slow(_request):
        memory.clock.tick(2)

    def pass_time(seconds):
        pauses.append(seconds)
        memory.clock.tick(seconds)

    memory.fail_always("ListMemoryRecords", slow)
    memory.calls.clear()
    assert wait(memory, since=before, max_wait=20, poll_interval=10, sleep=pass_time) == []
    assert pauses == [8]
    assert memory.calls.count("ListMemoryRecords") == 6
    assert memory.clock.now - began == 20


@pytest.mark.parametrize("operation", ["ListMemoryRecords", "RetrieveMemoryRecords", "ListMemoryExtractionJobs"])
def test_the_time_is_exceeded_by_one_call_at_most(operation):
    memory = Memory()
    event = memory.say("Hello.")
    memory.add([f"New fact {number}." for number in range(120)])
    began, timeout = memory.clock.now, 60

    def hang(_request):
        memory.clock.tick(timeout)
        raise ReadTimeoutError(endpoint_url="https://example.com")

    memory.fail_always(operation, hang)
    enough = 1_000 if operation == "ListMemoryExtractionJobs" else 1
    with pytest.raises(MemoryWaitTimeout):
        wait(memory, "fact", since=event, max_wait=30, min_count=enough, raise_on_timeout=True)
    assert memory.clock.now - began <= 30 + timeout


def test_records_found_when_the_time_is_over_are_returned_unranked_rather_than_looked_for_on():
    memory = Memory()
    before = take_mark(memory.client, memory.id, [FACTS])
    memory.add(["A new fact."])
    memory.fail_always("ListMemoryRecords", lambda _request: memory.clock.tick(31))
    memory.calls.clear()
    assert texts(wait(memory, "fact", since=before, max_wait=30)) == ["A new fact."]
    assert memory.calls == ["ListMemoryRecords"]


def in_thread(function, *arguments):
    """Run in a thread, where freezegun freezes the clock for some callers and not for others."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*arguments)))
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "it hangs"
    return results[0]


@pytest.mark.parametrize("run", [lambda function: function(), in_thread], ids=["main thread", "thread"])
@pytest.mark.parametrize("given_clock", [{}, {"clock": None}], ids=["default clock", "time.monotonic"])
def test_a_frozen_clock_cannot_hang_or_cut_short_a_wait(run, given_clock):
    memory = Memory()
    with freeze_time("2026-03-01T12:00:00Z"):
        options = {"clock": time.monotonic} if given_clock else {}
        seen = []
        found = run(
            lambda: wait_for_memories(
                memory.client, memory.id, FACTS, max_wait=0.06, poll_interval=0.02, on_poll=seen.append, **options
            )
        )
    assert found == []
    assert len(seen) <= 4
    assert 0 <= seen[0].elapsed < 5
    assert 0.06 <= seen[-1].elapsed < 5


async def test_a_frozen_clock_cannot_hang_the_async_twin():
    memory = Memory()
    with freeze_time("2026-03-01T12:00:00Z"):
        found = await wait_for_memories_async(memory.client, memory.id, FACTS, max_wait=0.06, poll_interval=0.02)
    assert found == []


async def test_the_async_twin_is_cancelled_at_once_in_a_pause_under_a_frozen_clock():
    memory = Memory()
    began = clock.monotonic()
    with freeze_time("2026-03-01T12:00:00Z"):
        polled = asyncio.Event()
        task = asyncio.create_task(
            wait_for_memories_async(memory.client, memory.id, FACTS, poll_interval=30, on_poll=lambda _: polled.set())
        )
        await polled.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert clock.monotonic() - began < 1
    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    for timer in timers:
        timer.join(1)
    assert not [timer for timer in timers if timer.is_alive()]


async def test_the_async_twin_is_cancelled_at_once_in_the_middle_of_a_call_and_does_nothing_after():
    memory = Memory()
    began_call, may_end = threading.Event(), threading.Event()
    problems, seen = [], []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: problems.append(context))

    def slow(_request):
        began_call.set()
        may_end.wait(10)
        raise ReadTimeoutError(endpoint_url="https://example.com")

    memory.fail_always("ListMemoryRecords", slow)
    memory.calls.clear()
    task = asyncio.create_task(wait_for_memories_async(memory.client, memory.id, FACTS, on_poll=seen.append))
    await asyncio.to_thread(began_call.wait, 10)
    cancelled = time.perf_counter()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.perf_counter() - cancelled < 5  # the call itself takes ten
    may_end.set()
    await asyncio.sleep(0.05)
    del task
    gc.collect()
    assert memory.calls == ["ListMemoryRecords"]
    assert seen == []
    assert problems == []


def test_a_deadline_passes_while_the_time_is_frozen_and_a_date_does_not():
    with freeze_time("2026-03-01T12:00:00Z") as frozen:
        for run in (lambda function: function(), in_thread):
            began = run(clock.monotonic)
            time.sleep(0.01)
            assert 0.01 <= clock.monotonic() - began < 5
        assert clock.now() == 1_772_366_400
        frozen.tick(timedelta(seconds=60))
        assert clock.now() == 1_772_366_460
        assert clock.unfrozen(time.monotonic) is clock.monotonic
    assert clock.unfrozen(time.monotonic) is clock.monotonic
    assert clock.unfrozen(time.perf_counter) is time.perf_counter
