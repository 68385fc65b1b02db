"""Serves the operations on memory resources and their tags."""

from __future__ import annotations

import json
import secrets
import string
from typing import TYPE_CHECKING, Any

from .calls import Call, find_memory, memory_id_of, remember, remembered
from .changes import note_change
from .errors import ServiceError, invalid
from .paging import decode, encode
from .strategies import changed_strategies, new_strategy

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from .storage import Store

DEFAULT_MEMORY_PAGE = 10
MAX_TAGS = 50
MAX_INDEXED_KEYS = 10
_ENCRYPTED = frozenset({"description", "configuration"})


class MemoryOperations:
    """CreateMemory, GetMemory, ListMemories, UpdateMemory, DeleteMemory and the three tag operations.

    Args:
        store: The database.
        activation_delay: Seconds a new memory stays CREATING, and a changed one UPDATING.
    """

    def __init__(self, store: Store, activation_delay: float) -> None:
        self._store = store
        self._activation_delay = activation_delay

    def create_memory(self, call: Call) -> dict[str, Any]:
        """Make a memory resource."""
        params = call.params
        with self._store.write() as connection:
            owner = f"{call.account} {call.region}"
            first = remembered(connection, owner, call)
            if first is not None:
                return {"memory": self._shown(connection, first, call)}
            if connection.execute(
                "SELECT 1 FROM memories WHERE account = ? AND region = ? AND name = ?",
                (call.account, call.region, params["name"]),
            ).fetchone():
                raise invalid(f"Memory with name {params['name']} already exists", field="/name")
            memory_id = f"{params['name']}-{_suffix()}"
            strategies: list[dict[str, Any]] = []
            for given in params.get("memoryStrategies", []):
                strategies.append(new_strategy(given, strategies, params.get("namespaceKeys", []), call.now))
            body: dict[str, Any] = {
                name: params[name]
                for name in (
                    "name",
                    "description",
                    "encryptionKeyArn",
                    "memoryExecutionRoleArn",
                    "eventExpiryDuration",
                    "indexedKeys",
                    "namespaceKeys",
                    "streamDeliveryResources",
                )
                if name in params
            }
            body |= {
                "arn": call.arn_prefix + memory_id,
                "id": memory_id,
                "createdAt": call.now,
                "updatedAt": call.now,
                "strategies": strategies,
            }
            connection.execute(
                "INSERT INTO memories (memory_id, account, region, name, active_at, expiry_days, body, tags)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    memory_id,
                    call.account,
                    call.region,
                    params["name"],
                    self._active_at(call),
                    params["eventExpiryDuration"],
                    json.dumps(body),
                    json.dumps(params.get("tags", {})),
                ),
            )
            _check_streaming(connection, memory_id, {}, body)
            remember(connection, owner, call, memory_id)
            return {"memory": self._shown(connection, memory_id, call)}

    def get_memory(self, call: Call) -> dict[str, Any]:
        """A memory resource with its strategies; without what a customer's key encrypts if `view` says so."""
        with self._store.read() as connection:
            shown = self._shown(connection, call.params["memoryId"], call)
        if call.params.get("view") == "without_decryption" and "encryptionKeyArn" in shown:
            shown = _without_decryption(shown)
        return {"memory": shown}

    def _active_at(self, call: Call) -> float:
        # 0 without a delay: a test may freeze the clock at a time before the memory was made.
        return call.now + self._activation_delay if self._activation_delay else 0.0

    def _shown(self, connection: sqlite3.Connection, memory_id: str, call: Call) -> dict[str, Any]:
        memory = find_memory(connection, call, memory_id)
        status = memory.status(call.now)
        strategies = [
            {**strategy, "status": "CREATING" if status != "ACTIVE" and _is_new(strategy, memory.body) else "ACTIVE"}
            for strategy in memory.strategies
        ]
        return {**memory.body, "status": status, "strategies": strategies}

    def list_memories(self, call: Call) -> dict[str, Any]:
        """Memory resources by id, ten a page unless told otherwise."""
        size = call.params.get("maxResults", DEFAULT_MEMORY_PAGE)
        [after] = decode(call.operation, call.params, [""])
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT memory_id FROM memories WHERE account = ? AND region = ? AND memory_id > ?"
                " ORDER BY memory_id LIMIT ?",
                (call.account, call.region, after, size + 1),
            ).fetchall()
            shown = [self._shown(connection, row["memory_id"], call) for row in rows[:size]]
        answer: dict[str, Any] = {"memories": shown}
        if len(rows) > size:
            answer["nextToken"] = encode(call.operation, call.params, [shown[-1]["id"]])
        return answer

    def update_memory(self, call: Call) -> dict[str, Any]:
        """Change a memory's settings and strategies; at once, though it is shown as UPDATING for a while if so told."""
        params = call.params
        with self._store.write() as connection:
            memory = find_memory(connection, call)
            if remembered(connection, memory.memory_id, call) is not None:
                return {"memory": self._shown(connection, memory.memory_id, call)}
            if call.now < memory.active_at:
                raise ServiceError("ConflictException", f"Memory {memory.memory_id} is still {memory.changing}")
            body = dict(memory.body)
            for name in (
                "description",
                "eventExpiryDuration",
                "memoryExecutionRoleArn",
                "namespaceKeys",
                "streamDeliveryResources",
            ):
                if name in params:
                    body[name] = params[name]
            if "addIndexedKeys" in params:
                body["indexedKeys"] = _more_indexed_keys(body.get("indexedKeys", []), params["addIndexedKeys"])
            if "memoryStrategies" in params:
                body["strategies"] = changed_strategies(
                    memory.strategies, params["memoryStrategies"], body.get("namespaceKeys", []), call.now
                )
            body["updatedAt"] = call.now
            connection.execute(
                "UPDATE memories SET body = ?, expiry_days = ?, active_at = ?, changing = 'UPDATING'"
                " WHERE memory_id = ?",
                (json.dumps(body), body["eventExpiryDuration"], self._active_at(call), memory.memory_id),
            )
            _check_streaming(connection, memory.memory_id, memory.body, body)
            remember(connection, memory.memory_id, call, "")
            return {"memory": self._shown(connection, memory.memory_id, call)}

    def delete_memory(self, call: Call) -> dict[str, Any]:
        """Delete a memory with everything in it; at once, though the answer says DELETING as the service's does."""
        with self._store.write() as connection:
            memory_id = find_memory(connection, call).memory_id
            sessions = "(SELECT sid FROM sessions WHERE memory_id = ?)"
            records = "(SELECT seq FROM records WHERE memory_id = ?)"
            for statement in (
                f"DELETE FROM events WHERE sid IN {sessions}",
                f"DELETE FROM branches WHERE sid IN {sessions}",
                f"DELETE FROM vectors WHERE seq IN {records}",
                f"DELETE FROM words WHERE rowid IN {records}",
                *(
                    f"DELETE FROM {table} WHERE memory_id = ?"
                    for table in ("sessions", "actors", "pending", "jobs", "pipelines", "records", "tokens", "memories")
                ),
            ):
                connection.execute(statement, (memory_id,))
        return {"memoryId": memory_id, "status": "DELETING"}

    def tag_resource(self, call: Call) -> None:
        """Add or replace tags of a memory."""
        with self._store.write() as connection:
            tags = self._tags(connection, call) | call.params["tags"]
            if len(tags) > MAX_TAGS:
                raise ServiceError("ServiceQuotaExceededException", f"A resource has at most {MAX_TAGS} tags")
            self._set_tags(connection, call, tags)

    def untag_resource(self, call: Call) -> None:
        """Remove tags of a memory; tags it does not have are passed over."""
        with self._store.write() as connection:
            gone = set(call.params["tagKeys"])
            tags = {key: value for key, value in self._tags(connection, call).items() if key not in gone}
            self._set_tags(connection, call, tags)

    def list_tags_for_resource(self, call: Call) -> dict[str, Any]:
        """Tags of a memory."""
        with self._store.read() as connection:
            return {"tags": self._tags(connection, call)}

    def _tags(self, connection: sqlite3.Connection, call: Call) -> dict[str, str]:
        memory_id = find_memory(connection, call, call.params["resourceArn"]).memory_id
        row = connection.execute("SELECT tags FROM memories WHERE memory_id = ?", (memory_id,)).fetchone()
        tags: dict[str, str] = json.loads(row["tags"])
        return tags

    def _set_tags(self, connection: sqlite3.Connection, call: Call, tags: dict[str, str]) -> None:
        memory_id = memory_id_of(call.params["resourceArn"])
        connection.execute("UPDATE memories SET tags = ? WHERE memory_id = ?", (json.dumps(tags), memory_id))


