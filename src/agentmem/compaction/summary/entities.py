"""Finds the values in a passage: numbers, amounts, dates in digits, identifiers, addresses, quoted terms, names.

By the form of the characters alone, so that it works in any language: there is no list of words here.
"""

from __future__ import annotations

import itertools
import re

MAX_VALUES = 24
"""Values looked at in one passage; a table has more, and they tell nothing more about its worth."""

_QUOTED = r"`[^`\n]{1,80}`|\"[^\"\n]{1,80}\"|“[^”\n]{1,80}”|„[^“\n]{1,80}“|«[^»\n]{1,80}»|「[^」\n]{1,80}」"
_ADDRESS = r"https?://[^\s<>\"')\]]*[^\s<>\"')\].,;:!?]|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
_PATH = r"(?<![\w/])(?:~|\.{1,2})?/?[\w.@-]*\w(?:/[\w.@-]*\w)+/?"
_AMOUNT = r"[$€£¥₹₩]\s?\d[\d.,]*|\d[\d.,]*\s?[$€£¥₹₩%円元원]"
# Letters and digits in one word, digits with inner punctuation, words joined by underscores: XEHM4B, 2026-05-04, a_b.
_MIXED = r"(?<!\w)(?=[^\W_]*[-_./:]?\w*\d)[^\W_](?:[\w.:/-]*[^\W_])?|[^\W\d_]+(?:_[^\W_]+)+"
_CAPITALS = r"(?<!\w)[A-Z]{2,}(?!\w)"
_VALUE = re.compile(f"{_QUOTED}|{_ADDRESS}|{_AMOUNT}|{_PATH}|{_MIXED}|{_CAPITALS}")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def values_of(text: str) -> frozenset[str]:
    """Return the values of a passage in a form in which equal values are equal: case folded, without quotes."""
    found: set[str] = set()
    for match in _VALUE.finditer(text):
        found.add(" ".join(match[0].casefold().split()).strip('`"“”„«»「」#.'))
        if len(found) >= MAX_VALUES:
            break
    return frozenset(found - {""})


def names_in(text: str) -> int:
    """Count words with a capital inside a sentence, where the language has capitals: most are names.

    German writes every noun so; that is why this only counts and nothing is decided by one word.
    """
    words = list(_WORD.finditer(text))
    return sum(1 for before, word in itertools.pairwise(words) if word[0][:1].isupper() and before[0] != word[0])


def letters_in(text: str) -> int:
    """Count the letters of a passage; a character of a script without spaces says about as much as three letters."""
    return sum(3 if ord(character) >= 0x2E80 else 1 for character in text if character.isalpha())


def words_of(text: str) -> frozenset[str]:
    """Return the words of a passage, case folded; of a script without spaces, pairs of its characters."""
    found: set[str] = set()
    for match in _WORD.finditer(text.casefold()):
        word = match[0]
        if ord(word[0]) >= 0x2E80:
            found.update(word[at : at + 2] for at in range(max(len(word) - 1, 1)))
        else:
            found.add(word)
    return frozenset(found) | values_of(text)
