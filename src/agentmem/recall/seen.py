"""Keeps what one process has seen of a session's log, and reads more of it in few calls.

Everything known is in a passage index: what the checkpoints' indexes say of folded messages, and what pages of events
and the running turn hold. Originals are kept too, the latest used first, so that a question costs one call when
nothing new was written. Both are bounded (`INDEX_BYTES`, `ORIGINAL_BYTES`).
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agentmem.checkpoints.event_log import EventLogCheckpointStore
from agentmem.events.codec import LoggedMessage
from agentmem.events.position import Position
from agentmem.events.reader import in_order
from agentmem.messages.text import message_text
from agentmem.messages.truncation import handle_of
from agentmem.recall.passages import INDEXED_CHARACTERS, index_entry, passages_of, recalls_in, unit_of
from agentmem.recall.ranking import PassageIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from strands.types.content import ContentBlock, Message

    from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey, CheckpointStore, IndexEntry
    from agentmem.checkpoints.checkpoint_items import IndexParts
    from agentmem.events.reader import EventReader, Page
    from agentmem.recall.passages import Passage

INDEX_BYTES, ORIGINAL_BYTES = 11_000_000, 5_000_000
"""Most bytes that one session's recall keeps, 16 MB in all: of the index, and of originals."""

FEW_MESSAGES, FEW_CALLS, MANY_CALLS = 1_500, 6, 10
"""A question may make six calls to the service, of a session that is known to be longer than 1,500 messages ten."""

CALLS_KEPT = 2
"""Of a question's calls, for reading the originals of what the index finds."""

_PARALLEL = 4
_NOWHERE = Position("", 0)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Original:
    """A message that is kept as it was written.

    Attributes:
        message: The message.
        passages: Its text without recalls, cut as it is indexed.
        left_out: The units of recalls in it.
        size: Estimated bytes in memory.
        is_cut: Whether it is longer than what is indexed of a message.
    """

    message: LoggedMessage
    passages: Sequence[Passage]
    left_out: AbstractSet[str]
    size: int
    is_cut: bool

    @property
    def content(self) -> tuple[ContentBlock, ...]:
        """Its blocks without recalls."""
        content = self.message.message["content"]
        return tuple(one for one in content if unit_of(one) not in self.left_out) if self.left_out else tuple(content)

    @property
    def characters(self) -> int:
        """The length of its text."""
        text = message_text(self.message.message) if self.is_cut else ""
        return len(text) or sum(len(one.text) for one in self.passages)


