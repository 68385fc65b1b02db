"""Defines `agentmem sessions`: lists the actors and sessions of a memory."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from agentmem.cli.configuration import AsJson, configured
from agentmem.cli.output import note, print_json, print_table, progress, when

if TYPE_CHECKING:
    from agentmem.config import MemoryConfig


@configured
def sessions(
    config: MemoryConfig,
    actor: Annotated[str | None, typer.Option(help="Only this actor's.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many.", min=1)] = 100,
    as_json: AsJson = False,
) -> None:
    """List sessions, the newest of each actor first.

    Example: agentmem sessions --actor user123
    """
    from agentmem.operations.inventory import Inventory

    inventory = Inventory(config)
    actors = iter([actor]) if actor is not None else inventory.actors()
    everything = (one for name in actors for one in inventory.sessions(name))
    with progress("reading the sessions"):
        found = list(islice(everything, limit))
        more = next(everything, None) is not None
    if more:
        note(f"There are more than {limit}; give a higher --limit, or an --actor.")
    if as_json:
        print_json(
            [{"actor": one["actorId"], "session": one["sessionId"], "created_at": one["createdAt"]} for one in found]
        )
        return
    whose = "" if actor is None else f" of actor {actor!r}"
    print_table(
        ("actor", "session", "created"),
        [(one["actorId"], one["sessionId"], when(one["createdAt"])) for one in found],
        empty=f"there is no session{whose} in memory {config.memory_id!r}",
    )
