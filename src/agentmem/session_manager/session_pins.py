"""Pins and unpins statements of one session, in events of their own."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from agentmem.clients.answers import ask
from agentmem.compaction.budget import PINNED_SHARE
from agentmem.errors import PinError
from agentmem.events.pins import Pin, pinned_change, pins_item, unpinned_change
from agentmem.messages.json_values import valid_text
from agentmem.messages.pinned import pinned_block
from agentmem.messages.summary_fence import count_in_fence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentmem.events.pin_board import PinBoard
    from agentmem.events.pins import PinnedBy, Pins
    from agentmem.events.serializer import Serializer
    from agentmem.scope.address import SessionAddress

__all__ = ["SessionPins"]


@dataclass(frozen=True)
class SessionPins:
    """Writes the pins of one session.

    Attributes:
        client: The boto3 client of events.
        address: The session.
        board: Where agents of this process look.
        serializer: Redacts what leaves the process.
        threshold: Tokens of a request at which it is compacted; pins may take a fifth of them.
        marks: Metadata of the events, when the agent is not the session's main one.
    """

    client: Any
    address: SessionAddress
    board: PinBoard
    serializer: Serializer
    threshold: int
    marks: Mapping[str, str] = field(default_factory=dict)

    def pin(self, text: str, pins: Pins, *, by: PinnedBy = "application") -> Pin:
        """Pin a statement.

        Args:
            text: The statement.
            pins: What is pinned already.
            by: Who pins it.

        Returns:
            The pin; the one that is there when the same text is pinned already.

        Raises:
            PinError: It is blank, there is no room for it, or it could not be written.
        """
        text = valid_text(self.serializer.text(text)).strip()
        if not text:
            raise PinError(f"a blank text cannot be pinned in {self.address}; give the statement that is to hold")
        standing = next((one for one in pins.statements if one.text == text), None)
        if standing is not None:
            return standing
        self._check_room(text, pins)
        pin = Pin(text, uuid.uuid4().hex[:12], datetime.now(UTC), by)
        self._write(pinned_change(pin), "pinned")
        return pin

    def unpin(self, pin: Pin | str, pins: Pins) -> None:
        """Unpin a statement.

        Args:
            pin: The pin, or its id.
            pins: What is pinned.

        Raises:
            PinError: There is no such pin, or it could not be written.
        """
        pin_id = pin if isinstance(pin, str) else pin.pin_id
        if all(one.pin_id != pin_id for one in pins.statements):
            raise PinError(
                f"there is no pin {pin_id!r} in {self.address}; `pins()` and `agentmem pins list` show those there are"
            )
        self._write(unpinned_change(pin_id), "unpinned")

    def _check_room(self, text: str, pins: Pins) -> None:
        block = pinned_block([*(one.text for one in pins.statements), text])
        needed = 0 if block is None else count_in_fence(block["text"])
        room = self.threshold // PINNED_SHARE
        if needed > room:
            raise PinError(
                f"with this one of {count_in_fence(text):,} tokens the pins of {self.address} would take {needed:,} "
                f"tokens, and {room:,} is the most they may: a fifth of token_threshold = {self.threshold:,}. Pin a "
                "shorter statement, unpin another one, or raise token_threshold."
            )

    def _write(self, change: Mapping[str, Any], done: str) -> None:
        try:
            ask(
                self.client,
                "create_event",
                "event",
                **self.address.parameters(),
                eventTimestamp=datetime.now(UTC),
                payload=[pins_item([change])],
                extractionMode="SKIP",
                **(
                    {"metadata": {name: {"stringValue": value} for name, value in self.marks.items()}}
                    if self.marks
                    else {}
                ),
            )
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            raise PinError(
                f"a statement could not be {done} in {self.address}: its event was not written "
                f"({type(error).__name__}: {error}). Nothing has changed; try again."
            ) from error
        self.board.change([change])
