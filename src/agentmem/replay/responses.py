"""Turns items of OpenAI's Responses API into Strands content blocks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agentmem.replay.conversation import RecordedMessage, ReplayFormatError
from agentmem.replay.openai import openai_part, tool_use

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

NAME = "OpenAI Responses items"

_GROUP = "response"
"""All items of the model that stand together are one message."""

_CALLS = {
    "function_call": "arguments",
    "custom_tool_call": "input",
    "local_shell_call": "action",
    "shell_call": "action",
    "apply_patch_call": "operation",
    "computer_call": "action",
}
"""Calls that the caller answers, and where what they are given stands."""

_HOSTED = frozenset(
    {"web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_call"}
)
"""Calls that OpenAI carries out itself: the item holds what came of them."""

_PASSED_OVER = frozenset({"item_reference", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response",
                          "compaction"})  # fmt: skip
_PARTS = frozenset({"input_text", "output_text", "input_image", "input_file"})


def looks_like_responses(item: Mapping[str, Any]) -> bool:
    """Tell whether something is an item of the Responses API and not a message of another one."""
    kind = item.get("type")
    if kind == "message" and isinstance(item.get("content"), list):
        return any(isinstance(part, dict) and str(part.get("type")) in _PARTS for part in item["content"])
    if "role" in item:
        content = item.get("content")
        return isinstance(content, list) and any(isinstance(p, dict) and str(p.get("type")) in _PARTS for p in content)
    return isinstance(kind, str) and (
        kind in _CALLS
        or kind in _HOSTED
        or kind in _PASSED_OVER
        or (kind.endswith("_output") and "call_id" in item)
        or (kind == "reasoning" and ("summary" in item or "encrypted_content" in item))
    )


def from_responses(item: Mapping[str, Any], line: int, repairs: Counter[str]) -> RecordedMessage | None:
    """Convert one item.

    Args:
        item: The item.
        line: Its line, for errors.
        repairs: Counts the repairs.

    Returns:
        The message in Strands' blocks, or None for an item that is no part of a conversation.

    Raises:
        ReplayFormatError: An item without what it must hold.
    """
    kind = item.get("type", "message")
    if not isinstance(kind, str):
        raise ReplayFormatError(f"the type of an item is a text, not {kind!r:.60}", line)
    if kind == "message":
        return _message(item, line, repairs)
    if kind == "reasoning":
        return _reasoning(item, line, repairs)
    if kind in _PASSED_OVER:
        repairs[f"{kind} items left out"] += 1
        return None
    if kind.endswith("_output"):
        return _result(item, line, repairs)
    if kind in _HOSTED:
        repairs["calls that OpenAI carried out itself, kept as text"] += 1
        block = {"text": _hosted(item)}
    elif kind not in _CALLS:
        raise ReplayFormatError(f"unknown type of an item: {kind!r:.60}", line)
    else:
        call = {"name": item.get("name") or kind.removesuffix("_call"), "arguments": item.get(_CALLS[kind])}
        block = tool_use(_call_id(item, line), call, repairs)
    return RecordedMessage("assistant", [block], line, group=_GROUP)


def _reasoning(item: Mapping[str, Any], line: int, repairs: Counter[str]) -> RecordedMessage | None:
    texts = [part for member in ("summary", "content") if isinstance(item.get(member), list) for part in item[member]]
    text = "\n".join(str(part["text"]) for part in texts if isinstance(part, dict) and part.get("text"))
    if not text:
        repairs["reasoning that is encrypted left out"] += 1
        return None
    return RecordedMessage("assistant", [{"reasoningContent": {"reasoningText": {"text": text}}}], line, group=_GROUP)


def _result(item: Mapping[str, Any], line: int, repairs: Counter[str]) -> RecordedMessage:
    output = item.get("output")
    if isinstance(output, dict):
        output = json.dumps(output, ensure_ascii=False)
    status = "error" if item.get("status") in ("failed", "incomplete") else "success"
    result = {"toolUseId": _call_id(item, line), "status": status, "content": _content(output, line, repairs)}
    return RecordedMessage("user", [{"toolResult": result}], line)


def _message(item: Mapping[str, Any], line: int, repairs: Counter[str]) -> RecordedMessage:
    role = {"developer": "system"}.get(str(item.get("role")), item.get("role"))
    if role not in ("user", "assistant", "system"):
        raise ReplayFormatError(f"unknown role {role!r}; a message item has user, assistant, system or developer", line)
    content = _content(item.get("content"), line, repairs)
    return RecordedMessage(role, content, line, group=_GROUP if role == "assistant" else None)


def _content(content: Any, line: int, repairs: Counter[str]) -> list[dict[str, Any]]:
    if content is None or isinstance(content, str):
        return [{"text": content}] if content and content.strip() else []
    if not isinstance(content, list):
        raise ReplayFormatError(f"content must be a text or a list of parts, not {type(content).__name__}", line)
    return [openai_part(_as_chat_part(part), line, repairs) for part in content]


def _as_chat_part(part: Any) -> Any:
    if isinstance(part, dict) and part.get("type") == "input_image" and "image_url" in part:
        return {"type": "image_url", "image_url": part["image_url"]}
    return part


def _call_id(item: Mapping[str, Any], line: int) -> str:
    call_id = item.get("call_id") or item.get("id")
    if not isinstance(call_id, str):
        raise ReplayFormatError(f"an item of type {item.get('type')} needs a text as call_id, not {call_id!r}", line)
    return call_id


def _hosted(item: Mapping[str, Any]) -> str:
    held = {name: value for name, value in item.items() if name not in ("type", "id", "status") and value}
    return f"[{item['type']}: {json.dumps(held, ensure_ascii=False)[:2_000]}]"
