"""Defines `agentmem export` and `agentmem import`: moves a whole memory as JSON lines, and takes conversations in."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from agentmem.cli.configuration import AsJson, configured
from agentmem.cli.output import confirmed, note, print_json, progress, writable

if TYPE_CHECKING:
    from agentmem.config import MemoryConfig


@configured
def export(
    config: MemoryConfig,
    file: Annotated[Path, typer.Argument(help="The file to write; it appears when it is complete.")],
    actor: Annotated[str | None, typer.Option(help="Only what there is of this actor.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file when it is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write sessions, events, records and checkpoints to a file, one JSON object a line. Interrupted, run it again.

    Let extraction come to its end before: what is under way is in no record yet, and an import extracts nothing. Stop
    the agents, or what they write meanwhile may be missing.

    Example: agentmem export memory.jsonl --actor user123
    """
    from agentmem.operations.transfer import export_lines

    if file.exists() and not force:
        raise typer.BadParameter(f"{file} is there already; give --force to replace it")
    part = file.with_name(f"{file.name}.part")
    last: dict[str, object] = {}
    with writable(file), part.open("w", encoding="utf-8") as out, progress("exporting") as show:
        for number, line in enumerate(export_lines(config, actor_id=actor), 1):
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
            last = line
            show(number)
    part.replace(file)
    _tell({name: value for name, value in last.items() if name != "kind"}, f"written to {file}", as_json=as_json)


@configured
def import_(  # noqa: PLR0917 - typer makes an option of each
    config: MemoryConfig,
    file: Annotated[
        Path,
        typer.Argument(help="A file that `agentmem export` wrote; with --actor, a conversation of another program."),
    ],
    actor: Annotated[str | None, typer.Option(help="Whose session the conversation becomes.")] = None,
    session: Annotated[
        str | None, typer.Option(help="The session, which must be empty; a new one unless given.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what the conversation holds, and write nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ids: Annotated[
        Path | None, typer.Option(help="Write here which event and record became which, one JSON object a line.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the content of a file into a memory, best an empty one. After an interruption it continues.

    With --actor, FILE is a conversation: what `agentmem replay` reads, such as a session of Claude Code or a folder of
    Strands' FileSessionManager. It is shown first, and becomes a session that restores in an agent and is recalled; its
    turns are events of the moment of the import, from which long-term memory is extracted.

    What is done is noted beside the file, in FILE.<memory id>.progress; delete that to import once more.

    The service's API sets limits. It gives every event and record a new id and creation time: --ids tells which became
    which, and branches and checkpoints refer to the new ones. An event's term begins anew. A record that expires gets
    a term in whole days, 31 at the least. Nothing is extracted from what is imported. A session without events cannot
    be made. Events of one millisecond may change places on AWS, and AWS may slow down many events of one session.

    Example: agentmem import memory.jsonl --memory-id support_bot-a1b2c3d4e5 --ids ids.jsonl

    Example: agentmem import session.jsonl --actor ann --dry-run
    """
    from agentmem.cli.history import import_history, is_export
    from agentmem.errors import ConfigurationError

    if not file.exists():
        raise typer.BadParameter(f"there is no file {file}")
    if actor is not None:
        import_history(config, file, actor, session, dry_run=dry_run, yes=yes, as_json=as_json)
        return
    if session is not None or dry_run:
        raise ConfigurationError("--session and --dry-run are for a conversation. Give its --actor too.")
    if not is_export(file):
        raise ConfigurationError(
            f"{file} is no file of `agentmem export`. Give --actor to import it as a conversation, --dry-run first."
        )
    _import_export(config, file, ids, yes=yes, as_json=as_json)


def _import_export(config: MemoryConfig, file: Path, ids: Path | None, *, yes: bool, as_json: bool) -> None:
    """Write an export into the memory."""
    from agentmem.operations.importing import Import
    from agentmem.operations.inventory import Inventory

    notes = file.with_name(f"{file.name}.{config.memory_id.rpartition('/')[2]}.progress")
    done = notes.read_text(encoding="utf-8").splitlines(keepends=True) if notes.exists() else []
    if done:
        note(f"Going on after the {len(done):,} writes noted in {notes}.")
    elif (actor := next(Inventory(config).actors(), None)) is not None:
        question = f"Memory {config.memory_id!r} is not empty (it knows actor {actor!r}). Import into it?"
        if not confirmed(question, yes=yes):
            note("Nothing was imported.")
            raise typer.Exit(1)
    if done and not done[-1].endswith("\n"):
        notes.write_text("".join(done[:-1]), encoding="utf-8")
    with file.open(encoding="utf-8") as lines:
        total = sum(1 for _ in lines)
    with (
        writable(notes),
        notes.open("a", encoding="utf-8") as noted,
        file.open(encoding="utf-8") as lines,
        progress("importing", total) as show,
    ):
        work = Import(config, noted, done)
        counts = work.run(lines, on_line=show)
    if ids is not None:
        with writable(ids):
            ids.write_text("".join(json.dumps(one) + "\n" for one in work.ids()), encoding="utf-8")
    _tell({**counts, "left_out": sum(work.left_out.values())}, f"imported into {config.memory_id}", as_json=as_json)
    for how, count in work.changed.items():
        note(f"Not the same: {count:,} {how}")
    for what, count in work.left_out.items():
        note(f"Left out: {count:,} {what}")
    if work.left_out:
        raise typer.Exit(1)


def _tell(counts: dict[str, object], what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(counts)
    else:
        print(f"{', '.join(f'{count:,} {name}s' for name, count in counts.items() if name != 'left_out')} {what}")
