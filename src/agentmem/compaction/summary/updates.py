"""Which statement replaces which: the same subject, another value.

Each sentence is reduced to a frame: what it is about (concepts), which things of a kind it singles out (keys: the 12 of
"turn 12", the Q3 of "the budget for Q3 is ..."), and the values it states. A newer sentence replaces an older one when
it states another value of the same family about the same subject. Wording that announces a change ("now", "moved to",
"actually") lets a paraphrase count as the same subject; without it the two must say nearly the same thing.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from agentmem.compaction.summary.concepts import CHANGE, concepts_of
from agentmem.compaction.summary.entities import LABEL, MANNER, NAME, NUMBER, STATE, UNITS, ZONE, Value, find_values
from agentmem.messages.words import STOPWORDS, stem

if TYPE_CHECKING:
    from collections.abc import Sequence

# The verb that parts what a sentence is about from what it says of it.
_VERB = re.compile(
    r"(?::(?=\s)|=|→|\b(?:is|are|was|were|will|must|should|shall|can|cannot|can't|may|might|has|have|had|needs?|"
    r"requires?|costs?|becomes?|runs?|lives?|belongs?|owns?|wants?|prefers?|likes?|uses?|moved|changed|starts?|ends?|"
    r"leaves?|departs?|arrives?|takes?|lands?|switched|went|goes|returns?|equals|stays?|remains?|expires?)\b)",
    re.IGNORECASE,
)
_APART = re.compile(r"; |,? (?:because|since|although|even though|so that|due to) ", re.IGNORECASE)
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
_ALTER = r"(?:change|replace|switch|update|correct|rename|move|bump|raise|lower|increase|reduce|extend)"
# "Change the date to May 5" names what changes, "change Monday to Tuesday" the value.
_NOT_A_THING = r"(?!(?:the|my|your|our|his|her|their|its|this|that|an?)\b)(?=\S*(?-i:[A-Z\d\"'“`]))"
_REPLACEMENTS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bnot {_OLD},? but (?:rather )?{_NEW}{_STOP}",
        rf"(?:^|[,;:] |\s){_NEW}(?:, not|,? instead of|,? rather than) {_OLD}{_STOP}",
        rf"\b{_ALTER}d? (?:[\w'’-]+ ){{0,6}}?from {_OLD} to {_NEW}{_STOP}",
        rf"\b(?:change|switch|update|correct|rename) {_NOT_A_THING}{_OLD} (?:to|into) {_NEW}{_STOP}",
        rf"\b(?:replace|swap) {_OLD} (?:with|by|for) {_NEW}{_STOP}",
    )
)
# In "<anything> new, not old" only the end of what stands before is the new value.
_TRAILING = 1
# "Change my flight from Rome to Oslo" speaks of a route.
_FROM_TO = 2
_ROUTE = re.compile(
    r"\b(?:flights?|fly|trips?|trains?|bus|route|tickets?|rides?|drive|transfer|journey|travel|book(?:ing)?)\b",
    re.IGNORECASE,
)
_FORBIDS = re.compile(
    r"\b(?:never|do not|don't|must not|mustn't|may not|cannot|can't|no|avoid|without)\b", re.IGNORECASE
)
_PERMITS = re.compile(r"\b(?:may|can|allowed|allow|okay|ok|fine|feel free|permitted)\b", re.IGNORECASE)
_AGAIN = re.compile(r"\b(?:again|after all|from now on|now|no longer|any ?more|lifted)\b", re.IGNORECASE)
_EVENT = re.compile(
    r"\b(?:I|we|he|she|they|you|[A-Z]\w+) (?:\w+ly |just |already )?(?:\w{3,}ed|went|met|bought|saw|ate|sent|paid|"
    r"took|flew|drove|spoke|wrote|found|sold|lost|won|gave|told|heard|made)\b"
)
_REQUEST = re.compile(
    r"\bplease\b|^(?:\w+,? )?(?:can|could|would|will) you\b|\bI(?:'d| would) like to\b|\bI (?:want|need) to\b|"
    r"\blet's\b",
    re.IGNORECASE,
)
_DWELLS = re.compile(
    r"\b(?:I|we|she|he|they|[A-Z]\w+)(?:'ve|'m|'re| have| has| am| are| is)? (?:just |recently |now )*"
    r"(?P<verb>mov(?:ed|ing) to|liv(?:e|es|ing) in|relocat(?:ed|ing) to)\b"
)


@dataclass(frozen=True)
class Frame:
    """What a sentence is about and what it states.

    Attributes:
        concepts: Concept to the stem used for it.
        pairs: Concepts side by side, the first narrowing the second.
        keys: Numbers and names that single out one thing among several of its kind.
        values: What is stated.
        change: Whether the wording announces a change.
        addition: Whether the wording adds to what was said instead of replacing it.
        forbids: Whether it forbids something.
        lifts: Whether it allows something again.
        event: Whether it tells what somebody did or asks for something; one does not make another untrue.
    """

    concepts: dict[str, str]
    pairs: frozenset[tuple[str, str]]
    keys: frozenset[str]
    values: tuple[Value, ...]
    change: bool
    addition: bool
    forbids: bool
    lifts: bool
    event: bool

    @cached_property
    def families(self) -> frozenset[str]:
        """Families of the values."""
        return frozenset(v.family for v in self.values)


def frame_of(text: str, values: Sequence[Value] | None = None) -> Frame:
    """Analyse a sentence.

    Args:
        text: One sentence.
        values: Its values, where they are known already.

    Returns:
        Its frame.
    """
    core, found = _core(text, list(values) if values is not None else find_values(text))
    concepts, pairs = concepts_of(core, [(v.start, v.end) for v in found])
    dwells = _DWELLS.search(core)
    if dwells and any(v.kind == NAME for v in found):
        verb = dwells["verb"].split()[0]
        concepts = {c: s for c, s in concepts.items() if s not in (stem(verb.lower()), verb)} | {"~home": "home"}
    forbids = _FORBIDS.search(text) is not None
    keys, stated = _keys_and_values(core, found, forbids=forbids)
    return Frame(
        concepts=concepts,
        pairs=pairs,
        keys=frozenset(v.norm for v in keys),
        values=tuple(stated),
        change=CHANGE.search(text) is not None,
        addition=_ADDITION.search(text) is not None,
        forbids=forbids,
        lifts=not forbids and _PERMITS.search(text) is not None and _AGAIN.search(text) is not None,
        event=_EVENT.search(text) is not None or _REQUEST.search(text) is not None,
    )


def _core(text: str, values: list[Value]) -> tuple[str, list[Value]]:
    """Take the first clause that states a value: what follows a semicolon is another matter, and so is a reason."""
    if not values or not _APART.search(text):
        return text, values
    clauses = _APART.split(text)
    core = next((clause for clause in clauses if find_values(clause)), text)
    return core, find_values(core)


def _keys_and_values(text: str, values: list[Value], *, forbids: bool) -> tuple[list[Value], list[Value]]:
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
        if rest and concepts_of(text[keys[0].end :])[0].keys() & {"~owner", "~oncall"}:
            return [], keys
    # "Turn 12: the code is X" and "for turn 12 the code is X": a small plain number right behind a noun is a key. So
    # it is in a prohibition: "never open gate 4" leaves gate 3 shut.
    several = len(stated) > 1 or (forbids and verb is None)
    for value in list(stated):
        if value.kind == NUMBER and several and value.text.isdigit() and _behind_a_noun(text, value):
            stated.remove(value)
            keys.append(value)
    return keys, stated


def _behind_a_noun(text: str, value: Value) -> bool:
    words = text[: value.start].split()
    if not words or not text[: value.start].endswith(" "):
        return False
    word = words[-1]
    return word.isalpha() and word.islower() and word not in STOPWORDS and not _DESIGNATOR.search(word)


@dataclass(frozen=True)
class _Overlap:
    """How far two sentences are about the same: shared concepts, and those only one of them has."""

    shared: int
    literal: int
    classed: bool
    only_new: int
    only_old: int
    narrowed: bool

    @property
    def coverage(self) -> float:
        """Share of the narrower subject that the other has too."""
        return self.shared / (self.shared + min(self.only_new, self.only_old))

    @property
    def alike(self) -> float:
        """Share of all concepts that both have."""
        return self.shared / (self.shared + self.only_new + self.only_old)

    @property
    def likeness(self) -> float:
        """Shared concepts, a synonym a little less than the same word; contrasting ones weigh against."""
        contrast = 0.6 * min(self.only_new, self.only_old)
        return 0.8 * self.shared + 0.2 * self.literal - contrast - min(0.3, 0.15 * (self.only_new + self.only_old))


def _overlap(new: Frame, old: Frame) -> _Overlap | None:
    shared = new.concepts.keys() & old.concepts.keys()
    keys_differ = new.keys != old.keys and not (new.change and not new.keys)
    if not shared or keys_differ or new.addition:
        return None
    return _Overlap(
        narrowed=any(a not in shared and b in shared for frame in (new, old) for a, b in frame.pairs),
        shared=len(shared),
        literal=sum(new.concepts[c] == old.concepts[c] for c in shared),
        classed=any(c.startswith("~") for c in shared),
        only_new=len(new.concepts.keys() - shared - _ATTRIBUTES),
        only_old=len(old.concepts.keys() - shared - _ATTRIBUTES),
    )


def conflict(new: Frame, old: Frame, *, same_section: bool, open_choice: bool = False) -> float:
    """Say how surely a newer sentence replaces an older one.

    Args:
        new: Frame of the newer sentence.
        old: Frame of the older one.
        same_section: Whether both are of the same sort (both rules, both states of affairs).
        open_choice: Whether any other word may be the value, as in wishes ("a window seat", "rather an aisle seat").

    Returns:
        0 when it does not; otherwise a number that grows with the likeness of their subjects.
    """
    overlap = _overlap(new, old)
    if overlap is None or overlap.coverage < 0.5:
        return 0.0
    likeness = overlap.likeness
    families = new.families & old.families
    if new.lifts and old.forbids:
        return max(0.0, likeness)
    if not families:
        # No value to compare: the words that differ are the value.
        chosen = open_choice and new.change and not new.values and not old.values
        return max(0.0, likeness) if chosen else 0.0
    if _repeats(new, old, families):
        return likeness if not overlap.only_old and new.forbids == old.forbids and _contains(new, old) else 0.0
    likeness += 0.7 * _same_shape(new, old, families) + 0.3 * same_section
    one_sided = not (overlap.only_new and overlap.only_old)
    if families & {MANNER, UNITS, ZONE, STATE} and (new.change or one_sided):
        # How to answer, in which units, in which time zone, on or off: one choice at a time.
        return max(0.0, likeness + 0.5)
    if new.change:
        # A paraphrase may lack a word of the old sentence, or have one more; words on both sides are another subject.
        needed = 0.6 if not overlap.only_new else 1.2 if one_sided else 1.5
    else:
        needed = math.inf if new.event and old.event else _needed_without_change(overlap, same_section=same_section)
    return likeness if likeness >= needed else 0.0


def _needed_without_change(overlap: _Overlap, *, same_section: bool) -> float:
    """Likeness needed where no wording announces a change: then the two must say nearly the same."""
    # "The budget" and "the conference budget" are two things.
    if not same_section or overlap.narrowed:
        return math.inf
    if not overlap.only_new and not overlap.only_old and overlap.shared > 1:
        return 1.2 if overlap.classed else 1.5
    if 2 * overlap.literal < overlap.shared:
        return math.inf
    if not overlap.only_new and not overlap.only_old:
        return 1.2 if overlap.classed else 1.5
    near = overlap.alike >= 0.6 or (overlap.coverage == 1.0 and overlap.shared >= 2)
    return 1.5 if near else math.inf


def _repeats(new: Frame, old: Frame, families: frozenset[str]) -> bool:
    known = {v.norm for v in old.values}
    return all(v.norm in known for v in new.values if v.family in families)


def _contains(new: Frame, old: Frame) -> bool:
    return {v.norm for v in old.values} <= {v.norm for v in new.values}


def _same_shape(new: Frame, old: Frame, families: frozenset[str]) -> bool:
    shapes = {v.shape for v in old.values if v.family in families and v.kind != NAME}
    return any(v.shape in shapes for v in new.values if v.family in families)


def replacement_in(text: str) -> tuple[str, str] | None:
    """Find an explicit correction: "42, not 40", "change X to Y", "from X to Y", "not X but Y".

    Args:
        text: One sentence.

    Returns:
        What is replaced and what replaces it, or None. What replaces it is empty when only the whole sentence can.
    """
    if not _CORRECTION.search(text) and not CHANGE.search(text):
        return None
    for at, pattern in enumerate(_REPLACEMENTS):
        match = pattern.search(text)
        if match:
            old, new = (_without_article(match[name].strip()) for name in ("old", "new"))
            if at == _FROM_TO and _ROUTE.search(text):
                return None
            if at == _TRAILING:
                new = _same_sort(old, new)
                if _kinds(old) != _kinds(new):
                    new = (
                        ""  # "Elm Road 9, 1070 Vienna instead of Oak Street 12": it stands for more than the old value
                    )
                    return (old, new) if _kinds(old) else None
            if old and new and old.casefold() != new.casefold():
                return old, new
    return None


def _kinds(value: str) -> list[str]:
    return [found.kind for found in find_values(f"it {value}")]


def _without_article(text: str) -> str:
    return re.sub(r"^(?:a|an|the)\s+", "", text, flags=re.IGNORECASE)


def _same_sort(old: str, new: str) -> str:
    """Take from the words before "not <old>" those that stand against the old value."""
    olds, news = find_values(old), find_values(new)
    if len(olds) == 1 and olds[0].text == old:
        alike = [v.text for v in news if v.family == olds[0].family]
        return alike[-1] if alike else new.rsplit(maxsplit=1)[-1]
    words = new.split()
    return " ".join(words[max(0, len(words) - len(old.split())) :])


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
