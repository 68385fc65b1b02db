"""Shows pinned statements before the conversation, and sets the pin of a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from agentmem.messages.json_values import valid_text
from agentmem.messages.look_alikes import inert, inert_tags
from agentmem.messages.tracking import has_pin
from agentmem.messages.turns import is_own_message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strands.types.content import ContentBlock, Message

PINNED_TAG = "pinned_statements"
"""The tag around pinned statements; neither a statement nor any other text can open or close it."""

_EXPLANATION = (
    "Pinned for the whole of this conversation. Every line here holds now, whatever was said since; only the "
    "application or the user takes it back."
)


def pinned_block(statements: Sequence[str]) -> ContentBlock | None:
    """Return the block that shows pinned statements to the model, word for word; None for none.

    Args:
        statements: The statements, oldest first. No tag in them means anything.
    """
    if not statements:
        return None
    lines = "\n".join(f"- {inert(inert_tags(valid_text(one)), (PINNED_TAG,))}" for one in statements)
    return {"text": f"<{PINNED_TAG}>\n{_EXPLANATION}\n\n{lines}\n</{PINNED_TAG}>"}


def with_pinned(messages: Sequence[Message], block: ContentBlock) -> list[Message]:
    """Return messages with a block before everything that the user said, at the same place in every request.

    Args:
        messages: Messages that are valid for the model API; not changed.
        block: The block, as `pinned_block` makes it.

    Returns:
        The messages, the first of the user's own with the block in front of it.
    """
    made = list(messages)
    own = next((at for at, message in enumerate(made) if is_own_message(message)), None)
    if own is not None:
        made[own] = cast("Message", {**made[own], "content": [block, *made[own]["content"]]})
        return made
    # Tool results come first in their message.
    results = next((at for at, message in enumerate(made) if message["role"] == "user"), None)
    if results is not None:
        made[results] = cast("Message", {**made[results], "content": [*made[results]["content"], block]})
    return made


def with_pin(message: Message, *, pinned: bool) -> Message:
    """Return a message that carries Strands' pin or does not; the same object when nothing changes."""
    if has_pin(message) == pinned:
        return message
    metadata: dict[str, Any] = dict(message.get("metadata") or {})
    custom: dict[str, Any] = dict(metadata.pop("custom", None) or {})
    custom.pop("pinned", None)
    if pinned:
        custom["pinned"] = True
    if custom:
        metadata["custom"] = custom
    rest = {key: value for key, value in message.items() if key != "metadata"}
    return cast("Message", {**rest, "metadata": metadata} if metadata else rest)
