"""CompactingSessionManager through real agents on the embedded memory."""

from __future__ import annotations

import json
import random
import re
import uuid
from types import SimpleNamespace

import pytest
from strands import tool

from agentmem.errors import (
    CompactionError,
    ConfigurationError,
    HistoryUnavailableError,
    UnsentMessagesError,
)
from agentmem.session_manager.manager import CompactingSessionManager
from agentmem.settings.sections import (
    CompactionConfig,
    DynamoDBCheckpoints,
    InMemoryCheckpoints,
    SqliteCheckpoints,
    WriteConfig,
)
from agentmem.testing import Overflow, Reply, ScriptedModel, ToolCall
from converse import validate_request
from sessions import Session

THRESHOLD = 4_000


@pytest.fixture
def session():
    return Session()


def _turn(number):
    return [Reply(tool_calls=[ToolCall("look", {"query": f"item {number}"})]), f"Item {number} is blue."]


def _talk(session, turns, *, first=0, manager=None, restart_every=None, **settings):
    """Hold a conversation; returns the last manager, its agent, and every request."""
    requests = []
    agent = None
    for number in range(first, first + turns):
        if agent is None or (restart_every and (number - first) % restart_every == 0):
            current = manager or session.manager(token_threshold=THRESHOLD, **settings)
            agent = session.agent(current)
        agent.model = ScriptedModel(_turn(number))
        agent(f"What about item {number}? My code is K-{number:03d}.")
        requests += agent.model.requests
    return current, agent, requests


def test_a_conversation_is_there_after_a_restart(session):
    _talk(session, 2)
    agent = session.agent()
    texts = [block["text"] for message in agent.messages for block in message["content"] if "text" in block]
    assert texts == [
        "What about item 0? My code is K-000.",
        "Item 0 is blue.",
        "What about item 1? My code is K-001.",
        "Item 1 is blue.",
    ]


def test_a_turn_with_tools_is_one_event_state_included(session):
    agent = session.agent(script=[*(reply for _ in range(5) for reply in _turn(0)[:1]), "done"])
    before = session.calls["CreateEvent"]
    agent.state.set("mood", "good")
    agent("go")
    assert session.calls["CreateEvent"] - before == 1
    assert session.agent().state.get("mood") == "good"


def test_no_request_exceeds_the_threshold_and_each_is_valid(session):
    _, _, requests = _talk(session, 30, restart_every=4)
    for request in requests:
        validate_request(request.messages)
    assert max(request.tokens for request in requests) <= THRESHOLD * 1.1


def test_what_is_stored_is_never_changed_by_compaction(session):
    manager, agent, _ = _talk(session, 20)
    stored = [one.to_message() for one in manager.list_messages(session.address.session_id, "default")]
    said = [m["content"][0]["text"] for m in stored if m["role"] == "user" and "text" in m["content"][0]]
    assert said == [f"What about item {number}? My code is K-{number:03d}." for number in range(20)]
    results = [m for m in stored if "toolResult" in m["content"][0]]
    assert all(len(m["content"][0]["toolResult"]["content"][0]["text"]) > 2_000 for m in results)
    assert len(agent.messages) < len(stored)


@pytest.mark.parametrize("restart_every", [None, 3])
def test_everything_folded_is_recalled_word_for_word(session, restart_every):
    manager, _, _ = _talk(session, 20, restart_every=restart_every)
    for number in range(20):
        wanted = f"What about item {number}? My code is K-{number:03d}."
        assert wanted in [one.text for one in manager.recall.by_words(wanted)]


def test_every_handle_that_is_shown_leads_to_the_original(session):
    _, agent, _ = _talk(session, 5, protected_turns=1, max_tool_content_length=100)
    shown = json.dumps(agent.messages, ensure_ascii=False)
    handles = re.findall(r'handle=\\"([0-9a-f.]+)\\"', shown)
    manager = session.manager()
    session.agent(manager)
    assert handles
    for handle in handles:
        assert len(manager.recall.by_handle(handle).text) > 2_000


