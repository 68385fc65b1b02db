"""From text to sentences, and from a sentence to the section of the summary it belongs in."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agentmem.compaction.summary.value import (
    CONSTRAINTS,
    DECISIONS,
    DIGEST,
    FACTS,
    GOALS,
    INSTRUCTIONS,
    PREFERENCES,
    TITLES,
)
from agentmem.compaction.summary.values import DATE, EMAIL, LABEL, MONEY, NAME, NUMBER, TIME, URL, ZONE, find_values

MAX_TEXT = 20_000
"""Characters read of one text block; what comes later in it is left to recall."""

MAX_SENTENCE = 400
"""Characters kept of one sentence."""

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


def _cue(words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{words})\b", re.IGNORECASE)


_PROHIBITS = _cue(
    r"never|do not|don't|must not|mustn't|may not|should not|shouldn't|under no circumstances|not allowed|forbidden|"
    r"prohibited|off[- ]limits|no one|nobody|without (?:\w+ ){0,2}(?:approval|consent|permission|asking|confirmation)|"
    r"refuse|stop and|escalate|avoid|free of|(?:keep|stay) \w+ away"
)
_NO = re.compile(
    r"^No (?!problem|worries|need|idea|doubt|thanks|way|longer|more\b)[\w' -]+ (?:\w+ )?"
    r"(?:at|in|on|from|to|for|without|before|after|until|unless|allowed|ever|please)\b"
)
_STANDING = _cue(
    r"always|from now on|whenever|every time|each time|at all times|make sure|be sure|ensure|only \w+(?: \w+)? (?:may|can)|"
    r"in (?:all|every)|for (?:all|every|each)|going forward|in (?:the )?future|remember to|by default|no matter|"
    r"(?:every|each|all) \w+ (?:must|should|needs?)|must|needs? approval|requires? approval|until (?:I|we|\w+ \w+)"
)
_BOUNDS = _cue(
    r"at most|at least|no (?:more|less|later|earlier|fewer) than|less than|more than|under|below|above|within|up to|"
    r"maximum|minimum|max|min|limit(?:ed)?|cap|capped|ceiling|budget|exceed|deadline|due|only|before|by|required?|"
    r"not later|must|keep|stay|until|spend(?:ing)?"
)
_OPEN = _cue(
    r"next step|next up|current(?:ly)? (?:task|work|working|branch|phase)|to[- ]?do|remaining|still (?:need|have|open|missing|to)|"
    r"(?:we|I|you)(?:'ll| will)? (?:still )?need to|have to|working on|in progress|goal|open question|awaiting|waiting (?:for|on)|"
    r"blocked|pending|failing|phase|branch(?:ed)?|rebased|commit|milestone|remind me|follow up|afterwards|"
    r"(?:steps?|parts?) \S+ (?:of \d+ )?(?:is|are) done|unfinished|outstanding|reminder"
)
_ASKS = re.compile(
    r"^(?:please|can you|could you|would you|will you|help me|let's|I(?:'d| would) like (?:you )?to|I want (?:you )?to|I need|"
    r"I'm (?:trying|looking|hoping) to|we need to|we should|we want to|my goal)\b",
    re.IGNORECASE,
)
_DECIDES = _cue(
    r"decided|decision|agreed|going with|go with|went with|chose|chosen|settled on|picked|confirmed|selected|"
    r"we(?:'ll| will) use|switched to|moved to|pinned|renamed|approved|let's use|booked|cancelled|canceled|"
    r"I(?:'ve| have) (?:\w+ )?(?:booked|changed|updated|cancelled|created|sent|added|removed|fixed|scheduled|ordered)"
)
_PREFERS = _cue(
    r"prefers?|preferred|preference|preferably|would rather|I'd rather|favou?rite|I (?:really )?(?:like|love|hate|enjoy|dislike)|"
    r"(?:user|I) wants? (?:\w+ ){0,3}(?:answers?|replies|responses|examples?|reports?|units?|measurements?|style|format)|"
    r"don't like|doesn't like|allergic|vegetarian|vegan|(?:answers?|replies|responses|reply|respond|answer) .*(?:style|tone|terse|brief|"
    r"short|concise|detailed|formal|friendly|playful|metric|imperial|bullet|language|in [A-Z]\w+)"
)
_ACK = re.compile(
    r"^(?:ok(?:ay)?|sure|thanks?(?: you)?|got it|noted|acknowledged|understood|great|perfect|yes|no|yep|right|will do|"
    r"of course|certainly|you're welcome|sounds good|done|alright|continuing|hello|hi|hey|good (?:morning|afternoon|evening))\b",
    re.IGNORECASE,
)
_STATES_FACT = re.compile(
    r"\b(?:is|are|was|were|has|have|called|named|lives?|works?|runs?|uses?|belongs?|owns?|means|equals|costs?|contains?|"
    r"located|hosted|starts?|ends?|departs?|arrives?|born|my|our)\b|:\s|=",
    re.IGNORECASE,
)
_SOLID = frozenset({MONEY, DATE, TIME, LABEL, URL, EMAIL, ZONE})

_BASE = {INSTRUCTIONS: 8.0, CONSTRAINTS: 8.0, GOALS: 6.5, DECISIONS: 6.0, PREFERENCES: 7.5, FACTS: 6.0, DIGEST: 1.0}


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
        line = raw[bullet.end() if bullet else 0 :].strip()
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


def classify(sentence: Sentence, by: str) -> tuple[str, float]:
    """Find the section of a sentence and how firmly it is put.

    Args:
        sentence: The sentence.
        by: `user` or `assistant`.

    Returns:
        The section and a weight; weight 0 for a sentence that says nothing worth keeping.
    """
    text = sentence.text
    if not any(c.isalnum() for c in text):
        return DIGEST, 0.0
    values = find_values(text)
    kinds = {v.kind for v in values}
    labelled = section_of_label(sentence.label)
    section = labelled or _section(text, by, kinds)
    weight = _BASE[section]
    if labelled and labelled != DIGEST:
        weight += 5.0 if _PLAIN_LABEL.fullmatch(sentence.label) and not _ASIDE.search(sentence.label) else 1.0
    weight += 1.0 * (_prohibits(text) + bool(kinds & _SOLID))
    if section == DIGEST and _ACK.match(text):
        weight = 0.0
    if section == FACTS and not labelled:
        weight += 0.5 * (NAME in kinds) + 0.5 * (len(kinds) > 1) - 1.5 * (not kinds & (_SOLID | {NAME}))
    return section, weight if by == "user" else weight * 0.5


def _prohibits(text: str) -> bool:
    return _PROHIBITS.search(text) is not None or _NO.search(text) is not None


def _section(text: str, by: str, kinds: set[str]) -> str:
    if "?" in text and by == "assistant":
        return DIGEST
    asks = "?" in text or _ASKS.match(text) is not None
    if by == "user":
        if _PREFERS.search(text) and "?" not in text:
            return PREFERENCES
        bounded = _BOUNDS.search(text) is not None
        if (
            not asks
            and kinds & {MONEY, NUMBER, DATE, TIME, ZONE}
            and bounded
            and (
                _prohibits(text)
                or _STANDING.search(text)
                or kinds & {MONEY, DATE}
                or text.lower().startswith(("max", "only"))
            )
        ):
            return CONSTRAINTS
        if "?" not in text and (_prohibits(text) or _STANDING.search(text)):
            return INSTRUCTIONS
        if asks or _OPEN.search(text):
            return GOALS
    elif _OPEN.search(text) and not asks:
        return GOALS
    if _DECIDES.search(text) and not asks:
        return DECISIONS
    if not asks and (kinds & _SOLID or (kinds and _STATES_FACT.search(text))):
        return FACTS
    if by == "user" and re.search(r"\b(?:my|our|I am|I'm|I have|we have|I work|I live)\b", text) and not asks:
        return FACTS
    return DIGEST
