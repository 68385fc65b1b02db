"""Decides, for every store alike, whether one checkpoint may follow another, and names those that are unreadable."""

from __future__ import annotations

import contextlib
import json
import zlib
from typing import TYPE_CHECKING, Any

from agentmem.errors import CheckpointConflictError, CheckpointStoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey
    from agentmem.events.position import Position

_MALFORMED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, zlib.error)
"""Raised by what interprets a stored checkpoint when it is not of the shape."""


def describe(key: CheckpointKey) -> str:
    """Name a key the way error messages do."""
    return f"agent {key.agent_id!r} of session {key.session_id!r}, actor {key.actor_id!r}, in memory {key.memory_id!r}"


@contextlib.contextmanager
def interpreting(key: CheckpointKey, place: str) -> Iterator[None]:
    """Say whose checkpoint it is that cannot be read, and what to do about it.

    Args:
        key: Whose.
        place: Where it is stored, to read after "in".

    Raises:
        CheckpointStoreError: What is stored is no checkpoint that this version can read.
    """
    try:
        yield
    except (CheckpointStoreError, *_MALFORMED) as error:
        if isinstance(error, CheckpointStoreError) and not isinstance(error.__cause__, _MALFORMED):
            raise  # the store does not answer, and says so itself
        cause = str(error) if isinstance(error, CheckpointStoreError) else f"{type(error).__name__}: {error}"
        raise CheckpointStoreError(
            f"the checkpoint of {describe(key)}, in {place}, could not be read: {cause}. Upgrade agentmem when a newer "
            "one wrote it, or let the session go on without it: `agentmem checkpoints delete --actor ... --session "
            "...`; the events it describes are untouched."
        ) from error


def succeeds(key: CheckpointKey, current: Checkpoint | None, checkpoint: Checkpoint) -> bool:
    """Tell whether ``checkpoint`` may be written after ``current``.

    Saving again what is already current is allowed and writes nothing: a writer whose answer got lost in an outage
    repeats its save, and must not take its own checkpoint for another writer's.

    Args:
        key: The key of the checkpoint, for the message.
        current: The checkpoint in the store, or None.
        checkpoint: The checkpoint to save.

    Returns:
        True to write it; False when it is there already.

    Raises:
        CheckpointConflictError: The version is not the next, or the boundary is further back; carries ``current``.
    """
    if current is not None and _same(current, checkpoint):
        return False
    expected = 1 if current is None else current.version + 1
    if checkpoint.version != expected:
        state = "there is none in the store" if current is None else f"version {current.version} is current"
        raise CheckpointConflictError(
            f"checkpoint version {checkpoint.version} of {describe(key)} was not saved: {state}, so the next is "
            f"{expected}. Another process compacted this session, or the checkpoint was deleted or expired; "
            "adopt the winner and compact again from there.",
            winner=current,
        )
    if current is not None and is_further_back(checkpoint.boundary, current.boundary):
        raise CheckpointConflictError(
            f"checkpoint version {checkpoint.version} of {describe(key)} was not saved: its boundary "
            f"{_show(checkpoint)} lies before that of version {current.version}, {_show(current)}, and a boundary "
            "never moves back. Adopt the winner and compact again from there.",
            winner=current,
        )
    return True


def is_further_back(one: Position, other: Position) -> bool:
    """Tell whether ``one`` stands before ``other`` in the log.

    The suffix of the event id is left out: an event rewritten by a redaction keeps its time and items and gets another
    suffix, and a boundary that stayed where it was has not moved back.
    """
    if one.milliseconds == other.milliseconds >= 0:
        return one.item < other.item
    return one < other


def _show(checkpoint: Checkpoint) -> str:
    return f"{checkpoint.boundary.event_id} item {checkpoint.boundary.item}"


def _same(one: Checkpoint, other: Checkpoint) -> bool:
    # Through JSON, because a tuple among the extra fields comes back from a store as a list.
    return one.version == other.version and _plain(one) == _plain(other)


def _plain(checkpoint: Checkpoint) -> Any:
    return json.loads(json.dumps(checkpoint.without_index().to_dict()))
