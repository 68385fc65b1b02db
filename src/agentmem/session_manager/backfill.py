"""Folds the past of a long session that nobody has compacted yet, when it is first opened.

Its past is folded page by page, oldest first, so that memory holds one page however long the session is. Every page
makes a checkpoint of its own: the events it names have long been acknowledged.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from agentmem.checkpoints.checkpoint import Checkpoint, SeenEvents
from agentmem.checkpoints.checkpoint_items import newest_pointer
from agentmem.checkpoints.event_log import EventLogCheckpointStore
from agentmem.checkpoints.restore import read_session
from agentmem.checkpoints.summary import Summary
from agentmem.compaction.summary.exchanges import with_time
from agentmem.errors import CheckpointConflictError
from agentmem.events.pins import Pins, changes_in
from agentmem.events.position import Position
from agentmem.events.reader import in_order
from agentmem.messages.summary_fence import count_in_fence
from agentmem.messages.turns import turns_of
from agentmem.recall.passages import index_entries
from agentmem.session_manager.pinned_positions import positions_kept

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentmem.checkpoints.checkpoint import CheckpointKey, CheckpointStore
    from agentmem.checkpoints.restore import RestoredSession
    from agentmem.compaction.summary.summarizer import Summarizer
    from agentmem.events.codec import LoggedMessage
    from agentmem.events.reader import EventReader
    from agentmem.messages.truncation import TruncationSettings

MAX_EVENTS = 5_000
"""How far back a session without a checkpoint is read, in events; 50 pages."""

UNREAD_NOTE = "The oldest part of this conversation was not read; it is stored and can still be recalled by its words."
"""What the summary says of the part of a session further back than ``MAX_EVENTS``."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backfill:
    """Folds the unread past of a session.

    Attributes:
        reader: The session's events.
        store: Where its checkpoints go.
        key: Whose checkpoints.
        settings: How tool content will be shortened; part of each checkpoint.
        summarizer: What makes the summaries.
        summary_tokens: Tokens a summary may have.
        max_events: Events to read back at the most.
    """

    reader: EventReader
    store: CheckpointStore
    key: CheckpointKey
    settings: TruncationSettings
    summarizer: Summarizer
    summary_tokens: int
    max_events: int = MAX_EVENTS

    def completed(self, restored: RestoredSession) -> RestoredSession:
        """Return a restored session whose past is folded as far as it is read: itself, when nothing was left unread.

        Args:
            restored: What a restore gave.

        Raises:
            HistoryUnavailableError: The events could not be read.
            CheckpointStoreError: A checkpoint could not be saved or read.
        """
        if restored.unread is None:
            return restored
        try:
            self.fold(restored)
        except CheckpointConflictError:
            _log.info("session=<%s> | another process opened this session first", self.key.session_id)
        return read_session(self.reader, self.store, self.key)

    def fold(self, restored: RestoredSession) -> None:
        """Fold what a restore left unread; reading the session again finds the checkpoint.

        Args:
            restored: A session without a checkpoint whose ``unread`` is set.

        Raises:
            HistoryUnavailableError: The events could not be read.
            CheckpointStoreError: A checkpoint could not be saved.
            CheckpointConflictError: Another process opens the same session at the same time; its checkpoints stand.
        """
        tokens, everything, pins = self._pages_back(str(restored.unread))
        pinned = {**pins.messages, **restored.pins.messages}
        checkpoint: Checkpoint | None = None
        shown = {one.message["tracking_id"] for one in restored.messages}
        waiting: list[LoggedMessage] = []
        head: set[Position] = set()
        for token in reversed(tokens):
            page = in_order(self.reader.page(token).events)
            waiting += [one for one in page if one.message["tracking_id"] not in shown]
            turns = turns_of([one.message for one in waiting])
            if turns and turns[-1].start > 0:
                folded, waiting = waiting[: turns[-1].start], waiting[turns[-1].start :]
                if checkpoint is not None:
                    self._save(checkpoint, beside=folded[0])
                head |= positions_kept(folded, pinned)
                made = self._next(checkpoint, folded, waiting[0].position, everything=everything)
                checkpoint = replace(made, pins=pins, head=tuple(sorted(head)))
        if checkpoint is not None:
            self._save(checkpoint)
        _log.info(
            "session=<%s>, pages=<%d>, folded_messages=<%d> | first opening of a long session",
            self.key.session_id,
            len(tokens),
            0 if checkpoint is None else checkpoint.folded_messages,
        )

    def _save(self, checkpoint: Checkpoint, beside: LoggedMessage | None = None) -> None:
        if not isinstance(self.store, EventLogCheckpointStore):
            self.store.save(self.key, checkpoint)
        else:
            # Only the last one belongs among the newest events, which every restore reads.
            self.store.append(self.key, checkpoint, at=None if beside is None else beside.at)

    def _pages_back(self, token: str) -> tuple[list[str], bool, Pins]:
        """Return the tokens of the unread pages, newest first, whether they are the whole past, and its pins.

        There are no pages when an event further back knows of a checkpoint: then only events of other writers lie
        before it, and the session is no first opening.
        """
        tokens = [token]
        changes: list[Mapping[str, Any]] = []
        events = 0
        while True:
            page = self.reader.page(tokens[-1])
            if isinstance(self.store, EventLogCheckpointStore):
                pointer = newest_pointer(page.events, self.key.agent_id)
                if pointer is not None and pointer.event_id is not None:
                    return [], True, Pins()
            changes = [*changes_in(page.events), *changes]
            events += len(page.events)
            if page.next_token is None or events >= self.max_events:
                return tokens, page.next_token is None, Pins().after(changes)
            tokens.append(page.next_token)

    def _next(
        self, last: Checkpoint | None, folded: Sequence[LoggedMessage], boundary: Position, *, everything: bool
    ) -> Checkpoint:
        event_ids = {one.position.event_id for one in folded}
        previous = (Summary() if everything else Summary().with_note(UNREAD_NOTE)) if last is None else last.summary
        return Checkpoint(
            version=1 if last is None else last.version + 1,
            boundary=boundary,
            settings=self.settings,
            summary=self.summarizer.summarize(
                previous,
                [with_time(one.message, one.at.timestamp()) for one in folded],
                max_tokens=self.summary_tokens,
                count=count_in_fence,
            ),
            folded_messages=len(folded) + (0 if last is None else last.folded_messages),
            index=tuple(index_entries((one.message, one.position) for one in folded)),
            trigger="restore",
            seen=SeenEvents.before(boundary, event_ids, min(Position(event_id).milliseconds for event_id in event_ids)),
        )
