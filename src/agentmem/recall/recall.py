"""Giving back, word for word, what was shortened or folded away.

Recall sees one session of one actor: its checkpoints' indexes, its kept tail, and its events. By handle it costs one
index look-up and one GetEvent. By words it ranks the indexes and fetches the best; when that does not answer every term
of a question, it looks through the log itself, a bounded step each time, and says how far it got.
"""

from __future__ import annotations

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, cast

from agentmem.checkpoints.checkpoint import IndexEntry
from agentmem.checkpoints.restore import read_session
from agentmem.events.codec import LoggedMessage
from agentmem.events.position import Position
from agentmem.events.reader import in_order
from agentmem.messages.text import message_text
from agentmem.messages.tokens import count_text
from agentmem.messages.truncation import handle_of, names_of_tools, numbered_blocks
from agentmem.messages.turns import turns_of, without_recall
from agentmem.recall.index_terms import key_terms, rank, wanted_terms
from agentmem.recall.log_scan import PAGES_A_STEP, LookBack, answers
from agentmem.recall.recalled import RecalledMessage, passage_of
from agentmem.support import telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from strands.types.content import Message

    from agentmem.checkpoints.checkpoint import CheckpointKey, CheckpointStore
    from agentmem.checkpoints.restore import RestoredSession
    from agentmem.events.reader import EventReader

__all__ = ["RecalledMessage", "SessionRecall"]

MOST_FETCHED = 12
"""Originals fetched for one question. The best few answer it; more only cost calls."""

MOST_EVENTS = 2_000
"""Events of a session without a checkpoint that recall reads at once; 20 pages."""

_HANDLE = re.compile(r"[0-9a-f]{12}")
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
        pages_a_step: int = PAGES_A_STEP,
    ) -> None:
        """Recall from a session.

        Args:
            reader: The session's events.
            store: Where its checkpoints are.
            key: Whose checkpoints.
            unsent: Messages of the turn in progress, which the log does not have yet.
            pages_a_step: Pages of the log that one question may look through when no index answers it.
        """
        self._reader = reader
        self._store = store
        self._key = key
        self._unsent = unsent
        self._pages_a_step = pages_a_step
        self._indexes: dict[tuple[int, datetime], tuple[IndexEntry, ...]] = {}
        self._looking: LookBack | None = None
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
        with telemetry.timed("recall.duration", by="handle"), telemetry.span("recall", by="handle") as span:
            found = self._by_handle(handle)
            telemetry.describe(span, found=int(found is not None), tokens=count_text(found.text) if found else 0)
        telemetry.count("recalls", by="handle")
        return found

    def _by_handle(self, handle: str) -> RecalledMessage | None:
        name, _, number = handle.strip().strip("`\"'").partition(".")
        block = int(number) if number.isdigit() else None
        waiting = _called(name, self._unwritten(), block)
        if waiting is not None:
            return _recalled(waiting)
        looked_at = self._looking.entries if self._looking is not None else []
        entry = self._store.find(self._key, name) or next((one for one in looked_at if one.handle == name), None)
        found = self._fetch(entry, block) if entry is not None else _called(name, self._read().messages, block)
        if found is None and entry is None:
            found = self._in_log(name, block)  # a turn of another writer's that no checkpoint knows of
        return None if found is None else _recalled(found)

    def _in_log(self, name: str, block: int | None) -> LoggedMessage | None:
        """Look for a handle in the log itself, as far back as one question by words would."""
        if not _HANDLE.fullmatch(name):
            return None
        for page in islice(self._reader.pages(), self._pages_a_step):
            found = _called(name, in_order(page), block)
            if found is not None:
                return found
        return None

    def by_words(self, query: str, *, max_tokens: int = 2_000, asked: bool = False) -> list[RecalledMessage]:
        """Return the messages that answer a question best, best first.

        Args:
            query: A question or some words of the message.
            max_tokens: Tokens all results may have together. Of a first result larger than that the passage that
                answers best is returned.
            asked: The agent asks in the middle of its turn: the user's message of that turn, which it has before it
                and which may well be the question, is no answer.

        Returns:
            Originals, each once; empty when nothing matches.

        Raises:
            HistoryUnavailableError: The events could not be read.
            CheckpointStoreError: The indexes could not be read.
        """
        with telemetry.timed("recall.duration", by="words"), telemetry.span("recall", by="words") as span:
            found = self._by_words(query, max_tokens, asked=asked)
            telemetry.describe(span, found=len(found), tokens=sum(count_text(one.text) for one in found))
        telemetry.count("recalls", by="words")
        return found

    def _by_words(self, query: str, max_tokens: int, *, asked: bool) -> list[RecalledMessage]:
        wanted = wanted_terms(query)
        tail = {handle_of(one.message["tracking_id"]): one for one in self._tail(asked=asked)}
        entries = {entry.handle: entry for entry in self._indexed()} | {
            handle: _entry(one) for handle, one in tail.items()
        }
        found = self._best(query, list(entries.values()), tail)
        self.looked_back_to = None
        if not any(answers(one.message, wanted) for one in found):
            # An index keeps only some terms of a long text, and none of a past that nobody read.
            for entry in self._look_back(query):
                known = entries.get(entry.handle, entry)
                entries[entry.handle] = replace(known, terms=(*known.terms, *entry.terms))
            found = self._best(query, list(entries.values()), tail)
        return _within(found, query, max_tokens)

    def _best(
        self, query: str, entries: Sequence[IndexEntry], tail: Mapping[str, LoggedMessage]
    ) -> list[LoggedMessage]:
        """Return the originals that answer best, best first."""
        best = [entries[at] for at in rank(query, [(entry.position.event_id, entry.terms) for entry in entries])]
        with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="agentmem-recall") as pool:
            found = list(pool.map(lambda entry: tail.get(entry.handle) or self._fetch(entry), best[:MOST_FETCHED]))
        originals = [one for one in found if one is not None]
        words = " ".join(query.casefold().split())
        # Terms find the candidates; a message that has the very words comes before one that has only the terms.
        originals.sort(key=lambda one: words not in " ".join(message_text(one.message).casefold().split()))
        return originals

    def _look_back(self, query: str) -> list[IndexEntry]:
        """Look through the log for what the indexes do not answer; the same question again looks further back."""
        if self._looking is None or self._looking.query != query:
            self._looking = LookBack(self._reader, query)
        self._looking.step(self._pages_a_step)
        self.looked_back_to = self._looking.oldest
        return self._looking.entries

    def _indexed(self) -> list[IndexEntry]:
        """Return what every checkpoint indexed, oldest first; a version is read once, because it never changes."""
        for checkpoint in self._store.history(self._key):
            # Of two writers that race in the event log both may have saved one of this version.
            name = (checkpoint.version, checkpoint.created_at)
            if name in self._indexes:
                break
            self._indexes[name] = checkpoint.index
        return [entry for name in sorted(self._indexes) for entry in self._indexes[name]]

    def _tail(self, *, asked: bool) -> list[LoggedMessage]:
        unwritten = self._unwritten()
        turns = turns_of([one.message for one in unwritten]) if asked else []
        if turns:
            del unwritten[turns[-1].start : turns[-1].opening_end]
        return _own_parts([*self._read().messages, *unwritten])

    def _read(self) -> RestoredSession:
        # A session nobody compacts has no boundary to stop at.
        return read_session(self._reader, self._store, self._key, enough=lambda events: len(events) >= MOST_EVENTS)

    def _unwritten(self) -> list[LoggedMessage]:
        now = datetime.now(UTC)
        return [LoggedMessage(message, Position("", 0), now, "sdk") for message in self._unsent()]

    def _fetch(self, entry: IndexEntry, block: int | None = None) -> LoggedMessage | None:
        event = self._reader.get(entry.position.event_id)
        if event is None:
            _log.info("event_id=<%s> | recalled event is gone", entry.position.event_id)
            return None
        by_handle = _called(entry.handle, event.messages, block)
        by_item = [one for one in _own_parts(event.messages, block) if one.position.item == entry.position.item]
        return by_handle or next(iter(by_item), None)


