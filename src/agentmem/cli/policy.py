"""Defines `agentmem iam-policy`: prints the least permissions of an agent or of an operator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from agentmem.cli.configuration import ConfigFile, Local, MemoryId, Region, read_values

if TYPE_CHECKING:
    from agentmem.config import MemoryConfig


def policy(  # noqa: PLR0917 - typer makes an option of each
    account_id: Annotated[str, typer.Option(help="The AWS account of the memory; '*' for any.")] = "*",
    setup: Annotated[
        bool, typer.Option("--setup", help="Also allow what `agentmem init` does; the memory need not exist yet.")
    ] = False,
    operator: Annotated[
        bool,
        typer.Option("--operator", help="Also allow what the other commands do: doctor, forget, export, import, ..."),
    ] = False,
    config: ConfigFile = None,
    local: Local = None,
    memory_id: MemoryId = None,
    region: Region = None,
) -> None:
    """Print the least-privilege IAM policy for an agent with this configuration, as JSON. It makes no call.

    With --setup or --operator it prints the policy of a person who creates the memory, or operates it.

    Example: agentmem iam-policy --account-id 123456789012 > policy.json
    """
    from agentmem.config import MemoryConfig
    from agentmem.deploy.permissions import iam_policy
    from agentmem.errors import ConfigurationError

    values = read_values(config, local=local, memory_id=memory_id, region=region)
    if not values.get("memory_id") and not setup:
        raise ConfigurationError("no memory is configured. Give --memory-id, or --setup for the policy of making one.")
    # An embedded memory has no permissions; what is asked for is the policy of the same agent on AWS.
    values.pop("local_path", None)
    settings: MemoryConfig = MemoryConfig(**values)
    print(json.dumps(iam_policy(settings, account_id=account_id, setup=setup, operate=operator), indent=2))
