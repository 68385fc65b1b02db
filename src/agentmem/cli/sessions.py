"""Defines `agentmem sessions`: lists the actors and sessions of a memory."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from agentmem.cli.configuration import AsJson, configured
from agentmem.cli.output import note, print_json, print_table, progress, when

if TYPE_CHECKING:
    from agentmem.config import MemoryConfig
    from agentmem.operations.inventory import Inventory


@configured
def sessions(
    config: MemoryConfig,
    actor: Annotated[str | None, typer.Option(help="Only this actor's.")] = None,
    session: Annotated[str | None, typer.Option(help="The agents of this one session of the --actor.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many.", min=1)] = 100,
    as_json: AsJson = False,
) -> None:
    """List sessions, the newest of each actor first, or the agents of one session.

    Example: agentmem sessions --actor user123
    """
    from agentmem.operations.inventory import Inventory

    inventory = Inventory(config)
    if session is not None:
        if actor is None:
            from agentmem.errors import ConfigurationError

            raise ConfigurationError("--session names a session of an actor; give --actor too")
        _print_agents(inventory, actor, session, as_json=as_json)
        return
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


def _print_agents(inventory: Inventory, actor: str, session: str, *, as_json: bool) -> None:
    """Print the agents of a session."""
    from agentmem.operations.session_agents import agents_of

    with progress("reading the events"):
        found = agents_of(inventory.events(actor, session, payloads=False))
    if as_json:
        print_json(
            [{"agent": one.agent_id, "kind": one.kind, "events": one.events, "newest": one.newest} for one in found]
        )
        return
    print_table(
        ("agent", "kind", "events", "newest"),
        [(one.agent_id, one.kind, f"{one.events:,}", when(one.newest)) for one in found],
        empty=f"no event of session {session!r} of actor {actor!r} names an agent",
    )
