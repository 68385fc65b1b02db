"""Reconciles the queue with the log: finds events that were tried before, and keeps new ones behind the newest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from agentmem.errors import HistoryUnavailableError
from agentmem.events.codec import decode_event
from agentmem.events.position import Position

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentmem.events.codec import DecodedEvent
    from agentmem.events.reader import EventReader
    from agentmem.events.send_queue import QueuedEvent, SendQueue

__all__ = ["Reconciler", "find_message"]

PAGES = 50
"""Pages of 100 events searched for a message at most."""


class Reconciler:
    """Knows the newest time in one session's log, and finds out again when another process may have written.

    Attributes:
        last_ms: The newest event's time that is known, milliseconds since the epoch; 0 for none.
        must_look: Whether another process may have written, so that the log is read before an event gets its time.
        has_failed: Whether an attempt to send has failed since the log was read; it may have been stored all the same.
    """

    def __init__(self, reader: EventReader, queue: SendQueue) -> None:
        """Read through a reader; nothing is read before ``settle`` is called."""
        self.last_ms = 0
        self.must_look = False
        self.has_failed = False
        self._others_ms = -1
        self._reader = reader
        self._lock = queue.lock

    def start_after(self, event_id: str) -> None:
        """Make every later event's time later than that of an event in the log."""
        with self._lock:
            self.last_ms = max(self.last_ms, Position(event_id).milliseconds)

    def settle(self, event: QueuedEvent) -> str | None:
        """Find out whether an event that was tried before is in the log, and make it fit behind what is.

        While it waited, other writers may have written, and one of them may have compacted: behind a boundary that
        has moved past its time nobody would see it. One of this process keeps its time when nobody did: the first
        attempt may still arrive, and only the same request is known to be the same.

        Returns:
            The id under which the event is in the log, or None when it is to be sent.

        Raises:
            HistoryUnavailableError: The log could not be read, and the event came from another process.
        """
        body = event.body if event.body is not None else {"payload": []}
        try:
            found, newest = look_up(self._reader, body, event.at)
        except HistoryUnavailableError as error:
            cause = error.__cause__
            is_denied = isinstance(cause, ClientError) and cause.response["Error"]["Code"] == "AccessDeniedException"
            if event.kept_at or not is_denied:
                raise
            found = newest = None  # who may write and not read writes by the clock
        newest_ms = -1
        if newest is not None:
            newest_ms = Position(newest).milliseconds
            self.start_after(newest)
        if self.must_look:
            self._others_ms = newest_ms  # later looks find what this process wrote
        if found is None and event.kept_at and event.kept_at <= self._others_ms:
            event.body = without_state(body)  # somebody has written since: that state is the newer one
        if found is None and event.at is not None and event.at <= (self.last_ms if event.kept_at else newest_ms):
            event.at = None
        self.must_look = self.has_failed = False
        return found


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
