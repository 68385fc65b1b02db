"""Saves, restores and retrieves an agent's memory as a Strands hook: MemoryHook."""

from __future__ import annotations

import asyncio
import logging
import threading
import weakref
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self, cast

from strands.bidi import BidiAgent
from strands.hooks import (
    AfterInvocationEvent,
    AfterModelCallEvent,
    AgentInitializedEvent,
    BeforeInvocationEvent,
    BeforeModelCallEvent,
    HookOrder,
    HookProvider,
    MessageAddedEvent,
)
from strands.hooks.events import MessageUpdatedEvent
from strands.middleware import InvokeModelStage

from agentmem.clients.strands_compat import (
    is_structured_output_prompt,
    keeps_results_apart,
    said_by_user,
    session_manager_of,
)
from agentmem.errors import AgentMemError, ConfigurationError, HistoryUnavailableError
from agentmem.events.exit_handlers import exit_handlers
from agentmem.events.reader import EventReader
from agentmem.hook.agent_identity import session_of
from agentmem.hook.injection import with_text_after
from agentmem.hook.restore import as_message, put_into_system_prompt, read_last_messages
from agentmem.hook.retriever import Recollector
from agentmem.hook.saving import HookStatus, SavedAgent, Saver
from agentmem.meaning.loading import start_loading
from agentmem.messages.converse import for_model
from agentmem.messages.fencing import FENCE_TAGS, fenced_records
from agentmem.messages.look_alikes import inert_messages
from agentmem.messages.text import plain_text
from agentmem.messages.turns import is_own_message
from agentmem.scope.address import SessionAddress
from agentmem.scope.scope import Configuration
from agentmem.support import telemetry

if TYPE_CHECKING:
    from strands.agent.agent import Agent
    from strands.hooks import HookRegistry
    from strands.middleware.stages import InvokeModelContext
    from strands.types.content import Message

    from agentmem.records.retrieval import MemoryRecord
    from agentmem.scope.scope import SessionScope

__all__ = ["HookStatus", "MemoryHook"]

_log = logging.getLogger(__name__)


@dataclass
class _AgentMemory:
    """What the hook knows of one agent; it must not refer to the agent, which it is kept for weakly."""

    session: SessionScope
    saved: SavedAgent
    saves: bool
    restored: bool
    invoking: bool = False
    called_model: bool = False
    anchor: str | None = None
    query: str = ""
    shown: str | None = None
    records: tuple[MemoryRecord, ...] = ()


