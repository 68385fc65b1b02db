"""Keeps the agents of the chat, one for each session and model, and streams their turns."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentmem.errors import AgentMemError, HistoryUnavailableError
from agentmem.runtime.shutdown import drain
from agentmem.streaming.events import DoneEvent, ErrorEvent
from agentmem.streaming.turn import stream_turn

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from strands import Agent
    from strands.models import Model

    from agentmem.config import MemoryConfig
    from agentmem.inspector.views.place import Place
    from agentmem.streaming.events import StreamEvent

__all__ = ["ChatAgents", "ChatSettings"]

MOST_AGENTS = 8
"""Agents that are held at once; of more, the one that was not used for longest is let go."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChatSettings:
    """What the agents of the chat are made of.

    Attributes:
        open_model: Makes the model of a name.
        model: Name of the model that answers unless another is given.
        system_prompt: Their system prompt.
        tools: Their tools.
    """

    open_model: Callable[[str], Model]
    model: str = "offline"
    system_prompt: str = "You are a helpful assistant."
    tools: Sequence[Any] = ()


class ChatAgents:
    """The agents of the chat."""

    def __init__(self, config: MemoryConfig, settings: ChatSettings) -> None:
        """Hold no agent yet."""
        self.settings = settings
        self._config = config
        self._agents: OrderedDict[tuple[Place, str], Agent] = OrderedDict()
        self._lock = threading.Lock()

    async def turn(self, place: Place, prompt: str, model: str) -> AsyncGenerator[StreamEvent, None]:
        """Run a turn of a session's agent and yield its events; an error while it is made is an event too."""
        try:
            agent = await asyncio.to_thread(self._agent, place, model)
        except (AgentMemError, ImportError) as error:
            _log.warning("error=<%s> | the agent of a chat could not be made", type(error).__name__)
            remedy = "" if isinstance(error, HistoryUnavailableError) else f" {error}"
            yield ErrorEvent(f"The agent could not be made.{remedy}", type(error).__name__)
            yield DoneEvent()
            return
        async for event in stream_turn(agent, prompt):
            yield event

    def close(self) -> None:
        """Save what the agents have not saved yet, and let them go."""
        with self._lock:
            agents = list(self._agents.values())
            self._agents.clear()
        for agent in agents:
            _let_go(agent)

    def _agent(self, place: Place, model: str) -> Agent:
        with self._lock:
            found = self._agents.get((place, model))
            if found is None:
                # One agent writes a session: with another model it is made anew from the log.
                for key in [key for key in self._agents if key[0] == place]:
                    _let_go(self._agents.pop(key))
                found = self._agents[place, model] = self._made(place, model)
            self._agents.move_to_end((place, model))
            while len(self._agents) > MOST_AGENTS:
                _let_go(self._agents.popitem(last=False)[1])
            return found

    def _made(self, place: Place, model: str) -> Agent:
        from strands import Agent
        from strands.agent.conversation_manager import NullConversationManager

        memory = self._config.bind(place.actor_id, place.session_id)
        return Agent(
            model=self.settings.open_model(model),
            system_prompt=self.settings.system_prompt,
            tools=list(self.settings.tools),
            session_manager=memory.session_manager(),
            hooks=[memory.hook()],
            conversation_manager=NullConversationManager(),
            agent_id=place.agent_id,
            callback_handler=None,
        )


def _let_go(agent: Agent) -> None:
    try:
        drain(agent)
    except Exception as error:  # noqa: BLE001 - the other agents still have to be let go
        _log.warning("error=<%s> | an agent of the chat could not be closed", type(error).__name__)
