"""What agentmem uses of Strands and of the AgentCore SDK beyond their public interfaces still stands.

A failure says what has changed and where to look; the repair belongs into agentmem/clients/strands_compat.py. The same
tests run with the oldest versions that pyproject.toml allows.
"""

from contextlib import contextmanager
from typing import ClassVar

import pytest
from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager
from pydantic import BaseModel
from strands import Agent, tool
from strands.agent.conversation_manager import SlidingWindowConversationManager
from strands.hooks import AfterInvocationEvent, HookRegistry
from strands.middleware import InvokeModelStage
from strands.types.tools import AgentTool

from agentmem.clients import strands_compat
from agentmem.testing import ScriptedModel, ToolCall
from sessions import REGION, Session

SET_BY_HAND = {
    "config", "persistence_mode", "session_id", "session_repository", "session", "has_existing_agent",
    "_timestamp_lock", "_last_timestamp", "_agent_created_at_cache",
}  # fmt: skip
NOT_NEEDED = {
    "memory_client",  # a property of ours
    "converter",  # agentmem.events.codec
    # The SDK's buffers and timer; agentmem.events sends instead.
    "_message_buffer", "_message_lock", "_agent_state_buffer", "_agent_state_lock", "_flush_timer", "_timer_lock",
    "_shutdown",
    # Only append_message, redact_latest_message, sync_agent and initialize use them, and all four are replaced.
    "_held_records", "_is_new_session", "_last_synced_internal_state", "_latest_agent_message",
}  # fmt: skip


@contextmanager
def contract(changed):
    """Fail with a sentence that says what has changed."""
    try:
        yield
    except (AssertionError, AttributeError, ImportError, KeyError, TypeError) as error:
        pytest.fail(f"{changed} ({type(error).__name__}: {error})", pytrace=False)


def an_agent(**options):
    return Agent(model=ScriptedModel(default="Yes."), callback_handler=None, **options)


class Listener:
    def register_hooks(self, registry: HookRegistry, **_):
        registry.add_callback(AfterInvocationEvent, self.after)

    def after(self, event):
        pass


@pytest.fixture
def session():
    return Session()


@pytest.fixture
def sdk_manager(session):
    manager = AgentCoreMemorySessionManager(session.sdk_config, REGION, boto_session=session.boto)
    yield manager
    manager.close()


def test_an_agent_keeps_its_session_manager(sdk_manager):
    with contract(
        "Strands no longer keeps an agent's session manager in Agent._session_manager; "
        "see where Agent.__init__ puts its argument session_manager= now"
    ):
        assert strands_compat.session_manager_of(an_agent(session_manager=sdk_manager)) is sdk_manager
        assert strands_compat.session_manager_of(an_agent()) is None


def test_an_agent_keeps_its_context_manager():
    with contract(
        "Strands no longer keeps an agent's context manager in Agent._context_manager; "
        "see where Agent.__init__ puts its argument context_manager= now"
    ):
        assert strands_compat.has_context_manager(an_agent(context_manager="auto"))
        assert not strands_compat.has_context_manager(an_agent())


def test_a_middleware_before_ours_is_known():
    agent = Agent(model=ScriptedModel([]), callback_handler=None)
    with contract("Agent._middleware_registry keeps its handlers otherwise; see has_request_middleware"):
        assert not strands_compat.has_request_middleware(agent)
        agent.add_middleware(InvokeModelStage.Input, lambda context: context)
        assert strands_compat.has_request_middleware(agent)


def test_the_conversation_manager_an_agent_gets_unasked_is_known():
    with contract(
        "An agent no longer gets an untouched SlidingWindowConversationManager unasked; see what Agent.__init__ does "
        "when conversation_manager= is left out, or which attribute two fresh ones no longer share"
    ):
        assert strands_compat.is_default_conversation_manager(an_agent().conversation_manager)
        assert not strands_compat.is_default_conversation_manager(SlidingWindowConversationManager(window_size=6))


def test_the_hook_registry_keeps_bound_methods():
    listener = Listener()
    with contract(
        "HookRegistry.get_callbacks_for no longer yields the bound methods that were registered; "
        "see how the registry of strands.hooks keeps its callbacks now"
    ):
        assert strands_compat.hook_providers_of(an_agent(hooks=[listener]), Listener) == [listener]
        assert strands_compat.hook_providers_of(an_agent(), Listener) == []


