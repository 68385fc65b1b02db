"""Facts by rule: statements in the third person, each with the subject it is the latest word on."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agentmem.local.search_text import stem
from agentmem.local.word_list import words

from .person import third_person
from .sentences import statements


@dataclass(frozen=True, slots=True)
class Fact:
    """Something remembered.

    Attributes:
        text: What the record says.
        subject: What it is about; a later fact with the same subject replaces this one. Statements about nothing
            that can only be so once have their own words for a subject.
    """

    text: str
    subject: str


_I = (
    r"^(?:i|we)(?:'m|'ve|'re)?"
    r"(?:\s+(?:am|are|have|also|now|currently|just|recently|still|have just|actually|no longer))*\s+"
)
_GONE = r"(?:don't|do not|no longer|stopped|quit|not)\s+"
_DWELL = r"(?:live|living|moved|moving|relocated|relocating|reside|based|settled)\b"
_EMPLOYED = r"(?:work|working|employed|started|joined)"
_OWNED = (
    r"(?:e-?mail|phone|home|work|postal|billing|shipping)?\s?(?:address|number|budget|birthday|age|job|employer|boss|"
    r"manager|title|goal|deadline|e-?mail|car|diet|timezone|time zone|language|nationality|salary|seat|airport|doctor|"
    r"dentist|gym|landlord|school|university|major)"
)
_LIKE = (
    r"(?:like|love|enjoy|adore|hate|dislike|detest|prefer|"
    r"(?:don't|do not|can't|cannot|no longer)(?: really)? (?:like|love|enjoy|stand|eat|drink))"
)
# Things that are so in one way at a time: (pattern over the spoken clause, subject). Group 1, if any, completes it.
_SINGLE = [
    (rf"{_I}(?:{_GONE})?{_DWELL}(?: back)?(?: in| to| at| here)\b", "home"),
    (r"^(?:my (?:full |first )?name(?:'s| is)|i(?:'m| am) called|call me|people call me)\b", "name"),
    (rf"{_I}(?:\d{{1,3}}|turned \d{{1,3}})(?: years old| years of age|$|[.,! ])", "age"),
    (r"^my birthday\b", "birthday"),
    (rf"{_I}(?:{_GONE})?(?:work|working)(?: as)\b", "occupation"),
    (rf"{_I}(?:{_GONE})?{_EMPLOYED}(?: a job| a new job)?(?: at| for| by| with)\b", "employer"),
    (rf"{_I}(?:an? )?(?:strict |lifelong )?(?:vegan|vegetarian|pescatarian|omnivore|flexitarian)\b", "diet"),
    (rf"{_I}(?:single|married|engaged|divorced|widowed|separated)\b", "relationship"),
    (rf"{_I}(?:not )?(?:allergic|intolerant) to (.+)", "allergy"),
    (r"^my favou?rite ([\w' -]+?) (?:is|are|was)\b", "favourite"),
    (rf"^my (?:new )?({_OWNED}(?: address| number)?)(?:'s| is| are| has changed)\b", "own"),
    (rf"{_I}(?:have|has|got|own)?\s?(?:one|two|three|four|five|six|seven|\d+)\s+([\w-]+(?: [\w-]+)?)", "count"),
    (rf"{_I}(?:really |absolutely )*{_LIKE}s? ([^.!]+)", "taste"),
]
_MOVED = re.compile(
    rf"{_I}(?:(?:moved|relocated|settled)(?: back)? (?:to|in)|(?:'ve|have) moved to)"
    r" [A-Z][\w' -]+(?:, [A-Z][\w' -]+)?[.!]?$",
    re.IGNORECASE,
)
_TASTE_ENDS = re.compile(
    r"\b(?:any ?more|now|a lot|so much|very much|too|at all|the most|these days|because|since|when|while|in|on|at|"
    r"with|for|during|especially|than|over|as|and|but|instead)\b.*$",
    re.IGNORECASE,
)
_RULES = [(re.compile(pattern, re.IGNORECASE), subject) for pattern, subject in _SINGLE]
_STOP = words(
    """
    a an the of to in on at for with and or but is are was were be been am has have had do does did this that
    these those user user's their his her its it they them very really so too as by from will would can could
    just also now currently actually quite much still
    """
)
_NEGATION = words(
    """
    not no never longer don't doesn't didn't isn't wasn't aren't can't cannot won't hasn't haven't stopped quit
    """
)


def facts(text: str) -> list[Fact]:
    """The facts in what a user said.

    Args:
        text: One message.

    Returns:
        Facts in order; none for questions, requests and small talk.
    """
    return [Fact(_told(statement), subject_of(statement)) for statement in statements(text)]


def _told(statement: str) -> str:
    told = third_person(statement)
    # Who looks for it asks where the user lives, and the words of a move would not answer.
    if _MOVED.search(statement):
        told = f"{told.rstrip('.!')} and lives there now."
    return told


def subject_of(statement: str) -> str:
    """What a spoken statement is about, so that the latest one on it stands.

    Two statements of one subject restate or contradict each other: "I live in Porto" and "we moved to Lisbon", "I like
    coffee" and "I don't like coffee". Where no rule knows, the subject is the set of the statement's own words without
    negations: only the same statement, or its denial, has it.
    """
    for pattern, subject in _RULES:
        match = pattern.search(statement)
        if match:
            detail = match.group(1) if pattern.groups else None
            if subject == "taste" and detail:
                detail = _TASTE_ENDS.sub("", detail) or detail
            return f"{subject}:{' '.join(stems(detail))}" if detail else subject
    return "said:" + " ".join(sorted(set(stems(third_person(statement)))))


def stems(text: str) -> list[str]:
    """The meaning-bearing words of a text, crudely stemmed, without negations."""
    words = re.findall(r"[a-z0-9][a-z0-9'-]*", text.lower())
    return [stem(word.removesuffix("'s")) for word in words if word not in _STOP and word not in _NEGATION]


def is_negated(text: str) -> bool:
    """Whether a text denies something."""
    return any(word in _NEGATION for word in re.findall(r"[a-z']+", text.lower()))
