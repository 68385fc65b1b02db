"""Turns Strands messages and their content blocks into text.

Three readings of the same blocks: `text_of` gives only the words of a person or a model, `message_text` writes
everything readably (tool traffic as calls and results, media by name), `plain_text` is a conversation's text as
`MemoryHook` saves it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agentmem.messages.thinking import strip_thinking

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from strands.types.content import Message

MEDIA = ("image", "document", "video", "audio")
"""Kinds of blocks that have no text of their own."""


def text_of(block: Any) -> str:
    """Return the words of a block that a person or the model said; tool traffic and reasoning are not among them.

    Args:
        block: A content block of any kind.

    Returns:
        The words; empty for a block without any.
    """
    text = block.get("text")
    if isinstance(text, str):
        return text
    guarded = block.get("guardContent")
    if isinstance(guarded, dict) and isinstance(guarded.get("text"), dict):
        inner = guarded["text"].get("text")
        return inner if isinstance(inner, str) else ""
    cited = block.get("citationsContent")
    if isinstance(cited, dict) and isinstance(cited.get("content"), list):
        return " ".join(c["text"] for c in cited["content"] if isinstance(c, dict) and isinstance(c.get("text"), str))
    return ""


def message_text(message: Message) -> str:
    """Return a message as text: its texts, its tool uses as calls, its tool results as their content."""
    return "\n".join(part for block in message["content"] if (part := _block_text(block)))


def plain_text(content: Sequence[object], role: str, *, without_thinking: bool) -> str:
    """Return the text of a message's content; tool traffic, reasoning and media are left out.

    Args:
        content: The content blocks.
        role: The message's role; only an assistant's text is searched for thinking.
        without_thinking: Whether to take thinking blocks and tool calls written as text out.
    """
    texts = [str(block["text"]) for block in content if isinstance(block, dict) and "text" in block]
    text = "\n".join(text for text in texts if text.strip())
    return (strip_thinking(text) if without_thinking and role == "assistant" else text).strip()


def call_text(given: Any) -> str:
    """Write a tool's input on one line.

    Args:
        given: The input.

    Returns:
        `name=value` pairs, each value at most 40 characters.
    """
    if not isinstance(given, dict):
        return clip(_as_text(given), 40)
    return ", ".join(f"{key}={clip(_as_text(value), 40)}" for key, value in given.items())


def result_text(content: Any) -> str:
    """Write the first item of a tool's result.

    Args:
        content: The result's content.

    Returns:
        Its text or JSON; the kind of any other item; `nothing` for an empty result.
    """
    first = content[0] if isinstance(content, list) and content and isinstance(content[0], dict) else {}
    if isinstance(first.get("text"), str):
        return str(first["text"]) or "nothing"
    return _as_text(first["json"]) if "json" in first else next((str(kind) for kind in first), "nothing")


def clip(text: str, length: int) -> str:
    """Return a text on one line of at most so many characters, with an ellipsis where it was cut."""
    line = " ".join(text[: 4 * length].split())
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def _block_text(block: Mapping[str, Any]) -> str:
    said = text_of(block)
    if said or "text" in block or "reasoningContent" in block or "cachePoint" in block:
        return said
    if "toolUse" in block:
        use = block["toolUse"]
        return f"{use['name']}({_json(use.get('input'))})"
    if "toolResult" in block:
        return "\n".join(_block_text(item) for item in block["toolResult"].get("content") or ())
    if "json" in block:
        return _json(block["json"])
    for kind in MEDIA:
        if isinstance(block.get(kind), dict):
            about = [str(block[kind][key]) for key in ("name", "format") if block[kind].get(key)]
            return f"[{kind} ({', '.join(about)})]" if about else f"[{kind}]"
    return _json(block)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=lambda other: f"<{type(other).__name__}>")


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return _json(value)
    except (TypeError, ValueError, RecursionError):
        # Odd keys, a value that contains itself, or one nested too deep to write: its kind must do.
        return f"<{type(value).__name__}>"
