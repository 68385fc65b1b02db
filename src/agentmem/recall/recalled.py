"""What recall gives back: a message as it was written, and as text."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agentmem.compaction.summary.merge import text_of
from agentmem.messages.cutting import MARKER_TOKENS, RECALL_TOOL
from agentmem.messages.tokens import count_text
from agentmem.recall.index_terms import matches

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from strands.types.content import ContentBlock, Message

__all__ = ["MEDIA", "RecalledMessage", "message_text", "passage_of"]

MEDIA = ("image", "document", "video", "audio")
"""Kinds of blocks that have no text of their own."""

_STEP = 400


@dataclass(frozen=True)
class RecalledMessage:
    """One message as it was written.

    Attributes:
        text: Its text; tool uses and results in a readable form, media by their names.
        role: ``user`` or ``assistant``.
        event_id: The event that holds it; empty for a message that is not written yet.
        at: When it was written, UTC.
        handle: Its handle, by which it can be asked for again.
        content: Its blocks as they were written: media with their bytes, tool traffic, reasoning.
    """

    text: str
    role: str
    event_id: str
    at: datetime
    handle: str = ""
    content: tuple[ContentBlock, ...] = field(default=(), repr=False, compare=False)


def message_text(message: Message) -> str:
    """Return a message as text: its texts, its tool uses as calls, its tool results as what they say."""
    return "\n".join(part for block in message["content"] if (part := _block_text(block)))


def passage_of(one: RecalledMessage, query: str, max_tokens: int) -> str:
    """Return the passage of a long text that answers a question best, word for word.

    Args:
        one: A recalled message.
        query: The question.
        max_tokens: What the passage may take, with the note that names the handle of the whole.

    Returns:
        The passage; without the note when there is hardly room for it.
    """
    text = one.text
    note = f'\n[a part of {len(text):,} characters; {RECALL_TOOL}(handle="{one.handle}") returns all of it]'
    room = max_tokens - MARKER_TOKENS
    if room < MARKER_TOKENS:
        note, room = "", max_tokens
    windows = range(0, len(text), _STEP)
    # A passage that lies across a window's edge counts in both, so windows overlap by one step.
    best = max(windows, key=lambda at: (matches(query, text[at : at + 2 * _STEP]), -at))
    length = min(len(text), max(4 * room, 1))
    while True:
        start = max(min(best + _STEP - length // 2, len(text) - length), 0)
        passage = text[start : start + length]
        tokens = count_text(passage)
        if tokens <= room or length <= 1:
            return passage + note
        length = max(length * room // (tokens + 1), 1)


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
