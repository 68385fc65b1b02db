"""Reaches what Strands and the AgentCore SDK keep private or do not document, each thing in one function.

Nothing else in the package does. tests/clients/test_strands_compat.py holds Strands and the SDK to each of these and
says in a sentence what has changed when one no longer stands; written for strands-agents 1.62 and bedrock-agentcore
1.25.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig
    from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager
    from strands.agent.agent import Agent
    from strands.agent.conversation_manager import ConversationManager
    from strands.multiagent.graph import Graph
    from strands.types.content import ContentBlock, Message
    from strands.types.tools import ToolGenerator, ToolResult, ToolSpec

_Owner = TypeVar("_Owner")


def session_manager_of(agent: Agent) -> AgentCoreMemorySessionManager | None:
    """Return the session manager that keeps an agent's session in AgentCore Memory, the SDK's or ours, if any.

    Uses ``Agent._session_manager``: an agent has no public way to tell; ag-ui-strands reads the same attribute.
    """
    from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager

    manager = agent._session_manager  # noqa: SLF001
    return manager if isinstance(manager, AgentCoreMemorySessionManager) else None


def has_context_manager(agent: Agent) -> bool:
    """Return whether an agent was made with ``context_manager=``.

    Uses ``Agent._context_manager``: the argument is kept nowhere else.
    """
    return agent._context_manager is not None  # noqa: SLF001


def is_default_conversation_manager(manager: ConversationManager) -> bool:
    """Return whether a conversation manager is the one that an agent gets unasked.

    Compares all attributes with those of a new ``SlidingWindowConversationManager()``, most of which are private: the
    agent does not keep whether it was given one.
    """
    from strands.agent.conversation_manager import SlidingWindowConversationManager

    fresh = SlidingWindowConversationManager()
    return type(manager) is type(fresh) and vars(manager) == vars(fresh)


def hook_providers_of(agent: Agent, kind: type[_Owner]) -> list[_Owner]:
    """Return the hook providers of a kind that an agent was given, which must listen to ``AfterInvocationEvent``.

    Uses ``__self__`` of the registered callbacks: the registry keeps the bound methods and not the providers.
    """
    from strands.hooks import AfterInvocationEvent

    callbacks = agent.hooks.get_callbacks_for(AfterInvocationEvent(agent=agent))
    owners = (getattr(callback, "__self__", None) for callback in callbacks)
    return [owner for owner in owners if isinstance(owner, kind)]


def has_request_middleware(agent: Agent) -> bool:
    """Return whether anything may change a request before what is added now does.

    Uses ``Agent._middleware_registry._handlers``: a registry has no public way to tell what it holds.
    """
    from strands.middleware import InvokeModelStage

    handlers = agent._middleware_registry._handlers.get(InvokeModelStage, ())  # noqa: SLF001
    return any(handler.phase == "input" for handler in handlers)


def is_interrupted(agent: Agent) -> bool:
    """Return whether an agent waits for the answer to an interrupt.

    Uses ``Agent._interrupt_state``: an agent has no public way to tell.
    """
    return bool(agent._interrupt_state.activated)  # noqa: SLF001


def sub_agent_of(tool: object) -> tuple[Agent, bool] | None:
    """Return the agent that a tool runs, and whether it keeps what was said in earlier calls.

    Uses ``_AgentAsTool._preserve_context``: what ``Agent.as_tool`` makes is a private class that does not say it.
    """
    from strands.agent._agent_as_tool import _AgentAsTool

    return (tool.agent, tool._preserve_context) if isinstance(tool, _AgentAsTool) else None  # noqa: SLF001


def due_next(graph: Graph, batch: Sequence[str]) -> list[str]:
    """Return the nodes that a graph runs next; its own serialized state is wrong about those of a cycle.

    Uses ``Graph._find_newly_ready_nodes``, with which the graph itself goes on: ``Graph.serialize_state`` names no node
    that was completed before, so a run that is stored in the middle of a cycle would end there.

    Args:
        graph: The graph.
        batch: The nodes that have just been completed together.
    """
    ready = graph._find_newly_ready_nodes([graph.nodes[name] for name in batch])  # noqa: SLF001
    return sorted(node.node_id for node in ready)


def is_structured_output_prompt(message: Message) -> bool:
    """Return whether Strands itself said this to make the model call its structured output tool.

    Uses ``strands.tools.structured_output.DEFAULT_STRUCTURED_OUTPUT_PROMPT``: the message carries no other mark.
    """
    from strands.tools.structured_output import DEFAULT_STRUCTURED_OUTPUT_PROMPT

    return [block.get("text") for block in message["content"]] == [DEFAULT_STRUCTURED_OUTPUT_PROMPT]


_SWARM = re.compile(
    r"Context:\n(?P<handed>Handoff Message: .*?\n\n)?(?:User Request: (?P<asked>.*?)\n\n)?"
    r"(?P<later>Previous agents who worked on this: .*?\n\n)?(?:Shared knowledge from previous agents:\n.*?\n\n)?"
    r"(?:Other agents available for collaboration:\n.*?\n\n)?"
    r"You have access to swarm coordination tools if you need help from other agents\. .*",
    re.DOTALL,
)


def said_by_user(message: Message) -> Message | None:
    """Return what of a user's message the user said: without what a graph or a swarm wraps around it for a node.

    Uses the wording of ``Graph._build_node_input`` and ``Swarm._build_node_input``: such a message has no other mark.

    Args:
        message: The message; the same object is returned when nothing is wrapped around it.

    Returns:
        None when the user said nothing in it that the first node was not told already.
    """
    texts = [block.get("text", "") for block in message["content"]]
    if len(texts) > 1 and texts[0].startswith("Original Task:") and "\nInputs from previous nodes:" in texts:
        return None
    found = _SWARM.fullmatch(texts[0].rstrip()) if texts else None
    if found is None:
        return message
    if found["handed"] or found["later"]:
        return None
    asked = found["asked"]
    first: list[ContentBlock] = [{"text": asked}] if asked and asked != "Multi-modal task" else []
    content = [*first, *message["content"][1:]]
    return cast("Message", {**message, "content": content}) if content else None


def normalized_tool_spec(spec: ToolSpec) -> ToolSpec:
    """Return a tool specification as Strands sends it.

    Uses ``strands.tools.tools.normalize_tool_spec``, which the tool registry applies to every specification.
    """
    from strands.tools.tools import normalize_tool_spec

    return normalize_tool_spec(spec)


async def tool_result_stream(result: ToolResult) -> ToolGenerator:
    """Yield a finished result the way an ``AgentTool.stream`` has to.

    Uses ``strands.types._events.ToolResultEvent``: the only event that ends a tool's stream, and in a private module.
    """
    from strands.types._events import ToolResultEvent

    yield ToolResultEvent(result)


def failure_of(event: object) -> Exception | None:
    """Return the exception that a tool's last event carries, if any.

    Uses ``strands.types._events.ToolResultEvent``: decorated tools raise nothing, they attach the exception to it.
    """
    from strands.types._events import ToolResultEvent

    return event.exception if isinstance(event, ToolResultEvent) else None


def blocks_its_thread(tool: object) -> bool:
    """Return whether a tool is a plain function, which Strands runs in a thread that it waits for.

    Uses ``_tool_func`` of ``DecoratedFunctionTool`` and ``PythonAgentTool``: an agent tool does not say what it runs.
    """
    import inspect

    function = getattr(tool, "_tool_func", None)
    return function is not None and not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function))


def legacy_agent_actor(agent_id: str) -> str:
    """Return the actor under which older versions of the SDK kept an agent's state.

    Uses ``LEGACY_AGENT_PREFIX`` of the SDK's session manager module.
    """
    from bedrock_agentcore.memory.integrations.strands.session_manager import LEGACY_AGENT_PREFIX

    return f"{LEGACY_AGENT_PREFIX}{agent_id}"


def set_up_without_calls(manager: AgentCoreMemorySessionManager, config: AgentCoreMemoryConfig) -> None:
    """Set what the inherited methods of a session manager rely on, in place of the SDK's constructor.

    The constructor makes four boto3 clients and reads the session with filtered calls, which cost the past and may lag
    a write. There is no public way to leave that out.

    Args:
        manager: A session manager whose constructor was not run.
        config: The SDK's configuration of its session.
    """
    from strands.types.session import Session, SessionType

    manager.config = config
    manager.persistence_mode = config.persistence_mode
    manager.session_id = config.session_id
    manager.session_repository = manager
    manager.session = Session(session_id=config.session_id, session_type=SessionType.AGENT)
    manager.has_existing_agent = False
    manager._timestamp_lock = threading.Lock()  # noqa: SLF001
    manager._last_timestamp = None  # noqa: SLF001
    manager._agent_created_at_cache = {}  # noqa: SLF001


_MIXING = ("anthropic", "claude", "nova")


def keeps_results_apart(model: object) -> bool:
    """Tell whether a model of Bedrock's refuses tool results and anything else in one message.

    Claude and Nova take both; others answer "Conversation blocks and tool result blocks cannot be provided in the same
    turn". A model id that names no vendor, such as a profile's ARN, counts as one that takes both.

    Args:
        model: A Strands model.
    """
    from strands.models.bedrock import BedrockModel

    if not isinstance(model, BedrockModel):
        return False
    name = str(model.get_config().get("model_id", "")).lower()
    return not name.startswith("arn:") and "." in name and not any(vendor in name for vendor in _MIXING)
