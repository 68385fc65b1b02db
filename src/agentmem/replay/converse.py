"""Reads messages of Strands and of the Converse API, whose bytes stand as base64 in a file."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from agentmem.replay.conversation import RecordedMessage, ReplayFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MEDIA = ("image", "document", "video", "audio")
_KNOWN_BLOCKS = frozenset(
    {"text", "toolUse", "toolResult", "reasoningContent", "citationsContent", "guardContent", "cachePoint", *_MEDIA}
)


def unwrapped(value: Any) -> Any:
    """Take a message out of the record in which Strands' session managers write it (``SessionMessage``)."""
    if not isinstance(value, dict) or "role" in value or "message_id" not in value:
        return value
    redacted = value.get("redact_message")
    return redacted if isinstance(redacted, dict) else value.get("message", value)


def from_converse(message: Mapping[str, Any], number: int) -> RecordedMessage:
    """Check one message.

    Args:
        message: The message; its content is a list.
        number: Its line, for errors.

    Returns:
        The message, its bytes as bytes.

    Raises:
        ReplayFormatError: A role, or a block, that Converse does not know.
    """
    role = message["role"]
    if role not in ("user", "assistant", "system"):
        raise ReplayFormatError(f"unknown role {role!r}; a Strands message has user or assistant", number)
    blocks = [_block(block, index, number) for index, block in enumerate(message["content"])]
    wrong = "toolResult" if role == "assistant" else "toolUse"
    if any(wrong in block for block in blocks):
        raise ReplayFormatError(f"{wrong} in a message of the {role}", number)
    return RecordedMessage(role, blocks, number)


def _block(block: Any, index: int, number: int) -> dict[str, Any]:
    if not isinstance(block, dict):
        raise ReplayFormatError(f"content block {index} must be an object, not {type(block).__name__}", number)
    kind = next((name for name in block if name in _KNOWN_BLOCKS), None)
    if kind is None:
        raise ReplayFormatError(
            f"content block {index} is of no known kind: {', '.join(sorted(map(str, block))) or 'empty'}", number
        )
    value = block[kind]
    if kind == "text" and not isinstance(value, str):
        raise ReplayFormatError(f"content block {index}: text must be a text, not {type(value).__name__}", number)
    if kind in ("toolUse", "toolResult") and not isinstance(value, dict):
        raise ReplayFormatError(f"content block {index}: {kind} must be an object", number)
    if kind == "toolUse" and not isinstance(value.get("input", {}), dict):
        raise ReplayFormatError(f"content block {index}: the input of a toolUse must be an object", number)
    if kind == "toolUse":
        value = {**value, "input": value.get("input", {})}
    if kind == "toolResult":
        items = value.get("content", [])
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ReplayFormatError(f"content block {index}: the content of a toolResult must be a list", number)
        value = {**value, "content": [{key: _media(key, item[key], number) for key in item} for item in items]}
    return {kind: _media(kind, value, number)}


def _media(kind: str, value: Any, number: int) -> Any:
    """Bring the bytes of an image, document or video back from the base64 that JSON carries them in."""
    if kind not in _MEDIA or not isinstance(value, dict) or not isinstance(value.get("source"), dict):
        return value
    data = value["source"].get("bytes")
    if isinstance(data, dict) and data.get("__bytes_encoded__"):
        data = data.get("data")
    if not isinstance(data, str):
        return value
    try:
        decoded = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ReplayFormatError(f"the bytes of a {kind} are not valid base64 ({error})", number) from error
    return {**value, "source": {**value["source"], "bytes": decoded}}
