"""Checks that no other distribution's files lie among the files of this package."""

from __future__ import annotations

import os
import warnings
from functools import cache
from pathlib import Path

__all__ = ["OTHER", "other_distribution", "warn_of_other_distribution"]

OTHER = "agentmem"
"""A distribution of other people that brings a package of the same import name."""

_METADATA = (".dist-info", ".egg-info")


def other_distribution(folder: Path | None = None) -> str | None:
    """Look for the other distribution whose files lie in the same folders as this package's.

    Args:
        folder: Where to look; the folder that holds this package unless given.

    Returns:
        What is wrong and what to do about it; None when it is not there.
    """
    folder = Path(__file__).parents[2] if folder is None else folder
    for name in os.listdir(folder):  # noqa: PTH208 - names are enough, and this is on the way of the first import
        if name.startswith(f"{OTHER}-") and name.endswith(_METADATA):
            version = name.removeprefix(f"{OTHER}-").removesuffix(name[name.rindex(".") :])
            return (
                f"the distribution {OTHER!r} {version} is installed in {folder} too. It is another project's, and its "
                f"package has the same import name, so files of the two are mixed in one folder. Remove both with "
                f"`pip uninstall {OTHER} strands-agentmem` and install strands-agentmem again from where it came from."
            )
    return None


@cache
def warn_of_other_distribution() -> None:
    """Warn, once a process, when the other distribution is installed beside this package."""
    if (found := other_distribution()) is not None:
        warnings.warn(f"agentmem: {found}", RuntimeWarning, stacklevel=3)