def test_the_same_conversation_makes_the_same_requests_with_every_store(
    tmp_path, dynamodb_endpoint, checkpoint_table, monkeypatch
):
    stores = [
        None,
        InMemoryCheckpoints(),
        SqliteCheckpoints(path=tmp_path / "checkpoints.db"),
        DynamoDBCheckpoints(table=checkpoint_table, endpoint_url=dynamodb_endpoint, region="us-west-2"),
    ]
    runs = []
    for number, checkpoints in enumerate(stores):
        session = Session(session=f"s-{number}")
        # Tracking ids are random, and so are the handles made of them, which take more tokens or fewer.
        drawn = random.Random(4)
        ids = SimpleNamespace(uuid4=lambda drawn=drawn: uuid.UUID(int=drawn.getrandbits(128), version=4))
        monkeypatch.setattr("strands.types.content.uuid", ids)
        _, _, requests = _talk(session, 20, restart_every=3, checkpoints=checkpoints)
        runs.append([json.dumps(request.messages) for request in requests])
    assert runs[0] == runs[1] == runs[2] == runs[3]


def test_a_restart_shows_the_model_the_same_bytes(session):
    _, agent, _ = _talk(session, 13)
    restored = session.agent(session.manager(token_threshold=THRESHOLD))
    assert [(m["role"], m["content"]) for m in restored.messages] == [(m["role"], m["content"]) for m in agent.messages]


def test_restoring_costs_the_same_at_the_end_as_early(session):
    _talk(session, 12)
    costs = []
    for _ in range(2):
        before = session.calls.total()
        session.agent(session.manager(token_threshold=THRESHOLD))
        costs.append(session.calls.total() - before)
        _talk(session, 60, first=100)
    assert max(costs) <= 3


def test_an_unreadable_history_raises_instead_of_starting_empty(session):
    _talk(session, 1)
    session.memory.faults.inject("server_error", "ListEvents")
    with pytest.raises(HistoryUnavailableError, match="s-1"):
        session.agent()


def test_an_outage_costs_no_turn_and_no_message(session):
    manager, agent, _ = _talk(session, 1)
    with session.memory.faults.inject("server_error", "CreateEvent"):
        agent.model = ScriptedModel(_turn(1))
        assert "Item 1" in str(agent("What about item 1?"))
        assert manager.status.pending == 4
        with pytest.raises(UnsentMessagesError, match="4 messages"):
            manager.close()
    agent.model = ScriptedModel(_turn(2))
    agent("What about item 2?")
    manager.close()
    said = [one.to_message()["content"][0].get("text") for one in manager.list_messages("s-1", "default")]
    assert [text for text in said if text and text.startswith("What")] == [
        "What about item 0? My code is K-000.",
        "What about item 1?",
        "What about item 2?",
    ]


def test_compaction_goes_on_in_an_outage_and_its_checkpoint_is_saved_afterwards(session):
    manager, agent, _ = _talk(session, 3, writes=WriteConfig(breaker_failures=1_000))
    with session.memory.faults.inject("server_error", "CreateEvent"):
        requests = _continue(agent, range(3, 9))
        assert manager.checkpoint is None
        assert manager.last_compaction is not None
    assert max(request.tokens for request in requests) <= THRESHOLD * 1.1
    _continue(agent, range(9, 10))
    assert manager.checkpoint is not None
    restored = session.agent(session.manager(token_threshold=THRESHOLD))
    assert [m["content"] for m in restored.messages] == [m["content"] for m in agent.messages]


def _continue(agent, numbers):
    requests = []
    for number in numbers:
        agent.model = ScriptedModel(_turn(number))
        agent(f"What about item {number}?")
        requests += agent.model.requests
    return requests


def test_one_long_turn_is_compacted_in_the_middle(session):
    calls = [Reply(tool_calls=[ToolCall("look", {"query": f"item {number}"})]) for number in range(30)]
    model = ScriptedModel([*calls, "done"])
    agent = session.agent(session.manager(token_threshold=THRESHOLD), model)
    agent("Look at all items, and remember that the budget is 500 EUR.")
    for request in model.requests:
        validate_request(request.messages)
        assert request.messages[0]["content"][-1]["text"].startswith("Look at all items")
        assert request.tokens <= THRESHOLD * 1.1
    restored = session.agent(session.manager(token_threshold=THRESHOLD))
    assert [m["content"] for m in restored.messages] == [m["content"] for m in agent.messages]


