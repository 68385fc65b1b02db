"""Finds the memory hooks of an agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strands.hooks import AfterInvocationEvent

from agentmem.hook.memory_hook import MemoryHook

if TYPE_CHECKING:
    from strands.agent.agent import Agent

__all__ = ["memory_hooks_of"]


def memory_hooks_of(agent: Agent) -> list[MemoryHook]:
    """Return the memory hooks an agent has, in the order in which their turns end."""
    callbacks = agent.hooks.get_callbacks_for(AfterInvocationEvent(agent=agent))
    owners = (getattr(callback, "__self__", None) for callback in callbacks)
    return [owner for owner in owners if isinstance(owner, MemoryHook)]
