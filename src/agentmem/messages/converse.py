"""Makes a copy of a history that the Converse API accepts, without touching the history itself.

Most histories pass through as they are. What is mended here are the seams: two messages of one role that stand side
by side in the log (a prompt after a cancelled tool run, structured output), texts that are blank, and tool uses or
results that lost their other half to an interrupted write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strands.types.content import ContentBlock, Message

__all__ = ["for_model"]

MISSING_RESULT = "The result of this tool call was not recorded."
OPENING = "(The conversation continues.)"


def for_model(messages: Sequence[Message]) -> list[Message]:
    """Return messages the Converse API accepts.

    Roles alternate and the first is the user's; every tool use is answered in the next message and only there; no
    text is blank. Messages that need no mending are the same objects.

    Args:
        messages: A history, oldest first; not changed.

    Returns:
        The mended history. It ends in whatever role the history ends in.
    """
    if _is_valid(messages):
        return list(messages)
    merged: list[Message] = []
    for message in messages:
        role, content = message["role"], message["content"]
        if not all(_allowed(block, role) for block in content):
            content = [block for block in content if _allowed(block, role)]
        if not content:
            continue
        if merged and merged[-1]["role"] == message["role"]:
            merged[-1] = {**merged[-1], "content": [*merged[-1]["content"], *content]}
        elif content is message["content"]:
            merged.append(message)
        else:
            merged.append({**message, "content": content})
    return _with_pairs(merged)


def _is_valid(messages: Sequence[Message]) -> bool:
    """Look over a history once; nearly all need no mending, and this runs before every model call."""
    previous = "assistant"
    asked: list[str] = []
    for message in messages:
        role, content = message["role"], message["content"]
        if role == previous or not content:
            return False
        answered: list[str] = []
        uses: list[str] = []
        for index, block in enumerate(content):
            if "toolResult" in block:
                if index != len(answered):
                    return False
                answered.append(block["toolResult"]["toolUseId"])
            elif not _allowed(block, role):
                return False
            elif "toolUse" in block:
                uses.append(block["toolUse"]["toolUseId"])
        if answered != asked and sorted(answered) != sorted(asked):
            return False
        previous, asked = role, uses
    return not asked


def _allowed(block: ContentBlock, role: str) -> bool:
    if "text" in block:
        text = block["text"]
        return bool(text) and not text.isspace()  # unlike strip(), this looks no further than the first letter
    return role != "user" or not ("toolUse" in block or "reasoningContent" in block)


def _with_pairs(messages: list[Message]) -> list[Message]:
    paired: list[Message] = []
    if messages and messages[0]["role"] == "assistant":
        paired.append({"role": "user", "content": [{"text": OPENING}]})
    asked: list[str] = []
    for message in messages:
        if message["role"] == "assistant":
            paired.append(message)
            asked = [block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block]
            continue
        content = _answering(message["content"], asked)
        asked = []
        if content is message["content"]:
            paired.append(message)
        elif content:
            paired.append({**message, "content": content})
        else:
            # Nothing is left but results that answer no one; the roles must alternate all the same.
            paired.append({**message, "content": [{"text": OPENING}]})
    if asked:
        paired.append({"role": "user", "content": [_missing(tool_use_id) for tool_use_id in asked]})
    return paired


def _answering(content: list[ContentBlock], asked: list[str]) -> list[ContentBlock]:
    """Return the content with exactly one result for each tool use asked for, results first."""
    answered = [block["toolResult"]["toolUseId"] for block in content if "toolResult" in block]
    first = [block["toolResult"]["toolUseId"] for block in content[: len(asked)] if "toolResult" in block]
    if sorted(answered) == sorted(first) == sorted(asked):
        return content
    results = {block["toolResult"]["toolUseId"]: block for block in content if "toolResult" in block}
    others = [block for block in content if "toolResult" not in block]
    return [results.get(tool_use_id) or _missing(tool_use_id) for tool_use_id in asked] + others


def _missing(tool_use_id: str) -> ContentBlock:
    result: dict[str, Any] = {
        "toolUseId": tool_use_id,
        "status": "error",
        "content": [{"text": MISSING_RESULT}],
    }
    return cast("ContentBlock", {"toolResult": result})
