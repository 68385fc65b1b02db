"""Reads the objects of a stream, in any of the forms that agents send, into typed events.

| form | looks like |
|---|---|
| Bedrock | ``{"contentBlockDelta": {"delta": {"text": "Hel"}}}``, and all of ConverseStream |
| Strands | ``{"event": {...}}`` with Bedrock's form in it, ``{"data": "Hel"}``, ``{"message": {...}}`` |
| ours | ``{"type": "message", "content": "Hel"}`` and the other events' JSON forms |
| plain | ``{"delta": "Hel"}``, ``{"text": "Hel"}``, ``{"result": "Hello."}``, ``"Hel"``, ``{"error": "..."}`` |

Strands sends most things two or three times, in several of these forms; each is told once. Anything unknown is
passed over.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from agentmem.streaming.events import (
    ErrorEvent,
    MessageEvent,
    MetadataEvent,
    ToolResultEvent,
    ToolUseEvent,
    event_from_dict,
)
from agentmem.streaming.model_chunks import ModelChunks, figures, is_model_chunk
from agentmem.streaming.tool_calls import ToolCalls
from agentmem.streaming.visible_text import NOTHING, VisibleText

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentmem.streaming.events import StreamEvent
    from agentmem.streaming.visible_text import TextForm

__all__ = ["Interpreter"]

_OURS = {"message", "tool_use", "tool_result", "guardrail", "metadata", "error", "done"}
_ABOUT_THE_LOOP = ("init_event_loop", "start", "start_event_loop", "event_loop_throttled_delay", "tool_stream_event")
_PLAIN_TEXT = ("delta", "text", "content", "chunk")
_WHOLE_ANSWER = ("result", "response", "output", "completion", "answer")
_PYTHON_REPR = re.compile(r"\{'[a-z_]+': ")


class Interpreter:
    """Reads one stream, object by object."""

    def __init__(self, text: TextForm = "auto") -> None:
        """Begin with nothing read.

        Args:
            text: Whether pieces of text continue those before or repeat them; `VisibleText` has the rules.
        """
        self._text = VisibleText(text)
        self._calls = ToolCalls()
        self._chunks = ModelChunks(self._text, self._calls)
        self._last_error: str | None = None

    @property
    def in_message(self) -> bool:
        """Whether a model's answer has begun and not ended."""
        return self._chunks.in_message

    def read(self, data: Mapping[str, Any]) -> Sequence[StreamEvent]:  # noqa: PLR0911 - one for each form
        """Return the events of one object, none for most.

        Args:
            data: An object of the stream: decoded JSON, or an event of Strands' ``stream_async``.
        """
        event = data.get("event")
        while isinstance(event, dict):
            if "contentBlockDelta" in event:  # nearly all there is: the way to the text is kept short
                return self._chunks.delta(event["contentBlockDelta"])
            if is_model_chunk(event):
                return self._chunks.read(event)
            data, event = event, event.get("event")  # a graph's or swarm's events hold an agent's
        if isinstance(data.get("data"), str):
            # Strands has sent it in the model's form before.
            return NOTHING if self._chunks.seen else [*self._calls.settle(), *self._text.piece(data["data"])]
        kind = data.get("type")
        if isinstance(kind, str) and kind in _OURS and not isinstance(data.get("message"), dict):
            return self._ours(data)
        if is_model_chunk(data):
            return self._chunks.read(data)
        if isinstance(data.get("current_tool_use"), dict):
            return NOTHING if self._chunks.seen else self._calls.grow(data["current_tool_use"])
        if isinstance(data.get("message"), dict):
            return self._message(data["message"])
        if isinstance(data.get("content"), list):
            return self._message(data)
        return self._rest(data)

    def read_text(self, text: str) -> Sequence[StreamEvent]:
        """Return the events of a JSON string, which stands for a piece of text."""
        if _PYTHON_REPR.match(text) and text.endswith("}"):
            # AgentCore's SDK writes what it cannot serialize as the text of its Python form (its issue 659).
            return NOTHING
        return self._text.unlabelled_piece(text)

    def settle(self) -> Sequence[StreamEvent]:
        """Tell what was held back, now that nothing follows."""
        return [*self._calls.settle(), *self._chunks.settle()]

    def _ours(self, data: Mapping[str, Any]) -> Sequence[StreamEvent]:
        event = event_from_dict(data)
        if isinstance(event, MessageEvent):
            return self._text.unlabelled_piece(event.content)
        if isinstance(event, ToolUseEvent | ToolResultEvent):
            return [*self._text.end_text(), *self._calls.note(event)]
        if event is None:
            return self._message(data) if isinstance(data.get("content"), list) else NOTHING
        return [*self._text.end_text(), event]

    def _message(self, message: Mapping[str, Any]) -> Sequence[StreamEvent]:
        """Read a whole message: the text that was not streamed, tool calls and tool results."""
        content = message.get("content")
        if not isinstance(content, list):
            return NOTHING
        blocks = [block for block in content if isinstance(block, dict)]
        told: list[StreamEvent] = []
        if message.get("role") != "user":
            texts = [block["text"] for block in blocks if isinstance(block.get("text"), str)]
            if texts:
                told += self._text.whole("".join(texts))
        for block in blocks:
            if isinstance(block.get("toolUse"), dict):
                told += [*self._text.end_text(), *self._calls.whole(block["toolUse"])]
            elif isinstance(block.get("toolResult"), dict):
                told += [*self._text.end_text(), *self._calls.result(block["toolResult"])]
        return told

    def _rest(self, data: Mapping[str, Any]) -> Sequence[StreamEvent]:
        if any(key in data for key in _ABOUT_THE_LOOP) or isinstance(data.get("delta"), dict):
            return NOTHING
        if data.get("force_stop"):
            return self._error("The agent was stopped.", str(data.get("force_stop_reason") or ""))
        if error := data.get("error"):
            return self._reported_error(data, error)
        for key in _PLAIN_TEXT:
            if isinstance(data.get(key), str):
                return self._text.unlabelled_piece(data[key])
        for key in _WHOLE_ANSWER:
            if key in data:
                return self._answer(data[key])
        found = figures(data.get("usage"), data.get("metrics"))
        return (MetadataEvent(found),) if found else NOTHING

    def _answer(self, answer: Any) -> Sequence[StreamEvent]:
        """Read the answer as a whole, of which there may be nothing that was not streamed."""
        if isinstance(answer, str):
            return NOTHING if _PYTHON_REPR.match(answer) else self._text.whole(answer)
        if isinstance(answer, dict):
            inner = answer.get("message")
            return self._message(inner if isinstance(inner, dict) else answer)
        return NOTHING

    def _reported_error(self, data: Mapping[str, Any], error: Any) -> Sequence[StreamEvent]:
        message = data.get("message")
        if isinstance(error, dict):
            message, error = error.get("message"), error.get("type") or error.get("code")
        if isinstance(message, str):
            return self._error(message, error if isinstance(error, str) else data.get("details"))
        return self._error(error if isinstance(error, str) else "The agent could not answer.", None)

    def _error(self, message: str, details: Any) -> Sequence[StreamEvent]:
        told = self.settle()
        self._chunks.in_message = False
        reason = str(details) if details else None
        if reason is not None and reason == self._last_error:
            return told  # Strands says that it stops, and the server says so once more
        self._last_error = reason
        return [*told, ErrorEvent(message, reason)]
