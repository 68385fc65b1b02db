"""The rolling summary of a session by rule: topics, each with what was said about it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape, unescape
from typing import TYPE_CHECKING

from agentmem.local.word_list import words

from .facts import stems
from .person import third_person
from .sentences import is_question, is_talk, sentences, without_filler

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .messages import Message

MAX_TOPICS = 20
MAX_TOPIC_CHARACTERS = 700
MAX_SENTENCE = 240
MAX_ASSISTANT_SENTENCES = 3
_ASSISTANT = "The assistant said:"
_TOPIC = re.compile(r'<topic name="(.*?)">\s*(.*?)\s*</topic>', re.DOTALL)
_NAME_STOP = words(
    """
    please want need like know think would could should can will going get got make really good great thing
    things lot time today yesterday tomorrow help said asked answer assistant thank thanks yes sure okay also
    some any all about with what when where which who how your you mine there here i'm i've i'd don't it's
    that's let's what's she's he's they're we're i'll that'll user
    """
)


@dataclass(slots=True)
class _Topic:
    name: str
    lines: list[str] = field(default_factory=list)

    def words(self) -> set[str]:
        return {stem for stem in stems(f"{self.name} {' '.join(self.lines)}") if len(stem) > 2} - _NAME_STOP


def roll(previous: str | None, messages: Iterable[Message]) -> str | None:
    """The summary after some more messages.

    Args:
        previous: The summary so far (``<topic name="...">...</topic>`` elements), or None.
        messages: What was said since.

    Returns:
        The new summary, at most 20 topics of 700 characters: the assistant's words give way
        before the user's, older before newer. None when there
        is still nothing to say.
    """
    topics = [
        _Topic(unescape(name), [unescape(line) for line in body.split("\n") if line.strip()])
        for name, body in _TOPIC.findall(previous or "")
    ]
    changed = False
    for message in messages:
        lines = [line for line in _told(message) if not any(line in topic.lines for topic in topics)]
        if lines:
            _place(topics, lines)
            changed = True
    if not changed:
        return previous
    for topic in topics:
        while len(topic.lines) > 1 and sum(len(line) for line in topic.lines) > MAX_TOPIC_CHARACTERS:
            told = [index for index, line in enumerate(topic.lines) if line.startswith(_ASSISTANT)]
            del topic.lines[told[0] if told else 0]
    return "\n".join(
        f'<topic name="{_attribute(topic.name)}">\n'
        + "\n".join(escape(line, quote=False) for line in topic.lines)
        + "\n</topic>"
        for topic in topics[-MAX_TOPICS:]
    )


def _attribute(text: str) -> str:
    return escape(text, quote=False).replace('"', "&quot;")


def _told(message: Message) -> list[str]:
    """A message retold in the third person; an assistant's in its first three statements."""
    told = []
    for said in sentences(message.text):
        if is_talk(said):
            continue
        whole = without_filler(said)
        sentence = whole if len(whole) <= MAX_SENTENCE else whole[: MAX_SENTENCE - 1].rstrip() + "…"
        if message.role == "USER":
            told.append(f"The user asked: {sentence}" if is_question(sentence) else third_person(sentence))
        elif message.role == "ASSISTANT":
            if not is_question(sentence) and len(told) < MAX_ASSISTANT_SENTENCES:
                told.append(f"{_ASSISTANT} {sentence}")
        else:
            told.append(f"It was said: {sentence}")
    return told


def _place(topics: list[_Topic], lines: list[str]) -> None:
    """Add lines to the topic they share most words with, else to a new one."""
    words = {stem for stem in stems(" ".join(lines)) if len(stem) > 2} - _NAME_STOP
    best, shared = None, 1  # two words in common make a topic the same; an answer belongs to what was asked
    for topic in topics:
        count = len(words & topic.words())
        if count > shared:
            best, shared = topic, count
    if best is None and topics and lines[0].startswith(_ASSISTANT):
        best = topics[-1]
    if best is None:
        best = _Topic(_name(lines))
        topics.append(best)
    elif best is not topics[-1]:
        topics.remove(best)
        topics.append(best)
    best.lines.extend(dict.fromkeys(lines))


def _name(lines: list[str]) -> str:
    """A topic's name: its longest-standing content words, at most three."""
    text = " ".join(
        re.sub(r"^(?:The user asked:|The assistant said:|It was said:|The user)", "", line) for line in lines
    )
    words = [word for word in re.findall(r"[A-Za-z][A-Za-z'-]{3,}", text) if word.lower() not in _NAME_STOP]
    content = [word for word in words if stems(word)]
    picked = list(dict.fromkeys(word.lower() for word in sorted(content, key=lambda word: not word[0].isupper())))[:3]
    return " ".join(picked).capitalize() or "Conversation"
