"""Keeps the memory of an agent that Strands forbids a session manager: a node's of a graph or a swarm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strands.agent.state import AgentState

from agentmem.events.agents import NODE
from agentmem.session_manager.manager import CompactingSessionManager
from agentmem.session_manager.multi_agent import HeldTurn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from strands.agent.agent import Agent
    from strands.hooks import BeforeInvocationEvent
    from strands.types.content import Message


__all__ = ["NodeManager"]


class NodeManager(HeldTurn, CompactingSessionManager):
    """Serves ``Agent(hooks=[memory.node("researcher").hook()])``.

    Everything of a session manager's: history, state, compaction, recall, under an id of the node's own. When the graph
    or swarm has a session manager of the same session, what the agent says is written when its node is done, in one
    event with the state of the run. Strands gives a swarm's agents their first messages again at every visit; this
    gives them what they know.
    """

    def __init__(self, *args: Any, name: str, **settings: Any) -> None:
        """Prepare the memory of a node; see `CompactingSessionManager`.

        Args:
            args: As there.
            name: The node.
            settings: As there.
        """
        super().__init__(*args, **settings)
        self._name = f"{NODE}{name}"
        self._kept: list[Message] = []
        self._kept_state: Mapping[str, Any] = {}

    @property
    def _is_held(self) -> bool:  # type: ignore[override]  # of a node it changes with the run
        return self.run_of_node is not None and self.run_of_node.is_going

    def initialize(self, agent: Any, **kwargs: Any) -> None:
        """Restore the node's agent, or begin its history; see `CompactingSessionManager.initialize`."""
        super().initialize(agent, **kwargs)
        self._keep(agent)

    def write_turn(
        self, agent: Agent, beside: Sequence[dict[str, Any]], metadata: Mapping[str, str]
    ) -> Callable[[], object]:
        """Queue what the agent said, in one event with the state of the run; return what sends it."""
        self._keep(agent)
        self._close_turn(agent, beside, metadata)
        return self._log.drain

    def _name_of(self, agent: Any) -> str:
        del agent
        return self._name

    def _on_invocation(self, event: BeforeInvocationEvent) -> None:
        agent = event.agent
        names = [message.get("tracking_id") for message in agent.messages]
        known = [message.get("tracking_id") for message in self._kept]
        if len(names) < len(known) and set(names) <= set(known):
            agent.messages = list(self._kept)
            agent.state = AgentState(dict(self._kept_state))
        super()._on_invocation(event)

    async def _after_invocation(self, event: Any) -> None:
        await super()._after_invocation(event)
        if not self._is_held:
            self._keep(event.agent)

    def _keep(self, agent: Agent) -> None:
        """Remember what the agent knows: Strands may reset it before its next visit."""
        self._kept = list(agent.messages)
        self._kept_state = agent.state.get()
