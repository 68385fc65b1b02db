"""`agentmem sessions`: whose sessions a memory holds."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentmem.cli.configuration import AsJson, configured
from agentmem.cli.output import note, print_json, print_table, when

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentmem.config import MemoryConfig

__all__ = ["actors_of", "sessions", "sessions_of"]


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
    client = config.data_plane()
    actors = iter([actor]) if actor is not None else actors_of(client, config.memory_id)
    everything = (one for name in actors for one in sessions_of(client, config.memory_id, name))
    found = list(islice(everything, limit))
    if next(everything, None) is not None:
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


def actors_of(client: Any, memory_id: str) -> Iterator[str]:
    """Yield the ids of every actor of a memory."""
    for page in client.get_paginator("list_actors").paginate(memoryId=memory_id, maxResults=100):
        for actor in page["actorSummaries"]:
            yield actor["actorId"]


def sessions_of(client: Any, memory_id: str, actor: str) -> Iterator[dict[str, Any]]:
    """Yield an actor's sessions as the service lists them."""
    for page in client.get_paginator("list_sessions").paginate(memoryId=memory_id, actorId=actor, maxResults=100):
        yield from page["sessionSummaries"]
