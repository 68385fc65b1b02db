"""CompactingSessionManager: durable sessions whose context stays inside a token budget."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig, PersistenceMode
from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager
from strands.agent.state import AgentState
from strands.hooks import (
    AfterInvocationEvent,
    AfterModelCallEvent,
    AgentInitializedEvent,
    BeforeInvocationEvent,
    BeforeModelCallEvent,
    HookOrder,
    MessageAddedEvent,
)
from strands.hooks.events import MultiAgentInitializedEvent
from strands.middleware import InvokeModelStage
from strands.types.exceptions import ContextWindowOverflowException
from strands.types.session import Session, SessionAgent, SessionMessage, SessionType

from agentmem import telemetry
from agentmem.clients import data_plane, default_session, memory_client
from agentmem.compaction.checkpoint import Checkpoint, CheckpointKey, CheckpointStore, Trigger
from agentmem.compaction.compactor import Compaction, Compactor, fixed_tokens, largest_blocks
from agentmem.compaction.converse import for_model
from agentmem.compaction.first_opening import FirstOpening
from agentmem.compaction.ownership import take_over
from agentmem.compaction.recall import SessionRecall
from agentmem.compaction.recall_tool import register_recall_tool
from agentmem.compaction.restore import read_session
from agentmem.compaction.sdk_settings import without_tool_traffic, write_settings
from agentmem.compaction.session_log import SessionLog
from agentmem.compaction.stores import open_store
from agentmem.compaction.summary.choice import summarizer_for
from agentmem.compaction.thresholds import Thresholds
from agentmem.compaction.tokens import prompt_tokens
from agentmem.compaction.truncation import TruncationSettings
from agentmem.config import CompactionConfig, EventLogCheckpoints, WriteConfig
from agentmem.errors import CheckpointConflictError, CompactionError, ConfigurationError
from agentmem.events.address import SessionAddress
from agentmem.events.outward import Outward
from agentmem.events.reader import EventReader, in_order
from agentmem.events.unsent import finish_with, waiting_writer
from agentmem.events.writer import PATIENCE, EventWriter, WriterStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import boto3
    from bedrock_agentcore.memory import MemoryClient
    from botocore.config import Config
    from strands.agent.agent import Agent
    from strands.hooks import HookRegistry
    from strands.middleware.stages import InvokeModelContext
    from strands.types.content import Message

    from agentmem.compaction.policy import Limits, Plan
    from agentmem.compaction.restore import RestoredSession
    from agentmem.compaction.summarize import Summarizer
    from agentmem.config import CheckpointLocation
    from agentmem.events.codec import DecodedEvent
    from agentmem.session import MemorySession

__all__ = ["CompactingSessionManager"]

MAX_RETRIES = 3
"""How often a request that the model calls too long is compacted harder and tried again."""

_HARDER = 0.7
_log = logging.getLogger(__name__)


class CompactingSessionManager(AgentCoreMemorySessionManager):
    """A Strands session manager over AgentCore Memory that keeps the model's context inside a token budget.

    Every turn is one event. Before each model call the size of the coming request is estimated; at the threshold tool
    content is shortened and the oldest turns are folded into a summary, in the middle of an invocation if need be.
    What is stored is never changed by it, and everything shortened or folded can be recalled word for word.

    It is an ``AgentCoreMemorySessionManager`` to whoever asks, and the plain one can open its sessions. It does not
    run the base class's constructor, which makes four clients and reads the session with filtered calls.

    Attributes:
        session_id: The session.
        config: The SDK's configuration of it.
    """

    def __init__(
        self,
        agentcore_memory_config: AgentCoreMemoryConfig,
        region_name: str | None = None,
        *,
        token_threshold: int | str | None = None,
        protected_turns: int | None = None,
        max_tool_content_length: int | None = None,
        checkpoints: CheckpointLocation | CheckpointStore | None = None,
        summarizer: Summarizer | str | None = None,
        compaction: CompactionConfig | None = None,
        writes: WriteConfig | None = None,
        boto_session: boto3.Session | None = None,
        boto_client_config: Config | None = None,
        namespace_variables: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare a session; nothing is read or written until an agent is constructed with it.

        Args:
            agentcore_memory_config: Memory, actor and session, as the SDK's session manager takes them.
            region_name: AWS region; by default the boto session's.
            token_threshold: Tokens of a request at which to compact, or ``"auto"``; 100,000 by default.
            protected_turns: Last turns left as they are while they fit, the current one included; 2 by default.
            max_tool_content_length: Characters kept of older tool content; 500 by default.
            checkpoints: Where checkpoints live; in the event log by default.
            summarizer: ``"extractive"`` (default), ``"model"``, or a ``Summarizer``.
            compaction: All settings of compaction in one, instead of the loose numbers.
            writes: How events are written.
            boto_session: The boto3 session to use.
            boto_client_config: botocore configuration for the clients. Its timeouts and attempts bound what an outage
                may add to a turn; see ``clients.data_plane`` for ours.
            namespace_variables: Values of the memory's own namespace placeholders.

        Raises:
            ConfigurationError: A number is out of range, loose numbers and ``compaction`` were both given, or a
                setting of the SDK's has no meaning here (``sdk_settings``).
        """
        loose: dict[str, Any] = {
            "token_threshold": token_threshold,
            "protected_turns": protected_turns,
            "max_tool_content_length": max_tool_content_length,
            "summarizer": summarizer,
        }
        given = {name: value for name, value in loose.items() if value is not None}
        if compaction is not None and given:
            raise ConfigurationError(
                f"compaction= and {', '.join(f'{name}=' for name in given)} were both given; put every setting into "
                "CompactionConfig, or leave compaction= out"
            )
        self._compaction = compaction if compaction is not None else CompactionConfig(**given)
        self._writes = write_settings(agentcore_memory_config, writes)
        self._boto_session = boto_session if boto_session is not None else default_session()
        self._region_name = region_name
        self._client = data_plane(self._boto_session, region_name, boto_client_config)
        self._store = open_store(
            checkpoints if checkpoints is not None else EventLogCheckpoints(),
            boto_session=self._boto_session,
            region=region_name,
            data_client=self._client,
        )
        self._address = SessionAddress(
            agentcore_memory_config.memory_id, agentcore_memory_config.actor_id, agentcore_memory_config.session_id
        )
        self._reader = EventReader(self._client, self._address)
        options = {"extractionConfig": {"namespaceVariables": dict(namespace_variables)}} if namespace_variables else {}
        # What an agent of this session before us could not send goes first.
        waiting = waiting_writer(self._client, self._address, self._writes)
        self._writer = waiting or EventWriter(self._client, self._address, self._writes, options=options)
        self._outward = Outward(self._writes)
        self._thresholds = Thresholds(self._compaction)
        self._background = (
            ThreadPoolExecutor(1, thread_name_prefix="agentmem-writer") if self._writes.flush == "background" else None
        )
        self._agent_id: str | None = None
        self._compactor: Compactor
        self._log: SessionLog
        self._recall: SessionRecall
        self._conversation_state: dict[str, Any] = {}
        self._stateful = False
        self._invoking = False
        self._retries = 0
        self._counted = 0
        self._fixed: tuple[tuple[Any, ...], int] = ((), 0)
        self._set_up_base(agentcore_memory_config)
        finish_with(self)

    @classmethod
    def for_session(cls, session: MemorySession) -> Self:
        """Make the manager of a bound session; ``MemorySession.session_manager()`` calls this."""
        config = session.config
        return cls(
            AgentCoreMemoryConfig(memory_id=config.memory_id, session_id=session.session_id, actor_id=session.actor_id),
            config.region,
            checkpoints=config.checkpoints,
            compaction=config.compaction,
            writes=config.writes,
            boto_session=config.boto_session(),
            namespace_variables=session.variables,
        )

    # ---- what can be looked at

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The last checkpoint known to be saved, or None; its index is left out."""
        return self._compactor.checkpoint

    @property
    def last_compaction(self) -> Compaction | None:
        """What the last compaction in this process did, or None."""
        return self._compactor.last

    @property
    def status(self) -> WriterStatus:
        """Messages saved, pending and dropped, the last error, and the breaker's state."""
        return self._writer.status

    @property
    def recall(self) -> SessionRecall:
        """Recall over this session."""
        return self._recall

    def plan(self, agent: Agent) -> Plan:
        """Return what a compaction would do now, without doing it.

        Args:
            agent: The agent this manager was given to.

        Returns:
            The plan; its token counts are uncalibrated.
        """
        limits = self._thresholds.limits(agent.model)
        planned, _ = self._compactor.plan(agent.messages, limits, fixed_tokens=self._fixed_tokens(agent), force=True)
        return planned

    def compact(self, agent: Agent) -> Compaction | None:
        """Compact now, whatever the size, and save the checkpoint.

        Args:
            agent: The agent this manager was given to, between invocations.

        Returns:
            What was done, or None when there is nothing to shorten or fold.
        """
        limits = self._thresholds.limits(agent.model)
        if not self._shrink(agent, limits, "manual", force=True):
            return None
        self.flush(agent)
        return self._compactor.last

    # ---- hooks

    def register_hooks(self, registry: HookRegistry, **_: Any) -> None:
        """Subscribe to the agent's life; Strands calls this."""
        registry.add_callback(AgentInitializedEvent, self._on_initialized)
        registry.add_callback(MultiAgentInitializedEvent, self._on_multi_agent)
        registry.add_callback(BeforeInvocationEvent, self._on_invocation)
        registry.add_callback(MessageAddedEvent, self._on_message)
        # Last before the model: whatever other hooks did to the messages is part of the request.
        registry.add_callback(BeforeModelCallEvent, self._before_model, order=HookOrder.SDK_LAST)
        registry.add_callback(AfterModelCallEvent, self._after_model, order=HookOrder.SDK_LAST)
        registry.add_callback(AfterInvocationEvent, self._after_invocation, order=HookOrder.SDK_LAST)

    def initialize(self, agent: Any, **_: Any) -> None:
        """Restore an agent from the session, or begin the session.

        Raises:
            ConfigurationError: Something else manages the agent's context, or this manager has an agent already.
            HistoryUnavailableError: The history could not be read; it is not known to be empty.
            CheckpointStoreError: The checkpoint could not be read.
            IdentityError: The session belongs to another ``agent_id``.
        """
        if self._agent_id is not None:
            raise ConfigurationError(
                f"this session manager already serves agent_id {self._agent_id!r} in {self._address}; one session "
                "holds one agent, make another session for the second"
            )
        self._conversation_state = take_over(agent)
        self._agent_id = agent.agent_id
        self._stateful = agent.model.stateful
        key = CheckpointKey(self._address.memory_id, self._address.actor_id, self._address.session_id, agent.agent_id)
        self._settings = TruncationSettings(
            max_tool_content_length=self._compaction.max_tool_content_length,
            keep_media=self._compaction.keep_media,
            exclude_tools=frozenset(self._compaction.exclude_tools),
            hard_tool_content_length=self._compaction.hard_tool_content_length,
        )
        self._recall = SessionRecall(self._reader, self._store, key, unsent=lambda: self._log.unsent)
        has_tool = self._compaction.recall_tool and register_recall_tool(agent, self._recall)
        self._summarizer = summarizer_for(self._compaction.summarizer, agent)
        self._compactor = Compactor(
            self._settings, self._summarizer, recall_tool=has_tool, outward=self._outward.message
        )
        self._log = SessionLog(
            self._writer, self._store, key, self._compactor, outward=self._outward, reader=self._reader
        )
        self._restore(agent, key)
        agent.add_middleware(InvokeModelStage.Input, self._to_model)

    def append_message(self, message: Message, agent: Any, **_: Any) -> None:
        """Take a message into the turn in progress; it is written when the turn is closed."""
        del agent
        self._log.add(message)

    def redact_latest_message(self, redact_message: Message, agent: Any, **_: Any) -> None:
        """Replace the content of a message, as a guardrail does with the newest one.

        What was not written yet is never written in its first form. What was is replaced in the log, and the original
        deleted: at the end of the invocation, or at once outside of one.
        """
        del agent
        self._log.redact(redact_message)
        if not self._invoking:
            self._writer.drain()

    def sync_agent(self, agent: Any, **_: Any) -> None:
        """Do nothing: the agent's state is written with the turn."""

    def flush(self, agent: Agent) -> bool:
        """Write what has not been written, the agent's state included.

        Args:
            agent: The agent this manager was given to.

        Returns:
            Whether everything is acknowledged; what is not stays queued.
        """
        self._close_turn(agent)
        return self._writer.drain()

    def close(self) -> None:
        """Write what is queued.

        Raises:
            UnsentMessagesError: Some of it is still unacknowledged.
        """
        if self._background is not None:
            self._background.shutdown(wait=True)
            self._background = None
        self._writer.close()

    def finish(self) -> None:
        """Queue what the turn in progress has said so far; called when the process is about to end."""
        if self._agent_id is not None and self.persistence_mode is PersistenceMode.FULL:
            self._log.close_part(0)

    def __enter__(self) -> Self:
        """Return itself; leaving closes."""
        return self

    def __exit__(self, exc_type: object, exc_val: object, exc_tb: object) -> None:
        """Close; an error on the way out is not hidden by one of ours."""
        try:
            self.close()
        except Exception:
            if exc_type is None:
                raise
            _log.exception("session=<%s> | messages unsent while another error was raised", self._address)

    def initialize_multi_agent(self, source: Any, **_: Any) -> None:
        """Refuse: a graph or swarm has no one history to compact."""
        raise ConfigurationError(
            f"CompactingSessionManager keeps one agent's session, and {type(source).__name__} is a multi-agent system; "
            "give its agents session managers of their own"
        )

    sync_multi_agent = initialize_multi_agent

    def list_messages(
        self, session_id: str, agent_id: str, limit: int | None = None, offset: int = 0, **_: Any
    ) -> list[SessionMessage]:
        """Return messages of the whole session, oldest first, folded ones included.

        Raises:
            HistoryUnavailableError: The history could not be read.
        """
        del session_id, agent_id
        logged = in_order(event for page in self._reader.pages() for event in page)
        chosen = logged[offset : None if limit is None else offset + limit]
        return [SessionMessage(one.message, index, created_at=one.at.isoformat()) for index, one in enumerate(chosen)]

    # ---- inside

    def _set_up_base(self, config: AgentCoreMemoryConfig) -> None:
        """Set what the inherited methods of the SDK's manager rely on."""
        self.config = config
        self.persistence_mode = config.persistence_mode
        self.session_id = config.session_id
        self.session_repository = self
        self.session = Session(session_id=config.session_id, session_type=SessionType.AGENT)
        self.has_existing_agent = False
        self._timestamp_lock = threading.Lock()
        self._last_timestamp = None
        self._agent_created_at_cache = {}

    @property
    def memory_client(self) -> MemoryClient:
        """The SDK's client over the same boto session; the inherited methods use it, ours do not."""
        return memory_client(self._boto_session, self._region_name)

    @memory_client.setter
    def memory_client(self, client: MemoryClient) -> None:
        del client
        raise ConfigurationError("memory_client cannot be replaced; give boto_session= another boto3 session instead")

    def _on_initialized(self, event: AgentInitializedEvent) -> None:
        self.initialize(event.agent)

    def _on_multi_agent(self, event: MultiAgentInitializedEvent) -> None:
        self.initialize_multi_agent(event.source)

    def _on_invocation(self, event: BeforeInvocationEvent) -> None:
        del event
        self._invoking = True

    async def _on_message(self, event: MessageAddedEvent) -> None:
        self.append_message(event.message, event.agent)
        if self._writes.flush == "message" or (not self._invoking and _ends_direct_call(event.message)):
            await asyncio.to_thread(self._close_turn, event.agent)
            await self._drain()
        elif self._writer.has_outbox and event.message["role"] == "assistant":
            await asyncio.to_thread(self._log.accept)

    async def _before_model(self, event: BeforeModelCallEvent) -> None:
        agent = event.agent
        self._log.adopt(agent.messages)
        if self.persistence_mode is PersistenceMode.FULL and self._log.close_part(self._writes.flush_interval_seconds):
            await self._drain()
        if self._stateful:
            return
        limits = self._thresholds.limits(agent.model)
        self._compactor.cut_oversized(agent.messages)
        self._counted = self._count(agent)
        if self._compactor.calibration.estimate(self._counted) >= limits.threshold:
            await asyncio.to_thread(self._shrink, agent, limits, "threshold")
            self._counted = self._count(agent)

    async def _after_model(self, event: AfterModelCallEvent) -> None:
        agent = event.agent
        if event.stop_response is not None:
            self._retries = 0
            usage = event.stop_response.message.get("metadata", {}).get("usage", {})
            self._compactor.calibration.observe(counted=self._counted, reported=prompt_tokens(usage))
        elif isinstance(event.exception, ContextWindowOverflowException) and not self._stateful:
            event.retry = await self._make_fit(agent, event.exception)

    async def _make_fit(self, agent: Agent, error: Exception) -> bool:
        self._retries += 1
        estimate = self._estimate(agent)
        self._thresholds.overflowed(estimate)
        limits = self._thresholds.scaled(int(estimate * _HARDER**self._retries))
        if self._retries <= MAX_RETRIES and await asyncio.to_thread(
            self._shrink, agent, limits, "overflow", force=True
        ):
            return True
        self._retries = 0
        largest = largest_blocks(agent.messages)
        raise CompactionError(
            f"the model refuses the context of {self._address} as too long, and what is left of it cannot be made "
            f"smaller: about {estimate:,} tokens, the largest being {'; '.join(largest)}. Shorten those, or use a "
            "model with a larger window.",
            largest,
        ) from error

    async def _after_invocation(self, event: AfterInvocationEvent) -> None:
        self._invoking = False
        await asyncio.to_thread(self._close_turn, event.agent)
        await self._drain()

    async def _to_model(self, context: InvokeModelContext) -> InvokeModelContext:
        return context if self._stateful else context.replace(messages=for_model(context.messages))

    def _restore(self, agent: Agent, key: CheckpointKey) -> None:
        if self.persistence_mode is not PersistenceMode.NONE:
            self._writer.recover()
            self._writer.drain()
        with telemetry.timed("restore.duration"), telemetry.span("restore") as span:
            restored = self._read(agent, key)
            telemetry.describe(span, messages=len(restored.messages), has_checkpoint=restored.checkpoint is not None)
        waiting = self._writer.waiting()
        if restored.newest_event_id is None and not waiting:
            for message in agent.messages:
                self._log.add(message)
            if self.persistence_mode is not PersistenceMode.NONE:
                self._log.begin_session(self.session_id)
                self._writer.drain()
            return
        if restored.newest_event_id is not None:
            self._writer.start_after(restored.newest_event_id)
        self._log.resume(restored)
        if restored.agent_state is not None:
            state = SessionAgent.from_dict(dict(restored.agent_state))
            agent.state = AgentState(state.state)
            state.initialize_internal_state(agent)
        if not self._stateful:
            shown = self._compactor.show(restored)
            known = {message["tracking_id"] for message in shown}
            shown += [message for message in waiting if message["tracking_id"] not in known]
            agent.messages = without_tool_traffic(shown) if self.config.filter_restored_tool_context else shown

    def _read(self, agent: Agent, key: CheckpointKey) -> RestoredSession:
        """Read the session; the past of a long one that nobody compacted is folded first."""
        limits = self._thresholds.limits(agent.model)

        def enough(events: Sequence[DecodedEvent]) -> bool:
            counted = self._compactor.count([one.message for event in events for one in event.messages])
            return counted >= limits.threshold

        restored = read_session(self._reader, self._store, key, enough=enough)
        if restored.unread is None or self._stateful or self.persistence_mode is PersistenceMode.NONE:
            return restored
        opening = FirstOpening(self._reader, self._store, key, self._settings, self._summarizer, limits.summary_tokens)
        try:
            opening.fold(restored)
        except CheckpointConflictError:
            _log.info("session=<%s> | another process opened this session first", self._address)
        return read_session(self._reader, self._store, key)

    def _estimate(self, agent: Agent) -> int:
        return self._compactor.calibration.estimate(self._count(agent))

    def _count(self, agent: Agent) -> int:
        return self._fixed_tokens(agent) + self._compactor.count(agent.messages)

    def _shrink(self, agent: Agent, limits: Limits, trigger: Trigger, *, force: bool = False) -> bool:
        with telemetry.span("compact", trigger=trigger) as span:
            shown = self._compactor.compact(
                agent.messages, limits, fixed_tokens=self._fixed_tokens(agent), trigger=trigger, force=force
            )
            done = self._compactor.last
            if shown is None or done is None:
                return False
            telemetry.describe(span, **asdict(done))
        agent.messages[:] = shown
        telemetry.count("compactions", trigger=trigger)
        telemetry.record("compaction.tokens_removed", max(done.tokens_before - done.tokens_after, 0))
        _log.info("session=<%s>, compaction=<%s> | context compacted", self._address, done)
        return True

    def _fixed_tokens(self, agent: Agent) -> int:
        """Count the system prompt and the tools, again only when either changed."""
        system = agent.system_prompt_content
        state = (str(system), *agent.tool_registry.registry, *agent.tool_registry.dynamic_tools)
        if self._fixed[0] != state:
            self._fixed = (state, fixed_tokens(system, agent.tool_registry.get_all_tool_specs()))
        return self._fixed[1]

    def _close_turn(self, agent: Agent) -> None:
        if self.persistence_mode is PersistenceMode.NONE:
            return
        state = SessionAgent.from_agent(agent).to_dict()
        state["conversation_manager_state"] = self._conversation_state
        if self._log.close_turn(agent.agent_id, state):
            self._log.keep_positions(agent.messages)

    async def _drain(self) -> None:
        if self._background is not None:
            self._background.submit(self._writer.drain)
        else:
            await asyncio.to_thread(self._writer.drain, PATIENCE)


def _ends_direct_call(message: Message) -> bool:
    """Whether a message added outside an invocation completes the four that a direct tool call leaves."""
    return message["role"] == "assistant" and not any("toolUse" in block for block in message["content"])
