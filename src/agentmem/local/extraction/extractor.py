"""What an extractor is, and the one that works by rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from agentmem.local.strategies import Kind

from .facts import Fact, facts, is_negated, stems
from .preferences import preferences
from .summary import roll

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .messages import Message


@dataclass(frozen=True, slots=True)
class Known:
    """A record that the strategy has made already in the namespace at hand.

    Attributes:
        record_id: Its id.
        text: Its content.
        subject: What it is the latest word on; None when whoever wrote it did not say.
    """

    record_id: str
    text: str
    subject: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """What an extractor wants done.

    Attributes:
        text: Content of a new record; None only confirms `replaces` as still so.
        subject: What the record is the latest word on.
        replaces: Id of the record this stands in for, or confirms.
    """

    text: str | None
    subject: str | None = None
    replaces: str | None = None


class Extractor(Protocol):
    """Makes long-term records out of what was said."""

    def extract(self, kind: Kind, messages: Sequence[Message], known: Sequence[Known]) -> list[Change]:
        """Read messages and say what to remember.

        Args:
            kind: What the strategy is after.
            messages: What was said, in order.
            known: Records of the same strategy and namespace: those that may concern the same thing, newest last.

        Returns:
            Changes, in the order to apply.

        Raises:
            Exception: Any failure; it becomes a FAILED extraction job with the exception's text as its reason.
        """
        ...


_TASTE = "taste:"


class RuleExtractor:
    """Extraction by rule: no model, no cost, the same result every time; English only."""

    def extract(self, kind: Kind, messages: Sequence[Message], known: Sequence[Known]) -> list[Change]:
        """See `Extractor.extract`. Facts and preferences come from what users say; summaries from everybody."""
        if kind == "summary":
            return self._summary(messages, known)
        read = facts if kind == "semantic" else preferences
        by_subject = {record.subject: record for record in known if record.subject}
        # Only the last word on each subject counts, so that a conversation told twice changes nothing.
        said: dict[str, Fact] = {}
        for message in messages:
            for fact in read(message.text) if message.role == "USER" else ():
                said.pop(
                    _reversed_taste(fact, {subject: other.text for subject, other in said.items()}) or fact.subject,
                    None,
                )
                said[fact.subject] = fact
        changes = []
        for fact in said.values():
            texts = {subject: record.text for subject, record in by_subject.items()}
            subject = fact.subject if fact.subject in by_subject else _reversed_taste(fact, texts)
            before = by_subject.get(subject) if subject else None
            if before is None:
                changes.append(Change(fact.text, fact.subject))
            elif _same(before.text, fact.text):
                changes.append(Change(None, fact.subject, before.record_id))
            else:
                changes.append(Change(fact.text, fact.subject, before.record_id))
        return changes

    def _summary(self, messages: Sequence[Message], known: Sequence[Known]) -> list[Change]:
        before = known[-1] if known else None
        text = roll(before.text if before else None, messages)
        if text is None or (before and text == before.text):
            return []
        return [Change(text, "summary", before.record_id if before else None)]


def _reversed_taste(fact: Fact, texts: Mapping[str, str]) -> str | None:
    """The subject among `texts` of the opposite taste for the same thing, however closely named ("spicy ramen")."""
    if not fact.subject.startswith(_TASTE):
        return None
    thing, disliked = set(fact.subject.removeprefix(_TASTE).split()), is_negated(fact.text)
    for subject, text in texts.items():
        if subject.startswith(_TASTE) and is_negated(text) != disliked:
            other = set(subject.removeprefix(_TASTE).split())
            if thing and other and (thing <= other or other <= thing):
                return subject
    return None


def _same(before: str, after: str) -> bool:
    """Whether two statements on one subject say the same: same meaning-bearing words, same polarity."""
    return set(stems(before)) == set(stems(after)) and is_negated(before) == is_negated(after)


__all__ = ["Change", "Extractor", "Fact", "Kind", "Known", "RuleExtractor"]
