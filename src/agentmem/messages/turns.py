"""Divides a history into turns and tool cycles.

A turn begins with a user's own message: one of role ``user`` that carries no tool result. It ends where the next one
begins. Neighbouring messages of the user belong to one turn (the model is shown them as one message). Inside a turn,
a cycle is an assistant message with tool uses and the tool results that answer it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from agentmem.messages.cutting import RECALL_TOOL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from strands.types.content import ContentBlock, Message


@dataclass(frozen=True)
class Turn:
    """``messages[start:end]``; the user's own opening messages are ``messages[start:opening_end]``."""

    start: int
    opening_end: int
    end: int


@dataclass(frozen=True)
class Cycle:
    """``messages[start:end]``: a tool use, its results, and nothing after them before the next assistant message."""

    start: int
    end: int


def is_own_message(message: Message) -> bool:
    """Whether a message is the user's own: role user, and no tool result in it."""
    return message["role"] == "user" and not any("toolResult" in block for block in message["content"])


def has_tool_use(message: Message) -> bool:
    """Whether a message asks for tools."""
    return any("toolUse" in block for block in message["content"])


def is_tool_traffic(message: Message) -> bool:
    """Whether a message asks for tools or carries their results."""
    return any("toolUse" in block or "toolResult" in block for block in message["content"])


def says_nothing(message: Message) -> bool:
    """Whether a message has no content, or nothing but blank texts: some models end a turn so."""
    return all("text" in block and not block["text"].strip() for block in message["content"])


def has_reasoning(message: Message) -> bool:
    """Whether a message carries reasoning of the model."""
    return any("reasoningContent" in block for block in message["content"])


def has_recall(message: Message, tool_names: Mapping[str, str]) -> bool:
    """Whether a message asks for a recall or carries one's answer, perhaps beside other tools'.

    Args:
        message: A message.
        tool_names: Tool use id to tool name (``truncation.names_of_tools``).
    """
    return any(_is_recall(block, tool_names) for block in message["content"])


def without_recall(message: Message, tool_names: Mapping[str, str]) -> Message | None:
    """Return the text of a message without recalls, which no later recall should find again.

    Args:
        message: A message; not changed.
        tool_names: Tool use id to tool name (``truncation.names_of_tools``).

    Returns:
        The same object when there is no recall in it; None when there is nothing else in it.
    """
    content = [block for block in message["content"] if not _is_recall(block, tool_names)]
    if len(content) == len(message["content"]):
        return message
    return cast("Message", {**message, "content": content}) if content else None


def _is_recall(block: ContentBlock, tool_names: Mapping[str, str]) -> bool:
    traffic = block.get("toolUse") or block.get("toolResult")
    return traffic is not None and tool_names.get(traffic["toolUseId"]) == RECALL_TOOL


def turns_of(messages: Sequence[Message]) -> list[Turn]:
    """Divide a history into turns.

    Args:
        messages: A history, oldest first; it may begin or end anywhere.

    Returns:
        Turns that cover it without gaps. What stands before the first message of a user is a turn with no opening.
    """
    turns: list[Turn] = []
    start = opening_end = index = 0
    while index < len(messages):
        if not is_own_message(messages[index]):
            index += 1
            continue
        if index > start:
            turns.append(Turn(start, opening_end, index))
        start = index
        while index < len(messages) and is_own_message(messages[index]):
            index += 1
        opening_end = index
    if start < len(messages):
        turns.append(Turn(start, opening_end, len(messages)))
    return turns


def cycles_of(messages: Sequence[Message], turn: Turn) -> list[Cycle]:
    """Return a turn's completed tool cycles, oldest first; a tool use still waiting for its results is none."""
    cycles: list[Cycle] = []
    index = turn.opening_end
    while index < turn.end:
        start = index
        index += 1
        if messages[start]["role"] != "assistant" or not has_tool_use(messages[start]):
            continue
        while index < turn.end and messages[index]["role"] == "user":
            index += 1
        if index > start + 1:
            cycles.append(Cycle(start, index))
    return cycles
