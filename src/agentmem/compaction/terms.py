"""The terms by which a folded message is found again, and the ranking of messages by them.

A term is a stemmed word, a number, an identifier as it is written, or a word together with the number beside it
("turn 12"), which is what tells forty near-identical messages apart. Ranking is BM25 over the terms, as full-text
indexes do it, with every term counted once.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from agentmem.compaction.summary.collect import text_of
from agentmem.compaction.words import STOPWORDS, stem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from strands.types.content import Message

__all__ = ["INDEX_TERMS", "covers", "key_terms", "matches", "rank"]

INDEX_TERMS = 48
"""Terms of a message that its index entry keeps: enough for a paragraph's names and numbers, some 300 bytes."""


# An identifier may have inner punctuation: A-17, user_id, 2024-05-20, a.b@c.org, /etc/hosts.
_TOKEN = re.compile(r"[^\W_](?:[\w.@:/#+-]*[^\W_])?|[$€£]\d[\d.,]*\d|[^\w\s]{2,}")
_PART = re.compile(r"[^\W\d_]+|\d+")
_WIDE = re.compile(r"[\u0e00-\u0eff\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LONGEST = 64
_K1, _B = 1.2, 0.75
_LONG_TEXT = 20_000


def key_terms(message: Message, limit: int) -> tuple[str, ...]:
    """Return the terms that tell a message from others.

    Args:
        message: A Strands message; its texts, tool names, tool inputs and tool results count.
        limit: Most terms to return. Identifiers and numbers come first, then words in the order they are said.

    Returns:
        Distinct terms, lower case. A message that says nothing but stop words is known by those.
    """
    text = "\n".join(_texts(message["content"]))[:_LONG_TEXT]
    found = list(dict.fromkeys(_terms(text)))
    telling = [term for term in found if _is_telling(term)]
    words = [term for term in found if not _is_telling(term)]
    # Tool results are full of identifiers; words keep a third of the room, or what the identifiers leave.
    room = max(limit - len(words), limit * 2 // 3)
    chosen = telling[:room]
    return tuple(chosen + words[: limit - len(chosen)])


def rank(query: str, entries: Sequence[tuple[str, Sequence[str]]]) -> list[int]:
    """Rank messages by how well their terms answer a query.

    Args:
        query: A question or some words.
        entries: Role and terms of each message.

    Returns:
        Indices into ``entries``, best first, without those that share no term. Of equals the later comes first.
    """
    wanted = set(_terms(query))
    sets = [frozenset(terms) for _, terms in entries]
    frequency = Counter(term for terms in sets for term in terms & wanted)
    average = sum(map(len, sets)) / max(len(sets), 1) or 1.0

    def score(terms: frozenset[str]) -> float:
        norm = _K1 * (1 - _B + _B * len(terms) / average)
        return sum(
            math.log(1 + (len(sets) - frequency[term] + 0.5) / (frequency[term] + 0.5)) * (_K1 + 1) / (1 + norm)
            for term in terms & wanted
        )

    scored = [(score(terms), index) for index, terms in enumerate(sets)]
    return [index for value, index in sorted(scored, reverse=True) if value > 0]


def covers(query: str, terms: Sequence[str]) -> bool:
    """Whether the terms of a message include every term of a query."""
    return set(_terms(query)) <= set(terms)


def matches(query: str, text: str) -> int:
    """Return how many of a query's terms a text has."""
    return len(set(_terms(query)) & set(_terms(text)))


def _terms(text: str) -> list[str]:
    tokens = [match[0].casefold()[:_LONGEST] for match in _TOKEN.finditer(text)]
    terms: list[str] = []
    for before, token in zip(["", *tokens], tokens, strict=False):
        terms.extend(_forms(token))
        if token.isdigit() and before.isalpha():
            terms.append(f"{stem(before)} {token}")
    said = [term for term in terms if term not in STOPWORDS]
    return said or tokens


def _forms(token: str) -> Iterator[str]:
    if _WIDE.search(token):
        # Scripts without spaces: pairs of characters, as search engines index them.
        yield from (token[at : at + 2] for at in range(max(len(token) - 1, 1)))
        return
    yield stem(token) if token.isalpha() and token not in STOPWORDS else token
    if not token.isalnum():
        yield from (part for part in _PART.findall(token) if len(part) > 1 and part not in STOPWORDS)


def _is_telling(term: str) -> bool:
    return not term.isalpha()


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
