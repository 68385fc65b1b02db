"""Which statement replaces which: the same subject, another value.

Each sentence is reduced to a frame: what it is about (concepts), which things of a kind it singles out (keys: the 12 of
"turn 12", the Q3 of "the budget for Q3 is ..."), and the values it states. A newer sentence replaces an older one when
it states another value of the same family about the same subject. Wording that announces a change ("now", "moved to",
"actually") lets a paraphrase count as the same subject; without it the two must say nearly the same thing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agentmem.compaction.summary.concepts import CHANGE, concepts_of
from agentmem.compaction.summary.values import LABEL, MANNER, NAME, NUMBER, STATE, UNITS, ZONE, Value, find_values
from agentmem.compaction.words import STOPWORDS, stem

# The verb that parts what a sentence is about from what it says of it.
_VERB = re.compile(
    r"(?::(?=\s)|=|→|\b(?:is|are|was|were|will|must|should|shall|can|cannot|can't|may|might|has|have|had|needs?|"
    r"requires?|costs?|becomes?|runs?|lives?|belongs?|owns?|wants?|prefers?|likes?|uses?|moved|changed|starts?|ends?|"
    r"leaves?|departs?|arrives?|takes?|lands?|switched|went|goes|returns?|equals|stays?|remains?|expires?)\b)",
    re.IGNORECASE,
)
# What a sentence asks of a thing rather than which thing it is.
_ATTRIBUTES = frozenset({"~status", "~when", "~name", "~limit", "~clock"})
# Nouns whose value is the identifier beside them ("the code X"), unlike "order X", which names a thing.
_DESIGNATOR = re.compile(
    r"\b(?:code|codename|password|passcode|pin|key|token|secret|word|branch|commit|version|port|host|region|zone|"
    r"address|url|name|label|number|id|phase|step|stage|tool)s?\s*$",
    re.IGNORECASE,
)
_ROLE = re.compile(
    r"\s*(?:\w+\s)?(?:is|are|was|owns?|has|handles?|takes?|will)\b(?:\s\w+ing)?(?:\s(?:on|in|over))?\s", re.IGNORECASE
)
_ADDITION = re.compile(r"\b(?:also|too|as well|in addition|additionally|another|besides)\b", re.IGNORECASE)
_CORRECTION = re.compile(
    r"\b(?:actually|correction|i meant|i mean|sorry|scratch that|oops|wait|change|replace|switch|update|correct|"
    r"instead|not)\b",
    re.IGNORECASE,
)
_OLD, _NEW = (rf"[\"'“`]?(?P<{name}>[^,;:!?\"”`]{{1,60}}?)[\"'”`]?" for name in ("old", "new"))
_STOP = r"(?=[,;:!?]|\.?\s*$|\.\s|\s(?:and|but|because|since|please|for|from now)\b)"
_REPLACEMENTS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bnot {_OLD},? but (?:rather )?{_NEW}{_STOP}",
        rf"(?:^|[,;:] |\s){_NEW}(?:, not|,? instead of|,? rather than) {_OLD}{_STOP}",
        r"\b(?:change|replace|switch|update|correct|rename|move|bump|raise|lower|increase|reduce|extend)d? "
        rf"(?:[\w'’-]+ ){{0,6}}?from {_OLD} to {_NEW}{_STOP}",
        rf"\b(?:change|switch|update|correct|rename) {_OLD} (?:to|into) {_NEW}{_STOP}",
        rf"\b(?:replace|swap) {_OLD} (?:with|by|for) {_NEW}{_STOP}",
    )
)
# In "<anything> new, not old" only the end of what stands before is the new value.
_TRAILING = 1
_FORBIDS = re.compile(
    r"\b(?:never|do not|don't|must not|mustn't|may not|cannot|can't|no|avoid|without)\b", re.IGNORECASE
)
_PERMITS = re.compile(r"\b(?:may|can|allowed|allow|okay|ok|fine|feel free|permitted)\b", re.IGNORECASE)
_AGAIN = re.compile(r"\b(?:again|after all|from now on|now|no longer|any ?more|lifted)\b", re.IGNORECASE)
_DWELLS = re.compile(
    r"\b(?:I|we|she|he|they|[A-Z]\w+)(?:'ve|'m|'re| have| has| am| are| is)? (?:just |recently |now )*"
    r"(?P<verb>mov(?:ed|ing) to|liv(?:e|es|ing) in|relocat(?:ed|ing) to)\b"
)


@dataclass(frozen=True)
class Frame:
    """What a sentence is about and what it states.

    Attributes:
        concepts: Concept to the stem used for it.
        keys: Numbers and names that single out one thing among several of its kind.
        values: What is stated.
        change: Whether the wording announces a change.
        addition: Whether the wording adds to what was said instead of replacing it.
        forbids: Whether it forbids something.
        lifts: Whether it allows something again.
    """

    concepts: dict[str, str]
    keys: frozenset[str]
    values: tuple[Value, ...]
    change: bool
    addition: bool
    forbids: bool
    lifts: bool

    @property
    def families(self) -> frozenset[str]:
        """Families of the values."""
        return frozenset(v.family for v in self.values)


def frame_of(text: str) -> Frame:
    """Analyse a sentence.

    Args:
        text: One sentence.

    Returns:
        Its frame.
    """
    clauses = text.split("; ")
    # What follows a semicolon is another matter, unless the value is there.
    core = next((clause for clause in clauses if find_values(clause)), text) if len(clauses) > 1 else text
    values = find_values(core)
    concepts = concepts_of(core, [(v.start, v.end) for v in values])
    dwells = _DWELLS.search(core)
    if dwells and any(v.kind == NAME for v in values):
        verb = dwells["verb"].split()[0]
        concepts = {c: s for c, s in concepts.items() if s not in (stem(verb.lower()), verb)} | {"~home": "home"}
    keys, stated = _keys_and_values(core, values)
    forbids = _FORBIDS.search(text) is not None
    return Frame(
        concepts=concepts,
        keys=frozenset(v.norm for v in keys),
        values=tuple(stated),
        change=CHANGE.search(text) is not None,
        addition=_ADDITION.search(text) is not None,
        forbids=forbids,
        lifts=not forbids and _PERMITS.search(text) is not None and _AGAIN.search(text) is not None,
    )


def _keys_and_values(text: str, values: list[Value]) -> tuple[list[Value], list[Value]]:
    """Part the values a sentence states from those that only say which thing it is about."""
    if not values:
        return [], []
    verb = next((m for m in _VERB.finditer(text) if not any(v.start <= m.start() < v.end for v in values)), None)
    split = verb.start() if verb else 0
    before = [v for v in values if v.end <= split and v.kind in (NUMBER, LABEL, NAME)]
    keys = [v for v in before if not _DESIGNATOR.search(text[: v.start])]
    stated = [v for v in values if v not in keys]
    lead = text[: keys[0].start].strip().lower() if keys else ""
    if not stated and len(keys) == 1 and keys[0].kind == NAME and lead == "only":
        return [], keys
    if not stated and len(keys) == 1 and keys[0].kind == NAME and not lead:
        rest = _ROLE.match(text[keys[0].end :])
        # "Ana Silva is the release approver" states who, as much as "the release approver is Ana Silva".
        if rest and re.match(r"(?:the|our|my|this|\w+(?: \w+)?\s(?:this|next|for))", text[keys[0].end + rest.end() :]):
            return [], keys
        if rest and concepts_of(text[keys[0].end :]).keys() & {"~owner", "~oncall"}:
            return [], keys
    # "Turn 12: the code is X" and "for turn 12 the code is X": a small plain number right behind a noun is a key.
    for value in list(stated):
        if value.kind == NUMBER and len(stated) > 1 and value.text.isdigit() and _behind_a_noun(text, value):
            stated.remove(value)
            keys.append(value)
    return keys, stated


def _behind_a_noun(text: str, value: Value) -> bool:
    words = text[: value.start].split()
    if not words or not text[: value.start].endswith(" "):
        return False
    word = words[-1]
    return word.isalpha() and word.islower() and word not in STOPWORDS and not _DESIGNATOR.search(word)


def conflict(new: Frame, old: Frame, *, same_section: bool) -> float:
    """Say how surely a newer sentence replaces an older one.

    Args:
        new: Frame of the newer sentence.
        old: Frame of the older one.
        same_section: Whether both are of the same sort (both constraints, both preferences, ...).

    Returns:
        0 when it does not; otherwise a number that grows with the likeness of their subjects.
    """
    if new.addition or not new.concepts or not old.concepts:
        return 0.0
    if new.keys != old.keys and not (new.change and new.keys < old.keys and not new.keys):
        return 0.0
    shared = new.concepts.keys() & old.concepts.keys()
    if not shared:
        return 0.0
    only_new, only_old = ((frame.concepts.keys() - shared) - _ATTRIBUTES for frame in (new, old))
    literal = sum(new.concepts[c] == old.concepts[c] for c in shared)
    coverage = len(shared) / (len(shared) + min(len(only_new), len(only_old)))
    likeness = 0.8 * len(shared) + 0.2 * literal
    likeness -= 0.6 * min(len(only_new), len(only_old)) + min(0.3, 0.15 * (len(only_new) + len(only_old)))
    if new.lifts and old.forbids and coverage >= 0.5 and likeness > 0:
        return likeness
    families = new.families & old.families
    if not families:
        # No value to compare: the words that differ are the value ("a window seat", "rather an aisle seat").
        open_choice = new.change and same_section and not new.values and not old.values
        return likeness if open_choice and coverage >= 0.5 and likeness > 0 else 0.0
    if all(v.norm in {o.norm for o in old.values} for v in new.values if v.family in families):
        return 0.0
    likeness += 0.7 * _same_shape(new, old, families) + 0.3 * same_section
    if families & {MANNER, UNITS, ZONE, STATE} and coverage >= 0.5 and (new.change or not (only_new and only_old)):
        # How to answer, in which units, in which time zone, on or off: one choice at a time.
        return likeness + 0.5
    if new.change:
        # A paraphrase may lack a word of the old sentence, or have one more; words on both sides are another subject.
        needed = 1.5 if only_new and only_old else 1.2 if only_new else 0.6
        return likeness if likeness >= needed and coverage >= 0.5 else 0.0
    if not same_section or 2 * literal < len(shared):
        return 0.0
    if not only_new and not only_old:
        return likeness if likeness >= (1.2 if any(c.startswith("~") for c in shared) else 1.5) else 0.0
    alike = len(shared) / (len(shared) + len(only_new) + len(only_old))
    near = alike >= 0.6 or (coverage == 1.0 and len(shared) >= 2)
    return likeness if near and likeness >= 1.5 else 0.0


def _same_shape(new: Frame, old: Frame, families: frozenset[str]) -> bool:
    shapes = {v.shape for v in old.values if v.family in families and v.kind != NAME}
    return any(v.shape in shapes for v in new.values if v.family in families)


def replacement_in(text: str) -> tuple[str, str] | None:
    """Find an explicit correction: "42, not 40", "change X to Y", "from X to Y", "not X but Y".

    Args:
        text: One sentence.

    Returns:
        What is replaced and what replaces it, or None.
    """
    if not _CORRECTION.search(text) and not CHANGE.search(text):
        return None
    for at, pattern in enumerate(_REPLACEMENTS):
        match = pattern.search(text)
        if match:
            old, new = (_without_article(match[name].strip()) for name in ("old", "new"))
            if at == _TRAILING:
                new = _same_sort(old, new)
            if old and new and old.casefold() != new.casefold():
                return old, new
    return None


def _without_article(text: str) -> str:
    return re.sub(r"^(?:a|an|the)\s+", "", text, flags=re.IGNORECASE)


def _same_sort(old: str, new: str) -> str:
    """Take from the words before "not <old>" those that stand against the old value."""
    olds, news = find_values(old), find_values(new)
    if len(olds) == 1 and olds[0].text == old:
        alike = [v.text for v in news if v.family == olds[0].family]
        return alike[-1] if alike else new.split()[-1]
    return " ".join(new.split()[-len(old.split()) :])


def substitute(text: str, old: str, new: str) -> str | None:
    """Put a new value in the place of an old one.

    Args:
        text: The older sentence.
        old: The value that was corrected.
        new: The value it has now.

    Returns:
        The sentence with the new value, or None when the old one is not in it.
    """
    pattern = re.compile(rf"(?<!\w){re.escape(old)}(?!\w|[.,]\d)", re.IGNORECASE)
    return pattern.sub(lambda _: new, text) if pattern.search(text) else None
