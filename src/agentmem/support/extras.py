"""Checks that the packages of an extra are installed, before anything is begun that needs them."""

from __future__ import annotations

from importlib.util import find_spec

__all__ = ["require"]


def require(part: str, extra: str, *packages: str) -> None:
    """Raise an error unless packages are installed; they are not imported.

    Args:
        part: What needs them, as the error names it.
        extra: The extra that installs them.
        *packages: The names they are imported by.

    Raises:
        MissingExtraError: One of them is not installed.
    """
    for package in packages:
        if find_spec(package) is None:
            from agentmem.errors import MissingExtraError  # here: it imports Strands, and the command line starts here

            raise MissingExtraError(part, package, extra)
