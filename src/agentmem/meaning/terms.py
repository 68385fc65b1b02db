"""Turns text into the terms by which it is found again.

A term is a word stem, a number, an identifier as it is written, a number with the word before it ("turn 12"), or, of
scripts without spaces, a pair of characters. Stems are Snowball's for the detected language, stop words the short
ones of stopwords-iso. Two texts share a term only if both were stemmed in the same language, so a question is stemmed
in every language of the session.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import TYPE_CHECKING, Any

from agentmem.meaning.language import detect_language

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


DEFAULT_LANGUAGE = "en"
"""Assumed of a text that is too short to tell, or in a language without a stemmer."""

_ALGORITHMS = {
    "ar": "arabic",
    "ca": "catalan",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "ne": "nepali",
    "nl": "dutch",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
}
"""Snowball's stemmers by ISO 639-1 code."""

WITHOUT_SPACES = frozenset({"ja", "ko", "th", "zh"})
"""Languages written without spaces between words, which have no stems."""

COMPOUNDING = frozenset({"da", "de", "et", "fi", "hu", "nb", "nl", "no", "sv"})
"""Languages that write compounds as one word: a question says "Termin beim Zahnarzt", the answer "Zahnarzttermin"."""

COMPOUND_LETTERS = 8
"""Fewest letters of a word that is taken for a compound; each of its parts has at least half as many."""