def test_a_model_that_overflows_earlier_is_compacted_for_and_asked_again(session):
    agent = session.agent(session.manager(), ScriptedModel([*_turn(0), *_turn(1), *_turn(2)]))
    for number in range(3):
        agent(f"item {number}?")
    agent.model = ScriptedModel([Overflow(), "fits now"])
    assert str(agent("and now?")).strip() == "fits now"
    first, second = agent.model.requests
    assert second.tokens < first.tokens


def test_what_cannot_fit_is_an_error_that_names_the_largest(session):
    agent = session.agent(session.manager(), ScriptedModel([Overflow() for _ in range(9)]))
    with pytest.raises(CompactionError, match="role user") as raised:
        agent("word " * 5_000)
    assert "5,0" in raised.value.largest[0]
    assert len(agent.model.requests) <= 4


def test_an_oversized_block_is_cut_in_any_case_and_stored_whole(session):
    @tool
    def dump() -> str:
        """Dump everything."""
        return "0123456789" * 30_000

    model = ScriptedModel([Reply(tool_calls=[ToolCall("dump")]), "done"])
    manager = session.manager()
    agent = session.agent(manager, model, tools=[dump])
    agent("dump it")
    sent = model.requests[1].messages[-1]["content"][0]["toolResult"]["content"][0]["text"]
    assert len(sent) < 101_000
    handle = re.search(r'handle="([^"]+)"', sent)[1]
    assert manager.recall.by_handle(handle).text == "0123456789" * 30_000


def test_the_agent_can_recall_with_its_tool(session):
    _talk(session, 12)
    ask = Reply(tool_calls=[ToolCall("recall_session", {"query": "What was my code for item 2?"})])
    model = ScriptedModel([ask, "It is K-002."])
    agent = session.agent(session.manager(token_threshold=THRESHOLD), model)
    agent("What was my code for item 2?")
    result = model.requests[1].messages[-1]["content"][0]["toolResult"]
    assert result["status"] == "success"
    assert "K-002" in result["content"][0]["text"]


def test_recalled_text_is_not_recalled_again(session):
    test_the_agent_can_recall_with_its_tool(session)
    manager, _, _ = _talk(session, 12, first=50)
    found = manager.recall.by_words("What was my code for item 2?", max_tokens=4_000)
    assert found
    assert not [one for one in found if "UTC, handle" in one.text or "recall_session({" in one.text]


def test_a_tool_of_the_same_name_is_respected(session, caplog):
    @tool(name="recall_session")
    def own() -> str:
        """The user's own."""
        return "own"

    agent = session.agent(tools=[own])
    assert agent.tool_registry.registry["recall_session"] is own
    assert "has a tool of this name already" in caplog.text


def test_the_tool_can_be_left_out(session):
    manager = session.manager(compaction=CompactionConfig(recall_tool=False))
    assert "recall_session" not in session.agent(manager).tool_registry.registry


def test_one_manager_serves_one_agent(session):
    manager = session.manager()
    session.agent(manager)
    with pytest.raises(ConfigurationError, match="already serves"):
        session.agent(manager)


def test_loose_numbers_beside_a_config_are_refused(session):
    with pytest.raises(ConfigurationError, match=r"token_threshold=.*protected_turns="):
        session.manager(token_threshold=5_000, protected_turns=1, compaction=CompactionConfig())


def test_a_direct_tool_call_is_written_when_it_is_complete(session):
    agent = session.agent()
    before = session.calls["CreateEvent"]
    agent.tool.look(query="directly")
    assert session.calls["CreateEvent"] - before == 1
    assert len(session.agent().messages) == 4


def test_messages_somebody_put_there_are_part_of_the_session(session):
    agent = session.agent(script=["hello"])
    agent.messages.append({"role": "user", "content": [{"text": "put here by hand"}]})
    agent.messages.append({"role": "assistant", "content": [{"text": "I see."}]})
    agent("hi")
    texts = [m["content"][0]["text"] for m in session.agent().messages]
    assert texts == ["put here by hand", "I see.", "hi", "hello"]


