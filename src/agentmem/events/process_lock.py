"""Locks a file for each process, so that others can tell whether the process still lives.

The operating system lets go of the lock however the process ends, so no lease has to run out before another process
may take over what it left. Locks of this kind do not work on network file systems.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ProcessLock"]


class ProcessLock:
    """The lock of this process beside a file that several processes share.

    Attributes:
        name: This process's name in the file; a process that was forked off has to take one of its own.
    """

    def __init__(self, path: Path) -> None:
        """Take a name and the lock that goes with it.

        Args:
            path: The shared file; the locks stand beside it.

        Raises:
            OSError: The folder cannot be written to, or its file system has no locks.
        """
        self.name = uuid.uuid4().hex
        self._path = path
        self._lock = self._lock_of(self.name)
        self._lock.acquire()

    def is_gone(self, name: str) -> bool:
        """Whether the process of that name has ended."""
        lock = self._lock_of(name)
        if name == self.name or not self._file_of(name).exists():
            return name != self.name
        try:
            lock.acquire()
        except Timeout:
            return False
        lock.release()
        return True

    def forget(self, name: str) -> None:
        """Remove the lock of a process that has ended and left nothing."""
        self._file_of(name).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the lock; others may take over what is left."""
        self._lock.release()

    def _file_of(self, name: str) -> Path:
        return self._path.with_name(f"{self._path.name}-{name}.lock")

    def _lock_of(self, name: str) -> FileLock:
        # Not of one thread: whichever closes the file lets go. Not soft: such a lock outlives a process that is killed.
        return FileLock(self._file_of(name), timeout=0, mode=0o600, thread_local=False, fallback_to_soft=False)
