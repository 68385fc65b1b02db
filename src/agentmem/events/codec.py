"""Decodes events of the log into Strands messages.

Every form found in the wild is read: those that ``serializer`` writes, the SDK's own session manager's, the SDK's
OpenAI converter's, and plain text written by hooks or by hand. An item of no known form is counted and passed over,
never fatal.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from bedrock_agentcore.memory.integrations.strands.converters import OpenAIConverseConverter
from strands.types.session import decode_bytes_values

from agentmem.events.agents import RESERVED
from agentmem.events.position import Position

if TYPE_CHECKING:
    from strands.types.content import Message

__all__ = ["MARK", "MESSAGE", "REPLACES", "DecodedEvent", "LoggedMessage", "Origin", "decode_event", "decode_stored"]

Origin = Literal["sdk", "openai", "text", "clean"]
"""Which form a message was stored in."""

MARK = "agentmem"
"""The key under which an item of agentmem's own says its kind."""

MESSAGE, REPLACES = "message", "replaces"
"""Kinds of them: a whole message, and the mark of an event that was written anew."""

_TRACKING = uuid.UUID("6f1de9bd-9a3c-4a94-8c4e-0b0f3a3f2d5e")
_ROLES = {"USER": "user", "ASSISTANT": "assistant"}


@dataclass(frozen=True)
class LoggedMessage:
    """One message as it stands in the log.

    Attributes:
        message: The Strands message, always with a ``tracking_id``.
        position: Its event and item.
        at: The event's time, UTC.
        origin: The form it was stored in.
    """

    message: Message
    position: Position
    at: datetime
    origin: Origin


@dataclass(frozen=True)
class DecodedEvent:
    """What one event holds.

    Attributes:
        event_id: The event's id.
        at: The event's time, UTC.
        messages: Its messages, in order.
        agent_id: The agent whose state it carries, from the event's metadata.
        agent_state: That state, the JSON form of a Strands ``SessionAgent``.
        is_session_marker: Whether it is the SDK's mark that the session exists.
        ours: Items of agentmem's own, by kind.
        unknown: How many items were in no known form.
        replaces: Ids of the events that this one was written to replace.
        marks: Metadata that says whose it is, when it is not the main agent's (`agents`).
    """

    event_id: str
    at: datetime
    messages: tuple[LoggedMessage, ...] = ()
    agent_id: str | None = None
    agent_state: Mapping[str, Any] | None = None
    is_session_marker: bool = False
    ours: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unknown: int = 0
    replaces: frozenset[str] = frozenset()
    marks: Mapping[str, str] = field(default_factory=dict)


def decode_event(event: Mapping[str, Any]) -> DecodedEvent:
    """Decode an event as ListEvents or GetEvent returns it. Never raises for what is inside a payload."""
    event_id = str(event["eventId"])
    at = _utc(event.get("eventTimestamp"))
    messages: list[LoggedMessage] = []
    state: Mapping[str, Any] | None = None
    marker = False
    ours: dict[str, Mapping[str, Any]] = {}
    replaces: frozenset[str] = frozenset()
    unknown = 0
    for item, payload in enumerate(event.get("payload") or ()):
        found = _decode_item(payload)
        match found:
            case None:
                unknown += 1
            case ("state", value):
                state = value
            case ("session", _):
                marker = True
            case ("ours", {"agentmem": "replaces", "event_ids": list(ids)}):
                replaces = frozenset(map(str, ids))
            case ("ours", value):
                ours[str(value[MARK])] = value
            case (origin, value):
                message = _cleaned(value, event_id, item)
                if message is not None:
                    messages.append(LoggedMessage(message, Position(event_id, item), at, cast("Origin", origin)))
    if any(one.origin == "clean" for one in messages):
        messages = [one for one in messages if one.origin != "text"]  # what is said, for extraction only
    metadata = event.get("metadata") or {}
    agent_id = metadata.get("agentId", {}).get("stringValue")
    marks = {key: metadata[key]["stringValue"] for key in RESERVED & metadata.keys()}
    return DecodedEvent(event_id, at, tuple(messages), agent_id, state, marker, ours, unknown, replaces, marks)


