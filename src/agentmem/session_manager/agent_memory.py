"""Makes what keeps the memory of an agent inside something else: a node of a graph or a swarm, an agent as a tool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agentmem.events.agents import NODE, TOOL

if TYPE_CHECKING:
    from agentmem.scope.scope import SessionScope
    from agentmem.session_manager.manager import CompactingSessionManager
    from agentmem.settings.sections import CompactionConfig

__all__ = ["AgentMemory"]


@dataclass(frozen=True)
class AgentMemory:
    """The memory of one agent inside a session; `MemorySession.node` and `MemorySession.sub_agent` make it.

    Attributes:
        session: The session that it is in.
        name: The node or agent.
        kind: ``node`` of a graph or a swarm, or ``tool`` of another agent.
        compaction: Settings of its own context; None for the session's.
    """

    session: SessionScope
    name: str
    kind: Literal["node", "tool"]
    compaction: CompactionConfig | None = None

    @property
    def agent_id(self) -> str:
        """The id under which the session keeps it, such as ``memory.recall(query, agent_id=...)`` takes."""
        return f"{NODE if self.kind == 'node' else TOOL}{self.name}"

    def hook(self) -> CompactingSessionManager:
        """Make the hook for ``Agent(hooks=[...])``; nothing is called yet.

        Returns:
            A session manager of the agent's own, to be given as a hook: Strands refuses it as ``session_manager=``.
        """
        from agentmem.session_manager.node_manager import NodeManager
        from agentmem.session_manager.sub_agent_manager import SubAgentManager

        manager: type[NodeManager | SubAgentManager] = NodeManager if self.kind == "node" else SubAgentManager
        settings = manager.settings_of(self.session)
        return manager(**{**settings, "compaction": self.compaction or settings["compaction"]}, name=self.name)
