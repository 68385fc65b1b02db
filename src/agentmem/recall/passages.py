"""Cuts messages into passages, the pieces of text that recall ranks and returns.

A passage is a line, a few short lines, or a few sentences: about 400 characters. A tool call and its result are one
unit: their passages carry the same mark, made of the tool use's id.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from agentmem.checkpoints.checkpoint import IndexedPassage, IndexEntry
from agentmem.messages.cutting import RECALL_TOOL
from agentmem.messages.text import message_text
from agentmem.messages.truncation import handle_of
from agentmem.recall.terms import language_of, terms_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from strands.types.content import Message

    from agentmem.events.position import Position

PASSAGE_CHARACTERS = 400
"""A passage's length: an answer of 1,000 tokens holds ten of them."""

INDEXED_CHARACTERS = 200_000
"""Characters of a message that are indexed and ranked; the rest of a longer one is read by its handle."""

_LABEL = re.compile(r"\s{0,3}([^\W\d_][\w.'’-]{0,30}(?: [^\W\d_][\w.'’-]{0,30})?):\s")
_SENTENCE_END = re.compile(r"[.!?;,]\s|[。！？；、，]|\s")


@dataclass(frozen=True)
class Passage:
    """A piece of a message.

    Attributes:
        text: Its text, word for word.
        unit: Eight hex digits that a tool call and its result share; empty for other text.
    """

    text: str
    unit: str = ""


def passages_of(message: Message, recalls: AbstractSet[str] = frozenset()) -> list[Passage]:
    """Cut a message into passages.

    Args:
        message: A Strands message; texts, tool inputs and tool results count, media by their names.
        recalls: Units that are recalls themselves (`recall_units`), which are left out.

    Returns:
        Its passages in order.
    """
    found: list[Passage] = []
    room = INDEXED_CHARACTERS
    for block in message["content"]:
        unit = unit_of(block)
        if (unit and unit in recalls) or room <= 0:
            continue
        text = message_text(cast("Message", {**message, "content": [block]}))[:room]
        room -= len(text)
        found.extend(Passage(part, unit) for part in _parts(text) if part.strip())
    return found


def recall_units(messages: Iterable[Message]) -> frozenset[str]:
    """Return the units of messages that are calls of the recall tool: what was recalled is not recalled again."""
    return frozenset(
        unit_of(block)
        for message in messages
        for block in message["content"]
        if "toolUse" in block and block["toolUse"]["name"] == RECALL_TOOL
    )


def index_entry(message: Message, position: Position, recalls: AbstractSet[str] = frozenset()) -> IndexEntry | None:
    """Make the entry by which a message is found again.

    Args:
        message: The message.
        position: Where it stands in the log.
        recalls: Units that are recalls themselves.

    Returns:
        The entry; None for a message that is nothing but recalls.
    """
    if all(unit_of(block) in recalls for block in message["content"]):
        return None
    passages = passages_of(message, recalls)
    language = language_of(" ".join(one.text for one in passages[:3]))
    label = _label(passages)
    indexed = [IndexedPassage((*label, *terms_of(one.text, language)), one.unit) for one in passages]
    return IndexEntry(handle_of(message["tracking_id"]), position, message["role"], tuple(indexed), language)


def index_entries(messages: Iterable[tuple[Message, Position]]) -> list[IndexEntry]:
    """Make the entries of messages with their positions, oldest first; recalls are left out."""
    messages = list(messages)
    recalls = recall_units(message for message, _ in messages)
    entries = (index_entry(message, position, recalls) for message, position in messages)
    return [entry for entry in entries if entry is not None]


def _label(passages: list[Passage]) -> list[str]:
    """Return the term for a speaker's name in front of a message, as transcripts have it: ``ann:``."""
    match = _LABEL.match(passages[0].text) if passages and not passages[0].unit else None
    return [f"{match[1].casefold()}:"] if match else []


def unit_of(block: Any) -> str:
    """Return the unit of a tool use or a tool result; empty for any other block."""
    traffic = block.get("toolUse") or block.get("toolResult")
    if not isinstance(traffic, dict):
        return ""
    name = str(traffic.get("toolUseId"))
    return hashlib.blake2s(name.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()


def _parts(text: str) -> Iterator[str]:
    """Cut a text at line ends, and a long line at the ends of sentences or words."""
    part = ""
    for line in text.splitlines(keepends=True):
        for piece in _pieces(line):
            if part and len(part) + len(piece) > PASSAGE_CHARACTERS:
                yield part
                part = ""
            part += piece
    if part:
        yield part


def _pieces(line: str) -> Iterator[str]:
    start = 0
    while len(line) - start > PASSAGE_CHARACTERS:
        half = start + PASSAGE_CHARACTERS // 2
        ends = list(_SENTENCE_END.finditer(line, half, start + PASSAGE_CHARACTERS))
        sentences = [match for match in ends if match[0].strip()]
        chosen = sentences or ends
        end = chosen[-1].end() if chosen else start + PASSAGE_CHARACTERS
        yield line[start:end]
        start = end
    yield line[start:]
