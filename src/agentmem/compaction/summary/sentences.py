"""From text to sentences, each with the label or heading that says what it is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agentmem.checkpoints.summary import (
    CONSTRAINTS,
    DECISIONS,
    DIGEST,
    FACTS,
    GOALS,
    INSTRUCTIONS,
    PREFERENCES,
    TITLES,
)

MAX_TEXT = 20_000
"""Characters read of one text block; what comes later in it is left to recall."""

MAX_SENTENCE = 400
"""Characters kept of one sentence."""

_BOLD = re.compile(r"(?<!\w)\*\*(?=\S)(.+?)(?<=\S)\*\*(?!\w)")
_FENCE = re.compile(r"^\s*(?:```|~~~)")
_BULLET = re.compile(r"^\s*(?:[-*+•]|\d{1,2}[.)]|#{1,6}|>)\s+")
_HEADING = re.compile(r"^(?P<label>[A-Za-z][\w /&'’-]{2,40}):$")
# A label in front of a statement: "HARD CONSTRAINT: ...", "Decision: ...", "To do: ...".
_LABEL = re.compile(r"^(?P<label>[A-Z][\w'’-]*(?:[ /][\w'’-]+){0,3}):\s+(?=\S)")
_END = re.compile(r"(?<=[.!?])[\"')\]]?\s+(?=[\"'(\[]?[A-Z0-9])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|mr|mrs|ms|dr|st|no|approx|dept|inc|ltd)|\b[A-Z])\.$", re.IGNORECASE
)

_ANAPHOR = re.compile(
    r"^(?:it|its|they|their|this|that|these|those|he|she|his|her|both|otherwise|if (?:so|not|it|they))\b|"
    r"^(?:\w+ ){1,3}(?:it|them|him|her|those|these)\b",
    re.IGNORECASE,
)

_LABEL_SECTIONS = (
    (INSTRUCTIONS, r"rule|safety|security|policy|instruction|standing|never|always|warning|guideline|must"),
    (CONSTRAINTS, r"constraint|limit|requirement|budget|restriction|boundary|deadline"),
    (GOALS, r"goal|task|to[- ]?do|next|status|state|plan|open|question|objective|action|pending|progress|request"),
    (DECISIONS, r"decision|decided|agreed|resolved|outcome|conclusion"),
    (PREFERENCES, r"preference|prefer|like|style"),
    (FACTS, r"fact|note|info|fyi|remember|context|background|detail|important|key"),
    (DIGEST, r"also said|earlier"),
)
_PLAIN_LABEL = re.compile(
    r"(?:(?:user|hard|soft|standing|safety|security|key|general|project|my|open|important|current|quick|the|to|please|"
    r"rules?|policy|instructions?|constraints?|limits?|requirements?|restrictions?|goals?|tasks?|state|todo|do|"
    r"status|plan|decisions?|decided|agreed|preferences?|facts?|notes?|info|fyi|remember|context|background|"
    r"details?|also said)[ /-]?)+",
    re.IGNORECASE,
)
_ASIDE = re.compile(r"\b(?:notes?|info|fyi|context|background|details?)\b", re.IGNORECASE)
_LABELS = tuple(
    (section, re.compile(rf"\b(?:{words})(?:e?s|s?ies)?\b", re.IGNORECASE)) for section, words in _LABEL_SECTIONS
)


@dataclass(frozen=True)
class Sentence:
    """A sentence with what its surroundings say about it.

    Attributes:
        text: The sentence on one line, without bullet and label.
        label: The label in front of it or the heading above it; empty without one.
        item: Whether it stands in a list.
    """

    text: str
    label: str = ""
    item: bool = False


def split(text: str) -> list[Sentence]:
    """Split a text into sentences; list items and lines end one, code blocks are left out.

    Args:
        text: Any text; at most `MAX_TEXT` characters are read.

    Returns:
        The sentences in order.
    """
    sentences: list[Sentence] = []
    heading = ""
    in_code = False
    for raw in text[:MAX_TEXT].splitlines():
        if _FENCE.match(raw):
            in_code = not in_code
            continue
        if in_code or not raw.strip():
            continue
        bullet = _BULLET.match(raw)
        line = _BOLD.sub(r"\1", raw[bullet.end() if bullet else 0 :].strip())
        title = _HEADING.match(line.strip("*_ "))
        if title:
            heading = title["label"]
            continue
        # A heading speaks for the list below it, not for the prose after the list.
        heading = heading if bullet else ""
        label = heading
        named = _LABEL.match(line)
        if named and section_of_label(named["label"]):
            label = named["label"]
            # "HARD CONSTRAINT:" says no more than the section will; "Open question for Ana:" does.
            line = line[named.end() :] if _PLAIN_LABEL.fullmatch(label) else line
        sentences.extend(Sentence(_clip(part), label, bullet is not None) for part in _parts(line) if part)
    return sentences


def _parts(line: str) -> list[str]:
    parts: list[str] = []
    for piece in _END.split(line):
        part = " ".join(piece.split())
        # "Use it in confirmations." means nothing without the sentence before it.
        if parts and (_ABBREVIATION.search(parts[-1]) or (len(part) < 100 and _ANAPHOR.search(part))):
            parts[-1] = f"{parts[-1]} {part}"
        else:
            parts.append(part)
    return parts


def _clip(sentence: str) -> str:
    if len(sentence) <= MAX_SENTENCE:
        return sentence
    cut = sentence[:MAX_SENTENCE]
    return f"{cut[: cut.rfind(' ')] if ' ' in cut[MAX_SENTENCE // 2 :] else cut}…"


def label_weight(label: str) -> float:
    """Tell how much a label adds to the weight of what it stands before.

    Args:
        label: The label or heading.

    Returns:
        5 where somebody marked a statement as a rule, a fact and so on; 1 for a passing remark ("Note:"); else 0.
    """
    if not section_of_label(label):
        return 0.0
    return 5.0 if _PLAIN_LABEL.fullmatch(label) and not _ASIDE.search(label) else 1.0


def section_of_label(label: str) -> str:
    """Tell which section a label or heading names.

    Args:
        label: The words before the colon.

    Returns:
        The section, or an empty string for a label that names none.
    """
    for section, title in TITLES.items():
        if label == title:
            return section
    for section, words in _LABELS:
        if words.search(label):
            return section
    return ""
