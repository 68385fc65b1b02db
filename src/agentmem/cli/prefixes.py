"""Finds the one id that begins with what was typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN = 3
"""Ids an error names; more would hide the sentence."""


def completed(prefix: str, ids: Iterable[str], *, kind: str, where: str) -> str:
    """Return the only id that begins with a prefix.

    Args:
        prefix: The beginning of an id, or all of it.
        ids: Every id there is; read only until the answer is known.
        kind: The thing that has the id, such as "event".
        where: The command that lists the ids, and the argument's name in the help: "events list".

    Returns:
        The id.

    Raises:
        BadParameter: None begins so, or several do.
    """
    found: list[str] = []
    for one in ids:
        if one == prefix:
            return one
        if one.startswith(prefix) and one not in found:
            found.append(one)
    hint = f"{kind.upper()}_ID"
    if not found:
        raise typer.BadParameter(
            f"no {kind} has an id that begins with {prefix!r}; `agentmem {where}` shows them", param_hint=hint
        )
    if len(found) > 1:
        named = ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
        raise typer.BadParameter(f"{len(found)} ids begin with {prefix!r}: {named}; type more of it", param_hint=hint)
    return found[0]
