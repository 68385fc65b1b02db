"""Defines the typed events of one turn, and their JSON form.

    message      MessageEvent      a delta of the visible text
    tool_use     ToolUseEvent      a tool is called
    tool_result  ToolResultEvent   a tool has answered
    guardrail    GuardrailEvent    a guardrail has looked at the input or the output
    metadata     MetadataEvent     usage, latency, and the doings of memory
    error        ErrorEvent        something went wrong; the stream goes on to its end
    done         DoneEvent         the last event, exactly one

`to_dict` gives the JSON form: the fields, and ``type``. `event_from_dict` reads it back.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias

__all__ = [
    "DoneEvent",
    "ErrorEvent",
    "GuardrailEvent",
    "MessageEvent",
    "MetadataEvent",
    "StreamEvent",
    "ToolResultEvent",
    "ToolUseEvent",
    "event_from_dict",
    "json_form",
    "json_text",
]

_DEEPEST = 100
"""Levels of a tool's input or result that are kept; what is nested deeper becomes a note."""


class _Event:
    """Gives an event its JSON form."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and ``type`` as values that JSON can hold."""
        return {one.name: json_form(getattr(self, one.name)) for one in fields(self)}  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class MessageEvent(_Event):
    """A piece of the visible text: append it to the pieces before.

    Attributes:
        content: The text that is new; never thinking, never a tool call written as text.
    """

    content: str
    type: Literal["message"] = field(default="message", init=False)


@dataclass(frozen=True, slots=True)
class ToolUseEvent(_Event):
    """A tool is called.

    Attributes:
        tool_name: The tool.
        tool_input: Its input; empty when the model's JSON could not be read.
        tool_use_id: The id that the result will carry.
        status: ``"started"``, or ``"as_text"`` for a call that the model wrote into its text (Amazon Nova does):
            nothing runs such a call, so no result follows.
    """

    tool_name: str
    tool_input: dict[str, Any]
    tool_use_id: str
    status: str = "started"
    type: Literal["tool_use"] = field(default="tool_use", init=False)


@dataclass(frozen=True, slots=True)
class ToolResultEvent(_Event):
    """A tool has answered.

    Attributes:
        tool_name: The tool, or ``""`` when the stream does not tell.
        tool_result: The result; from Strands the list of content blocks (``[{"text": ...}]``).
        tool_use_id: The id of the call.
        status: ``"success"`` or ``"error"``; other servers have other words.
    """

    tool_name: str
    tool_result: Any
    tool_use_id: str
    status: str = "success"
    type: Literal["tool_result"] = field(default="tool_result", init=False)


@dataclass(frozen=True, slots=True)
class GuardrailEvent(_Event):
    """A guardrail has looked at the input or the output.

    Attributes:
        source: ``"INPUT"`` or ``"OUTPUT"``, as in Bedrock's ApplyGuardrail.
        action: ``"GUARDRAIL_INTERVENED"`` or ``"NONE"``, as there.
        assessments: Bedrock's assessments; empty when the trace is off.
    """

    source: str
    action: str
    assessments: Sequence[Mapping[str, Any]] = ()
    type: Literal["guardrail"] = field(default="guardrail", init=False)


@dataclass(frozen=True, slots=True)
class MetadataEvent(_Event):
    """Figures about the turn or a model call.

    Attributes:
        data: By name. `stream_turn` has the list of what it tells; what others send arrives as they name it.
    """

    data: dict[str, Any]
    type: Literal["metadata"] = field(default="metadata", init=False)


@dataclass(frozen=True, slots=True)
class ErrorEvent(_Event):
    """Something went wrong. A `DoneEvent` still follows.

    Attributes:
        message: A sentence for the reader.
        details: The kind of error, or None. Never the text of an exception of ours: a browser is no log.
    """

    message: str
    details: str | None = None
    type: Literal["error"] = field(default="error", init=False)


@dataclass(frozen=True, slots=True)
class DoneEvent(_Event):
    """The end of the stream; nothing follows."""

    type: Literal["done"] = field(default="done", init=False)


StreamEvent: TypeAlias = (
    MessageEvent | ToolUseEvent | ToolResultEvent | GuardrailEvent | MetadataEvent | ErrorEvent | DoneEvent
)
"""Any event; ``event.type`` tells which."""


def event_from_dict(data: Mapping[str, Any]) -> StreamEvent | None:  # noqa: PLR0911 - one for each type
    """Return the event of a JSON form, lenient about what other servers leave out or name otherwise.

    Args:
        data: A decoded JSON object with a ``type``.

    Returns:
        The event, or None when ``type`` is none of ours or the object is no such event after all.
    """
    kind = data.get("type")
    if kind == "message":
        content = data.get("content")
        return MessageEvent(content) if isinstance(content, str) else None
    if kind == "tool_use":
        given = data.get("tool_input", data.get("input"))
        name, use_id = _name_and_id(data)
        return ToolUseEvent(name, given if isinstance(given, dict) else {}, use_id, _text(data, "status") or "started")
    if kind == "tool_result":
        result = data.get("tool_result", data.get("result"))
        name, use_id = _name_and_id(data)
        return ToolResultEvent(name, result, use_id, _text(data, "status") or "success")
    if kind == "guardrail":
        found = data.get("assessments")
        assessments = tuple(one for one in found if isinstance(one, dict)) if isinstance(found, list | tuple) else ()
        return GuardrailEvent(_text(data, "source") or "INPUT", _text(data, "action") or "NONE", assessments)
    if kind == "metadata":
        figures = data.get("data")
        return MetadataEvent(figures) if isinstance(figures, dict) else None
    if kind == "error":
        details = data.get("details")
        message = _text(data, "message") or _text(data, "error") or "The agent could not answer."
        return ErrorEvent(message, details if details is None else str(details))
    return DoneEvent() if kind == "done" else None


def json_form(value: Any) -> Any:
    """Return a value as JSON can hold it.

    Args:
        value: Any value, such as a tool's input or result.

    Returns:
        The value; bytes are base64 text, and not-a-number and infinity are null, for browsers refuse both. What has
        no JSON form is named by its type.
    """
    return _json_form(value, 0)


def json_text(value: Any) -> str:
    """Return a value as JSON text that any parser reads back unchanged, on one line.

    A half of a surrogate pair, which UTF-8 cannot hold, is escaped; everything else stays readable.
    """
    text = json.dumps(json_form(value), ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(json_form(value), separators=(",", ":"))
    return text


def _json_form(value: Any, depth: int) -> Any:  # noqa: PLR0911 - one for each kind of value
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth >= _DEEPEST:
        return f"[nested deeper than {_DEEPEST} levels]"
    if isinstance(value, Mapping):
        return {str(key): _json_form(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_json_form(inner, depth + 1) for inner in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(value).decode()
    return f"[{type(value).__name__}]"


def _name_and_id(data: Mapping[str, Any]) -> tuple[str, str]:
    return (
        _text(data, "tool_name") or _text(data, "name"),
        _text(data, "tool_use_id") or _text(data, "toolUseId") or _text(data, "id"),
    )


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""
