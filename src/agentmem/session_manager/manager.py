"""Keeps an agent's session in AgentCore Memory, and its context inside a token budget: CompactingSessionManager."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Self, cast

from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig, PersistenceMode
from strands.agent.state import AgentState
from strands.bidi import BidiAgent
from strands.hooks import (
    AfterInvocationEvent,
    AfterModelCallEvent,
    AgentInitializedEvent,
    BeforeInvocationEvent,
    BeforeModelCallEvent,
    BeforeToolCallEvent,
    HookOrder,
    MessageAddedEvent,
)
from strands.middleware import InvokeModelStage
from strands.types.exceptions import ContextWindowOverflowException
from strands.types.session import SessionAgent

from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey, CheckpointStore
from agentmem.checkpoints.open import open_store
from agentmem.checkpoints.own_store import guarded
from agentmem.checkpoints.restore import more_than, read_session
from agentmem.clients.boto import data_plane, default_session
from agentmem.clients.strands_compat import has_request_middleware, keeps_results_apart
from agentmem.compaction.budget import Budget, Thresholds
from agentmem.compaction.compactor import Compaction, Compactor
from agentmem.compaction.summary.factory import summarizer_for
from agentmem.errors import ConfigurationError, HistoryUnavailableError
from agentmem.events.exit_handlers import exit_handlers
from agentmem.events.pin_board import PinBoard
from agentmem.events.reader import EventReader
from agentmem.events.serializer import Serializer
from agentmem.events.turn_buffer import PATIENCE
from agentmem.events.writer import EventWriter
from agentmem.events.writer_registry import is_lambda
from agentmem.messages.known import KnownMessages
from agentmem.messages.pinned import with_pinned
from agentmem.messages.requests import Requests
from agentmem.messages.tracking import Arrivals, as_sent, ends_direct_call, identify
from agentmem.recall.recall import SessionRecall
from agentmem.recall.shared import SharedRecall
from agentmem.recall.tool import register_recall_tool
from agentmem.scope.identity import validate_agent_id
from agentmem.session_manager.backfill import Backfill
from agentmem.session_manager.conversation_manager import take_over
from agentmem.session_manager.manager_card import manager_card
from agentmem.session_manager.multi_agent import MultiAgentRuns
from agentmem.session_manager.pin_tool import register_pin_tool
from agentmem.session_manager.sdk_base import conversation_state
from agentmem.session_manager.sdk_messages import SdkMessages
from agentmem.session_manager.sdk_settings import (
    compaction_settings,
    truncation_settings,
    without_tool_traffic,
    write_settings,
)
from agentmem.session_manager.session_log import SessionLog
from agentmem.session_manager.session_pins import SessionPins
from agentmem.session_manager.tool_calls import on_tool_call
from agentmem.session_manager.voice import VoiceAgents
from agentmem.settings.sections import CompactionConfig, EventLogCheckpoints, WriteConfig
from agentmem.support import telemetry
from agentmem.support.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import boto3
    from botocore.config import Config
    from strands.agent.agent import Agent
    from strands.hooks import HookRegistry
    from strands.middleware.stages import InvokeModelContext
    from strands.types.content import Message

    from agentmem.checkpoints.restore import RestoredSession
    from agentmem.compaction.policy import Plan
    from agentmem.compaction.summary.summarizer import Summarizer
    from agentmem.events.pins import Pin
    from agentmem.events.send_queue import WriterStatus
    from agentmem.scope.scope import SessionScope
    from agentmem.settings.sections import CheckpointLocation

__all__ = ["CompactingSessionManager"]

_log = logging.getLogger(__name__)


class CompactingSessionManager(VoiceAgents, MultiAgentRuns, SdkMessages):
    """A Strands session manager over AgentCore Memory that keeps the model's context inside a token budget.

    Every turn is one event. Before each model call the size of the coming request is estimated; at the threshold tool
    content is shortened and the oldest turns are folded into a summary, in the middle of an invocation if need be.
    What is stored is never changed by it, and everything shortened or folded can be recalled word for word.

    It is an ``AgentCoreMemorySessionManager`` to whoever asks, and the plain one can open its sessions.

    Attributes:
        session_id: The session.
        config: The SDK's configuration of it.
    """

    _is_held: bool = False
    """Whether the turn in progress is written by somebody else, together with what it belongs to."""

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
        self._compaction = compaction_settings(
            compaction,
            token_threshold=token_threshold,
            protected_turns=protected_turns,
            max_tool_content_length=max_tool_content_length,
            summarizer=summarizer,
        )
        self._writes = write_settings(agentcore_memory_config, writes)
        boto_session = boto_session if boto_session is not None else default_session()
        client = data_plane(boto_session, region_name, boto_client_config)
        super().__init__(agentcore_memory_config, client, boto_session, region_name)
        store = open_store(
            checkpoints if checkpoints is not None else EventLogCheckpoints(),
            boto_session=boto_session,
            region=region_name,
            data_client=client,
        )
        self._store = guarded(store)
        options = {"extractionConfig": {"namespaceVariables": dict(namespace_variables)}} if namespace_variables else {}
        # What an agent of this session before us could not send goes first.
        self._writer = EventWriter.inherited(client, self._address, self._writes) or EventWriter(
            client, self._address, self._writes, options=options
        )
        self._serializer = Serializer(self._writes)
        self._thresholds = Thresholds(self._compaction)
        self._background = Threads(1, "agentmem-writer") if self._writes.flush == "background" else None
        self._agent_id: str | None = None
        self._budget: Budget
        self._compactor: Compactor
        self._log: SessionLog
        self._recall: SessionRecall
        self._pins: SessionPins
        self._conversation_state: dict[str, Any] = {}
        self._stateful = False
        self._invoking = False
        self._arrivals = Arrivals()
        self._known = KnownMessages()
        self._is_first_call = True
        self._requests: Requests
        self._has_middleware_before = False
        self._board = PinBoard.shared(client, self._address)
        exit_handlers.finish(self)

    @classmethod
    def for_session(cls, session: SessionScope) -> Self:
        """Make the manager of a bound session; ``MemorySession.session_manager()`` calls this."""
        return cls(**cls.settings_of(session))

    @staticmethod
    def settings_of(session: SessionScope) -> dict[str, Any]:
        """Return the arguments that make a manager of a bound session."""
        config = session.config
        return {
            "agentcore_memory_config": AgentCoreMemoryConfig(
                memory_id=config.memory_id, session_id=session.session_id, actor_id=session.actor_id
            ),
            "region_name": config.region,
            "checkpoints": config.checkpoints,
            "compaction": config.compaction,
            "writes": config.writes,
            "boto_session": config.boto_session(),
            "namespace_variables": session.variables,
        }

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
        """Messages saved, pending and dropped, the last error, and the breaker's state.

        An error by which something is not stored for good stays here until this is read.
        """
        return self._writer.read_status()

    def peek_status(self) -> WriterStatus:
        """Return the same without having read it: what is lost stays in ``status``."""
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
        identify(agent.messages)
        return self._budget.plan(agent)

    def compact(self, agent: Agent) -> Compaction | None:
        """Compact now, whatever the size, and write what has not been written, the checkpoint included.

        Args:
            agent: The agent this manager was given to, between invocations.

        Returns:
            What was done, or None when there is nothing to shorten or fold.
        """
        identify(agent.messages)
        compacted = self._budget.compact(agent, "manual", force=True)
        self.flush(agent)  # also what an earlier compaction could not save yet
        return self._compactor.last if compacted else None

    def without_summary(self, message: Message) -> Message:
        """Return a message of ``agent.messages`` without the summary that stands in it.

        The summary of what was folded away is a text block before the first kept words of the user. It is known by
        where this manager put it, so it is also found in a deep copy of ``agent.messages`` or in JSON made of it, as
        long as the messages kept their ``tracking_id``.

        Args:
            message: The message.

        Returns:
            What was said; the same object when there is no summary in it.
        """
        return self._compactor.summaries.without(message)

    # ---- pins

    def pin(self, text: str) -> Pin:
        """Pin a statement: it stands in every request from the next one on, word for word.

        Args:
            text: The statement; ``WriteConfig.redact`` sees it first.

        Returns:
            The pin; the one that is there when the same text is pinned already.

        Raises:
            PinError: It is blank, there is no room for it, or it could not be written.
            ConfigurationError: No agent has this manager yet.
        """
        return self._session_pins().pin(text, self._board.pins)

    def unpin(self, pin: Pin | str) -> None:
        """Unpin a statement; what was said of it in the conversation stays.

        Args:
            pin: The pin, or its id.

        Raises:
            PinError: There is no such pin, or it could not be written.
            ConfigurationError: No agent has this manager yet.
        """
        self._session_pins().unpin(pin, self._board.pins)

    def pins(self) -> tuple[Pin, ...]:
        """Return the statements that are pinned, oldest first, as this process knows them.

        Raises:
            ConfigurationError: No agent has this manager yet.
        """
        return self._session_pins().board.pins.statements

    def _session_pins(self) -> SessionPins:
        if self._agent_id is None:
            raise ConfigurationError(f"no agent has this session manager of {self._address} yet; construct one with it")
        self._refuse_voice("a pin")
        return self._pins

    # ---- hooks

    def register_hooks(self, registry: HookRegistry, **_: Any) -> None:
        """Subscribe to the agent's life; Strands calls this."""
        registry.add_callback(AgentInitializedEvent, lambda event: self.initialize(event.agent))
        self.register_run(registry)
        self.register_voice(registry)
        # Last: an invocation that another hook's error ends before it began has no end that we are told of.
        registry.add_callback(BeforeInvocationEvent, self._on_invocation, order=HookOrder.SDK_LAST)
        registry.add_callback(MessageAddedEvent, self._on_message)
        # Last before the model: whatever other hooks did to the messages is part of the request.
        registry.add_callback(BeforeModelCallEvent, self._before_model, order=HookOrder.SDK_LAST)
        registry.add_callback(AfterModelCallEvent, self._after_model, order=HookOrder.SDK_LAST)
        # Last: another hook may put a sub-agent in the place of a tool.
        registry.add_callback(BeforeToolCallEvent, on_tool_call, order=HookOrder.SDK_LAST)
        registry.add_callback(AfterInvocationEvent, self._after_invocation, order=HookOrder.SDK_LAST)

    def initialize(self, agent: Any, **_: Any) -> None:
        """Restore an agent from the session, or begin the session.

        Raises:
            ConfigurationError: Something else manages the agent's context, or this manager has an agent already.
            HistoryUnavailableError: The history could not be read; it is not known to be empty.
            CheckpointStoreError: The checkpoint could not be read.
            IdentityError: The session belongs to another ``agent_id``, or the service would refuse every turn of one so
                named.
        """
        if self._agent_id is not None:
            raise ConfigurationError(
                f"this session manager already serves agent_id {self._agent_id!r} in {self._address}; make another one "
                "for the second agent, of the same session if they are to share it"
            )
        validate_agent_id(self._name_of(agent), self._address)
        if isinstance(agent, BidiAgent):
            self._open_voice(agent, self._name_of(agent))
            return
        self._conversation_state = take_over(agent)
        self._open(agent, self._name_of(agent))
        self._stand_before_model(agent)

    def _stand_before_model(self, agent: Agent) -> None:
        """See every request before it leaves."""
        self._has_middleware_before = has_request_middleware(agent)
        agent.add_middleware(InvokeModelStage.Input, self._to_model)

    def _open(self, agent: Agent, name: str) -> None:
        """Open an agent's history in the session under an id."""
        self._agent_id = name
        self._stateful = agent.model.stateful
        key = CheckpointKey(self._address.memory_id, self._address.actor_id, self._address.session_id, name)
        self._reader = EventReader(self._client, self._address, name, is_agent=True)
        self._writer = self._writer.shared_by(name)
        self._settings = truncation_settings(self._compaction)
        self._recall = SessionRecall(self._reader, self._store, key, unsent=self._unsent)
        has_tool = self._compaction.recall_tool and self._offer_recall(agent)
        self._summarizer = summarizer_for(self._compaction, agent)
        self._compactor = Compactor(
            self._settings,
            self._summarizer,
            recall_tool=has_tool,
            outward=self._serializer.message,
            board=self._board,
        )
        self._budget = Budget(self._compactor, self._thresholds, self._address)
        self._requests = Requests(self._compactor.summaries)
        self._log = SessionLog(
            self._writer, self._store, key, self._compactor, serializer=self._serializer, reader=self._reader
        )
        self._restore(agent, key)
        self._pins = SessionPins(
            self._client,
            self._address,
            self._board,
            self._serializer,
            self._thresholds.threshold(agent.model),
            self._reader.agents.marks() if self._reader.agents and self._own else {},
        )
        if self._compaction.pin_tool:
            register_pin_tool(agent, self._pins)

    def _offer_recall(self, agent: Agent) -> bool:
        """Give the agent the recall tool; return whether it has it."""
        return register_recall_tool(agent, self._recall, self._shared_recall())

    def _shared_recall(self) -> SharedRecall | None:
        is_shared = self._compaction.recall_scope == "session"
        return SharedRecall(self._client, self._address) if is_shared else None

    def sync_agent(self, agent: Any, **_: Any) -> None:
        """Write the agent's state, if it has changed since it was written last.

        In the middle of an invocation nothing is written: its end does.
        """
        if self._agent_id is not None and not self._invoking:
            self.flush(agent)

    def redact_latest_message(self, redact_message: Message, agent: Any, **_: Any) -> None:
        """Replace the content of a message, as a guardrail does with the newest one.

        What was not written yet is never written in its first form. What was is replaced in the log, and the original
        deleted: at the end of the invocation, or at once outside of one.
        """
        if not redact_message.get("tracking_id"):
            identify(agent.messages)
            name = agent.messages[-1]["tracking_id"]
            redact_message = cast("Message", {**redact_message, "tracking_id": name})
        self._log.redact(redact_message)
        self._recall.forget()
        # Strands puts the replacement where the whole content was, the summary before it included.
        agent.messages[:] = self._compactor.with_summary_again(agent.messages)
        if not self._invoking:
            self._log.drain()

    def flush(self, agent: Agent) -> bool:
        """Write what has not been written, the agent's state included.

        Args:
            agent: The agent this manager was given to.

        Returns:
            Whether everything is acknowledged; what is not stays queued.
        """
        self._close_turn(self._of_voice(agent))
        return self._log.drain()

    def close(self) -> None:
        """Write what is queued.

        Raises:
            UnsentMessagesError: Some of it is still unacknowledged, or was given up.
        """
        if self._background is not None:
            self._background.shutdown()
        sender = self._writer if self._agent_id is None else self._log
        if not sender.drain(insist=True):
            raise self._writer.unsent_messages()
        self._writer.check_nothing_lost()

    def finish(self) -> None:
        """Queue what the turn in progress has said so far; called when the process is about to end."""
        if self._agent_id is not None and self.persistence_mode is PersistenceMode.FULL and not self._is_held:
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

    def __repr__(self) -> str:
        """Tell whose session it is, and how it stands."""
        config, status = self.config, self.status
        return (
            f"CompactingSessionManager(memory_id={config.memory_id!r}, actor_id={config.actor_id!r}, "
            f"session_id={self.session_id!r}, saved={status.saved}, pending={status.pending})"
        )

    def _repr_html_(self) -> str:
        """Draw the manager's state in a notebook; no call."""
        last, checkpoint = (None, None) if self._agent_id is None else (self.last_compaction, self.checkpoint)
        return manager_card(
            self.config, self.status, has_agent=self._agent_id is not None, checkpoint=checkpoint, last=last
        )

    async def __aenter__(self) -> Self:
        """Return itself; leaving closes, in another thread."""
        return self

    async def __aexit__(self, exc_type: object, exc_val: object, exc_tb: object) -> None:
        """Close; an error on the way out is not hidden by one of ours."""
        await asyncio.to_thread(self.__exit__, exc_type, exc_val, exc_tb)

    # ---- inside

    def _on_invocation(self, event: BeforeInvocationEvent) -> None:
        del event
        self._invoking = self._is_first_call = True
        self._log.turn.patience = PATIENCE

    async def _on_message(self, event: MessageAddedEvent) -> None:
        if self._voice is not None:
            await self._on_said(event)
            return
        message = self._arrivals.take(event.message, event.agent.messages)
        self._log.turn.add(message)
        if self._is_held:
            return
        if self._writes.flush == "message" or (not self._invoking and ends_direct_call(message)):
            await asyncio.to_thread(self._close_turn, event.agent)
            await self._drain()
        elif self._writer.has_outbox and message["role"] == "assistant":
            await asyncio.to_thread(self._log.accept)

    async def _before_model(self, event: BeforeModelCallEvent) -> None:
        agent = event.agent
        first_new = self._known.first_new(agent.messages, thorough=self._is_first_call)
        self._is_first_call = False
        adopted = len(agent.messages)
        self._log.adopt(agent.messages, first_new)
        # Not on the event loop: what is closed is serialized, and put into the outbox.
        if (
            self.persistence_mode is PersistenceMode.FULL
            and not self._is_held
            and self._log.turn.seconds >= self._writes.flush_interval_seconds
            and await asyncio.to_thread(self._log.close_part, self._writes.flush_interval_seconds)
        ):
            await self._drain()
        await self._fit(agent, first_new, adopted)

    async def _fit(self, agent: Agent, first_new: int, adopted: int) -> None:
        if not self._stateful:
            is_due, first_new = self._budget.look(agent, first_new)
            if is_due and await asyncio.to_thread(self._budget.compact, agent, "threshold"):
                first_new = adopted = 0
        # What came in since, behind those the log was told of, is new the next time.
        self._known.keep(agent.messages[:adopted], first_new)
        self._requests.changed_from(first_new)
        self._arrivals.seen(agent.messages)

    async def _after_model(self, event: AfterModelCallEvent) -> None:
        if event.stop_response is not None:
            self._budget.answered(event.stop_response.message)
        elif isinstance(event.exception, ContextWindowOverflowException) and not self._stateful:
            await asyncio.to_thread(self._budget.refused, event.agent, event.exception)
            event.retry = True

    async def _after_invocation(self, event: AfterInvocationEvent) -> None:
        self._invoking = False
        if not self._is_held:
            await asyncio.to_thread(self._close_turn, event.agent)
        self._arrivals.seen(event.agent.messages)
        if not self._is_held:
            await self._drain()
        self._compactor.prepare(event.agent.messages)

    async def _to_model(self, context: InvokeModelContext) -> InvokeModelContext:
        if self._stateful:
            return context
        messages, agent = context.messages, cast("Agent", context.agent)
        if self._arrivals.grew(agent.messages):
            # Something was added behind the hook that compacts, such as the results of background tasks.
            first_new = self._known.first_new(agent.messages)
            self._log.adopt(agent.messages, first_new)
            before = list(agent.messages)
            await self._fit(agent, first_new, len(before))
            messages = as_sent(messages, before, agent.messages)
        apart = keeps_results_apart(context.model) and any(
            "toolResult" in block for message in messages for block in message["content"]
        )
        # A middleware before ours may change any message on its way.
        self._requests.is_first = not self._has_middleware_before
        made = self._requests.made(messages, tools=bool(context.tool_specs), results_apart=apart)
        if self._board.pins.statements and (pinned := self._compactor.pinned_block) is not None:
            made = with_pinned(made, pinned)
        return context.replace(messages=made)

    @property
    def _own(self) -> str | None:
        """What the agent's events are marked with; None for the session's main agent."""
        return None if self._reader.agents is None else self._reader.agents.own

    def _name_of(self, agent: Any) -> str:
        """Return the id under which the session keeps an agent."""
        return str(agent.agent_id)

    def _take_place(self) -> None:
        """Mark what is written from now on as the agent's, which the log has told the place of."""
        if self._reader.agents is not None:
            self._serializer.mark(self._reader.agents.marks())
        if self._own is not None:
            self._board = self._compactor.board = PinBoard.shared(self._client, self._address, self._own)

    def _restore(self, agent: Agent, key: CheckpointKey) -> None:
        if self.persistence_mode is not PersistenceMode.NONE:
            self._writer.recover()
            self._log.drain()
        with telemetry.timed("restore.duration"), telemetry.span("restore") as span:
            restored = self._read(agent, key)
            telemetry.describe(span, messages=len(restored.messages), has_checkpoint=restored.checkpoint is not None)
            if restored.checkpoint is not None:
                sizes = restored.checkpoint.tokens_before, restored.checkpoint.tokens_after
                telemetry.describe(span, tokens_before=sizes[0], tokens_after=sizes[1])
        self._take_place()
        waiting = self._writer.queue.waiting(self._own)
        self._board.replace(restored.pins)
        if restored.newest_event_id is not None:
            self._writer.start_after(restored.newest_event_id)
        if restored.is_new and not waiting:
            self._begin(agent)
            return
        self._log.resume(restored)
        stored = self._state_of(restored, key.agent_id)
        if stored is not None:
            self._conversation_state = conversation_state(stored, self._conversation_state)
            self._restore_state(agent, stored)
        if not self._stateful:
            shown = self._compactor.show(restored)
            known = {message["tracking_id"] for message in shown}
            shown += [message for message in waiting if message["tracking_id"] not in known]
            if self.config.filter_restored_tool_context:
                shown = without_tool_traffic(shown)
                known = {message["tracking_id"] for message in shown}
                self._log.leave_out([one for one in restored.messages if one.message["tracking_id"] not in known])
            agent.messages = shown

    def _begin(self, agent: Agent) -> None:
        """Begin a history with the messages that the agent was made with."""
        identify(agent.messages)
        for message in agent.messages:
            self._log.turn.add(message)
        if self.persistence_mode is not PersistenceMode.NONE:
            if self._own is None:
                self._log.begin_session(self.session_id)
            self._log.drain()

    def _restore_state(self, agent: Agent, stored: Mapping[str, Any]) -> None:
        try:
            state = SessionAgent.from_dict(dict(stored))
            agent.state = AgentState(state.state)
            state.initialize_internal_state(agent)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise HistoryUnavailableError(
                f"the stored state of agent {agent.agent_id!r} in {self._address} could not be restored "
                f"({type(error).__name__}: {error}); another version of strands-agents may have written it. Use that "
                "version or a newer one, or begin another session; the history is untouched."
            ) from error

    def _read(self, agent: Agent, key: CheckpointKey) -> RestoredSession:
        """Read the session; the past of a long one that nobody compacted is folded first."""
        limits = self._budget.limits(agent)
        enough = more_than(limits.threshold, self._compactor.count)
        restored = read_session(self._reader, self._store, key, enough=enough)
        if self._stateful or self.persistence_mode is PersistenceMode.NONE:
            return restored
        return Backfill(
            self._reader, self._store, key, self._settings, self._summarizer, limits.summary_tokens
        ).completed(restored)

    def _unsent(self) -> list[Message]:
        """Return what was said and is not in the log yet: turns that could not be sent, and the one in progress."""
        return [*self._writer.queue.waiting(self._own), *self._log.turn.messages.values()]

    def _close_turn(
        self, agent: Agent, beside: Sequence[dict[str, Any]] = (), metadata: Mapping[str, str] | None = None
    ) -> None:
        self._log.adopt(agent.messages, self._known.first_new(agent.messages))
        if self.persistence_mode is PersistenceMode.NONE:
            return
        state = SessionAgent.from_agent(agent).to_dict()
        state["conversation_manager_state"] = self._conversation_state
        self._log.close_turn(self._agent_id or agent.agent_id, state, agent.messages, beside=beside, metadata=metadata)

    async def _drain(self) -> None:
        if self._background is not None:
            self._background.submit(self._log.drain)
        elif not await asyncio.to_thread(self._log.drain, self._log.turn.patience) and not is_lambda():
            self._log.turn.patience = 0
