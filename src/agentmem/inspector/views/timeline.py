"""Reads a session's events page by page as a timeline of turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentmem.events.reader import in_order
from agentmem.inspector.views.message_blocks import Block, blocks_of
from agentmem.messages.tokens import count_message
from agentmem.messages.truncation import handle_of
from agentmem.messages.turns import is_own_message

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from agentmem.config import MemoryConfig
    from agentmem.events.codec import LoggedMessage
    from agentmem.events.reader import Page
    from agentmem.inspector.views.place import Place

__all__ = ["MessageItem", "TimelinePage", "TurnItem", "message_item", "read_message", "read_timeline"]

PAGE_EVENTS = 50
"""Events a page: a call answers them in a few milliseconds, and a screen shows about ten."""

PREVIEW = 700
"""Characters of a block that the timeline shows; the whole comes on a click."""


@dataclass(frozen=True)
class MessageItem:
    """One stored message.

    Attributes:
        handle: Its handle, as shortened texts and summaries name it.
        role: ``user`` or ``assistant``.
        at: When it was written, UTC.
        event_id: The event that holds it.
        item: Its place in the event's payload.
        tokens: Its tokens, counted here.
        blocks: Its blocks, each as far as it was asked for.
    """

    handle: str
    role: str
    at: datetime
    event_id: str
    item: int
    tokens: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class TurnItem:
    """One turn, as far as it lies on the page.

    Attributes:
        messages: Its messages, oldest first.
        is_continued: Whether it begins on the next older page.
        is_extracted: Whether some of its text is given to extraction at all; tool traffic alone is not.
    """

    messages: tuple[MessageItem, ...]
    is_continued: bool = False
    is_extracted: bool = True

    @property
    def tokens(self) -> int:
        """Tokens of its messages."""
        return sum(message.tokens for message in self.messages)


@dataclass(frozen=True)
class TimelinePage:
    """A page of a session's events.

    Attributes:
        turns: The turns, newest first.
        next_token: Where the next older page begins, or None.
        events: Events on the page.
        unknown: Items in a form that nobody here reads.
    """

    turns: tuple[TurnItem, ...]
    next_token: str | None
    events: int
    unknown: int

    @property
    def messages(self) -> int:
        """Messages on the page."""
        return sum(len(turn.messages) for turn in self.turns)


def read_timeline(config: MemoryConfig, place: Place, token: str | None = None) -> TimelinePage:
    """Read a page of a session's events; one call.

    Args:
        config: The memory.
        place: The session.
        token: Where to go on; None for the newest page.

    Raises:
        HistoryUnavailableError: The events could not be read.
        IdentityError: An id is malformed.
    """
    page = place.reader(config).page(token, page_size=PAGE_EVENTS)
    return TimelinePage(
        turns=tuple(_turns(page)),
        next_token=page.next_token,
        events=len(page.events),
        unknown=sum(event.unknown for event in page.events),
    )


def read_message(config: MemoryConfig, place: Place, event_id: str, item: int) -> MessageItem | None:
    """Read one message whole; one call.

    Args:
        config: The memory.
        place: The session.
        event_id: The event.
        item: The message's place in its payload.

    Returns:
        The message, or None when it is gone.

    Raises:
        HistoryUnavailableError: The event could not be read.
    """
    event = place.reader(config).get(event_id)
    found = None if event is None else next((one for one in event.messages if one.position.item == item), None)
    return None if found is None else message_item(found, None)


def message_item(logged: LoggedMessage, most: int | None = PREVIEW) -> MessageItem:
    """Return a stored message to draw.

    Args:
        logged: The message.
        most: Characters of each block at most; None for all.
    """
    message = logged.message
    return MessageItem(
        handle=handle_of(message["tracking_id"]),
        role=message["role"],
        at=logged.at,
        event_id=logged.position.event_id,
        item=logged.position.item,
        tokens=count_message(message),
        blocks=blocks_of(message, most),
    )


def _turns(page: Page) -> list[TurnItem]:
    """Divide a page into turns, newest first; at its older end a turn may be cut."""
    groups: list[list[LoggedMessage]] = []
    for logged in in_order(page.events):
        begins = is_own_message(logged.message) and not (groups and _is_opening(groups[-1]))
        if begins or not groups:
            groups.append([])
        groups[-1].append(logged)
    turns = [
        TurnItem(
            messages=tuple(map(message_item, group)),
            is_continued=not is_own_message(group[0].message),
            is_extracted=any(block.kind == "text" and block.text.strip() for one in group for block in _heads(one)),
        )
        for group in groups
    ]
    return turns[::-1]


def _heads(logged: LoggedMessage) -> tuple[Block, ...]:
    return blocks_of(logged.message, 80)


def _is_opening(group: Sequence[LoggedMessage]) -> bool:
    """Whether a turn has nothing but the user's own messages yet."""
    return all(is_own_message(one.message) for one in group)