class SeenLog:
    """What is known of a session, and how far back.

    Attributes:
        index: Every known message's passages.
        calls_left: Calls that the question at hand may still make.
        oldest: The time of the oldest event read page by page.
        at_end: Whether the beginning of the log was reached.
    """

    def __init__(self, reader: EventReader, store: CheckpointStore, key: CheckpointKey) -> None:
        """Know nothing yet; nothing is read."""
        self._reader = reader
        self._store = store
        self._key = key
        self._begin()
        self.calls_left = 0

    def forget(self) -> None:
        """Forget everything that was read: the log has changed, as by a redaction."""
        self._begin()

    def _begin(self) -> None:
        self._originals: OrderedDict[str, Original] = OrderedDict()
        self._originals_size = 0
        self._versions: set[Any] = set()
        self._recalls: set[str] = set()
        self._unsent: set[str] = set()
        self._newest: Position | None = None
        self._token: str | None = None
        self._unread_past = True
        self._parts: IndexParts | None = None
        self._boundary: Position | None = None
        self.index = PassageIndex()
        self.oldest: datetime | None = None
        self.at_end = False

    def refresh(self, unsent: Iterable[Message]) -> None:
        """Take in what is new: the running turn, the newest page, what checkpoints indexed, the kept tail."""
        waiting = list(unsent)
        stale = self._unsent
        self._unsent = {handle_of(message["tracking_id"]) for message in waiting}
        self.calls_left = FEW_CALLS
        if not self._is_up_to_date():
            self._read_newest()
        if len(self.index.messages) > FEW_MESSAGES:
            self.calls_left += MANY_CALLS - FEW_CALLS
        self._take([self.unwritten(message) for message in waiting])
        for handle in stale - self._unsent:
            known = self.index.messages.get(handle)
            if known is not None and not known.position.event_id:
                self._drop(handle)
        # Without a checkpoint nothing is indexed, and without the kept tail the newest part is missing.
        while self._parts is None and (self._boundary is None or self._ends_behind(self._boundary)):
            if self.calls_left <= (0 if self._boundary is None else 1) or not self.deepen():
                break

    def _is_up_to_date(self) -> bool:
        """Tell whether nothing was written since the last question, which costs one small call."""
        if self._newest is None:
            return False
        self.calls_left -= 1
        return self._reader.newest_event_id() == self._newest.event_id

    def _read_newest(self) -> None:
        """Read from the newest event back to what is known."""
        known = self._newest
        page = first = self._page(None)
        while known is not None and page.next_token and self.calls_left and not self._reaches(known, page):
            page = self._page(page.next_token)
        if known is not None and not page.next_token and not self._reaches(known, page):
            # Nothing of what is known stands in the log any more: it was forgotten, or has expired.
            self._begin()
            page = first = self._page(None)
            known = None
        if known is None or not self._reaches(known, page):
            self._note_end(page)
        if first.events:
            self._newest = Position(first.events[0].event_id)
        self._read_indexes(first)

    @staticmethod
    def unwritten(message: Message) -> LoggedMessage:
        """Return a message that the log does not have yet as if it were written now."""
        return LoggedMessage(message, _NOWHERE, datetime.now(UTC), "sdk")

    def deepen(self) -> bool:
        """Read one page further back, or a further part of the index; return whether there was one."""
        if self.calls_left <= 0:
            return False
        if self._parts is not None:
            self._next_part()
            return True
        if self.at_end:
            return False
        self._note_end(self._page(self._token))
        return True

    @property
    def has_unread_past(self) -> bool:
        """Whether a part of the log was neither read nor indexed."""
        return self._parts is not None or (not self.at_end and (self._unread_past or self._ends_behind(self._boundary)))

    def original(self, handle: str) -> Original | None:
        """Return a message that is kept, or None."""
        kept = self._originals.get(handle)
        if kept is not None:
            self._originals.move_to_end(handle)
        return kept

    def read(self, handles: Sequence[str]) -> None:
        """Read the originals of indexed messages, by pages where those are fewer calls than single events.

        Args:
            handles: The messages, the most wanted first; what the calls do not suffice for is left out.
        """
        missing = (self.index.messages[handle].position for handle in handles if handle not in self._originals)
        wanted = list(dict.fromkeys(position.event_id for position in missing if position.event_id))
        if not wanted or self.calls_left <= 0:
            return
        end = None if self.oldest is None else self.oldest.timestamp() * 1_000
        unread = {
            one.position.event_id
            for one in self.index.messages.values()
            if end is not None and 0 <= one.milliseconds < end
        }
        pages = -(-len(unread) // 100)
        if 0 < pages <= min(self.calls_left, len(wanted)):
            while any(self._ends_behind(Position(name)) for name in wanted) and self.deepen():
                pass
            kept = {one.message.position.event_id for one in self._originals.values()}
            wanted = [name for name in wanted if name not in kept]
        wanted = wanted[: self.calls_left]
        self.calls_left -= len(wanted)
        with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="agentmem-recall") as pool:
            for event_id, event in zip(wanted, pool.map(self._reader.get, wanted), strict=True):
                if event is None:
                    _log.info("event_id=<%s> | recalled event is gone", event_id)
                    for one in list(self.index.messages.values()):
                        if one.position.event_id == event_id:
                            self.index.discard(one.handle)
                else:
                    self._take(event.messages, at=event_id)

    def _ends_behind(self, position: Position | None) -> bool:
        """Whether reading page by page has not come as far back as a position."""
        if position is None:
            return False
        return not self.at_end and (self.oldest is None or position.milliseconds < self.oldest.timestamp() * 1_000)

    def _page(self, token: str | None) -> Page:
        self.calls_left -= 1
        page = self._reader.page(token)
        self._take(in_order(page.events))
        return page

    def _note_end(self, page: Page) -> None:
        self._token, self.at_end = page.next_token, page.next_token is None
        if page.events:
            self.oldest = page.events[-1].at

    @staticmethod
    def _reaches(known: Position, page: Page) -> bool:
        return any(Position(event.event_id) <= known for event in page.events)

    def _read_indexes(self, newest: Page) -> None:
        """Take in the indexes of checkpoints that are new; a version never changes."""
        checkpoint: Checkpoint | None = None
        if isinstance(self._store, EventLogCheckpointStore):
            checkpoint, parts = self._store.index_parts(newest.events, self._get, self._key, self._versions)
            if checkpoint is not None:
                self._parts = parts
            while self._parts is not None and self.calls_left > CALLS_KEPT:
                self._next_part()
        else:
            for one in self._store.history(self._key):
                checkpoint = checkpoint or one
                if one.version in self._versions:
                    break
                self._versions.add(one.version)
                self._add_indexed(one.index)
        if checkpoint is not None:
            self._boundary = checkpoint.boundary
            self._unread_past = bool(checkpoint.summary.notes)

    def _next_part(self) -> None:
        """Take in one more part of the index that the event log holds."""
        part = next(self._parts, None) if self._parts is not None else None
        if part is None:
            self._parts = None
            return
        event_id, entries = part
        self._versions.add(event_id)
        self._add_indexed(entries)
        if self._parts is not None and self._parts.is_done:
            self._parts = None

    def _get(self, event_id: str) -> Any:
        self.calls_left -= 1
        return self._reader.get(event_id)

    def _add_indexed(self, entries: Iterable[IndexEntry]) -> None:
        for entry in entries:
            known = self.index.messages.get(entry.handle)
            if known is None and self.index.size < INDEX_BYTES:
                self.index.add(entry)

    def _take(self, messages: Sequence[LoggedMessage], at: str | None = None) -> None:
        """Index messages and keep them.

        Args:
            messages: Oldest first.
            at: The event that an index entry named, when another one now stands in its place.
        """
        for one in messages:
            recalls = recalls_in(one.message, self._recalls)
            handle = handle_of(one.message["tracking_id"])
            kept = self.original(handle)
            known = self.index.messages.get(handle)
            if kept is not None and kept.message.message["content"] == one.message["content"]:
                if one.position.event_id and not kept.message.position.event_id:
                    self._keep(handle, one, kept.passages, kept.left_out)
                    if known is not None:
                        self.index.place(handle, one.position)
                continue
            if kept is not None and self._is_older(one, kept.message, handle):
                continue
            if known is not None and kept is None and known.position == one.position:
                # The checkpoint's index has its terms, and knows which of its units are recalls.
                left_out = frozenset(map(unit_of, one.message["content"])) - self.index.units_of(handle) - {""}
                self._keep(handle, one, passages_of(one.message, left_out), left_out)
                continue
            if known is None and at is not None:
                # Plain text has no tracking id of its own; an event written anew gives it another handle.
                self._discard_at(Position(at, one.position.item))
            passages = passages_of(one.message, recalls)
            entry = index_entry(one.message, one.position, recalls, passages)
            if entry is None:
                self._drop(handle)
                continue
            self._keep(handle, one, passages, recalls)
            self.index.add(entry)

    def _is_older(self, one: LoggedMessage, kept: LoggedMessage, handle: str) -> bool:
        """Tell whether what is kept is newer: a redaction that is on its way, or the later of two writings."""
        if not one.position.event_id:
            return False
        return one.position < kept.position if kept.position.event_id else handle in self._unsent

    def _discard_at(self, position: Position) -> None:
        for old in list(self.index.messages.values()):
            if old.position == position:
                self.index.discard(old.handle)

    def _keep(self, handle: str, one: LoggedMessage, passages: Sequence[Passage], left_out: AbstractSet[str]) -> None:
        self._forget(handle)
        length = sum(len(passage.text) for passage in passages)
        # A message of the running turn is held by the agent anyway.
        size = _size_of(one.message["content"]) + 600 if one.position.event_id else 0
        size += 120 * len(passages) + 2 * length
        self._originals[handle] = Original(one, passages, left_out, size, length >= INDEXED_CHARACTERS)
        self._originals_size += size
        while self._originals_size > ORIGINAL_BYTES and len(self._originals) > 1:
            self._forget(next(iter(self._originals)))

    def _drop(self, handle: str) -> None:
        self.index.discard(handle)
        self._forget(handle)

    def _forget(self, handle: str) -> None:
        kept = self._originals.pop(handle, None)
        self._originals_size -= 0 if kept is None else kept.size


def _size_of(value: Any) -> int:
    """Estimate the bytes of a JSON-like value in memory."""
    if isinstance(value, str):
        return 60 + len(value) * (1 if value.isascii() else 2)
    if isinstance(value, bytes):
        return 40 + len(value)
    if isinstance(value, dict):
        return 240 + sum(_size_of(key) + _size_of(item) for key, item in value.items())
    if isinstance(value, list):
        return 60 + sum(map(_size_of, value))
    return 32