def _check_streaming(
    connection: sqlite3.Connection, memory_id: str, before: Mapping[str, Any], body: Mapping[str, Any]
) -> None:
    """Hold the streaming of records to its rules, and tell the stream when it is enabled or changed."""
    streaming = body.get("streamDeliveryResources", {})
    if not streaming.get("resources") or streaming == before.get("streamDeliveryResources"):
        return
    if "memoryExecutionRoleArn" not in body:
        raise invalid("Streaming of records needs a memoryExecutionRoleArn", field="/memoryExecutionRoleArn")
    note_change(connection, "StreamingEnabled", memory_id)


def _is_new(strategy: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Whether a strategy came with the memory's last change."""
    return bool(strategy["createdAt"] == body["updatedAt"])


def _without_decryption(memory: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a customer wrote in words of their own; which members the service leaves out is not published."""
    strategies = [
        {name: value for name, value in strategy.items() if name not in _ENCRYPTED} for strategy in memory["strategies"]
    ]
    return {**{name: value for name, value in memory.items() if name not in _ENCRYPTED}, "strategies": strategies}


def _suffix() -> str:
    """The ten characters that AWS appends to names of memories and strategies."""
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(10))


def _more_indexed_keys(present: list[dict[str, str]], added: list[dict[str, str]]) -> list[dict[str, str]]:
    keys = {entry["key"]: entry for entry in present}
    for entry in added:
        if entry["key"] in keys and keys[entry["key"]] != entry:
            raise invalid(f"Indexed key {entry['key']} exists with another type", field="/addIndexedKeys")
        keys[entry["key"]] = entry
    if len(keys) > MAX_INDEXED_KEYS:
        raise ServiceError("ServiceQuotaExceededException", f"A memory has at most {MAX_INDEXED_KEYS} indexed keys")
    return list(keys.values())
