"""Tracks messages on their way into ``agent.messages``: gives each one an id, and tells which are pinned."""

from __future__ import annotations

import copy
import uuid
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from strands.types.content import Message


class Arrivals:
    """Finds the new part of an added message.

    Strands joins what continues an invocation, such as the results of background tasks, to the last message when both
    have one role, under that message's tracking id. That message may be in the log already, and what is shown of it
    may be shortened or carry the summary; so the two are parted again. On the way to the model neighbours of one role
    are one message anyway.
    """

    def __init__(self) -> None:
        """Start with nothing known."""
        self._newest: Message | None = None
        self._count = 0

    def seen(self, messages: list[Message]) -> None:
        """Take a history as known; what is joined to its last message from now on is new."""
        self._newest = messages[-1] if messages else None
        self._count = len(messages)

    def grew(self, messages: list[Message]) -> bool:
        """Whether messages were added to a history since it was seen."""
        return len(messages) != self._count or (bool(messages) and messages[-1] is not self._newest)

    def take(self, message: Message, messages: list[Message]) -> Message:
        """Return the new message in an added one, and part the two in the history when it was joined to another.

        Args:
            message: The message that Strands reports as added.
            messages: The agent's history; edited in place.

        Returns:
            The same message, or a new one with the part that was joined to the last one.
        """
        last = self._newest
        if last is None or message is last or message.get("tracking_id") != last.get("tracking_id"):
            return message
        before, content = last["content"], message["content"]
        if len(content) <= len(before) or any(old is not new for old, new in zip(before, content, strict=False)):
            return message
        added = cast("Message", {**message, "content": content[len(before) :], "tracking_id": str(uuid.uuid4())})
        at = next((at for at in reversed(range(len(messages))) if messages[at] is message), None)
        if at is not None:
            messages[at : at + 1] = [last, added]
        return added


def identify(messages: Iterable[Message]) -> None:
    """Give a tracking id to every message without one, in place, as Strands does before a model call."""
    for message in messages:
        if not message.get("tracking_id"):
            message["tracking_id"] = str(uuid.uuid4())


def as_sent(sent: Iterable[Message], before: Sequence[Message], shown: Iterable[Message]) -> list[Message]:
    """Carry a compaction over to a copy of the history that is already on its way to the model.

    Args:
        sent: The copy, which others may have added to.
        before: The history it was made from.
        shown: The history now.

    Returns:
        Copies of what is shown now: those on their way wherever nothing changed.
    """
    unchanged = {id(message) for message in before}
    copies = {message.get("tracking_id"): message for message in sent}
    return [
        copies.get(message["tracking_id"], message) if id(message) in unchanged else copy.deepcopy(message)
        for message in shown
    ]


def ends_direct_call(message: Message) -> bool:
    """Whether a message added outside an invocation completes the four that a direct tool call leaves."""
    return message["role"] == "assistant" and not any("toolUse" in block for block in message["content"])


def has_pin(message: Message) -> bool:
    """Whether a message itself carries Strands' pin; `is_pinned` of Strands also knows its tool partner."""
    custom = (message.get("metadata") or {}).get("custom")
    return isinstance(custom, dict) and custom.get("pinned") is True
