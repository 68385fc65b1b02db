"""Whose memory an agent with a MemoryHook has, and who saves it when a session manager does."""

from __future__ import annotations

import gc
import weakref

import pytest
from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig
from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager
from strands import Agent
from strands.memory import MemoryManager
from strands.session.file_session_manager import FileSessionManager

from agentmem.errors import ConfigurationError, IdentityError
from agentmem.hook import MemoryHook
from agentmem.testing import ScriptedModel, ToolCall
from hooked import Setup


@pytest.fixture
def setup() -> Setup:
    return Setup()


@pytest.mark.parametrize("missing", ["user", "session"])
def test_a_missing_identity_is_an_error(setup, missing):
    with pytest.raises(IdentityError, match=rf"agent\.state\['{missing}_id'\] is missing"):
        setup.agent(**{missing: None})


def test_an_email_for_an_actor_is_refused_with_the_remedy(setup):
    with pytest.raises(IdentityError, match="actor_id_for"):
        setup.agent(user="ann@example.com")


def test_the_identity_is_frozen_when_the_agent_is_made(setup):
    agent = setup.agent(script=["One.", "Two."])
    agent("First.")
    agent.state.set("user_id", "bob")
    agent.state.set("session_id", "s9")
    agent("Second.")
    assert len(setup.saved()) == 2
    assert setup.events("bob", "s9") == []


def test_what_a_tool_wrote_into_a_stored_state_makes_nobody_else_of_the_agent(setup, tmp_path):
    """A session manager of any kind restores the state; it is the state the agent is made with that counts."""
    setup.learn("Bob's favourite drink is cocoa.", "bob")

    def opened():
        files = FileSessionManager("files", storage_dir=str(tmp_path))
        return setup.agent(script=ScriptedModel(default="Yes."), session_manager=files)

    agent = opened()
    agent("Hi")
    agent.state.set("user_id", "bob")
    agent("Store that.")
    again = opened()
    assert again.state.get("user_id") == "bob"
    again("What is my favourite drink?")
    assert "cocoa" not in str(again.model.requests[-1].messages)
    assert setup.events("bob") == []
    assert setup.saved()[-1][0] == ("USER", "What is my favourite drink?")


@pytest.mark.parametrize("make", ["ours", "sdk"])
def test_beside_a_session_manager_it_is_the_manager_s_session(setup, make):
    setup.learn("Ann's favourite drink is oolong tea.")
    session = setup.config.bind("ann", "s1")

    def manager():
        if make == "ours":
            return session.session_manager()
        ids = AgentCoreMemoryConfig(memory_id=setup.config.memory_id, actor_id="ann", session_id="s1")
        return AgentCoreMemorySessionManager(ids, boto_session=setup.config.boto_session())

    agent = setup.agent(user=None, session=None, session_manager=manager())
    agent("What is my favourite drink?")
    assert "oolong" in str(agent.model.requests[0].messages)
    with pytest.raises(IdentityError, match="bound to 'ann'"):
        setup.agent(user="bob", session=None, session_manager=manager())


def test_a_bound_hook_needs_no_state_and_does_not_look_at_it(setup):
    session = setup.config.bind("carl", "s3")
    agent = setup.agent(session.hook(), user="bob")
    agent("Hi")
    assert setup.saved("carl", "s3") == [[("USER", "Hi"), ("ASSISTANT", "Hello.")]]
    assert setup.events("bob", "s1") == []


def test_a_hook_is_made_of_a_memory_id(setup, monkeypatch):
    hook = MemoryHook(memory_id=setup.config.memory_id, region="us-west-2")
    assert hook.status.pending == 0
    with pytest.raises(ConfigurationError, match="memory_id is missing"):
        MemoryHook()
    with pytest.raises(ConfigurationError, match="both given"):
        MemoryHook(setup.config, memory_id="m-a1b2c3d4e5")


def test_a_hook_does_not_keep_its_agents_alive(setup):
    hook = setup.hook()
    agent = setup.agent(hook)
    agent("Hi")
    gone = weakref.ref(agent)
    del agent
    gc.collect()
    assert gone() is None
    assert hook.status.saved == 2


def test_a_hook_may_be_added_to_a_finished_agent(setup):
    agent = Agent(
        model=ScriptedModel(["Hello."]),
        state={"user_id": "ann", "session_id": "s1"},
        callback_handler=None,
    )
    agent.hooks.add_hook(setup.hook())
    agent("Hi")
    assert setup.saved() == [[("USER", "Hi"), ("ASSISTANT", "Hello.")]]


# ---- beside session managers


def test_beside_our_session_manager_the_hook_only_retrieves(setup):
    setup.learn("Ann's favourite drink is oolong tea.")
    setup.write("Earlier.")
    session = setup.config.bind("ann", "s1")
    agent = setup.agent(session.hook(), session_manager=session.session_manager())
    agent("What is my favourite drink?")

    request = agent.model.requests[0]
    assert request.system is None
    assert request.texts()[0] == "Earlier."
    assert "oolong" in request.texts()[-1]
    assert len(setup.events()) == 2
    again = setup.agent(session_manager=session.session_manager())
    assert "oolong" not in str(again.messages)
    assert len(again.messages) == 3


@pytest.mark.parametrize("by", ["hook", "manager"])
def test_the_sdk_s_stores_beside_us_only_recall(setup, by):
    setup.learn("Ann's favourite drink is oolong tea.")
    session = setup.config.bind("ann", "s1")
    options = {"hooks": [session.hook()]} if by == "hook" else {"session_manager": session.session_manager()}
    stores = session.stores()
    agent = Agent(
        model=ScriptedModel([ToolCall("search_memory", {"query": "favourite drink"}), "Oolong."]),
        memory_manager=MemoryManager(stores=stores),
        callback_handler=None,
        **options,
    )
    before = len(setup.events())
    agent("What is my favourite drink?")
    agent.shutdown()
    assert len(setup.events()) == before + 1
    assert not any(store.writable for store in stores)
    assert "oolong tea" in str(agent.model.requests[-1].messages)
    again = setup.agent(session_manager=session.session_manager())
    assert [message["role"] for message in again.messages][-1] == "assistant"


def test_beside_the_sdk_s_session_manager_the_hook_does_not_destroy_its_history(setup):
    def manager():
        return AgentCoreMemorySessionManager(
            AgentCoreMemoryConfig(memory_id=setup.config.memory_id, actor_id="ann", session_id="s1"),
            boto_session=setup.config.boto_session(),
        )

    setup.agent(session_manager=manager())("Hi")
    assert [message["role"] for message in setup.agent(session_manager=manager()).messages] == ["user", "assistant"]


def test_a_session_shared_with_our_manager_is_restored_by_each(setup):
    session = setup.config.bind("ann", "s1")
    setup.agent(session.hook(), ["From the hook."])("To the hook")
    managed = Agent(
        model=ScriptedModel(["From the manager."]), session_manager=session.session_manager(), callback_handler=None
    )
    assert "From the hook." in str(managed.messages)
    managed("To the manager")
    prompt = setup.agent(session.hook(), ["Again."]).system_prompt
    for text in ("To the hook", "From the hook.", "To the manager", "From the manager."):
        assert text in prompt
