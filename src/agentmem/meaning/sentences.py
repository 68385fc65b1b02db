"""Cuts a text into sentences, in any language, and says where each one stands.

sentencex knows the abbreviations of some 300 languages, if it is told the language. A few marks that it gets wrong are
mended here, by structure alone: initials, ordinals such as "14. März", addresses of files and pages, numbered points.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sentencex import get_sentence_boundaries  # type: ignore[import-untyped]

from .language import FALLBACK, detect_language
from .prose import Span, ends_in_fence, is_code, prose_spans

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_TEXT_CHARACTERS = 40_000
"""Of a longer text only the first and the last half of this are cut: people write their wishes before or after what
they paste."""

MAX_SENTENCE_CHARACTERS = 600
"""A longer run without an end is cut at a space."""

_LONG_ENOUGH_TO_NAME = 60  # characters of a passage whose own language is named; a shorter one has that of its text
# Languages that write an ordinal as a number with a full stop ("14. März").
_ORDINAL_STOP = frozenset(
    "az bs cs da de eo et eu fi fo hr hu is lb lt lv mk nn no pl sk sl sq sr tr".split()  # noqa: SIM905 - codes
)
# Words that sentencex 1.0 takes for abbreviations in their language, and that end a sentence more often. Found by
# trying the vocabulary of the prototypes. Before a number they are left as abbreviations ("no. 5", "art. 2").
_WORDS = {
    "de": frozenset(("mag", "mich", "buchst")),
    "en": frozenset(("art", "id", "may", "me", "no", "ok")),
    "es": frozenset(("bien", "no", "nos")),
    "fr": frozenset(("vol",)),
    "it": frozenset(("mai", "me", "mi", "ore", "se", "sia", "te", "va", "via")),
    "nl": frozenset(("bel", "dat", "me", "tom")),
    "sv": frozenset(("det", "maj", "med", "min", "ord", "ut")),
    "tr": frozenset(("al", "ver")),
}
_MISSED = re.compile(r"(?<![^\s¿¡])([^\W\d_]+)\.\s+(?=[¿¡]?[^\W\d_])")
_ASCII_END = frozenset(".!?")
_EMPHASIS = "*_~`"
_SPACE = re.compile(r"\s+")
_INITIAL = re.compile(r"(?:\A|[\s.\-(])(\w)\.\Z")
_SHORT_BEFORE_NUMBER = re.compile(r"(?:\A|[\s('’])[^\W\d_]{1,3}\.\Z")
_POINT = re.compile(r"\(?\d{1,3}[.)]\s")
_NUMBER_END = re.compile(r"(?:\A|\s)(\d{1,2})\.\Z")
_BARE_NUMBER = re.compile(r"\A\(?\d{1,3}[.)]\Z")
_SMALL_START = re.compile(r"([.!?]\s+)([^\W\d_])")
# A short run up to a colon, and something behind it.
_LABEL = re.compile(r"([^:：]{1,60})(?::\s+|：\s*)(?=\S)")
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_LABEL_WORDS = 8
_SPACED_WORDS = 2  # words behind a label; in scripts without spaces, letters:
_UNSPACED_LETTERS = 4


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a text.

    Attributes:
        text: The sentence on one line, without marks of emphasis around it.
        start: Where it begins in the text it is from, in characters.
        end: Where it ends; ``source[start:end]`` is the sentence word for word.
        language: The ISO 639-1 code of the language it was cut by.
        statement_at: Where in ``text`` the statement begins that a label announces ("Important: ..."), or 0.
    """

    text: str
    start: int
    end: int
    language: str = FALLBACK
    statement_at: int = 0

    @property
    def label(self) -> str:
        """The short run before the statement ("Important"), or an empty string."""
        return self.text[: self.statement_at].rstrip(" :：")

    @property
    def statement(self) -> str:
        """The sentence without its label."""
        return self.text[self.statement_at :]


def split_sentences(text: str, *, language: str | None = None, fallback: str = FALLBACK) -> list[Sentence]:
    """Cut the prose of a text into sentences.

    Code, tables, logs and quoted lines give no sentences. Each item of a list is at least one.

    Args:
        text: The text. Of one longer than `MAX_TEXT_CHARACTERS` the middle is left out.
        language: The ISO 639-1 code of the language, if it is known; otherwise it is detected.
        fallback: The language of a text too short to tell, such as that of the conversation.

    Returns:
        The sentences in order; they do not overlap.
    """
    sentences: list[Sentence] = []
    for offset, window, in_fence in _windows(text):
        spans = list(prose_spans(window, in_fence=in_fence))
        whole = language or detect_language(
            " ".join(window[span.start : span.end] for span in spans), fallback=fallback
        )
        for span in spans:
            passage = window[span.start : span.end]
            spoken = whole
            if language is None and len(passage) >= _LONG_ENOUGH_TO_NAME:
                spoken = detect_language(passage, fallback=whole)
            sentences += _sentences(passage, offset + span.start, spoken)
    return sentences


