"""Gives back, word for word, messages of a session, those that were shortened or folded away included.

Recall sees one session of one actor. By handle it costs one index look-up and one GetEvent. By words it takes in what
is new (`seen`), ranks passages (`ranking`), reads the originals of the best in as few calls as that takes, and packs
them into the answer (`recalled`).
"""

from __future__ import annotations

import logging
import re
import threading
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, cast

from agentmem.events.reader import in_order
from agentmem.messages.text import message_text
from agentmem.messages.tokens import count_text
from agentmem.messages.truncation import handle_of, names_of_tools, numbered_blocks
from agentmem.messages.turns import turns_of, without_recall
from agentmem.recall.question import read_question
from agentmem.recall.recalled import Answer, RecalledMessage
from agentmem.recall.seen import CALLS_KEPT, SeenLog
from agentmem.support import telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from strands.types.content import Message

    from agentmem.checkpoints.checkpoint import CheckpointKey, CheckpointStore
    from agentmem.events.codec import LoggedMessage
    from agentmem.events.position import Position
    from agentmem.events.reader import EventReader
    from agentmem.recall.question import Question
    from agentmem.recall.ranking import Hit

__all__ = ["RecalledMessage", "SessionRecall"]

PAGES_OF_THE_LOG = 20
"""Pages of 100 events that are looked through for a handle that no index has."""

_HANDLE = re.compile(r"[0-9a-f]{12}")
_log = logging.getLogger(__name__)


