"""Defines `agentmem checkpoints`: lists and deletes saved checkpoints and creates their DynamoDB table."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from agentmem.cli.configuration import Actor, Agent, AsJson, ConfigFile, Session, configured, find_configuration
from agentmem.cli.output import confirmed, note, print_facts, print_json, print_table, progress, when

if TYPE_CHECKING:
    from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey
    from agentmem.config import MemoryConfig

checkpoints = typer.Typer(
    help="Look at or delete the compaction checkpoints of a session, or create the table they are kept in.",
    no_args_is_help=True,
)


@checkpoints.command("list")
@configured
def list_checkpoints(  # noqa: PLR0917 - typer makes an option of each
    config: MemoryConfig,
    actor: Actor,
    session: Session,
    agent: Agent = "default",
    limit: Annotated[int, typer.Option(help="At most this many, newest first.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """List a session's checkpoints, newest first: the event and item the kept history begins at, and tokens around it.

    Example: agentmem checkpoints list --actor user123 --session chat-0001
    """
    from agentmem.session_manager.session_view import open_checkpoints

    store, key = open_checkpoints(config, actor, session, agent)
    with progress("reading the checkpoints"):
        found = list(islice(store.history(key), limit))
    if as_json:
        print(json.dumps([_facts(checkpoint) for checkpoint in found]))
        return
    columns = ("version", "event", "#item", "created", "trigger", "#folded", "#before", "#after")
    rows = [
        (
            str(checkpoint.version),  # as --version takes it, without a comma
            checkpoint.boundary.event_id,
            checkpoint.boundary.item,
            when(checkpoint.created_at),
            checkpoint.trigger,
            checkpoint.folded_messages,
            checkpoint.tokens_before,
            checkpoint.tokens_after,
        )
        for checkpoint in found
    ]
    print_table(columns, rows, empty=_nothing(key))


@checkpoints.command("show")
@configured
def show_checkpoint(  # noqa: PLR0917 - typer makes an option of each
    config: MemoryConfig,
    actor: Actor,
    session: Session,
    agent: Agent = "default",
    version: Annotated[int | None, typer.Option(help="Which version; the newest without it.", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Show one checkpoint with its summary.

    Example: agentmem checkpoints show --actor user123 --session chat-0001 --version 3
    """
    from agentmem.session_manager.session_view import open_checkpoints

    store, key = open_checkpoints(config, actor, session, agent)
    with progress("reading the checkpoint"):
        found = next(store.history(key, before=None if version is None else version + 1), None)
    if found is None or (version is not None and found.version != version):
        raise typer.BadParameter(_nothing(key, version), param_hint="--session")
    if as_json:
        print(json.dumps(found.to_dict()))
        return
    print_facts({name.replace("_", " "): value for name, value in _facts(found).items()})
    print()
    print(found.summary.render() or "(nothing is folded away)")


@checkpoints.command("delete")
@configured
def delete_checkpoints(  # noqa: PLR0917 - typer makes an option of each
    config: MemoryConfig,
    actor: Actor,
    session: Session,
    agent: Agent = "default",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a session's checkpoints, readable or not; no message is deleted.

    The session is then opened as one that was never compacted. Close its agents before: a live one would save its own
    checkpoint again.

    Example: agentmem checkpoints delete --actor user123 --session chat-0001
    """
    from agentmem.session_manager.session_view import open_checkpoints

    store, key = open_checkpoints(config, actor, session, agent)
    question = f"Delete the checkpoints of agent {agent!r} in session {session!r} of actor {actor!r}?"
    if not confirmed(question, yes=yes):
        note("Nothing was deleted.")
        raise typer.Exit(1)
    with progress("deleting the checkpoints"):
        count = store.delete(key)
    if as_json:
        print_json({"deleted": count})
    else:
        print(f"Deleted: {count}. The messages are untouched." if count else _nothing(key))


@checkpoints.command("create-table")
def create_checkpoint_table(
    table: Annotated[str | None, typer.Option(help="The table's name; without it, the configured one.")] = None,
    region: Annotated[str | None, typer.Option(help="The table's region; without it, the configured one.")] = None,
    endpoint_url: Annotated[
        str | None, typer.Option(help="Where DynamoDB is, when not on AWS.", envvar="AWS_ENDPOINT_URL_DYNAMODB")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Create the DynamoDB table for checkpoints, or complete one that is there; safe to repeat.

    On-demand, expiry on, point-in-time recovery on.

    Example: agentmem checkpoints create-table --table agentmem-checkpoints --region us-west-2
    """
    from agentmem.checkpoints.dynamodb.create import create_table
    from agentmem.checkpoints.open import dynamodb_client
    from agentmem.settings.sections import DynamoDBCheckpoints

    settings: MemoryConfig | None = None
    if table is None or config is not None:
        settings = find_configuration(config)
    configured = settings.checkpoints if settings and isinstance(settings.checkpoints, DynamoDBCheckpoints) else None
    name = table or (configured.table if configured else None)
    if name is None:
        raise typer.BadParameter(
            "the configuration keeps no checkpoints in DynamoDB; name a table", param_hint="--table"
        )
    location = DynamoDBCheckpoints(
        table=name,
        region=region or (configured.region if configured else None),
        endpoint_url=endpoint_url or (configured.endpoint_url if configured else None),
    )
    client = dynamodb_client(
        location,
        boto_session=settings.boto_session() if settings and settings.local_path is None else None,
        region=settings.region if settings else None,
    )
    with progress(f"waiting for table {name}"):
        created = create_table(client, name)
    if as_json:
        print(json.dumps({"table": name, "region": client.meta.region_name, "created": created}))
    else:
        print(f"table {name} in {client.meta.region_name} {'was created' if created else 'was there'} and is ready")


def _facts(checkpoint: Checkpoint) -> dict[str, object]:
    """Return the fields of a checkpoint without its summary and index."""
    shown = {name: value for name, value in checkpoint.to_dict().items() if name not in ("summary", "index")}
    return {**shown, "indexed_messages": len(checkpoint.index)}


def _nothing(key: CheckpointKey, version: int | None = None) -> str:
    which = "no checkpoint" if version is None else f"no checkpoint version {version}"
    return (
        f"there is {which} of agent {key.agent_id!r}, session {key.session_id!r}, actor {key.actor_id!r} "
        f"in memory {key.memory_id!r}"
    )
