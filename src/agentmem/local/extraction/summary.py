"""Rolls the summary of a session by rule: topics, each with the sentences that were said about it, word for word."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape, unescape
from typing import TYPE_CHECKING

from agentmem.meaning.sentences import split_sentences

from .messages import JSON, json_texts
from .statements import FACT_KINDS, is_of, is_question

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentmem.meaning.classifier import SentenceClassifier

    from .messages import Message

MAX_CHARACTERS = 16_000  # of a record, by the service model
MAX_TOPICS = 20
MAX_TOPIC_CHARACTERS = 700
MAX_NAME = 60
MAX_OTHER_SENTENCES = 3
"""Most sentences of one message that is not the user's."""

SAME_TOPIC = 0.3
"""A message belongs to the topic that holds a sentence this near to one of its own. Between sentences that have nothing
in common the packaged encoder's cosine is mostly below 0.15."""

_SMALL_TALK = frozenset(("small_talk",))
_USER, _ASKED, _ASSISTANT = "The user said: ", "The user asked: ", "The assistant said: "
_SPEAKERS = {"ASSISTANT": _ASSISTANT, "TOOL": "A tool answered: ", JSON: "It was noted: ", "OTHER": "It was said: "}
_SPOKEN = (_USER, _ASKED, *_SPEAKERS.values())
_TOPIC = re.compile(r'<topic name="(.*?)">\s*(.*?)\s*</topic>', re.DOTALL)


@dataclass(slots=True)
class _Topic:
    name: str
    lines: list[str] = field(default_factory=list)

    @property
    def sentences(self) -> list[str]:
        return [_sentence(line) for line in self.lines]

    def shorten(self) -> None:
        """Let lines go until it fits: the user's last, older before newer."""
        while len(self.lines) > 1 and sum(map(len, self.lines)) > MAX_TOPIC_CHARACTERS:
            others = [index for index, line in enumerate(self.lines) if not line.startswith((_USER, _ASKED))]
            del self.lines[others[0] if others else 0]

    def rendered(self) -> str:
        name = escape(self.name, quote=False).replace('"', "&quot;")
        lines = "\n".join(escape(line, quote=False) for line in self.lines)
        return f'<topic name="{name}">\n{lines}\n</topic>'


def roll(previous: str | None, messages: Iterable[Message], classifier: SentenceClassifier) -> str | None:
    """The summary after some more messages. It is the same however the messages are parted into calls.

    Args:
        previous: The summary so far (``<topic name="...">...</topic>`` elements), or None.
        messages: What was said since.
        classifier: Judges sentences, and gives the encoder by whose vectors topics are told apart.

    Returns:
        The new summary, at most 20 topics of about 700 characters. Without room, words of the assistant and of tools
        give way before the user's, and older ones before newer. None when there is still nothing to say.
    """
    topics = [
        _Topic(unescape(name), [unescape(line) for line in body.split("\n") if line.strip()])
        for name, body in _TOPIC.findall(previous or "")
    ]
    changed = False
    for message in messages:
        lines = [line for line in _told(message, classifier) if not any(line in topic.lines for topic in topics)]
        if lines:
            _place(topics, list(dict.fromkeys(lines)), classifier, by_user=message.role == "USER")
            changed = True
    return "\n".join(topic.rendered() for topic in topics) if changed else previous


def _told(message: Message, classifier: SentenceClassifier) -> list[str]:
    """The lines of a message: a user's sentences but for small talk, the first few statements of anybody else."""
    texts = json_texts(message.text) if message.role == JSON else [message.text]
    sentences = [sentence for text in texts for sentence in split_sentences(text)]
    judged = list(zip([sentence.text for sentence in sentences], classifier.judge(sentences), strict=True))
    if message.role == "USER":
        said = [text for text, judgement in judged if not is_of(judgement, _SMALL_TALK)]
        return [f"{_ASKED if is_question(text) else _USER}{text}" for text in said]
    if message.role == "ASSISTANT":
        said = [text for text, judgement in judged if not is_question(text) and not is_of(judgement, _SMALL_TALK)]
    else:
        said = [text for text, judgement in judged if not is_question(text) and is_of(judgement, FACT_KINDS)]
    speaker = _SPEAKERS.get(message.role, _SPEAKERS["OTHER"])
    return [speaker + text for text in said[:MAX_OTHER_SENTENCES]]


def _place(topics: list[_Topic], lines: list[str], classifier: SentenceClassifier, *, by_user: bool) -> None:
    """Add lines to the topic they are nearest to, else to a new one; an answer belongs to the latest."""
    topic = _nearest(topics, lines, classifier) if by_user or not topics else topics[-1]
    if topic is None:
        topic = _Topic(_name(_sentence(lines[0])))
    else:
        topics.remove(topic)
    topics.append(topic)
    topic.lines += lines
    topic.shorten()
    del topics[:-MAX_TOPICS]
    while len(topics) > 1 and sum(len(one.rendered()) + 1 for one in topics) > MAX_CHARACTERS:
        del topics[0]


def _nearest(topics: list[_Topic], lines: list[str], classifier: SentenceClassifier) -> _Topic | None:
    sentences = [_sentence(line) for line in lines]
    scored = [(max(classifier.nearness(sentences, topic.sentences)), topic) for topic in topics]
    nearness, nearest = max(scored, key=lambda one: one[0], default=(0.0, None))
    return nearest if nearness >= SAME_TOPIC else None


def _sentence(line: str) -> str:
    """A line without its speaker."""
    speaker = next((spoken for spoken in _SPOKEN if line.startswith(spoken)), "")
    return line[len(speaker) :]


def _name(sentence: str) -> str:
    """A topic's name: the beginning of the sentence that opened it, cut between words where there are any."""
    if len(sentence) <= MAX_NAME:
        return sentence
    head = sentence[: MAX_NAME - 1]
    return (head[: head.rfind(" ")] if " " in head else head).rstrip() + "…"
