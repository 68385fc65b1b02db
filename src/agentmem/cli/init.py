"""Defines `agentmem init`: creates a memory and writes its configuration file."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentmem.cli.configuration import DEFAULT_FILE, LOCAL_NAME, AsJson, Local, Region, opening, read_values
from agentmem.cli.output import print_facts, print_json, progress, writable

if TYPE_CHECKING:
    from agentmem.config import MemoryConfig


def init(  # noqa: PLR0917 - typer makes an option of each
    name: Annotated[
        str | None, typer.Option(help=f"The memory's name: letters, digits and '_'. Without it, {LOCAL_NAME}.")
    ] = None,
    config: Annotated[
        Path, typer.Option("--config", help="The configuration file to write, or to complete when it is there.")
    ] = DEFAULT_FILE,
    local: Local = None,
    region: Region = None,
    table: Annotated[
        str | None, typer.Option(help="Keep checkpoints in this DynamoDB table, which is created if it is missing.")
    ] = None,
    event_expiry_days: Annotated[int, typer.Option(help="Days a new memory keeps events.", min=3, max=3_650)] = 90,
    max_wait: Annotated[float, typer.Option(help="Seconds to wait until it is ACTIVE.", min=0.0)] = 300.0,
    as_json: AsJson = False,
) -> None:
    """Create the memory with the configured strategies, wait until it can be used, and write agentmem.toml.

    An existing memory of that name only gets the missing strategies, so you may repeat the command.

    Example: agentmem init --name support_bot --region us-west-2 --table agentmem-checkpoints
    """
    from agentmem.cli.config_file import complete, new_file

    text = config.read_text(encoding="utf-8") if config.exists() else None
    values = read_values(None if text is None else config, local=local, region=region, default_file=False)
    checkpoints = None if table is None else {"kind": "dynamodb", "table": table}
    if checkpoints is not None:
        values["checkpoints"] = checkpoints
    if text is not None:
        complete(
            text, config, {} if local is None else {"local_path": local}, checkpoints
        )  # what it would refuse is refused before anything is created
    with progress(f"waiting for the memory, at most {max_wait:g} s"):
        settings = _ensured(values, name, event_expiry_days, max_wait)
        created = _table(settings)
    place = _place(settings, values)
    written = new_file(settings, place) if text is None else complete(text, config, place, checkpoints)
    if written != text:
        with writable(config):
            config.parent.mkdir(parents=True, exist_ok=True)
            config.write_text(written, encoding="utf-8")
    strategies = [namespace.name for namespace in settings.namespaces]
    facts = {
        "memory_id": settings.memory_id,
        "region": settings.region,
        "strategies": strategies,
        "table": getattr(settings.checkpoints, "table", None),
        "table_created": created,
        "file": str(config),
        "file_written": written != text,
    }
    if as_json:
        print_json(facts)
        return
    facts["strategies"] = ", ".join(strategies) or "none"
    print_facts({key.replace("_", " "): value for key, value in facts.items() if value is not None})


def _ensured(values: dict[str, Any], name: str | None, event_expiry_days: int, max_wait: float) -> MemoryConfig:
    from agentmem.clients.embedded import REGION
    from agentmem.config import MemoryConfig
    from agentmem.deploy.provisioning import ensure_memory

    place = values.get("local_path")
    if place is not None:
        values = {**values, "region": values.get("region") or REGION}
    config = MemoryConfig(**values)
    if place is not None:
        with opening(place):
            config.boto_session()
    # The service makes an id of the name, a hyphen and ten characters of its own.
    known = config.memory_id.rpartition("/")[2].rpartition("-")[0]
    return ensure_memory(config, name or known or LOCAL_NAME, event_expiry_days=event_expiry_days, max_wait=max_wait)


def _table(config: MemoryConfig) -> bool | None:
    """Create the checkpoint table, if there is to be one; tell whether it was missing."""
    from agentmem.settings.sections import DynamoDBCheckpoints

    if not isinstance(config.checkpoints, DynamoDBCheckpoints):
        return None
    from agentmem.checkpoints.dynamodb.create import create_table
    from agentmem.checkpoints.open import dynamodb_client

    session = config.boto_session() if config.local_path is None else None
    client = dynamodb_client(config.checkpoints, boto_session=session, region=config.region)
    return create_table(client, config.checkpoints.table)


def _place(config: MemoryConfig, values: dict[str, Any]) -> dict[str, str]:
    """Return the fields of the file that say where the memory is."""
    if config.local_path is None:
        region = {"region": config.region} if config.region else {}
        return {"memory_id": config.memory_id, **region}
    # The embedded memory of the usual name is found without its id, and made again when its folder is gone.
    usual = config.memory_id.rpartition("-")[0] == LOCAL_NAME
    return {"local_path": str(values["local_path"]), **({} if usual else {"memory_id": config.memory_id})}
