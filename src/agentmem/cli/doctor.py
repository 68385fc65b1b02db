"""Defines `agentmem doctor`: reports the problems of a configuration with their remedies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from agentmem.cli.configuration import AsJson, configured
from agentmem.cli.output import print_json, print_table, progress

if TYPE_CHECKING:
    from agentmem.config import MemoryConfig


@configured
def doctor(
    config: MemoryConfig,
    actor: Annotated[str | None, typer.Option(help="Look at a session of this actor for mixed event formats.")] = None,
    session: Annotated[str | None, typer.Option(help="That session.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check credentials, region, memory, strategies, table, permissions and event formats. It writes nothing.

    The exit status is 1 when something keeps the configuration from working.

    Example: agentmem doctor --actor user123 --session chat-0001
    """
    from dataclasses import asdict

    from agentmem.operations.diagnosis import examine

    with progress("checking") as show:
        found = []
        for finding in examine(config, actor_id=actor, session_id=session):
            found.append(finding)
            show(len(found))
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        print_table(("status", "check", "detail"), [(one.status, one.check, one.detail) for one in found], empty="")
    if any(one.status == "failed" for one in found):
        raise typer.Exit(1)
