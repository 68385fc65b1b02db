"""Sessions that the SDK's own session manager wrote open with ours, and ours open with it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig
from bedrock_agentcore.memory.integrations.strands.converters import OpenAIConverseConverter
from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager
from strands import Agent
from strands.agent.conversation_manager import (
    NullConversationManager,
    SlidingWindowConversationManager,
    SummarizingConversationManager,
)
from strands.types.session import SessionAgent

from agentmem.testing import Overflow, Reply, ScriptedModel, ToolCall
from converse import validate_request
from sessions import REGION, Session, look
from summaries import without_summary

THRESHOLD = 4_000
MANAGERS = {
    "null": NullConversationManager,
    "default": lambda: None,
    "sliding": lambda: SlidingWindowConversationManager(window_size=6),
    "summarizing": lambda: SummarizingConversationManager(preserve_recent_messages=4),
}


@pytest.fixture
def session():
    return Session()


def _turn(number):
    return [Reply(tool_calls=[ToolCall("look", {"query": f"item {number}"})]), f"Item {number} is blue."]


def _question(number):
    return f"What about item {number}? My code is K-{number:03d}."


class Plain:
    """An agent with the SDK's own session manager."""

    def __init__(self, session, conversation_manager=None, converter=None, **settings):
        config = AgentCoreMemoryConfig(**{**session.sdk_config.model_dump(), **settings})
        more = {} if converter is None else {"converter": converter}
        self.manager = AgentCoreMemorySessionManager(config, REGION, boto_session=session.boto, **more)
        more = {} if conversation_manager is None else {"conversation_manager": conversation_manager}
        self.agent = Agent(
            model=ScriptedModel([]), session_manager=self.manager, tools=[look], callback_handler=None, **more
        )

    def talk(self, turns, first=0, before=()):
        self.agent.model = ScriptedModel(
            [*before, *(answer for number in range(first, first + turns) for answer in _turn(number))]
        )
        for number in range(first, first + turns):
            self.agent(_question(number))

    def close(self):
        self.manager.close()


def _said(messages):
    """Every message without what a summary adds, as role and content."""
    return [(message["role"], without_summary(message)["content"]) for message in messages]


def _all(turns, first=0):
    """What every text and tool result of some turns is."""
    expected = []
    for number in range(first, first + turns):
        text = f"item {number} is blue. " * 150
        expected += [
            ("user", [{"text": _question(number)}]),
            ("assistant", ["toolUse"]),
            ("user", [{"text": text}]),
            ("assistant", [{"text": f"Item {number} is blue."}]),
        ]
    return expected


def _plain(said):
    """Role and content, tool uses by their kind and results by what they hold: ids are the model's."""
    found = []
    for role, content in said:
        block = content[0]
        if "toolUse" in block:
            content = ["toolUse"]  # noqa: PLW2901
        elif "toolResult" in block:
            content = block["toolResult"]["content"]  # noqa: PLW2901
        found.append((role, content))
    return found


@pytest.mark.parametrize("batch_size", [1, 7, 100])
@pytest.mark.parametrize("name", MANAGERS)
def test_what_the_sdks_manager_wrote_is_restored_whole(session, name, batch_size):
    """Whatever its conversation manager dropped or summarized in memory: the log has it all."""
    plain = Plain(session, MANAGERS[name](), batch_size=batch_size)
    plain.agent.state.set("mood", "good")
    plain.talk(4)
    if name == "summarizing":
        plain.agent.model = ScriptedModel([Overflow(), "A summary of what was said.", "Yes."])
        plain.agent("Is that all?")
        assert plain.agent.conversation_manager.removed_message_count > 0
    plain.close()
    ours = session.agent(session.manager())
    expected = _all(4)
    if name == "summarizing":
        expected += [("user", [{"text": "Is that all?"}]), ("assistant", [{"text": "Yes."}])]
    assert _plain(_said(ours.messages)) == expected
    assert ours.state.get("mood") == "good"


@pytest.mark.parametrize("name", MANAGERS)
def test_its_sessions_go_on_compacted_and_with_nothing_lost(session, name):
    plain = Plain(session, MANAGERS[name]())
    plain.talk(6)
    plain.close()
    manager = session.manager(token_threshold=THRESHOLD)
    agent = session.agent(manager, [answer for number in range(6, 10) for answer in _turn(number)])
    for number in range(6, 10):
        agent(_question(number))
    assert manager.checkpoint.folded_messages > 0
    for request in agent.model.requests:
        validate_request(request.messages)
        assert request.tokens <= THRESHOLD * 1.1
    stored = [one.to_message() for one in manager.list_messages("s-1", "default")]
    assert _plain(_said(stored)) == _all(10)
    for number in range(10):
        assert _question(number) in [one.text for one in manager.recall.by_words(_question(number))]


