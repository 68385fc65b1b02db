"""Reads folded messages as exchanges: the user's words, the tools the assistant called, its answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from agentmem.messages.cutting import RECALL_TOOL
from agentmem.messages.text import call_text, clip, result_text, text_of
from agentmem.messages.thinking import strip_thinking
from agentmem.messages.truncation import handle_of
from agentmem.messages.turns import is_own_message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from strands.types.content import Message

AT = "at"
"""Key in ``message["metadata"]["custom"]`` of the time a message was said, ISO 8601."""


@dataclass(frozen=True)
class Text:
    """The text of one message.

    Attributes:
        text: The text.
        source: The message's handle; empty for a message without tracking id.
        at: Its day, ISO 8601; empty when it is not known.
    """

    text: str
    source: str = ""
    at: str = ""


@dataclass(frozen=True)
class Call:
    """One call of a tool.

    Attributes:
        name: The tool.
        given: Its input on one line.
        result: The start of its result on one line; empty while there is none.
        failed: Whether it reported an error.
        returned: Whether its result is there.
        source: Handle of the message that made it.
        at: Day of that message.
    """

    name: str
    given: str
    result: str = ""
    failed: bool = False
    returned: bool = False
    source: str = ""
    at: str = ""

    @property
    def line(self) -> str:
        """The call and the start of its result."""
        return f"{self.given} → {'failed: ' if self.failed else ''}{self.result}"


@dataclass
class Exchange:
    """One turn, as far as it is folded: any of its parts may be missing.

    Attributes:
        asked: The user's messages that opened it.
        calls: The tools that were called, in order, without recalls.
        answered: The assistant's texts.
        ended: Whether the assistant's last message is an answer, which calls nothing.
    """

    asked: list[Text] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    answered: list[Text] = field(default_factory=list)
    ended: bool = False


def exchanges_of(messages: Iterable[Message]) -> list[Exchange]:
    """Divide messages into exchanges.

    Args:
        messages: Folded messages, oldest first; they may begin or end anywhere in a turn.

    Returns:
        The exchanges, oldest first. What a recall gave back is in none: it was said before. Calls behind an answer are
        an exchange of their own: the user's words that asked for them are not folded with them.
    """
    found: list[Exchange] = []
    places: dict[str, tuple[Exchange, int]] = {}
    for message in messages:
        own = is_own_message(message)
        last = found[-1] if found else None
        if last is None or (own and (last.calls or last.answered)) or (last.ended and message["role"] == "assistant"):
            found.append(Exchange())
        _read(message, found[-1], places, own=own)
    return [one for one in found if one.asked or one.calls or one.answered]


def with_time(message: Message, seconds: float | None) -> Message:
    """Return a copy of a message that carries its time, UTC; the message itself when the time is not known."""
    if seconds is None:
        return message
    at = datetime.fromtimestamp(seconds, UTC)
    metadata: Any = message.get("metadata") or {}
    custom = {**(metadata.get("custom") or {}), AT: at.isoformat(timespec="seconds")}
    return cast("Message", {**message, "metadata": {**metadata, "custom": custom}})


def _read(message: Message, exchange: Exchange, places: dict[str, tuple[Exchange, int]], *, own: bool) -> None:
    tracking_id = message.get("tracking_id", "")
    source = handle_of(tracking_id) if tracking_id else ""
    custom: Any = (message.get("metadata") or {}).get("custom") or {}
    at = str(custom.get(AT, ""))[:10]
    texts: list[str] = []
    blocks: Any = message.get("content") or ()
    for block in blocks:
        if not isinstance(block, dict):
            continue
        if isinstance(block.get("toolUse"), dict):
            use = block["toolUse"]
            if use.get("name") != RECALL_TOOL:
                places[str(use.get("toolUseId"))] = (exchange, len(exchange.calls))
                given = clip(call_text(use.get("input")), 120)
                exchange.calls.append(Call(str(use.get("name")), given, source=source, at=at))
        elif isinstance(block.get("toolResult"), dict):
            result = block["toolResult"]
            place = places.pop(str(result.get("toolUseId")), None)
            if place is not None:
                where, index = place
                call = where.calls[index]
                shown = clip(result_text(result.get("content")), 80)
                failed = result.get("status") == "error"
                where.calls[index] = replace(call, result=shown, failed=failed, returned=True)
        elif text := text_of(block).strip():
            texts.append(text)
    text = "\n".join(texts)
    if message.get("role") == "assistant":
        text = strip_thinking(text).strip()
        exchange.ended = bool(text) and not any(isinstance(one, dict) and "toolUse" in one for one in blocks)
    if text:
        (exchange.asked if own or message.get("role") == "user" else exchange.answered).append(Text(text, source, at))
