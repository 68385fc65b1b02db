"""Opens the configured checkpoint store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentmem.errors import ConfigurationError

if TYPE_CHECKING:
    from boto3 import Session

    from agentmem.checkpoints.checkpoint import CheckpointStore
    from agentmem.settings.sections import CheckpointLocation, DynamoDBCheckpoints


def open_store(
    location: CheckpointLocation | CheckpointStore,
    *,
    boto_session: Session | None = None,
    region: str | None = None,
    data_client: Any | None = None,
) -> CheckpointStore:
    """Open the checkpoint store a configuration names.

    Only what that store needs is imported, and nothing is called yet. A second store of one table makes no new client.

    Args:
        location: A checkpoint configuration; a store is returned as it is.
        boto_session: Makes the DynamoDB client; None for one made from the environment.
        region: The memory's region, for a table whose configuration and ARN name none.
        data_client: The ``bedrock-agentcore`` client, for the event log.

    Returns:
        The store.

    Raises:
        ConfigurationError: The location is none of the known ones, or lacks what it needs.
    """
    from agentmem.checkpoints.checkpoint import CheckpointStore
    from agentmem.settings.sections import (
        DynamoDBCheckpoints,
        EventLogCheckpoints,
        InMemoryCheckpoints,
        SqliteCheckpoints,
    )

    match location:
        case EventLogCheckpoints():
            from agentmem.checkpoints.event_log import EventLogCheckpointStore

            if data_client is None:
                raise ConfigurationError("checkpoints: EventLogCheckpoints() needs the bedrock-agentcore client")
            return EventLogCheckpointStore(data_client)
        case DynamoDBCheckpoints():
            from agentmem.checkpoints.dynamodb.store import DynamoDBCheckpointStore

            client = dynamodb_client(location, boto_session=boto_session, region=region)
            return DynamoDBCheckpointStore(
                client, location.table, ttl_days=location.ttl_days, event_expiry_days=location.event_expiry_days
            )
        case SqliteCheckpoints():
            from agentmem.checkpoints.sqlite import SqliteCheckpointStore

            return SqliteCheckpointStore(location.path)
        case InMemoryCheckpoints():
            from agentmem.checkpoints.in_memory import InMemoryCheckpointStore

            return InMemoryCheckpointStore()
        case CheckpointStore():
            return location
    raise ConfigurationError(
        f"checkpoints: a {type(location).__name__} is no place for checkpoints; give EventLogCheckpoints(), "
        "DynamoDBCheckpoints(table=...), SqliteCheckpoints(path=...), InMemoryCheckpoints() or a CheckpointStore."
    )


def dynamodb_client(
    location: DynamoDBCheckpoints, *, boto_session: Session | None = None, region: str | None = None
) -> Any:
    """Return the DynamoDB client of a table's configuration, the same one for the same boto3 session.

    Args:
        location: The table's configuration. Its region comes first, then its ARN's, then ``region``.
        boto_session: Makes the client; None for one made from the environment.
        region: The memory's region.

    Raises:
        ConfigurationError: No region is configured anywhere.
    """
    from agentmem.clients.boto import default_session, dynamodb

    arn_region = location.table.split(":")[3] if location.table.startswith("arn:") else None
    return dynamodb(boto_session or default_session(), location.region or arn_region or region, location.endpoint_url)