# An identifier may have inner punctuation: A-17, user_id, 2024-05-20, a.b@c.org, /etc/hosts.
_TOKEN = re.compile(r"[^\W_](?:[\w.@:/#+'’-]*[^\W_])?|[$€£]\d[\d.,]*\d")
_ANYTHING = re.compile(r"\S+")
_PART = re.compile(r"[^\W\d_]+|\d+")
# Between a word and the number that belongs to it: "turn 12", "turn #12", {"turn": 12}; not the next cell of a table.
_OF_NOUN = re.compile(r"[ \"'`:=#(-]{1,4}")
_WIDE = re.compile(r"[\u0e00-\u0eff\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_HAN = re.compile(r"[\u3400-\u9fff]")
_LETTERS = re.compile(r"[^\W\d_]+")
_LONGEST, _LONGEST_STOP_WORD = 64, 5
_DETECTED = 1_000


def language_of(text: str) -> str:
    """Return the ISO 639-1 code of a text's language.

    Args:
        text: Any text; its beginning is looked at.

    Returns:
        A language with a stemmer, or one written without spaces; `DEFAULT_LANGUAGE` when it cannot be told.
    """
    code = detect_language(" ".join(_LETTERS.findall(text[:_DETECTED])), fallback=DEFAULT_LANGUAGE)
    return code if code in _ALGORITHMS or code in WITHOUT_SPACES else DEFAULT_LANGUAGE


def terms_of(text: str, language: str) -> list[str]:
    """Return the distinct terms of a text in the order of their first appearance.

    Args:
        text: The text.
        language: Its language (`language_of`).

    Returns:
        Its terms without stop words; of a text that has only stop words, those.
    """
    return list(dict.fromkeys(said for said, _ in _forms(text, language, stop_words(language)) if said)) or _words(text)


def wanted_terms(question: str, languages: Iterable[str], *, common: bool = True) -> list[tuple[str, ...]]:
    """Return what a question asks for: for each of its terms, the forms that it takes in the session's languages.

    Args:
        question: A question or some words.
        languages: The languages of the session; the question's own and English are added.
        common: Whether common words are among them that are no stop words, such as question words.

    Returns:
        Tuples of equivalent terms, in the question's order; each tuple counts once.
    """
    wanted: dict[tuple[int, int, int], set[str]] = {}
    own = language_of(question)
    for language in dict.fromkeys((own, *languages, DEFAULT_LANGUAGE)):
        for term, where in _forms(question, language, stop_words(own) if common else _common_words(own)):
            if term:
                wanted.setdefault(where, set()).add(term)
    if not wanted:
        return [(word,) for word in _words(question)]
    return list(dict.fromkeys(tuple(sorted(forms)) for forms in wanted.values()))


def parts_of_compound(word: str) -> list[str]:
    """Return what a compound may begin and end with: "zahnarzt" and "termin" are among those of "zahnarzttermin".

    Args:
        word: A term.
    """
    least = COMPOUND_LETTERS // 2
    if len(word) < COMPOUND_LETTERS or not word.isalpha():
        return []
    return [word[:at] for at in range(least, len(word) - 1)] + [word[at:] for at in range(2, len(word) - least + 1)]


def _forms(text: str, language: str, stops: frozenset[str]) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """Yield each term with its place: start, end and number of the form, the same in every language."""
    noun, noun_end = "", 0
    for match in _TOKEN.finditer(text):
        token = match[0].casefold()[:_LONGEST].replace("’", "'")
        start, end = match.span()
        if _WIDE.search(token):
            for number, pair in enumerate(_characters(token)):
                yield pair, (start, end, number)
            continue
        if token not in stops:
            word = token.removesuffix("'s")
            if word not in stops:
                yield (stem(word, language) if word.isalpha() else token), (start, end, 0)
            if not token.isalnum():
                yield from ((part, (start, end, at)) for at, part in enumerate(_inner(token, language, stops), start=1))
        if noun and token.isdigit() and _OF_NOUN.fullmatch(text, noun_end, start):
            yield f"{noun} {token}", (start, end, -1)
        if any(letter.isalnum() for letter in token):
            noun, noun_end = stem(token, language) if token.isalpha() else "", end


def _inner(token: str, language: str, stops: frozenset[str]) -> Iterator[str]:
    """Yield what an identifier is made of: the last step of a path, its words and numbers, a word with its number."""
    path, _, last = token.rpartition("/")
    yield last if path and not last.isalnum() else ""
    before = ""
    for part in _PART.findall(token):
        stemmed = stem(part, language) if part.isalpha() else part
        yield stemmed if len(part) > 1 and part not in stops and part != token.removesuffix("'s") else ""
        yield f"{before} {part}" if before and part.isdigit() else ""
        before = stemmed if part.isalpha() else ""


def _characters(token: str) -> Iterator[str]:
    """Yield what is indexed of a script without spaces: pairs of characters, as search engines do, and each Han one."""
    yield from (token[at : at + 2] for at in range(max(len(token) - 1, 1)))
    if len(token) > 1:
        yield from _HAN.findall(token)


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(match[0].casefold()[:_LONGEST] for match in _ANYTHING.finditer(text)))


@functools.lru_cache(maxsize=50_000)
def stem(word: str, language: str) -> str:
    """Return the stem that a word shares with its other forms, without accents.

    Args:
        word: A word in lower case.
        language: Its language; one without a stemmer leaves the word as it is.
    """
    algorithm = _ALGORITHMS.get(language)
    stemmed = word if algorithm is None else str(_stemmer(algorithm).stemWord(word))
    if stemmed.isascii():
        return stemmed
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", stemmed) if not unicodedata.combining(letter))
    return plain or stemmed


@functools.cache
def _stemmer(algorithm: str) -> Any:
    import snowballstemmer  # type: ignore[import-untyped]

    return snowballstemmer.stemmer(algorithm)


@functools.cache
def stop_words(language: str) -> frozenset[str]:
    """Return a language's stop words in lower case; of one without a list none."""
    # The lists are unions of many: of the longer words in them, some are "website" or "interests".
    return frozenset(word for word in _common_words(language) if len(word) <= _LONGEST_STOP_WORD or "'" in word)


@functools.cache
def _common_words(language: str) -> frozenset[str]:
    import stopwordsiso

    if not stopwordsiso.has_lang(language):
        return frozenset()
    return frozenset(word for word in stopwordsiso.stopwords(language) if not word.isdigit())
