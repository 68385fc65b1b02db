"""Streams one turn of a Strands agent as typed events."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import anyio
from strands.types.exceptions import (
    ConcurrencyException,
    ContextWindowOverflowException,
    EventLoopException,
    MaxTokensReachedException,
    ModelThrottledException,
)

from agentmem.errors import HistoryUnavailableError
from agentmem.streaming.events import DoneEvent, ErrorEvent, MessageEvent, MetadataEvent, ToolUseEvent
from agentmem.streaming.interpreter import Interpreter
from agentmem.streaming.memory_report import TurnMemory

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from strands import Agent
    from strands.agent import AgentResult
    from strands.types.agent import AgentInput, Limits

    from agentmem.streaming.events import StreamEvent
    from agentmem.streaming.visible_text import TextForm

__all__ = ["CANCEL_SECONDS", "stream_turn"]

CANCEL_SECONDS = 5.0
"""How long a turn whose reader has gone may take to stop by itself; `SessionAgents` gives the same."""

_ERRORS: tuple[tuple[type[Exception], str], ...] = (
    (ConcurrencyException, "The agent is still answering the message before. Try again when it has finished."),
    (ModelThrottledException, "The model is busy. Try again in a moment."),
    (ContextWindowOverflowException, "The conversation is too long for the model."),
    (MaxTokensReachedException, "The answer was too long and was cut off."),
    (HistoryUnavailableError, "The conversation so far could not be read. Try again in a moment."),
)
_UNKNOWN_ERROR = "The agent could not finish its answer."
_log = logging.getLogger(__name__)
_running: set[asyncio.Task[None]] = set()
"""Turns under way: asyncio itself holds tasks weakly."""


async def stream_turn(
    agent: Agent,
    prompt: AgentInput,
    *,
    invocation_state: dict[str, Any] | None = None,
    limits: Limits | None = None,
    text: TextForm = "incremental",
    cancel_seconds: float = CANCEL_SECONDS,
) -> AsyncGenerator[StreamEvent, None]:
    """Run one turn of an agent and yield its events as they happen.

    The agent is used as it is, with its session manager, hooks and tools. Thinking is left out, and a tool call that
    the model writes into its text (Amazon Nova does) becomes a `ToolUseEvent` with status ``"as_text"``.

    Whoever stops reading cancels the turn: closing the generator, leaving the loop around it, or cancelling its task.
    The agent stops at its next safe point, memory saves what was said, and only then does closing return, so the agent
    can be used again at once and its session is valid. What does not stop within `cancel_seconds` is interrupted.

    The events before the end are those of the turn, in order. The last two are always:

    `MetadataEvent`, whose `data` holds
        ``inputTokens``, ``outputTokens``, ``totalTokens``, ``cacheReadInputTokens``, ``cacheWriteInputTokens``: of all
        model calls together, as far as the model reports them; ``latencyMs``: the model's own, summed;
        ``modelCalls``; ``durationMs``: the whole turn; ``firstTextMs``: until the first text, or None;
        ``stopReason``: Strands' (``end_turn``, ``interrupt``, ``cancelled``, ...), or None after an error;
        ``interrupts``: what the agent waits for, each with ``id``, ``name`` and ``reason``;
        ``memory``: empty without a memory of this package, else

        - ``records``: long-term memories shown to the model (``record_id``, ``namespace``, ``score``, ``text``),
        - ``compactions``: ``trigger``, ``tokens_before``, ``tokens_after``, ``folded``, ``shortened``,
        - ``recalls``: calls of the recall tool (``tool_use_id`` and ``query`` or ``handle``),
        - ``saving``: ``pending`` and ``dropped`` messages, and the kind of ``error`` when the last save failed.

    `DoneEvent`
        exactly one.

    Args:
        agent: The agent. It serves one turn at a time.
        prompt: What ``agent.stream_async`` takes.
        invocation_state: Passed on to it.
        limits: Passed on to it.
        text: ``"cumulative"`` for a model provider that repeats the text so far with each piece.
        cancel_seconds: Seconds that a turn whose reader has gone has to stop by itself.

    Yields:
        The events. An exception of the agent is an `ErrorEvent` with the exception's type in `details`; its text goes
        to the log, because it may name accounts and resources.
    """
    turn = _Turn(agent, text)
    # A task of its own: however the reader goes, and whatever cancels it, the turn comes to a proper end.
    task = asyncio.create_task(turn.run(prompt, invocation_state, limits))
    _running.add(task)
    task.add_done_callback(_running.discard)
    try:
        while True:
            while turn.events:
                event = turn.events.popleft()
                if event is None:
                    return
                yield event
            await turn.more()
    finally:
        if not task.done():
            turn.cancel_signal.set()
            with anyio.CancelScope(shield=True):  # servers cancel again and again
                await _end(task, cancel_seconds)


class _Turn:
    """One turn: what the agent does on one side, a queue of events on the other."""

    def __init__(self, agent: Agent, text: TextForm) -> None:
        # Without a bound: one turn is not large, and an agent must not wait for a slow reader with its session open.
        # A deque and one future, because an asyncio.Queue costs more than all the reading of a delta.
        self.events: deque[StreamEvent | None] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self.cancel_signal = threading.Event()
        self._agent = agent
        self._interpreter = Interpreter(text)
        self._memory = TurnMemory(agent)
        self._began = time.monotonic()
        self._first_text: float | None = None
        self._figures: dict[str, int] = {}
        self._calls = 0

    async def more(self) -> None:
        """Wait until there are events; for the one reader."""
        self._reader = self._loop.create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    async def run(self, prompt: AgentInput, invocation_state: dict[str, Any] | None, limits: Limits | None) -> None:
        """Run the turn and queue its events, the last of them and the mark of the end whatever happens."""
        result: AgentResult | None = None
        error: ErrorEvent | None = None
        try:
            stream = self._agent.stream_async(
                prompt, invocation_state=invocation_state, limits=limits, cancel_signal=self.cancel_signal
            )
            async for event in stream:
                if "event" in event:
                    if events := self._interpreter.read(event):
                        self._tell(events)
                    if "messageStart" in event["event"]:
                        self._memory.look()
                elif "message" in event:
                    self._tell(self._interpreter.read(event))
                elif "result" in event:
                    result = event["result"]
                # Everything else repeats what the model's own events have said, or is about the loop.
        except Exception as failure:  # noqa: BLE001 - told in the stream, and logged
            _log.exception("agent=<%s> | a streamed turn ended in an error", self._agent.name)
            error = _error_event(failure)
        except BaseException:
            error = ErrorEvent("The answer was interrupted.", "CancelledError")
            raise
        finally:
            self._tell(self._interpreter.settle())
            if error is not None:
                self.events.append(error)
            self.events += (MetadataEvent(self._metadata(result)), DoneEvent(), None)
            self._wake()

    def _tell(self, events: Sequence[StreamEvent]) -> None:
        for event in events:
            if isinstance(event, MessageEvent):
                if self._first_text is None:
                    self._first_text = time.monotonic()
            elif isinstance(event, MetadataEvent):
                self._add(event.data)
                continue
            elif isinstance(event, ToolUseEvent):
                self._memory.called(event)
            self.events.append(event)
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _add(self, figures: dict[str, Any]) -> None:
        self._calls += 1
        for name, value in figures.items():
            if name != "timeToFirstByteMs":  # of one call; the turn has `firstTextMs`
                self._figures[name] = self._figures.get(name, 0) + value

    def _metadata(self, result: AgentResult | None) -> dict[str, Any]:
        interrupts = (result.interrupts if result is not None else None) or ()
        return {
            **self._figures,
            "modelCalls": self._calls,
            "durationMs": round((time.monotonic() - self._began) * 1000),
            "firstTextMs": None if self._first_text is None else round((self._first_text - self._began) * 1000),
            "stopReason": result.stop_reason if result is not None else None,
            "interrupts": [{"id": one.id, "name": one.name, "reason": one.reason} for one in interrupts],
            "memory": self._memory.report(),
        }


async def _end(task: asyncio.Task[None], seconds: float) -> None:
    """Wait for a cancelled turn; interrupt it when its time is up, for which its memory still gets some."""
    _, late = await asyncio.wait({task}, timeout=seconds)
    if late:
        _log.warning("seconds=<%s> | a turn whose reader has gone did not stop and is interrupted", seconds)
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_SECONDS)


def _error_event(failure: Exception) -> ErrorEvent:
    if isinstance(failure, EventLoopException):  # wraps what a tool or a later model call has raised
        failure = failure.original_exception
    message = next((text for kind, text in _ERRORS if isinstance(failure, kind)), _UNKNOWN_ERROR)
    return ErrorEvent(message, type(failure).__name__)
