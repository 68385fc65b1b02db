"""Holds a user's own checkpoint store to the errors and answers of the protocol."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TypeVar

from agentmem.checkpoints.checkpoint import Checkpoint, IndexEntry
from agentmem.checkpoints.version_rules import describe
from agentmem.errors import AgentMemError, CheckpointStoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentmem.checkpoints.checkpoint import CheckpointKey, CheckpointStore

__all__ = ["guarded"]

_Found = TypeVar("_Found")


def guarded(store: CheckpointStore) -> CheckpointStore:
    """Return a store that raises nothing but the package's own errors, so that none of a user's ends a turn.

    Args:
        store: Any store; one of the package's own is returned as it is.
    """
    return store if type(store).__module__.startswith("agentmem.checkpoints.") else _OwnStore(store)


class _OwnStore:
    def __init__(self, store: CheckpointStore) -> None:
        self._store = store

    def load(self, key: CheckpointKey) -> Checkpoint | None:
        with self._asked("load", key):
            return _expected(self._store.load(key), Checkpoint)

    def save(self, key: CheckpointKey, checkpoint: Checkpoint) -> None:
        with self._asked("save", key):
            self._store.save(key, checkpoint)

    def history(self, key: CheckpointKey, *, before: int | None = None) -> Iterator[Checkpoint]:
        with self._asked("history", key):
            for found in self._store.history(key, before=before):
                yield _expected(found, Checkpoint)

    def find(self, key: CheckpointKey, handle: str) -> IndexEntry | None:
        with self._asked("find", key):
            return _expected(self._store.find(key, handle), IndexEntry)

    def delete(self, key: CheckpointKey) -> int:
        with self._asked("delete", key):
            return int(self._store.delete(key))

    @contextlib.contextmanager
    def _asked(self, method: str, key: CheckpointKey) -> Iterator[None]:
        try:
            yield
        except AgentMemError:
            raise
        except Exception as error:
            raise CheckpointStoreError(
                f"{type(self._store).__name__}.{method}() failed for the checkpoint of {describe(key)} "
                f"({type(error).__name__}: {error}); the session's events are untouched. A store raises "
                "CheckpointStoreError when it cannot be reached; agentmem.testing.conformance tests one."
            ) from error


def _expected(value: _Found, kind: type) -> _Found:
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"it returned {type(value).__name__} and no {kind.__name__}")
    return value
