"""Defines pins, the statements and messages that stand in every request, and reads and writes their changes in the log.

A change is an item of an event: a statement that was pinned or unpinned, a message whose pin was set or taken away. The
pins of a session are those of its checkpoint with the changes of the events that were read after it. Changes that the
checkpoint has already may come again: a statement is known by its id and an id is unpinned for good, and of a message
the last change counts, so nothing is counted twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from agentmem.events.position import Position
from agentmem.events.serializer import agentmem_item

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agentmem.events.codec import DecodedEvent

PINS = "pins"
"""Kind of the item that holds changes."""

PinnedBy = Literal["application", "agent"]
"""The application's own code or the command line; or the agent, with its tool."""


@dataclass(frozen=True)
class Pin:
    """A statement that stands in every request of its session, word for word, until it is unpinned.

    Attributes:
        text: The statement, as ``WriteConfig.redact`` left it.
        pin_id: Its id, 12 hex digits.
        at: When it was pinned, UTC.
        by: Who pinned it.
    """

    text: str
    pin_id: str
    at: datetime
    by: PinnedBy = "application"

    def to_dict(self) -> dict[str, str]:
        """Return the JSON form."""
        return {"id": self.pin_id, "text": self.text, "at": self.at.isoformat(), "by": self.by}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Pin:
        """Read the JSON form.

        Raises:
            KeyError: A field is missing.
            ValueError: The time is malformed.
        """
        by: PinnedBy = "agent" if value.get("by") == "agent" else "application"
        return cls(str(value["text"]), str(value["id"]), datetime.fromisoformat(value["at"]), by)


@dataclass(frozen=True)
class Pins:
    """Everything that is pinned in a session.

    Attributes:
        statements: Pinned statements, in the order in which they were pinned.
        messages: Whether a message is pinned, by tracking id, for those whose pin was ever set or taken away.
    """

    statements: tuple[Pin, ...] = ()
    messages: Mapping[str, bool] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is anything to keep."""
        return bool(self.statements or self.messages)

    def after(self, changes: Iterable[Mapping[str, Any]]) -> Pins:
        """Return the pins after some changes.

        Args:
            changes: Oldest first; of an unknown form they are passed over.
        """
        statements = {one.pin_id: one for one in self.statements}
        messages = dict(self.messages)
        unpinned: set[str] = set()
        for change in changes:
            match change:
                case {"pin": {"id": str(pin_id), "text": str(), "at": str(at)} as pin} if _is_time(at):
                    statements.setdefault(pin_id, Pin.from_dict(pin))
                case {"unpin": str(pin_id)}:
                    unpinned.add(pin_id)
                case {"message": str(tracking_id), "pinned": bool(pinned)}:
                    messages[tracking_id] = pinned
        return Pins(tuple(one for one in statements.values() if one.pin_id not in unpinned), messages)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"statements": [one.to_dict() for one in self.statements], "messages": dict(self.messages)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Pins:
        """Read the JSON form.

        Raises:
            KeyError: A field of a statement is missing.
            ValueError: The time of a statement is malformed.
        """
        messages = value.get("messages") or {}
        return cls(
            tuple(Pin.from_dict(one) for one in value.get("statements") or ()),
            {str(name): bool(pinned) for name, pinned in messages.items()},
        )


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def pinned_change(pin: Pin) -> dict[str, Any]:
    """Return the change that pins a statement."""
    return {"pin": pin.to_dict()}


def unpinned_change(pin_id: str) -> dict[str, Any]:
    """Return the change that unpins a statement for good."""
    return {"unpin": pin_id}


def message_change(tracking_id: str, *, pinned: bool) -> dict[str, Any]:
    """Return the change that sets or takes away the pin of a message."""
    return {"message": tracking_id, "pinned": pinned}


def pins_item(changes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the payload item that holds changes."""
    return agentmem_item(PINS, {"changes": list(changes)})


def changes_in(events: Iterable[DecodedEvent]) -> list[Mapping[str, Any]]:
    """Return the changes that events hold, oldest first.

    Args:
        events: Events in any order.
    """
    holding = sorted((event for event in events if PINS in event.ours), key=lambda event: Position(event.event_id))
    found = (event.ours[PINS].get("changes") for event in holding)
    return [cast("Mapping[str, Any]", one) for changes in found if isinstance(changes, list) for one in changes]


def holds_pins_only(event: DecodedEvent) -> bool:
    """Whether an event holds changes of pins and no part of a conversation."""
    return PINS in event.ours and not event.messages and event.agent_state is None and not event.is_session_marker
