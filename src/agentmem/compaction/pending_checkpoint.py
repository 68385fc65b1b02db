"""Builds a checkpoint that names messages by tracking id until the log has acknowledged them all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agentmem.events.position import Position

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentmem.checkpoints.checkpoint import Checkpoint, IndexEntry

NOWHERE = Position("", 0)
"""Stands for a position in the log until it is known."""


@dataclass(frozen=True)
class Draft:
    """The content of a future checkpoint, by tracking id.

    Attributes:
        boundary: The first message that is kept.
        head: The messages before it that are kept too.
        shortened_before: The first message that is not shortened.
        cycles_shortened_before: The first message from which on no tool traffic is shortened.
        entries: The index.
        checkpoint: Everything else.
    """

    boundary: str
    head: tuple[str, ...]
    shortened_before: str | None
    cycles_shortened_before: str | None
    entries: Mapping[str, IndexEntry]
    checkpoint: Checkpoint

    def placed(self, positions: Mapping[str, Position]) -> Checkpoint | None:
        """Return the checkpoint with positions, or None while a message it names is not in the log yet."""
        named = [self.boundary, *self.head, self.shortened_before, self.cycles_shortened_before]
        if any(name is not None and name not in positions for name in named):
            return None
        if any(tracking_id not in positions for tracking_id in self.entries):
            return None
        return replace(
            self.checkpoint,
            boundary=positions[self.boundary],
            head=tuple(positions[name] for name in self.head if positions[name].is_stored),
            shortened_before=positions[self.shortened_before] if self.shortened_before else None,
            cycles_shortened_before=positions[self.cycles_shortened_before] if self.cycles_shortened_before else None,
            index=tuple(
                replace(entry, position=positions[name])
                for name, entry in self.entries.items()
                if positions[name].is_stored
            ),
        )

    def after(self, saved: Checkpoint | None) -> Draft:
        """Return the same draft as the version after the saved checkpoint."""
        version = 1 if saved is None else saved.version + 1
        return replace(self, checkpoint=replace(self.checkpoint, version=version))

    def without(self, entries: Mapping[str, IndexEntry]) -> Draft:
        """Return the same draft without entries that an earlier version has."""
        return replace(self, entries={name: entry for name, entry in self.entries.items() if name not in entries})
