"""Holds the messages of one agent's turn in progress until the turn is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentmem.support.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from strands.types.content import Message

    from agentmem.events.batch import OutgoingItem

__all__ = ["PATIENCE", "TurnBuffer"]

PATIENCE = 2.0
"""Seconds after which a turn starts no further call for turns that waited before it; they are sent aside."""


class TurnBuffer:
    """The turn in progress, by tracking id, in order.

    Messages come in on the event loop and are serialized in another thread, each once: when the model has answered and
    nothing can redact it any more, or when the turn is closed.

    Attributes:
        messages: The messages by tracking id, in order; only this class changes them.
        patience: Seconds the turn may still wait for the service. A turn waits in vain once; see ``EventWriter.sent``.
    """

    def __init__(self, serialize: Callable[[Message], OutgoingItem | None]) -> None:
        """Start empty.

        Args:
            serialize: Makes what is stored of a message; None for one with nothing to store.
        """
        self._serialize = serialize
        self.messages: dict[str, Message] = {}
        self._accepted: dict[str, OutgoingItem | None] = {}
        self._began = 0.0
        self.patience = PATIENCE

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self.messages)

    def __contains__(self, tracking_id: str) -> bool:
        """Whether a message waits."""
        return tracking_id in self.messages

    @property
    def seconds(self) -> float:
        """For how long the oldest message has been waiting."""
        return monotonic() - self._began if self.messages else 0.0

    @property
    def ends_with_user(self) -> bool:
        """Whether the newest message is a user's or a tool's, which the model call under way may redact."""
        return bool(self.messages) and self.messages[next(reversed(self.messages))]["role"] == "user"

    def add(self, message: Message) -> None:
        """Take a message in; one with the same tracking id replaces the earlier in its place."""
        if not self.messages:
            self._began = monotonic()
        self.messages[message["tracking_id"]] = message

    def insert(self, history: Sequence[Message], new: Collection[str]) -> None:
        """Take in messages of a history, each before what follows it there.

        Args:
            history: The history, of which messages that wait are part.
            new: The tracking ids of the messages to take in.
        """
        if not self.messages:
            self._began = monotonic()
        following = dict(self.messages)
        ordered: dict[str, Message] = {}
        for message in history:
            name = message["tracking_id"]
            if name in following:
                ordered[name] = following.pop(name)
            elif name in new:
                ordered[name] = message
        self.messages = following | ordered

    def replace(self, message: Message) -> bool:
        """Replace a message that waits; return whether the earlier one was accepted already."""
        name = message["tracking_id"]
        self.messages[name] = message
        return self._accepted.pop(name, None) is not None

    def accept(self) -> list[OutgoingItem]:
        """Serialize the messages that came since the last call: the model has answered, they are final."""
        new = [message for name, message in list(self.messages.items()) if name not in self._accepted]
        items = {message["tracking_id"]: self._serialize(message) for message in new}
        self._accepted |= items
        return [item for item in items.values() if item is not None]

    def take(self, keep_last: int = 0) -> list[OutgoingItem]:
        """Take the messages out, serialized.

        Args:
            keep_last: How many of the newest messages stay.
        """
        taken = []
        for message in list(self.messages.values())[: len(self.messages) - keep_last]:
            name = message["tracking_id"]
            item = self._accepted.pop(name) if name in self._accepted else self._serialize(message)
            if item is not None:
                taken.append(item)
            self.messages.pop(name, None)
        return taken
