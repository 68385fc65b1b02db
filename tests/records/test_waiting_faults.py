"""Waiting while the service or the network fails, and whatever the order in which records come and go."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem.errors import MemoryWaitTimeout
from agentmem.records.waiting.polling import is_transient
from agentmem.records.waiting.wait import WaitProgress, take_mark, wait_for_memories
from gears import examples
from memories import FACTS, Memory, answer, refusal, texts

URL = "https://bedrock-agentcore.us-west-2.amazonaws.com"
THROTTLE = refusal(429, "ThrottledException")
PASSING = [
    THROTTLE,
    refusal(500, "ServiceException"),
    refusal(503, "ServiceUnavailable"),
    refusal(409, "RetryableConflictException"),
    ReadTimeoutError(endpoint_url=URL),
    EndpointConnectionError(endpoint_url=URL),
    ConnectionClosedError(endpoint_url=URL),
    ConnectionResetError(104, "Connection reset by peer"),
    TimeoutError("timed out"),
    answer({}),
]
LASTING = [
    refusal(403, "AccessDeniedException"),
    refusal(400, "ValidationException"),
    refusal(400, "InvalidInputException"),
    refusal(404, "ResourceNotFoundException"),
]


@settings(max_examples=examples(25), deadline=None)
@given(
    listing=st.lists(st.sampled_from([*PASSING, None]), max_size=8),
    searching=st.lists(st.sampled_from([*PASSING, None]), max_size=3),
    jobs=st.lists(st.sampled_from([*PASSING, *LASTING, None]), max_size=4),
)
def test_passing_faults_in_any_order_do_not_change_the_result(listing, searching, jobs):
    memory = Memory()
    memory.add([f"Old fact {number}." for number in range(5)])
    before = take_mark(memory.client, memory.id, [FACTS], actor_id="ann", session_id="s1")
    memory.say("My favourite drink is oolong tea.")
    memory.fail("ListMemoryRecords", *listing)
    memory.fail("RetrieveMemoryRecords", *searching)
    memory.fail("ListMemoryExtractionJobs", *jobs, answer({"jobs": []}))

    found = wait_for_memories(
        memory.client, memory.id, FACTS, "drink", 3_600, since=before, sleep=memory.clock.tick, clock=memory.clock
    )

    assert len(found) == 1
    assert "oolong" in found[0]["content"]["text"]


@pytest.mark.parametrize("fault", LASTING)
@pytest.mark.parametrize("operation", ["ListMemoryRecords", "RetrieveMemoryRecords"])
def test_a_refusal_is_raised_at_once(operation, fault):
    memory = Memory()
    memory.add(["There."])
    memory.fail_always(operation, fault)
    memory.calls.clear()
    query = None if operation == "ListMemoryRecords" else "there"
    with pytest.raises(ClientError) as caught:
        wait_for_memories(memory.client, memory.id, FACTS, query, sleep=memory.clock.tick)
    assert memory.calls == [operation]
    assert FACTS in caught.value.__notes__[0]


def test_missing_credentials_are_raised_at_once():
    memory = Memory()
    memory.fail_always("ListMemoryRecords", NoCredentialsError())
    with pytest.raises(NoCredentialsError):
        wait_for_memories(memory.client, memory.id, FACTS, sleep=memory.clock.tick)


def test_throttling_makes_the_pauses_longer_and_an_answer_makes_them_short_again():
    memory = Memory()
    memory.fail("ListMemoryRecords", THROTTLE, THROTTLE, THROTTLE, THROTTLE, THROTTLE, None)
    pauses: list[float] = []
    found = wait_for_memories(memory.client, memory.id, FACTS, max_wait=200, sleep=pauses.append, clock=lambda: 0.0)
    assert found == []
    assert pauses == [10, 20, 40, 60, 60, 5, 5]


def test_other_faults_do_not_make_the_pauses_longer():
    memory = Memory()
    memory.fail_always("ListMemoryRecords", refusal(500, "ServiceException"))
    pauses: list[float] = []
    wait_for_memories(memory.client, memory.id, FACTS, max_wait=20, sleep=pauses.append, clock=lambda: 0.0)
    assert pauses == [5, 5, 5, 5]


def test_a_service_that_never_answers_is_told_in_the_timeout_and_by_progress():
    memory = Memory()
    memory.fail_always("ListMemoryRecords", ReadTimeoutError(endpoint_url=URL))
    seen: list[WaitProgress] = []
    with pytest.raises(MemoryWaitTimeout, match="last error: Read timeout") as caught:
        wait_for_memories(
            memory.client, memory.id, FACTS, max_wait=10, sleep=memory.clock.tick, raise_on_timeout=True,
            on_poll=seen.append,
        )  # fmt: skip
    assert isinstance(caught.value.last_error, ReadTimeoutError)
    assert [isinstance(progress.error, ReadTimeoutError) for progress in seen] == [True, True, True]


def test_errors_of_the_caller_s_own_functions_are_not_taken_for_the_service_s():
    memory = Memory()
    memory.add(["There."])

    def broken(_records):
        raise ConnectionError("my own")

    with pytest.raises(ConnectionError, match="my own"):
        wait_for_memories(memory.client, memory.id, FACTS, until=broken, sleep=memory.clock.tick)
    assert not is_transient(ValueError("no"))


ACTIONS = ["nothing", "add", "add three", "rewrite old", "rewrite new", "delete old", "delete new"]


@settings(max_examples=examples(25), deadline=None)
@given(
    old=st.sampled_from([0, 1, 99, 100, 101, 201]),
    actions=st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=8),
    min_count=st.integers(1, 4),
    with_query=st.booleans(),
)
def test_the_wait_ends_when_enough_is_new_and_not_before(old, actions, min_count, with_query):
    memory = Memory()
    olds = memory.add([f"Old fact number {number}." for number in range(old)])
    before = take_mark(memory.client, memory.id, [FACTS])
    news: list[str] = []
    expected: list[set[str]] = [set()]

    def act(progress: WaitProgress) -> None:
        action = actions[progress.polls - 1] if progress.polls <= len(actions) else "nothing"
        if action.startswith("add"):
            news.extend(memory.add([f"New fact {progress.polls} {n}." for n in range(3 if "three" in action else 1)]))
        elif action == "rewrite old" and olds:
            memory.rewrite(olds[-1], f"Rewritten {progress.polls}.")
            news.append(olds.pop())
        elif action == "rewrite new" and news:
            memory.rewrite(news[0], f"Rewritten {progress.polls}.")
        elif action == "delete old" and olds:
            memory.delete(olds.pop(0))
        elif action == "delete new" and news:
            memory.delete(news.pop())
        expected.append(set(news))

    found = wait_for_memories(
        memory.client, memory.id, FACTS, "a new fact" if with_query else None, max_wait=50, since=before,
        min_count=min_count, top_k=100, on_poll=act, sleep=lambda _seconds: None, clock=lambda: 0.0,
    )  # fmt: skip

    seen = expected[:11]  # what each of the polls within the time saw
    ends_at = next((index for index, ids in enumerate(seen) if len(ids) >= min_count), None)
    assert {record["memoryRecordId"] for record in found} == (set() if ends_at is None else seen[ends_at])
    assert ends_at is None or len(expected) == ends_at + 2
    assert len(set(texts(found))) == len(found)
