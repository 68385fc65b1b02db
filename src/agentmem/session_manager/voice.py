"""Keeps a bidirectional (voice) agent's session: its messages and state, and a context that fits each new connection.

A bidirectional agent makes no model call with a history of its own: it hands its messages over when it connects. So
its context is compacted between connections: when it is opened, before it connects anew, and when it stops. What can
only be put before a single model call is refused by name: pins, and a hook's retrieval.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from bedrock_agentcore.memory.integrations.strands.config import PersistenceMode
from strands.bidi.hooks import BidiAgentStopEvent, BidiBeforeConnectionRestartEvent, BidiResponseStopEvent
from strands.hooks.events import MessageUpdatedEvent

from agentmem.errors import ConfigurationError
from agentmem.events.agents import KIND
from agentmem.messages.tracking import ends_direct_call, identify

if TYPE_CHECKING:
    from strands.agent.agent import Agent
    from strands.bidi import BidiAgent
    from strands.hooks import HookRegistry, MessageAddedEvent
    from strands.types.content import Message

    from agentmem.compaction.budget import Budget
    from agentmem.events.serializer import Serializer
    from agentmem.session_manager.session_log import SessionLog

__all__ = ["VoiceAgents"]

VOICE = "voice"
"""The kind of agent that a bidirectional one is."""


def is_pending(message: Message) -> bool:
    """Return whether a bidirectional model is still speaking a message, of which the history has the place only."""
    custom = (message.get("metadata") or {}).get("custom")
    bidi = custom.get("bidi") if isinstance(custom, dict) else None
    status = bidi.get("status") if isinstance(bidi, dict) else getattr(bidi, "status", None)
    return status == "pending"


class _AsAgent:
    """A bidirectional agent as what restores and compacts an agent sees one."""

    aux_model = None

    def __init__(self, agent: BidiAgent) -> None:
        self._agent = agent
        config = dict(getattr(agent.model, "config", None) or {})
        window = getattr(agent.model, "context_window_limit", None)
        self.model = SimpleNamespace(
            context_window_limit=window, stateful=False, config=config, get_config=lambda: config
        )
        self.agent_id = agent.agent_id
        self.tool_registry = agent.tool_registry

    @property
    def messages(self) -> list[Message]:
        return self._agent.messages

    @messages.setter
    def messages(self, messages: list[Message]) -> None:
        self._agent.messages = messages

    @property
    def state(self) -> Any:
        return self._agent.state

    @state.setter
    def state(self, state: Any) -> None:
        self._agent.state = state

    @property
    def system_prompt_content(self) -> Any:
        prompt = self._agent.system_prompt
        return [{"text": prompt}] if isinstance(prompt, str) and prompt else None


class VoiceAgents:
    """The part of a session manager that serves ``BidiAgent(session_manager=...)``."""

    _voice: _AsAgent | None = None
    _budget: Budget
    _log: SessionLog
    _serializer: Serializer
    persistence_mode: PersistenceMode

    def register_voice(self, registry: HookRegistry) -> None:
        """Subscribe to what only bidirectional agents tell of."""
        registry.add_callback(MessageUpdatedEvent, self._on_update)
        registry.add_callback(BidiResponseStopEvent, self._on_response)
        registry.add_callback(BidiBeforeConnectionRestartEvent, self._on_restart)
        registry.add_callback(BidiAgentStopEvent, self._on_stop)

    def _open(self, agent: Any, name: str) -> None:
        raise NotImplementedError

    def _close_turn(self, agent: Any) -> None:
        raise NotImplementedError

    def _open_voice(self, agent: BidiAgent, name: str) -> None:
        """Restore a bidirectional agent, with the summary in place of what was folded."""
        self._voice = _AsAgent(agent)
        self._open(self._voice, name)
        self._serializer.mark({**self._serializer.marks, KIND: VOICE})
        held = cast("Agent", self._voice)  # it has what is asked of an agent
        if self._budget.look(held)[0]:
            self._budget.compact(held, "restore")

    def _of_voice(self, agent: Any) -> Any:
        """Return an agent as restoring and compacting see it."""
        return self._voice if self._voice is not None else agent

    async def _on_said(self, event: MessageAddedEvent) -> None:
        """Keep a message; one that the model still speaks is empty, and gets its words with an update."""
        identify([event.message])
        self._log.turn.add(event.message)
        if ends_direct_call(event.message):
            await self._write()

    async def _on_update(self, event: MessageUpdatedEvent) -> None:
        """Keep the new form of a message, such as a transcript that was cut off by the user."""
        if self._voice is None:
            return
        await asyncio.to_thread(self._log.redact, event.message)
        if event.message["role"] == "assistant":
            await self._write()

    async def _on_response(self, event: BidiResponseStopEvent) -> None:
        del event
        await self._write()

    async def _on_restart(self, event: BidiBeforeConnectionRestartEvent) -> None:
        """Make the context fit the connection to come."""
        del event
        await self._fit_voice()
        await self._write()

    async def _on_stop(self, event: BidiAgentStopEvent) -> None:
        del event
        await self._fit_voice()
        await self._write()

    async def _fit_voice(self) -> None:
        voice = self._voice
        if voice is not None and self._budget.look(cast("Agent", voice))[0]:
            await asyncio.to_thread(self._budget.compact, cast("Agent", voice), "threshold")

    async def _write(self) -> None:
        if self._voice is None or self.persistence_mode is PersistenceMode.NONE:
            return
        if not any(is_pending(message) for message in self._log.turn.messages.values()):
            await asyncio.to_thread(self._close_turn, self._voice)
            await asyncio.to_thread(self._log.drain)

    def _refuse_voice(self, what: str) -> None:
        """Refuse what a bidirectional agent cannot do."""
        if self._voice is not None:
            raise ConfigurationError(
                f"{what} stands before each model call, and a bidirectional agent makes none that can be added to; say "
                "it in the agent's system_prompt, which every connection begins with"
            )
