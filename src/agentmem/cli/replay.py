"""Defines `agentmem replay`: runs a recorded conversation through a real agent and measures it."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentmem.config import MemoryConfig
    from agentmem.replay.report import ReplayReport
    from agentmem.session_manager.manager import CompactingSessionManager
    from agentmem.settings.sections import CheckpointLocation
    from agentmem.testing.model_base import ModelRequest

DEFAULT_PICTURE = Path("agentmem-replay.html")


class Checkpoints(StrEnum):
    """Where compaction checkpoints are kept."""

    EVENT_LOG = "event-log"
    SQLITE = "sqlite"
    DYNAMODB = "dynamodb"
    MEMORY = "memory"


def replay(  # noqa: PLR0917 - typer makes an option of each
    file: Annotated[
        Path,
        typer.Argument(
            help="The conversation: a file of messages of Strands, OpenAI, Anthropic, LangChain or ShareGPT, a session "
            "of Claude Code, a trajectory of SWE-agent, or a folder of Strands' FileSessionManager."
        ),
    ],
    token_threshold: Annotated[int, typer.Option(help="Compact at this many tokens.", min=1_000)] = 100_000,
    protected_turns: Annotated[int, typer.Option(help="The last turns stay as they are, if they fit.", min=1)] = 2,
    restart_every: Annotated[
        int, typer.Option(help="Restore with fresh objects after every N calls of the agent; 0 for never.", min=0)
    ] = 0,
    checkpoints: Annotated[Checkpoints, typer.Option(help="Where checkpoints are kept.")] = Checkpoints.EVENT_LOG,
    dynamodb_table: Annotated[str, typer.Option(help="The DynamoDB table.")] = "agentmem-checkpoints",
    dynamodb_endpoint: Annotated[
        str | None, typer.Option(help="The DynamoDB endpoint URL.", envvar="AWS_ENDPOINT_URL_DYNAMODB")
    ] = None,
    create_table: Annotated[
        bool, typer.Option("--create-table", help="Create the DynamoDB table if it is missing.")
    ] = False,
    local: Annotated[
        Path | None, typer.Option(help="Keep the embedded memory in this folder; without it, in the process only.")
    ] = None,
    requests: Annotated[Path | None, typer.Option(help="Write every request here, one JSON object a line.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help=f"Write the picture here, .html or .svg. [default: {DEFAULT_PICTURE}]")
    ] = None,
    no_picture: Annotated[bool, typer.Option("--no-picture", help="Write no picture.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of a table; a picture only when asked for.")
    ] = False,
) -> None:
    """Drive a recorded conversation through a real Strands agent and measure every request.

    A replay model says what was recorded and tools answer what was recorded; memory is the embedded service. It shows
    progress, then a table, and writes a picture of request size over time with and without compaction.

    Example: agentmem replay conversation.jsonl --token-threshold 30000 --restart-every 7
    """
    from agentmem.config import MemoryConfig
    from agentmem.replay.calls import ApiCalls
    from agentmem.replay.formats import load_conversation
    from agentmem.replay.picture import check_picture_path, write_picture
    from agentmem.replay.run import Replay
    from agentmem.settings.sections import CompactionConfig

    target = _picture_path(picture, no_picture=no_picture, as_json=as_json)
    if target is not None:
        check_picture_path(target)
    conversation = load_conversation(file)
    details = {
        "file": str(file),
        "format": conversation.format,
        "conversations": conversation.parts,
        "repairs": dict(conversation.repairs),
        "token_threshold": token_threshold,
        "protected_turns": protected_turns,
        "checkpoints": checkpoints.value,
    }
    with ExitStack() as stack:
        location = _location(stack, checkpoints, local, dynamodb_table, dynamodb_endpoint)
        compaction = CompactionConfig(token_threshold=token_threshold, protected_turns=protected_turns)
        config = MemoryConfig.local(local or ":memory:", compaction=compaction, checkpoints=location)
        calls = ApiCalls()
        calls.attach(config.boto_session())  # before anything makes a client, which it would not reach
        if create_table:
            _create_table(config)
            calls.by_operation.clear()
        run = Replay(
            conversation,
            _opener(config),
            restart_every=restart_every,
            on_request=_writer(stack, requests),
            on_progress=_progress(stack, len(conversation.invocations())),
            calls=calls,
        )
        report = run.run(details)
        run.close()
    if target is not None:
        write_picture(report, target)
    if as_json:
        print(json.dumps(report.as_json()))
    else:
        _show(report, target, requests)


def _picture_path(picture: Path | None, *, no_picture: bool, as_json: bool) -> Path | None:
    if no_picture:
        return None
    return picture if picture is not None or as_json else DEFAULT_PICTURE


def _location(
    stack: ExitStack, kind: Checkpoints, local: Path | None, table: str, endpoint: str | None
) -> CheckpointLocation:
    """Describe where the checkpoints are kept; without a folder SQLite gets one that is gone afterwards."""
    from agentmem.settings.sections import (
        DynamoDBCheckpoints,
        EventLogCheckpoints,
        InMemoryCheckpoints,
        SqliteCheckpoints,
    )

    if kind is Checkpoints.SQLITE:
        folder = local or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="agentmem-replay-")))
        return SqliteCheckpoints(path=folder / "checkpoints.sqlite")
    if kind is Checkpoints.DYNAMODB:
        return DynamoDBCheckpoints(table=table, endpoint_url=endpoint)
    return InMemoryCheckpoints() if kind is Checkpoints.MEMORY else EventLogCheckpoints()


def _create_table(config: MemoryConfig) -> None:
    from agentmem.checkpoints.dynamodb.create import create_table
    from agentmem.checkpoints.open import dynamodb_client
    from agentmem.settings.sections import DynamoDBCheckpoints

    if not isinstance(config.checkpoints, DynamoDBCheckpoints):
        raise typer.BadParameter("only --checkpoints dynamodb has a table to create", param_hint="--create-table")
    client = dynamodb_client(config.checkpoints, boto_session=config.boto_session(), region=config.region)
    create_table(client, config.checkpoints.table)


def _opener(config: MemoryConfig) -> Callable[[], CompactingSessionManager]:
    """Return what opens one and the same new session, with new objects each time."""
    from agentmem.scope.identity import new_session_id

    session_id = new_session_id("replay", "replay")
    return lambda: config.bind("replay", session_id).session_manager()


def _writer(stack: ExitStack, path: Path | None) -> Callable[[ModelRequest], None] | None:
    if path is None:
        return None
    from agentmem.replay.run import write_request

    path.parent.mkdir(parents=True, exist_ok=True)
    file = stack.enter_context(path.open("w", encoding="utf-8"))
    return lambda request: write_request(request, file)


def _progress(stack: ExitStack, total: int) -> Callable[[int], None]:
    """Show a bar on stderr; where that is no terminal, a line for each quarter."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        quarters = {round(total * part / 4): f"{part * 25} %" for part in range(1, 5)}
        return lambda done: print(f"replayed {quarters[done]}", file=sys.stderr) if done in quarters else None
    bar = stack.enter_context(
        Progress(TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console)
    )
    task = bar.add_task("replaying", total=total)
    return lambda done: bar.update(task, completed=done)


def _show(report: ReplayReport, picture: Path | None, requests: Path | None) -> None:
    from agentmem.replay.picture import facts

    recall = report.recall
    found = (
        () if recall is None else ((f"recalled with {recall.tokens:,} tokens", f"{recall.found} of {recall.asked}"),)
    )
    rows = [
        *facts(report),
        *found,
        *((f"API calls: {operation}", f"{count:,}") for operation, count in sorted(report.api_calls.items())),
        *((f"repaired: {repair}", f"{count:,}") for repair, count in report.details["repairs"].items()),
        ("time", f"{report.seconds:.1f} s"),
    ]
    width = max(len(name) for name, _ in rows) + 2
    for name, value in rows:
        print(f"{name:<{width}}{value}")
    for label, path in (("picture", picture), ("requests", requests)):
        if path is not None:
            print(f"{label} written to {path}")
