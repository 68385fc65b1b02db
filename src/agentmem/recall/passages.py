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
from agentmem.meaning.terms import language_of, terms_of
from agentmem.messages.cutting import RECALL_TOOL
from agentmem.messages.text import message_text
from agentmem.messages.truncation import handle_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
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


def passages_of(message: Message, left_out: AbstractSet[str] = frozenset()) -> list[Passage]:
    """Cut a message into passages, which put together again are its text, blank lines at its ends aside.

    Args:
        message: A Strands message; texts, tool inputs and tool results count, media by their names.
        left_out: Units that are recalls themselves (`recalls_in`).

    Returns:
        Its passages in order.
    """
    found: list[Passage] = []
    room = INDEXED_CHARACTERS
    for block in message["content"]:
        unit = unit_of(block)
        text = "" if unit and unit in left_out else message_text(cast("Message", {**message, "content": [block]}))
        text = text[: max(room, 0)]
        room -= len(text)
        if not text:
            continue
        blank = ""
        if found:
            found[-1] = Passage(found[-1].text + "\n", found[-1].unit)
        for part in _parts(text):
            if part.strip():
                found.append(Passage(blank + part, unit))
                blank = ""
            else:
                blank += part
        if blank and found:
            found[-1] = Passage(found[-1].text + blank, found[-1].unit)
    return found


def recalls_in(message: Message, recalls: set[str]) -> frozenset[str]:
    """Return the units of a message that are recalls, calls or results: what was recalled is not recalled again.

    Args:
        message: The message.
        recalls: Units whose last call was a recall, which is brought up to date: some models number their calls anew
            with each message.
    """
    for block in message["content"]:
        if "toolUse" in block:
            (recalls.add if block["toolUse"]["name"] == RECALL_TOOL else recalls.discard)(unit_of(block))
    return frozenset(unit_of(block) for block in message["content"]) & recalls if recalls else frozenset()


def index_entry(
    message: Message,
    position: Position,
    recalls: AbstractSet[str] = frozenset(),
    passages: Sequence[Passage] | None = None,
) -> IndexEntry | None:
    """Make the entry by which a message is found again.

    Args:
        message: The message.
        position: Where it stands in the log.
        recalls: Its units that are recalls themselves (`recalls_in`).
        passages: The message's passages when they are cut already.

    Returns:
        The entry; None for a message that is nothing but recalls.
    """
    if all(unit_of(block) in recalls for block in message["content"]):
        return None
    passages = passages_of(message, recalls) if passages is None else passages
    language = language_of(" ".join(one.text for one in passages[:3]))
    label = _label(passages)
    indexed = [IndexedPassage((*label, *terms_of(one.text, language)), one.unit) for one in passages]
    return IndexEntry(handle_of(message["tracking_id"]), position, message["role"], tuple(indexed), language)


def index_entries(messages: Iterable[tuple[Message, Position]]) -> list[IndexEntry]:
    """Make the entries of messages with their positions, oldest first; recalls are left out."""
    recalls: set[str] = set()
    entries = (index_entry(message, position, recalls_in(message, recalls)) for message, position in messages)
    return [entry for entry in entries if entry is not None]


def _label(passages: Sequence[Passage]) -> list[str]:
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
