"""Makes sure that only one conversation manager shortens an agent's context."""

from __future__ import annotations

import logging
from typing import Any

from strands.agent.agent import Agent
from strands.agent.conversation_manager import NullConversationManager

from agentmem.clients.strands_compat import has_context_manager, is_default_conversation_manager
from agentmem.errors import ConfigurationError

_log = logging.getLogger(__name__)


def take_over(agent: Any) -> dict[str, Any]:
    """Take over the context of an agent, or refuse the agent with a remedy.

    The sliding window that every agent gets unasked drops messages beyond 40 without a trace; it is set aside. What
    somebody chose is not overruled in silence.

    Args:
        agent: The agent that is being initialized.

    Returns:
        The conversation manager's state to store with the agent: the form of the manager that was found, with nothing
        removed, so that the plain SDK session manager can restore the session.

    Raises:
        ConfigurationError: It is no plain ``Agent``, or something else manages its context.
    """
    if not isinstance(agent, Agent):
        raise ConfigurationError(
            f"CompactingSessionManager serves strands.Agent and strands.bidi.BidiAgent, graphs and swarms, and this is "
            f"a {type(agent).__name__}; give that one a session manager of its own, such as the SDK's "
            "AgentCoreMemorySessionManager"
        )
    if has_context_manager(agent):
        raise ConfigurationError(
            "context_manager= and CompactingSessionManager would both compact this agent's context; leave "
            "context_manager= out, or use another session manager"
        )
    found = agent.conversation_manager
    if not isinstance(found, NullConversationManager) and not is_default_conversation_manager(found):
        raise ConfigurationError(
            f"conversation_manager={type(found).__name__}(...) and CompactingSessionManager would both compact this "
            "agent's context; leave conversation_manager= out and set CompactionConfig instead, or use another "
            "session manager"
        )
    state = {**found.get_state(), "removed_message_count": 0}
    if not isinstance(found, NullConversationManager):
        _log.debug("conversation_manager=<%s> | default conversation manager set aside", type(found).__name__)
        agent.conversation_manager = NullConversationManager()
    return state
