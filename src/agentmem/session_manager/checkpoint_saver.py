"""Saves the checkpoint that is due, once everything it names is in the log and other writers are accounted for."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from agentmem.checkpoints.event_log import EventLogCheckpointStore
from agentmem.checkpoints.version_rules import is_further_back
from agentmem.errors import CheckpointConflictError, CheckpointStoreError, HistoryUnavailableError
from agentmem.events.pins import changes_in
from agentmem.session_manager.concurrent_writers import stands_before
from agentmem.session_manager.pinned_positions import positions_kept

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey, CheckpointStore, IndexEntry
    from agentmem.compaction.compactor import Compactor
    from agentmem.compaction.pending_checkpoint import Draft
    from agentmem.events.codec import LoggedMessage
    from agentmem.events.position import Position
    from agentmem.session_manager.concurrent_writers import OtherWriters

__all__ = ["CheckpointSaver"]

_log = logging.getLogger(__name__)


class CheckpointSaver:
    """Makes one agent's drafts durable.

    Attributes:
        key: Whose checkpoints.
        compactor: Has the draft that is due.
        own_events: Events that are this process's own, since the last look for those of others.
        left_out: Index entries of messages that were restored and are not shown; the checkpoint that passes them
            carries them.
    """

    def __init__(
        self,
        store: CheckpointStore,
        key: CheckpointKey,
        compactor: Compactor,
        others: OtherWriters,
        positions: dict[str, Position],
    ) -> None:
        """Save drafts in a store.

        Args:
            store: The store.
            key: Whose checkpoints.
            compactor: Whose drafts.
            others: Knows the messages of other writers.
            positions: Where the shown messages stand in the log; gets other writers' messages added.
        """
        self.key = key
        self.compactor = compactor
        self.own_events: deque[str] = deque()
        self.left_out: list[IndexEntry] = []
        self._store = store
        self._others = others
        self._positions = positions
        self._kept_of_others: set[Position] = set()

    def save(self) -> None:
        """Save the checkpoint that is due, behind whatever another writer saved first.

        Nothing is saved while a message that it names is not in the log, while another writer's checkpoint reaches
        further, or when the store fails: the draft stays, and the older checkpoint stands until the next turn.
        """
        try:
            while (due := self.due({})) is not None:
                draft, checkpoint = due
                try:
                    self._store.save(self.key, checkpoint)
                except CheckpointConflictError as conflict:
                    _log.info("session=<%s> | another writer saved a checkpoint first", self.key.session_id)
                    self.compactor.yield_to(conflict.winner)
                else:
                    self.saved(checkpoint, draft)
                    return
        except (CheckpointStoreError, HistoryUnavailableError) as error:
            _log.warning("session=<%s>, error=<%s> | checkpoint not saved yet", self.key.session_id, error)

    def due(self, positions: Mapping[str, Position]) -> tuple[Draft, Checkpoint] | None:
        """Return the checkpoint that is due, with other writers accounted for, and the draft that it is made of.

        Args:
            positions: Where messages stand, besides those that are known here.

        Returns:
            None while a message that it names is not in the log, or another writer's checkpoint reaches further.

        Raises:
            CheckpointStoreError: Another writer's checkpoint cannot be read.
            HistoryUnavailableError: The log could not be read.
        """
        known = {**self._positions, **positions}
        draft = self.compactor.draft
        if draft is None or draft.placed(known) is None:
            return None
        self._others.note(position.event_id for position in positions.values() if position.event_id)
        while self.own_events:
            self._others.note([self.own_events.popleft()])
        events = self._others.look()
        self.compactor.board.change(changes_in(events))
        if isinstance(self._store, EventLogCheckpointStore):
            # The log has no conditional write: what another writer saved is seen here, or accounts for this one's.
            winner = self._store.overtaking(self.key, events)
            if winner is not None:
                _log.info("session=<%s> | another writer saved a checkpoint first", self.key.session_id)
                self.compactor.yield_to(winner)
                draft = self.compactor.draft or draft
        if self._is_behind(draft, known):
            return None
        draft = self._with_others(draft, known)
        checkpoint = self._placed(draft, {**known, **self._positions})
        return None if checkpoint is None else (draft, checkpoint)

    def saved(self, checkpoint: Checkpoint, draft: Draft) -> None:
        """Note that the checkpoint of a draft is durable."""
        self.left_out = [entry for entry in self.left_out if not stands_before(entry.position, checkpoint.boundary)]
        self.compactor.saved(checkpoint, draft)

    def _placed(self, draft: Draft, positions: Mapping[str, Position]) -> Checkpoint | None:
        checkpoint = draft.placed(positions)
        if checkpoint is None:
            return None
        passed = [entry for entry in self.left_out if stands_before(entry.position, checkpoint.boundary)]
        seen = self._others.seen(checkpoint.boundary)
        head = {*checkpoint.head, *(at for at in self._kept_of_others if stands_before(at, checkpoint.boundary))}
        return replace(
            checkpoint,
            head=tuple(sorted(head, key=lambda at: (not at.event_id, at.milliseconds, at.item))),
            index=(*checkpoint.index, *passed),
            seen=seen,
            pins=self.compactor.board.pins,
        )

    def _is_behind(self, draft: Draft, positions: Mapping[str, Position]) -> bool:
        """Whether another writer's checkpoint, which is the current one, reaches further than a draft."""
        standing = self.compactor.checkpoint
        boundary = positions.get(draft.boundary)
        if standing is None or boundary is None or not boundary.event_id:
            return False
        return is_further_back(boundary, standing.boundary)

    def _with_others(self, draft: Draft, positions: Mapping[str, Position]) -> Draft:
        """Return a draft that also accounts for the messages of other writers that it moves past."""
        placed = draft.placed(positions)
        if placed is None:
            return draft
        limits = (placed.boundary, placed.shortened_before, placed.cycles_shortened_before)
        behind = self._others.behind(_latest([limit for limit in limits if limit is not None]))
        if not behind:
            return draft
        self._positions.update({one.message["tracking_id"]: one.position for one in behind})
        passed = [one for one in behind if stands_before(one.position, placed.boundary)]
        pinned = self._keep_pinned(behind)
        folded = [one for one in passed if one.position not in pinned]
        shortened = [one for one in behind if not stands_before(one.position, placed.boundary)]
        _log.info(
            "session=<%s>, messages=<%d> | other writers' messages accounted for", self.key.session_id, len(behind)
        )
        draft = self.compactor.include(draft, [one.message for one in folded], [one.message for one in shortened])
        self._others.accounted(passed)
        return draft

    def _keep_pinned(self, behind: Sequence[LoggedMessage]) -> set[Position]:
        """Keep the messages that another writer has pinned: every checkpoint from now on names them in its head."""
        kept = positions_kept(behind, self.compactor.board.pins.messages)
        self._kept_of_others |= kept
        return kept


def _latest(limits: Sequence[Position]) -> Position:
    """Return the last of some positions; one in the event that is about to be written comes after all others."""
    coming = next((limit for limit in limits if not limit.event_id), None)
    return max(limits) if coming is None else coming
