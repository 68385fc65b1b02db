"""Which section of the summary a sentence belongs in, and how much it weighs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agentmem.checkpoints.summary import (
    CONSTRAINTS,
    DECISIONS,
    DIGEST,
    FACTS,
    GOALS,
    INSTRUCTIONS,
    PREFERENCES,
)
from agentmem.compaction.summary.entities import DATE, EMAIL, LABEL, MONEY, NAME, NUMBER, TIME, URL, ZONE
from agentmem.compaction.summary.sentences import label_weight, section_of_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentmem.compaction.summary.entities import Value
    from agentmem.compaction.summary.sentences import Sentence


def _cue(*words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)


_PROHIBITS = _cue(
    # "It never broke" tells of the past.
    r"never(?! mind| \w+ed\b| (?:broke|had|was|were|been|saw|knew|went|got|came|did|heard|thought|felt)\b)",
    r"must not|mustn't|may not|should not|shouldn't|under no circumstances|not allowed|forbidden",
    r"prohibited|off[- ]limits|no one|nobody|refuse|stop and|escalate|avoid|free of|(?:keep|stay) \w+ away",
    r"without (?:\w+ ){0,2}(?:approval|consent|permission|asking|confirmation)",
)
# "Don't turn the handle" asks for something, "the wheels don't turn" does not.
_DO_NOT = re.compile(
    r"(?:^|[,;:(–—-]\s*|\b(?:please|and|so|but|also|just|or|then|on)\s+)(?:do not|don['’]t)\b", re.IGNORECASE
)
_NO = re.compile(
    r"^No (?!problem|worries|need|idea|doubt|thanks|way|longer|more\b)[\w' -]+ (?:\w+ )?"
    r"(?:at|in|on|from|to|for|without|before|after|until|unless|allowed|ever|please|than|over|above|below|under)\b"
)
_STANDING = _cue(
    # "It must have been hard" guesses and "isn't always easy" regrets; neither asks for anything.
    r"(?<!n't )(?<!not )always(?! easy)|from now on|whenever(?! I (?:hear|see|think|feel|look))|at all times",
    r"(?:every|each) time(?! I (?:hear|see|think|feel|look))|make sure|be sure|ensure|going forward",
    r"only \w+(?: \w+)? (?:may|can)|in (?:all|every)|for (?:all|every|each)|in (?:the )?future|remember to|by default",
    r"no matter|(?:every|each|all) \w+ (?:must|should|needs?)|needs? approval|requires? approval",
    r"must(?! have\b| be (?:so|very|really|such|nice|great|hard|tough|fun)\b|'ve|’ve)",
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
# Bounds that hold even when somebody says them of themselves: "I'd take it, but only if it is here before Friday."
_CONDITIONS = _cue(
    r"only (?:if|when|until|before|after)|no later than|not later than|at the latest|at most|no more than|"
    r"(?:must|has to|have to) (?:\w+ ){1,4}(?:by|before|until|under|below)"
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
    r"of course|certainly|you(?:['’]re| are) (?:welcome|(?:so |quite )?right)|"
    r"sounds good|done|alright|continuing|hello|hi|hey|never mind|bye|goodbye|"
    r"good (?:morning|afternoon|evening|point|idea|question|choice|news)|great news|"
    r"I(?:'m| am) (?:so |really )?(?:sorry|afraid|glad|happy for)|"
    r"I (?:really )?(?:understand|apologi[sz]e|appreciate)|let me know|feel free|have a|"
    r"agreed(?=[,.!])|yeah|totally|absolutely|exactly|wow|whoa|oh|aw+|glad|congrat\w*|"
    r"(?:that|this|it)(?:'s|’s| is| was| sounds| must(?:'ve| have) been) (?:so |such |really |very |a |an )*"
    r"(?:great|awesome|amazing|awful|cool|lovely|nice|sweet|wonderful|hard|tough|terrible|fun))\b",
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

_INQUIRES = re.compile(
    r"^(?:can|could|would|will) you (?:also )?(?:tell|explain|say|describe|show|check)\b", re.IGNORECASE
)
# "Is that one later?" cannot be understood without what stood before it.
_POINTS_BACK = re.compile(r"\b(?:that|this|those|these|it|its|them|one|ones|there|so|either|neither)\b", re.IGNORECASE)

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
    # "Hello, my order A-17 is broken" greets and says something.
    courteous = courteous and (by == "assistant" or not (kinds or _forbids(text)))
    points_back = matter < 4 and not kinds and _POINTS_BACK.search(text) is not None
    rule = section in (INSTRUCTIONS, CONSTRAINTS)
    vague = not labelled and (matter < 1 if rule else matter < 2 or points_back)
    empty = courteous and (section == DIGEST or (matter < 2 and not labelled))
    if empty or (vague and matter < 3 and "?" in text):
        return DIGEST, 0.0
    weight = _BASE[section] + label_weight(sentence.label) + _forbids(text) + bool(kinds & _SOLID)
    # Nobody remembers a path or an address.
    weight += any(v.kind in (URL, EMAIL) or "/" in v.text for v in values) and section == FACTS
    if section == FACTS and not labelled:
        weight += 0.5 * (NAME in kinds) + 0.5 * (len(kinds) > 1) - 1.0 * (not kinds & (_SOLID | {NAME}))
    if vague or (courteous and not labelled):
        # "Can you help with that?" does not say with what.
        weight *= 0.3
    elif section == GOALS and not labelled and "?" in text and (_INQUIRES.match(text) or not _ASKS.match(text)):
        # A question is mostly answered by what comes next; a request is what the user is after.
        weight *= 0.5
    if by == "assistant":
        weight *= _ASSISTANT * (0.5 if sentence.item and section == FACTS else 1.0) * (1.0 if kinds else 0.5)
    return section, round(weight, 2)


def _forbids(text: str) -> bool:
    return any(pattern.search(text) for pattern in (_PROHIBITS, _DO_NOT, _NO))


def _told(text: str, kinds: set[str]) -> str:
    """Sort what the user says."""
    question = "?" in text
    if not question and _PREFERS.search(text):
        return PREFERENCES
    if not question and kinds & {MONEY, NUMBER, DATE, TIME} and _CONDITIONS.search(text):
        return CONSTRAINTS
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
