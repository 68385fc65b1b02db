"""Who a process is to the others that share a file with it, and whether it still lives.

A process holds a lock on a file of its own, which the operating system lets go of however the process ends. So no
lease has to run out before another process may take over what it left. Locks of this kind do not work on network file
systems.
"""

from __future__ import annotations

import os
import sys
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Owner"]


class Owner:
    """This process as one of those that share a file."""

    def __init__(self, path: Path) -> None:
        """Take a name and the lock that goes with it.

        Args:
            path: The shared file; the locks stand beside it.

        Raises:
            OSError: The folder cannot be written to.
        """
        self.name = uuid.uuid4().hex
        self._path = path
        self._handle = os.open(self._lock_of(self.name), os.O_RDWR | os.O_CREAT, 0o600)
        _lock(self._handle)

    def is_gone(self, name: str) -> bool:
        """Whether the process of that name has ended."""
        if name == self.name:
            return False
        try:
            handle = os.open(self._lock_of(name), os.O_RDWR)
        except FileNotFoundError:
            return True
        try:
            return _lock(handle)
        finally:
            os.close(handle)

    def forget(self, name: str) -> None:
        """Remove the lock of a process that has ended and left nothing."""
        self._lock_of(name).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the lock; others may take over what is left."""
        os.close(self._handle)

    def _lock_of(self, name: str) -> Path:
        return self._path.with_name(f"{self._path.name}-{name}.lock")


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