def _called(name: str, messages: Sequence[LoggedMessage], block: int | None) -> LoggedMessage | None:
    """Return the message of a handle."""
    own = _own_parts(messages, block)
    return next((one for one in own if handle_of(one.message["tracking_id"]) == name), None)


def _own_parts(messages: Sequence[LoggedMessage], block: int | None = None) -> list[LoggedMessage]:
    """Return the messages, or of each the one block of that number where it has one, without recalls and answers."""
    names = names_of_tools(one.message for one in messages)
    parts: list[LoggedMessage] = []
    for one in messages:
        chosen = None if block is None else dict(numbered_blocks(one.message)).get(block)
        message = one.message if chosen is None else cast("Message", {**one.message, "content": [chosen]})
        said = without_recall(message, names)
        if said is not None:
            parts.append(one if said is one.message else replace(one, message=said))
    return parts


def _entry(one: LoggedMessage) -> IndexEntry:
    handle = handle_of(one.message["tracking_id"])
    return IndexEntry(handle, one.position, one.message["role"], tuple(key_terms(one.message, _TAIL_TERMS)))


def _recalled(one: LoggedMessage) -> RecalledMessage:
    message = one.message
    handle = handle_of(message["tracking_id"])
    content = tuple(message["content"])
    return RecalledMessage(message_text(message), message["role"], one.position.event_id, one.at, handle, content)


def _within(originals: list[LoggedMessage], query: str, max_tokens: int) -> list[RecalledMessage]:
    results: list[RecalledMessage] = []
    left = max_tokens
    for one in originals:
        result = _recalled(one)
        tokens = count_text(result.text)
        if tokens > left and results:
            continue
        if tokens > left:
            result = replace(result, text=passage_of(result, query, left))
            tokens = count_text(result.text)
        results.append(result)
        left -= tokens
    return results
