"""Preferences by rule, in the service's JSON shape."""

from __future__ import annotations

import json
import re

from .facts import Fact, subject_of
from .person import third_person
from .sentences import statements

_PREFERENCE = re.compile(
    r"\b(?:i|we)(?:'m|'d)?(?: (?:really|also|absolutely|still|usually|always|generally|mostly|personally|would|"
    r"do|am|now|"
    r"actually|much|no longer))*\s+(?:like|love|enjoy|prefer|adore|hate|dislike|detest|favou?r|avoid|"
    r"rather|don't (?:really )?(?:like|eat|drink|enjoy|want|do|use)|do not (?:like|eat|drink|enjoy|use)|can't stand|"
    r"cannot stand|(?:a )?(?:big |huge )?fan of|into|keen on|fond of|vegetarian|vegan|pescatarian|allergic|"
    r"(?:an? )?(?:vegetarian|vegan|pescatarian|early bird|night owl|morning person)|only (?:eat|drink|use|fly|"
    r"buy|wear|read|"
    r"watch)|always (?:eat|drink|use|fly|buy|wear|take|choose|book|order|travel|pick|sit)|never (?:eat|drink|"
    r"use|fly|buy|"
    r"wear|take|choose|book|order)|usually (?:eat|drink|use|fly|buy|wear|take|choose|book|order|travel))\b|"
    r"\bmy (?:favou?rite|preferred|go-to|preference)\b|\bi'd rather\b",
    re.IGNORECASE,
)
_NOT_A_PREFERENCE = re.compile(
    r"\b(?:would|'d) (?:like|love) to\b|\blook(?:s|ed)? like\b|\b(?:feel|felt|seems?|sounds?) like\b|"
    r"\bwhat i'm into\b",
    re.IGNORECASE,
)
CATEGORIES = {
    "food": "eat eats food meal dish cuisine vegetarian vegan pescatarian pizza pasta sushi cook cooking "
    "breakfast lunch dinner restaurant spicy dessert chocolate cheese meat fish fruit vegetable snack bread rice "
    "soup nuts peanuts shellfish",
    "drink": "drink drinks coffee tea espresso wine beer juice water cocktail cappuccino latte milk",
    "travel": "travel fly flight flights seat aisle window hotel airline trip beach vacation holiday train "
    "airport luggage destination cruise layover",
    "music": "music song songs band album jazz rock classical concert guitar piano playlist",
    "sports": "sport sports football soccer tennis basketball running run gym hike hiking swim swimming yoga "
    "cycling ski climbing",
    "reading": "book books read reading novel novels author fiction poetry magazine",
    "entertainment": "movie movies film films show shows series tv game games gaming netflix theatre anime",
    "technology": "python code coding programming laptop phone software app apps linux editor computer dark mode",
    "communication": "email emails call calls answer answers reply short concise brief detailed formal language "
    "message messages",
    "work": "work job office meeting meetings remote schedule morning mornings deadline team",
    "shopping": "buy shop shopping brand price cheap clothes shoes size color colour",
    "pets": "dog dogs cat cats pet pets animal animals",
    "art": "art paint painting draw drawing museum photography craft pottery",
    "nature": "nature park garden plants mountains camping outdoors forest ocean sea",
    "health": "allergic allergy diet gluten lactose sugar exercise sleep meditation",
}
_CATEGORY_WORDS = {word: name for name, words in CATEGORIES.items() for word in words.split()}


def preferences(text: str) -> list[Fact]:
    """The preferences in what a user said.

    Args:
        text: One message.

    Returns:
        Records whose text is JSON with ``context``, ``preference`` and ``categories``.
    """
    found = []
    for statement in statements(text):
        if _PREFERENCE.search(statement) and not _NOT_A_PREFERENCE.search(statement):
            sentence = third_person(statement)
            preference = sentence.removeprefix("The user ").rstrip(".")
            record = {
                "context": f'The user said: "{statement.strip()}"',
                "preference": preference[:1].upper() + preference[1:],
                "categories": categories(statement),
            }
            found.append(Fact(json.dumps(record, ensure_ascii=False), subject_of(statement)))
    return found


def categories(text: str) -> list[str]:
    """The categories a preference falls under, ``["general"]`` when none is known."""
    words = re.findall(r"[a-z]+", text.lower())
    found = dict.fromkeys(_CATEGORY_WORDS[word] for word in words if word in _CATEGORY_WORDS)
    return list(found) or ["general"]
