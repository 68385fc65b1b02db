"""Giving back, word for word, what was shortened or folded away.

Recall sees one session of one actor: its checkpoints' indexes, its kept tail, and its events. By handle it costs one
index look-up and one GetEvent. By words it ranks the indexes and fetches the best.
"""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agentmem import telemetry
from agentmem.compaction.checkpoint import IndexEntry
from agentmem.compaction.restore import read_session
from agentmem.compaction.terms import key_terms, rank
from agentmem.compaction.tokens import count_text
from agentmem.compaction.truncation import handle_of, names_of_tools
from agentmem.compaction.turns import is_recall
from agentmem.events.codec import LoggedMessage
from agentmem.events.position import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from strands.types.content import Message

    from agentmem.compaction.checkpoint import CheckpointKey, CheckpointStore
    from agentmem.compaction.restore import RestoredSession
    from agentmem.events.codec import DecodedEvent
    from agentmem.events.reader import EventReader

__all__ = ["RecalledMessage", "SessionRecall", "message_text"]

MOST_FETCHED = 12
"""Originals fetched for one question. The best few answer it; more only cost calls."""

MOST_EVENTS = 2_000
"""Events of a session without a checkpoint that recall looks back at; 20 pages."""

_PARALLEL = 4
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RecalledMessage:
    """One message as it was written.

    Attributes:
        text: Its text; tool uses and results in a readable form.
        role: ``user`` or ``assistant``.
        event_id: The event that holds it; empty for a message that is not written yet.
        at: When it was written, UTC.
        handle: Its handle, by which it can be asked for again.
    """

    text: str
    role: str
    event_id: str
    at: datetime
    handle: str = ""


class SessionRecall:
    """Finds messages of one session again."""

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
            telemetry.describe(span, found=int(found is not None))
        telemetry.count("recalls", by="handle")
        return found

    def _by_handle(self, handle: str) -> RecalledMessage | None:
        name, _, block = handle.strip().strip("`\"'").partition(".")
        number = int(block) if block.isdigit() else None
        for message in self._unsent():
            if handle_of(message["tracking_id"]) == name:
                return _recalled(message, "", datetime.now(UTC), number)
        entry = self._store.find(self._key, name)
        found = self._fetch(entry) if entry is not None else self._in_tail(name)
        return None if found is None else _recalled(found.message, found.position.event_id, found.at, number)

    def by_words(self, query: str, *, max_tokens: int = 2_000) -> list[RecalledMessage]:
        """Return the messages that answer a question best, best first.

        Args:
            query: A question or some words of the message.
            max_tokens: Tokens all results may have together. A first result larger than that is cut to it.

        Returns:
            Originals, each once; empty when nothing matches.

        Raises:
            HistoryUnavailableError: The events could not be read.
            CheckpointStoreError: The indexes could not be read.
        """
        with telemetry.span("recall", by="words") as span:
            found = self._by_words(query, max_tokens)
            telemetry.describe(span, found=len(found))
        telemetry.count("recalls", by="words")
        return found

    def _by_words(self, query: str, max_tokens: int) -> list[RecalledMessage]:
        tail = {handle_of(one.message["tracking_id"]): one for one in self._tail()}
        entries = {entry.handle: entry for entry in self._indexed()} | {
            handle: _entry(one) for handle, one in tail.items()
        }
        candidates = list(entries.values())
        best = [candidates[at] for at in rank(query, [(one.role, one.terms) for one in candidates])]
        with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="agentmem-recall") as pool:
            found = list(pool.map(lambda entry: tail.get(entry.handle) or self._fetch(entry), best[:MOST_FETCHED]))
        originals = [one for one in found if one is not None]
        wanted = " ".join(query.casefold().split())
        # Terms find the candidates; a message that has the very words comes before one that has only the terms.
        originals.sort(key=lambda one: wanted not in " ".join(message_text(one.message).casefold().split()))
        return _within(originals, max_tokens)

    def _indexed(self) -> list[IndexEntry]:
        """Return what every checkpoint indexed, oldest first; a version is read once, because it never changes."""
        for checkpoint in self._store.history(self._key):
            if checkpoint.version in self._indexes:
                break
            self._indexes[checkpoint.version] = checkpoint.index
        return [entry for version in sorted(self._indexes) for entry in self._indexes[version]]

    def _tail(self) -> list[LoggedMessage]:
        kept = [*self._read().messages, *self._unwritten()]
        names = names_of_tools(one.message for one in kept)
        return [one for one in kept if not is_recall(one.message, names)]

    def _read(self) -> RestoredSession:
        # A session nobody compacts has no boundary to stop at.
        session = read_session(self._reader, self._store, self._key, enough=lambda events: len(events) >= MOST_EVENTS)
        if session.unread:
            _log.info("session=<%s>, events=<%d> | recall looked no further back", self._key.session_id, MOST_EVENTS)
        return session

    def _unwritten(self) -> list[LoggedMessage]:
        now = datetime.now(UTC)
        return [LoggedMessage(message, Position("", 0), now, "sdk") for message in self._unsent()]

    def _in_tail(self, handle: str) -> LoggedMessage | None:
        return next((one for one in self._tail() if handle_of(one.message["tracking_id"]) == handle), None)

    def _fetch(self, entry: IndexEntry) -> LoggedMessage | None:
        event = self._reader.get(entry.position.event_id)
        if event is None:
            _log.info("event_id=<%s> | recalled event is gone", entry.position.event_id)
            return None
        return _message_at(event, entry)


