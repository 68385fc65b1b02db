"""From the first person to the third: "I live in Porto" becomes "The user lives in Porto"."""

from __future__ import annotations

import re

from agentmem.local.word_list import words

_WORD = re.compile(r"[A-Za-z']+|[^A-Za-z']+")
_ADVERBS = words(
    """
    also always already actually absolutely almost currently definitely even ever finally first frequently
    generally just kinda mainly mostly never normally now occasionally often only originally personally
    primarily probably rarely really recently regularly seldom simply sometimes still then totally truly
    typically usually
    """
)
_UNCHANGED = words(
    """
    can could will would shall should may might must cannot can't couldn't won't wouldn't shan't shouldn't
    mightn't mustn't did didn't had hadn't used ought dare
    """
)
_IRREGULAR = {
    "am": "is", "are": "is", "was": "was", "were": "was", "have": "has", "do": "does", "go": "goes",
    "aren't": "isn't", "weren't": "wasn't", "wasn't": "wasn't", "don't": "doesn't", "haven't": "hasn't",
}  # fmt: skip
_PAST = words(
    """
    ate became began bought broke brought built came caught chose cut did drank drew drove fell felt flew forgot
    fought found gave got grew had heard held hid hit hurt kept knew learnt led left lent let lost made meant
    met paid put quit ran rang read rode rose said sang sat saw sent set shook shot shut slept sold spent spoke
    stood stole struck stuck swam taught thought threw told took understood went woke won wore wrote
    """
)
_PRESENT_IN_ED = words(
    """
    need feed speed breed proceed succeed exceed bleed heed weed
    """
)
_SECOND_VERBS = words(
    """
    live work like love hate prefer have own play run study teach drive eat drink cook read write travel speak
    use need want enjoy avoid take go come do make get keep plan hope
    """
)
_CONTRACTIONS = {
    "i'm": ("is",),
    "i've": ("has",),
    "we're": ("is",),
    "we've": ("has",),
    "i'll": ("will",),
    "we'll": ("will",),
}
_POSSESSIVE = {"my": "the user's", "our": "the user's", "mine": "the user's", "ours": "the user's"}
_OBJECT = {"me": "the user", "us": "the user", "myself": "themselves", "ourselves": "themselves"}
_SUBJECTS = frozenset(("i", "we"))
# After these, "had" is what "'d" stands for; otherwise it is "would".
_HAD_NEXT = frozenset(["been", "had", "gone", "done", "better", "already", "never"])


def third_person(sentence: str, subject: str = "the user") -> str:
    """Rewrite a first-person sentence about a speaker.

    Args:
        sentence: In English, in the first person.
        subject: What stands for the speaker.

    Returns:
        The sentence about `subject`, capitalised, ending in a full stop. Sentences without a first person come back
        as they are, but for case and full stop.
    """
    words = _WORD.findall(sentence)
    result: list[str] = []
    pending_verb = False  # the next verb belongs to the speaker
    speaker_spoke = False
    for position, word in enumerate(words):
        low = word.lower()
        following = next((item.lower() for item in words[position + 1 :] if item.strip() and item[0].isalpha()), "")
        if not word[0].isalpha() and word[0] != "'":
            result.append(word)
            if not word.isspace():
                pending_verb = False
            continue
        if low in _SUBJECTS and not (low == "i" and word == "i" and following in ("e", "")):
            result.append(subject)
            pending_verb = speaker_spoke = True
        elif low in _CONTRACTIONS:
            result.append(f"{subject} {_CONTRACTIONS[low][0]}")
            pending_verb, speaker_spoke = False, True
        elif low in ("i'd", "we'd"):
            result.append(f"{subject} {'had' if following in _HAD_NEXT else 'would'}")
            pending_verb, speaker_spoke = False, True
        elif low in _POSSESSIVE:
            result.append(_POSSESSIVE[low].replace("the user", subject))
            pending_verb = False
        elif low in _OBJECT:
            result.append(_OBJECT[low].replace("the user", subject))
            pending_verb = False
        elif pending_verb and low in _ADVERBS:
            result.append(word)
        elif pending_verb:
            result.append(_conjugated(word))
            pending_verb = False
        elif speaker_spoke and low in _SECOND_VERBS and position >= 2 and words[position - 2].lower() in ("and", "but"):
            result.append(_conjugated(word))
        else:
            result.append(word)
    text = "".join(result).strip()
    text = text[:1].upper() + text[1:]
    return text if text[-1:] in ".!" else text + "."


def _conjugated(verb: str) -> str:
    """The third person singular of a verb after "I" or "we"; past forms and modals stay."""
    low = verb.lower()
    if low in _IRREGULAR:
        return _IRREGULAR[low]
    if low in _UNCHANGED or low in _PAST or (low.endswith("ed") and low not in _PRESENT_IN_ED) or low.endswith("ing"):
        return verb
    if low.endswith(("s", "x", "z", "ch", "sh", "o")):
        return verb + "es"
    if low.endswith("y") and len(low) > 1 and low[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + "s"
