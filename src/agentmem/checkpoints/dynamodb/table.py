"""Calls one DynamoDB table: finishes batches, and names the table, the region and the remedy in errors."""

from __future__ import annotations

import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from agentmem.errors import AgentMemError, CheckpointStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from agentmem.checkpoints.dynamodb.items import Item

_WRITE_BATCH, _READ_BATCH = 25, 100
"""Items a BatchWriteItem and a BatchGetItem take."""

_ATTEMPTS = 6
"""Tries of what the table left unfinished, about 1.5 s in all."""

_THROTTLED = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
_DENIED = frozenset({"AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException"})


class Table:
    """One table, through a boto3 ``dynamodb`` client."""

    def __init__(self, client: Any, name: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """Keep the client and the table's name or ARN."""
        self.client = client
        self.name = name
        self._sleep = sleep

    @property
    def region(self) -> str:
        """The client's region."""
        return str(self.client.meta.region_name)

    @contextmanager
    def reaching(self, purpose: str) -> Iterator[None]:
        """Turn what boto3 raises into a ``CheckpointStoreError`` that says what was to be done and what to do now.

        Args:
            purpose: What was to be done, to read after "could not be": "saved", "read".
        """
        try:
            yield
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, (BotoCoreError, AgentMemError)):
                raise
            raise CheckpointStoreError(
                f"the checkpoint could not be {purpose} in DynamoDB table {self.name!r}, region {self.region}: the "
                f"answer is none that DynamoDB gives ({type(error).__name__}: {error}). Check what answers at "
                f"{self.client.meta.endpoint_url}; the session's events are untouched."
            ) from error
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            raise CheckpointStoreError(
                f"the checkpoint could not be {purpose} in DynamoDB table {self.name!r}, region {self.region}: "
                f"{type(error).__name__}: {error}. {self._remedy(error)}"
            ) from error

    def pause(self, attempt: int) -> None:
        """Wait before another try: 0.05 s doubled with each attempt (0 is the first), half of it random."""
        self._sleep(0.05 * 2**attempt * (0.5 + random.random() / 2))  # noqa: S311 - spreads retries, guards nothing

    def query(self, condition: str, values: Item, **more: Any) -> Iterator[Item]:
        """Yield the items of a consistent query, one page at a time as they are asked for."""
        yield from self._pages(self.client.query, values, KeyConditionExpression=condition, **more)

    def scan(self, condition: str, values: Item, **more: Any) -> Iterator[Item]:
        """Yield the items of the whole table that meet a condition, read consistently, one page at a time."""
        yield from self._pages(self.client.scan, values, FilterExpression=condition, **more)

    def _pages(self, operation: Callable[..., Any], values: Item, **more: Any) -> Iterator[Item]:
        start: dict[str, Any] = {}
        while True:
            with self.reaching("read"):
                page = operation(
                    TableName=self.name, ExpressionAttributeValues=values, ConsistentRead=True, **start, **more
                )
                items = list(page["Items"])
            yield from items
            if not page.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def put_all(self, items: Sequence[Item]) -> None:
        """Write items, in as many batches as needed; nothing ties them together."""
        self._write([{"PutRequest": {"Item": item}} for item in items], "saved")

    def delete_all(self, keys: Iterable[Item]) -> None:
        """Delete items by their primary keys."""
        self._write([{"DeleteRequest": {"Key": key}} for key in keys], "deleted")

    def get_all(self, keys: Sequence[Item]) -> list[Item]:
        """Return the items of these primary keys that exist, in no order, read consistently."""
        found: list[Item] = []
        for start in range(0, len(keys), _READ_BATCH):
            waiting = list(keys[start : start + _READ_BATCH])
            for attempt in range(_ATTEMPTS):
                if attempt:
                    self.pause(attempt)
                with self.reaching("read"):
                    answer = self.client.batch_get_item(
                        RequestItems={self.name: {"Keys": waiting, "ConsistentRead": True}}
                    )
                    for items in answer["Responses"].values():
                        found += items
                waiting = [key for part in answer.get("UnprocessedKeys", {}).values() for key in part["Keys"]]
                if not waiting:
                    break
            else:
                raise self._unfinished("read", len(waiting))
        return found

    def _write(self, requests: Sequence[dict[str, Any]], purpose: str) -> None:
        for start in range(0, len(requests), _WRITE_BATCH):
            waiting = list(requests[start : start + _WRITE_BATCH])
            for attempt in range(_ATTEMPTS):
                if attempt:
                    self.pause(attempt)
                with self.reaching(purpose):
                    answer = self.client.batch_write_item(RequestItems={self.name: waiting})
                waiting = [request for part in answer.get("UnprocessedItems", {}).values() for request in part]
                if not waiting:
                    break
            else:
                raise self._unfinished(purpose, len(waiting))

    def _unfinished(self, purpose: str, count: int) -> CheckpointStoreError:
        return CheckpointStoreError(
            f"the checkpoint could not be {purpose} in DynamoDB table {self.name!r}, region {self.region}: the table "
            f"left {count} items of a batch undone {_ATTEMPTS} times, which it does when it is throttled. Try again "
            "later, or give the table on-demand capacity."
        )

    def _remedy(self, error: ClientError | BotoCoreError | ResponseParserError) -> str:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        if code == "ResourceNotFoundException":
            return (
                "There is no such table there: create it with `agentmem checkpoints create-table "
                f"--table {self.name} --region {self.region}`, or correct the table's name or region."
            )
        if code in _DENIED:
            return "`agentmem iam-policy` prints the permissions the role needs; check the credentials too."
        if code in _THROTTLED:
            return "The table is throttled: try again later, or give it on-demand capacity."
        if isinstance(error, BotoCoreError):
            return (
                f"DynamoDB did not answer at {self.client.meta.endpoint_url}: check the network, the region and the "
                "credentials. The session's events are untouched; saving can be tried again."
            )
        return "The session's events are untouched; saving can be tried again."
