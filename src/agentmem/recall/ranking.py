"""Ranks the passages of a session by how well they answer a question.

BM25 over an inverted index, with four additions, each of which stands for a way people talk. A passage lends half of
its score to the next one, a quarter to the one after, because an answer stands beside the question it answers. A tool
result has the terms of its call, and those of the user's message that started the turn, because it rarely repeats
them. A passage of a speaker or a time that the question names counts more. A passage that is the question itself,
asked once before, counts less.
"""

from __future__ import annotations

import heapq
import math
import sys
from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from agentmem.events.position import Position
from agentmem.meaning.terms import COMPOUND_LETTERS, COMPOUNDING, parts_of_compound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

    from agentmem.checkpoints.checkpoint import IndexEntry
    from agentmem.recall.question import Question

K1, B = 1.2, 0.4
"""BM25's constants (Robertson and Zaragoza, 2009); its 0.75 for length is for documents, passages are cut alike."""

LENT = 0.5
"""Part of a passage's score that its neighbour gets; half of that the neighbour's neighbour."""

LENT_TO = 3
"""Passages on each side that a passage lends to. Two to five did alike on LoCoMo's first three conversations."""

FROM_CALL, FROM_TURN = 0.8, 0.4
"""Weight of a term that only the call, or only the user's message before it, has for a tool result."""

SPEAKER, ROLE, TIME, ECHO = 2.5, 1.25, 2.0, 0.5
"""Factors for the named speaker, the person of a pronoun, the named time, and the question itself."""

NAMED = 0.01
"""Score of a passage that only is of the named time or speaker: behind all that share a term."""

MOST_HITS = 500
"""Passages that one question ranks: more than any answer has room for."""

_BYTES_A_POSTING, _BYTES_A_PASSAGE, _BYTES_A_MESSAGE, _BYTES_A_COMPOUND = 8, 32, 340, 140  # traced
_PASSAGES = 1 << 24


@dataclass(slots=True)
class IndexedMessage:
    """One message in the index.

    Attributes:
        handle: Its handle.
        position: Where it stands in the log; its event id is empty as long as it is not written.
        role: ``user`` or ``assistant``.
        language: The language of its terms.
        first: The number of its first passage in the index.
        count: How many passages it has.
        label: A speaker's name in front of it, with the colon.
        milliseconds: Its time since the epoch, or -1.
    """

    handle: str
    position: Position
    role: str
    language: str
    first: int
    count: int
    label: str = ""
    milliseconds: int = -1


@dataclass(frozen=True)
class Hit:
    """A ranked passage.

    Attributes:
        message: The message it is in.
        number: Which of its passages.
        score: Its score; only the order means anything.
        matched: The question's terms that it has itself.
        reasons: Further reasons for its place, in plain words.
        is_echo: Whether it has the question's terms and no others.
    """

    message: IndexedMessage
    number: int
    score: float
    matched: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    is_echo: bool = False


@dataclass(frozen=True)
class _Exchange:
    """A tool call with its result: the passages of each, and of the user's message that opened the turn."""

    opening: range
    call: list[int]
    result: list[int]


