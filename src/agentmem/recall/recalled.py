"""Packs ranked passages into an answer of messages within a budget of tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agentmem.drawing.figures import facts, one_line
from agentmem.drawing.markup import element
from agentmem.drawing.notebook import card
from agentmem.messages.cutting import RECALL_TOOL
from agentmem.messages.tokens import count_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from strands.types.content import ContentBlock

    from agentmem.drawing.markup import Child
    from agentmem.recall.ranking import Hit
    from agentmem.recall.seen import Original

GAP = "\n[…]\n"
"""Stands between two passages of a message that are not neighbours."""

_LEAST_ROOM = 12  # tokens; a passage cut shorter than this says nothing
_MISSES = 30  # passages that are too large for what is left, after which an answer counts as full
_NOTE_TOKENS = 44  # of the line that names the handle of a message that is not given back whole, 31 to 40 in cl100k


@dataclass(frozen=True)
class RecalledMessage:
    """One message as it was written, or the passages of it that answer.

    Attributes:
        text: Its text; tool uses and results in a readable form, media by their names. Of a long message, the passages
            that answer best, with a line that names the handle of the whole.
        role: ``user`` or ``assistant``.
        event_id: The event that holds it; empty for a message that is not written yet.
        at: When it was written, UTC.
        handle: Its handle, by which it can be asked for again.
        content: Its blocks as they were written: media with their bytes, tool traffic, reasoning.
        why: Why each passage is there, one line a passage; empty unless it was asked for.
        agent: The agent whose history it is in, when the whole session was asked; empty otherwise.
    """

    text: str
    role: str
    event_id: str
    at: datetime
    handle: str = ""
    content: tuple[ContentBlock, ...] = field(default=(), repr=False, compare=False)
    why: tuple[str, ...] = field(default=(), compare=False)
    agent: str = field(default="", compare=False)

    def __repr__(self) -> str:
        """Tell the role, the beginning of the text, and where the message is."""
        return (
            f"RecalledMessage(role={self.role!r}, text={one_line(self.text)!r}, event_id={self.event_id!r}, "
            f"handle={self.handle!r})"
        )

    def _repr_html_(self) -> str:
        """Draw the message in a notebook."""
        told: dict[str, Child] = {
            "written": f"{self.at:%Y-%m-%d %H:%M:%S %Z}",
            "handle": self.handle,
            "event": self.event_id or "not written yet",
        }
        why = element("ul", [element("li", line) for line in self.why]) if self.why else None
        return card(f"Recalled, {self.role}", element("p", self.text, class_="am-said"), why, facts(told))


@dataclass
class Answer:
    """An answer in the making.

    Attributes:
        left: Tokens there is still room for.
        shown: The passages in it, by handle and number.
        is_cut: Whether passages were left out, for want of room or because they could not be read in time.
    """

    left: int
    shown: set[tuple[str, int]] = field(default_factory=set)
    is_cut: bool = False
    _parts: dict[str, _Part] = field(default_factory=dict)

    def fill(self, hits: Iterable[Hit], read: Callable[[str], Original | None]) -> None:
        """Add passages, best first, as long as there is room.

        Args:
            hits: Ranked passages.
            read: Returns a message by its handle, or None when it is not at hand.
        """
        misses = 0
        for hit in hits:
            handle = hit.message.handle
            if (handle, hit.number) in self.shown:
                continue
            if self.left < _LEAST_ROOM or misses == _MISSES:
                self.is_cut = True
                break
            part = self._parts.get(handle)
            if part is None:
                original = read(handle)
                if original is None:
                    self.is_cut = True
                    continue
                part = _Part(original, handle)
            if hit.number < len(part.original.passages):
                misses += not self._add(part, hit)
        self._complete()

    def _complete(self) -> None:
        """Use the room that is left for the rest of the messages, those whose rest fits."""
        for handle, part in self._parts.items():
            missing = [number for number in range(len(part.original.passages)) if number not in part.texts]
            tokens = sum(count_text(part.original.passages[number].text) + 1 for number in missing)
            if not missing or not part.is_whole or tokens > self.left:
                continue
            self.left -= tokens
            for number in missing:
                part.texts[number] = part.original.passages[number].text
                part.why[number] = "belongs to the same message"
                self.shown.add((handle, number))

    def _add(self, part: _Part, hit: Hit) -> bool:
        """Add a passage, cut when it is the first and too large; return whether it had room."""
        text = part.original.passages[hit.number].text
        missing = len(part.original.passages) - len(part.texts)
        # The first passage of a long message comes with the note that names its handle; the last one makes it needless.
        note = _NOTE_TOKENS * ((missing > 1 and not part.texts) - (missing == 1 and bool(part.texts)))
        tokens = count_text(text) + 1 + note
        if tokens > self.left:
            self.is_cut = True
            if self.shown:
                return False
            part.is_whole = False
            note = _NOTE_TOKENS if self.left > 3 * _NOTE_TOKENS else 0
            text = _cut(text, hit.matched, self.left - note)
            tokens = self.left
        self.left -= tokens
        part.texts[hit.number] = text
        part.why[hit.number] = _reason(hit)
        self._parts[hit.message.handle] = part
        self.shown.add((hit.message.handle, hit.number))
        return True

    def messages(self, max_tokens: int, *, explain: bool) -> list[RecalledMessage]:
        """Return the answer, the message with the best passage first.

        Args:
            max_tokens: The whole budget; a tiny one has no room for notes.
            explain: Whether to say why each passage is there.
        """
        with_note = max_tokens > 3 * _NOTE_TOKENS
        return [part.recalled(with_note=with_note, explain=explain) for part in self._parts.values()]


@dataclass
class _Part:
    """The part of one message that is in an answer."""

    original: Original
    handle: str
    texts: dict[int, str] = field(default_factory=dict)
    why: dict[int, str] = field(default_factory=dict)
    is_whole: bool = True

    def recalled(self, *, with_note: bool, explain: bool) -> RecalledMessage:
        """Return it as an answer gives it, with a note of what is missing."""
        text = _joined(self.texts)
        if with_note and not (self.is_whole and len(self.texts) == len(self.original.passages)):
            whole = self.original.characters
            text += f'\n[a part of {whole:,} characters; {RECALL_TOOL}(handle="{self.handle}") returns all of it]'
        return RecalledMessage(
            text,
            self.original.message.message["role"],
            self.original.message.position.event_id,
            self.original.message.at,
            self.handle,
            self.original.content,
            tuple(self.why[number] for number in sorted(self.why)) if explain else (),
        )


def _joined(chosen: dict[int, str]) -> str:
    """Join passages in their order, neighbours without a gap."""
    text = ""
    before: int | None = None
    for number in sorted(chosen):
        if before is not None and number > before + 1:
            text = text.rstrip("\n") + GAP
        text += chosen[number]
        before = number
    return text.rstrip("\n")


def _reason(hit: Hit) -> str:
    """Say why a passage is there."""
    own = f"has {', '.join(hit.matched)}" if hit.matched else ""
    return f"{hit.score:.1f}: " + "; ".join(filter(None, (own, *hit.reasons)))


def _cut(text: str, matched: Iterable[str], tokens: int) -> str:
    """Cut a passage to a number of tokens, around the first word that answers."""
    lower = text.casefold()
    places = [lower.find(term.split(" ")[0]) for term in matched]
    middle = min((place for place in places if place >= 0), default=0)
    length = min(len(text), 4 * tokens)
    while length > 1:
        start = max(min(middle - length // 3, len(text) - length), 0)
        part = text[start : start + length]
        counted = count_text(part)
        if counted <= tokens:
            return part
        length = max(length * tokens // (counted + 1), 1)
    return text[:1]
