"""What a turn, a store and a user's function may answer, and what becomes of what the service will not take."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import AWSResponse
from strands import Agent
from strands.types.session import SessionMessage

from agentmem import CompactionConfig, HookConfig, MemoryConfig, SqliteCheckpoints
from agentmem.checkpoints.checkpoint import CheckpointKey
from agentmem.checkpoints.dynamodb.store import DynamoDBCheckpointStore
from agentmem.checkpoints.event_log import EventLogCheckpointStore
from agentmem.checkpoints.sqlite import SqliteCheckpointStore
from agentmem.errors import (
    CheckpointStoreError,
    ConfigurationError,
    HistoryUnavailableError,
    IdentityError,
    UnsentMessagesError,
)
from agentmem.events.reader import EventReader
from agentmem.events.serializer import UNREADABLE, agentmem_item
from agentmem.local import LocalMemory
from agentmem.scope.address import SessionAddress
from agentmem.settings.sections import WriteConfig
from agentmem.streaming import stream_turn
from agentmem.testing import ScriptedModel
from agentmem.testing.sample_checkpoints import checkpoint
from sessions import Session, texts

ODD_BODIES = {
    "null": b"null",
    "empty": b"",
    "a list": b"[]",
    "HTML": b"<html>Sign in</html>",
    "another member": b'{"items": []}',
    "a null member": b'{"events": null, "event": null}',
    "a text member": b'{"events": "none", "event": "none"}',
    "events of no shape": b'{"events": [null, 3], "event": 3}',
    "an event without an id": b'{"events": [{}], "event": {}}',
    "a wrong time": b'{"events": [{"eventId": "1#a", "eventTimestamp": "soon"}], "event": {"eventTimestamp": "soon"}}',
}


class Body:
    """The body of an answer as botocore reads it."""

    def __init__(self, content):
        self._content = content

    def stream(self, **_):
        yield self._content

    def read(self):
        return self._content


def answer_with(client, content):
    """Let every call of a client be answered with a body, with status 200."""
    client.meta.events.register_first(
        "before-send.*",
        lambda request, **_: AWSResponse(request.url, 200, {"content-type": "application/json"}, Body(content)),
    )


@pytest.fixture
def session():
    return Session()


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES)
def test_an_odd_answer_of_the_log_is_neither_an_empty_history_nor_a_raw_error(session, body):
    client = session.memory.boto_session("us-west-2").client("bedrock-agentcore")
    answer_with(client, body)
    reader = EventReader(client, SessionAddress(session.memory_id, "ann", session.address.session_id))
    with pytest.raises(HistoryUnavailableError, match=session.memory_id):
        reader.page()
    with pytest.raises(HistoryUnavailableError, match=session.memory_id):
        reader.get("0000000000000000001#a")


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES)
def test_an_odd_answer_to_a_turn_leaves_the_turn_queued(session, body):
    manager = session.manager()
    agent = session.agent(manager, ["Noted."])
    answers = [body]
    manager._client.meta.events.register_first(
        "before-send.*",
        lambda request, **_: (
            AWSResponse(request.url, 200, {}, Body(answers[0])) if answers and request.url.endswith("/events") else None
        ),
    )
    agent("I live in Porto.")
    assert manager.status.pending == 2
    answers.clear()
    manager.close()
    assert texts(session.agent().messages) == ["I live in Porto.", "Noted."]


@pytest.mark.parametrize(
    "body", [b"null", b"", b"[]", b"<html>", b"{}", b'{"Items": null}', b'{"Items": [3]}'], ids=repr
)
def test_an_odd_answer_of_dynamodb_is_not_no_checkpoint(dynamodb, checkpoint_table, body):
    answer_with(dynamodb, body)
    store, key = DynamoDBCheckpointStore(dynamodb, checkpoint_table), CheckpointKey("m", "ann", "s", "default")
    for call in (lambda: store.load(key), lambda: list(store.history(key)), lambda: store.find(key, "0" * 12)):
        with pytest.raises(CheckpointStoreError):
            call()


def test_a_state_of_another_version_is_an_error_that_names_the_session(session):
    agent = session.agent(script=["Noted."])
    agent("I live in Porto.")
    event = session.data.list_events(memoryId=session.memory_id, actorId="ann", sessionId=session.address.session_id)[
        "events"
    ][0]
    state = {"agent_id": "default", "state": {}, "_internal_state": {"interrupt_state": 3}}
    session.data.create_event(
        memoryId=session.memory_id,
        actorId="ann",
        sessionId=session.address.session_id,
        eventTimestamp=event["eventTimestamp"].replace(year=2100),
        payload=[{"blob": json.dumps(state)}],
        metadata=event["metadata"],
    )
    with pytest.raises(HistoryUnavailableError, match=session.address.session_id):
        session.agent()


# ---- nothing is dropped in silence


def test_an_agent_id_that_the_service_refuses_is_refused_at_construction(session):
    with pytest.raises(IdentityError, match="Müller"):
        Agent(model=ScriptedModel(), session_manager=session.manager(), agent_id="Müller", callback_handler=None)


def test_a_state_that_is_too_large_does_not_take_the_turn_with_it(session):
    manager = session.manager()
    agent = session.agent(manager, ["Noted.", "Yes."])
    agent.state.set("file", "x" * 12_000_000)
    agent.state.set("name", "Ana")
    agent("I live in Porto.")
    agent.state.set("file", "")
    agent("Is that so?")
    assert "file" in manager.status.last_error
    assert manager.status.last_error is None  # it was read
    again = session.agent()
    assert texts(again.messages) == ["I live in Porto.", "Noted.", "Is that so?", "Yes."]
    assert again.state.get("name") == "Ana"


def test_closing_says_once_what_was_given_up(session):
    manager = session.manager(writes=WriteConfig(queue_limit=1))
    agent = session.agent(manager, ["One.", "Two.", "Three."])
    with session.memory.faults.inject("throttle", "CreateEvent"):
        for text in ("A", "B", "C"):
            agent(text)
    with pytest.raises(UnsentMessagesError) as error:
        manager.close()
    assert error.value.count > 0
    manager.close()


def test_a_hook_says_once_what_was_given_up():
    config = MemoryConfig.local(service := LocalMemory(), namespaces=(), writes=WriteConfig(queue_limit=1))
    hook = config.bind("ann", "s-1").hook()
    agent = Agent(model=ScriptedModel(default="Noted."), hooks=[hook], callback_handler=None)
    with service.faults.inject("throttle", "CreateEvent"):
        for text in ("A", "B", "C"):
            agent(text)
    agent("D")
    assert "queue_limit=1" in hook.peek_status().last_error
    assert "queue_limit=1" in hook.status.last_error
    assert hook.status.last_error is None
    with pytest.raises(UnsentMessagesError) as error:
        hook.close()
    assert error.value.count == 6
    hook.close()


def test_what_a_stream_reports_does_not_take_a_loss_out_of_the_status(session):
    manager = session.manager()
    agent = session.agent(manager, ["Noted.", "Yes."])
    agent.state.set("file", "x" * 12_000_000)
    asyncio.run(_streamed(agent, "I live in Porto."))
    agent.state.set("file", "")
    asyncio.run(_streamed(agent, "Is that so?"))
    assert "file" in manager.status.last_error


async def _streamed(agent, prompt):
    return [event async for event in stream_turn(agent, prompt)]


def test_a_message_that_redaction_empties_does_not_stop_checkpoints(session):
    writes = WriteConfig(redact=lambda text: "" if "@" in text else text)
    manager = session.manager(writes=writes, token_threshold=1_500, protected_turns=1)
    agent = session.agent(manager, ["Noted. " * 60] * 9)
    for number in range(9):
        agent("ann@example.com" if number % 2 == 0 else f"Question {number}? " * 30)
    assert manager.checkpoint is not None
    shown = [text for text in texts(agent.messages) if "@" not in text]
    assert texts(session.agent(session.manager(writes=writes)).messages)[-2:] == shown[-2:]


def test_a_redaction_that_returns_no_text_is_refused(session):
    with pytest.raises(ConfigurationError, match="NoneType"):
        session.manager(writes=WriteConfig(redact=lambda _text: None))
    local = MemoryConfig.local(path=":memory:", namespaces=(), writes=WriteConfig(redact=lambda _text: None))
    with pytest.raises(ConfigurationError, match="NoneType"):
        local.bind("ann", "s-1").hook()
    manager = session.manager(writes=WriteConfig(redact=lambda text: None if "secret" in text else text))
    session.agent(manager, ["Noted."])("My secret.")
    assert texts(session.agent().messages) == [UNREADABLE, "Noted."]


def test_redaction_covers_names_of_documents_texts_in_bytes_and_keys(session):
    manager = session.manager(writes=WriteConfig(redact=lambda text: text.replace("ana", "[name]")))
    document = {"name": "ana tax", "format": "txt", "source": {"bytes": b"of ana"}}
    use = {"toolUse": {"toolUseId": "t-1", "name": "look", "input": {"ana": {"ana": 1, "[name]": 2}}}}
    result = {"toolResult": {"toolUseId": "t-1", "status": "success", "content": [{"json": {"ana": 3}}]}}
    agent = session.agent(manager, ["Noted."])
    agent.messages += [
        {"role": "user", "content": [{"text": "See."}, {"document": document}]},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
        {"role": "assistant", "content": [{"text": "Seen."}]},
    ]
    agent("Well?")
    stored = [block for message in session.agent().messages for block in message["content"]]
    assert "ana" not in str(stored)
    assert b"of [name]" in [block["document"]["source"]["bytes"] for block in stored if "document" in block]
    assert [len(block["toolUse"]["input"]["[name]"]) for block in stored if "toolUse" in block] == [2]


# ---- the SDK's whole surface


def test_state_that_changed_is_written_by_sync_agent(session):
    manager = session.manager()
    agent = session.agent(manager, ["Shall I?"])
    agent("Pay 5.")
    agent.state.set("pending", {"i1": "approve?"})
    manager.sync_agent(agent)
    manager.sync_agent(agent)
    assert session.agent().state.get("pending") == {"i1": "approve?"}
    events = session.data.list_events(memoryId=session.memory_id, actorId="ann", sessionId=session.address.session_id)[
        "events"
    ]
    assert len(events) == 3  # the session's mark, the turn, the state


def test_messages_can_be_written_read_and_corrected_by_the_sdk_s_methods(session):
    manager = session.manager()
    agent = session.agent(manager, ["Noted."])
    agent("I live in Porto.")
    ids = (manager.session_id, "default")
    made = manager.create_message(*ids, SessionMessage({"role": "user", "content": [{"text": "By hand."}]}, 2))
    assert made["eventId"]
    assert manager.pending_message_count() == manager.pending_agent_state_count() == 0
    first = manager.read_message(*ids, 0)
    assert texts([first.message]) == ["I live in Porto."]
    first.message = {**first.message, "content": [{"text": "I live in Lisbon."}]}
    manager.update_message(*ids, first)
    assert [texts([one.message]) for one in manager.list_messages(*ids)] == [
        ["I live in Lisbon."],
        ["Noted."],
        ["By hand."],
    ]
    manager.redact_latest_message({"role": "assistant", "content": [{"text": "[redacted]"}]}, agent)
    assert texts(session.agent().messages) == ["I live in Lisbon.", "[redacted]", "By hand."]
    with pytest.raises(ConfigurationError, match="other"):
        manager.create_message("other", "default", first)
    with pytest.raises(ConfigurationError, match="no agent"):
        session.manager().update_message(*ids, first)


def test_a_session_given_in_place_of_what_is_made_of_it_says_so():
    memory = MemoryConfig.local(path=":memory:", namespaces=()).bind("ann", "s-1")
    for wrong in ({"session_manager": memory}, {"hooks": [memory]}):
        with pytest.raises(ConfigurationError, match=r"memory\.session_manager\(\).*memory\.hook\(\)"):
            Agent(model=ScriptedModel(), callback_handler=None, **wrong)


async def _turns(memory):
    async with memory.session_manager() as manager, memory.hook() as hook:
        agent = Agent(model=ScriptedModel(["Noted."]), session_manager=manager, hooks=[hook], callback_handler=None)
        await agent.invoke_async("I live in Porto.")
    return manager.status


def test_managers_and_hooks_are_left_with_async_with():
    memory = MemoryConfig.local(path=":memory:", namespaces=()).bind("ann", "s-1")
    assert asyncio.run(_turns(memory)).pending == 0


async def test_an_embedded_memory_and_its_server_are_left_with_async_with():
    async with LocalMemory() as memory, memory.serve(port=0) as served:
        pass
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", urlsplit(served.url).port), timeout=1)
    with pytest.raises(RuntimeError, match="is closed"), memory._service.store.read():
        pass


# ---- resources


def test_clients_sockets_and_threads_stay_the_same_over_two_hundred_agents():
    config = MemoryConfig.local(path=":memory:", namespaces=(), hook=HookConfig(retrieve_timeout=10))

    def work(number):
        with config.bind("ann", f"s-{number}").session_manager() as manager, config.bind("ann", "x").hook() as hook:
            Agent(model=ScriptedModel(["Yes."]), session_manager=manager, hooks=[hook], callback_handler=None)("Hello")

    def held():
        gc.collect()
        clients = config.boto_session().__dict__["_agentmem_clients"]
        return len(clients), len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    for number in range(5):
        work(number)
    before = held()
    for number in range(5, 200):
        work(number)
    after = held()
    assert after[0] == before[0]
    assert after[1] <= before[1] + 3
    assert after[2] <= before[2] + 3


@pytest.mark.parametrize("kind", ["outbox", "checkpoints"])
def test_a_locked_file_costs_two_seconds_once(tmp_path, kind):
    path = tmp_path / "file.db"
    settings = {
        "outbox": {"writes": WriteConfig(outbox=path)},
        "checkpoints": {
            "checkpoints": SqliteCheckpoints(path=path),
            "compaction": CompactionConfig(token_threshold=1_500, protected_turns=1),
        },
    }[kind]
    config = MemoryConfig.local(path=":memory:", namespaces=(), **settings)
    manager = config.bind("ann", "s-1").session_manager()
    agent = Agent(model=ScriptedModel(["Noted. " * 200] * 8), session_manager=manager, callback_handler=None)
    agent("Hello")
    locked = sqlite3.connect(path, isolation_level=None)
    locked.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    for _ in range(6):
        agent("And now? " * 20)
    seconds = time.monotonic() - began
    locked.execute("ROLLBACK")
    locked.close()
    assert 1.5 < seconds < 4.5
    agent("And again?")
    manager.close()
    assert manager.status.dropped == 0
    assert kind == "outbox" or manager.checkpoint is not None


def _spoil_event_log(session, key, _tmp_path, _request):
    store = EventLogCheckpointStore(session.data)
    stored = {**checkpoint(1).to_dict(), "boundary": 3}
    store._write(key, [agentmem_item("checkpoint", {"agent_id": "default", "previous": None, "checkpoint": stored})])
    return store


def _spoil_sqlite(_session, key, tmp_path, _request):
    store = SqliteCheckpointStore(tmp_path / "checkpoints.db")
    store.save(key, checkpoint(1))
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE checkpoints SET body = '[3]'")
    return store


def _spoil_dynamodb(_session, key, _tmp_path, request):
    client, table = request.getfixturevalue("dynamodb"), request.getfixturevalue("checkpoint_table")
    store = DynamoDBCheckpointStore(client, table)
    store.save(key, checkpoint(1))
    for item in client.scan(TableName=table)["Items"]:
        client.put_item(TableName=table, Item={**item, "summary": {"S": "no JSON"}})
    return store


@pytest.mark.parametrize("spoil", [_spoil_event_log, _spoil_sqlite, _spoil_dynamodb])
def test_a_malformed_checkpoint_names_the_session_and_can_be_deleted(session, spoil, tmp_path, request):
    key = CheckpointKey(session.memory_id, "ann", session.address.session_id, "default")
    session.agent(script=["Noted."])("I live in Porto.")
    store = spoil(session, key, tmp_path, request)
    remedy = f"{session.address.session_id}.*{session.memory_id}.*agentmem checkpoints delete"
    with pytest.raises(CheckpointStoreError, match=remedy):
        session.agent(session.manager(checkpoints=store))
    with pytest.raises(CheckpointStoreError, match=remedy):
        list(store.history(key))
    assert store.delete(key) == 1
    assert texts(session.agent(session.manager(checkpoints=store)).messages) == ["I live in Porto.", "Noted."]


class Broken:
    """A user's own store, with a mistake in it."""

    def __init__(self, answer):
        self.answer = answer

    def load(self, key):
        return self.answer() if self.answer else None

    def save(self, key, checkpoint):
        raise KeyError("a mistake")

    def history(self, key, *, before=None):
        raise KeyError("a mistake")

    def find(self, key, handle):
        raise KeyError("a mistake")

    def delete(self, key):
        raise KeyError("a mistake")


def test_a_store_of_one_s_own_that_fails_ends_no_turn_and_is_named(session, caplog):
    settings = {"token_threshold": 1_500, "protected_turns": 1, "checkpoints": Broken(None)}
    manager = session.manager(**settings)
    agent = session.agent(manager, ScriptedModel(default="Noted. " * 150))
    for number in range(6):
        agent(f"Question {number}?")
    assert manager.last_compaction is not None
    assert manager.checkpoint is None
    assert "Broken.save() failed for the checkpoint of agent 'default' of session 's-1'" in caplog.text
    with pytest.raises(CheckpointStoreError, match="Broken"):
        manager.recall.by_handle("0" * 12)


@pytest.mark.parametrize("answer", [lambda: {"version": 1}, lambda: 1 / 0], ids=["a dictionary", "an error"])
def test_a_store_of_one_s_own_that_does_not_know_is_not_an_empty_one(session, answer):
    session.agent(script=["Noted."])("I live in Porto.")
    with pytest.raises(CheckpointStoreError, match="Broken"):
        session.agent(session.manager(checkpoints=Broken(answer)))