def test_strands_asks_for_structured_output_with_its_own_prompt():
    class Town(BaseModel):
        name: str

    agent = an_agent()
    agent.model = ScriptedModel(["It is Oslo.", ToolCall("Town", {"name": "Oslo"})])
    agent("Which town?", structured_output_model=Town)
    with contract(
        "Strands no longer asks for structured output with DEFAULT_STRUCTURED_OUTPUT_PROMPT in a user's message; "
        "see what the event loop says when a model answers without calling the structured output tool"
    ):
        asked = [message for message in agent.messages if strands_compat.is_structured_output_prompt(message)]
        assert [message["role"] for message in asked] == ["user"]


def test_a_tool_specification_is_normalized_as_it_is_sent():
    @tool
    def look(query: str) -> str:
        """Look something up."""
        return query

    agent = an_agent(tools=[look])
    agent("Hello.")
    with contract(
        "strands.tools.tools.normalize_tool_spec no longer makes a specification what the model gets; "
        "see what ToolRegistry.get_all_tool_specs does to it now"
    ):
        assert agent.model.requests[0].tools == [strands_compat.normalized_tool_spec(look.tool_spec)]


def test_a_tool_may_end_its_stream_with_a_finished_result():
    class Recorded(AgentTool):
        tool_name, tool_type = "recorded", "recorded"
        tool_spec: ClassVar = {
            "name": "recorded",
            "description": "Recorded.",
            "inputSchema": {"json": {"type": "object"}},
        }

        def stream(self, tool_use, invocation_state, **_):
            result = {"toolUseId": tool_use["toolUseId"], "status": "success", "content": [{"text": "as recorded"}]}
            return strands_compat.tool_result_stream(result)

    agent = an_agent(tools=[Recorded()])
    agent.model = ScriptedModel([ToolCall("recorded", id="one"), "Done."])
    with contract(
        "A tool's stream no longer ends with strands.types._events.ToolResultEvent; "
        "see what the tool executors of strands.tools take as the result now"
    ):
        agent("Go.")
        assert agent.model.requests[-1].tool_results() == {"one": "as recorded"}


async def test_a_decorated_tool_attaches_its_exception_and_says_what_it_runs():
    @tool
    def blocking():
        """Block."""
        raise LookupError("nothing there")

    @tool
    async def asynchronous():
        """Wait."""

    with contract(
        "A decorated tool no longer ends with a ToolResultEvent that carries its exception, or no longer keeps its "
        "function in _tool_func; see strands/tools/decorator.py"
    ):
        use = {"toolUseId": "one", "name": "blocking", "input": {}}
        [event] = [event async for event in blocking.stream(use, {})]
        assert isinstance(strands_compat.failure_of(event), LookupError)
        assert strands_compat.blocks_its_thread(blocking)
        assert not strands_compat.blocks_its_thread(asynchronous)


def test_the_sdk_names_the_actor_of_older_agent_states():
    with contract(
        "The SDK's session manager no longer looks for an older agent's state under the actor 'agent_<id>'; "
        "see LEGACY_AGENT_PREFIX in its module and read_agent"
    ):
        assert strands_compat.legacy_agent_actor("one") == "agent_one"


def test_the_sdks_constructor_sets_what_is_set_by_hand_and_nothing_new(session, sdk_manager):
    set_by_sdk = set(vars(sdk_manager))
    with contract(
        "The SDK's session manager no longer has an attribute that is set by hand in place of its constructor; "
        "see what its inherited methods rely on now"
    ):
        assert set_by_sdk >= SET_BY_HAND
        assert set(vars(session.manager())) >= SET_BY_HAND
    with contract(
        "The constructor of the SDK's session manager sets an attribute that agentmem does not know; "
        "see whether an inherited method relies on it"
    ):
        assert set_by_sdk - SET_BY_HAND - NOT_NEEDED == set()


def test_the_inherited_methods_of_a_session_manager_work_without_the_sdks_constructor(session):
    manager = session.manager()
    with contract(
        "An inherited method of the SDK's session manager relies on more than is set by hand; "
        "see strands_compat.set_up_without_calls"
    ):
        first = manager._get_monotonic_timestamp()
        assert manager._get_monotonic_timestamp(first) > first
        assert manager.read_session(session.sdk_config.session_id) is None
        assert manager.read_agent(session.sdk_config.session_id, "default") is None
