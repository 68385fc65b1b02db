"""Checks the quotes that a model gives of a conversation against the messages it names.

A quote counts when it stands in its message, letter for letter but for white space and the Unicode form, and when the
message is by whom the model says. The words that are kept are the message's own, in whole sentences: half a sentence
can say the opposite of the whole one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal
from unicodedata import normalize

from pydantic import BaseModel, Field

from agentmem.checkpoints.summary import DONE, HELD, OPEN, QUOTED, Statement
from agentmem.meaning.sentences import plain, split_sentences
from agentmem.messages.text import clip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from agentmem.checkpoints.summary import Summary
    from agentmem.compaction.summary.exchanges import Exchange, Text

MOST_QUOTES = 40
"""Quotes looked at of one answer; a model that quotes more is not choosing."""

MAX_QUOTE = 700
"""Characters of the longest passage that is kept as one quote."""

MAX_OUTCOME = 180
"""Characters kept of a quote that says what came of a task."""

QUOTED_SURE = 0.9
"""How sure a quote is by the model's word alone; what the encoder took for a standing request too is 1."""

_STANDING = ("standing_request", "bound")
_TASK, _OUTCOME = "open_task", "outcome"


class Quote(BaseModel):
    """A passage of the conversation, copied letter for letter."""

    number: int = Field(description="The quote's number; go on from the last number under <quotes>.")
    kind: Literal["standing_request", "bound", "open_task", "outcome"] = Field(
        description="standing_request: what the assistant is to do, or never to do, from now on. bound: a limit to "
        "keep to. open_task: what the user asked for and has not been given. outcome: what came of an open task."
    )
    text: str = Field(description="Whole sentences of one message, copied letter for letter, in their own language.")
    message: str = Field(description="The id in brackets before that message.")
    said_by: str = Field(description="user or assistant: who said it.")
    replaces: int | None = Field(
        default=None,
        description="Number of the earlier quote that this one changes or withdraws; of an outcome, its open task.",
    )


class ConversationSummary(BaseModel):
    """The new summary of the conversation so far."""

    narrative: str = Field(description="The retelling, plain prose.")
    quotes: list[Quote] = Field(description="Quotes of the new part of the conversation; empty when there is none.")


@dataclass
class Standing:
    """A statement as the quotes leave it.

    Attributes:
        statement: The statement as it is now.
        place: Where it stands in the conversation: message and character; what was folded earlier comes first.
        before: The same statement in the summary so far; None for a new quote.
        replaced: Whether a later quote replaces it.
    """

    statement: Statement
    place: tuple[int, int]
    before: Statement | None = None
    replaced: bool = False


