"""Reads the last messages of a session back, as text, within a token budget."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any, cast

from agentmem.events.reader import in_order
from agentmem.messages.fencing import fenced_turns, inert, message_element, shorten, within_tokens
from agentmem.messages.text import plain_text
from agentmem.messages.tokens import count_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from strands.agent.agent import Agent
    from strands.types.content import Message

    from agentmem.events.codec import DecodedEvent
    from agentmem.events.reader import EventReader

__all__ = ["RestoredText", "as_message", "put_into_system_prompt", "read_last_messages"]

PAGES = 5
"""Pages of 100 events looked through at most: the newest messages with text are all that is wanted."""

_put: deque[str] = deque(maxlen=64)
"""The fences last put into system prompts, by all hooks of this process."""


@dataclass(frozen=True)
class RestoredText:
    """One message of the past.

    Attributes:
        role: `user` or `assistant`.
        at: When it was written, UTC.
        text: Its text.
    """

    role: str
    at: datetime
    text: str


def read_last_messages(
    reader: EventReader, max_tokens: int, *, without_thinking: bool
) -> tuple[list[RestoredText], str | None]:
    """Read a session's last messages.

    Args:
        reader: The session's reader.
        max_tokens: Tokens the messages may take when they are shown in a fence, the fence included.
        without_thinking: Whether to take thinking out of what an assistant said.

    Returns:
        The messages, oldest first, and the id of the session's newest event or None.

    Raises:
        HistoryUnavailableError: The service did not answer; nothing is known of the history.
    """

    def texts(events: Sequence[DecodedEvent]) -> list[RestoredText]:
        return [
            RestoredText(one.message["role"], one.at, text)
            for one in in_order(events)
            if (text := plain_text(one.message["content"], one.message["role"], without_thinking=without_thinking))
        ]

    def enough(events: Sequence[DecodedEvent]) -> bool:
        return sum(count_text(one.text) for one in texts(events)) > max_tokens

    events = reader.newest(enough, max_pages=PAGES)
    found = texts(events)
    newest = found[::-1]
    kept = within_tokens(newest, max_tokens, _rendered, skip=False)
    if newest and not kept:
        last = newest[0]
        cut = shorten(last.text, max_tokens // 2)
        kept = within_tokens([RestoredText(last.role, last.at, cut)], max_tokens, _rendered, skip=False) if cut else []
    return kept[::-1], events[0].event_id if events else None


def put_into_system_prompt(agent: Agent, restored: Sequence[RestoredText]) -> None:
    """Append restored messages to an agent's system prompt, in a fence.

    Blocks before it, cache points too, stay as they are. A fence that this process put into another agent's prompt, of
    which this one's was made, is taken out: it is known by its exact text, and what only looks like one stays.
    """
    put_before = tuple(_put)
    blocks = [
        {**block, "text": _without(block["text"], put_before)} if "text" in block else block
        for block in agent.system_prompt_content or ()
    ]
    kept = [block for block in blocks if block.get("text", True)]
    fenced = fenced_turns([(one.role, one.at, one.text) for one in restored])
    _put.append(fenced)
    agent.system_prompt = cast("Any", [*kept, {"text": fenced}])


def _without(text: str, fences: Sequence[str]) -> str:
    for fence in fences:
        if fence in text:
            before, _, after = text.partition(fence)
            text = before.rstrip() + after
    return text


def as_message(one: RestoredText) -> Message:
    """Make a message of a restored one; tags of ours in it mean nothing.

    What the user said is dated. What the assistant said is not, or it would learn to begin its answers so.
    """
    said = [{"text": inert(one.text)}]
    when = f"[Earlier in this session, on {one.at.astimezone(UTC):%Y-%m-%d at %H:%M} UTC]"
    content = [{"text": when}, *said] if one.role == "user" else said
    return cast("Message", {"role": one.role, "content": content})


def _rendered(one: RestoredText) -> str:
    return message_element(one.role, one.at, one.text)