class SessionRecall:
    """Finds messages of one session again.

    Attributes:
        looked_back_to: Where the last recall by words stopped before it had seen the whole session; asking again looks
            further back. None when it has seen everything, or needed no more.
        has_more: Whether more passages match the last question than the answer had room for; asking the same question
            again returns the next ones.
    """

    def __init__(
        self,
        reader: EventReader,
        store: CheckpointStore,
        key: CheckpointKey,
        *,
        unsent: Callable[[], Iterable[Message]] = tuple,
    ) -> None:
        """Recall from a session.

        Args:
            reader: The session's events.
            store: Where its checkpoints are.
            key: Whose checkpoints.
            unsent: Messages of the turn in progress, which the log does not have yet.
        """
        self._reader = reader
        self._store = store
        self._key = key
        self._unsent = unsent
        self._seen = SeenLog(reader, store, key)
        self._lock = threading.Lock()
        self._asked = ""
        self._shown: set[tuple[str, int]] = set()
        self.looked_back_to: datetime | None = None
        self.has_more = False

    def forget(self) -> None:
        """Forget what was read, because the log has changed: something in it was redacted."""
        with self._lock:
            self._seen.forget()

    def by_handle(self, handle: str) -> RecalledMessage | None:
        """Return the message, or the one block, a handle names.

        Args:
            handle: 12 hex digits, optionally ``.`` and the number of a block.

        Returns:
            The original, or None when this session has no such handle or its event is gone.

        Raises:
            HistoryUnavailableError: The events could not be read.
            CheckpointStoreError: The index could not be read.
        """
        with telemetry.timed("recall.duration", by="handle"), telemetry.span("recall", by="handle") as span:
            with self._lock:
                found = self._by_handle(handle)
            telemetry.describe(span, found=int(found is not None), tokens=count_text(found.text) if found else 0)
        telemetry.count("recalls", by="handle")
        return found

    def _by_handle(self, handle: str) -> RecalledMessage | None:
        name, _, number = handle.strip().strip("`\"'").partition(".")
        block = int(number) if number.isdigit() else None
        waiting = list(self._unsent())
        names = names_of_tools(waiting)
        for message in waiting:
            if handle_of(message["tracking_id"]) == name:
                return _part(self._seen.unwritten(message), names, block)
        position = self._position(name)
        if position is None:
            entry = self._store.find(self._key, name)
            position = None if entry is None else entry.position
        if position is None:
            self._seen.refresh(waiting)
            position = self._position(name)
        # A turn of another writer's may have come late, behind what every checkpoint has indexed.
        return self._in_log(name, block) if position is None else self._fetch(name, position, block)

    def _in_log(self, handle: str, block: int | None) -> RecalledMessage | None:
        if not _HANDLE.fullmatch(handle):
            return None
        for page in islice(self._reader.pages(), PAGES_OF_THE_LOG):
            messages = in_order(page)
            found = next((one for one in messages if handle_of(one.message["tracking_id"]) == handle), None)
            if found is not None:
                return _part(found, names_of_tools(one.message for one in messages), block)
        return None

    def _position(self, handle: str) -> Position | None:
        known = self._seen.index.messages.get(handle)
        return known.position if known is not None and known.position.event_id else None

    def _fetch(self, handle: str, position: Position, block: int | None) -> RecalledMessage | None:
        event = self._reader.get(position.event_id)
        if event is None:
            _log.info("event_id=<%s> | recalled event is gone", position.event_id)
            return None
        names = names_of_tools(one.message for one in event.messages)
        by_handle = [one for one in event.messages if handle_of(one.message["tracking_id"]) == handle]
        # A message without a tracking id of its own is known by its place.
        by_item = [one for one in event.messages if one.position.item == position.item]
        return next((_part(one, names, block) for one in (*by_handle, *by_item)), None)

    def by_words(
        self, query: str, *, max_tokens: int = 2_000, asked: bool = False, explain: bool = False
    ) -> list[RecalledMessage]:
        """Return the messages that answer a question best, or the passages of them that do.

        The passages of several messages fill the budget. When more match than there is room for, the same question
        asked again returns the next ones, and after the last it begins anew. At most six calls to the service are
        made, of a session of more than 1,500 messages ten, and one when nothing new was written.

        Args:
            query: A question or some words of the message, in any language.
            max_tokens: Tokens all results may have together. A result that is larger is cut to its best passages.
            asked: The agent asks in the middle of its turn: the user's message of that turn, which it has before it
                and which may well be the question, is no answer.
            explain: Say in ``RecalledMessage.why`` why each passage is there.

        Returns:
            Messages, each once, the one with the best passage first; empty when nothing matches.

        Raises:
            HistoryUnavailableError: The events could not be read.
            CheckpointStoreError: The indexes could not be read.
        """
        with telemetry.timed("recall.duration", by="words"), telemetry.span("recall", by="words") as span:
            with self._lock:
                found = self._by_words(query, max_tokens, asked=asked, explain=explain)
            telemetry.describe(span, found=len(found), tokens=sum(count_text(one.text) for one in found))
        telemetry.count("recalls", by="words")
        return found

    def _by_words(self, query: str, max_tokens: int, *, asked: bool, explain: bool) -> list[RecalledMessage]:
        if query.split() != self._asked.split():
            self._shown.clear()
        waiting = list(self._unsent())
        self._seen.refresh(waiting)
        question = self._question(query)
        left_out = _opening(waiting) if asked else frozenset[str]()
        hits = self._hits(question, left_out)
        while (
            self._seen.has_unread_past
            and not self._seen.index.covers(question, hits)
            and self._seen.calls_left > CALLS_KEPT
            and self._seen.deepen()
        ):
            question = self._question(query)  # what was read may be in another language
            hits = self._hits(question, left_out)
        if self._read_originals(hits, max_tokens):
            hits = self._hits(question, left_out)
        answer = self._filled(hits, max_tokens)
        if not answer.shown and self._shown:
            self._shown.clear()
            answer = self._filled(hits, max_tokens)
        self._asked = query
        self.has_more = answer.is_cut
        if answer.is_cut:
            self._shown |= answer.shown
        else:
            self._shown.clear()
        unread = self._seen.has_unread_past and not self._seen.index.covers(question, hits)
        self.looked_back_to = self._seen.oldest if unread else None
        quoted = " ".join(query.casefold().split())
        found = answer.messages(max_tokens, explain=explain)
        return sorted(found, key=lambda one: quoted not in " ".join(one.text.casefold().split()))  # its own words first

    def _question(self, query: str) -> Question:
        languages = [language for language, count in self._seen.index.languages.most_common(6) if count]
        return read_question(query, languages, datetime.now(UTC))

    def _hits(self, question: Question, left_out: AbstractSet[str]) -> list[Hit]:
        return [hit for hit in self._seen.index.rank(question) if hit.message.handle not in left_out]

    def _read_originals(self, hits: Sequence[Hit], max_tokens: int) -> bool:
        """Read the originals of the best hits, as many as an answer has room for; return whether the index changed."""
        index = self._seen.index
        handles: dict[str, None] = {}
        room = 2 * max_tokens
        for hit in index.with_calls(hits):
            if (hit.message.handle, hit.number) in self._shown:
                continue
            handles[hit.message.handle] = None
            room -= index.tokens_of(hit)
            if room < 0:
                break
        changes = index.changes
        self._seen.read(list(handles))
        return index.changes != changes

    def _filled(self, hits: Sequence[Hit], max_tokens: int) -> Answer:
        answer = Answer(max_tokens)
        fresh = [hit for hit in hits if (hit.message.handle, hit.number) not in self._shown]
        answer.fill(self._seen.index.with_calls(fresh), self._seen.original)
        return answer


def _part(one: LoggedMessage, names: dict[str, str], block: int | None) -> RecalledMessage | None:
    """Return a message, or the one block of that number where it has one, without recalls and their answers."""
    chosen = None if block is None else dict(numbered_blocks(one.message)).get(block)
    message = one.message if chosen is None else cast("Message", {**one.message, "content": [chosen]})
    said = without_recall(message, names)
    if said is None:
        return None
    handle = handle_of(one.message["tracking_id"])
    return RecalledMessage(
        message_text(said), said["role"], one.position.event_id, one.at, handle, tuple(said["content"])
    )


def _opening(waiting: Sequence[Message]) -> frozenset[str]:
    """Return the handles of the user's own messages that opened the turn in progress."""
    turns = turns_of(waiting)
    opening = waiting[turns[-1].start : turns[-1].opening_end] if turns else ()
    return frozenset(handle_of(message["tracking_id"]) for message in opening)
