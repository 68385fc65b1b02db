"""Turns OpenAI chat messages into Strands content blocks."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING, Any

from agentmem.replay.conversation import RecordedMessage, ReplayFormatError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})

_DATA_URL = re.compile(r"data:image/(png|jpeg|gif|webp);base64,(.*)", re.DOTALL)


def looks_like_openai(message: Mapping[str, Any]) -> bool:
    """Tell whether a message is an OpenAI chat message and not a Strands or Converse one.

    Converse content is always a list of blocks keyed by their kind; OpenAI's is a text, null, or parts with a `type`.
    """
    content = message.get("content")
    if message.get("role") in ("tool", "function", "developer") or "tool_calls" in message:
        return True
    if isinstance(content, list):
        return any(isinstance(part, str) or (isinstance(part, dict) and "type" in part) for part in content)
    return True


def from_openai(message: Mapping[str, Any], line: int, repairs: Counter[str]) -> RecordedMessage:
    """Convert one OpenAI chat message.

    Arguments that are no JSON object are kept as `{"arguments": <as recorded>}` and counted.

    Args:
        message: The message.
        line: Its line, for errors.
        repairs: Counts the repairs.

    Returns:
        The message in Strands' blocks; a tool's answer becomes a tool result in a user message.

    Raises:
        ReplayFormatError: A role or content that OpenAI's format does not know.
    """
    role = message.get("role")
    content = _parts(message.get("content"), line, repairs)
    if role in ("system", "developer"):
        return RecordedMessage("system", content, line)
    if role == "user":
        return RecordedMessage("user", content, line)
    if role == "assistant":
        if isinstance(message.get("refusal"), str):
            content.append({"text": message["refusal"]})
        return RecordedMessage("assistant", content + _calls(message, line, repairs), line)
    if role in ("tool", "function"):
        call_id = message.get("tool_call_id") if role == "tool" else f"function-{message.get('name')}"
        if not isinstance(call_id, str):
            raise ReplayFormatError(f"a tool message needs a text as tool_call_id, not {call_id!r}", line)
        return RecordedMessage("user", [{"toolResult": {"toolUseId": call_id, "content": content}}], line)
    raise ReplayFormatError(
        f"unknown role {role!r}; an OpenAI chat message has one of {', '.join(sorted(ROLES))}", line
    )


def _calls(message: Mapping[str, Any], line: int, repairs: Counter[str]) -> list[dict[str, Any]]:
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise ReplayFormatError(f"tool_calls must be a list, not {type(calls).__name__}", line)
    blocks = []
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            raise ReplayFormatError("a tool call must be an object with a function object", line)
        blocks.append(tool_use(call.get("id"), function, repairs))
    if isinstance(message.get("function_call"), dict):
        function = message["function_call"]
        blocks.append(tool_use(f"function-{function.get('name')}", function, repairs))
    return blocks


def tool_use(call_id: Any, function: Mapping[str, Any], repairs: Counter[str]) -> dict[str, Any]:
    """Convert one call of a tool: its name, and its arguments as an object or as JSON text.

    Arguments that are no JSON object are kept as `{"arguments": <as recorded>}` and counted.
    """
    arguments = function.get("arguments")
    value: Any = arguments
    if isinstance(arguments, str):
        try:
            value = json.loads(arguments) if arguments.strip() else {}
        except ValueError:
            value = arguments
    if value is None:
        value = {}
    if not isinstance(value, dict):
        repairs["tool arguments that are no JSON object"] += 1
        value = {"arguments": value}
    return {"toolUse": {"toolUseId": call_id, "name": function.get("name"), "input": value}}


def _parts(content: Any, line: int, repairs: Counter[str]) -> list[dict[str, Any]]:
    if content is None:
        return []
    if isinstance(content, str):
        return [{"text": content}] if content.strip() else []
    if not isinstance(content, list):
        raise ReplayFormatError(f"content must be a text, null or a list of parts, not {type(content).__name__}", line)
    return [openai_part(part, line, repairs) for part in content]


def openai_part(part: Any, line: int, repairs: Counter[str]) -> dict[str, Any]:
    """Convert one part of content; what Converse has no form for leaves its name, and is counted."""
    if isinstance(part, str):
        return {"text": part}
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str):
        raise ReplayFormatError("a content part must be an object with a type", line)
    if isinstance(part.get("text"), str):
        return {"text": part["text"]}
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return {"text": part["refusal"]}
    if kind == "image_url":
        return _image(part.get("image_url"), line, repairs)
    repairs["content parts that Converse has no form for"] += 1
    return {"text": f"[{kind}]"}


def _image(image: Any, line: int, repairs: Counter[str]) -> dict[str, Any]:
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str):
        raise ReplayFormatError("an image_url part must have a url", line)
    match = _DATA_URL.fullmatch(url)
    if match is None:
        repairs["images that are only linked"] += 1
        return {"text": f"[image: {url[:500]}]"}
    try:
        data = base64.b64decode(match[2], validate=True)
    except binascii.Error as error:
        raise ReplayFormatError(f"an image's data URL is not valid base64 ({error})", line) from error
    return {"image": {"format": match[1], "source": {"bytes": data}}}
