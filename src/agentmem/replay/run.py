"""Runs a recorded conversation through a real agent and measures every request."""

from __future__ import annotations

import base64
import json
import time
import uuid
from typing import IO, TYPE_CHECKING, Any

from strands import Agent
from strands.agent.conversation_manager import NullConversationManager
from strands.hooks import BeforeToolsEvent, HookOrder, HookRegistry, MessageAddedEvent

from agentmem.meaning.loading import wait_if_loading
from agentmem.messages.tokens import count_message, count_request
from agentmem.replay.calls import ApiCalls
from agentmem.replay.model import Playback, ReplayModel, recorded_tools
from agentmem.replay.recall_check import check_recall
from agentmem.replay.report import ReplayReport, RequestSize, Restore
from agentmem.session_manager.manager import CompactingSessionManager

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager
    from strands.types.content import Message
    from strands.types.tools import ToolSpec

    from agentmem.replay.conversation import Conversation, Invocation
    from agentmem.replay.recall_check import RecallCheck
    from agentmem.testing.model_base import ModelRequest

_FIRST = 2 * HookOrder.SDK_FIRST


class Replay:
    """Replays a conversation.

    Args:
        conversation: The recorded conversation.
        open_manager: Makes the session manager of a fresh agent: the same session each time, new objects each time.
            None replays without a session manager, that is without memory and compaction. The SDK's plain manager
            does too, for a comparison.
        restart_every: After so many calls of the agent, and at the end, agent and manager are thrown away and made
            again from the log; 0 for never.
        on_request: Called with every request before it is answered.
        on_progress: Called after each call of the agent with how many are done.
        calls: Counts API calls; attach it to the boto3 session before replaying.
        agent_options: Further arguments of the agent, to replay with something else that manages its context, such as
            ``{"context_manager": "auto"}``; without any the agent keeps all messages it has.
        context_window_limit: The window the model claims to have, in tokens; None for unknown.
        recall: Ask at the end for what was folded away, and report what was found.

    Attributes:
        manager: The manager in use, after the replay the last one.
        agent: The agent in use, after the replay the last one.
    """

    def __init__(
        self,
        conversation: Conversation,
        open_manager: Callable[[], AgentCoreMemorySessionManager] | None = None,
        *,
        restart_every: int = 0,
        on_request: Callable[[ModelRequest], None] | None = None,
        on_progress: Callable[[int], object] | None = None,
        calls: ApiCalls | None = None,
        agent_options: Mapping[str, Any] | None = None,
        context_window_limit: int | None = None,
        recall: bool = True,
    ) -> None:
        """Keep the settings; nothing is opened before `run`."""
        self.conversation = conversation
        self.manager: AgentCoreMemorySessionManager | None = None
        self.agent: Agent | None = None
        self._open_manager = open_manager
        self._restart_every = restart_every
        self._on_request = on_request
        self._on_progress = on_progress
        self._calls = calls or ApiCalls()
        self._agent_options = agent_options or {"conversation_manager": NullConversationManager()}
        self._context_window_limit = context_window_limit
        self._recall = recall
        self._playback = Playback()
        self._tools = recorded_tools(conversation, self._playback)
        self._names = _StableNames()
        self._uncompacted = _uncompacted_sizes(conversation, [tool.tool_spec for tool in self._tools])
        self._sizes: list[RequestSize] = []
        self._restores: list[Restore] = []
        self._compactions = 0
        self._last_compaction: object = None
        self._restored = False

    def run(self, details: Mapping[str, Any] | None = None) -> ReplayReport:
        """Replay the whole conversation.

        Args:
            details: Facts to carry in the report.

        Returns:
            The report of the replay.

        Raises:
            CompactionError: A request cannot be made to fit.
        """
        started = time.perf_counter()
        invocations = self.conversation.invocations()
        agent = self._open()
        wait_if_loading()  # a summary made before the encoder is there would be another one
        for done, invocation in enumerate(invocations, 1):
            self._invoke(agent, invocation)
            if self._on_progress is not None:
                self._on_progress(done)
            if self._restart_every and (done % self._restart_every == 0 or done == len(invocations)):
                if done == len(invocations):
                    self._record_unanswered(agent)
                agent = self._restore(done)
        if not self._restart_every:
            self._record_unanswered(agent)
        seconds, api_calls = time.perf_counter() - started, dict(self._calls.by_operation)
        return ReplayReport(
            requests=tuple(self._sizes),
            invocations=len(invocations),
            messages=len(self.conversation.messages),
            restores=tuple(self._restores),
            compactions=self._compactions,
            api_calls=api_calls,
            seconds=seconds,
            details=details or {},
            recall=self._recalled(agent),
        )

    def close(self) -> None:
        """Close the manager in use."""
        if self.manager is not None:
            self.manager.close()

    def _open(self) -> Agent:
        self.manager = self._open_manager() if self._open_manager is not None else None
        model = ReplayModel(self._playback, self._take, context_window_limit=self._context_window_limit)
        self.agent = Agent(
            model=model,
            tools=list(self._tools),
            system_prompt=self.conversation.system,
            session_manager=self.manager,
            hooks=[_StopAfterTools(self._playback), self._names],
            callback_handler=None,
            **self._agent_options,
        )
        return self.agent

    def _invoke(self, agent: Agent, invocation: Invocation) -> None:
        self._playback.begin(invocation)
        # A list of blocks: Strands makes the message, so that the recording's own stays as it is.
        agent(list(invocation.prompt["content"]))

    def _restore(self, done: int) -> Agent:
        """Throw agent and manager away and restore new ones from the log."""
        self.close()
        before, started = self._calls.total, time.perf_counter()
        agent = self._open()
        seconds = time.perf_counter() - started
        self._restores.append(Restore(done, self._calls.total - before, seconds, len(agent.messages)))
        self._restored = True
        return agent

    def _take(self, request: ModelRequest) -> None:
        """Take note of a request the agent sends."""
        latest = self.manager.last_compaction if isinstance(self.manager, CompactingSessionManager) else None
        compacted = latest is not None and latest is not self._last_compaction
        self._last_compaction = latest
        self._compactions += compacted
        uncompacted = self._uncompacted[len(self._sizes)]
        self._sizes.append(RequestSize(request.tokens, uncompacted, compacted, self._restored))
        self._restored = False
        if self._on_request is not None:
            self._on_request(request)

    def _recalled(self, agent: Agent) -> RecallCheck | None:
        if not self._recall or not self._compactions or not isinstance(self.manager, CompactingSessionManager):
            return None
        return check_recall(self.manager.recall, self.conversation.messages, agent.messages, self._calls)

    def _record_unanswered(self, agent: Agent) -> None:
        """Store a last user message that the recording has no reply to; it is not sent to the model."""
        message = self.conversation.unanswered()
        if message is None or self.manager is None:
            return
        self.manager.append_message(self._names.name({"role": "user", "content": list(message["content"])}), agent)
        if isinstance(self.manager, CompactingSessionManager):
            self.manager.flush(agent)


