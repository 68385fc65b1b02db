"""What a sentence is about: its words reduced to stems, and everyday synonyms to one concept.

The groups are ordinary English for work, planning, travel and personal matters; they serve to notice that two
differently worded sentences speak of the same thing. A word that is in no group stands for itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agentmem.messages.words import STOPWORDS, WORD, stem

if TYPE_CHECKING:
    from collections.abc import Sequence

_GROUPS = """
spend budget spending spend expense expenditure cost price fare payment money fee
limit cap capped limit ceiling maximum max minimum under below beneath above exceed exceeding threshold quota allowance
when deadline due date schedule scheduled timing calendar target
release release launch ship shipping rollout golive
name name named codename label title call called calling alias nickname designated designation dubbed known
owner own owner belong responsible handle handling charge lead leading assigned assignee
oncall oncall pager duty escalation
clock time timezone timestamp clock hour
reply answer reply respond response tone style
unit unit measurement measure
secret code password passcode passphrase pin credential secret
disclose disclose reveal share divulge leak expose tell
send send transmit forward upload export
approve approve approval authorize authorise consent permission signoff approver
branch branch branched rebase rebased checkout
home residence home address
job job employer company occupation
meet meet meeting appointment session sync standup
fly flight fly flying airline
lodge hotel lodging accommodation airbnb hostel
trip trip travel travelling journey vacation holiday
car car vehicle
phone phone mobile telephone cellphone
mail email mail inbox
food food meal eat diet dietary cuisine
project project effort initiative programme
customer customer client
team team group crew squad
bug bug defect issue
document doc document documentation docs handbook manual
database database db datastore
server server host machine
production production prod
staging staging stage
region region datacenter
primary primary main principal
backup backup secondary standby fallback
start start begin kickoff commence
finish end finish complete conclude
book book booking reserve reservation
cancel cancel cancellation
deliver deliver delivery
child child children kid son daughter
partner wife husband spouse partner
boss boss manager supervisor
people people guest attendee participant headcount person
phase phase stage milestone
status status state progress
language language
colour colour color
pay salary wage pay
doctor doctor physician
allergy allergy allergic allergen
pet pet dog cat
"""

_CONCEPT_OF: dict[str, str] = {}
for _line in _GROUPS.strip().splitlines():
    _concept, *_words = _line.split()
    for _word in _words:
        _CONCEPT_OF.setdefault(stem(_word), f"~{_concept}")

_PHRASES = re.compile(
    r"\b(?:(?P<oncall>on[- ]call)|(?P<timezone>time[- ]zones?)|(?P<golive>go(?:es)?[- ]live)|(?P<email>e-mail)|"
    r"(?P<codesample>code (?:examples?|samples?|snippets?))|"
    r"(?P<limit>at (?:most|least)|no (?:more|less|later) than|at or (?:below|above|under))|"
    r"(?P<x>at all times|under (?:no|any) circumstances|from now on|no longer|as of (?:now|today)|"
    r"(?:this|next|last) (?:week|month|year|time)|"
    r"any ?more|\w+ times))\b",
    re.IGNORECASE,
)

# Words that say that something changed or how it is meant, never what it is about.
_MODE_WORDS = """
now update updated change changed changes switch switched new newly latest current currently previous previously
old older former earlier retired obsolete instead actually correction rotate rotated replace replaced revise
revised reschedule rescheduled postpone postponed rename renamed become became prefer preferred preference
raise raised lower lowered increase increased reduce reduced extend extended again
favourite favorite user users please today quick note fyi explicit final mind remember onto want wants must
"""
_MODE = frozenset(stem(word) for word in _MODE_WORDS.split())
# Words too light to tell subjects apart, unless a sentence has no other.
_LIGHT_WORDS = "move moved stay stick total day set run show fix fixed write hard general internal work works"
_LIGHT = frozenset(stem(word) for word in _LIGHT_WORDS.split())

CHANGE = re.compile(
    r"\b(?:now(?!,| and then)|from now on|actually|correction|instead(?! of)|(?:i'd|would) (?:much )?rather|no longer|"
    r"any ?more|changed|change of plans?|mov(?:ed|ing) (?:to|from|up|back|on|into|the|our|my)|updated? (?:to|from)|"
    r"switch(?:ed|ing)? (?:to|from|over|\w+ \w+ to)|re-?scheduled|postponed|brought forward|rotated|rotation|renamed|"
    r"rebased|replac(?:ed|es|ing)|supersedes?d?|revised|latest|scratch that|i meant|make (?:that|it)|raised|lowered|"
    r"increased|reduced|extended|turn(?:s|ed) out|has become|became|took over|takes over|retired|on second thought|"
    r"(?:the|our|my|your|its|their|his|her) new)\b|"
    r"^(?:\W|quick |please |let's |small |one )*(?:update|new|change|move|switch|raise|lower|increase|reduce|extend|"
    r"replace|bump|rename|postpone|reschedule)\b",
    re.IGNORECASE,
)
"""Wording that announces a change to something said before."""


def concepts_of(text: str, spans: Sequence[tuple[int, int]] = ()) -> tuple[dict[str, str], frozenset[tuple[str, str]]]:
    """Reduce a sentence to what it is about.

    Args:
        text: One sentence.
        spans: Parts to leave out, as start and end positions in order: its values.

    Returns:
        Concept (or stem, for a word in no group) to the stem that stands for it in this sentence; and the pairs of
        concepts whose words stand side by side, the first of which narrows the second ("conference budget").
    """
    for start, end in reversed(spans):
        text = f"{text[:start]} . {text[end:]}"
    text = _PHRASES.sub(lambda m: " " if m.lastgroup == "x" else f" {m.lastgroup} ", text.lower())
    found: dict[str, str] = {}
    light: dict[str, str] = {}
    pairs: set[tuple[str, str]] = set()
    before, before_end = "", -1
    for match in WORD.finditer(text):
        word = match.group()
        root = stem(word)
        concept = _CONCEPT_OF.get(root)
        if concept is None and (word in STOPWORDS or root in _MODE or len(word) < 2):
            continue
        if concept is None and root in _LIGHT:
            light.setdefault(root, root)
            continue
        found.setdefault(concept or root, root)
        if before and text[before_end : match.start()] in (" ", "-"):
            pairs.add((before, concept or root))
        before, before_end = concept or root, match.end()
    # "I work in Oslo" is about nothing but a light word; then that is what it is about.
    return found or light, frozenset(pairs)
