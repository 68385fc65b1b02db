"""Stores checkpoints in this process, for tests and notebooks, as the reference for other stores."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agentmem.checkpoints.checkpoint import Checkpoint
from agentmem.checkpoints.version_rules import succeeds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentmem.checkpoints.checkpoint import CheckpointKey, IndexEntry


@dataclass
class _Versions:
    """One agent's checkpoints: their JSON text in order, and where each handle is found."""

    texts: list[str] = field(default_factory=list)
    entries: dict[str, IndexEntry] = field(default_factory=dict)


@dataclass
class _Shelf:
    lock: threading.Lock = field(default_factory=threading.Lock)
    keys: dict[CheckpointKey, _Versions] = field(default_factory=dict)


_shelves: dict[str, _Shelf] = {}
_shelves_lock = threading.Lock()


class InMemoryCheckpointStore:
    """Keeps checkpoints until the process ends.

    Stores of one name share what they hold, so an agent that is built again in the same process finds its
    checkpoints. Safe to use from several threads. What is kept is the JSON form, so nothing a caller still holds can
    change it, and a checkpoint that could not be stored elsewhere is refused here too.
    """

    def __init__(self, name: str = "default") -> None:
        """Open the store of this name, empty the first time.

        Args:
            name: Which of the process's stores; a name of its own makes a private one.
        """
        self.name = name
        with _shelves_lock:
            self._shelf = _shelves.setdefault(name, _Shelf())

    def __repr__(self) -> str:
        """Show the name."""
        return f"{type(self).__name__}(name={self.name!r})"

    def load(self, key: CheckpointKey) -> Checkpoint | None:
        """Return the current checkpoint with its own index, or None when there is none."""
        with self._shelf.lock:
            return self._current(key)

    def save(self, key: CheckpointKey, checkpoint: Checkpoint) -> None:
        """Make ``checkpoint`` the current one, if its version is the next and its boundary is not further back.

        Raises:
            CheckpointConflictError: Another version is current; carries it as ``winner``.
        """
        text = json.dumps(checkpoint.to_dict())
        with self._shelf.lock:
            if not succeeds(key, self._current(key), checkpoint):
                return
            versions = self._shelf.keys.setdefault(key, _Versions())
            versions.texts.append(text)
            # Reversed, so that of two entries with one handle the first stays, as in the other stores.
            versions.entries.update({entry.handle: entry for entry in reversed(checkpoint.index)})

    def history(self, key: CheckpointKey, *, before: int | None = None) -> Iterator[Checkpoint]:
        """Yield the checkpoints with their indexes, newest first, only versions below ``before`` when given."""
        with self._shelf.lock:
            texts = list(self._shelf.keys[key].texts) if key in self._shelf.keys else []
        kept = texts if before is None else texts[: max(before - 1, 0)]
        for text in reversed(kept):
            yield Checkpoint.from_dict(json.loads(text))

    def find(self, key: CheckpointKey, handle: str) -> IndexEntry | None:
        """Return the entry for a message handle from the newest version that holds it, or None."""
        with self._shelf.lock:
            versions = self._shelf.keys.get(key)
            return None if versions is None else versions.entries.get(handle)

    def delete(self, key: CheckpointKey) -> int:
        """Delete every checkpoint of the key; return how many there were."""
        with self._shelf.lock:
            versions = self._shelf.keys.pop(key, None)
        return 0 if versions is None else len(versions.texts)

    def keys_of(self, memory_id: str, actor_id: str | None = None) -> list[CheckpointKey]:
        """Return the keys of the checkpoints in a memory, of one actor or of all."""
        with self._shelf.lock:
            return [key for key in self._shelf.keys if key.memory_id == memory_id and actor_id in (None, key.actor_id)]

    def _current(self, key: CheckpointKey) -> Checkpoint | None:
        versions = self._shelf.keys.get(key)
        return None if versions is None else Checkpoint.from_dict(json.loads(versions.texts[-1]))