@pytest.mark.parametrize("name", MANAGERS)
def test_the_sdks_manager_opens_its_session_again_after_ours(session, name):
    """Going back needs nothing: the state we write has the form the session had, with nothing removed."""
    before = Plain(session, MANAGERS[name]())
    before.talk(6)
    before.close()
    agent = session.agent(session.manager(token_threshold=THRESHOLD), [a for n in range(6, 10) for a in _turn(n)])
    agent.state.set("mood", "good")
    for number in range(6, 10):
        agent(_question(number))
    after = Plain(session, MANAGERS[name]())
    assert _plain(_said(after.agent.messages)) == _all(10)
    assert after.agent.state.get("mood") == "good"
    after.talk(1, first=10)
    assert "Item 10" in str(after.agent.messages[-1])


def test_the_two_may_take_turns_on_one_session(session):
    """Each of its openings reads everything; each of ours goes on from the checkpoint that it knows nothing of."""
    for number in range(0, 12, 4):
        manager = session.manager(token_threshold=THRESHOLD)
        agent = session.agent(manager, [answer for at in range(number, number + 2) for answer in _turn(at)])
        agent(_question(number))
        agent(_question(number + 1))
        assert max(request.tokens for request in agent.model.requests) <= THRESHOLD * 1.1
        plain = Plain(session)
        assert len(plain.agent.messages) == 4 * (number + 2)
        plain.talk(2, first=number + 2)
        plain.close()
    manager = session.manager(token_threshold=THRESHOLD)
    session.agent(manager)
    assert manager.checkpoint.folded_messages > 0
    stored = [one.to_message() for one in manager.list_messages("s-1", "default")]
    assert _plain(_said(stored)) == _all(12)
    for number in range(12):
        assert _question(number) in [one.text for one in manager.recall.by_words(_question(number))]


def test_the_sdks_manager_opens_a_session_in_which_something_was_redacted(session):
    manager = session.manager()
    agent = session.agent(manager, ["Noted.", "Yes."])
    agent.state.set("mood", "good")
    agent("My password is xyzzy.")
    agent.messages[0]["content"] = [{"text": "[removed]"}]
    manager.redact_latest_message(agent.messages[0], agent)
    plain = Plain(session)
    assert plain.agent.messages[0]["content"] == [{"text": "[removed]"}]
    assert plain.agent.state.get("mood") == "good"


def test_what_its_openai_converter_wrote_is_restored(session):
    plain = Plain(session, converter=OpenAIConverseConverter)
    plain.talk(3)
    plain.close()
    assert _plain(_said(session.agent().messages)) == _all(3)


def test_long_messages_are_restored_from_its_blobs(session):
    plain = Plain(session)
    plain.agent.model = ScriptedModel(["Noted. " * 20_000])
    plain.agent("Please. " * 20_000)
    plain.close()
    agent = session.agent(session.manager(token_threshold=200_000))
    stored = agent._session_manager.list_messages("s-1", "default")
    assert [len(one.message["content"][0]["text"]) for one in stored] == [160_000, 140_000]


def test_a_legacy_session_is_restored_with_its_state(session):
    """Older versions of the SDK kept a session's and an agent's state under actor ids of their own."""
    first = datetime.now(UTC) - timedelta(days=30)
    state = SessionAgent(
        agent_id="default",
        state={"mood": "good"},
        conversation_manager_state={"__name__": "SlidingWindowConversationManager", "removed_message_count": 0},
    ).to_dict()
    mark = {"session_id": "s-1", "session_type": "AGENT"}
    for actor, blob in [("session_s-1", mark), ("agent_default", state)]:
        session.data.create_event(
            memoryId=session.memory_id,
            actorId=actor,
            sessionId="s-1",
            eventTimestamp=first,
            payload=[{"blob": json.dumps(blob)}],
        )
    for number, (role, text) in enumerate([("USER", "My locker is 12."), ("ASSISTANT", "Noted.")]):
        message = {"role": role.lower(), "content": [{"text": text}]}
        stored = {"message": message, "message_id": 0, "redact_message": None, "created_at": first.isoformat()}
        session.data.create_event(
            **session.address.parameters(),
            eventTimestamp=first + timedelta(seconds=number),
            payload=[{"conversational": {"role": role, "content": {"text": json.dumps(stored)}}}],
        )
    agent = session.agent(script=["It is 12."])
    assert [message["content"][0]["text"] for message in agent.messages] == ["My locker is 12.", "Noted."]
    assert agent.state.get("mood") == "good"
    agent.state.set("mood", "better")
    agent("What is my locker?")
    before = session.calls["ListEvents"]
    assert session.agent().state.get("mood") == "better"
    assert session.calls["ListEvents"] - before == 1
    assert Plain(session).agent.state.get("mood") == "better"
