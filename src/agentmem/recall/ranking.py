"""Ranks the passages of a session by how well they answer a question.

BM25 over an inverted index, with four additions, each of which stands for a way people talk. A passage lends half of
its score to the next one, a quarter to the one after, because an answer stands beside the question it answers. A tool
result has the terms of its call, and those of the user's message that started the turn, because it rarely repeats
them. A passage of a speaker or a time that the question names counts more. A passage that is the question itself,
asked once before, counts less.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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

_BYTES_A_POSTING, _BYTES_A_TERM, _BYTES_A_PASSAGE, _BYTES_A_MESSAGE = 5, 190, 60, 420


@dataclass(frozen=True)
class Hit:
    """A ranked passage.

    Attributes:
        entry: The message it is in.
        number: Which of its passages.
        score: Its score; only the order means anything.
        matched: The question's terms that it has itself.
        reasons: Further reasons for its place, in plain words.
    """

    entry: IndexEntry
    number: int
    score: float
    matched: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass
class _Message:
    """One message in the index: its entry without terms, and the number of its first passage."""

    entry: IndexEntry
    first: int
    count: int
    label: str = ""


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
        languages: How many messages are in each language.
    """

    messages: dict[str, _Message] = field(default_factory=dict)
    languages: Counter[str] = field(default_factory=Counter)
    _postings: dict[str, array[int]] = field(default_factory=dict)
    _owners: list[_Message | None] = field(default_factory=list)
    _lengths: array[int] = field(default_factory=lambda: array("H"))
    _unit_of: list[str] = field(default_factory=list)
    _labels: Counter[str] = field(default_factory=Counter)
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
        own = _Message(_without_terms(entry), len(self._owners), len(entry.passages))
        self.messages[entry.handle] = own
        self.languages[entry.language] += 1
        self._size += _BYTES_A_MESSAGE
        for passage in entry.passages:
            number = len(self._owners)
            self._owners.append(own)
            self._unit_of.append(passage.unit)
            self._lengths.append(min(len(passage.terms), 65_535))
            for term in passage.terms:
                postings = self._postings.get(term)
                if postings is None:
                    postings = self._postings[term] = array("I")
                    self._size += _BYTES_A_TERM
                postings.append(number)
            self._size += _BYTES_A_PASSAGE + _BYTES_A_POSTING * len(passage.terms)
            self._alive += 1
            self._total_length += len(passage.terms)
        if entry.passages and entry.passages[0].terms and entry.passages[0].terms[0].endswith(":"):
            own.label = entry.passages[0].terms[0]
            self._labels[own.label] += 1
        self._order = None

    def place(self, handle: str, entry: IndexEntry) -> None:
        """Note where a message stands that had no place in the log yet."""
        self.messages[handle].entry = _without_terms(entry)
        self._order = None

    def discard(self, handle: str) -> None:
        """Forget a message."""
        own = self.messages.pop(handle, None)
        if own is None:
            return
        self.languages[own.entry.language] -= 1
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
        named = {f"{word}:" for word in question.words if self._labels[f"{word}:"] >= _SIGNED}
        wanted = [forms for forms in question.wanted if not any(f"{form}:" in named for form in forms)] or question.wanted
        masks, rarities = self._masks(wanted)
        average = self._total_length / max(self._alive, 1) or 1.0
        own = {number: self._weight(mask, number, rarities, average) for number, mask in masks.items()}
        scores: defaultdict[int, float] = defaultdict(float, own)
        for number, score in own.items():
            for step in range(1, LENT_TO + 1):
                for beside in (places[number] - step, places[number] + step):
                    if 0 <= beside < len(order) and self._unit_of[order[beside]] == self._unit_of[number]:
                        scores[order[beside]] += score * LENT**step
        from_call = self._lend_to_results(scores, masks, rarities, average)
        hits = []
        for number, score in scores.items():
            message = self._owners[number]
            if message is None:
                continue
            factor, reasons = self._factor(message, number, masks.get(number, 0), question, named, len(wanted))
            if number in from_call:
                reasons.append("its tool call or turn has " + _quoted(from_call[number], wanted))
            if number not in own:
                reasons.append("stands beside a passage that matches")
            matched = tuple(_name(forms) for at, forms in enumerate(wanted) if masks.get(number, 0) >> at & 1)
            hits.append(Hit(message.entry, number - message.first, score * factor, matched, tuple(reasons)))
        # Of equals the later comes first: it is what holds now.
        return sorted(hits, key=lambda hit: (-hit.score, -places[self.messages[hit.entry.handle].first + hit.number]))

    def units_of(self, handle: str) -> frozenset[str]:
        """Return the units of a message's passages."""
        own = self.messages[handle]
        return frozenset(self._unit_of[own.first : own.first + own.count])

    def tokens_of(self, hit: Hit) -> int:
        """Estimate the tokens of a passage from its terms."""
        return 10 + 2 * self._lengths[self.messages[hit.entry.handle].first + hit.number]

    def with_calls(self, hits: Iterable[Hit]) -> Iterator[Hit]:
        """Yield hits, behind each one in a tool's result the call that it answers."""
        given: set[int] = set()
        for hit in hits:
            yield hit
            call = self._calls.get(self.messages[hit.entry.handle].first + hit.number)
            owner = None if call is None else self._owners[call]
            if owner is not None and call is not None and call not in given:
                given.add(call)
                yield Hit(owner.entry, call - owner.first, 0.0, (), ("is the call of the result",))

    def covers(self, question: Question, hits: Sequence[Hit]) -> bool:
        """Tell whether one message has every term of a question."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for hit in hits:
            found[hit.entry.handle].update(hit.matched)
        most = max(map(len, found.values()), default=0)
        return most >= len(question.wanted)

    def _masks(self, wanted: Sequence[tuple[str, ...]]) -> tuple[dict[int, int], list[float]]:
        """Return which wanted terms each passage has, as bits, and how rare each term is."""
        masks: defaultdict[int, int] = defaultdict(int)
        rarities = []
        for at, forms in enumerate(wanted):
            numbers = {number for form in forms for number in self._postings.get(form, ())}
            living = [number for number in numbers if self._owners[number] is not None]
            rarities.append(math.log(1 + (self._alive - len(living) + 0.5) / (len(living) + 0.5)))
            for number in living:
                masks[number] |= 1 << at
        return masks, rarities

    def _weight(self, mask: int, number: int, rarities: Sequence[float], average: float) -> float:
        norm = K1 * (1 - B + B * self._lengths[number] / average)
        return sum(rarity for at, rarity in enumerate(rarities) if mask >> at & 1) * (K1 + 1) / (1 + norm)

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

    def _factor(
        self, message: _Message, number: int, mask: int, question: Question, named: set[str], terms: int
    ) -> tuple[float, list[str]]:
        factor, reasons = 1.0, []
        if message.label in named:
            factor *= SPEAKER
            reasons.append(f"said by {message.label[:-1]}, whom the question names")
        plain = not self._unit_of[number]
        if plain and message.entry.role in question.roles:
            factor *= ROLE
            reasons.append(f"said by the {message.entry.role}, of whom the question speaks")
        if question.is_at(message.entry.position.milliseconds):
            factor *= TIME
            reasons.append("of the time that the question names")
        if plain and terms > 1 and mask == (1 << terms) - 1 and self._lengths[number] == terms:
            factor *= ECHO
            reasons.append("has the question's words and no others")
        return factor, reasons

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
                if message.entry.role == "user" and "" in units:
                    opening = numbers
                units.pop("", None)
                if message.entry.role == "assistant":
                    calls |= units
                    continue
                for unit, result in units.items():
                    # Some models number their calls anew with each message: a result answers the last call of its id.
                    call = calls.get(unit, [])
                    self._exchanges.append(_Exchange(opening, call, result))
                    self._calls.update(dict.fromkeys(result, call[0]) if call else {})
        return self._order


_SIGNED = 3  # a name in front of fewer messages than this is a heading, not a speaker


def _without_terms(entry: IndexEntry) -> IndexEntry:
    return replace(entry, passages=())


def _place(message: _Message) -> tuple[bool, tuple[int, int, str]]:
    position = message.entry.position
    return not position.event_id, (position.milliseconds, position.item, position.event_id)


def _union(masks: Mapping[int, int], numbers: Iterable[int]) -> int:
    union = 0
    for number in numbers:
        union |= masks.get(number, 0)
    return union


def _name(forms: Iterable[str]) -> str:
    return min(forms, key=lambda form: (len(form), form))


def _quoted(mask: int, wanted: Sequence[tuple[str, ...]]) -> str:
    return ", ".join(_name(forms) for at, forms in enumerate(wanted) if mask >> at & 1)


