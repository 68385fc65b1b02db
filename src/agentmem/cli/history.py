"""Brings a conversation of another program into a session, for `agentmem import`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

from agentmem.cli.output import confirmed, note, print_json, progress

if TYPE_CHECKING:
    from pathlib import Path

    from agentmem.config import MemoryConfig
    from agentmem.replay.conversation import Conversation


def is_export(file: Path) -> bool:
    """Whether a file begins as `agentmem export` begins one."""
    if not file.is_file():
        return False
    with file.open("rb") as lines:
        try:
            first = json.loads(next(lines, b""))
        except UnicodeDecodeError:
            raise  # that is what is to be told
        except ValueError:
            return False
    return isinstance(first, dict) and first.get("kind") in {
        "memory",
        "session",
        "event",
        "record",
        "checkpoint",
        "end",
    }


def import_history(
    config: MemoryConfig,
    file: Path,
    actor: str,
    session: str | None,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Show what a file holds, ask, and write it into an empty session.

    Args:
        config: The memory.
        file: The conversation.
        actor: Whose session it becomes.
        session: The session; a new one unless given.
        dry_run: Only show.
        yes: Do not ask.
        as_json: Print JSON.

    Raises:
        typer.Exit: The answer was no.
        ReplayFormatError: The file is of no known form.
        SessionNotEmptyError: The session holds something.
    """
    from agentmem.replay.formats import load_conversation
    from agentmem.replay.importing import check_empty, import_conversation
    from agentmem.scope.identity import new_session_id

    conversation = load_conversation(file)
    target = config.bind(actor, session or new_session_id(actor, "import"))
    check_empty(target)
    found = _counts(conversation) | {"actor": actor, "session": target.session_id}
    if not as_json:
        _show(found)
    if dry_run:
        if as_json:
            print_json({**found, "imported": False})
        return
    if not confirmed(f"Import it into session {target.session_id!r} of actor {actor!r}?", yes=yes):
        note("Nothing was imported.")
        raise typer.Exit(1)
    with progress("importing", found["turns"]) as show:
        report = import_conversation(conversation, target, on_progress=show)
    if as_json:
        print_json({**found, "compactions": report.compactions, "imported": True})
    else:
        print(f"imported {report.invocations:,} turns, {report.compactions:,} compactions")


def _counts(conversation: Conversation) -> dict[str, Any]:
    blocks = [block for message in conversation.messages for block in message["content"]]
    return {
        "format": conversation.format,
        "conversations": conversation.parts,
        "messages": len(conversation.messages),
        "turns": len(conversation.invocations()),
        "tool_calls": sum("toolUse" in block for block in blocks),
        "repairs": dict(conversation.repairs),
    }


def _show(found: dict[str, Any]) -> None:
    for name, value in found.items():
        if name != "repairs":
            print(f"{name.replace('_', ' '):<15}{value if isinstance(value, str) else f'{value:,}'}")
    for repair, count in found["repairs"].items():
        print(f"{'repaired':<15}{repair}: {count:,}")
