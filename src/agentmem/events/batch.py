"""Makes CreateEvent requests of a turn's messages: pure, and the same input always gives the same request."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agentmem.events.position import Position

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["MAX_BYTES", "MAX_ITEMS", "OutgoingItem", "as_call", "body_of", "parts_of", "places_of", "positions_of"]

MAX_ITEMS = 100
"""Most payload items of one event (botocore's model of the service: ``PayloadTypeList``)."""

MAX_BYTES = 5_000_000
"""Most bytes of one event's payload; the service takes 10 MB, and what is left is room for encoding."""

_ROOM = 4
"""Items kept free for what follows the messages: checkpoint, agent state, and the mark of a later replacement."""


@dataclass(frozen=True)
class OutgoingItem:
    """One serialized message.

    Attributes:
        tracking_id: The message's tracking id.
        payload: The payload item, or None when the message has nothing to store.
        conversational: Whether it holds text that extraction should see.
        said: A payload item in front of it with nothing but its text, for extraction; None for none.
        marks: Metadata of the event that it is in: whose message it is (`agents`).
    """

    tracking_id: str
    payload: dict[str, Any] | None
    conversational: bool = True
    said: dict[str, Any] | None = None
    marks: Mapping[str, str] = field(default_factory=dict)

    @property
    def payload_items(self) -> list[dict[str, Any]]:
        """The payload items it takes, its own the last."""
        return [item for item in (self.said, self.payload) if item is not None]


def parts_of(items: Sequence[OutgoingItem]) -> list[tuple[dict[str, int | None], list[OutgoingItem]]]:
    """Divide a turn's messages over as few events as the limits allow.

    Returns:
        The places (see ``places_of``) and the messages of each event; at least one, which may have no message.
    """
    parts: list[tuple[dict[str, int | None], list[OutgoingItem]]] = [({}, [])]
    size = count = 0
    for item in items:
        taken = item.payload_items
        length = len(json.dumps(taken)) if taken else 0
        if parts[-1][1] and (size + length > MAX_BYTES or count + len(taken) > MAX_ITEMS - _ROOM):
            parts.append(({}, []))
            size = count = 0
        size += length
        count += len(taken)
        places, messages = parts[-1]
        places[item.tracking_id] = None if item.payload is None else count - 1
        messages.append(item)
    return parts


def places_of(items: Iterable[OutgoingItem]) -> dict[str, int | None]:
    """Return the payload item of each message in an event of its own, by tracking id; None for one with nothing."""
    places: dict[str, int | None] = {}
    index = 0
    for item in items:
        index += len(item.payload_items)
        places[item.tracking_id] = None if item.payload is None else index - 1
    return places


def positions_of(places: Mapping[str, int | None], event_id: str) -> dict[str, Position]:
    """Return where the messages of an event stand; one with nothing to store, in front of what follows it."""
    positions: dict[str, Position] = {}
    following = max((place for place in places.values() if place is not None), default=-1) + 1
    for name, place in reversed(list(places.items())):
        following = following if place is None else place
        positions[name] = Position(event_id, following, is_stored=place is not None)
    return {name: positions[name] for name in places}


def body_of(
    items: Sequence[OutgoingItem],
    tail: Sequence[dict[str, Any]],
    metadata: Mapping[str, str],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Build what a CreateEvent carries besides the ids and the time.

    Args:
        items: The event's messages.
        tail: The payload items behind them.
        metadata: Event metadata.
        options: Further parameters of every event of the session.

    Returns:
        JSON-able parameters of CreateEvent.
    """
    payload = [payload for item in items for payload in item.payload_items]
    body: dict[str, Any] = {**options, "payload": [*payload, *tail]}
    if metadata:
        body["metadata"] = {key: {"stringValue": value} for key, value in metadata.items()}
    if not any(item.conversational for item in items):
        body["extractionMode"] = "SKIP"
    return body


def as_call(address: Mapping[str, str], body: Mapping[str, Any], milliseconds: int) -> dict[str, Any]:
    """Return the parameters of a CreateEvent.

    Its ``clientToken`` is a hash of all the rest: the same request is stored once however often it is sent, and a
    changed one is never mistaken for it (the service ignores a repeated token without a word).

    Args:
        address: The ids.
        body: See ``body_of``.
        milliseconds: The event's time, since the epoch.
    """
    frozen = json.dumps([dict(address), body, milliseconds], sort_keys=True)
    return {
        **address,
        **body,
        "eventTimestamp": datetime.fromtimestamp(milliseconds / 1000, UTC),
        "clientToken": hashlib.sha256(frozen.encode()).hexdigest(),
    }