def plain(passage: str) -> str:
    """Write a passage on one line, without marks of emphasis around it or around a part of it."""
    return _SPACE.sub(" ", passage.replace("**", "")).strip().strip(_EMPHASIS).strip()


def _windows(text: str) -> Iterator[tuple[int, str, bool]]:
    """The parts of a text that are looked at: offset, text, and whether it begins inside a fence."""
    if len(text) <= MAX_TEXT_CHARACTERS:
        yield 0, text, False
        return
    half = MAX_TEXT_CHARACTERS // 2
    head = text[:half]
    cut = max(head.rfind("\n"), head.rfind(" "))
    yield 0, head[:cut] if cut > 0 else head, False
    begin = len(text) - half
    at = min((found for found in (text.find("\n", begin), text.find(" ", begin)) if found >= 0), default=begin)
    yield at, text[at:], ends_in_fence(text[:at])


def _sentences(passage: str, offset: int, language: str) -> Iterator[Sentence]:
    for span in _ends(passage, language):
        for part in _short(passage, span):
            written = passage[part.start : part.end]
            text = plain(written)
            if any(character.isalnum() for character in text) and not is_code(text):
                yield Sentence(text, offset + part.start, offset + part.end, language, _statement_at(text))


def _ends(passage: str, language: str) -> Iterator[Span]:
    """The sentences of a passage, as spans without blanks around them."""
    small = _begins_small(passage)
    shown = _SMALL_START.sub(_capital, passage) if small else passage
    shown = _HALF_PAIR.sub("\ufffd", shown)  # half of a surrogate pair has no form in UTF-8, which the cutter wants
    start = end = 0
    for boundary in get_sentence_boundaries(language, shown):
        if end > start and not _joined(passage[start:end], passage[boundary["start_index"] :], language, small=small):
            yield from _at_words(passage, start, end, language)
            start = end
        end = boundary["end_index"]
    yield from _at_words(passage, start, len(passage), language)


def _at_words(passage: str, start: int, end: int, language: str) -> Iterator[Span]:
    """A sentence, cut again where a word was taken for an abbreviation."""
    words = _WORDS["en"] | _WORDS.get(language, frozenset())  # English abbreviations count in every language there
    for missed in _MISSED.finditer(passage, start, end):
        following = passage[missed.end()]
        if missed[1].lower() in words and not following.islower():
            yield from _trim(passage, start, missed.end())
            start = missed.end()
    yield from _trim(passage, start, end)


def _joined(before: str, after: str, language: str, *, small: bool) -> bool:  # noqa: PLR0911 - one rule a line
    """Whether what was cut apart is one sentence."""
    left, right = before.rstrip(), after.lstrip()
    following = right[:1]
    if not following or not any(character.isalnum() for character in left):
        return True
    if not any(character.isalnum() for character in right[:3]) and not right[3:]:
        return True  # closing marks
    end = left[-1]
    spaced = len(left) < len(before) or len(right) < len(after)
    if end in _ASCII_END and not spaced:
        return following.isascii() or (end == "." and following.islower())  # README.md, example.org/a?b, J.-C.
    if end != ".":
        return False
    if following.islower() and not small:
        return True
    if _BARE_NUMBER.match(left):
        return True  # "2." and its point
    number = _NUMBER_END.search(left)
    if number and language in _ORDINAL_STOP:
        return True
    if following.isdigit() and _SHORT_BEFORE_NUMBER.search(left) and not _POINT.match(right):
        return True  # "tel. 55", "p. 12"
    initial = _INITIAL.search(left)
    return bool(initial and initial[1].isupper() and (initial[1], language) != ("I", "en"))


def _begins_small(passage: str) -> bool:
    """Whether the writer begins sentences with small letters, so that a small letter says nothing about an end."""
    first = next((character for character in passage if character.isalpha()), "")
    return first.islower()


def _capital(match: re.Match[str]) -> str:
    capital = match[2].upper()
    return match[1] + (capital if len(capital) == 1 else match[2])  # offsets must hold


def _trim(passage: str, start: int, end: int) -> Iterator[Span]:
    while start < end and passage[start].isspace():
        start += 1
    while end > start and passage[end - 1].isspace():
        end -= 1
    if start < end:
        yield Span(start, end)


def _short(passage: str, span: Span) -> Iterator[Span]:
    """A span in parts of at most `MAX_SENTENCE_CHARACTERS`."""
    start = span.start
    while span.end - start > MAX_SENTENCE_CHARACTERS:
        limit = start + MAX_SENTENCE_CHARACTERS
        cut = passage.rfind(" ", start + 1, limit)
        cut = limit if cut < 0 else cut
        yield from _trim(passage, start, cut)
        start = cut
    yield from _trim(passage, start, span.end)


def _statement_at(text: str) -> int:
    match = _LABEL.match(text)
    if not match or len(match[1].split()) > _LABEL_WORDS or not any(character.isalpha() for character in match[1]):
        return 0
    rest = text[match.end() :]
    unspaced = sum(character.isalpha() and not character.isascii() for character in rest) >= _UNSPACED_LETTERS
    return match.end() if len(rest.split()) >= _SPACED_WORDS or unspaced else 0
