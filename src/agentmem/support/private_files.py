"""Makes files that only their owner may read."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["make_private"]


def make_private(path: Path) -> None:
    """Make a missing file, and the folder it is in, for their owner alone (0600, 0700).

    What exists keeps its permissions. It is not even opened: closing it again would release the locks that SQLite
    holds on it elsewhere in this process.

    Args:
        path: The file.

    Raises:
        OSError: It can be neither found nor made.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