class _StopAfterTools:
    """Ends an invocation after its tools where the recording goes on with the next user message."""

    def __init__(self, playback: Playback) -> None:
        self._playback = playback

    def register_hooks(self, registry: HookRegistry, **_: Any) -> None:
        registry.add_callback(BeforeToolsEvent, self._before_tools)

    def _before_tools(self, event: BeforeToolsEvent) -> None:
        if self._playback.stops_after_tools:
            event.agent.cancel(after_current_tools=True)


class _StableNames:
    """Gives messages tracking ids by their number, so that two replays of one file name the same handles."""

    def __init__(self) -> None:
        self._count = 0

    def register_hooks(self, registry: HookRegistry, **_: Any) -> None:
        # Before the session manager takes the message in.
        registry.add_callback(MessageAddedEvent, self._on_message, order=_FIRST)

    def name(self, message: Message) -> Message:
        self._count += 1
        message["tracking_id"] = str(uuid.uuid5(uuid.NAMESPACE_OID, f"agentmem.replay.{self._count}"))
        return message

    def _on_message(self, event: MessageAddedEvent) -> None:
        self.name(event.message)


def write_request(request: ModelRequest, file: IO[str]) -> None:
    """Write a request as one line of JSON; bytes are written as base64.

    Args:
        request: The request.
        file: Where to.
    """
    value = {"messages": request.messages, "system": request.system, "tools": request.tools}
    file.write(json.dumps(value, ensure_ascii=False, default=_base64) + "\n")


def _base64(value: object) -> str:
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"A request cannot be written: it holds a {type(value).__name__}.")


def _uncompacted_sizes(conversation: Conversation, tools: list[ToolSpec]) -> list[int]:
    """Count, for every recorded reply, the request that would have asked for it with the whole history."""
    sizes = []
    before_last = count_request([], conversation.system, tools)
    total = before_last
    last: Message | None = None
    for message in conversation.messages:
        if message["role"] == "assistant":
            sizes.append(total)
        if last is not None and last["role"] == message["role"]:
            # Neighbouring messages of one role are sent as one.
            last = {"role": last["role"], "content": [*last["content"], *message["content"]]}
        else:
            before_last, last = total, message
        total = before_last + count_message(last)
    return sizes
