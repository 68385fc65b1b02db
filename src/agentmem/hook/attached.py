"""Finds the memory hooks of an agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentmem.clients.strands_compat import hook_providers_of
from agentmem.hook.memory_hook import MemoryHook

if TYPE_CHECKING:
    from strands.agent.agent import Agent


def memory_hooks_of(agent: Agent) -> list[MemoryHook]:
    """Return the memory hooks an agent has, in the order in which their turns end."""
    return hook_providers_of(agent, MemoryHook)
