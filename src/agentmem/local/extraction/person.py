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
    use need want enjoy avoid fly ride sing dance swim take go come do make get keep plan hope
    """
)
_CONTRACTIONS = {"i'm": "is", "i've": "has", "we're": "is", "we've": "has", "i'll": "will", "we'll": "will"}
_POSSESSIVE = {"my": "their", "our": "their", "mine": "theirs", "ours": "theirs"}
_OBJECT = {"me": "them", "us": "them", "myself": "themselves", "ourselves": "themselves"}
_PLURAL = {"is": "are", "has": "have", "am": "are", "was": "were", "wasn't": "weren't"}
_SUBJECTS = frozenset(("i", "we"))
# After these, "had" is what "'d" stands for; otherwise it is "would".
_HAD_NEXT = frozenset(["been", "had", "gone", "done", "better", "already", "never"])


def third_person(sentence: str, subject: str = "the user") -> str:
    """Rewrite a first-person sentence about a speaker.

    Args:
        sentence: In English, in the first person.
        subject: What stands for the speaker at the first mention; later ones are "they", "their", "them".

    Returns:
        The sentence about `subject`, capitalised, ending in a full stop. Sentences without a first person come back
        as they are, but for case and full stop.
    """
    words = _WORD.findall(sentence)
    rewriter = _Rewriter(subject)
    for position, word in enumerate(words):
        following = next((item.lower() for item in words[position + 1 :] if item[0].isalpha()), "")
        before = words[position - 2].lower() if position >= 2 else ""
        rewriter.feed(word, following, before)
    text = "".join(rewriter.result).strip()
    text = text[:1].upper() + text[1:]
    return text if text[-1:] in ".!" else text + "."


class _Rewriter:
    """Rewrites one sentence, word by word."""

    def __init__(self, subject: str) -> None:
        self.result: list[str] = []
        self._subject = subject
        self._mentioned = False
        self._verb_due = False  # the next verb belongs to the speaker
        self._plural = False  # the speaker was "they" last: verbs stay in the plain form
        self._spoke = False

    def feed(self, word: str, following: str, before: str) -> None:
        low = word.lower()
        if not word[0].isalpha() and word[0] != "'":
            self.result.append(word)
            self._verb_due = self._verb_due and word.isspace()
        elif low in _SUBJECTS:
            self._speak(self._mention())
            self._verb_due = True
        elif low in _CONTRACTIONS:
            name, verb = self._mention(), _CONTRACTIONS[low]
            self._speak(f"{name} {_PLURAL.get(verb, verb) if self._plural else verb}")
        elif low in ("i'd", "we'd"):
            self._speak(f"{self._mention()} {'had' if following in _HAD_NEXT else 'would'}")
        elif low in _POSSESSIVE:
            self.result.append(_POSSESSIVE[low] if self._mentioned else f"{self._subject}'s")
            self._mentioned = True
            self._verb_due = False
        elif low in _OBJECT:
            self.result.append(_OBJECT[low] if self._mentioned else self._subject)
            self._mentioned = True
            self._verb_due = False
        elif self._verb_due and low in _ADVERBS:
            self.result.append(word)
        elif self._verb_due or (self._spoke and low in _SECOND_VERBS and before in ("and", "but")):
            self.result.append(_PLURAL.get(low, word) if self._plural else _conjugated(word))
            self._verb_due = False
        else:
            self.result.append(word)

    def _mention(self) -> str:
        self._plural = self._mentioned
        name = "they" if self._mentioned else self._subject
        self._mentioned = True
        return name

    def _speak(self, text: str) -> None:
        self.result.append(text)
        self._spoke, self._verb_due = True, False


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
