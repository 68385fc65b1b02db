"""Reads a session's checkpoints, compares each with the one before, and plans a compaction with other settings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from agentmem.inspector.views.context import summary_lines
from agentmem.messages.truncation import handle_of
from agentmem.session_manager.session_view import SessionView, open_checkpoints

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentmem.checkpoints.checkpoint import Checkpoint, IndexEntry
    from agentmem.compaction.compactor import Compaction
    from agentmem.config import MemoryConfig
    from agentmem.inspector.views.context import SummaryLine
    from agentmem.inspector.views.place import Place
    from agentmem.session_manager.session_view import Fate

__all__ = ["CompactionChange", "DryRun", "compare", "dry_run", "read_history"]

MOST_CHECKPOINTS = 200
"""Checkpoints that are read at most, newest first."""

CHANGEABLE = ("token_threshold", "target_ratio", "protected_turns", "max_tool_content_length", "summary_max_tokens")
"""Settings of a dry run."""


@dataclass(frozen=True)
class CompactionChange:
    """A checkpoint beside the one before.

    Attributes:
        checkpoint: The checkpoint.
        before: Lines of the summary before it.
        after: Lines of its summary.
        lines: The same with their reasons.
        folded: Messages it folded, newest last.
        shortened: Messages it shortened and kept.
        newly_folded: How many messages it folded; more than `folded` when the index does not hold all.
    """

    checkpoint: Checkpoint
    before: tuple[str, ...]
    after: tuple[str, ...]
    lines: tuple[SummaryLine, ...]
    folded: tuple[IndexEntry, ...]
    shortened: tuple[IndexEntry, ...]
    newly_folded: int


@dataclass(frozen=True)
class DryRun:
    """A compaction that was planned and not done.

    Attributes:
        outcome: What it would do; None when nothing can be made smaller.
        messages: For each message in view its handle, role, tokens and fate, oldest first.
        counts: Messages by fate.
        settings: The settings it was planned with.
        unread: Whether older events would be folded first, which are not in the figures.
    """

    outcome: Compaction | None
    messages: tuple[tuple[str, str, int, Fate], ...]
    counts: Mapping[str, int]
    settings: Mapping[str, Any]
    unread: bool


def read_history(config: MemoryConfig, place: Place) -> list[Checkpoint]:
    """Read a session's checkpoints, newest first, at most `MOST_CHECKPOINTS`.

    Raises:
        CheckpointStoreError: They could not be read.
        ConfigurationError: They are in another process's memory.
        IdentityError: An id is malformed.
    """
    store, key = open_checkpoints(config, place.actor_id, place.session_id, place.agent_id)
    return list(islice(store.history(key), MOST_CHECKPOINTS))


def compare(checkpoint: Checkpoint, previous: Checkpoint | None) -> CompactionChange:
    """Compare a checkpoint with the one before.

    Args:
        checkpoint: The checkpoint, with its index.
        previous: The one before; None for the first.
    """
    head = set(checkpoint.head)
    entries = sorted(checkpoint.index, key=lambda one: (one.position.milliseconds, one.position.item))
    is_folded = [one.position < checkpoint.boundary and one.position not in head for one in entries]
    return CompactionChange(
        checkpoint=checkpoint,
        before=() if previous is None else tuple(previous.summary.render().splitlines()),
        after=tuple(checkpoint.summary.render().splitlines()),
        lines=tuple(summary_lines(checkpoint.summary)),
        folded=tuple(one for one, gone in zip(entries, is_folded, strict=True) if gone),
        shortened=tuple(one for one, gone in zip(entries, is_folded, strict=True) if not gone),
        newly_folded=checkpoint.folded_messages - (0 if previous is None else previous.folded_messages),
    )


def dry_run(config: MemoryConfig, place: Place, changes: Mapping[str, Any], *, fixed_tokens: int = 0) -> DryRun:
    """Plan a compaction of a session now, with some settings changed; nothing is written.

    Args:
        config: The memory.
        place: The session.
        changes: Fields of `CompactionConfig` by name, of those in `CHANGEABLE`.
        fixed_tokens: Tokens of the system prompt and the tools.

    Raises:
        ConfigurationError: A setting is malformed.
        HistoryUnavailableError: The events could not be read.
        CheckpointStoreError: The checkpoint could not be read.
        IdentityError: An id is malformed.
    """
    compaction = config.compaction.replace(**{name: changes[name] for name in CHANGEABLE if name in changes})
    view = SessionView(
        config.replace(compaction=compaction),
        place.actor_id,
        place.session_id,
        agent_id=place.agent_id,
        fixed_tokens=fixed_tokens,
    )
    outcome = view.plan()
    fates = view.fates()
    rows = zip(view.shown(), fates, strict=True)
    return DryRun(
        outcome=outcome,
        messages=tuple(
            (handle_of(one.message["tracking_id"]), one.message["role"], one.tokens, fate) for one, fate in rows
        ),
        counts=Counter(fates),
        settings={name: getattr(compaction, name) for name in CHANGEABLE},
        unread=view.unread,
    )
