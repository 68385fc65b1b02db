"""Finding out what became of an event that an earlier process meant to write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agentmem.events.codec import decode_event
from agentmem.events.position import Position

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentmem.events.codec import DecodedEvent
    from agentmem.events.reader import EventReader

__all__ = ["find_message", "look_up", "without_state"]

PAGES = 50
"""Pages of 100 events searched for a message at most."""


def look_up(reader: EventReader, body: Mapping[str, Any], milliseconds: int | None) -> tuple[str | None, str | None]:
    """Look for an event in the log.

    Args:
        reader: The session's events.
        body: What the event carries.
        milliseconds: Its time, or None when it was never sent, so that only the newest event is of interest.

    Returns:
        The id under which it is in the log, or None; and the id of the newest event, or None when there is none.

    Raises:
        HistoryUnavailableError: The log could not be read.
    """
    newest: str | None = None
    for page in reader.pages(page_size=100 if milliseconds is not None else 1):
        for event in page:
            newest = newest or event.event_id
            at = Position(event.event_id).milliseconds
            if milliseconds is None or at < milliseconds:
                return None, newest
            if at == milliseconds and _is_same(event, body):
                return event.event_id, newest
    return None, newest


def find_message(reader: EventReader, tracking_id: str) -> Position | None:
    """Return where a message stands in the log, or None when it is not within reach.

    Raises:
        HistoryUnavailableError: The log could not be read.
    """
    for number, page in enumerate(reader.pages()):
        if number >= PAGES:
            return None
        for event in page:
            for one in event.messages:
                if one.message["tracking_id"] == tracking_id:
                    return one.position
    return None


def without_state(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an event carries without checkpoint and agent state, which newer events have overtaken."""
    kept = {key: value for key, value in body.items() if key != "metadata"}
    kept["payload"] = [item for item in body["payload"] if not _is_state(item)]
    metadata = {key: value for key, value in body.get("metadata", {}).items() if key not in ("stateType", "agentId")}
    return kept | ({"metadata": metadata} if metadata else {})


def _is_same(event: DecodedEvent, body: Mapping[str, Any]) -> bool:
    meant = decode_event({"eventId": event.event_id, "payload": body["payload"]})
    ids = [one.message["tracking_id"] for one in meant.messages]
    if ids != [one.message["tracking_id"] for one in event.messages]:
        return False
    if any(one.origin != "text" for one in meant.messages):
        return True
    # Plain text has no ids of its own.
    return [one.message["content"] for one in meant.messages] == [one.message["content"] for one in event.messages]


def _is_state(item: Mapping[str, Any]) -> bool:
    try:
        value = json.loads(item.get("blob", "null"))
    except (TypeError, ValueError):
        return False
    if not isinstance(value, dict):
        return False
    return {"agent_id", "state"} <= value.keys() or value.get("agentmem") in ("checkpoint", "pointer")
