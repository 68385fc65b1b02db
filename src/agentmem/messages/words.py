"""Splits text into words with meaning and reduces them to their stems."""

from __future__ import annotations

import functools
import re

WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")
"""A word: letters and digits, with an apostrophe inside."""

STOPWORDS = frozenset(
    """
    a about above after again against all also am an and any anybody anyone anything are aren't as at be because been
    before being below between both but by can can't cannot could couldn't did didn't do does doesn't doing don't down
    during each else ever every everyone everything few first for from further get gets getting give given go goes
    going gone got had hadn't has hasn't have haven't having he her here hers herself him himself his how however i i'd
    i'll i'm i've if in into is isn't it it's its itself just keep keeps kept let let's like likes lot made make makes
    making many may me might more most much must my myself need needs never no nobody none nor not nothing of off ok
    okay on once one only or other others our ours ourselves out over own please put quite rather really same say
    says see shall she should shouldn't so some somebody someone something still such sure take than thank thanks
    that that's the their theirs them themselves then there there's these they they're thing things this those though
    through to too try under until up upon us use used uses using very via want wants was wasn't way we we'd we'll
    we're we've well were weren't what what's when where whether which while who whom whose why will with within
    without won't would wouldn't yes yet you you'd you'll you're you've your yours yourself
    """.split()  # noqa: SIM905 - a list of words is read, not its quotes and commas
)
"""English function words and the lightest verbs."""

# Words that the rules below would make one with another word.
_IRREGULAR = {"production": "prod", "international": "intl", "customs": "custm", "general": "genrl", "timer": "timr"}
_SUFFIXES = ("ments", "ment", "ings", "ing", "edly", "ed", "ly", "als", "al", "ers", "er", "es", "s")


@functools.lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Cut an English word to a stem that its common forms share; crude, but the same for each of them.

    Args:
        word: A word in lower case.

    Returns:
        The stem; words with digits and words of up to three letters stay as they are.
    """
    word = word.replace("’", "'").removesuffix("'s").rstrip("'")
    word = _IRREGULAR.get(word, word)
    if len(word) <= 3 or not word.isalpha():
        return word
    if word.endswith("ies"):
        word = word[:-3] + "y"
    for suffix in _SUFFIXES:
        # What remains must still be a word of its own: `user` and `ring` keep their endings.
        if word.endswith(suffix) and len(word) - len(suffix) >= 4 and not word.endswith("ss"):
            word = word[: -len(suffix)]
            break
    else:
        if word.endswith("s") and not word.endswith(("ss", "us", "is")):
            word = word[:-1]
    if len(word) > 5 and word.endswith(("tion", "sion")):
        word = word[:-3]
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "aeiousl":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] == "e" else word
