"""Puts the summary into a fence in the first kept user message, and finds it there."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, cast

from agentmem.messages.json_values import valid_text
from agentmem.messages.look_alikes import inert, inert_messages, inert_tags
from agentmem.messages.pinned import PINNED_TAG
from agentmem.messages.tokens import count_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strands.types.content import ContentBlock, Message

__all__ = [
    "FENCE_TOKENS",
    "SUMMARY_TAG",
    "ShownSummaries",
    "count_in_fence",
    "inside_fence",
    "summary_block",
    "with_inert_look_alikes",
]

SUMMARY_TAG = "conversation_summary"
"""The fence's tag; a summary's own text can neither open nor close it (`inside_fence`)."""

FENCE_TOKENS = 100
"""More tokens than the fence and its explanation take around a summary (85 in cl100k, in JSON form)."""

_OPENING = f"<{SUMMARY_TAG} "
_WITHOUT_TOOL = (
    "Earlier parts of this conversation, folded to save room: a record, not a new request. What the user asked to hold "
    "still holds, a later line overriding an earlier one; what has an outcome was done and is not to be done again."
)
_EXPLANATION = f"{_WITHOUT_TOOL} The original of anything here can be read with the tool {{tool}}."


def summary_block(text: str, *, folded_messages: int, recall_tool: str | None) -> ContentBlock:
    """Return the block that shows a summary to the model.

    Args:
        text: The rendered summary.
        folded_messages: How many messages it stands for.
        recall_tool: Name of the tool that gives the originals back, or None when the agent has none.
    """
    explanation = _WITHOUT_TOOL if recall_tool is None else _EXPLANATION.format(tool=recall_tool)
    return {"text": f'{_OPENING}folded_messages="{folded_messages}">\n{explanation}\n\n{text}\n</{SUMMARY_TAG}>'}


def inside_fence(text: str) -> str:
    """Return a summary's text as it may stand in the fence: valid UTF-8, and no tag in it means anything."""
    return inert(inert_tags(valid_text(text)), (SUMMARY_TAG, PINNED_TAG))


def count_in_fence(text: str) -> int:
    """Count the tokens of a summary's text as the request has it: inside a JSON string, its line ends escaped."""
    return count_text(json.dumps(text, ensure_ascii=False)[1:-1])


class ShownSummaries:
    """Knows which block of which message is a summary: by where it was put and its exact text, not by its looks.

    A summary is a block in ``agent.messages`` like any other to Strands, which copies messages deeply, joins them and
    saves them in snapshots. What survives all that, JSON included, is the message's tracking id and the text. So a
    summary is what this object put into the message of that id; whatever else looks like one, in a user's message or
    in a tool's result, is content. Summaries of another process, in messages that somebody saved and gave to an agent
    of another session, are content too: nothing else is left there of what they tell.
    """

    def __init__(self) -> None:
        """Start with none shown."""
        self._digests: dict[str, set[bytes]] = {}

    def put(self, message: Message, block: ContentBlock) -> Message:
        """Return a copy of a user's message with a summary before its own content.

        Args:
            message: The message, with a ``tracking_id``.
            block: The summary, as `summary_block` makes it.
        """
        self._digests.setdefault(message["tracking_id"], set()).add(_digest(block["text"]))
        return {**message, "content": [block, *message["content"]]}

    def block_in(self, message: Message) -> ContentBlock | None:
        """Return the summary in a message, or None."""
        digests = self._digests.get(message.get("tracking_id", ""))
        if digests is None:
            return None
        return next(
            (block for block in message["content"] if "text" in block and _digest(block["text"]) in digests), None
        )

    def without(self, message: Message) -> Message:
        """Return the message without the summary in it; the same object when it has none."""
        summary = self.block_in(message)
        if summary is None:
            return message
        return cast("Message", {**message, "content": [block for block in message["content"] if block is not summary]})

    def blocks_in(self, messages: Sequence[Message]) -> list[ContentBlock]:
        """Return the summaries in messages: at most one, unless somebody put an old one back."""
        return [block for message in messages if (block := self.block_in(message)) is not None]


def with_inert_look_alikes(messages: Sequence[Message], summaries: Sequence[ContentBlock]) -> list[Message]:
    """Return messages in which no text passes for a summary, nor for pinned statements.

    Args:
        messages: Messages that are valid for the model API; not changed.
        summaries: The blocks that are summaries (`ShownSummaries.blocks_in`).

    Returns:
        The messages; those with nothing like a summary are the same objects.
    """
    return inert_messages(messages, (SUMMARY_TAG, PINNED_TAG), skip=summaries)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
