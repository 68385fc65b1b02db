"""Finds the actor and session of an agent: from its session manager, or from the state it was made with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentmem.clients.strands_compat import session_manager_of
from agentmem.errors import IdentityError

if TYPE_CHECKING:
    from strands.agent.agent import Agent

    from agentmem.scope.scope import Configuration, SessionScope

__all__ = ["SESSION_ID", "USER_ID", "session_of"]

USER_ID, SESSION_ID = "user_id", "session_id"
"""The keys of ``agent.state`` that say whose memory it is."""


def session_of(agent: Agent, config: Configuration) -> SessionScope:
    """Find out whose memory a new agent has.

    Asked before any session manager has restored the agent's state: a tool may have written what was stored, and must
    not be able to become somebody else by it.

    Args:
        agent: The agent.
        config: The configuration to bind.

    Returns:
        The session of its session manager or, without one in AgentCore Memory, of the state it was made with.

    Raises:
        IdentityError: The ids are missing or malformed, or the state contradicts the session manager.
    """
    found = {name: agent.state.get(name) for name in (USER_ID, SESSION_ID)}
    manager = session_manager_of(agent)
    if manager is not None:
        kept = {USER_ID: manager.config.actor_id, SESSION_ID: manager.config.session_id}
        for name, value in found.items():
            if value and value != kept[name]:
                raise IdentityError(
                    f"agent.state[{name!r}] is {value!r}, and the agent's session manager is bound to {kept[name]!r}: "
                    "one agent has one memory. Make both of the same session, or leave the ids out of the state."
                )
        found = kept
    for name, value in found.items():
        if not value:
            raise IdentityError(
                f"agent.state[{name!r}] is missing, so it is not known whose memory this is. Make the agent with "
                f"Agent(state={{{USER_ID!r}: ..., {SESSION_ID!r}: ...}}), or bind the hook: "
                "config.bind(actor_id, session_id).hook()."
            )
    return config.bind(found[USER_ID], found[SESSION_ID])
