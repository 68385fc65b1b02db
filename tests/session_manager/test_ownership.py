"""One thing manages an agent's context: what comes unasked is set aside, what somebody chose is refused by name."""

from __future__ import annotations

import json
import logging

import pytest
from strands import Agent
from strands.agent.conversation_manager import (
    ConversationManager,
    NullConversationManager,
    SlidingWindowConversationManager,
    SummarizingConversationManager,
)

from agentmem.errors import ConfigurationError
from agentmem.testing import ScriptedModel
from sessions import Session


@pytest.fixture
def session():
    return Session()


class Own(ConversationManager):
    """Somebody's own."""

    def apply_management(self, agent, **kwargs):
        raise AssertionError("it manages nothing here")

    reduce_context = apply_management


def _stored_state(session):
    """The conversation manager's state that was stored last."""
    event = session.data.list_events(**session.address.parameters())["events"][0]
    return json.loads(event["payload"][-1]["blob"])["conversation_manager_state"]


def _plain(session, **settings):
    from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager

    manager = AgentCoreMemorySessionManager(session.sdk_config, "us-west-2", boto_session=session.boto)
    return Agent(model=ScriptedModel([]), session_manager=manager, callback_handler=None, **settings)


def test_the_sliding_window_that_every_agent_has_is_set_aside_without_a_word(session, caplog):
    with caplog.at_level(logging.INFO):
        agent = session.agent(script=ScriptedModel([f"answer {number}" for number in range(30)]))
    assert not caplog.records
    for number in range(30):
        agent(f"question {number}")
    assert len(agent.model.requests[-1].messages) == 59
    assert isinstance(agent.conversation_manager, NullConversationManager)


def test_its_state_keeps_its_form_with_nothing_removed(session):
    agent = session.agent(session.manager(token_threshold=2_000), ["Noted. " * 100 for _ in range(25)])
    for number in range(25):
        agent(f"Question {number}. " + "Please. " * 50)
    assert agent._session_manager.checkpoint.folded_messages > 0
    expected = SlidingWindowConversationManager().get_state()
    assert _stored_state(session) == {**expected, "removed_message_count": 0}
    assert len(_plain(session).messages) == 50


def test_a_null_manager_somebody_chose_stays_and_so_does_the_form_of_its_state(session):
    chosen = NullConversationManager()
    agent = session.agent(script=["hello"], conversation_manager=chosen)
    agent("hi")
    assert agent.conversation_manager is chosen
    assert _stored_state(session) == chosen.get_state()
    assert len(_plain(session, conversation_manager=NullConversationManager()).messages) == 2


@pytest.mark.parametrize(
    "chosen",
    [
        SlidingWindowConversationManager(window_size=10),
        SlidingWindowConversationManager(per_turn=True),
        SummarizingConversationManager(),
        Own(),
    ],
    ids=["a window of 10", "a window in each turn", "summarizing", "somebody's own"],
)
def test_a_chosen_conversation_manager_is_refused_by_name_with_a_remedy(session, chosen):
    remedy = "leave conversation_manager= out and set CompactionConfig"
    with pytest.raises(ConfigurationError, match=rf"conversation_manager={type(chosen).__name__}\(.*{remedy}"):
        session.agent(conversation_manager=chosen)
    assert session.calls.total() == 0


@pytest.mark.parametrize("context_manager", ["auto", "agentic"])
def test_a_context_manager_is_refused_with_a_remedy(session, context_manager):
    with pytest.raises(ConfigurationError, match="leave context_manager= out"):
        session.agent(context_manager=context_manager)
    assert session.calls.total() == 0


def test_one_manager_serves_one_agent(session):
    manager = session.manager()
    session.agent(manager)
    with pytest.raises(ConfigurationError, match=r"already serves agent_id 'default'.*make another one"):
        session.agent(manager)


def test_a_second_agent_id_has_a_history_of_its_own(session):
    agent = session.agent(script=["hello"], agent_id="first")
    agent("hi")
    assert session.agent(agent_id="second").messages == []
    assert session.agent(agent_id="first").messages[0]["content"] == [{"text": "hi"}]


def test_the_sdk_client_cannot_be_replaced_behind_our_back(session):
    with pytest.raises(ConfigurationError, match="give boto_session= another boto3 session"):
        session.manager().memory_client = object()
