"""Finds the sentences of a message that are worth a record, by their kind and in any language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentmem.meaning.classifier import UNKNOWN
from agentmem.meaning.sentences import split_sentences

from .messages import JSON, json_texts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from agentmem.meaning.classifier import Judgement, SentenceClassifier

    from .messages import Message

FACT_KINDS = frozenset(("fact_person", "fact_thing", "identifier", "decision", "preference", "narration", "plan"))
"""Kinds of sentences that state something about the speaker or their world, as the service's facts do."""

PREFERENCE_KINDS = frozenset(("preference",))

LIKELY = 0.5
"""A sentence is of some kinds when this much of its confidence is theirs: they are then the likelier explanation."""

_QUESTION_MARKS = ("?", "？", "؟", "⸮", "\u037e")  # the last is Greek; most who write Greek type a semicolon
_CLOSING = "\"')]}»”’」』 *_"
_WORDS_OF_A_STATEMENT = 3  # in a writing system that the encoder does not know


def facts(message: Message, classifier: SentenceClassifier) -> list[str]:
    """The sentences of a message that state a fact, word for word and in order."""
    judged = _judged(message, classifier)
    return [text for text, judgement in judged if is_of(judgement, FACT_KINDS) or _may_be_fact(text, judgement)]


def preferences(message: Message, classifier: SentenceClassifier) -> list[str]:
    """The sentences of a message that state a preference or ask for something that holds from now on."""
    judged = _judged(message, classifier)
    return [text for text, judgement in judged if judgement.is_standing or is_of(judgement, PREFERENCE_KINDS)]


def is_of(judgement: Judgement, kinds: Collection[str]) -> bool:
    """Whether a sentence is likelier of one of some kinds than of any other."""
    return sum(judgement.scores.get(kind, 0.0) for kind in kinds) >= LIKELY


def is_question(text: str) -> bool:
    """Whether a sentence ends with a question mark."""
    return text.rstrip(_CLOSING).endswith(_QUESTION_MARKS)


def _judged(message: Message, classifier: SentenceClassifier) -> Iterable[tuple[str, Judgement]]:
    """The sentences that a user wrote, or that stand in JSON, without questions; each with its judgement.

    An assistant's and a tool's words are context to the service, and nothing that rules could tell a fact from.
    """
    if message.role == "USER":
        texts = [message.text]
    elif message.role == JSON:
        texts = json_texts(message.text)
    else:
        return ()
    sentences = [sentence for text in texts for sentence in split_sentences(text) if not is_question(sentence.text)]
    return zip([sentence.text for sentence in sentences], classifier.judge(sentences), strict=True)


def _may_be_fact(text: str, judgement: Judgement) -> bool:
    """Whether a sentence that nobody can judge is long enough to state something."""
    return judgement.kind == UNKNOWN and len(text.split()) >= _WORDS_OF_A_STATEMENT and not text.endswith(";")
