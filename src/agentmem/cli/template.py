"""Defines `agentmem template`: prints the CloudFormation template of a configuration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from agentmem.cli.configuration import ConfigFile, Local, MemoryId, Region, read_values

if TYPE_CHECKING:
    from agentmem.config import MemoryConfig


def template(  # noqa: PLR0917 - typer makes an option of each
    name: Annotated[
        str | None, typer.Option(help="The memory's name. Without it, that of the configured memory, or agentmem.")
    ] = None,
    table: Annotated[str | None, typer.Option(help="Keep checkpoints in a DynamoDB table of this name.")] = None,
    event_expiry_days: Annotated[int, typer.Option(help="Days the memory keeps events.", min=3, max=365)] = 90,
    monitoring: Annotated[
        bool, typer.Option(help="Deliver logs and traces of the memory, and make a dashboard and alarms.")
    ] = True,
    config: ConfigFile = None,
    local: Local = None,
    memory_id: MemoryId = None,
    region: Region = None,
) -> None:
    """Print the CloudFormation template of an agent's memory, table, role, logs, dashboard and alarms, as JSON.

    It makes no call. Deploy it with `aws cloudformation deploy`, the CDK or Terraform; the output Environment holds the
    variables that the agent needs.

    Example: agentmem template --name support_bot --table agentmem-checkpoints > template.json
    """
    from agentmem.config import MemoryConfig
    from agentmem.deploy.template import cloudformation

    values = read_values(config, local=local, memory_id=memory_id, region=region)
    # What it makes is on AWS, whichever memory the same agent has on this machine.
    values.pop("local_path", None)
    if table is not None:
        values["checkpoints"] = {"kind": "dynamodb", "table": table}
    settings: MemoryConfig = MemoryConfig(**values)
    made = cloudformation(settings, name=name, event_expiry_days=event_expiry_days, monitoring=monitoring)
    print(json.dumps(made, indent=2))
