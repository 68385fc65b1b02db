"""The turn of one agent that is to be saved: its texts, from the message that is added to the item that is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentmem.events.batch import OutgoingItem
from agentmem.events.codec import encode_text
from agentmem.events.redaction import Replacement
from agentmem.messages.text import plain_text
from agentmem.support.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from strands.types.content import Message

    from agentmem.events.position import Position
    from agentmem.events.writer import EventWriter

__all__ = ["PendingTurn", "Text"]

Text = tuple[str, str, str]
"""Tracking id, role and text of a message."""


class PendingTurn:
    """The messages of one agent that are to be saved, and those of its turn that were already.

    Messages are added on the event loop; what is taken then is made into items in another thread.
    """

    def __init__(self, outgoing: Callable[[str], str], *, strip_thinking: bool, follow: bool) -> None:
        """Start with nothing.

        Args:
            outgoing: Redacts a text; empty when it must not leave the process.
            strip_thinking: Whether an assistant's thinking is left out.
            follow: Whether messages are written before the model call that may redact them.
        """
        self._outgoing = outgoing
        self._strip_thinking = strip_thinking
        self._follow = follow
        self._pending: dict[str, Message] = {}
        self._ready: dict[str, OutgoingItem | None] = {}
        self._sent: dict[str, tuple[Message, str]] = {}
        self._places: dict[str, Position] = {}
        self._began = 0.0

    def __bool__(self) -> bool:
        """Whether anything waits to be saved."""
        return bool(self._pending)

    @property
    def seconds(self) -> float:
        """For how long the oldest of it has been waiting."""
        return monotonic() - self._began if self._pending else 0.0

    @property
    def was_sent(self) -> bool:
        """Whether a message of this turn was written that may be redacted yet."""
        return bool(self._sent)

    @property
    def ends_with_user(self) -> bool:
        """Whether the newest message that waits is a user's, which the model call under way may redact."""
        return bool(self._pending) and self._pending[next(reversed(self._pending))]["role"] == "user"

    def begin(self) -> None:
        """Begin a turn: nothing redacts the messages of the last one any more."""
        self._sent.clear()
        self._places.clear()

    def add(self, message: Message) -> None:
        """Take a message in."""
        if not self._pending:
            self._began = monotonic()
        self._pending[message["tracking_id"]] = message

    def update(self, tracking_id: str, message: Message) -> None:
        """Replace a message that still waits."""
        if tracking_id in self._pending:
            self._pending[tracking_id] = message
            self._ready.pop(tracking_id, None)

    def take(self, keep_last: int = 0) -> list[Text]:
        """Take the texts that wait; later changes to a message do not reach them.

        Args:
            keep_last: How many of the newest messages stay.
        """
        taken: list[Text] = []
        for name in list(self._pending)[: len(self._pending) - keep_last]:
            message = self._pending.pop(name)
            text = self._text_of(message)
            if self._follow:
                self._sent[name] = (message, text)
            if text:
                taken.append((name, message["role"], text))
            else:
                self._ready.pop(name, None)
        return taken

    def items(self, texts: Sequence[Text]) -> tuple[list[OutgoingItem], int]:
        """Make items of texts.

        Returns:
            The items, and how many texts must not leave the process.
        """
        made = [self._ready.pop(one[0]) if one[0] in self._ready else self._item(*one) for one in texts]
        kept = [item for item in made if item is not None]
        return kept, len(made) - len(kept)

    def accepted(self) -> list[OutgoingItem]:
        """Return items of the messages that came since the last call: the model has answered, they are final."""
        new = [(name, message) for name, message in list(self._pending.items()) if name not in self._ready]
        for name, message in new:
            text = self._text_of(message)
            self._ready[name] = self._item(name, message["role"], text) if text else None
        return [item for name, _ in new if (item := self._ready[name]) is not None]

    def stored(self, writer: EventWriter) -> None:
        """Note where the messages stand that may be redacted yet."""
        if self._sent:
            self._places |= writer.positions

    def follow_redactions(self, writer: EventWriter) -> bool:
        """Replace what was written and has been redacted since; return whether there was any."""
        found = False
        for name, (message, text) in list(self._sent.items()):
            now = self._text_of(message)
            if now == text:
                continue
            self._sent[name] = (message, now)
            item = self._item(name, message["role"], now) if now else None
            payload = () if item is None else tuple(item.payload_items)
            writer.redact(Replacement(name, payload), self._places.get(name))
            found = True
        return found

    def _text_of(self, message: Message) -> str:
        return plain_text(message["content"], message["role"], without_thinking=self._strip_thinking)

    def _item(self, name: str, role: str, text: str) -> OutgoingItem | None:
        outgoing = self._outgoing(text)
        return OutgoingItem(name, encode_text(outgoing, role)) if outgoing.strip() else None
