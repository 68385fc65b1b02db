"""Resolves namespace templates, and finds the records below a path."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"\{([A-Za-z][A-Za-z0-9]*)\}")
BUILT_IN_VARIABLES = ("actorId", "sessionId", "memoryStrategyId")


def placeholders(template: str) -> list[str]:
    """The variable names of a namespace template, in order."""
    return _PLACEHOLDER.findall(template)


def resolve(template: str, values: Mapping[str, str]) -> str | None:
    """Fill in a template.

    Args:
        template: Such as ``/users/{actorId}/facts/``.
        values: Variable values by name.

    Returns:
        The namespace, or None when a variable has no value (the service has nowhere to put such a record).
    """
    if any(name not in values for name in placeholders(template)):
        return None
    return _PLACEHOLDER.sub(lambda match: values[match.group(1)], template)


def segments(namespace: str) -> tuple[str, ...]:
    """The parts of a namespace between slashes; empty parts do not count."""
    return tuple(part for part in namespace.split("/") if part)


def is_below(namespace: str, path: str) -> bool:
    """Whether a namespace is a path or below it, by whole segments: ``/users/Bobby`` is not below ``/users/Bob``."""
    wanted = segments(path)
    return segments(namespace)[: len(wanted)] == wanted
