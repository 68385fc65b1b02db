"""Which section of the summary a sentence belongs in, and how much it weighs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agentmem.compaction.summary.sentences import label_weight, section_of_label
from agentmem.compaction.summary.value import (
    CONSTRAINTS,
    DECISIONS,
    DIGEST,
    FACTS,
    GOALS,
    INSTRUCTIONS,
    PREFERENCES,
)
from agentmem.compaction.summary.values import DATE, EMAIL, LABEL, MONEY, NAME, NUMBER, TIME, URL, ZONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentmem.compaction.summary.sentences import Sentence
    from agentmem.compaction.summary.values import Value


def _cue(*words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)


_PROHIBITS = _cue(
    r"never(?! mind)|must not|mustn't|may not|should not|shouldn't|under no circumstances|not allowed|forbidden",
    r"(?<!i )(?<!we )(?<!they )(?<!you )(?<!he )(?<!she )(?<!it )(?:do not|don't)",
    r"prohibited|off[- ]limits|no one|nobody|refuse|stop and|escalate|avoid|free of|(?:keep|stay) \w+ away",
    r"without (?:\w+ ){0,2}(?:approval|consent|permission|asking|confirmation)",
)
_NO = re.compile(
    r"^No (?!problem|worries|need|idea|doubt|thanks|way|longer|more\b)[\w' -]+ (?:\w+ )?"
    r"(?:at|in|on|from|to|for|without|before|after|until|unless|allowed|ever|please)\b"
)
_STANDING = _cue(
    r"always|from now on|whenever|every time|each time|at all times|make sure|be sure|ensure|going forward",
    r"only \w+(?: \w+)? (?:may|can)|in (?:all|every)|for (?:all|every|each)|in (?:the )?future|remember to|by default",
    r"no matter|(?:every|each|all) \w+ (?:must|should|needs?)|must|needs? approval|requires? approval",
    r"until (?:I|we|\w+ \w+)|I (?:want|need) you to|I(?:'d| would) like you to",
)
_PERMITS = _cue(
    r"(?:you (?:can|may)|is (?:allowed|fine|okay|ok)|are (?:allowed|fine|okay|ok)|feel free to)\b.*\b"
    r"(?:again|now|after all|from now on|any ?more)"
)
_BOUNDS = _cue(
    r"at most|at least|no (?:more|less|later|earlier|fewer) than|less than|more than|under|below|above|within|up to",
    r"maximum|minimum|max|min|limit(?:ed)?|cap|capped|ceiling|budget|exceed|deadline|due|only|before|by|required?",
    r"not later|must|keep|stay|until|spend(?:ing)?",
)
_OPEN = _cue(
    r"next step|next up|current(?:ly)? (?:task|work|working|branch|phase)|to[- ]?do|remaining|unfinished|outstanding",
    r"still (?:need|have|open|missing|to)|(?:we|I|you)(?:'ll| will)? (?:still )?need to|have to|working on|in progress",
    r"goal|open question|awaiting|waiting (?:for|on)|blocked|pending|failing|phase|branch(?:ed)?|rebased|commit",
    r"milestone|remind me|follow up|afterwards|reminder|(?:steps?|parts?) \S+ (?:of \d+ )?(?:is|are) done",
)
_ASKS = re.compile(
    r"^(?:please|can you|could you|would you|will you|help me|"
    r"let's(?! (?:go with|use|take|choose|pick))|I(?:'d| would) like (?:you )?to|I need|my goal|"
    r"I want (?:you )?to|I'm (?:trying|looking|hoping) to|we need to|we should|we want to)\b",
    re.IGNORECASE,
)
_DECIDES = _cue(
    r"decided|decision|agreed|going with|go with|went with|chose|chosen|settled on|picked|confirmed|selected",
    r"we(?:'ll| will) use|switched to|moved to|pinned|renamed|approved|booked|cancelled|canceled",
    r"let's (?:use|take|choose|pick)",
    r"I(?:'ve| have) (?:\w+ )?(?:booked|changed|updated|cancelled|created|sent|added|removed|fixed|scheduled|ordered)",
)
_PREFERS = _cue(
    r"prefers?|preferred|preference|preferably|would rather|I'd rather|favou?rite|allergic|vegetarian|vegan",
    r"I (?:really )?(?:like|love|hate|enjoy|dislike)|"
    r"(?:don't|do not|doesn't|does not|never) (?:like|want|eat|drink|fly)",
    r"(?:user|I) wants? (?:\w+ ){0,3}(?:answers?|replies|responses|examples?|reports?|units?|"
    r"measurements?|style|format)",
    r"(?:answers?|replies|responses|reply|respond|answer) .*(?:style|tone|terse|brief|short|concise|detailed|formal|"
    r"friendly|playful|metric|imperial|bullet|language|in [A-Z]\w+)",
)
_COURTESY = re.compile(
    r"^(?:ok(?:ay)?|sure|thanks?(?: you)?|got it|noted|acknowledged|understood|great|perfect|yes|no|yep|right|will do|"
    r"of course|certainly|you're welcome|sounds good|done|alright|continuing|hello|hi|hey|never mind|bye|goodbye|"
    r"good (?:morning|afternoon|evening)|I(?:'m| am) (?:so )?(?:sorry|afraid)|I (?:understand|apologi[sz]e|appreciate)|"
    r"let me know|feel free|have a)\b",
    re.IGNORECASE,
)
# Somebody speaking of themselves ("I don't have it here") is no instruction to anybody.
_OF_ONESELF = re.compile(
    r"^(?:\W*(?:well|but|and|so|yes|no|sorry|unfortunately|actually|however|sure|ok(?:ay)?|oh|also|as|while|just|"
    r"got it|thanks?|hi|hello)\b[,.!]? )*(?:I|I'm|I’m|I've|I’ve|I'll|I’ll|I'd|I’d|it|it's|that|there|they|he|she)\b"
    r"(?! (?:want|need|would like|'d like) you to)",
    re.IGNORECASE,
)
_STATES = re.compile(
    r"\b(?:is|are|was|were|has|have|called|named|lives?|works?|runs?|uses?|belongs?|owns?|means|equals|costs?|contains?|"
    r"located|hosted|starts?|ends?|departs?|arrives?|born|my|our)\b|:\s|=",
    re.IGNORECASE,
)
_PERSONAL = re.compile(r"\b(?:my|our|I am|I'm|I’m|I have|we have|I work|I live|I've|we're|we are)\b", re.IGNORECASE)

_SOLID = frozenset({MONEY, DATE, TIME, LABEL, URL, EMAIL, ZONE})
_BASE = {INSTRUCTIONS: 8.0, CONSTRAINTS: 8.0, GOALS: 6.5, DECISIONS: 6.0, PREFERENCES: 7.5, FACTS: 6.0, DIGEST: 1.0}
# What the assistant says it can say again, and what it was told weighs more.
_ASSISTANT = 0.5


def classify(sentence: Sentence, by: str, values: Sequence[Value], matter: int) -> tuple[str, float]:
    """Find the section of a sentence and how firmly it is put.

    Args:
        sentence: The sentence.
        by: `user` or `assistant`.
        values: The values in it.
        matter: How many different things it is about, values included.

    Returns:
        The section and a weight of 0 to 15; weight 0 for a sentence that says nothing worth keeping.
    """
    text = sentence.text
    if not any(c.isalnum() for c in text):
        return DIGEST, 0.0
    kinds = {v.kind for v in values}
    labelled = section_of_label(sentence.label)
    section = labelled or (_asserted(text, kinds) if by == "assistant" else _told(text, kinds))
    courteous = _COURTESY.match(text) is not None
    if section == DIGEST and courteous:
        return DIGEST, 0.0
    weight = _BASE[section] + label_weight(sentence.label) + _forbids(text) + bool(kinds & _SOLID)
    if section == FACTS and not labelled:
        weight += 0.5 * (NAME in kinds) + 0.5 * (len(kinds) > 1) - 1.5 * (not kinds & (_SOLID | {NAME}))
    if not labelled and (courteous or matter < 2):
        # "Can you help with that?" does not say with what.
        weight *= 0.3
    if by == "assistant":
        weight *= _ASSISTANT * (0.5 if sentence.item and section == FACTS else 1.0)
    return section, round(weight, 2)


def _forbids(text: str) -> bool:
    return _PROHIBITS.search(text) is not None or _NO.search(text) is not None


def _told(text: str, kinds: set[str]) -> str:
    """Sort what the user says."""
    question = "?" in text
    if not question and _PREFERS.search(text):
        return PREFERENCES
    if not question and not _OF_ONESELF.match(text):
        firm = _forbids(text) or _STANDING.search(text) is not None
        bounded = kinds & {MONEY, NUMBER, DATE, TIME, ZONE} and _BOUNDS.search(text)
        if bounded and not _ASKS.match(text):
            amount = kinds & {MONEY, DATE} or text.lower().startswith(("max", "min", "only", "at most", "at least"))
            if firm or amount:
                return CONSTRAINTS
        if firm or _PERMITS.search(text):
            return INSTRUCTIONS
    if question or _ASKS.match(text) or _OPEN.search(text):
        return GOALS
    section = _asserted(text, kinds)
    return FACTS if section == DIGEST and _PERSONAL.search(text) else section


def _asserted(text: str, kinds: set[str]) -> str:
    """Sort a plain assertion, whoever makes it."""
    if "?" in text or _ASKS.match(text):
        return DIGEST
    for cue, section in ((_OPEN, GOALS), (_DECIDES, DECISIONS)):
        if cue.search(text):
            return section
    if kinds & (_SOLID | {NUMBER}) or (kinds and _STATES.search(text)):
        return FACTS
    # "Wow, Carla!" has a name in it and says nothing.
    return FACTS if NAME in kinds and not text.endswith("!") and text.count(" ") >= 3 else DIGEST
