"""Replaces an event of the log, with a message in it that a guardrail has redacted after it was written.

The service cannot change an event. Its replacement is written first, with the same time and the same items, so that
positions keep their meaning, and with a mark that names the original; then the original is deleted. A reader that meets
both in between keeps the replacement.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from agentmem.clients.answers import ask
from agentmem.events.batch import as_call
from agentmem.events.codec import decode_event
from agentmem.events.packed_entries import pack_entries, unpack_entries
from agentmem.events.position import Position
from agentmem.events.reader import event_id_of
from agentmem.events.serializer import agentmem_item, has_conversation, replacement_mark

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentmem.scope.address import SessionAddress

__all__ = ["Replacement", "put_in_place", "replace_event"]


@dataclass(frozen=True)
class Replacement:
    """What takes the place of one message.

    Attributes:
        tracking_id: The message.
        payload: Its new payload items: what it says, if that stands apart, and the message; none to leave nothing.
        handle: Its handle in the indexes of checkpoints.
        passages: What the index has of it now, in its JSON form (`IndexEntry.to_list`).
    """

    tracking_id: str
    payload: tuple[dict[str, Any], ...]
    handle: str = ""
    passages: tuple[Any, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, without the tracking id."""
        return {"payload": list(self.payload), "handle": self.handle, "passages": list(self.passages)}

    @classmethod
    def from_dict(cls, tracking_id: str, value: Mapping[str, Any]) -> Replacement:
        """Read the JSON form."""
        return cls(tracking_id, tuple(value["payload"]), value["handle"], tuple(value.get("passages", ())))


def put_in_place(
    payload: Sequence[dict[str, Any]], place: int, items: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return a payload with one message replaced and every item where it was.

    Args:
        payload: The payload.
        place: The item of the message.
        items: The new items of the message; see ``Replacement.payload``.
    """
    changed = list(payload)
    nothing = agentmem_item("removed", {})
    changed[place] = items[-1] if items else nothing
    if place and _says_the_same(payload[place - 1], payload[place]):
        changed[place - 1] = items[0] if len(items) > 1 else nothing
    return changed


def replace_event(
    client: Any, address: SessionAddress, at: Position, new: Replacement, options: Mapping[str, Any]
) -> str | None:
    """Write an event anew with one message replaced, and delete the original.

    It may be called again when it failed half way.

    Args:
        client: The boto3 client.
        address: The session.
        at: Where the message stands.
        new: The message.
        options: Further parameters of every event of the session.

    Returns:
        The id of the new event; None when the original or the message in it is gone.

    Raises:
        ClientError: The service refused a call.
        BotoCoreError: The service could not be reached.
    """
    event_id = at.event_id
    try:
        answer = ask(client, "get_event", "event", **address.parameters(), eventId=event_id)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise
    event = answer["event"]
    decoded = decode_event(event)
    found = [
        one
        for one in decoded.messages
        # Plain text has no tracking id of its own.
        if one.message["tracking_id"] == new.tracking_id or (one.origin == "text" and one.position.item == at.item)
    ]
    if not found:
        return None
    payload = put_in_place(event["payload"], found[0].position.item, new.payload)
    payload = [_without_terms(item, new) for item in payload if not _is_mark(item)]
    # The plain SDK session manager takes the last item for the agent's state.
    last = len(payload) - (decoded.agent_state is not None)
    payload.insert(last, replacement_mark(decoded.replaces | {event_id}))
    body: dict[str, Any] = {**options, "payload": payload}
    for name in ("metadata", "branch"):
        if event.get(name):
            body[name] = event[name]
    kept = decode_event({**event, "payload": payload}).messages
    if not any(has_conversation(one.message) for one in kept):
        body["extractionMode"] = "SKIP"
    call = as_call(address.parameters(), body, Position(event_id).milliseconds)
    made = event_id_of(ask(client, "create_event", **call))
    client.delete_event(**address.parameters(), eventId=event_id)
    return made


def _says_the_same(before: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
    """Whether an item is what the message behind it says, for extraction."""
    return "conversational" in before and _ours(item).get("agentmem") == "message"


def _is_mark(item: Mapping[str, Any]) -> bool:
    return _ours(item).get("agentmem") == "replaces"


def _without_terms(item: dict[str, Any], new: Replacement) -> dict[str, Any]:
    """Return a checkpoint's item with the message's own terms in its index, not the original's."""
    value = _ours(item)
    checkpoint = value.get("checkpoint")
    if value.get("agentmem") != "checkpoint" or not isinstance(checkpoint, dict) or not new.handle:
        return item
    rest = {key: part for key, part in value.items() if key != "agentmem"}
    rest["checkpoint"] = {**checkpoint, "index": _with_passages(checkpoint.get("index"), new)}
    if "merged" in rest:
        rest["merged"] = _with_passages(rest["merged"], new)
    return agentmem_item("checkpoint", rest)


def _with_passages(index: Any, new: Replacement) -> Any:
    entries = unpack_entries(index)
    return pack_entries(
        [[*entry[:4], list(new.passages), *entry[5:]] if entry[0] == new.handle else entry for entry in entries]
    )


def _ours(item: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(item.get("blob"), str) or '"agentmem"' not in item["blob"]:
        return {}
    try:
        value = json.loads(item["blob"])
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
