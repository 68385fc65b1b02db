"""Translates events into those of AG-UI, for front ends that speak it.

| event | AG-UI |
|---|---|
| the first | ``RUN_STARTED`` |
| message | ``TEXT_MESSAGE_START``, ``TEXT_MESSAGE_CONTENT``; ``TEXT_MESSAGE_END`` before anything else |
| tool_use | ``TOOL_CALL_START``, ``TOOL_CALL_ARGS``, ``TOOL_CALL_END``; one written as text: ``CUSTOM`` |
| tool_result | ``TOOL_CALL_RESULT`` |
| guardrail, metadata | ``CUSTOM`` of that name |
| error, then done | ``RUN_ERROR`` |
| done | ``RUN_FINISHED``, with the interrupts that wait for an answer, or that it was cancelled |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from agentmem.streaming.events import DoneEvent, ErrorEvent, MessageEvent, MetadataEvent, ToolUseEvent, json_text
from agentmem.streaming.events import ToolResultEvent as Result
from agentmem.streaming.extra import from_web_extra

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable

    from ag_ui.core import BaseEvent

    from agentmem.streaming.events import StreamEvent

__all__ = ["ag_ui_events"]


async def ag_ui_events(
    events: AsyncIterable[StreamEvent], *, thread_id: str, run_id: str
) -> AsyncGenerator[BaseEvent, None]:
    """Translate a stream into AG-UI's events: ``sse_response(ag_ui_events(stream_turn(...), ...))``.

    Args:
        events: The stream; it is closed when the translation is.
        thread_id: The request's ``threadId``; a session id fits.
        run_id: The request's ``runId``.

    Yields:
        AG-UI's events, for `sse_response`, `sse_encode` or AG-UI's own ``EventEncoder``.

    Raises:
        MissingExtraError: The extra ``web`` is not installed.
    """
    run = _Run(from_web_extra("ag_ui.core", "ag_ui_events"), thread_id, run_id)
    yield run.started()
    try:
        async for event in events:
            for translated in run.translate(event):
                yield translated
    finally:
        aclose = getattr(events, "aclose", None)
        if aclose is not None:
            await aclose()


class _Run:
    """Knows which text message is open, and how the run will end."""

    def __init__(self, ag_ui: Any, thread_id: str, run_id: str) -> None:
        self._ag_ui = ag_ui
        self._ids = {"thread_id": thread_id, "run_id": run_id}
        self._message_id: str | None = None
        self._error: ErrorEvent | None = None
        self._outcome: Any = None

    def started(self) -> BaseEvent:
        """Return the event that begins the run."""
        event: BaseEvent = self._ag_ui.RunStartedEvent(**self._ids, protocol_version=self._ag_ui.PROTOCOL_VERSION)
        return event

    def translate(self, event: StreamEvent) -> list[BaseEvent]:
        """Return what an event is in AG-UI."""
        ui = self._ag_ui
        if isinstance(event, MessageEvent):
            return self._text(event.content)
        if isinstance(event, ErrorEvent):
            self._error = event  # nothing may follow it on the wire, and metadata still does
            return []
        if isinstance(event, ToolUseEvent) and event.status != "as_text":
            call = {"tool_call_id": event.tool_use_id}
            return [
                *self._end_text(),
                ui.ToolCallStartEvent(**call, tool_call_name=event.tool_name),
                ui.ToolCallArgsEvent(**call, delta=json_text(event.tool_input)),
                ui.ToolCallEndEvent(**call),
            ]
        if isinstance(event, Result):
            result = ui.ToolCallResultEvent(
                message_id=str(uuid4()), tool_call_id=event.tool_use_id, content=_result_text(event.tool_result)
            )
            return [*self._end_text(), result]
        if isinstance(event, DoneEvent):
            return [*self._end_text(), self._end()]
        if isinstance(event, MetadataEvent):
            self._outcome = self._outcome_of(event.data) or self._outcome
        value = event.to_dict()
        return [*self._end_text(), ui.CustomEvent(name=value.pop("type"), value=value)]

    def _text(self, delta: str) -> list[BaseEvent]:
        if not delta:
            return []
        begin = []
        if self._message_id is None:
            self._message_id = str(uuid4())
            begin = [self._ag_ui.TextMessageStartEvent(message_id=self._message_id, role="assistant")]
        return [*begin, self._ag_ui.TextMessageContentEvent(message_id=self._message_id, delta=delta)]

    def _end_text(self) -> list[BaseEvent]:
        if self._message_id is None:
            return []
        message_id, self._message_id = self._message_id, None
        return [self._ag_ui.TextMessageEndEvent(message_id=message_id)]

    def _end(self) -> BaseEvent:
        event: BaseEvent
        if self._error is not None:
            event = self._ag_ui.RunErrorEvent(message=self._error.message, code=self._error.details)
        else:
            event = self._ag_ui.RunFinishedEvent(**self._ids, outcome=self._outcome)
        return event

    def _outcome_of(self, data: dict[str, Any]) -> Any:
        if data.get("interrupts"):
            waiting = [
                self._ag_ui.Interrupt(id=one["id"], reason=one["name"], message=_sentence(one.get("reason")))
                for one in data["interrupts"]
            ]
            return self._ag_ui.RunFinishedInterruptOutcome(interrupts=waiting)
        if data.get("stopReason") == "cancelled":
            return self._ag_ui.RunFinishedCancelledOutcome()
        return None


def _sentence(reason: Any) -> str | None:
    return reason if reason is None or isinstance(reason, str) else json_text(reason)


def _result_text(result: Any) -> str:
    """Return a tool's result as text: that of its text blocks, or its JSON."""
    if isinstance(result, str):
        return result
    if isinstance(result, list) and all(isinstance(block, dict) and set(block) == {"text"} for block in result):
        return "\n".join(str(block["text"]) for block in result)
    return json_text(result)