class MemoryHook(HookProvider):
    """Gives an agent memory: ``Agent(hooks=[MemoryHook(config)], state={"user_id": ..., "session_id": ...})``.

    At its start an agent is shown the last messages of its session. For each message of the user, long-term memory is
    searched, and the records that stand out are shown to the model for that turn only; they never become part of
    ``agent.messages`` or of the log. Small talk, thanks and confirmations are not searched for. At the end of each
    invocation the texts of the turn are saved as one event.

    Whose memory it is, is read once when the agent is made and not again: from the state it is made with, not from what
    a session manager restores, for tools can write ``agent.state``. One hook may serve any number of agents, in any
    number of threads. Beside a session manager that keeps the session in AgentCore Memory the hook only retrieves, for
    that manager's actor and session.
    """

    def __init__(
        self,
        config: Configuration | None = None,
        *,
        session: SessionScope | None = None,
        memory_id: str | None = None,
        region: str | None = None,
    ) -> None:
        """Make a hook; nothing is read or written until an agent is made with it.

        Args:
            config: The configuration.
            session: Serve this session, whatever ``agent.state`` says; `MemorySession.hook` gives it.
            memory_id: Instead of a configuration: id of the memory.
            region: Instead of a configuration: its AWS region.

        Raises:
            ConfigurationError: There is no configuration and no memory id, or both; or a value is malformed.
        """
        if config is not None and (memory_id is not None or region is not None):
            raise ConfigurationError("config= and memory_id= or region= were both given; put them into the config.")
        if config is None:
            if session is None and memory_id is None:
                raise ConfigurationError(
                    "memory_id is missing. Give MemoryHook(config), MemoryHook(memory_id=..., region=...) or "
                    "MemoryHook(session=...)."
                )
            config = session.config if session is not None else Configuration(memory_id=memory_id or "", region=region)
        self._config = config
        self._session = session
        self._settings = config.hook
        self._saver = Saver(config, self._fail)
        self._recollector = Recollector(config.hook, config.writes, self._fail)
        self._agents: weakref.WeakKeyDictionary[Agent, _AgentMemory] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()
        self._last_error: str | None = None
        if config.hook.retrieve and config.namespaces:
            start_loading()  # in the background; until it is there, every message is searched for
        self._saver.finish_with(self)
        exit_handlers.finish(self)

    # ---- what can be looked at

    @property
    def status(self) -> HookStatus:
        """Messages saved, pending and dropped over all agents, the last error, and the breaker's state.

        An error by which something is not stored for good stays here until this is read.
        """
        status = self.peek_status()
        self._saver.forget_loss()
        return status

    def peek_status(self) -> HookStatus:
        """Return the same without having read it: what is lost stays in ``status``."""
        status = self._saver.status
        return replace(
            status,
            last_error=status.last_error or self._last_error,
            breaker=self._recollector.breaker if status.breaker == "closed" else status.breaker,
        )

    def session_of(self, agent: Agent) -> SessionScope:
        """Return the session an agent was bound to when it was made.

        Raises:
            ConfigurationError: The agent was not made with this hook.
        """
        return self._memory_of(agent).session

    def retrieved(self, agent: Agent) -> tuple[MemoryRecord, ...]:
        """Return the long-term memories an agent's model is shown for the user's last message, best first.

        Raises:
            ConfigurationError: The agent was not made with this hook.
        """
        return self._memory_of(agent).records

    def flush(self) -> bool:
        """Try to send what could not be sent before; with an outbox, also what ended processes left in it.

        Returns:
            Whether every finished turn is acknowledged.
        """
        return self._saver.flush()

    def close(self) -> None:
        """Send what is left and end the threads; the hook can be used on.

        Raises:
            UnsentMessagesError: Some messages are still unacknowledged; they stay queued, so it may be tried again. Or
                some were given up, which is said once.
        """
        self._recollector.close()
        self._saver.close()

    def __enter__(self) -> Self:
        """Return itself; leaving closes."""
        return self

    def __exit__(self, exc_type: object, exc_val: object, exc_tb: object) -> None:
        """Close; an error on the way out is not hidden by one of ours."""
        try:
            self.close()
        except AgentMemError:
            if exc_type is None:
                raise
            _log.exception("messages unsent while another error was raised")

    async def __aenter__(self) -> Self:
        """Return itself; leaving closes, in another thread."""
        return self

    async def __aexit__(self, exc_type: object, exc_val: object, exc_tb: object) -> None:
        """Close; an error on the way out is not hidden by one of ours."""
        await asyncio.to_thread(self.__exit__, exc_type, exc_val, exc_tb)

    def finish(self) -> None:
        """Queue what the turns in progress have said so far; called when the process is about to end."""
        for memory in list(self._agents.values()):
            self._saver.submit(memory.saved, keep_last=1 if memory.saved.turn.ends_with_user else 0)

    # ---- hooks

    def register_hooks(self, registry: HookRegistry, **_: Any) -> None:
        """Subscribe to the agent's life; Strands calls this."""
        # Before a session manager restores the state, which tools may have written.
        registry.add_callback(AgentInitializedEvent, self._identify, order=HookOrder.SDK_FIRST)
        registry.add_callback(AgentInitializedEvent, self._on_initialized)
        registry.add_callback(BeforeInvocationEvent, self._before_invocation)
        registry.add_callback(MessageAddedEvent, self._on_message)
        registry.add_callback(MessageUpdatedEvent, self._on_update)
        registry.add_callback(BeforeModelCallEvent, self._before_model)
        registry.add_callback(AfterModelCallEvent, self._after_model)
        registry.add_callback(AfterInvocationEvent, self._after_invocation)

    def _identify(self, event: AgentInitializedEvent) -> None:
        self._adopt(event.agent)

    def _on_initialized(self, event: AgentInitializedEvent) -> None:
        agent: Any = event.agent
        if isinstance(agent, BidiAgent):
            raise ConfigurationError(
                f"MemoryHook puts memories before single model calls, and a {type(agent).__name__} makes none; give it "
                "session_manager=memory.session_manager(), and what memory.search() finds in its system_prompt"
            )
        memory = self._memory_of(agent)
        agent.add_middleware(InvokeModelStage.Input, self._to_model)
        if not memory.restored and not _in_event_loop():
            self._restore(agent, memory)  # inside an event loop it waits for the first invocation, not to block it

    async def _before_invocation(self, event: BeforeInvocationEvent) -> None:
        agent = event.agent
        memory = self._agents.get(agent)
        if memory is None:  # the hook was added to a finished agent
            memory = self._adopt(agent)
            agent.add_middleware(InvokeModelStage.Input, self._to_model)
        if not memory.restored:
            await asyncio.to_thread(self._restore, agent, memory)
        memory.invoking, memory.called_model = True, False
        self._saver.begin(memory.saved)

    async def _on_message(self, event: MessageAddedEvent) -> None:
        memory = self._agents.get(event.agent)
        message = event.message
        if memory is None or not memory.invoking:
            return  # a direct tool call: its messages are made up and say nothing
        said = said_by_user(message) if message["role"] == "user" else message
        if is_own_message(message) and not memory.called_model:
            memory.anchor = message["tracking_id"]
            memory.query = plain_text((said or message)["content"], "user", without_thinking=False)
            memory.shown, memory.records = None, ()
        if said is None:
            return  # a node of a graph or a swarm is told again what the first one was told
        message = said
        if not memory.saves or message["role"] not in self._settings.roles or is_structured_output_prompt(message):
            return
        memory.saved.turn.add(message)
        if self._config.writes.flush == "message":
            await self._saver.save(memory.saved)
        elif self._config.writes.outbox is not None and message["role"] == "assistant":
            await asyncio.to_thread(self._saver.accept, memory.saved)

    def _on_update(self, event: MessageUpdatedEvent) -> None:
        memory = self._memory_of(event.agent)
        if event.tracking_id in memory.saved.turn:
            memory.saved.turn.replace(cast("Message", {**event.message, "tracking_id": event.tracking_id}))

    async def _before_model(self, event: BeforeModelCallEvent) -> None:
        memory = self._memory_of(event.agent)
        memory.called_model = True
        long = memory.saved.turn.seconds >= self._config.writes.flush_interval_seconds
        if long and self._config.writes.flush == "turn":
            # The newest message may still be redacted by the call that is about to be made.
            await self._saver.save(memory.saved, keep_last=1)

    async def _after_model(self, event: AfterModelCallEvent) -> None:
        memory = self._agents.get(event.agent)
        if memory is not None and memory.saved.sent:
            await asyncio.to_thread(self._saver.follow_redactions, memory.saved)

    async def _after_invocation(self, event: AfterInvocationEvent) -> None:
        memory = self._memory_of(event.agent)
        memory.invoking = False
        if memory.saved.turn:
            await self._saver.save(memory.saved)

    # ---- restoring

    def _restore(self, agent: Agent, memory: _AgentMemory) -> None:
        session = memory.session
        address = SessionAddress(session.memory_id, session.actor_id, session.session_id)
        memory.restored = True
        if self._config.writes.outbox is not None:
            self._saver.drain(memory.saved)  # what an ended process left belongs to the history
        try:
            restored, newest = read_last_messages(
                EventReader(session.client, address),
                self._settings.restore_max_tokens,
                without_thinking=self._settings.strip_thinking,
            )
        except HistoryUnavailableError as error:
            memory.restored = self._settings.on_error == "degrade"
            self._fail("restore", error)
            return
        if newest is not None:
            self._saver.writer_of(memory.saved).start_after(newest)
        if not restored:
            return
        if self._settings.restore == "messages":
            agent.messages[:0] = [as_message(one) for one in restored]
        else:
            put_into_system_prompt(agent, restored)

    # ---- retrieving

    async def _to_model(self, context: InvokeModelContext) -> InvokeModelContext:
        memory = self._memory_of(cast("Agent", context.agent))
        messages = context.messages
        if memory.saves and not context.model.stateful:
            apart = keeps_results_apart(context.model)
            messages = for_model(messages, tools=bool(context.tool_specs), results_apart=apart)
        # What others wrote, a web page in a tool's result too, must not pass for what the hook shows.
        context = context.replace(messages=inert_messages(messages, FENCE_TAGS))
        if memory.anchor is None or not self._settings.retrieve:
            return context
        if memory.shown is None:
            query = self._saver.outgoing(memory.query)
            memory.records = await self._recollector.recollect(memory.session, query)
            memory.shown = fenced_records(memory.records)
        return with_text_after(context, memory.anchor, memory.shown) if memory.shown else context

    # ---- inside

    def _adopt(self, agent: Agent) -> _AgentMemory:
        """Find out once and for all whose memory an agent has."""
        session = self._session if self._session is not None else session_of(agent, self._config)
        saves = not _has_session_in_memory(agent)
        restored = not saves or self._settings.restore == "off"
        memory = _AgentMemory(session, self._saver.adopt(session), saves, restored)
        with self._lock:
            self._agents[agent] = memory
        return memory

    def _fail(self, what: str, error: Exception) -> None:
        """Note a failure, and raise it when the user wants to know."""
        self._last_error = f"{what}: {type(error).__name__}: {error}"
        telemetry.count("degraded", operation=what)
        if self._settings.on_error == "raise":
            raise error
        _log.warning("operation=<%s>, error=<%s> | going on without", what, self._last_error)

    def _memory_of(self, agent: Agent) -> _AgentMemory:
        memory = self._agents.get(agent)
        if memory is None:
            raise ConfigurationError(
                "this agent was not made with this MemoryHook; give it at construction: Agent(hooks=[hook])"
            )
        return memory


def _has_session_in_memory(agent: Agent) -> bool:
    """Whether a session manager keeps this agent's session in AgentCore Memory already."""
    manager = session_manager_of(agent)
    if manager is not None and not getattr(manager, "reads_plain_text", False):
        _log.warning("the hook only retrieves: plain text beside the SDK's session manager would empty its history")
    return manager is not None


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
