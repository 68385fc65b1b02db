"""Tells which extra to install when a package of the web part is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from agentmem.errors import MissingExtraError

__all__ = ["from_web_extra"]


def from_web_extra(module: str, what: str) -> Any:
    """Import a module of the extra ``web``.

    Args:
        module: The module.
        what: The function of ours that needs it.

    Returns:
        The module.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(what, module.partition(".")[0], "web") from error
