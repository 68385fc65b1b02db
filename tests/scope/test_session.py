import asyncio
import pickle
import time
from datetime import UTC, datetime

import pytest
from strands import Agent

from agentmem import (
    ConfigurationError,
    IdentityError,
    LocalMemory,
    MemoryConfig,
    MemorySession,
    Namespace,
    SqliteCheckpoints,
    new_session_id,
)
from agentmem.testing import Reply, ScriptedModel
from memories import Clock

ACTOR = "user123"


def say(session, text, role="USER", at=None):
    return session.client.create_event(
        memoryId=session.memory_id,
        actorId=session.actor_id,
        sessionId=session.session_id,
        eventTimestamp=at or datetime.now(UTC),
        payload=[{"conversational": {"role": role, "content": {"text": text}}}],
        **session.event_options(),
    )["event"]


@pytest.fixture(scope="module")
def config():
    return MemoryConfig.local(":memory:")


@pytest.fixture
def memory(config):
    return config.bind(ACTOR, new_session_id(ACTOR))


def test_a_session_knows_its_namespaces(config):
    memory = config.bind(ACTOR, "s-1")
    assert memory.namespace("facts") == "/users/user123/facts/"
    assert memory.namespace("summaries") == "/summaries/user123/s-1/"
    assert memory.subtree("summaries") == "/summaries/user123/"
    with pytest.raises(ConfigurationError, match="no such namespace"):
        memory.namespace("opinions")


@pytest.mark.parametrize(
    ("actor_id", "session_id"), [("", "s"), ("a/b", "s"), ("ann@x.org", "s"), ("ann", ""), ("ann", "s/1")]
)
def test_bad_ids_are_refused_when_bound(config, actor_id, session_id):
    with pytest.raises(IdentityError):
        config.bind(actor_id, session_id)


def test_short_session_ids_stay_reachable(config):
    assert config.bind(ACTOR, "1").session_id == "1"


def test_own_variables_are_given_when_bound_and_reach_the_events():
    config = MemoryConfig.local(
        ":memory:",
        namespaces=(Namespace.semantic("facts", "/t/{tenant}/{actorId}/facts/", variables=("tenant",)),),
    )
    with pytest.raises(ConfigurationError, match=r"variables\['tenant'\] is missing"):
        config.bind(ACTOR, "s")
    with pytest.raises(ConfigurationError, match=r"variables\['team'\].*no namespace declares it"):
        config.bind(ACTOR, "s", {"tenant": "acme", "team": "a"})
    memory = config.bind(ACTOR, "s", variables={"tenant": "acme"})
    assert memory.namespace("facts") == "/t/acme/user123/facts/"
    say(memory, "I live in Lisbon.")
    [record] = memory.wait_for_memories("facts", max_wait=1, poll_interval=0.01)
    assert record["namespaces"] == ["/t/acme/user123/facts/"]


def test_without_variables_events_need_nothing_more(memory):
    assert memory.event_options() == {}


def test_a_session_shows_who_it_is_and_survives_a_pickle(tmp_path):
    memory = MemoryConfig.local(tmp_path).bind(ACTOR, "s-1")
    assert repr(memory) == f"MemorySession(memory_id={memory.memory_id!r}, actor_id='user123', session_id='s-1')"
    again = pickle.loads(pickle.dumps(memory))
    assert again == memory
    assert again.client.list_actors(memoryId=again.memory_id)["actorSummaries"] == []


def test_waiting_starts_from_the_sessions_last_write():
    clock = Clock()
    service = LocalMemory(extraction_delay=30, clock=clock)
    memory = MemoryConfig.local(service).bind(ACTOR, "s-1")
    say(memory, "I live in Lisbon.", at=clock.time())
    clock.tick(60)
    assert memory.wait_for_memories("facts", max_wait=0)
    clock.tick(60)
    say(memory, "I work as a carpenter.", at=clock.time())
    found = memory.wait_for_memories("facts", sleep=clock.tick)
    assert [record["content"]["text"] for record in found] == ["I work as a carpenter."]


def test_waiting_without_a_write_counts_what_came_after_binding():
    service = LocalMemory()
    config = MemoryConfig.local(service)
    say(config.bind(ACTOR, "s-1"), "I live in Lisbon.")
    config.bind(ACTOR, "s-1").wait_for_memories("facts", max_wait=0)
    time.sleep(0.01)
    assert config.bind(ACTOR, "s-2").wait_for_memories("facts", max_wait=0) == []


async def test_waiting_does_not_block_the_event_loop():
    clock = Clock()
    memory = MemoryConfig.local(LocalMemory(extraction_delay=30, clock=clock)).bind(ACTOR, "s-1")
    say(memory, "I live in Lisbon.", at=clock.time())
    turns = []

    async def sleep(seconds):
        clock.tick(seconds)
        await asyncio.sleep(0)
        turns.append(seconds)

    found = await memory.wait_for_memories_async("facts", sleep=sleep)
    assert [record["content"]["text"] for record in found] == ["I live in Lisbon."]
    assert turns


def test_a_mark_tells_what_came_later(memory):
    say(memory, "I live in Lisbon.")
    memory.wait_for_memories("facts", max_wait=1, poll_interval=0.01)
    mark = memory.mark()
    assert memory.wait_for_memories("facts", since=mark, max_wait=0) == []
    say(memory, "My favourite drink is oolong tea.")
    found = memory.wait_for_memories("facts", since=mark, max_wait=1, poll_interval=0.01)
    assert "oolong" in " ".join(record["content"]["text"] for record in found)


def test_what_was_said_is_recalled_word_for_word(memory):
    say(memory, "The booking reference is QX7-99 for the Thursday ferry.")
    say(memory, "Noted.", role="ASSISTANT")
    [found, *_] = memory.recall("booking reference")
    assert found.text == "The booking reference is QX7-99 for the Thursday ferry."
    assert found.role == "user"


def test_the_session_manager_saves_and_restores(tmp_path):
    config = MemoryConfig.local(tmp_path, checkpoints=SqliteCheckpoints(path=tmp_path / "checkpoints.db"))
    memory = config.bind(ACTOR, new_session_id(ACTOR))
    manager = memory.session_manager()
    agent = Agent(model=ScriptedModel([Reply("Hello, Ann.")]), session_manager=manager, callback_handler=None)
    agent("My name is Ann.")
    manager.close()
    again = Agent(model=ScriptedModel([Reply("Ann.")]), session_manager=memory.session_manager(), callback_handler=None)
    assert [message["content"][0]["text"] for message in again.messages] == ["My name is Ann.", "Hello, Ann."]


async def test_the_stores_search_the_sessions_namespaces(config):
    memory = config.bind("stores-user", "s-1")
    say(memory, "My favourite drink is oolong tea.")
    memory.wait_for_memories("facts", max_wait=1, poll_interval=0.01)
    stores = {store.name: store for store in memory.stores()}
    assert set(stores) == {"preferences", "facts", "summaries"}
    assert not any(store.writable for store in stores.values())
    entries = await stores["facts"].search("favourite drink")
    assert "oolong" in str(entries)


def test_only_one_store_writes_when_asked(memory):
    assert [store.writable for store in memory.stores(writable=True)] == [True, False, False]


def test_binding_costs_no_call(config):
    calls = []
    config.boto_session().events.register("before-call.*", lambda **event: calls.append(event))
    assert isinstance(config.bind(ACTOR, "s"), MemorySession)
    assert calls == []
