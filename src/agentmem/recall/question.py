"""Reads a question: its terms, the time it names, and of whom it speaks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from agentmem.recall.terms import language_of, wanted_terms

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORD = re.compile(r"[^\W_]+")

# First and second person by language; a question put to an agent's memory is the user's.
_I = frozenset(
    "i me my mine we our us ich mir mich mein meine meinen meiner wir unser uns yo mí mi mis nosotros nuestra nuestro je"
    " moi mon ma mes nous notre nos io mio mia noi nostro eu meu minha nós nosso ik mij mijn wij ons 私 僕 俺 我 나 я мой"
    " моя мне мы наш".split()  # noqa: SIM905 - a list of words is read, not its quotes and commas
)
_YOU = frozenset(
    "you your yours du dir dich dein deine sie ihr tú te tu tus usted vous votre vos toi ton ta tes voi tuo tua você"
    " teu sua jij je jouw u uw あなた 你 您 너 ты тебе твой вы ваш".split()  # noqa: SIM905 - see above
)
_DAYS = {"day": 1, "week": 7, "month": 31, "year": 366}


@dataclass(frozen=True)
class Question:
    """A question as ranking takes it.

    Attributes:
        text: As it was put.
        words: Its words in lower case.
        wanted: Its terms, each in the forms of the session's languages.
        roles: `user`, `assistant`, or both, when it speaks of them.
        since: Beginning of the time it names, UTC, or None.
        until: End of that time.
    """

    text: str
    words: frozenset[str]
    wanted: tuple[tuple[str, ...], ...]
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
    words = frozenset(word.casefold() for word in _WORD.findall(text))
    roles = {role for role, persons in (("user", _I), ("assistant", _YOU)) if words & persons}
    since, until = _time(text, [language_of(text), *languages], now) or (None, None)
    return Question(text, words, tuple(wanted_terms(text, languages)), frozenset(roles), since, until)


def _time(text: str, languages: list[str], now: datetime) -> tuple[datetime, datetime] | None:
    """Return the first time that a question names, as exactly as it does: a day, a week, a month or a year."""
    from dateparser.data.languages_info import language_order
    from dateparser.date import DateDataParser
    from dateparser.search import search_dates

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
