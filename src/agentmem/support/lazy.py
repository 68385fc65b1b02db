"""Loads the public names of a package when they are first used (PEP 562)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def load_name(package: dict[str, Any], modules: Mapping[str, str], name: str) -> Any:
    """Import the module that holds a public name, and keep the name in the package.

    Args:
        package: The package's ``globals()``.
        modules: The module of each public name.
        name: The name that was asked for.

    Returns:
        The object of that name.

    Raises:
        AttributeError: The package has no such public name.
    """
    if name not in modules:
        raise AttributeError(f"module {package['__name__']!r} has no attribute {name!r}")
    value = getattr(import_module(modules[name]), name)
    package[name] = value
    return value
