"""What was said in an event: reads plain text and the messages that session managers store as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Message:
    """One message worth reading.

    Attributes:
        index: Position in the event's payload.
        role: ``"USER"``, ``"ASSISTANT"`` or ``"OTHER"``.
        text: What was said, without tool traffic, reasoning or media.
    """

    index: int
    role: str
    text: str


def read_payload(payload: Iterable[Mapping[str, Any]]) -> list[Message]:
    """The messages of an event's payload.

    Blobs and tool messages are left out. A ``json`` item, whose shape is the caller's own, is read when it is a
    Converse or chat message; other JSON has nothing that rules could make a sentence of.
    """
    messages = []
    for index, item in enumerate(payload):
        if "conversational" in item:
            role, text = item["conversational"]["role"], item["conversational"]["content"].get("text", "")
            stored = _stored_message(text)
            if stored is not None:
                role, text = stored
        elif "json" in item:
            stored = _message_of(item["json"].get("content"))
            if stored is None:
                continue
            role, text = stored
        else:
            continue
        if role != "TOOL" and text.strip():
            messages.append(Message(index, role, text.strip()))
    return messages


def _stored_message(text: str) -> tuple[str, str] | None:
    """Role and text of a JSON-encoded message; None when the text is what was said itself."""
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # nested by the thousand, it is text
        return None
    return _message_of(value)


def _message_of(value: Any) -> tuple[str, str] | None:
    if isinstance(value, dict) and isinstance(value.get("message"), dict):
        value = value["message"]  # the SDK's SessionMessage
    if not isinstance(value, dict) or not isinstance(value.get("role"), str) or "content" not in value:
        return None
    content = value["content"]
    if isinstance(content, str):
        text = content
    elif isinstance(content, list):
        blocks = [block for block in content if isinstance(block, dict) and isinstance(block.get("text"), str)]
        text = "\n".join(block["text"] for block in blocks)
    else:
        return None
    role = value["role"].upper()
    return (role if role in ("USER", "ASSISTANT", "TOOL") else "OTHER"), text
