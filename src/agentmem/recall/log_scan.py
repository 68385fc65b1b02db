"""Looking through the log itself for what no index answers, a bounded step at a time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from agentmem.checkpoints.checkpoint import IndexEntry
from agentmem.events.reader import in_order
from agentmem.messages.truncation import handle_of, names_of_tools
from agentmem.messages.turns import without_recall
from agentmem.recall.index_terms import terms_of, wanted_terms

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from strands.types.content import Message

    from agentmem.events.reader import EventReader, Page

__all__ = ["PAGES_A_STEP", "LookBack", "answers"]

PAGES_A_STEP = 20
"""Pages of 100 events that one question reads at the most; the next one like it goes on from there."""

_log = logging.getLogger(__name__)


def answers(message: Message, wanted: AbstractSet[str]) -> bool:
    """Whether a message has every term of a question, and is not the question itself, asked once before.

    Args:
        message: A message.
        wanted: The terms (``terms.wanted_terms``).
    """
    terms = set(terms_of(message))
    if not wanted <= terms:
        return False
    texts = [str(block["text"]) for block in message["content"] if "text" in block]
    return terms != wanted or not texts or not texts[-1].rstrip().endswith(("?", "\uff1f"))


class LookBack:
    """One question's way back through a session's events.

    Attributes:
        query: The question.
        entries: Every message seen that shares a term with it, with the terms they share.
        oldest: The time of the oldest event seen, or None when the beginning of the log was reached.
    """

    def __init__(self, reader: EventReader, query: str) -> None:
        """Begin at the newest event; nothing is read yet."""
        self._reader = reader
        self._wanted = wanted_terms(query)
        self._token: str | None = None
        self._at_end = False
        self.query = query
        self.entries: list[IndexEntry] = []
        self.oldest: datetime | None = None

    def step(self, pages: int = PAGES_A_STEP) -> None:
        """Read on for one step, or until a message has every term of the question.

        Args:
            pages: Pages to read at the most.

        Raises:
            HistoryUnavailableError: The events could not be read.
        """
        for _ in range(pages):
            if self._at_end:
                break
            page = self._reader.page(self._token)
            self._token, self._at_end = page.next_token, page.next_token is None
            if page.events:
                self.oldest = page.events[-1].at
            if self._take(page):
                break
        if self._at_end:
            self.oldest = None
        else:
            _log.info("looked_back_to=<%s> | recall stopped here", self.oldest)

    def _take(self, page: Page) -> bool:
        """Note what a page has to say to the question; return whether one message has all of it."""
        messages = in_order(page.events)
        names = names_of_tools(one.message for one in messages)
        answered = False
        for one in messages:
            said = without_recall(one.message, names)
            shared = self._wanted & set(terms_of(said)) if said is not None else frozenset[str]()
            if shared:
                handle = handle_of(one.message["tracking_id"])
                self.entries.append(IndexEntry(handle, one.position, one.message["role"], tuple(sorted(shared))))
                answered = answered or (said is not None and answers(said, self._wanted))
        return answered
