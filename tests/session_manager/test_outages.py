"""Compaction while a service is down: it goes on, and its checkpoint is saved when the service returns."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from botocore.exceptions import EndpointConnectionError

from agentmem.checkpoints.checkpoint import CheckpointKey
from agentmem.checkpoints.dynamodb.store import DynamoDBCheckpointStore
from agentmem.checkpoints.in_memory import InMemoryCheckpointStore
from agentmem.checkpoints.sqlite import SqliteCheckpointStore
from agentmem.settings.sections import WriteConfig
from agentmem.testing import Reply, ScriptedModel, ToolCall
from sessions import Session

THRESHOLD = 4_000


@pytest.fixture
def session():
    return Session()


@pytest.fixture
def sqlite_store(tmp_path):
    """A store in a file, and a way to make it unusable: another process holds the file locked."""
    path = tmp_path / "checkpoints.db"
    store = SqliteCheckpointStore(path, busy_timeout=0.01)

    @contextlib.contextmanager
    def outage():
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield
            other.execute("ROLLBACK")

    return store, outage


@pytest.fixture
def dynamodb_store(dynamodb, checkpoint_table):
    """A store in a table, and a way to make it unreachable."""

    def refuse(**_):
        raise EndpointConnectionError(endpoint_url="https://nowhere.invalid")

    @contextlib.contextmanager
    def outage():
        dynamodb.meta.events.register("before-call.dynamodb.*", refuse)
        yield
        dynamodb.meta.events.unregister("before-call.dynamodb.*", refuse)

    return DynamoDBCheckpointStore(dynamodb, checkpoint_table), outage


def _talk(agent, numbers):
    requests = []
    for number in numbers:
        agent.model = ScriptedModel(
            [Reply(tool_calls=[ToolCall("look", {"query": f"item {number}"})]), f"Item {number} is blue."]
        )
        agent(f"What about item {number}? My code is K-{number:03d}.")
        requests += agent.model.requests
    return requests


def _key(session):
    address = session.address
    return CheckpointKey(address.memory_id, address.actor_id, address.session_id, "default")


def _content(agent):
    return [message["content"] for message in agent.messages]


@pytest.mark.parametrize("place", ["sqlite_store", "dynamodb_store"])
def test_while_the_checkpoint_store_is_down(session, place, request):
    store, outage = request.getfixturevalue(place)
    manager = session.manager(token_threshold=THRESHOLD, checkpoints=store)
    agent = session.agent(manager)
    _talk(agent, range(3))
    before = store.load(_key(session))
    with outage():
        requests = _talk(agent, range(3, 12))
        assert manager.last_compaction.folded > 0
        assert manager.status.pending == 0
    assert max(one.tokens for one in requests) <= THRESHOLD * 1.1
    assert store.load(_key(session)) == before
    # A process that opens the session now sees it all, only longer.
    elsewhere = session.agent(session.manager(checkpoints=store))
    assert len(elsewhere.messages) > len(agent.messages)
    _talk(agent, range(12, 13))
    saved = store.load(_key(session))
    assert saved.boundary.event_id
    assert saved.folded_messages == manager.checkpoint.folded_messages > 0
    assert _content(session.agent(session.manager(token_threshold=THRESHOLD, checkpoints=store))) == _content(agent)
    for number in range(12):
        wanted = f"What about item {number}? My code is K-{number:03d}."
        assert wanted in [one.text for one in manager.recall.by_words(wanted)]


def test_while_the_event_log_is_down_no_checkpoint_gets_ahead_of_it(session, sqlite_store):
    store, _ = sqlite_store
    manager = session.manager(token_threshold=THRESHOLD, checkpoints=store, writes=WriteConfig(breaker_failures=1_000))
    agent = session.agent(manager)
    _talk(agent, range(1))
    with session.memory.faults.inject("server_error", "*"):
        requests = _talk(agent, range(1, 9))
        assert manager.last_compaction.folded > 0
        assert manager.status.pending == 8 * 4
        assert store.load(_key(session)) is None
    assert max(one.tokens for one in requests) <= THRESHOLD * 1.1
    manager.compact(agent)  # what waits is written, although there is nothing more to fold
    assert manager.status.pending == 0
    assert store.load(_key(session)).folded_messages == manager.checkpoint.folded_messages > 0
    assert _content(session.agent(session.manager(token_threshold=THRESHOLD, checkpoints=store))) == _content(agent)


def test_a_turn_that_waited_while_another_process_compacted_is_not_left_behind_its_boundary(monkeypatch):
    """The event would be stored at the time of its first attempt, which nobody reads any more."""
    # On Lambda nothing is tried again in the background; the two are one process of the operating system here.
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "outages")
    one = Session()
    other = Session(memory=one.memory, memory_id=one.memory_id)
    store = InMemoryCheckpointStore("outages")
    settings = {"token_threshold": THRESHOLD, "checkpoints": store, "protected_turns": 1}
    late = one.manager(**settings, writes=WriteConfig(breaker_failures=1_000))
    late_agent = one.agent(late)
    _talk(late_agent, range(1))
    with one.memory.faults.inject("server_error", "CreateEvent"):
        _talk(late_agent, range(1, 2))
    assert late.status.pending == 4
    _talk(other.agent(other.manager(**settings)), range(100, 108))
    assert store.load(_key(one)).folded_messages > 0
    late.close()
    restored = one.agent(one.manager(**settings))
    shown = [block.get("text") for message in restored.messages for block in message["content"]]
    assert "What about item 1? My code is K-001." in shown
