"""Reads the messages in an event: plain text, JSON that a caller wrote, and messages that session managers stored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

JSON = "JSON"
"""The role of a ``json`` item whose shape is the caller's own."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message worth reading.

    Attributes:
        index: Position in the event's payload.
        role: ``"USER"``, ``"ASSISTANT"``, ``"TOOL"``, ``"OTHER"``, or ``"JSON"`` for an item of the caller's own form.
        text: Its text, without reasoning, media and tool calls; of a ``"JSON"`` message the JSON itself.
    """

    index: int
    role: str
    text: str


def read_payload(payload: Iterable[Mapping[str, Any]]) -> list[Message]:
    """The messages of an event's payload; blobs are left out, as on AWS.

    A message that a session manager stored as JSON is read as the text in it; results of tools in it become messages
    of the role ``"TOOL"``. So is a ``json`` item that holds a Converse or chat message. Other JSON is passed on whole.
    """
    messages: list[Message] = []
    for index, item in enumerate(payload):
        if "conversational" in item:
            role, text = item["conversational"]["role"], item["conversational"]["content"].get("text", "")
            read = _stored_message(text)
            if read is None:
                read = [(role, text)]
        elif "json" in item:
            content = item["json"].get("content")
            read = _message_of(content)
            if read is None:
                read = [(JSON, json.dumps(content, ensure_ascii=False))]
        else:
            continue
        messages += [Message(index, role, text.strip()) for role, text in read if text.strip()]
    return messages


def json_texts(text: str) -> list[str]:
    """The strings in a JSON document, in order; names of members are left out."""
    try:
        waiting = [json.loads(text)]
    except (ValueError, RecursionError):  # nested by the thousand
        return []
    found: list[str] = []
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            waiting += reversed(value.values())
        elif isinstance(value, list):
            waiting += reversed(value)
    return found


def _stored_message(text: str) -> list[tuple[str, str]] | None:
    """Roles and texts of a JSON-encoded message; None when the text is the message itself."""
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # nested by the thousand, it is text
        return None
    return _message_of(value)


def _message_of(value: Any) -> list[tuple[str, str]] | None:
    if isinstance(value, dict) and isinstance(value.get("message"), dict):
        value = value["message"]  # the SDK's SessionMessage
    if not isinstance(value, dict) or not isinstance(value.get("role"), str) or "content" not in value:
        return None
    role, content = value["role"].upper(), value["content"]
    role = role if role in ("USER", "ASSISTANT", "TOOL") else "OTHER"
    if isinstance(content, str):
        return [(role, content)]
    if not isinstance(content, list):
        return None
    blocks = [block for block in content if isinstance(block, dict)]
    results = [block["toolResult"] for block in blocks if isinstance(block.get("toolResult"), dict)]
    return [(role, _text(blocks)), *(("TOOL", _text(result.get("content"))) for result in results)]


def _text(blocks: Any) -> str:
    """The text of content blocks; JSON in a tool's result as it is."""
    lines = []
    for block in blocks if isinstance(blocks, list) else ():
        if isinstance(block, dict) and isinstance(block.get("text"), str):
            lines.append(block["text"])
        elif isinstance(block, dict) and "json" in block:
            lines.append(json.dumps(block["json"], ensure_ascii=False))
    return "\n".join(lines)
