"""Defines an extractor, and holds the one that works by rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from agentmem.local.strategies import Kind

from .preferences import preference_in, preference_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentmem.meaning.classifier import SentenceClassifier

    from .messages import Message


@dataclass(frozen=True, slots=True)
class Known:
    """A record that the strategy has made already in the namespace at hand.

    Attributes:
        record_id: Its id.
        text: Its content.
    """

    record_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """A change of records that an extractor asks for.

    Attributes:
        text: Content of a new record; None only confirms `replaces` as still so.
        replaces: Id of the record this stands in for, or confirms.
    """

    text: str | None
    replaces: str | None = None


class Extractor(Protocol):
    """Makes long-term records out of messages.

    An extractor whose attribute `reflects` is true is also asked for the reflections of episodic strategies, with the
    kind ``"reflection"``: its messages are then the episodes of an actor.
    """

    def extract(self, kind: Kind, messages: Sequence[Message], known: Sequence[Known]) -> list[Change]:
        """Read messages and say what to remember.

        Args:
            kind: What the strategy is after.
            messages: The messages in order.
            known: Records of the same strategy and namespace: those that may concern the same thing, newest last.

        Returns:
            Changes, in the order to apply.

        Raises:
            Exception: Any failure; it becomes a FAILED extraction job with the exception's text as its reason.
        """
        ...


class RuleExtractor:
    """Extraction by rule: no model, no cost, the same records from the same messages, in any language.

    A record is a sentence of the user's own, word for word, of the kind that the strategy is after; nothing is
    rewritten. A statement that differs from an older one in any word becomes a record of its own, because telling an
    update from a different thing takes a model (`ModelExtractor`). The same sentence again renews its record.

    Args:
        classifier: Judges the sentences; the packaged one unless given. Extraction waits until that is loaded.
    """

    def __init__(self, classifier: SentenceClassifier | None = None) -> None:
        self._classifier = classifier

    def extract(self, kind: Kind, messages: Sequence[Message], known: Sequence[Known]) -> list[Change]:
        """See `Extractor.extract`. Facts and preferences are the user's words, summaries everybody's.

        Raises:
            EncoderUnavailableError: The packaged encoder could not be loaded.
        """
        # Here, because judging sentences imports Strands, and a service that only keeps events needs neither.
        from agentmem.meaning.loading import wait_until_ready

        from .statements import facts, preferences
        from .summary import roll

        classifier = self._classifier or wait_until_ready()
        if kind == "summary":
            before = known[-1] if known else None
            text = roll(before.text if before else None, messages, classifier)
            if text is None or (before and text == before.text):
                return []
            return [Change(text, before.record_id if before else None)]
        found = preferences if kind == "preference" else facts
        sentences = [sentence for message in messages for sentence in found(message, classifier)]
        by_words = {_words(preference_in(record.text) or record.text): record.record_id for record in known}
        changes = []
        for words, sentence in {_words(sentence): sentence for sentence in sentences}.items():
            if words in by_words:
                changes.append(Change(None, by_words[words]))
            else:
                changes.append(Change(preference_record(sentence) if kind == "preference" else sentence))
        return changes


def _words(sentence: str) -> str:
    """A sentence without case and without marks around it, by which the same one is known again."""
    words = sentence.casefold()
    start, end = 0, len(words)
    while start < end and not words[start].isalnum():
        start += 1
    while end > start and not words[end - 1].isalnum():
        end -= 1
    return words[start:end] or words


__all__ = ["Change", "Extractor", "Kind", "Known", "RuleExtractor"]