@dataclass
class PassageIndex:
    """An inverted index over one session's passages.

    Attributes:
        messages: The messages by handle.
        changes: Counts what was added and removed.
        languages: How many messages are in each language.
    """

    messages: dict[str, IndexedMessage] = field(default_factory=dict)
    changes: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    _postings: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    _new_postings: array[int] = field(default_factory=lambda: array("Q"))
    _owners: list[IndexedMessage | None] = field(default_factory=list)
    _lengths: array[int] = field(default_factory=lambda: array("H"))
    _unit_of: list[str] = field(default_factory=list)
    _labels: Counter[str] = field(default_factory=Counter)
    _compounds: set[str] = field(default_factory=set)
    _alive: int = 0
    _total_length: int = 0
    _size: int = 0
    _order: array[int] | None = None
    _exchanges: list[_Exchange] = field(default_factory=list)
    _calls: dict[int, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes that the index takes, estimated from above."""
        return self._size

    def add(self, entry: IndexEntry) -> None:
        """Index a message; one with the same handle takes the earlier one's place."""
        self.discard(entry.handle)
        self.changes += 1
        own = IndexedMessage(
            sys.intern(entry.handle), entry.position, entry.role, entry.language, len(self._owners), len(entry.passages)
        )
        self.messages[own.handle] = own
        self.place(own.handle, entry.position)
        self.languages[entry.language] += 1
        self._size += _BYTES_A_MESSAGE
        has_compounds = entry.language in COMPOUNDING
        for passage in entry.passages:
            if has_compounds:
                self._note_compounds(passage.terms)
            number = len(self._owners)
            self._owners.append(own)
            self._unit_of.append(passage.unit)
            self._lengths.append(min(len(passage.terms), 65_535))
            self._new_postings.extend(_key(term) | number for term in passage.terms)
            self._size += _BYTES_A_PASSAGE + _BYTES_A_POSTING * len(passage.terms)
            self._alive += 1
            self._total_length += len(passage.terms)
        if entry.passages and entry.passages[0].terms and entry.passages[0].terms[0].endswith(":"):
            own.label = entry.passages[0].terms[0]
            self._labels[own.label] += 1
        self._order = None

    def _note_compounds(self, terms: Iterable[str]) -> None:
        for term in terms:
            if len(term) >= COMPOUND_LETTERS and term not in self._compounds and term.isalpha():
                self._compounds.add(term)
                self._size += _BYTES_A_COMPOUND

    def place(self, handle: str, position: Position) -> None:
        """Note where a message stands in the log."""
        own = self.messages[handle]
        # The messages of one event share its id, which is most of a position.
        own.position = Position(sys.intern(position.event_id), position.item)
        own.milliseconds = position.milliseconds
        self._order = None

    def discard(self, handle: str) -> None:
        """Forget a message."""
        own = self.messages.pop(handle, None)
        if own is None:
            return
        self.changes += 1
        self.languages[own.language] -= 1
        if own.label:
            self._labels[own.label] -= 1
        for number in range(own.first, own.first + own.count):
            self._owners[number] = None
            self._alive -= 1
            self._total_length -= self._lengths[number]
        self._order = None

    def rank(self, question: Question) -> list[Hit]:
        """Return the passages that share a term with a question, or stand beside one that does, best first."""
        order = self._in_order()
        places = {number: place for place, number in enumerate(order)}
        wanted, named = self._without_speakers(question)
        masks, rarities = self._masks(wanted)
        average = self._total_length / max(self._alive, 1) or 1.0
        own = {number: self._weight(mask, number, rarities, average) for number, mask in masks.items()}
        scores: defaultdict[int, float] = defaultdict(float, own)
        for number, score in own.items():
            for step in range(1, LENT_TO + 1):
                for beside in (places[number] - step, places[number] + step):
                    if 0 <= beside < len(order) and self._unit_of[order[beside]] == self._unit_of[number]:
                        scores[order[beside]] += score * LENT**step
        self._lend_to_named(scores, question, named)
        from_call = self._lend_to_results(scores, masks, rarities, average)
        full = (1 << len(wanted)) - 1
        weighed = [
            (score * self._factor(number, masks.get(number, 0), full, question, named), places[number], number)
            for number, score in scores.items()
            if self._owners[number] is not None
        ]
        hits = []
        # Of equals the later comes first: it is what holds now.
        for score, _, number in heapq.nlargest(MOST_HITS, weighed):
            message = self._owners[number]
            if message is None:
                continue
            mask = masks.get(number, 0)
            reasons = self._reasons(number, question, named)
            if number in from_call:
                reasons.append("its tool call or turn has " + ", ".join(_names(from_call[number], wanted)))
            if not mask:
                reasons.append("stands beside a passage that matches")
            echo = self._is_echo(number, mask, full)
            hits.append(Hit(message, number - message.first, score, _names(mask, wanted), tuple(reasons), is_echo=echo))
        return hits

    def units_of(self, handle: str) -> frozenset[str]:
        """Return the units of a message's passages."""
        own = self.messages[handle]
        return frozenset(self._unit_of[own.first : own.first + own.count])

    def tokens_of(self, hit: Hit) -> int:
        """Estimate the tokens of a passage from its terms."""
        return 10 + 2 * self._lengths[self.messages[hit.message.handle].first + hit.number]

    def with_calls(self, hits: Iterable[Hit]) -> Iterator[Hit]:
        """Yield hits, behind each one in a tool's result the call that it answers."""
        given: set[int] = set()
        for hit in hits:
            yield hit
            call = self._calls.get(self.messages[hit.message.handle].first + hit.number)
            owner = None if call is None else self._owners[call]
            if owner is not None and call is not None and call not in given:
                given.add(call)
                yield Hit(owner, call - owner.first, 0.0, (), ("is the call of the result",))

    def covers(self, question: Question, hits: Sequence[Hit]) -> bool:
        """Tell whether one message has every term that a question needs, and is not the question itself."""
        wanted = set(self._without_speakers(question)[0])
        needed = {_name(forms) for forms in question.needed if forms in wanted}
        found: defaultdict[str, set[str]] = defaultdict(set)
        for hit in hits:
            if not hit.is_echo:
                found[hit.message.handle].update(hit.matched)
        return any(needed <= matched for matched in found.values())

    def _without_speakers(self, question: Question) -> tuple[Sequence[tuple[str, ...]], set[str]]:
        """Return the terms of a question that name no speaker of the session, or all, and the labels of those named."""
        named = {f"{word}:" for word in question.words if self._labels[f"{word}:"] >= _SIGNED}
        other = [forms for forms in question.wanted if not any(f"{form}:" in named for form in forms)]
        return other or question.wanted, named

    def _masks(self, wanted: Sequence[tuple[str, ...]]) -> tuple[dict[int, int], list[float]]:
        """Return which wanted terms each passage has, as bits, and how rare each term is."""
        masks: defaultdict[int, int] = defaultdict(int)
        rarities = []
        for at, forms in enumerate(wanted):
            numbers = {number for form in self._with_compounds(forms) for number in self._with_term(form)}
            living = [number for number in numbers if self._owners[number] is not None]
            rarities.append(math.log(1 + (self._alive - len(living) + 0.5) / (len(living) + 0.5)))
            for number in living:
                masks[number] |= 1 << at
        return masks, rarities

    def _with_compounds(self, forms: Sequence[str]) -> Iterable[str]:
        """Return the forms of a term, the compounds it is a part of and the parts it is made of."""
        if not any(self.languages[language] for language in COMPOUNDING):
            return forms
        parts = {part for form in forms for part in parts_of_compound(form)}
        ends = tuple(form for form in forms if len(form) >= COMPOUND_LETTERS // 2 and form.isalpha())
        wholes = {one for one in self._compounds if one.startswith(ends) or one.endswith(ends)} if ends else set()
        return {*forms, *parts, *wholes}

    def _with_term(self, term: str) -> list[int]:
        """Return the passages that have a term."""
        if self._new_postings:
            self._postings = np.sort(np.concatenate((self._postings, np.array(self._new_postings, np.uint64))))
            self._new_postings = array("Q")
        key = _key(term)
        first, last = np.searchsorted(self._postings, np.array((key, key + _PASSAGES), np.uint64))
        found: list[int] = (self._postings[first:last] & np.uint64(_PASSAGES - 1)).tolist()
        return found

    def _weight(self, mask: int, number: int, rarities: Sequence[float], average: float) -> float:
        norm = K1 * (1 - B + B * self._lengths[number] / average)
        return sum(rarity for at, rarity in enumerate(rarities) if mask >> at & 1) * (K1 + 1) / (1 + norm)

    def _lend_to_named(self, scores: dict[int, float], question: Question, named: AbstractSet[str]) -> None:
        """Let passages of the time or the speaker that a question names be answers without any of its terms."""
        if question.since is None and not named:
            return
        for message in self.messages.values():
            if question.is_at(message.milliseconds) or message.label in named:
                for number in range(message.first, message.first + message.count):
                    scores[number] += NAMED

    def _lend_to_results(
        self, scores: dict[int, float], masks: dict[int, int], rarities: Sequence[float], average: float
    ) -> dict[int, int]:
        """Let tool results have the terms of their calls and of their turns; return which terms each got."""
        given: dict[int, int] = {}
        for exchange in self._exchanges:
            call = _union(masks, exchange.call)
            turn = _union(masks, exchange.opening)
            if not call and not turn:
                continue
            for number in exchange.result:
                mine = masks.get(number, 0)
                from_call, from_turn = call & ~mine, turn & ~(mine | call)
                # A turn's question alone makes no passage of its results an answer.
                if from_call or (from_turn and mine):
                    scores[number] += FROM_CALL * self._weight(from_call, number, rarities, average)
                    scores[number] += FROM_TURN * self._weight(from_turn, number, rarities, average)
                    given[number] = from_call | from_turn
        return given

    def _factor(self, number: int, mask: int, full: int, question: Question, named: AbstractSet[str]) -> float:
        message = self._owners[number]
        if message is None:
            return 0.0
        factor = SPEAKER if message.label in named else 1.0
        if question.roles and message.role in question.roles and not self._unit_of[number]:
            factor *= ROLE
        if question.since is not None and question.is_at(message.milliseconds):
            factor *= TIME
        return factor * ECHO if self._is_echo(number, mask, full) else factor

    def _is_echo(self, number: int, mask: int, full: int) -> bool:
        """Tell whether a passage has a question's terms and no others, as the question has that was asked before."""
        return mask == full and full > 1 and self._lengths[number] == full.bit_count() and not self._unit_of[number]

    def _reasons(self, number: int, question: Question, named: AbstractSet[str]) -> list[str]:
        message = self._owners[number]
        if message is None:
            return []
        reasons = []
        if message.label in named:
            reasons.append(f"said by {message.label[:-1]}, whom the question names")
        if message.role in question.roles and not self._unit_of[number]:
            reasons.append(f"said by the {message.role}, of whom the question speaks")
        if question.is_at(message.milliseconds):
            reasons.append("of the time that the question names")
        return reasons

    def _in_order(self) -> array[int]:
        """Return the living passages in the order of the conversation, and note which message opened each's turn."""
        if self._order is None:
            # What has no place in the log yet is the newest; sorting is stable, so it keeps the order it came in.
            living = sorted(self.messages.values(), key=_place)
            self._order = array("I")
            self._exchanges, self._calls = [], {}
            calls: dict[str, list[int]] = {}
            opening = range(0)
            for message in living:
                numbers = range(message.first, message.first + message.count)
                self._order.extend(numbers)
                units: dict[str, list[int]] = {}
                for number in numbers:
                    units.setdefault(self._unit_of[number], []).append(number)
                if message.role == "user" and "" in units:
                    opening = numbers
                units.pop("", None)
                if message.role == "assistant":
                    calls |= units
                    continue
                for unit, result in units.items():
                    # Some models number their calls anew with each message: a result answers the last call of its id.
                    call = calls.get(unit, [])
                    self._exchanges.append(_Exchange(opening, call, result))
                    self._calls.update(dict.fromkeys(result, call[0]) if call else {})
        return self._order


_SIGNED = 3  # a name in front of fewer messages than this is a heading, not a speaker


def _key(term: str) -> int:
    """Return what a posting begins with: 40 bits of the term's hash, in front of 24 for the passage's number."""
    return (hash(term) & 0xFF_FFFF_FFFF) * _PASSAGES


def _place(message: IndexedMessage) -> tuple[bool, tuple[int, int, str]]:
    position = message.position
    return not position.event_id, (message.milliseconds, position.item, position.event_id)


def _union(masks: Mapping[int, int], numbers: Iterable[int]) -> int:
    union = 0
    for number in numbers:
        union |= masks.get(number, 0)
    return union


def _names(mask: int, wanted: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the shortest form of each term of a mask."""
    return tuple(_name(forms) for at, forms in enumerate(wanted) if mask >> at & 1)


def _name(forms: Sequence[str]) -> str:
    return min(forms, key=len)
