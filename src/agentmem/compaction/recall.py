"""Giving back, word for word, what was shortened or folded away.

Recall sees one session of one actor: its checkpoints' indexes, its kept tail, and its events. By handle it costs one
index look-up and one GetEvent. By words it ranks the indexes and fetches the best; where nobody has indexed a session's
past, it looks further back a bounded step each time, and says how far it got.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agentmem import telemetry
from agentmem.compaction.checkpoint import IndexEntry
from agentmem.compaction.recalled import RecalledMessage, message_text, passage_of, recalled
from agentmem.compaction.restore import read_session
from agentmem.compaction.terms import covers, key_terms, rank
from agentmem.compaction.tokens import count_text
from agentmem.compaction.truncation import handle_of, names_of_tools
from agentmem.compaction.turns import without_recall
from agentmem.compaction.unread import UnreadPast
from agentmem.events.codec import LoggedMessage
from agentmem.events.position import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from strands.types.content import Message

    from agentmem.compaction.checkpoint import CheckpointKey, CheckpointStore
    from agentmem.compaction.restore import RestoredSession
    from agentmem.events.codec import DecodedEvent
    from agentmem.events.reader import EventReader

__all__ = ["RecalledMessage", "SessionRecall", "message_text"]

MOST_FETCHED = 12
"""Originals fetched for one question. The best few answer it; more only cost calls."""

MOST_EVENTS = 2_000
"""Events of a session without a checkpoint that recall reads at once; 20 pages."""

_TAIL_TERMS = 200
_PARALLEL = 4
_log = logging.getLogger(__name__)


class SessionRecall:
    """Finds messages of one session again.

    Attributes:
        looked_back_to: Where the last recall by words stopped before it had seen the whole session; asking again looks
            further back. None when it has seen everything, or needed no more.
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
        self._indexes: dict[int, tuple[IndexEntry, ...]] = {}
        self._past = UnreadPast(reader)
        self.looked_back_to: datetime | None = None

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
        with telemetry.span("recall", by="handle") as span:
            found = self._by_handle(handle)
            telemetry.describe(span, found=int(found is not None), tokens=count_text(found.text) if found else 0)
        telemetry.count("recalls", by="handle")
        return found

    def _by_handle(self, handle: str) -> RecalledMessage | None:
        name, _, block = handle.strip().strip("`\"'").partition(".")
        number = int(block) if block.isdigit() else None
        for message in self._unsent():
            if handle_of(message["tracking_id"]) == name:
                return recalled(message, "", datetime.now(UTC), number)
        entry = self._store.find(self._key, name)
        found = self._fetch(entry) if entry is not None else self._in_tail(name)
        return None if found is None else recalled(found.message, found.position.event_id, found.at, number)

    def by_words(self, query: str, *, max_tokens: int = 2_000) -> list[RecalledMessage]:
        """Return the messages that answer a question best, best first.

        Args:
            query: A question or some words of the message.
            max_tokens: Tokens all results may have together. Of a first result larger than that the passage that
                answers best is returned.

        Returns:
            Originals, each once; empty when nothing matches.

        Raises:
            HistoryUnavailableError: The events could not be read.
            CheckpointStoreError: The indexes could not be read.
        """
        with telemetry.span("recall", by="words") as span:
            found = self._by_words(query, max_tokens)
            telemetry.describe(span, found=len(found), tokens=sum(count_text(one.text) for one in found))
        telemetry.count("recalls", by="words")
        return found

    def _by_words(self, query: str, max_tokens: int) -> list[RecalledMessage]:
        session = self._read()
        tail = {handle_of(one.message["tracking_id"]): one for one in self._tail(session)}
        entries = {entry.handle: entry for entry in self._indexed()}
        oldest = min((entry.position for entry in entries.values()), default=None)
        entries |= {handle: _entry(one) for handle, one in tail.items()}
        best = _ranked(query, list(entries.values()))
        self.looked_back_to = None
        if self._past.is_there(session) and not (best and covers(query, best[0].terms)):
            self.looked_back_to = self._past.look_further(session, older_than=oldest)
            best = _ranked(query, [*self._past.entries, *entries.values()])
        with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="agentmem-recall") as pool:
            found = list(pool.map(lambda entry: tail.get(entry.handle) or self._fetch(entry), best[:MOST_FETCHED]))
        originals = [one for one in found if one is not None]
        wanted = " ".join(query.casefold().split())
        # Terms find the candidates; a message that has the very words comes before one that has only the terms.
        originals.sort(key=lambda one: wanted not in " ".join(message_text(one.message).casefold().split()))
        return _within(originals, query, max_tokens)

    def _indexed(self) -> list[IndexEntry]:
        """Return what every checkpoint indexed, oldest first; a version is read once, because it never changes."""
        for checkpoint in self._store.history(self._key):
            if checkpoint.version in self._indexes:
                break
            self._indexes[checkpoint.version] = checkpoint.index
        return [entry for version in sorted(self._indexes) for entry in self._indexes[version]]

    def _tail(self, session: RestoredSession) -> list[LoggedMessage]:
        return _without_recalls([*session.messages, *self._unwritten()])

    def _read(self) -> RestoredSession:
        # A session nobody compacts has no boundary to stop at.
        return read_session(self._reader, self._store, self._key, enough=lambda events: len(events) >= MOST_EVENTS)

    def _unwritten(self) -> list[LoggedMessage]:
        now = datetime.now(UTC)
        return [LoggedMessage(message, Position("", 0), now, "sdk") for message in self._unsent()]

    def _in_tail(self, handle: str) -> LoggedMessage | None:
        tail = self._tail(self._read())
        return next((one for one in tail if handle_of(one.message["tracking_id"]) == handle), None)

    def _fetch(self, entry: IndexEntry) -> LoggedMessage | None:
        event = self._reader.get(entry.position.event_id)
        if event is None:
            _log.info("event_id=<%s> | recalled event is gone", entry.position.event_id)
            return None
        return _message_at(event, entry)


def _ranked(query: str, entries: Sequence[IndexEntry]) -> list[IndexEntry]:
    return [entries[at] for at in rank(query, [(entry.role, entry.terms) for entry in entries])]


def _without_recalls(messages: Sequence[LoggedMessage]) -> list[LoggedMessage]:
    names = names_of_tools(one.message for one in messages)
    own = ((one, without_recall(one.message, names)) for one in messages)
    return [one if message is one.message else replace(one, message=message) for one, message in own if message]


def _message_at(event: DecodedEvent, entry: IndexEntry) -> LoggedMessage | None:
    messages = _without_recalls(event.messages)
    by_handle = [one for one in messages if handle_of(one.message["tracking_id"]) == entry.handle]
    by_item = [one for one in messages if one.position.item == entry.position.item]
    return next(iter(by_handle or by_item), None)


def _entry(one: LoggedMessage) -> IndexEntry:
    handle = handle_of(one.message["tracking_id"])
    return IndexEntry(handle, one.position, one.message["role"], tuple(key_terms(one.message, _TAIL_TERMS)))


def _within(originals: list[LoggedMessage], query: str, max_tokens: int) -> list[RecalledMessage]:
    results: list[RecalledMessage] = []
    left = max_tokens
    for one in originals:
        result = recalled(one.message, one.position.event_id, one.at)
        tokens = count_text(result.text)
        if tokens > left and results:
            continue
        if tokens > left:
            result = replace(result, text=passage_of(result, query, left))
            tokens = count_text(result.text)
        results.append(result)
        left -= tokens
    return results
