"""Reads a question: its terms, the time it names, and of whom it speaks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from agentmem.meaning.terms import WITHOUT_SPACES, language_of, wanted_terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_WORD = re.compile(r"[^\W_]+")

_I: Mapping[str, str] = {
    "de": "ich mir mich mein meine meinem meinen meiner wir uns unser unsere",
    "en": "i me my mine we us our ours",
    "es": "yo me mi mis mío mía nosotros nosotras nuestro nuestra",
    "fr": "je moi mon ma mes nous notre nos",
    "it": "io mi mio mia miei noi nostro nostra",
    "ja": "私 僕 俺 わたし",
    "nl": "ik mij mijn wij ons onze",
    "pt": "eu me meu minha nós nosso nossa",
    "ru": "я мне меня мой моя мы нам наш",
    "zh": "我 我们",
}
_YOU: Mapping[str, str] = {
    "de": "du dir dich dein deine sie ihnen ihr ihre",
    "en": "you your yours",
    "es": "tú te ti tu tus usted su",
    "fr": "tu te toi ton ta tes vous votre vos",
    "it": "tu ti tuo tua lei suo",
    "ja": "あなた",
    "nl": "jij je jouw u uw",
    "pt": "tu te teu você seu",
    "ru": "ты тебе тебя твой вы вам ваш",
    "zh": "你 您",
}
"""The first and the second person, by language. A question put to an agent's memory is the user's: "I" is the user."""

_DAYS = {"day": 1, "week": 7, "month": 31, "year": 366}


@dataclass(frozen=True)
class Question:
    """A question as ranking takes it.

    Attributes:
        text: As it was put.
        words: Its words in lower case.
        wanted: Its terms, each in the forms of the session's languages.
        needed: Those of them without common words, or all.
        roles: `user`, `assistant`, or both, when it speaks of them.
        since: Beginning of the time it names, UTC, or None.
        until: End of that time.
    """

    text: str
    words: frozenset[str]
    wanted: tuple[tuple[str, ...], ...]
    needed: tuple[tuple[str, ...], ...]
    roles: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None

    def is_at(self, milliseconds: int) -> bool:
        """Tell whether a time, in milliseconds since the epoch, lies in the time that the question names."""
        if self.since is None or self.until is None or milliseconds < 0:
            return False
        return self.since.timestamp() * 1_000 <= milliseconds < self.until.timestamp() * 1_000


def read_question(text: str, languages: Iterable[str], now: datetime) -> Question:
    """Read a question.

    Args:
        text: A question or some words, in any language.
        languages: The languages of the session.
        now: What "yesterday" is reckoned from, UTC.
    """
    languages = list(languages)
    own = language_of(text)
    words = frozenset(word.casefold() for word in _WORD.findall(text))
    # Where no spaces stand between words, a pronoun is looked for anywhere.
    said = text if own in WITHOUT_SPACES else words
    persons = (("user", _I), ("assistant", _YOU))
    roles = {role for role, pronouns in persons if any(one in said for one in pronouns.get(own, "").split())}
    since, until = _time(text, [own, *languages], now) or (None, None)
    wanted = tuple(wanted_terms(text, languages))
    needed = tuple(forms for forms in wanted_terms(text, languages, common=False) if forms in wanted)
    return Question(text, words, wanted, needed or wanted, frozenset(roles), since, until)


def _time(text: str, languages: list[str], now: datetime) -> tuple[datetime, datetime] | None:
    """Return the first time that a question names, as exactly as it does: a day, a week, a month or a year."""
    from dateparser.data.languages_info import language_order  # type: ignore[import-untyped]
    from dateparser.date import DateDataParser  # type: ignore[import-untyped]
    from dateparser.search import search_dates  # type: ignore[import-untyped]

    usable = [language for language in dict.fromkeys(languages) if language in language_order]
    settings = {"PREFER_DATES_FROM": "past", "RELATIVE_BASE": now.replace(tzinfo=None)}
    for found, _ in search_dates(text, languages=usable, settings=settings) or ():
        if not _is_date(_WORD.findall(found), now):
            continue
        date = DateDataParser(languages=usable, settings=settings).get_date_data(found)
        if date.date_obj is not None and date.period in _DAYS:
            day = date.date_obj.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
            return _span(day, date.period)
    return None


def _is_date(words: list[str], now: datetime) -> bool:
    """Tell a date from what passes for one: a short word such as "may" or "we", or a number that is no year."""
    if len(words) != 1:
        return bool(words)
    [word] = words
    if word.isdecimal():
        return len(word) == 4 and 1_900 < int(word) <= now.year
    return len(word) > 3 or not word.isascii()


def _span(day: datetime, period: str) -> tuple[datetime, datetime]:
    if period == "week":
        day -= timedelta(days=day.weekday())
    elif period == "month":
        day = day.replace(day=1)
    elif period == "year":
        day = day.replace(month=1, day=1)
    return day, day + timedelta(days=_DAYS[period])