class Quotes:
    """The quotes of one summary, as they come in.

    Attributes:
        places: Place of each message among those that are folded, by handle.
        standing: What the user asks to hold and what is open: the last summary's, then the verified quotes.
        verified: How many quotes stood in their message.
        dropped: How many did not, or were more than `MOST_QUOTES`.
    """

    def __init__(self, previous: Summary, exchanges: Sequence[Exchange]) -> None:
        """Begin with the statements of the last summary.

        Args:
            previous: The summary so far.
            exchanges: The newly folded messages.
        """
        said = [(text, by) for one in exchanges for text, by in _by_speaker(one)]
        self.places = {text.source: place for place, (text, _) in enumerate(said) if text.source}
        self._said = {text.source: (text, normalize("NFC", text.text), by) for text, by in said if text.source}
        self.standing = [
            Standing(one, (-1, one.order), before=one)
            for section in (HELD, OPEN)
            for one in previous.of_section(section)
        ]
        self.verified = 0
        self.dropped = 0

    def shown(self, max_tokens: int, count: Callable[[str], int]) -> list[Standing]:
        """Return the quotes to show to the model, oldest first: the newest ones that there is room for."""
        shown: list[Standing] = []
        for one in reversed([one for one in self.standing if not one.replaced and one.statement.section != DONE]):
            max_tokens -= count(line_of(one.statement, len(self.standing)))
            if max_tokens < 0:
                break
            shown.insert(0, one)
        return shown

    def add(self, given: Sequence[Quote], shown: Sequence[Standing]) -> None:
        """Check the quotes of an answer and take those in that are verified.

        Args:
            given: The quotes as the model gave them.
            shown: The quotes it was shown, numbered from 1.
        """
        self.dropped += max(0, len(given) - MOST_QUOTES)
        named: dict[int, Standing | None] = dict(enumerate(shown, 1))
        found: list[tuple[Quote, Standing]] = []
        for quote in given[:MOST_QUOTES]:
            one = self._verify(quote)
            if one is None:
                self.dropped += 1
                continue
            self.verified += 1
            if quote.kind != _OUTCOME:
                one = self._known(one)
            # A number given twice names neither.
            named[quote.number] = None if quote.number in named else one
            found.append((quote, one))
        for quote, one in found:
            earlier = None if quote.replaces is None else named.get(quote.replaces)
            if earlier is not None and earlier.place < one.place:
                _replace(earlier, one, quote.kind)

    def _verify(self, quote: Quote) -> Standing | None:
        text, said, by = self._said.get(quote.message.strip().strip("[]"), (None, "", ""))
        if text is None or by != quote.said_by.strip().lower() or (by != "user" and quote.kind != _OUTCOME):
            return None
        found = find_quote(said, quote.text)
        if found is None:
            return None
        passage, start = found
        section = HELD if quote.kind in _STANDING else OPEN
        statement = Statement(passage, section, 0, by, QUOTED, QUOTED_SURE, 1.0, text.source, text.at)
        return Standing(statement, (self.places[text.source], start))

    def _known(self, one: Standing) -> Standing:
        """Take a quote in; return the one that is there already when it was given before."""
        for other in self.standing:
            if other.place == one.place and other.statement.text == one.statement.text:
                return other
        self.standing.append(one)
        return one


def line_of(statement: Statement, number: int) -> str:
    """Write a numbered quote as a line for the model."""
    source = f" in [{statement.source}]" if statement.source else ""
    return f"{number}. {statement.by}{source}, {'holds' if statement.section == HELD else 'open'}: {statement.line()}"


def _by_speaker(exchange: Exchange) -> Iterable[tuple[Text, str]]:
    yield from ((text, "user") for text in exchange.asked)
    yield from ((text, "assistant") for text in exchange.answered)


def find_quote(said: str, quoted: str) -> tuple[str, int] | None:
    """Find a quote in a text, letter for letter but for white space.

    Args:
        said: The text, in Unicode's form NFC.
        quoted: The quote.

    Returns:
        The whole sentences that it stands in, and the character at which they begin; None when it is not there.
    """
    words = normalize("NFC", quoted).split()
    if len(" ".join(words)) > MAX_QUOTE or not any(character.isalnum() for word in words for character in word):
        return None
    match = re.search(r"\s+".join(re.escape(word) for word in words), said)
    if match is None:
        return None
    start, end = match.span()
    for sentence in split_sentences(said):
        if sentence.start < match.end() and match.start() < sentence.end:
            start, end = min(start, sentence.start), max(end, sentence.end)
    passage = plain(said[start:end])
    return (passage, start) if 0 < len(passage) <= MAX_QUOTE else None


def _replace(earlier: Standing, later: Standing, kind: str) -> None:
    """Let a later quote replace an earlier one; a task cannot take away what is to hold."""
    if kind == _OUTCOME:
        if earlier.statement.section == OPEN:
            outcome = clip(later.statement.text, MAX_OUTCOME)
            earlier.statement = replace(earlier.statement, section=DONE, outcome=outcome)
    elif kind in _STANDING or earlier.statement.section != HELD:
        earlier.replaced = True
