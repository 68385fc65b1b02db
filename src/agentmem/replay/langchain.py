"""Turns LangChain's messages into Strands content blocks: of `dumpd`, `messages_to_dict` and `model_dump`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agentmem.replay.anthropic import anthropic_block
from agentmem.replay.conversation import RecordedMessage, ReplayFormatError
from agentmem.replay.openai import openai_part, tool_use

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

NAME = "LangChain messages"

_ROLES = {"human": "user", "ai": "assistant", "system": "system", "developer": "system"}
_CLASSES = {
    "HumanMessage": "human", "AIMessage": "ai", "SystemMessage": "system", "ToolMessage": "tool",
    "FunctionMessage": "function", "ChatMessage": "chat",
}  # fmt: skip
_KINDS = frozenset({*_CLASSES.values(), *_ROLES})
_CHUNK, _LONG = "Chunk", "Message"
_CALLS = frozenset({"tool_use", "tool_call", "function_call", "tool_call_chunk", "input_json_delta"})
"""Blocks of content that stand in `tool_calls` too."""


def looks_like_langchain(message: Mapping[str, Any]) -> bool:
    """Tell whether a message has the form of one of LangChain's dumps."""
    return _fields(message) is not None


def _fields(message: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """Return a message's kind and fields, or None when it is none of LangChain's."""
    if message.get("type") == "constructor" and isinstance(message.get("id"), list) and message["id"]:
        kind, fields = _CLASSES.get(_plain(str(message["id"][-1]))), message.get("kwargs")
    elif isinstance(message.get("data"), dict) and "content" in message["data"]:
        kind, fields = _kind(message.get("type")), message["data"]
    else:
        kind, fields = (
            (_kind(message.get("type")) if "role" not in message or message.get("type") == "chat" else None),
            message,
        )
    return (kind, fields) if kind is not None and isinstance(fields, dict) and "content" in fields else None


def _kind(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    return _CLASSES.get(_plain(value)) or (value if value in _KINDS else None)


def _plain(name: str) -> str:
    return name.removesuffix(_CHUNK)


def from_langchain(message: Mapping[str, Any], line: int, repairs: Counter[str]) -> RecordedMessage:
    """Convert one message.

    Args:
        message: The message, as one of the three dumps has it.
        line: Its line, for errors.
        repairs: Counts the repairs.

    Returns:
        The message in Strands' blocks; a tool's answer becomes a tool result in a user message.

    Raises:
        ReplayFormatError: A kind of message, or content, that LangChain's format does not know.
    """
    found = _fields(message)
    if found is None:
        raise ReplayFormatError("it is no message of LangChain: it has no kind or no content", line)
    kind, fields = found
    if kind in ("tool", "function"):
        return _result(kind, fields, line, repairs)
    role = _ROLES.get(str(fields.get("role")), str(fields.get("role"))) if kind == "chat" else _ROLES[kind]
    if role not in ("user", "assistant", "system"):
        raise ReplayFormatError(f"unknown role {role!r} in a ChatMessage; it has user, assistant or system", line)
    content = _content(fields["content"], line, repairs)
    return RecordedMessage(role, content + (_calls(fields, line, repairs) if role == "assistant" else []), line)


def _result(kind: str, fields: Mapping[str, Any], line: int, repairs: Counter[str]) -> RecordedMessage:
    call_id = fields.get("tool_call_id") if kind == "tool" else f"function-{fields.get('name')}"
    if not isinstance(call_id, str):
        raise ReplayFormatError(f"a ToolMessage needs a text as tool_call_id, not {call_id!r}", line)
    status = "error" if fields.get("status") == "error" else "success"
    content = _content(fields["content"], line, repairs)
    result = {"toolUseId": call_id, "status": status, "content": content}
    return RecordedMessage("user", [{"toolResult": result}], line)


def _calls(fields: Mapping[str, Any], line: int, repairs: Counter[str]) -> list[dict[str, Any]]:
    more = fields.get("additional_kwargs") or {}
    blocks: list[dict[str, Any]] = []
    for call in [*(fields.get("tool_calls") or []), *(fields.get("invalid_tool_calls") or [])]:
        if not isinstance(call, dict):
            raise ReplayFormatError(f"a tool call must be an object, not {type(call).__name__}", line)
        blocks.append(tool_use(call.get("id"), {"name": call.get("name"), "arguments": call.get("args")}, repairs))
    if not blocks:  # of before LangChain had calls of its own
        earlier = [call for call in more.get("tool_calls") or [] if isinstance(call, dict)]
        blocks += [tool_use(call.get("id"), call.get("function") or {}, repairs) for call in earlier]
        if isinstance(more.get("function_call"), dict):
            function = more["function_call"]
            blocks.append(tool_use(f"function-{function.get('name')}", function, repairs))
    return blocks


def _content(content: Any, line: int, repairs: Counter[str]) -> list[dict[str, Any]]:
    if content is None:
        return []
    if isinstance(content, str):
        return [{"text": content}] if content.strip() else []
    if isinstance(content, dict):
        return [{"text": json.dumps(content, ensure_ascii=False)}]
    if not isinstance(content, list):
        raise ReplayFormatError(f"content must be a text or a list of blocks, not {type(content).__name__}", line)
    return [
        _block(part, line, repairs)
        for part in content
        if not (isinstance(part, dict) and str(part.get("type")) in _CALLS)
    ]


def _block(part: Any, line: int, repairs: Counter[str]) -> dict[str, Any]:
    if not isinstance(part, dict):
        return openai_part(part, line, repairs)
    kind = part.get("type")
    if kind == "reasoning":
        summary = part.get("summary") or []
        text = part.get("reasoning") or "\n".join(
            str(item.get("text", "")) for item in summary if isinstance(item, dict)
        )
        return {"reasoningContent": {"reasoningText": {"text": str(text or "")}}}
    if kind in ("thinking", "redacted_thinking") or "source" in part:
        return anthropic_block(part, line, repairs)
    data = part.get("base64") or (part.get("data") if part.get("source_type") == "base64" else None)
    if kind in ("image", "file") and isinstance(data, str):
        source = {"type": "base64", "media_type": part.get("mime_type"), "data": data}
        return anthropic_block({"type": "image" if kind == "image" else "document", "source": source}, line, repairs)
    return openai_part(part, line, repairs)