def message_text(message: Message) -> str:
    """Return a message as text: its texts, its tool uses as calls, its tool results as what they say."""
    return "\n".join(part for block in message["content"] if (part := _block_text(block)))


def _message_at(event: DecodedEvent, entry: IndexEntry) -> LoggedMessage | None:
    by_handle = [one for one in event.messages if handle_of(one.message["tracking_id"]) == entry.handle]
    by_item = [one for one in event.messages if one.position.item == entry.position.item]
    return next(iter(by_handle or by_item), None)


def _entry(one: LoggedMessage) -> IndexEntry:
    handle = handle_of(one.message["tracking_id"])
    return IndexEntry(handle, one.position, one.message["role"], tuple(key_terms(one.message, 200)))


def _recalled(message: Message, event_id: str, at: datetime, block: int | None) -> RecalledMessage:
    blocks = [item for item in message["content"] if "reasoningContent" not in item]
    text = message_text(message)
    if block is not None and block < len(blocks):
        text = _block_text(blocks[block])
    return RecalledMessage(text, message["role"], event_id, at, handle_of(message["tracking_id"]))


def _within(originals: list[LoggedMessage], max_tokens: int) -> list[RecalledMessage]:
    results: list[RecalledMessage] = []
    left = max_tokens
    for one in originals:
        result = _recalled(one.message, one.position.event_id, one.at, None)
        tokens = count_text(result.text)
        if tokens > left and results:
            continue
        if tokens > left:
            cut = result.text[: max(left * len(result.text) // max(tokens, 1), 1)]
            result = RecalledMessage(cut, result.role, result.event_id, result.at, result.handle)
        results.append(result)
        left -= tokens
    return results


def _block_text(block: Mapping[str, Any]) -> str:
    if "text" in block:
        return str(block["text"])
    if "toolUse" in block:
        use = block["toolUse"]
        return f"{use['name']}({json.dumps(use.get('input'), ensure_ascii=False, default=str)})"
    if "toolResult" in block:
        return "\n".join(_block_text(item) for item in block["toolResult"].get("content", ()))
    if "json" in block:
        return json.dumps(block["json"], ensure_ascii=False, default=str)
    if "reasoningContent" in block:
        return ""
    return f"[{next(iter(block), 'empty')}]"
