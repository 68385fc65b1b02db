"""Keeps the run of a graph or a swarm in the session's log, so that another process can go on with it.

The state of a run is written when a node is done, and in the same event as what the node's agent said, if that agent
keeps a memory of its own (`node`): so a node is done, with all its messages, or is not, and is done anew. Of a graph
inside another one the last step is written with the outer node's, for the same reason.

    A's agent answers | A is done: messages and state, one event | B's agent answers | killed -> goes on with B
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from bedrock_agentcore.memory.integrations.strands.config import PersistenceMode
from strands.agent.agent import Agent
from strands.hooks.events import (
    AfterMultiAgentInvocationEvent,
    AfterNodeCallEvent,
    BeforeMultiAgentInvocationEvent,
    BeforeNodeCallEvent,
    MultiAgentInitializedEvent,
)

from agentmem.clients.strands_compat import due_next, hook_providers_of
from agentmem.errors import ConfigurationError, HistoryUnavailableError
from agentmem.events.agents import AGENT, AGENT_ID, GROUP, RUN
from agentmem.events.size_limits import MAX_ITEM_BYTES, as_json
from agentmem.scope.identity import validate_agent_id
from agentmem.session_manager.run_state import RunState, read_run, run_item
from agentmem.session_manager.sdk_base import SdkSessionManager

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from strands.hooks import HookRegistry

    from agentmem.events.serializer import Serializer
    from agentmem.events.writer import EventWriter

__all__ = ["HeldTurn", "MultiAgentRuns"]


class HeldTurn:
    """A node's agent's turn, which waits for its node to be done; see `NodeManager`."""

    run_of_node: Run | None = None

    def write_turn(
        self, agent: Agent, beside: Sequence[dict[str, Any]], metadata: Mapping[str, str]
    ) -> Callable[[], object]:
        """Queue the turn with what is to be written beside it; return what sends it."""
        raise NotImplementedError


@dataclass
class _Step:
    """What is to be written together: states of runs, and the turn of the agent whose node is done."""

    states: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    turn: tuple[HeldTurn, Agent] | None = None


@dataclass(eq=False)
class Run:
    """One graph or swarm at work in this process.

    Attributes:
        source: The graph or swarm.
        outer: The one that it is a node of, and as which node.
        running: The nodes at work.
        batch: The nodes that were done since the last time that none was at work.
        waiting: Steps of inner runs that wait for their outer node, by that node.
        is_going: Whether it is being invoked.
        last: The state that was written or read last.
    """

    source: Any
    outer: tuple[Run, str] | None = None
    running: set[str] = field(default_factory=set)
    batch: list[str] = field(default_factory=list)
    waiting: dict[str, _Step] = field(default_factory=dict)
    is_going: bool = False
    last: RunState | None = None

    @property
    def is_inside(self) -> bool:
        """Whether the outer run is at the node that this one is."""
        return self.outer is not None and self.outer[1] in self.outer[0].running

    def began(self, node_id: str) -> None:
        """Note that a node is at work."""
        if not self.running:
            self.batch.clear()
        self.running.add(node_id)

    def ended(self, node_id: str) -> None:
        """Note that a node is done."""
        self.running.discard(node_id)
        self.batch.append(node_id)

    def state(self) -> dict[str, Any]:
        """Return the state to store, with every node that is left to do."""
        from strands.multiagent.graph import Graph  # here: most agents are in none, and it takes long to import

        state = dict(as_json(self.source.serialize_state()))
        if isinstance(self.source, Graph):
            following = list(state["next_nodes_to_execute"])
            following += [name for name in state["interrupted_nodes"] if name not in following]
            if not self.running and self.is_going and not state["failed_nodes"]:
                following = due_next(self.source, self.batch)
            state["next_nodes_to_execute"] = following
        return state


class MultiAgentRuns(SdkSessionManager):
    """The part of a session manager that serves ``Graph(session_manager=...)`` and ``Swarm(session_manager=...)``."""

    _writer: EventWriter
    _serializer: Serializer
    _agent_id: str | None
    _run: Run | None = None

    def register_run(self, registry: HookRegistry) -> None:
        """Subscribe to the life of a graph or a swarm."""
        registry.add_callback(MultiAgentInitializedEvent, lambda event: self.initialize_multi_agent(event.source))
        registry.add_callback(BeforeMultiAgentInvocationEvent, self._on_run)
        registry.add_callback(BeforeNodeCallEvent, self._on_node)
        registry.add_callback(AfterNodeCallEvent, self._after_node)
        registry.add_callback(AfterMultiAgentInvocationEvent, self._after_run)

    @property
    def at_work(self) -> Run | None:
        """The graph or swarm that has this manager, in this process."""
        return self._run

    @property
    def run(self) -> RunState | None:
        """How far the graph or swarm that has this manager has come, as stored; None before anything is.

        ``run.is_finished`` tells a new process that there is nothing to resume: what is asked next is a new task.
        """
        return None if self._run is None else self._run.last

    def initialize_multi_agent(self, source: Any, **_: Any) -> None:
        """Restore a graph or a swarm from the session; its next invocation goes on where it stopped.

        Raises:
            ConfigurationError: This manager serves something else already, or two of nested ones have the same id.
            HistoryUnavailableError: The log could not be read, or another version wrote the state.
        """
        if self._run is not None or self._agent_id is not None:
            raise ConfigurationError(
                f"this session manager of {self._address} already serves an agent, a graph or a swarm; make another one"
            )
        validate_agent_id(f"{GROUP}{source.id}", self._address)
        self._run = Run(source)
        self._writer = self._writer.shared_by(f"{GROUP}{source.id}")
        for name, node in source.nodes.items():
            self._take_in(name, node.executor)
        if self.persistence_mode is not PersistenceMode.NONE:
            self._writer.recover()
            self._writer.drain()
        state = read_run(self._client, self._address, source.id)
        if state is None:
            return
        self._run.last = RunState.of(state)
        try:
            source.deserialize_state(dict(state))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise HistoryUnavailableError(
                f"the stored run of {type(source).__name__} {source.id!r} in {self._address} could not be restored "
                f"({type(error).__name__}: {error}); another version of strands-agents may have written it. Use that "
                "version, or give the graph another id to begin anew"
            ) from error

    def sync_multi_agent(self, source: Any, **_: Any) -> None:
        """Write the state of the graph or swarm as it is."""
        if self._run is not None and source is self._run.source:
            self._write_step(self._step(self._run))()

    def _take_in(self, name: str, executor: Any) -> None:
        """Have what a node's agent or inner graph writes be written with the node."""
        from strands.multiagent.base import MultiAgentBase

        run = cast("Run", self._run)
        if isinstance(executor, Agent):
            for held in hook_providers_of(executor, HeldTurn):
                held.run_of_node = run
        elif isinstance(executor, MultiAgentBase):
            inner = getattr(executor, "session_manager", None)
            if isinstance(inner, MultiAgentRuns) and inner.at_work is not None:
                if executor.id == run.source.id:
                    raise ConfigurationError(
                        f"the graph or swarm {executor.id!r} is a node of another one with the same id, so that one "
                        "session cannot tell them apart; give each an id of its own"
                    )
                inner.at_work.outer = (run, name)
            elif any(hook_providers_of(agent, HeldTurn) for agent in _agents_of(executor)):
                raise ConfigurationError(
                    f"node {name!r} is a {type(executor).__name__} without a session manager, and agents in it keep a "
                    "memory of their own: what they say could be written twice. Give it session_manager="
                    "memory.session_manager() too"
                )

    # ---- hooks

    def _on_run(self, event: BeforeMultiAgentInvocationEvent) -> None:
        if self._run is not None and event.source is self._run.source:
            self._run.is_going = True
            self._run.running.clear()
            self._run.batch.clear()

    def _on_node(self, event: BeforeNodeCallEvent) -> None:
        if self._run is not None and event.source is self._run.source:
            self._run.began(event.node_id)

    async def _after_node(self, event: AfterNodeCallEvent) -> None:
        run = self._run
        if run is None or event.source is not run.source:
            return
        run.ended(event.node_id)
        step = self._step(run, event.node_id)
        await self._finish_step(run, step, is_last=run.last is not None and run.last.is_finished)

    async def _after_run(self, event: AfterMultiAgentInvocationEvent) -> None:
        run = self._run
        if run is None or event.source is not run.source:
            return
        run.is_going = False
        run.running.clear()
        await self._finish_step(run, self._step(run), is_last=True)

    def _step(self, run: Run, node_id: str | None = None) -> _Step:
        """Return what is to be written now that a node, or the whole run, is done."""
        step = _Step()
        waiting = list(run.waiting.items()) if node_id is None else [(node_id, run.waiting.get(node_id))]
        for name, inner in waiting:
            run.waiting.pop(name, None)
            if inner is not None:
                step.states |= inner.states
                step.turn = inner.turn or step.turn
        if node_id is not None:
            executor = run.source.nodes[node_id].executor
            held = hook_providers_of(executor, HeldTurn) if isinstance(executor, Agent) else []
            if held:
                step.turn = held[0], executor
        state = run.state()
        run.last = RunState.of(state)
        step.states[run.source.id] = self._serializer.run(state)
        return step

    async def _finish_step(self, run: Run, step: _Step, *, is_last: bool) -> None:
        if is_last and run.is_inside and run.outer is not None:
            outer, node_id = run.outer
            known = outer.waiting.setdefault(node_id, _Step())
            known.states |= step.states
            known.turn = step.turn or known.turn
            return
        # Queued here, on the event loop: the order of the states is the order in which they came about.
        await asyncio.to_thread(self._write_step(step))

    def _write_step(self, step: _Step) -> Callable[[], object]:
        """Queue a step; return what sends it."""
        if self.persistence_mode is PersistenceMode.NONE or self._run is None:
            return lambda: None
        run_id = self._run.source.id
        item = run_item(step.states)
        if len(item["blob"]) > MAX_ITEM_BYTES:
            self._writer.note_loss(
                f"the state of {type(self._run.source).__name__} {run_id!r} is too large for an event and not stored; "
                "have its nodes answer with less"
            )
            return lambda: None
        if step.turn is not None:
            held, agent = step.turn
            return held.write_turn(agent, [item], {RUN: run_id})
        name = f"{GROUP}{run_id}"
        self._writer.submit([], last=[item], metadata={AGENT_ID: name, AGENT: name, RUN: run_id})
        return self._writer.drain


def _agents_of(source: Any) -> list[Agent]:
    from strands.multiagent.base import MultiAgentBase

    executors = [node.executor for node in source.nodes.values()]
    inner = [agent for one in executors if isinstance(one, MultiAgentBase) for agent in _agents_of(one)]
    return [*(one for one in executors if isinstance(one, Agent)), *inner]
