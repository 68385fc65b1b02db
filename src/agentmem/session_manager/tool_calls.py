"""Tells the memory of a sub-agent under which of its parent's tool calls it is about to work."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agentmem.clients.strands_compat import hook_providers_of, sub_agent_of

if TYPE_CHECKING:
    from strands.agent.agent import Agent
    from strands.hooks import BeforeToolCallEvent

__all__ = ["CalledAsTool", "on_tool_call"]


class CalledAsTool:
    """The memory of an agent that others use as a tool; see `SubAgentManager`."""

    def begin_call(self, agent: Agent, tool_use_id: str, *, keeps_context: bool) -> None:
        """Keep what is said from now on under a tool call."""
        raise NotImplementedError


async def on_tool_call(event: BeforeToolCallEvent) -> None:
    """Prepare the memory of the sub-agent that a tool call is about to run, if the tool is one."""
    found = sub_agent_of(event.selected_tool)
    if found is None:
        return
    agent, keeps_context = found
    for memory in hook_providers_of(agent, CalledAsTool):
        call = event.tool_use["toolUseId"]
        await asyncio.to_thread(memory.begin_call, agent, call, keeps_context=keeps_context)
