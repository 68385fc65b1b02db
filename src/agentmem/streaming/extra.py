"""Tells which extra to install when a package of the web part is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from agentmem.errors import ConfigurationError

__all__ = ["from_web_extra"]


def from_web_extra(module: str, what: str) -> Any:
    """Import a module of the extra ``web``.

    Args:
        module: The module.
        what: The function of ours that needs it.

    Returns:
        The module.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"{what} needs the package {module.partition('.')[0]!r}, which is not installed. Install the extra: "
            "pip install 'strands-agentmem[web]'"
        ) from error
