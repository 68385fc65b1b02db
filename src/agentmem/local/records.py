"""Serves the operations on memory records, one by one and in batches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from . import record_table
from .calls import Call, MemoryResource, find_memory, remember, remembered
from .changes import note_change
from .errors import ServiceError, invalid, not_found
from .filters import record_filter_clause
from .namespaces import segments
from .paging import DEFAULT_PAGE, decode, encode
from .record_table import COLUMNS, NewRecord
from .search import Scope, SearchIndex

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

    from .extraction.engine import ExtractionEngine
    from .storage import Store

DEFAULT_TOP_K = 10
_Action: TypeAlias = "Callable[[sqlite3.Connection, MemoryResource, sqlite3.Row, Mapping[str, Any]], None]"
NEWEST = 9e18  # later than every record


class RecordOperations:
    """Get, List, Retrieve, Delete, and the three batch operations.

    Args:
        store: The database.
        engine: Asked to extract what is due before anybody is shown records.
        index: Ranks records.
    """

    def __init__(self, store: Store, engine: ExtractionEngine, index: SearchIndex) -> None:
        self._store = store
        self._engine = engine
        self._index = index

    def get_memory_record(self, call: Call) -> dict[str, Any]:
        """One record by id."""
        memory = self._memory(call)
        with self._store.read() as connection:
            row = record_table.find(connection, memory.memory_id, call.params["memoryRecordId"], call.now)
        if row is None:
            raise not_found(f"Memory record not found: {call.params['memoryRecordId']}")
        return {"memoryRecord": record_table.shown(row)}

    def delete_memory_record(self, call: Call) -> dict[str, Any]:
        """Delete one record."""
        memory = self._memory(call)
        record_id = call.params["memoryRecordId"]
        with self._store.write() as connection:
            row = record_table.find(connection, memory.memory_id, record_id, call.now)
            if row is None:
                raise not_found(f"Memory record not found: {record_id}")
            record_table.delete(connection, row["seq"])
        return {"memoryRecordId": record_id}

    def list_memory_records(self, call: Call) -> dict[str, Any]:
        """Records of a namespace, or of everything at and below a path, newest first."""
        params = call.params
        memory = self._memory(call)
        size = params.get("maxResults", DEFAULT_PAGE)
        created, last = decode(call.operation, params, [NEWEST, 0])
        condition, values = _condition(memory, params, params, call.now)
        with self._store.read() as connection:
            rows = connection.execute(
                f"SELECT {COLUMNS} FROM records WHERE {condition} AND (created_at, seq) < (?, ?)"
                " ORDER BY created_at DESC, seq DESC LIMIT ?",
                (*values, created, last, size + 1),
            ).fetchall()
        answer: dict[str, Any] = {"memoryRecordSummaries": [record_table.shown(row) for row in rows[:size]]}
        if len(rows) > size:
            answer["nextToken"] = encode(call.operation, params, [rows[size - 1]["created_at"], rows[size - 1]["seq"]])
        return answer

    def retrieve_memory_records(self, call: Call) -> dict[str, Any]:
        """Records ranked for a query: at most ``topK`` (10), in pages of ``maxResults``."""
        params = call.params
        memory = self._memory(call)
        criteria = params["searchCriteria"]
        size = params.get("maxResults", DEFAULT_PAGE)
        [start] = decode(call.operation, params, [0])
        condition, values = _condition(memory, params, criteria, call.now)  # also holds the namespaces to their rules
        top_k = criteria.get("topK", DEFAULT_TOP_K)
        with self._store.read() as connection:
            chosen = None
            if "metadataFilters" in criteria:
                rows = connection.execute(f"SELECT seq FROM records WHERE {condition}", values).fetchall()
                chosen = frozenset(row["seq"] for row in rows)
        scope = Scope(
            memory.memory_id,
            params.get("namespace") or params["namespacePath"],
            hierarchical="namespacePath" in params,
            strategy_id=criteria.get("memoryStrategyId"),
            seqs=chosen,
        )
        ranked = self._index.search(scope, criteria["searchQuery"], top_k, call.now)
        page = ranked[start : start + size]
        with self._store.read() as connection:
            found = [self._summary(connection, seq, score) for seq, score in page]
        answer: dict[str, Any] = {"memoryRecordSummaries": [summary for summary in found if summary]}
        if len(ranked) > start + size:
            answer["nextToken"] = encode(call.operation, params, [start + size])
        return answer

    def _summary(self, connection: sqlite3.Connection, seq: int, score: float) -> dict[str, Any] | None:
        row = connection.execute(f"SELECT {COLUMNS} FROM records WHERE seq = ? AND deleted = 0", (seq,)).fetchone()
        return {**record_table.shown(row), "score": score} if row else None

    def _memory(self, call: Call) -> MemoryResource:
        """The memory, with everything due extracted."""
        with self._store.read() as connection:
            memory = find_memory(connection, call)
        self._engine.run_due(memory.memory_id, call.now)
        return memory

    def batch_create_memory_records(self, call: Call) -> dict[str, Any]:
        """Write records; each succeeds or fails by itself."""
        params = call.params
        expiry = params.get("recordExpirySpecification", {})
        if "action" in expiry:
            raise invalid("action does not apply when records are created", field="/recordExpirySpecification/action")
        _check_identifiers(params["records"], "requestIdentifier")
        done: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        with self._store.write() as connection:
            memory = find_memory(connection, call)
            first = remembered(connection, memory.memory_id, call)
            if first is not None:
                answer: dict[str, Any] = json.loads(first)
                return answer
            for given in params["records"]:
                try:
                    record_id = record_table.insert(connection, self._new_record(memory, given, expiry, call.now))
                except ServiceError as error:
                    failed.append(_failure("mem-" + "0" * 36, error, given["requestIdentifier"]))
                else:
                    done.append(
                        {
                            "memoryRecordId": record_id,
                            "status": "SUCCEEDED",
                            "requestIdentifier": given["requestIdentifier"],
                        }
                    )
            answer = {"successfulRecords": done, "failedRecords": failed}
            remember(connection, memory.memory_id, call, json.dumps(answer))
        return answer

    def _new_record(
        self, memory: MemoryResource, given: Mapping[str, Any], expiry: Mapping[str, Any], now: float
    ) -> NewRecord:
        _check_strategy(memory, given.get("memoryStrategyId"))
        # "The records' strategy association has no effect on their expiry" (botocore: BatchCreateMemoryRecordsInput).
        return NewRecord(
            memory_id=memory.memory_id,
            namespace=_only_namespace(given["namespaces"]),
            strategy_id=given.get("memoryStrategyId", ""),
            text=given["content"]["text"],
            created_at=now,
            timestamp=given["timestamp"],
            expiry_days=expiry.get("recordExpiryDurationDays"),
            metadata=given.get("metadata"),
        )

    def batch_update_memory_records(self, call: Call) -> dict[str, Any]:
        """Change records; fields that a request does not name stay unchanged."""
        expiry = call.params.get("recordExpirySpecification", {})

        def change(
            connection: sqlite3.Connection, memory: MemoryResource, before: sqlite3.Row, given: Mapping[str, Any]
        ) -> None:
            columns: dict[str, Any] = {"timestamp": given["timestamp"]}
            if "content" in given:
                columns["text"] = given["content"]["text"]
                columns["subject"] = None  # the caller's words now, and no longer a summary that rolls
            if given.get("namespaces"):
                columns["namespace"] = _only_namespace(given["namespaces"])
            if "memoryStrategyId" in given:
                _check_strategy(memory, given["memoryStrategyId"])
                columns["strategy_id"] = given["memoryStrategyId"]
            if "metadata" in given:
                columns["metadata"] = given["metadata"]
            # Without one, the last applied term begins anew (botocore: BatchUpdateMemoryRecordsInput).
            days = None if "action" in expiry else expiry.get("recordExpiryDurationDays", before["expiry_days"])
            columns |= {"expiry_days": days, "expires_at": record_table.expiry(call.now, days)}
            record_table.update(connection, before["seq"], **columns)
            note_change(connection, "MemoryRecordUpdated", memory.memory_id, before["record_id"])

        return self._each(call, change)

    def batch_delete_memory_records(self, call: Call) -> dict[str, Any]:
        """Delete records; those that do not exist are reported as failed."""

        def remove(
            connection: sqlite3.Connection, _memory: MemoryResource, before: sqlite3.Row, _given: Mapping[str, Any]
        ) -> None:
            record_table.delete(connection, before["seq"])

        return self._each(call, remove)

    def _each(self, call: Call, action: _Action) -> dict[str, Any]:
        """Do something to each record of a batch that names records by id."""
        memory = self._memory(call)
        _check_identifiers(call.params["records"], "memoryRecordId")
        answer: dict[str, Any] = {"successfulRecords": [], "failedRecords": []}
        with self._store.write() as connection:
            for given in call.params["records"]:
                record_id = given["memoryRecordId"]
                try:
                    row = record_table.find(connection, memory.memory_id, record_id, call.now)
                    if row is None:
                        raise not_found(f"Memory record not found: {record_id}")
                    action(connection, memory, row, given)
                except ServiceError as error:
                    answer["failedRecords"].append(_failure(record_id, error))
                else:
                    answer["successfulRecords"].append({"memoryRecordId": record_id, "status": "SUCCEEDED"})
        return answer


def _condition(
    memory: MemoryResource, place: Mapping[str, Any], criteria: Mapping[str, Any], now: float
) -> tuple[str, list[Any]]:
    """The SQL condition of a listing or search: namespace, strategy, expiry, metadata."""
    if ("namespace" in place) == ("namespacePath" in place):
        raise invalid("Exactly one of namespace and namespacePath is required", field="/namespace")
    name = place.get("namespace") or place["namespacePath"]
    if "*" in name:
        raise invalid("Wildcards are not supported in namespaces", field="/namespace")
    conditions = ["memory_id = ?", "deleted = 0", "(expires_at IS NULL OR expires_at > ?)"]
    values: list[Any] = [memory.memory_id, now]
    if "namespace" in place:
        conditions.append("namespace = ?")
        values.append(name)
    elif segments(name):
        conditions.append("below(namespace, ?)")
        values.append(name)
    if "memoryStrategyId" in criteria:
        conditions.append("strategy_id = ?")
        values.append(criteria["memoryStrategyId"])
    types = {entry["key"]: entry["type"] for entry in memory.body.get("indexedKeys", [])}
    for expression in criteria.get("metadataFilters", []):
        condition, arguments = record_filter_clause(expression, types)
        conditions.append(condition)
        values.extend(arguments)
    return " AND ".join(conditions), values


def _only_namespace(namespaces: list[str]) -> str:
    if not namespaces:
        raise invalid("A record needs a namespace", field="/namespaces")
    if "*" in namespaces[0]:
        raise invalid("Wildcards are not supported in namespaces", field="/namespaces/0")
    return namespaces[0]


def _check_strategy(memory: MemoryResource, strategy_id: str | None) -> None:
    if strategy_id is not None and all(strategy["strategyId"] != strategy_id for strategy in memory.strategies):
        raise not_found(f"Strategy not found: {strategy_id}")


def _check_identifiers(records: list[dict[str, Any]], member: str) -> None:
    names = [record[member] for record in records]
    if len(set(names)) != len(names):
        raise invalid(f"{member} must be unique in a batch", field="/records")


def _failure(record_id: str, error: ServiceError, identifier: str | None = None) -> dict[str, Any]:
    code = 404 if error.code == "ResourceNotFoundException" else 400
    failure = {"memoryRecordId": record_id, "status": "FAILED", "errorCode": code, "errorMessage": error.message}
    return {**failure, "requestIdentifier": identifier} if identifier else failure
