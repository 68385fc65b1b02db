"""What recall gives back: a message as it was written, and as text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agentmem.messages.cutting import MARKER_TOKENS, RECALL_TOOL
from agentmem.messages.tokens import count_text
from agentmem.recall.index_terms import matches

if TYPE_CHECKING:
    from datetime import datetime

    from strands.types.content import ContentBlock

__all__ = ["RecalledMessage", "passage_of"]

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
