"""Turns messages of Anthropic's Messages API into Strands content blocks."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from agentmem.replay.conversation import RecordedMessage, ReplayFormatError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping

_TELLING = ("tool_use", "tool_result", "thinking", "redacted_thinking")
"""Types that OpenAI's parts do not have; of a ``text`` both have the same form."""

_DOCUMENTS = {"application/pdf": "pdf", "text/plain": "txt"}


def looks_like_anthropic(message: Mapping[str, Any]) -> bool:
    """Tell whether a message holds what only Anthropic's messages hold: blocks of tools, thinking, or sources."""
    content = message.get("content")
    return isinstance(content, list) and any(
        isinstance(block, dict)
        and (block.get("type") in _TELLING or (block.get("type") in ("image", "document") and "source" in block))
        for block in content
    )


def from_anthropic(message: Mapping[str, Any], line: int, repairs: Counter[str]) -> RecordedMessage:
    """Convert one message.

    Args:
        message: The message; its content is a list of blocks.
        line: Its line, for errors.
        repairs: Counts the repairs.

    Returns:
        The message in Strands' blocks.

    Raises:
        ReplayFormatError: A role, or a block without what it must hold.
    """
    role = message.get("role")
    if role not in ("user", "assistant"):
        raise ReplayFormatError(f"unknown role {role!r}; an Anthropic message has user or assistant", line)
    return RecordedMessage(role, [anthropic_block(block, line, repairs) for block in message["content"]], line)


def anthropic_block(block: Any, line: int, repairs: Counter[str]) -> dict[str, Any]:
    """Convert one block of content; what Converse has no form for leaves its name, and is counted."""
    if isinstance(block, str):
        return {"text": block}
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        raise ReplayFormatError("a content block must be an object with a type", line)
    convert = _CONVERTED.get(block["type"])
    if convert is not None:
        return convert(block, line, repairs)
    repairs["content parts that Converse has no form for"] += 1
    return {"text": f"[{block['type']}]"}


def _text(block: Mapping[str, Any], line: int, _: Counter[str]) -> dict[str, Any]:
    return {"text": _text_of(block, "text", line)}


def _tool_use(block: Mapping[str, Any], line: int, _: Counter[str]) -> dict[str, Any]:
    given = block.get("input", {})
    if not isinstance(given, dict):
        raise ReplayFormatError("the input of a tool_use must be an object", line)
    use = {"toolUseId": _text_of(block, "id", line), "name": _text_of(block, "name", line), "input": given}
    return {"toolUse": use}


def _thinking(block: Mapping[str, Any], line: int, _: Counter[str]) -> dict[str, Any]:
    if block["type"] == "redacted_thinking":
        data = _bytes(_text_of(block, "data", line), "redacted_thinking", line)
        return {"reasoningContent": {"redactedContent": data}}
    signature = {"signature": block["signature"]} if isinstance(block.get("signature"), str) else {}
    return {"reasoningContent": {"reasoningText": {"text": _text_of(block, "thinking", line), **signature}}}


def _tool_result(block: Mapping[str, Any], line: int, repairs: Counter[str]) -> dict[str, Any]:
    content = block.get("content") or []
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise ReplayFormatError("the content of a tool_result must be a text or a list of blocks", line)
    result = {
        "toolUseId": _text_of(block, "tool_use_id", line),
        "status": "error" if block.get("is_error") is True else "success",
        "content": [anthropic_block(inner, line, repairs) for inner in content],
    }
    return {"toolResult": result}


def _media(block: Mapping[str, Any], line: int, repairs: Counter[str]) -> dict[str, Any]:
    source = block.get("source")
    if not isinstance(source, dict):
        raise ReplayFormatError(f"a block of type {block['type']} must have a source", line)
    kind, media_type = block["type"], str(source.get("media_type", ""))
    data = source.get("data")
    if isinstance(data, str) and source.get("type") in ("base64", "text"):
        found = data.encode() if source["type"] == "text" else _bytes(data, kind, line)
        if kind == "image" and media_type.startswith("image/"):
            return {"image": {"format": media_type.removeprefix("image/"), "source": {"bytes": found}}}
        if kind == "document" and media_type in _DOCUMENTS:
            name = str(block.get("title") or "document")
            return {"document": {"format": _DOCUMENTS[media_type], "name": name, "source": {"bytes": found}}}
    repairs["images and documents that are not in the file"] += 1
    return {"text": f"[{kind}: {str(source.get('url') or source.get('type') or 'unknown')[:500]}]"}


def _bytes(data: str, kind: str, line: int) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ReplayFormatError(f"the data of a block of type {kind} is not valid base64 ({error})", line) from error


def _text_of(block: Mapping[str, Any], name: str, line: int) -> str:
    value = block.get(name)
    if not isinstance(value, str):
        raise ReplayFormatError(f"a block of type {block['type']} must have a text as {name}, not {value!r}", line)
    return value


_CONVERTED: dict[str, Callable[[Mapping[str, Any], int, Counter[str]], dict[str, Any]]] = {
    "text": _text,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "thinking": _thinking,
    "redacted_thinking": _thinking,
    "image": _media,
    "document": _media,
}
