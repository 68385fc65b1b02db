"""Writes the IAM policy document with the least permissions of an agent or of an operator."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.exceptions import UnknownRegionError

from agentmem.errors import ConfigurationError
from agentmem.scope.templates import PLACEHOLDER, normalise
from agentmem.settings.sections import DynamoDBCheckpoints

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentmem.scope.scope import Configuration

EVENT_ACTIONS = ("CreateEvent", "DeleteEvent", "GetEvent", "ListEvents")
"""DeleteEvent is for redaction after the fact: the replacement is written first, then the original goes."""

RECORD_ACTIONS = ("ListMemoryRecords", "RetrieveMemoryRecords")
EXTRACTION_ACTIONS = ("ListMemoryExtractionJobs",)
CHECKPOINT_ACTIONS = ("BatchGetItem", "BatchWriteItem", "PutItem", "Query", "UpdateItem")
"""What the checkpoint store calls; a transaction of puts is authorized as PutItem."""

OPERATOR_ACTIONS = (
    "BatchCreateMemoryRecords",
    "BatchDeleteMemoryRecords",
    "DeleteMemoryRecord",
    "GetMemory",
    "GetMemoryRecord",
    "ListActors",
    "ListMemoryExtractionJobs",
    "ListMemoryRecords",
    "ListSessions",
    "RetrieveMemoryRecords",
)
"""What the command line calls on a memory that is there: to look it through, to forget a person, to export and import.

No condition holds it to namespaces: what belongs to a person is looked for above all actors' namespaces."""

OPERATOR_TABLE_ACTIONS = (
    "DeleteItem",
    "DescribeContinuousBackups",
    "DescribeTable",
    "DescribeTimeToLive",
    "Scan",
)
"""What `agentmem doctor`, `forget` and `export` call beyond what an agent does."""

SETUP_ACTIONS = ("GetMemory", "UpdateMemory")
SETUP_ANYWHERE_ACTIONS = ("CreateMemory", "ListMemories")
"""What `ensure_memory` calls; these two are about no memory in particular."""

SETUP_TABLE_ACTIONS = (
    "CreateTable",
    "DescribeContinuousBackups",
    "DescribeTable",
    "DescribeTimeToLive",
    "UpdateContinuousBackups",
    "UpdateTimeToLive",
)
"""What making the checkpoint table calls."""

_ACCOUNT = re.compile(r"\d{12}|\*")


def iam_policy(
    config: Configuration, *, account_id: str = "*", setup: bool = False, operate: bool = False
) -> dict[str, Any]:
    """Return the least-privilege IAM policy for the calls of a configuration.

    It covers sessions, hooks, searches, waiting and checkpoints of every actor; searches are held to the configured
    namespaces by the condition keys ``bedrock-agentcore:namespace`` and ``bedrock-agentcore:namespacePath``. It covers
    neither the agent's model nor a customer managed encryption key.

    Args:
        config: The configuration.
        account_id: The AWS account of the memory and the table, twelve digits; ``*`` for any.
        setup: Also allow what `ensure_memory` and making the checkpoint table call, which is what `agentmem init` does.
        operate: Also allow what every other command of the command line calls, in every namespace of the memory:
            `doctor`, `sessions`, `records`, `forget`, `export`, `import` and so on. It is for people, not for agents.

    Returns:
        The policy document, ready for `json.dumps`.

    Raises:
        ConfigurationError: There is no region, or no memory id and `setup` is false; or the account is malformed.
    """
    if not _ACCOUNT.fullmatch(account_id):
        raise ConfigurationError(f"account_id = {account_id!r}: give the twelve digits of an AWS account, or '*'.")
    if not config.memory_id and not setup:
        raise ConfigurationError(
            "memory_id is missing. Give it, or ask for the policy of ensure_memory with setup=True."
        )
    if not config.region:
        raise ConfigurationError("region is missing. Give MemoryConfig(region=...) or set AWS_REGION.")
    memory = _memory_arn(config, account_id)
    statements = memory_statements(config, memory)
    if operate:
        statements.append(_allow("Operate", "bedrock-agentcore", OPERATOR_ACTIONS, memory))
    if setup:
        statements += [
            _allow("SetUp", "bedrock-agentcore", SETUP_ACTIONS, memory),
            _allow("SetUpAnywhere", "bedrock-agentcore", SETUP_ANYWHERE_ACTIONS, "*"),
        ]
    if isinstance(config.checkpoints, DynamoDBCheckpoints):
        actions = {
            *CHECKPOINT_ACTIONS,
            *(OPERATOR_TABLE_ACTIONS if operate else ()),
            *(SETUP_TABLE_ACTIONS if setup else ()),
        }
        statements.append(table_statement(_table_arn(config, config.checkpoints, account_id), actions))
    return {"Version": "2012-10-17", "Statement": statements}


