"""Values in a sentence: amounts, dates, times, identifiers, names, and words that name a choice."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agentmem.messages.words import STOPWORDS

MONEY, NUMBER, DATE, TIME, ZONE, LABEL, NAME, URL, EMAIL, MANNER, UNITS, STATE = (
    "money",
    "number",
    "date",
    "time",
    "zone",
    "label",
    "name",
    "url",
    "email",
    "manner",
    "units",
    "state",
)

_ONES = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million"
).replace(" ", "|")
_WORDS_NUMBER = rf"(?:{_ONES})(?:[ -](?:and )?(?:{_ONES}))*"
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_CURRENCY = r"(?:dollars?|euros?|pounds?|yen|francs?|usd|eur|gbp|chf|jpy|bucks|credits)"
_DIGITS = r"\d+(?:[.,]\d+)*"

# Order matters: the first alternative that matches at a position wins.
_PATTERNS = (
    (URL, r"https?://[^\s<>\"')\]]*[^\s<>\"')\].,;:!?]"),
    (URL, r"(?<![\w/.@-])(?:[a-z0-9-]+\.)+(?:com|org|net|io|dev|internal|local)\b"),
    (EMAIL, r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    (MONEY, rf"[$€£¥]\s?{_DIGITS}(?:\s?(?i:k|m)\b)?"),
    (MONEY, rf"(?i:(?:\b{_DIGITS}|\b{_WORDS_NUMBER})\s?(?:k\s|m\s)?(?:us\s)?{_CURRENCY}\b)"),
    (DATE, r"\b\d{4}-\d{2}-\d{2}\b|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b|\b\d{2}-\d{2}\b"),
    (DATE, rf"(?i:\b{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?\b(?:,?\s\d{{4}}\b)?)"),
    (DATE, rf"(?i:\b\d{{1,2}}(?:st|nd|rd|th)?\s(?:of\s)?{_MONTH}(?:\s\d{{4}}\b)?)"),
    (DATE, r"(?i:\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b|\b(?:today|tomorrow|tonight|weekend)\b)"),
    (TIME, r"(?i:\b\d{1,2}:\d{2}(?::\d{2})?(?:\s?[ap]\.?m\b\.?)?|\b\d{1,2}\s?[ap]\.?m\b\.?|\b(?:noon|midnight)\b)"),
    (ZONE, r"\b(?:UTC|GMT)(?:[+-]\d{1,2}(?::\d{2})?)?\b|\b[A-Z]{1,3}[SD]T\b|\b(?:CET|EET|WET)\b"),
    (ZONE, r"(?i:\b(?:pacific|eastern|central|mountain|local)(?:\s(?:standard|daylight))?\stime\b)"),
    (ZONE, r"\b(?:Africa|America|Asia|Australia|Europe|Pacific|Atlantic|Zone|Etc)/[A-Z]\w+"),
    (LABEL, r"(?<![\w.])(?:\+\d{1,3}[ -]?)?(?:\(\d{1,4}\)[ -]?)?\d{2,5}(?:-\d{2,5})+\b|\+\d[\d ()-]{6,}\d"),
    (LABEL, r"`[^`\n]{1,80}`|\"[^\"\n]{1,80}\"|“[^”\n]{1,80}”"),
    (LABEL, r"(?<![\w/])(?:~|\.{1,2})?/?[\w.@-]*\w(?:/[\w.@-]*\w)+/?|(?<!\w)/\w[\w./-]+"),
    (LABEL, r"\b[\w-]+\.(?:py|js|ts|tsx|go|rs|java|c|h|md|txt|json|ya?ml|toml|csv|pdf|sql|sh|html|css|ini|cfg|log)\b"),
    (NUMBER, rf"(?<![\w.])v?{_DIGITS}\s?%|\bv\d+(?:\.\d+)*\b"),
    (LABEL, r"\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*\b"),
    (LABEL, r"\b[a-z]+(?:_[a-z0-9]+)+\b|\b[A-Z]{2,}(?:_[A-Z0-9]+)+\b"),
    (NUMBER, rf"(?<![\w.])#?-?{_DIGITS}(?!\w)|(?i:\b(?:{_WORDS_NUMBER})\b)"),
    (UNITS, r"(?i:\b(?:metric|imperial|celsius|fahrenheit|kilomet(?:er|re)s|miles)\b)"),
)
_VALUE = re.compile("|".join(f"(?P<{kind}_{at}>{pattern})" for at, (kind, pattern) in enumerate(_PATTERNS)))
_CAPITAL = r"[A-Z][^\W\d_]*[a-z][^\W\d_]*"
_NAME = re.compile(rf"(?<![\w-]){_CAPITAL}(?:[ -](?:(?:de|van|von|da) )?{_CAPITAL})*")
_MANNER = re.compile(
    r"(?<!no )(?<!any )\b(?:terse|brief|briefly|concise|concisely|short|shorter|succinct|detailed|verbose|long|longer|"
    r"thorough|formal|informal|casual|friendly|warm|playful|light|funny|humorous|serious|professional|neutral|plain|simple|technical|"
    r"polite|blunt|direct|enthusiastic|dry)\b",
    re.IGNORECASE,
)
_STATES = (
    ("enabled", "disabled"),
    ("open", "closed"),
    ("allowed", "forbidden"),
    ("approved", "rejected"),
    ("active", "inactive"),
    ("available", "unavailable"),
    ("pending", "done"),
    ("passing", "failing"),
    ("online", "offline"),
    ("public", "private"),
)
_STATE = re.compile(
    r"\b(?:is|are|be|stays?|turned|set to)\s(?:now\s|currently\s)?"
    rf"(?P<state>(?:on|off)(?=[.,;!?]|$)|{'|'.join(word for pair in _STATES for word in pair)})\b",
    re.IGNORECASE,
)

_FAMILY = {LABEL: "label", NAME: "label", URL: "label"}


@dataclass(frozen=True)
class Value:
    """One value.

    Attributes:
        kind: What sort of value it is.
        text: As written.
        start: Where it begins in the sentence.
        end: Where it ends.
    """

    kind: str
    text: str
    start: int
    end: int

    @property
    def family(self) -> str:
        """The kinds that can replace each other share a family."""
        return _FAMILY.get(self.kind, self.kind)

    @property
    def norm(self) -> str:
        """Form in which equal values are equal."""
        return " ".join(self.text.casefold().split()).strip('`"“”#.')

    @property
    def shape(self) -> str:
        """Pattern of letters and digits, for values made by one rule (`ABC-12` and `XYZ-34` share one)."""
        return re.sub(r"\d+", "9", re.sub(r"[a-z]+", "a", re.sub(r"[A-Z]+", "A", self.text)))


def _is_addressed(text: str, name: re.Match[str]) -> bool:
    """Tell whether somebody is only spoken to: "You're right, Carla." and "Wow, Carla, what a day!" state nobody."""
    before, after = text[: name.start()], text[name.end() :]
    if " " in name.group() or not before.endswith(", "):
        return False
    return not after.strip(" .!?") or (after.startswith(",") and " " not in before.strip())


def find_values(text: str) -> list[Value]:
    """Find the values of a sentence.

    Args:
        text: One sentence.

    Returns:
        The values, in order, not overlapping.
    """
    found = [Value(str(m.lastgroup).split("_")[0], m.group(), m.start(), m.end()) for m in _VALUE.finditer(text)]
    taken = [(v.start, v.end) for v in found]

    def add(kind: str, start: int, end: int) -> None:
        if all(end <= a or start >= b for a, b in taken):
            found.append(Value(kind, text[start:end], start, end))
            taken.append((start, end))

    for m in _NAME.finditer(text):
        start = m.start()
        if _is_addressed(text, m):
            continue
        if start == 0:
            # The first word has its capital from the sentence; it belongs to a name only when it is no common word.
            first, _, rest = m.group().partition(" ")
            if not rest:
                continue
            start = len(first) + 1 if first.lower() in STOPWORDS else 0
        add(NAME, start, m.end())
    for m in _MANNER.finditer(text):
        add(MANNER, m.start(), m.end())
    for m in _STATE.finditer(text):
        add(STATE, m.start("state"), m.end("state"))
    return sorted(found, key=lambda v: v.start)
