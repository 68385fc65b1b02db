"""Creates the checkpoint table in DynamoDB."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, WaiterError

from agentmem.checkpoints.dynamodb.table import Table
from agentmem.errors import CheckpointStoreError

if TYPE_CHECKING:
    from collections.abc import Callable

_KEYS = (("pk", "HASH"), ("sk", "RANGE"))
_TTL_ATTRIBUTE = "expires_at"
_POLL_SECONDS, _POLLS = 2, 60
"""A table is usually ACTIVE within 10 seconds; it gets two minutes."""


def create_table(client: Any, table: str, *, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Create the checkpoint table, or complete one that is there: safe to repeat.

    The table is on-demand, expires items by the attribute ``expires_at`` and has point-in-time recovery on. Returns
    when it is ACTIVE.

    Args:
        client: A boto3 ``dynamodb`` client.
        table: The table's name.
        sleep: Waits between tries, in seconds.

    Returns:
        True when it was created, False when it was there.

    Raises:
        CheckpointStoreError: It could not be created, or a table of that name is made for something else.
    """
    target = Table(client, table, sleep=sleep)
    created = _create(target)
    description = _wait_until_active(target)
    keys = tuple((entry["AttributeName"], entry["KeyType"]) for entry in description["KeySchema"])
    if keys != _KEYS:
        raise CheckpointStoreError(
            f"DynamoDB table {table!r}, region {target.region}, has the keys {keys} where checkpoints need {_KEYS}; "
            "it was made for something else, so give the checkpoints another table."
        )
    _enable_expiry(target)
    _enable_recovery(target)
    return created


def _create(table: Table) -> bool:
    with table.reaching("prepared for"):
        try:
            table.client.create_table(
                TableName=table.name,
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in _KEYS],
                KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in _KEYS],
                BillingMode="PAY_PER_REQUEST",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceInUseException":
                raise
            return False
    return True


def _wait_until_active(table: Table) -> dict[str, Any]:
    with table.reaching("prepared for"):
        try:
            table.client.get_waiter("table_exists").wait(
                TableName=table.name, WaiterConfig={"Delay": _POLL_SECONDS, "MaxAttempts": _POLLS}
            )
        except WaiterError as error:
            if "Max attempts" not in str(error):
                raise
            raise CheckpointStoreError(
                f"DynamoDB table {table.name!r}, region {table.region}, is not ACTIVE after "
                f"{_POLL_SECONDS * _POLLS} seconds; run the command again later, it continues where it stopped."
            ) from error
        description: dict[str, Any] = table.client.describe_table(TableName=table.name)["Table"]
    return description


def _enable_expiry(table: Table) -> None:
    with table.reaching("prepared for"):
        state = table.client.describe_time_to_live(TableName=table.name)["TimeToLiveDescription"]
        if state.get("TimeToLiveStatus") not in ("ENABLED", "ENABLING"):
            table.client.update_time_to_live(
                TableName=table.name,
                TimeToLiveSpecification={"Enabled": True, "AttributeName": _TTL_ATTRIBUTE},
            )
            return
    if state.get("AttributeName") != _TTL_ATTRIBUTE:
        raise CheckpointStoreError(
            f"DynamoDB table {table.name!r}, region {table.region}, expires items by the attribute "
            f"{state.get('AttributeName')!r} where checkpoints use {_TTL_ATTRIBUTE!r}; turn that off or give the "
            "checkpoints another table."
        )


def _enable_recovery(table: Table) -> None:
    for attempt in range(6):
        with table.reaching("prepared for"):
            try:
                state = table.client.describe_continuous_backups(TableName=table.name)["ContinuousBackupsDescription"]
                recovery = state.get("PointInTimeRecoveryDescription", {})
                if recovery.get("PointInTimeRecoveryStatus") != "ENABLED":
                    table.client.update_continuous_backups(
                        TableName=table.name,
                        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
                    )
            except ClientError as error:
                # DynamoDB answers so for some seconds while it sets up the backups of a new table.
                if error.response["Error"]["Code"] != "ContinuousBackupsUnavailableException" or attempt == 5:
                    raise
            else:
                return
        table.pause(attempt + 2)
