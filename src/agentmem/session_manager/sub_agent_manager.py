"""Keeps the memory of an agent that another agent uses as a tool: each conversation under the parent's tool call."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from agentmem.clients.strands_compat import is_interrupted
from agentmem.errors import ConfigurationError
from agentmem.events.agents import CALL, TOOL, tool_call_id
from agentmem.messages.tracking import identify
from agentmem.recall.tool import OpenRecall, register_recall_tool
from agentmem.scope.identity import validate_agent_id
from agentmem.session_manager.conversation_manager import take_over
from agentmem.session_manager.manager import CompactingSessionManager
from agentmem.session_manager.tool_calls import CalledAsTool

if TYPE_CHECKING:
    from strands.agent.agent import Agent
    from strands.hooks import BeforeInvocationEvent

    from agentmem.checkpoints.checkpoint import CheckpointKey

__all__ = ["SubAgentManager"]


class SubAgentManager(CalledAsTool, CompactingSessionManager):
    """Serves ``Agent(hooks=[memory.sub_agent("researcher").hook()])``.

    Of ``agent.as_tool()`` each call is a conversation of its own, ``tool:researcher/<tool use id>``, with its own
    compaction and recall; Strands begins each with the agent's first messages. Of
    ``agent.as_tool(preserve_context=True)`` all calls are one conversation, ``tool:researcher``, which is restored
    before the first. The parent's history has the call and its result and nothing else.
    """

    def __init__(self, *args: Any, name: str, **settings: Any) -> None:
        """Prepare the memory of a sub-agent; see `CompactingSessionManager`.

        Args:
            args: As there.
            name: The agent.
            settings: As there.
        """
        super().__init__(*args, **settings)
        self._name = f"{TOOL}{name}"
        self._agent: Agent | None = None
        self._call: str | None = None
        self._is_fresh = True
        self._has_recall: bool | None = None

    def initialize(self, agent: Any, **_: Any) -> None:
        """Take an agent; its history is opened when it is called first.

        Raises:
            ConfigurationError: Something else manages the agent's context, or this has an agent already.
        """
        if self._agent is not None:
            raise ConfigurationError(
                f"this memory of sub-agent {self._name!r} in {self._address} already serves an agent; call "
                "memory.sub_agent(name).hook() again for the second"
            )
        validate_agent_id(self._name, self._address)
        self._conversation_state = take_over(agent)
        self._agent = agent
        self._stand_before_model(agent)

    def begin_call(self, agent: Agent, tool_use_id: str, *, keeps_context: bool) -> None:
        """Keep what is said from now on under a tool call; open the history of an agent that keeps its context."""
        self._call = tool_call_id(tool_use_id)
        self._is_fresh = not keeps_context
        if keeps_context and self._agent_id is None:
            self._open(agent, self._name)

    def _on_invocation(self, event: BeforeInvocationEvent) -> None:
        agent = event.agent
        if self._is_fresh:
            # Without a call that we were told of, somebody else runs the agent: it is a conversation of its own too.
            self._call = self._call or uuid.uuid4().hex
            self._open(agent, f"{self._name}/{self._call}")
        self._serializer.mark({**self._serializer.marks, CALL: self._call or ""})
        super()._on_invocation(event)

    async def _after_invocation(self, event: Any) -> None:
        await super()._after_invocation(event)
        self._call = None

    def _offer_recall(self, agent: Agent) -> bool:
        if self._has_recall is None:
            self._has_recall = register_recall_tool(agent, OpenRecall(lambda: self._recall), self._shared_recall())
        return self._has_recall

    def _restore(self, agent: Agent, key: CheckpointKey) -> None:
        if not self._is_fresh:
            super()._restore(agent, key)
        elif is_interrupted(agent):
            # Strands has put the interrupted turn back; the log says where its messages stand.
            restored = self._read(agent, key)
            self._take_place()
            self._log.resume(restored)
            self._compactor.show(restored)
        else:
            if self._reader.agents is not None:
                self._reader.agents.learn([])
            self._take_place()
            identify(agent.messages)
            for message in agent.messages:
                self._log.turn.add(message)
