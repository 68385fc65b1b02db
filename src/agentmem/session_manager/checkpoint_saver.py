"""Saves the checkpoint that is due, once everything it names is in the log and other writers are accounted for."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from agentmem.checkpoints.version_rules import is_further_back
from agentmem.errors import CheckpointConflictError, CheckpointStoreError, HistoryUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey, CheckpointStore, IndexEntry
    from agentmem.compaction.compactor import Compactor
    from agentmem.compaction.pending_checkpoint import Draft
    from agentmem.events.position import Position
    from agentmem.session_manager.concurrent_writers import OtherWriters

__all__ = ["CheckpointSaver"]

_log = logging.getLogger(__name__)


class CheckpointSaver:
    """Makes one agent's drafts durable.

    Attributes:
        key: Whose checkpoints.
        compactor: Has the draft that is due.
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
        self.left_out: list[IndexEntry] = []
        self._store = store
        self._others = others
        self._positions = positions

    def save(self) -> None:
        """Save the checkpoint that is due, behind whatever another writer saved first.

        Nothing is saved while a message that it names is not in the log, while another writer's checkpoint reaches
        further, or when the store fails: the draft stays, and the older checkpoint stands until the next turn.
        """
        try:
            while (draft := self.compactor.draft) is not None and not self._is_behind(draft):
                draft = self._with_others(draft)
                checkpoint = self.placed(draft, {})
                if checkpoint is None:
                    return
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

    def saved(self, checkpoint: Checkpoint, draft: Draft) -> None:
        """Note that the checkpoint of a draft is durable."""
        self.left_out = [entry for entry in self.left_out if not entry.position < checkpoint.boundary]
        self.compactor.saved(checkpoint, draft)

    def placed(self, draft: Draft, positions: Mapping[str, Position]) -> Checkpoint | None:
        """Return the checkpoint of a draft; None while a message that it names is not in the log.

        Args:
            draft: The draft.
            positions: Where messages stand, besides those that are known here.
        """
        checkpoint = draft.placed({**self._positions, **positions})
        if checkpoint is None or not self.left_out:
            return checkpoint
        passed = [entry for entry in self.left_out if entry.position < checkpoint.boundary]
        return replace(checkpoint, index=(*checkpoint.index, *passed))

    def _is_behind(self, draft: Draft) -> bool:
        """Whether another writer's checkpoint, which is the current one, reaches further than a draft."""
        standing = self.compactor.checkpoint
        boundary = self._positions.get(draft.boundary)
        return standing is not None and boundary is not None and is_further_back(boundary, standing.boundary)

    def _with_others(self, draft: Draft) -> Draft:
        """Return a draft that also accounts for the messages of other writers that it moves past."""
        placed = draft.placed(self._positions)
        if placed is None:
            return draft
        limits = [placed.boundary, placed.shortened_before, placed.cycles_shortened_before]
        behind = self._others.behind(max(limit for limit in limits if limit is not None))
        if not behind:
            return draft
        self._positions.update({one.message["tracking_id"]: one.position for one in behind})
        folded = [one for one in behind if one.position < placed.boundary]
        shortened = [one for one in behind if not one.position < placed.boundary]
        _log.info(
            "session=<%s>, messages=<%d> | other writers' messages accounted for", self.key.session_id, len(behind)
        )
        draft = self.compactor.include(draft, [one.message for one in folded], [one.message for one in shortened])
        self._others.accounted(folded)
        return draft
