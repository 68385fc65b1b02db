"""Defines `agentmem pins`: lists, adds and removes the pinned statements of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentmem.cli.configuration import Actor, Agent, AsJson, Session, configured
from agentmem.cli.output import print_json, print_table, progress, when
from agentmem.cli.prefixes import completed

if TYPE_CHECKING:
    from agentmem.config import MemoryConfig
    from agentmem.events.pins import Pin

pins = typer.Typer(
    help="Look at the statements that stand in every request of a session, add one or remove one.",
    no_args_is_help=True,
)


@pins.command("list")
@configured
def list_pins(
    config: MemoryConfig,
    actor: Actor,
    session: Session,
    agent: Agent = "default",
    as_json: AsJson = False,
) -> None:
    """List a session's pinned statements, oldest first.

    Example: agentmem pins list --actor user123 --session chat-0001
    """
    with progress("reading the pins"):
        found = config.bind(actor_id=actor, session_id=session).pins(agent_id=agent)
    if as_json:
        print_json([_facts(pin) for pin in found])
        return
    print_table(
        ("id", "pinned", "by", "text"),
        [(pin.pin_id, when(pin.at), pin.by, pin.text) for pin in found],
        empty=f"nothing is pinned in session {session!r} of actor {actor!r} in memory {config.memory_id!r}",
    )


@pins.command("add")
@configured
def add_pin(  # noqa: PLR0917 - typer makes an option of each
    config: MemoryConfig,
    text: Annotated[str, typer.Argument(help="The statement that is to stand in every request.")],
    actor: Actor,
    session: Session,
    agent: Agent = "default",
    as_json: AsJson = False,
) -> None:
    """Pin a statement; an agent that has the session open elsewhere shows it from its next compaction or opening on.

    Example: agentmem pins add "Never call the customer." --actor user123 --session chat-0001
    """
    with progress("pinning"):
        pin = config.bind(actor_id=actor, session_id=session).pin(text, agent_id=agent)
    if as_json:
        print_json(_facts(pin))
    else:
        print(f"pinned as {pin.pin_id}")


@pins.command("remove")
@configured
def remove_pin(  # noqa: PLR0917 - typer makes an option of each
    config: MemoryConfig,
    pin_id: Annotated[str, typer.Argument(help="The pin's id, as `agentmem pins list` shows it, or its beginning.")],
    actor: Actor,
    session: Session,
    agent: Agent = "default",
    as_json: AsJson = False,
) -> None:
    """Unpin a statement. What was said of it in the conversation stays.

    Example: agentmem pins remove 0a1b2c3d4e5f --actor user123 --session chat-0001
    """
    memory = config.bind(actor_id=actor, session_id=session)
    with progress("unpinning"):
        ids = [pin.pin_id for pin in memory.pins(agent_id=agent)]
        if any(one.startswith(pin_id) for one in ids):  # otherwise `unpin` says that there is no such pin
            pin_id = completed(pin_id, ids, kind="pin", where="pins list")
        memory.unpin(pin_id, agent_id=agent)
    if as_json:
        print_json({"removed": pin_id})
    else:
        print(f"{pin_id} is no longer pinned")


def _facts(pin: Pin) -> dict[str, Any]:
    return {"id": pin.pin_id, "text": pin.text, "at": pin.at, "by": pin.by}
