"""Defines `agentmem events`: lists and shows the events of a session."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentmem.cli.configuration import Actor, AsJson, Session, configured
from agentmem.cli.output import print_facts, print_json, print_table, progress, shortened, when
from agentmem.cli.prefixes import completed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentmem.config import MemoryConfig

events = typer.Typer(help="Look at the events of a session.", no_args_is_help=True)

_EVENT_ID = re.compile(r"\d{19}#[0-9a-f]{8}")
"""A whole id as the service makes them (Event in botocore's model); one may also be shorter than another's prefix."""


@events.command("list")
@configured
def list_events(  # noqa: PLR0917 - typer makes an option of each
    config: MemoryConfig,
    actor: Actor,
    session: Session,
    limit: Annotated[int, typer.Option(help="At most this many, newest first.", min=1)] = 20,
    branch: Annotated[str | None, typer.Option(help="Only the events of this branch.")] = None,
    as_json: AsJson = False,
) -> None:
    """List a session's events, newest first, with the beginning of their text.

    Example: agentmem events list --actor user123 --session chat-0001 --limit 5
    """
    from agentmem.operations.inventory import Inventory

    with progress("reading the events"):
        found = list(islice(Inventory(config).events(actor, session, branch=branch), limit))
    if as_json:
        print_json([_facts(event) for event in found])
        return
    rows = []
    for event in found:
        facts = _facts(event)
        rows.append((event["eventId"], when(event["eventTimestamp"]), facts["branch"], facts["holds"], facts["text"]))
    print_table(
        ("event", "time", "branch", "holds", "text"),
        rows,
        empty=f"there is no event in session {session!r} of actor {actor!r} in memory {config.memory_id!r}",
    )


@events.command("show")
@configured
def show_event(
    config: MemoryConfig,
    event_id: Annotated[
        str, typer.Argument(help="The event's id, such as 0000001790000000003#0a1b2c3d, or its beginning.")
    ],
    actor: Actor,
    session: Session,
    as_json: AsJson = False,
) -> None:
    """Show one event whole; with --json as the service returns it.

    Example: agentmem events show '0000001790000000003#0a1b2c3d' --actor user123 --session chat-0001
    """
    from agentmem.events.codec import decode_event
    from agentmem.messages.text import message_text

    if not _EVENT_ID.fullmatch(event_id):
        from agentmem.operations.inventory import Inventory

        with progress("looking for the event"):
            ids = (event["eventId"] for event in Inventory(config).events(actor, session))
            event_id = completed(event_id, ids, kind="event", where="events list")
    with progress("reading the event"):
        answer = config.data_plane().get_event(
            memoryId=config.memory_id, actorId=actor, sessionId=session, eventId=event_id
        )
    event = answer["event"]
    if as_json:
        print_json(event)
        return
    facts = _facts(event)
    metadata = ", ".join(f"{name}={value}" for name, value in facts["metadata"].items())
    print_facts(
        {
            "event": event["eventId"],
            "time": when(event["eventTimestamp"]),
            "branch": facts["branch"],
            "metadata": metadata,
            "holds": facts["holds"],
        }
    )
    for logged in decode_event(event).messages:
        print(f"\n{logged.message['role']}:\n{message_text(logged.message)}")


def _facts(event: Mapping[str, Any]) -> dict[str, Any]:
    """Describe an event in a line."""
    from agentmem.events.codec import decode_event
    from agentmem.messages.text import message_text

    decoded = decode_event(event)
    roles = [logged.message["role"] for logged in decoded.messages]
    kinds = [f"{roles.count(role)} {role}" for role in ("user", "assistant") if role in roles]
    kinds += ["session"] * decoded.is_session_marker + ["state"] * (decoded.agent_state is not None)
    # The pointer to a checkpoint is in every event of a turn and says nothing of this one.
    kinds += [name for name in decoded.ours if name != "pointer"]
    kinds += [f"{decoded.unknown} unknown"] if decoded.unknown else []
    text = " / ".join(filter(None, (message_text(logged.message).strip() for logged in decoded.messages)))
    return {
        "event": event["eventId"],
        "time": event["eventTimestamp"],
        "branch": event.get("branch", {}).get("name", "main"),
        "metadata": {name: value.get("stringValue") for name, value in event.get("metadata", {}).items()},
        "holds": ", ".join(kinds),
        "text": shortened(text),
    }
