"""The embedded service that tests step by hand, and the pauses it passes."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time

from agentmem import MemoryConfig, wait_for_memories
from agentmem.records.waiting.pausing import pause
from agentmem.testing import SteppedMemory

LONG = 3_600.0


def opened(**options):
    memory = SteppedMemory(**options)
    return memory, MemoryConfig.local(memory).bind("ann", "s1")


def say(session, text, at=None):
    return session.client.create_event(
        memoryId=session.memory_id,
        actorId="ann",
        sessionId="s1",
        eventTimestamp=time.time() if at is None else at,
        payload=[{"conversational": {"role": "USER", "content": {"text": text}}}],
    )


def listed(session):
    answer = session.client.list_memory_records(memoryId=session.memory_id, namespace=session.namespace("facts"))
    return answer["memoryRecordSummaries"]


def test_nothing_is_extracted_until_enough_time_was_let_pass():
    memory, session = opened(extraction_delay=60)
    say(session, "My favourite drink is oolong tea.")
    assert memory.tick(59) == 0
    assert (listed(session), memory.pending) == ([], 1)
    assert memory.tick(timedelta(seconds=1)) == 1
    assert (len(listed(session)), memory.pending) == (1, 0)


def test_settling_extracts_everything_that_was_written():
    memory, session = opened(extraction_delay=LONG)
    say(session, "My favourite drink is oolong tea.")
    memory.tick(LONG / 2)
    say(session, "I have a dog named Rex.")
    assert memory.settle() == 2
    assert len(listed(session)) == 2
    assert memory.settle() == 0


def test_time_does_not_go_back():
    memory, _session = opened()
    with pytest.raises(ValueError, match=r"negative, got -1\.0"):
        memory.tick(-1)


def test_a_record_is_dated_between_what_was_said_and_what_is_said_next():
    memory, session = opened(extraction_delay=LONG)
    before = datetime.now(UTC)
    say(session, "My favourite drink is oolong tea.")
    memory.settle()
    [record] = listed(session)
    assert before <= record["createdAt"] <= datetime.now(UTC)


def test_letting_too_much_time_pass_dates_no_record_before_what_it_was_made_of():
    memory, session = opened(extraction_delay=60)
    said = say(session, "My favourite drink is oolong tea.")["event"]
    memory.tick(LONG)
    [record] = listed(session)
    assert record["createdAt"] >= said["eventTimestamp"]
    assert len(session.wait_for_memories("facts", since=said, max_wait=0)) == 1


def test_a_wait_on_it_does_not_sleep_and_finds_only_what_is_new():
    memory, session = opened(extraction_delay=LONG)
    say(session, "My favourite drink is oolong tea.")
    memory.settle()
    say(session, "I have a dog named Rex.")
    began = time.perf_counter()
    found = session.wait_for_memories("facts", max_wait=2 * LONG, poll_interval=LONG / 4)
    assert time.perf_counter() - began < 2
    assert ["Rex" in record["content"]["text"] for record in found] == [True]


async def test_the_async_twin_does_not_sleep_on_it_either():
    memory, session = opened(extraction_delay=LONG)
    say(session, "My favourite drink is oolong tea.")
    began = time.perf_counter()
    assert await session.wait_for_memories_async("facts", max_wait=2 * LONG, poll_interval=LONG / 4)
    assert time.perf_counter() - began < 2
    assert memory.pending == 0


def test_who_says_how_to_sleep_sleeps_so():
    memory, session = opened(extraction_delay=LONG)
    say(session, "My favourite drink is oolong tea.")
    pauses = []
    assert session.wait_for_memories("facts", max_wait=12, sleep=pauses.append) == []
    assert pauses == [5, 5, 2]
    assert memory.pending == 1


def test_a_pause_on_any_other_client_is_slept():
    memory, session = opened()
    other = MemoryConfig.local(":memory:").bind("ann", "s1")
    for client in (other.client, object()):
        began = time.perf_counter()
        pause(client, time.sleep, 0.05)
        assert time.perf_counter() - began >= 0.05
    assert wait_for_memories(session, None, "facts", max_wait=LONG) == []
    assert memory.pending == 0


def test_a_memory_made_before_time_was_frozen_can_be_used_in_it():
    memory, session = opened(extraction_delay=60)
    with freeze_time("2020-02-03T04:05:06Z") as frozen:
        say(session, "My favourite drink is oolong tea.")
        frozen.tick(60)
        assert len(listed(session)) == 1
        config = MemoryConfig.local(memory)  # waits until the memory is ACTIVE
    assert config.memory_id == session.memory_id


def test_settling_moves_the_frozen_time():
    with freeze_time("2026-03-01T12:00:00Z") as frozen:
        memory, session = opened(extraction_delay=90)
        say(session, "My favourite drink is oolong tea.")
        assert memory.settle() == 1
        assert datetime.now(UTC) == memory.now == datetime(2026, 3, 1, 12, 1, 30, tzinfo=UTC)
        assert frozen() == datetime(2026, 3, 1, 12, 1, 30)  # noqa: DTZ001 - freezegun's own are naive
        [record] = listed(session)
        assert record["createdAt"] == datetime(2026, 3, 1, 12, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("delay", [0.1, 1 / 3, 59.9999999, 0.0000001])
def test_settling_ends_whatever_the_fraction_of_a_second(delay):
    with freeze_time("2026-03-01T12:00:00.123457Z"):
        memory, session = opened(extraction_delay=delay)
        say(session, "My favourite drink is oolong tea.")
        memory.settle()
        assert memory.pending == 0


def test_settling_does_not_hang_on_what_another_process_has_begun(tmp_path):
    memory, session = opened(path=tmp_path / "memory.db", extraction_delay=60)
    say(session, "My favourite drink is oolong tea.")
    with memory._service.store.write() as connection:
        connection.execute("UPDATE pending SET claimed_until = ?", (time.time() + 100,))
    with pytest.raises(RuntimeError, match=r"1 events in .* by another process"):
        memory.settle()
    memory.close()