def _decode_item(payload: Mapping[str, Any]) -> tuple[str, Any] | None:
    if "conversational" in payload:
        conversational = payload["conversational"]
        return _decode_text(str(conversational["content"].get("text", "")), str(conversational.get("role", "")))
    return _decode_blob(payload["blob"]) if "blob" in payload else None


def _decode_blob(stored: object) -> tuple[str, Any] | None:
    blob = _json(stored) if isinstance(stored, str) else stored
    if isinstance(blob, list) and len(blob) == 2 and all(isinstance(part, str) for part in blob):
        return _decode_text(blob[0], blob[1])
    if not isinstance(blob, Mapping):
        return None
    if blob.get(MARK) == MESSAGE:
        message = _with_bytes(blob.get(MESSAGE))
        return None if message is None else ("clean", message)
    kinds = (("ours", {MARK}), ("state", {"agent_id", "state"}), ("session", {"session_id", "session_type"}))
    return next(((kind, blob) for kind, keys in kinds if keys <= blob.keys()), None)


def _decode_text(text: str, role: str) -> tuple[Origin, Any] | None:
    found = decode_stored(text, role) if text.startswith("{") else None
    if found is not None:
        return found
    name = _ROLES.get(role.upper())
    return ("text", {"role": name, "content": [{"text": text}]}) if name else None


def decode_stored(text: str, role: str) -> tuple[Origin, Any] | None:
    """Decode a message that is stored as JSON; None when the text is just text."""
    value = _json(text)
    if not isinstance(value, Mapping):
        return None
    if _is_message(value.get("message")):
        redacted = value.get("redact_message")
        message = _with_bytes(redacted if _is_message(redacted) else value["message"])
        # Every writer stores both roles the same: otherwise it is a user's text that would pass for an assistant's.
        return None if message is None or message["role"].upper() != role.upper() else ("sdk", message)
    if value.get("role") in ("user", "assistant", "tool", "system") and _is_openai(value):
        if value["role"].upper() != role.upper():
            return None
        try:
            found = OpenAIConverseConverter.events_to_messages([{"payload": [_conversational(text, role)]}])
        except (AttributeError, KeyError, TypeError, ValueError):
            return None
        return ("openai", found[0].message) if found else None
    return None


def _with_bytes(message: object) -> Any:
    """Return a stored message with its bytes decoded; None when it is no message."""
    if not _is_message(message):
        return None
    try:
        return decode_bytes_values(message)
    except (TypeError, ValueError):
        return None


def _is_message(value: object) -> bool:
    return (
        isinstance(value, Mapping) and value.get("role") in _ROLES.values() and isinstance(value.get("content"), list)
    )


def _is_openai(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("content"), (str, type(None))) and (value["role"] != "tool" or "tool_call_id" in value)


def _conversational(text: str, role: str) -> dict[str, Any]:
    return {"conversational": {"content": {"text": text}, "role": role}}


def _cleaned(value: Mapping[str, Any], event_id: str, item: int) -> Message | None:
    content = [block for block in value["content"] if _is_block(block)]
    if not content:
        return None
    tracking_id = value.get("tracking_id")
    if not isinstance(tracking_id, str) or not tracking_id:
        # A message stored without a tracking id gets one that is the same at every reading.
        tracking_id = str(uuid.uuid5(_TRACKING, f"{event_id}/{item}"))
    return cast("Message", {**value, "content": content, "tracking_id": tracking_id})


def _is_block(block: object) -> bool:
    """Whether something is a content block that a model takes; others would break every later request."""
    if not isinstance(block, Mapping) or not block:
        return False
    if "text" in block:
        return isinstance(block["text"], str) and bool(block["text"].strip())
    if not all(isinstance(value, Mapping) for value in block.values()):
        return False
    if "toolUse" in block:
        return all(isinstance(block["toolUse"].get(key), str) for key in ("toolUseId", "name"))
    if "toolResult" in block:
        result = block["toolResult"]
        content = result.get("content")
        return (
            isinstance(result.get("toolUseId"), str)
            and isinstance(content, list)
            and all(isinstance(part, Mapping) for part in content)
        )
    return True


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # nested by the thousand, it is somebody's text and nothing of ours
        return None


def _utc(value: object) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC)
    return datetime.fromtimestamp(0, UTC)
