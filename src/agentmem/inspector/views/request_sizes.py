"""Reads the sizes of the requests of a session: as the model reported them, beside the whole history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentmem.drawing.chart import RequestPoint
from agentmem.events.reader import in_order
from agentmem.messages.tokens import count_message, prompt_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentmem.config import MemoryConfig
    from agentmem.events.codec import DecodedEvent, LoggedMessage
    from agentmem.inspector.views.place import Place

__all__ = ["RequestSizes", "read_request_sizes"]

MOST_PAGES = 20
"""Pages of 100 events that are read at most for one chart."""

_SMALLER = 0.9
"""A request that has less than this share of the one before was compacted: a history only grows."""


@dataclass(frozen=True)
class RequestSizes:
    """The requests of a session that left an answer in the log.

    Attributes:
        points: Their sizes, oldest first.
        messages: Messages read.
        stored_tokens: Tokens of these messages, counted here.
        is_complete: Whether the log was read to its beginning.
    """

    points: tuple[RequestPoint, ...]
    messages: int
    stored_tokens: int
    is_complete: bool


def read_request_sizes(config: MemoryConfig, place: Place) -> RequestSizes:
    """Read back through a session and collect the sizes of its requests; a call for each 100 events.

    Args:
        config: The memory.
        place: The session.

    Raises:
        HistoryUnavailableError: The events could not be read.
    """
    reader = place.reader(config)
    pages = 0
    events: list[DecodedEvent] = []
    token: str | None = None
    while True:
        page = reader.page(token)
        events += page.events
        token, pages = page.next_token, pages + 1
        if token is None or pages >= MOST_PAGES:
            break
    messages = in_order(events)
    points, stored = _points(messages, whole=token is None)
    return RequestSizes(tuple(points), len(messages), stored, token is None)


def _points(messages: Sequence[LoggedMessage], *, whole: bool) -> tuple[list[RequestPoint], int]:
    stored = 0
    fixed: int | None = None
    points: list[RequestPoint] = []
    for logged in messages:
        reported = _reported(logged.message)
        if logged.message["role"] == "assistant" and reported:
            # What the model reported beyond the messages is the system prompt and the tools; the first request, which
            # nothing was folded for, tells how much.
            fixed = max(reported - stored, 0) if fixed is None else fixed
            points.append(
                RequestPoint(
                    tokens=reported,
                    stored=stored + fixed if whole else None,
                    compacted=bool(points) and reported < points[-1].tokens * _SMALLER,
                    label=f"at {logged.at:%Y-%m-%d %H:%M:%S}",
                )
            )
        stored += count_message(logged.message)
    return points, stored


def _reported(message: Any) -> int:
    usage = (message.get("metadata") or {}).get("usage") or {}
    return prompt_tokens(usage)
