"""The terms by which a folded message is found again, and the ranking of messages by them.

A term is a stemmed word, a number, an identifier as it is written, or a word together with the number beside it
("turn 12"), which is what tells forty near-identical messages apart. Ranking is BM25 over the terms, as full-text
indexes do it, with every term counted once, and with what is said beside a message.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from agentmem.messages.text import text_of
from agentmem.messages.words import STOPWORDS, stem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from strands.types.content import Message

__all__ = ["INDEX_TERMS", "key_terms", "matches", "rank", "terms_of", "wanted_terms"]

INDEX_TERMS = 96
"""Terms of a message that its index entry keeps: all of a paragraph's, some 600 bytes. What a longer text says besides
is found in the log itself (``looking_back``)."""


# An identifier may have inner punctuation: A-17, user_id, 2024-05-20, a.b@c.org, /etc/hosts.
_TOKEN = re.compile(r"[^\W_](?:[\w.@:/#+-]*[^\W_])?|[$€£]\d[\d.,]*\d|[^\w\s]{2,}")
_PART = re.compile(r"[^\W\d_]+|\d+")
# Between a word and the number that belongs to it: "turn 12", "turn #12", {"turn": 12}; not the next cell of a table.
_OF_NOUN = re.compile(r"[ \"'`:=#(-]{1,4}")
_WIDE = re.compile(r"[\u0e00-\u0eff\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LONGEST = 64
_K1, _B = 1.2, 0.75
_BESIDE = 0.4
_LONG_TEXT = 20_000


def key_terms(message: Message, limit: int) -> tuple[str, ...]:
    """Return the terms that tell a message from others.

    Args:
        message: A Strands message; its texts, tool names, tool inputs and tool results count.
        limit: Most terms to return. Of a text with more, some of every sort and of every part stay.

    Returns:
        Distinct terms, lower case, in the order they are said. A message that says nothing but stop words is known by
        those.
    """
    found = terms_of(message)
    if len(found) <= limit:
        return tuple(found)
    # Tables are full of numbers, and reports full of words; each sort gets its share, and what another leaves.
    sorts: dict[str, list[str]] = {"words": [], "pairs": [], "names": [], "numbers": []}
    for term in found:
        sorts[_sort(term)].append(term)
    chosen: set[str] = set()
    room = limit
    for left, terms in zip(range(len(sorts), 0, -1), sorted(sorts.values(), key=len), strict=True):
        chosen.update(_spread(terms, room // left))
        room = limit - len(chosen)
    return tuple(term for term in found if term in chosen)


def terms_of(message: Message) -> list[str]:
    """Return every distinct term of a message, in the order they are said; of a long text, its first 20,000 letters."""
    return list(dict.fromkeys(_terms("\n".join(_texts(message["content"]))[:_LONG_TEXT])))


def wanted_terms(query: str) -> frozenset[str]:
    """Return the terms a query asks for."""
    return frozenset(_terms(query))


def rank(query: str, entries: Sequence[tuple[str, Sequence[str]]]) -> list[int]:
    """Rank messages by how well their terms answer a query.

    A question's terms may be spread over a turn: the user names the order, a tool's result its price. So what stands
    beside a message counts for it too, but less than its own terms.

    Args:
        query: A question or some words.
        entries: Of each message, what it stands in (its event; empty for none) and its terms.

    Returns:
        Indices into ``entries``, best first, without those that share no term. Of equals the later comes first.
    """
    wanted = set(_terms(query))
    sets = [frozenset(terms) for _, terms in entries]
    frequency = Counter(term for terms in sets for term in terms & wanted)
    average = sum(map(len, sets)) / max(len(sets), 1) or 1.0
    beside: defaultdict[str, set[str]] = defaultdict(set)
    for (place, _), terms in zip(entries, sets, strict=True):
        beside[place] |= terms & wanted

    def rarity(terms: Iterable[str]) -> float:
        return sum(math.log(1 + (len(sets) - frequency[term] + 0.5) / (frequency[term] + 0.5)) for term in terms)

    def score(place: str, terms: frozenset[str]) -> float:
        norm = _K1 * (1 - _B + _B * len(terms) / average)
        own = rarity(terms & wanted) * (_K1 + 1) / (1 + norm)
        return own + _BESIDE * rarity(beside[place] - terms) if own and place else own

    scored = [(score(place, terms), index) for index, ((place, _), terms) in enumerate(zip(entries, sets, strict=True))]
    return [index for value, index in sorted(scored, reverse=True) if value > 0]


def matches(query: str, text: str) -> int:
    """Return how many of a query's terms a text has."""
    return len(wanted_terms(query) & set(_terms(text)))


def _terms(text: str) -> list[str]:
    tokens: list[str] = []
    terms: list[str] = []
    noun, noun_end = "", 0
    for match in _TOKEN.finditer(text):
        token = match[0].casefold()[:_LONGEST]
        tokens.append(token)
        terms.extend(_forms(token))
        if noun and token.isdigit() and _OF_NOUN.fullmatch(text, noun_end, match.start()):
            terms.append(f"{noun} {token}")
        if any(letter.isalnum() for letter in token):
            noun, noun_end = stem(token) if token.isalpha() else "", match.end()
    said = [term for term in terms if term not in STOPWORDS]
    return said or tokens


def _forms(token: str) -> Iterator[str]:
    if _WIDE.search(token):
        # Scripts without spaces: pairs of characters, as search engines index them.
        yield from (token[at : at + 2] for at in range(max(len(token) - 1, 1)))
        return
    yield stem(token) if token.isalpha() and token not in STOPWORDS else token
    if not token.isalnum():
        parts = (part for part in _PART.findall(token) if len(part) > 1 and part not in STOPWORDS)
        yield from (stem(part) if part.isalpha() else part for part in parts)


def _sort(term: str) -> str:
    if term.isalpha():
        return "words"
    if " " in term:
        return "pairs"
    return "names" if any(letter.isalpha() for letter in term) else "numbers"


def _spread(terms: Sequence[str], most: int) -> list[str]:
    """Choose terms from all over a text."""
    step = max(len(terms) / max(most, 1), 1.0)
    return [terms[int(at * step)] for at in range(min(most, len(terms)))]


def _texts(content: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for block in content:
        said = text_of(block)
        if said:
            yield said
        elif "toolUse" in block:
            use = block["toolUse"]
            yield f"{use.get('name')} {json.dumps(use.get('input'), ensure_ascii=False, default=str)}"
        elif "toolResult" in block:
            yield from _texts(block["toolResult"].get("content") or ())
        elif "json" in block:
            yield json.dumps(block["json"], ensure_ascii=False, default=str)
        elif isinstance(block.get("document"), dict):
            yield str(block["document"].get("name", ""))
