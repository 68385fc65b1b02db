"""Stores checkpoints in a DynamoDB table, for containers that compete for a session, and for audit.

``dynamodb_items`` has the table's layout, ``dynamodb_table`` creates the table.
"""

from __future__ import annotations

import logging
import time
import uuid
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from agentmem.checkpoints.dynamodb.items import (
    boundary_order,
    current_key,
    from_item,
    index_of,
    key_of,
    spill_prefix,
    spilled_keys,
    to_items,
    version_prefix,
)
from agentmem.checkpoints.dynamodb.table import Table
from agentmem.checkpoints.version_rules import describe, interpreting, succeeds
from agentmem.errors import CheckpointConflictError, CheckpointStoreError
from agentmem.support.clock import now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey, IndexEntry
    from agentmem.checkpoints.dynamodb.items import Item, Items

_DAY = 86_400

_SAVE_ATTEMPTS = 5
"""Tries of a transaction that met another one on the same items, about 1.5 s in all."""

_PASSING = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
"""Cancellation reasons that say nothing about the condition and pass by themselves."""

_log = logging.getLogger(__name__)


class DynamoDBCheckpointStore:
    """A ``CheckpointStore`` over one table, shared by any number of processes.

    A save is one transaction on the condition that the current version is the one before, so of two writers exactly
    one wins and the other gets the winner back with the refusal. A load is one consistent Query. Items expire
    ``ttl_days`` after the last use of the session; loading renews the current checkpoint at most once a day.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        *,
        ttl_days: int | None = 30,
        event_expiry_days: int | None = None,
        clock: Callable[[], float] = now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Keep the client; nothing is called yet.

        Args:
            client: A boto3 ``dynamodb`` client.
            table: The table's name or ARN; ``create_table`` makes it.
            ttl_days: Days after the last use at which items expire; None for never.
            event_expiry_days: The memory's event expiry (``eventExpiryDuration``). Items live at least as long:
                past versions are not renewed, and what they index must stay recallable while its events exist.
            clock: Epoch seconds.
            sleep: Waits between tries, in seconds.
        """
        self._table = Table(client, table, sleep=sleep)
        self._ttl = None if ttl_days is None else max(ttl_days, event_expiry_days or 0) * _DAY
        self._clock = clock

    def __repr__(self) -> str:
        """Show the table and its region."""
        return f"{type(self).__name__}({self._table.name!r}, region={self._table.region!r})"

    def load(self, key: CheckpointKey) -> Checkpoint | None:
        """Return the current checkpoint with an empty index, or None when there is none; renew its expiry.

        Raises:
            CheckpointStoreError: The table does not answer, or holds something that is no checkpoint.
        """
        item = self._current_item(key)
        if item is None:
            return None
        checkpoint = self._read(key, item)
        self._renew(key, item)
        return checkpoint

    def save(self, key: CheckpointKey, checkpoint: Checkpoint) -> None:
        """Make ``checkpoint`` the current one, if its version is the next and its boundary is not further back.

        Raises:
            CheckpointConflictError: Another version is current; carries it as ``winner``.
            CheckpointStoreError: The table does not answer. The save may have happened; repeating it is safe.
        """
        items = to_items(key, checkpoint, expires_at=self._expiry(), token=uuid.uuid4().hex[:12])
        # Spilled pieces come first: nothing refers to them until the transaction holds.
        self._table.put_all(items.spilled)
        try:
            written = self._transact(key, checkpoint, items)
        except CheckpointConflictError:
            self._discard(key, items.spilled)
            raise
        # After any other error they stay: the transaction may have happened though its answer was lost.
        if not written:
            self._discard(key, items.spilled)

    def history(self, key: CheckpointKey, *, before: int | None = None) -> Iterator[Checkpoint]:
        """Yield the checkpoints with their indexes, newest first, only versions below ``before`` when given.

        Raises:
            CheckpointStoreError: The table does not answer, or holds something that is no checkpoint.
        """
        for item in self._versions(key, before):
            yield self._read(key, item)

    def find(self, key: CheckpointKey, handle: str) -> IndexEntry | None:
        """Return the entry for a message handle from the newest version that holds it, or None.

        Reads only the indexes, a page of versions at a time, and no further than the first that has the handle.

        Raises:
            CheckpointStoreError: The table does not answer, or holds something that is no checkpoint.
        """
        only = {
            "ProjectionExpression": "pk, sk, #index, #spilled",
            "ExpressionAttributeNames": {"#index": "index", "#spilled": "spilled"},
        }
        for item in self._versions(key, None, **only):
            with interpreting(key, self._place):
                entries = index_of(item, lambda pieces: self._pieces(key, pieces))
            found = next((entry for entry in entries if entry.handle == handle), None)
            if found is not None:
                return found
        return None

    def delete(self, key: CheckpointKey) -> int:
        """Delete every checkpoint of the key with all that belongs to it; return how many there were.

        Raises:
            CheckpointStoreError: The table does not answer; call again to delete the rest.
        """
        # The current one first: from then on there is no checkpoint, whatever happens to the rest.
        with self._table.reaching("deleted"):
            answer = self._table.client.delete_item(
                TableName=self._table.name, Key=current_key(key), ReturnValues="ALL_OLD"
            )
        versions = self._keys(key, version_prefix(key))
        self._table.delete_all([*versions, *self._keys(key, spill_prefix(key))])
        return max(len(versions), 1 if answer.get("Attributes") else 0)

    def keys_of(self, memory_id: str, actor_id: str | None = None) -> list[CheckpointKey]:
        """Return the keys of the checkpoints in a memory, of one actor or of all. Scans the whole table.

        Raises:
            CheckpointStoreError: The table does not answer.
        """
        prefix = f"{memory_id}#" if actor_id is None else f"{memory_id}#{actor_id}#"
        items = self._table.scan("begins_with(pk, :prefix)", {":prefix": {"S": prefix}}, ProjectionExpression="pk, sk")
        return list(dict.fromkeys(key_of(item) for item in items))

    def _transact(self, key: CheckpointKey, checkpoint: Checkpoint, items: Items) -> bool:
        """Write the items; False when the same checkpoint is there already."""
        put = {"TableName": self._table.name, "Item": items.current, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        if checkpoint.version == 1:
            put["ConditionExpression"] = "attribute_not_exists(pk)"
        else:
            put["ConditionExpression"] = "#version = :previous AND #order <= :order"
            put["ExpressionAttributeNames"] = {"#version": "version", "#order": "boundary_order"}
            put["ExpressionAttributeValues"] = {
                ":previous": {"N": str(checkpoint.version - 1)},
                ":order": {"S": boundary_order(checkpoint.boundary)},
            }
        writes = [{"Put": put}, {"Put": {"TableName": self._table.name, "Item": items.version}}]
        for attempt in range(_SAVE_ATTEMPTS):
            if attempt:
                self._table.pause(attempt)
            with self._table.reaching("saved"):
                try:
                    self._table.client.transact_write_items(TransactItems=writes)
                except ClientError as error:
                    reasons = _cancellation(error)
                    if reasons is None:
                        raise
                else:
                    return True
            refusal = next((reason for reason in reasons if reason.get("Code") == "ConditionalCheckFailed"), None)
            if refusal is not None:
                item = refusal.get("Item") or self._current_item(key)
                winner = None if item is None else self._read(key, item)
                if not succeeds(key, winner, checkpoint):
                    return False
            # Another transaction was under way on these items, or what refused this one is gone already.
        raise CheckpointStoreError(
            f"checkpoint version {checkpoint.version} of {describe(key)} could not be saved in DynamoDB table "
            f"{self._table.name!r}, region {self._table.region}: other writes to the same item or throttling "
            f"cancelled the transaction {_SAVE_ATTEMPTS} times. The session's events are untouched; try again."
        )

    def _current_item(self, key: CheckpointKey, **more: Any) -> Item | None:
        # A query and no GetItem: its answer says that there is nothing, where that of GetItem is only empty, and so are
        # the answers of whatever is not DynamoDB.
        values = {":pk": current_key(key)["pk"], ":sk": current_key(key)["sk"]}
        return next(self._table.query("pk = :pk AND sk = :sk", values, **more), None)

    def _versions(self, key: CheckpointKey, before: int | None, **more: Any) -> Iterator[Item]:
        """Yield the version items, newest first.

        Never beyond the current version: versions above it are left from before the current checkpoint expired, which
        DynamoDB deletes in its own time.
        """
        current = self._current_item(key, ProjectionExpression="#v", ExpressionAttributeNames={"#v": "version"})
        if current is None:
            return
        with interpreting(key, self._place):
            newest = int(current["version"]["N"])
        newest = newest if before is None else min(newest, before - 1)
        if newest < 1:
            return
        prefix = version_prefix(key)
        values = {
            ":pk": {"S": key.partition},
            ":oldest": {"S": f"{prefix}{1:08d}"},
            ":newest": {"S": f"{prefix}{newest:08d}"},
        }
        yield from self._table.query(
            "pk = :pk AND sk BETWEEN :oldest AND :newest", values, ScanIndexForward=False, **more
        )

    def _keys(self, key: CheckpointKey, prefix: str) -> list[Item]:
        values = {":pk": {"S": key.partition}, ":prefix": {"S": prefix}}
        return list(self._table.query("pk = :pk AND begins_with(sk, :prefix)", values, ProjectionExpression="pk, sk"))

    def _read(self, key: CheckpointKey, item: Item) -> Checkpoint:
        with interpreting(key, self._place):
            return from_item(item, lambda pieces: self._pieces(key, pieces))

    @property
    def _place(self) -> str:
        return f"DynamoDB table {self._table.name!r}, region {self._table.region}"

    def _pieces(self, key: CheckpointKey, sort_keys: Sequence[str]) -> bytes:
        keys = [{"pk": {"S": key.partition}, "sk": {"S": sort_key}} for sort_key in sort_keys]
        found = {item["sk"]["S"]: item["data"]["B"] for item in self._table.get_all(keys)}
        missing = [sort_key for sort_key in sort_keys if sort_key not in found]
        if missing:
            raise CheckpointStoreError(
                f"{len(missing)} of {len(sort_keys)} pieces of a checkpoint of {describe(key)} are missing from "
                f"DynamoDB table {self._table.name!r}, region {self._table.region}. Delete the checkpoint: "
                "`agentmem checkpoints delete`; the events it describes are untouched."
            )
        return b"".join(found[sort_key] for sort_key in sort_keys)

    def _discard(self, key: CheckpointKey, pieces: Sequence[Item]) -> None:
        """Delete the pieces of a save that did not happen."""
        if not pieces:
            return
        try:
            self._table.delete_all([{"pk": piece["pk"], "sk": piece["sk"]} for piece in pieces])
        except CheckpointStoreError as error:
            _log.warning("spilled pieces of %s stay until they expire or are deleted: %s", describe(key), error)

    def _expiry(self) -> int | None:
        return None if self._ttl is None else int(self._clock()) + self._ttl

    def _renew(self, key: CheckpointKey, item: Item) -> None:
        """Move the expiry of the current checkpoint on, when it was last set more than a day ago."""
        expiry, has = self._expiry(), item.get("expires_at")
        if (expiry is None and has is None) or (expiry and has and expiry - int(has["N"]) < _DAY):
            return
        update: dict[str, Any] = {"UpdateExpression": "REMOVE expires_at"}
        if expiry is not None:
            update = {
                "UpdateExpression": "SET expires_at = :expiry",
                "ExpressionAttributeValues": {":expiry": {"N": str(expiry)}},
            }
        pieces = [entry for entries in spilled_keys(item).values() for entry in entries]
        for sort_key in (*pieces, item["sk"]["S"]):
            try:
                with self._table.reaching("renewed"):
                    self._table.client.update_item(
                        TableName=self._table.name,
                        Key={"pk": {"S": key.partition}, "sk": {"S": sort_key}},
                        # What has expired meanwhile must not come back as an item with nothing but an expiry.
                        ConditionExpression="attribute_exists(pk)",
                        **update,
                    )
            except CheckpointStoreError as error:
                _log.warning("the expiry of the checkpoint of %s was not renewed: %s", describe(key), error)
                return


def _cancellation(error: ClientError) -> list[dict[str, Any]] | None:
    """Return why a transaction was cancelled, or None when it failed for another reason than others' writes."""
    if error.response["Error"]["Code"] != "TransactionCanceledException":
        return None
    response: dict[str, Any] = dict(error.response)
    reasons: list[dict[str, Any]] = response.get("CancellationReasons") or []
    codes = {reason.get("Code") for reason in reasons} - {None, "None"}
    return reasons if "ConditionalCheckFailed" in codes or codes & _PASSING else None
