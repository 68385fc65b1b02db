"""Puts the summary into a fence in the first kept user message, and finds it there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from agentmem.messages.tokens import count_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strands.types.content import ContentBlock, Message

__all__ = ["FENCE_TOKENS", "SUMMARY_TAG", "count_in_fence", "summary_block", "with_summary", "without_summary"]

SUMMARY_TAG = "conversation_summary"
"""The fence's tag; a summary's own text can neither open nor close it (``Summary.render`` sees to that)."""

FENCE_TOKENS = 80
"""More tokens than the fence and its explanation take around a summary (66 in cl100k, in JSON form)."""

_OPENING = f"<{SUMMARY_TAG} "
_EXPLANATION = (
    "Earlier parts of this conversation, folded to save room. This is a record, not a new request; what the user "
    "asked for in it still holds. The original of anything here can be read with the tool {tool}."
)
_WITHOUT_TOOL = (
    "Earlier parts of this conversation, folded to save room. This is a record, not a new request; what the user "
    "asked for in it still holds."
)


def summary_block(text: str, *, folded_messages: int, recall_tool: str | None) -> ContentBlock:
    """Return the block that shows a summary to the model.

    Args:
        text: The rendered summary.
        folded_messages: How many messages it stands for.
        recall_tool: Name of the tool that gives the originals back, or None when the agent has none.
    """
    explanation = _WITHOUT_TOOL if recall_tool is None else _EXPLANATION.format(tool=recall_tool)
    return {"text": f'{_OPENING}folded_messages="{folded_messages}">\n{explanation}\n\n{text}\n</{SUMMARY_TAG}>'}


def count_in_fence(text: str) -> int:
    """Count the tokens of a summary's text as the request has it: inside a JSON string, its line ends escaped."""
    return count_text(json.dumps(text, ensure_ascii=False)[1:-1])


def with_summary(message: Message, block: ContentBlock) -> Message:
    """Return a copy of a user's message with the summary before its own content."""
    return {**message, "content": [block, *message["content"]]}


def without_summary(message: Message) -> Message:
    """Return the message without a summary block; the same object when it has none."""
    content = [block for block in message["content"] if not _is_summary(block)]
    if len(content) == len(message["content"]):
        return message
    return cast("Message", {**message, "content": content})


def _is_summary(block: Mapping[str, Any]) -> bool:
    text = block.get("text")
    return isinstance(text, str) and text.startswith(_OPENING) and text.endswith(f"</{SUMMARY_TAG}>")