def test_neighbouring_messages_of_the_user_are_one_for_the_model(session):
    @tool
    def stop(agent=None) -> str:
        """Stop."""
        agent.cancel(after_current_tools=True)
        return "stopped"

    agent = session.agent(script=ScriptedModel([Reply(tool_calls=[ToolCall("stop")]), "hello again"]), tools=[stop])
    agent("stop please")
    agent("go on")
    validate_request(agent.model.requests[-1].messages)
    assert len(agent.model.requests[-1].messages) == 3
    assert len(session.agent().messages) == 5


def test_message_mode_writes_each_message_at_once(session):
    agent = session.agent(session.manager(writes=WriteConfig(flush="message")), _turn(0))
    before = session.calls["CreateEvent"]
    agent("item 0?")
    assert session.calls["CreateEvent"] - before >= 4
    assert len(session.agent().messages) == 4


def test_background_mode_costs_the_turn_nothing_and_is_complete_after_close(session):
    manager = session.manager(writes=WriteConfig(flush="background"))
    agent = session.agent(manager, _turn(0))
    with session.memory.faults.inject("latency", "CreateEvent", seconds=0.2):
        agent("item 0?")
        manager.close()
    assert len(session.agent().messages) == 4


def test_a_redacted_prompt_is_written_nowhere(session):
    manager = session.manager()
    agent = session.agent(manager)
    agent.messages.append({"role": "user", "content": [{"text": "my secret"}], "tracking_id": "t-1"})
    manager.append_message(agent.messages[0], agent)
    agent.messages[0]["content"] = [{"text": "[removed]"}]
    manager.redact_latest_message(agent.messages[0], agent)
    manager.flush(agent)
    events = json.dumps(session.data.list_events(**session.address.parameters()), default=str)
    assert "my secret" not in events
    assert "[removed]" in events


def test_a_dry_run_changes_nothing(session):
    manager, agent, _ = _talk(session, 3)
    before = json.dumps(agent.messages)
    assert manager.plan(agent).tokens_before > 0
    assert json.dumps(agent.messages) == before


def test_an_answer_without_content_does_not_keep_checkpoints_from_being_saved(session):
    manager = session.manager(token_threshold=THRESHOLD)
    agent = session.agent(manager)
    for number in range(12):
        agent.model = ScriptedModel([_turn(number)[0], Reply("")])
        agent(f"What about item {number}?")
    assert manager.last_compaction is not None
    restored = session.agent(session.manager(token_threshold=THRESHOLD))
    said = [(m["role"], m["content"]) for m in agent.messages if m["content"]]
    assert [(m["role"], m["content"]) for m in restored.messages] == said


def test_compacting_by_hand_saves_a_checkpoint(session):
    manager, agent, _ = _talk(session, 3)
    manager.compact(agent)
    assert manager.checkpoint.trigger == "manual"
    assert manager.checkpoint.version == 1


def test_a_class_of_the_sdk(session):
    from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager

    assert issubclass(CompactingSessionManager, AgentCoreMemorySessionManager)
    assert session.manager().config == session.sdk_config


def test_what_was_just_recalled_is_not_shortened_in_the_same_turn(session):
    _talk(session, 6, first=100)
    stored = session.manager(token_threshold=THRESHOLD)
    agent = session.agent(stored)
    handle = stored.recall.by_words("What about item 100?")[0].handle
    recall = Reply(tool_calls=[ToolCall("recall_session", {"handle": handle})])
    looks = [Reply(tool_calls=[ToolCall("look", {"query": f"more {number}"})]) for number in range(6)]
    agent.model = ScriptedModel([recall, *looks, "done"])
    agent("Compare item 100 with everything.")
    answers = [
        block["toolResult"]["content"][0]["text"]
        for message in agent.messages
        for block in message["content"]
        if "toolResult" in block
    ]
    recalled = [text for text in answers if f"handle {handle}" in text]
    assert recalled
    assert not [text for text in recalled if "characters left out" in text]
