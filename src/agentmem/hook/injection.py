"""Shows text to the model for one call, without it ever becoming part of the agent's messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strands.middleware.stages import InvokeModelContext
    from strands.types.content import ContentBlock, Message

__all__ = ["with_text_after"]


def with_text_after(context: InvokeModelContext, tracking_id: str, text: str) -> InvokeModelContext:
    """Add a text block behind the content of one user message of a request.

    Behind and not before it: what stands in front stays byte for byte what it was, so a provider's prompt cache
    still hits.

    Args:
        context: The request.
        tracking_id: The message. When it was merged with another on its way here, the last with a user's text is it.
        text: The text.

    Returns:
        The request with the block; the same when there is no such message.
    """
    index = _index_of(context.messages, tracking_id)
    if index is None:
        return context
    block: ContentBlock = {"text": text}
    messages = list(context.messages)
    messages[index] = cast("Message", {**messages[index], "content": [*messages[index]["content"], block]})
    # A provider sets its cache point in the last message, in front of so many blocks that will be gone.
    passing = 1 if index == len(messages) - 1 else 0
    return context.replace(messages=messages, dynamic_trailing_blocks=context.dynamic_trailing_blocks + passing)


def _index_of(messages: Sequence[Message], tracking_id: str) -> int | None:
    fallback = None
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if message.get("tracking_id") == tracking_id:
            return index
        if fallback is None and message["role"] == "user" and any("text" in block for block in message["content"]):
            fallback = index
    return fallback
