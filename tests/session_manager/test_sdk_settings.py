"""Each setting of the SDK's ``AgentCoreMemoryConfig`` keeps its meaning, or is refused by name."""

from __future__ import annotations

import asyncio

import pytest
from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig

from agentmem.errors import ConfigurationError
from agentmem.messages.text import message_text
from agentmem.messages.truncation import handle_of
from agentmem.session_manager.manager import CompactingSessionManager
from agentmem.settings.sections import InMemoryCheckpoints, WriteConfig
from agentmem.testing import Reply, ScriptedModel, ToolCall
from growth import Growth
from sessions import REGION, Session

THRESHOLD = 4_000


@pytest.fixture
def session():
    return Session()


def _looking(number):
    return [Reply(tool_calls=[ToolCall("look", {"query": f"item {number}"})]), f"Item {number} is blue."]


def _opened(session, script=(), *, settings=None, **sdk):
    config = AgentCoreMemoryConfig(**{**session.sdk_config.model_dump(), **sdk})
    manager = CompactingSessionManager(config, REGION, boto_session=session.boto, **(settings or {}))
    return manager, session.agent(manager, script)


def _talk(agent, turns, first=0):
    requests = []
    for number in range(first, first + turns):
        agent.model = ScriptedModel(_looking(number))
        agent(f"What about item {number}?")
        requests += agent.model.requests
    return requests


def _events(session):
    return session.data.list_events(**session.address.parameters(), maxResults=100)["events"]


@pytest.mark.parametrize(
    ("settings", "named", "remedy"),
    [
        ({"retrieval_config": {"/users/{actorId}/": {"top_k": 3}}}, "retrieval_config", "MemoryHook"),
        ({"context_tag": "mine"}, "context_tag", "MemoryHook"),
        ({"metadata_provider": dict}, "metadata_provider", "default_metadata"),
    ],
)
def test_what_has_no_meaning_here_is_refused_by_name_with_what_does_the_same(session, settings, named, remedy):
    with pytest.raises(ConfigurationError, match=f"^{named} .*{remedy}"):
        _opened(session, **settings)
    assert session.calls.total() == 0


def test_the_default_context_tag_is_no_setting(session):
    _, agent = _opened(session, ["hello"], context_tag="user_context")
    assert str(agent("hi")).strip() == "hello"


def test_filter_restored_tool_context_leaves_tool_traffic_out_of_what_is_restored(session):
    _talk(session.agent(), 2)
    _, agent = _opened(session, filter_restored_tool_context=True)
    assert [m["role"] for m in agent.messages] == ["user", "assistant", "user", "assistant"]
    assert not [b for m in agent.messages for b in m["content"] if "toolUse" in b or "toolResult" in b]


@pytest.mark.parametrize("checkpoints", [None, InMemoryCheckpoints()], ids=["event log", "a store"])
def test_tool_traffic_that_was_left_out_is_recalled_also_behind_the_boundary(checkpoints):
    growth = Growth(checkpoints=checkpoints)
    agent = growth.open([answer for number in range(4) for answer in _looking(number)])
    for number in range(4):
        agent(f"What about item {number}? " + "Please. " * 100)
    manager, agent = _opened(
        growth.session,
        settings={"token_threshold": THRESHOLD, "checkpoints": checkpoints},
        filter_restored_tool_context=True,
    )
    _talk(agent, 8, first=10)
    assert manager.checkpoint.folded_messages > 8
    for name, message in growth.said.items():
        assert manager.recall.by_handle(handle_of(name)).text == message_text(message)
    found = manager.recall.by_words("item 2 is blue", max_tokens=8_000)
    assert "item 2 is blue. " * 150 in [one.text for one in found]


@pytest.mark.parametrize("batch_size", [1, 100])
def test_batch_size_changes_nothing_a_turn_is_one_write_and_none_waits_for_the_next(session, batch_size):
    _, agent = _opened(session, _looking(0), batch_size=batch_size)
    before = session.calls["CreateEvent"]
    agent("item 0?")
    assert session.calls["CreateEvent"] - before == 1
    assert len(session.agent().messages) == 4


@pytest.mark.parametrize(("seconds", "events"), [(1e-6, 3), (60, 1), (None, 1)])
def test_flush_interval_seconds_writes_a_long_turn_as_it_goes(session, seconds, events):
    """The user's message and the answer with its tool call before the last model call, the rest behind it."""
    _, agent = _opened(session, [*_looking(0)[:1], *_looking(1)], flush_interval_seconds=seconds)
    before = len(_events(session))
    agent("items 0 and 1?")
    assert len(_events(session)) - before == events
    assert len(session.agent().messages) == 6


def test_settings_of_our_own_win_over_flush_interval_seconds_and_default_metadata(session):
    writes = WriteConfig(flush_interval_seconds=60, metadata={"team": "red"})
    sdk = {"flush_interval_seconds": 1e-6, "default_metadata": {"team": "blue"}}
    _, agent = _opened(session, _looking(0), settings={"writes": writes}, **sdk)
    before = len(_events(session))
    agent("item 0?")
    assert len(_events(session)) - before == 1
    assert {event["metadata"]["team"]["stringValue"] for event in _events(session)} == {"red"}


def test_default_metadata_is_on_every_event(session):
    _, agent = _opened(session, ["hello"], default_metadata={"team": "blue", "floor": {"stringValue": "3"}})
    agent("hi")
    stored = [event["metadata"] for event in _events(session)]
    assert [one["team"]["stringValue"] + one["floor"]["stringValue"] for one in stored] == ["blue3", "blue3"]


def test_persistence_mode_none_writes_nothing_and_compaction_and_recall_go_on(session):
    manager, agent = _opened(session, persistence_mode="NONE", settings={"token_threshold": THRESHOLD})
    requests = _talk(agent, 10)
    assert session.calls["CreateEvent"] == 0
    assert manager.last_compaction is not None
    assert max(request.tokens for request in requests) <= THRESHOLD * 1.1
    assert "What about item 1?" in [one.text for one in manager.recall.by_words("What about item 1?")]


def test_persistence_mode_none_reads_what_is_there_and_adds_nothing(session):
    _talk(session.agent(), 2)
    before = len(_events(session))
    _, agent = _opened(session, persistence_mode="NONE")
    assert len(agent.messages) == 8
    _talk(agent, 1, first=2)
    agent.tool.look(query="directly")
    assert len(_events(session)) == before


@pytest.mark.parametrize("async_mode", [False, True])
def test_the_event_loop_is_never_blocked_with_async_mode_or_without(session, async_mode):
    _, agent = _opened(session, _looking(0), async_mode=async_mode, settings={"writes": WriteConfig(flush="message")})

    async def run():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.005)
                ticks += 1

        ticking = asyncio.create_task(tick())
        with session.memory.faults.inject("latency", "CreateEvent", seconds=0.15):
            await agent.invoke_async("item 0?")
        ticking.cancel()
        return ticks

    # Four writes of 0.15 s: a loop that waited for them would have ticked once or twice in between.
    assert asyncio.run(run()) > 20


def test_async_mode_does_not_forbid_synchronous_agents(session):
    _, agent = _opened(session, ["hello"], async_mode=True)
    assert str(agent("hi")).strip() == "hello"
    assert len(session.agent().messages) == 2
