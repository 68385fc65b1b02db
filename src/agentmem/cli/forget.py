"""Defines `agentmem forget`: deletes all data of one actor for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from agentmem.cli.configuration import Actor, AsJson, configured
from agentmem.cli.output import confirmed, note, print_facts, print_json, progress

if TYPE_CHECKING:
    from datetime import datetime

    from agentmem.config import MemoryConfig
    from agentmem.operations.forgetting import Traces

EXTRACTION_SECONDS = 300
"""How long after an event records may still be made of it; 93 s were measured on AWS (agentcore-samples PR 1848)."""


@configured
def forget(
    config: MemoryConfig,
    actor: Actor,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete every event, record, checkpoint and unsent message of one actor in this memory, for good.

    It counts first and asks. Stop the actor's agents before, because their later messages are stored again.

    Example: agentmem forget --actor user123
    """
    from agentmem.operations.forgetting import Forgetting

    forgetting = Forgetting(config, actor)
    with progress("counting"):
        traces = forgetting.find()
    for template in traces.shared:
        note(f"The namespace {template} names no actor: what it holds of {actor!r} cannot be told apart and stays.")
    if not as_json:
        print(f"Actor {actor!r} in memory {config.memory_id!r}:")
        print_facts({f"  {kind}": count for kind, count in traces.counts.items()})
        if len(traces.agents) > len(traces.events):
            print(f"  of the agents {', '.join(traces.agents)}")
    if dry_run or not (traces.to_delete or traces.events):
        if as_json:
            print_json({"deleted": False, **traces.counts})
        return
    if not confirmed("Delete all of it for good?", yes=yes):
        note("Nothing was deleted.")
        raise typer.Exit(1)
    with progress("deleting", traces.to_delete) as show:
        done = forgetting.forget(traces, on_progress=show)
    if as_json:
        print_json({"deleted": True, **done.counts})
    else:
        print("Deleted: a second look found nothing.")
    _warn(config, done)


def _warn(config: MemoryConfig, done: Traces) -> None:
    """Name the data that may still appear, and the time to look again."""
    if config.local_path is not None:
        return  # the embedded service was told, and has nothing under way any more
    note("The service lists the names of the emptied sessions for up to a day.")
    if _is_fresh(done.newest):
        note(
            "Its last event is only minutes old and may still be read for long-term memory: run it again in "
            f"{EXTRACTION_SECONDS // 60} minutes."
        )


def _is_fresh(newest: datetime | None) -> bool:
    from datetime import UTC, datetime

    return newest is not None and (datetime.now(UTC) - newest).total_seconds() < EXTRACTION_SECONDS