def memory_statements(config: Configuration, memory: object) -> list[dict[str, Any]]:
    """Return what an agent of a configuration must be allowed to do with its memory.

    Args:
        config: The configuration, of which the namespaces count.
        memory: The memory's ARN, or an expression of a template that yields it.

    Returns:
        The statements of a policy.
    """
    statements = [_allow("Events", "bedrock-agentcore", EVENT_ACTIONS, memory)]
    if config.namespaces:
        templates = sorted({namespace.template for namespace in config.namespaces})
        exact = [PLACEHOLDER.sub("*", template) for template in templates]
        below = sorted({_above_sessions(template) for template in templates})
        statements += [
            _allow("Namespaces", "bedrock-agentcore", RECORD_ACTIONS, memory, {"namespace": exact}),
            _allow("NamespacePaths", "bedrock-agentcore", RECORD_ACTIONS, memory, {"namespacePath": below}),
            _allow("Extraction", "bedrock-agentcore", EXTRACTION_ACTIONS, memory),
        ]
    return statements


def table_statement(table: object, actions: Iterable[str] = CHECKPOINT_ACTIONS) -> dict[str, Any]:
    """Return what must be allowed on the checkpoint table.

    Args:
        table: The table's ARN, or an expression of a template that yields it.
        actions: The operations, without their service; those of an agent unless others are given.

    Returns:
        The statement of a policy.
    """
    return _allow("Checkpoints", "dynamodb", actions, table)


def _allow(
    sid: str, service: str, actions: Iterable[str], resource: object, like: dict[str, list[str]] | None = None
) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Sid": f"AgentMem{sid}",
        "Effect": "Allow",
        "Action": _prefixed(service, actions),
        "Resource": resource,
    }
    if like:
        statement["Condition"] = {"StringLike": {f"{service}:{key}": values for key, values in like.items()}}
    return statement


def _prefixed(service: str, actions: Iterable[str]) -> list[str]:
    return sorted(f"{service}:{action}" for action in actions)


def _above_sessions(template: str) -> str:
    """Return the pattern of the paths from the actor's own down: ``/summaries/*/*`` of a template with a session."""
    kept: list[str] = []
    for segment in normalise(template).strip("/").split("/"):
        if "{sessionId}" in segment:
            break
        kept.append(segment)
    return PLACEHOLDER.sub("*", normalise("/".join(kept)) if kept else normalise(template)) + "*"


def _memory_arn(config: Configuration, account_id: str) -> str:
    if config.memory_id.startswith("arn:"):
        return config.memory_id
    partition = _partition(config.region or "")
    return f"arn:{partition}:bedrock-agentcore:{config.region}:{account_id}:memory/{config.memory_id or '*'}"


def _table_arn(config: Configuration, location: DynamoDBCheckpoints, account_id: str) -> str:
    if location.table.startswith("arn:"):
        return location.table
    region = location.region or config.region or ""
    return f"arn:{_partition(region)}:dynamodb:{region}:{account_id}:table/{location.table}"


def _partition(region: str) -> str:
    try:
        return str(botocore.session.get_session().get_partition_for_region(region))
    except UnknownRegionError:
        return "aws"  # a region newer than botocore's list of them
