"""Defines the input of every operation of the embedded service, and their shared lookups."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import not_found

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Call:
    """One validated request.

    Attributes:
        operation: Name in the model, such as ``"ListEvents"``.
        params: The input structure; timestamps are epoch seconds.
        region: AWS region the caller addressed.
        account: AWS account of the caller, twelve digits.
        now: The service's clock when the request came, epoch seconds.
    """

    operation: str
    params: Mapping[str, Any]
    region: str
    account: str
    now: float

    @property
    def arn_prefix(self) -> str:
        """The ARN of a memory of the caller's account and region, without the memory's id."""
        return f"arn:aws:bedrock-agentcore:{self.region}:{self.account}:memory/"


@dataclass(frozen=True, slots=True)
class RawJson:
    """An answer that is already JSON text (events are stored the way they are sent)."""

    text: str


@dataclass(frozen=True, slots=True)
class MemoryResource:
    """A memory resource as stored.

    Attributes:
        memory_id: Its id.
        expiry_days: Days after which its events expire.
        active_at: When its status turns to ACTIVE, epoch seconds.
        changing: Its status until then, ``CREATING`` or ``UPDATING``.
        body: The control plane's ``Memory`` structure without the status.
    """

    memory_id: str
    expiry_days: int
    active_at: float
    changing: str
    body: dict[str, Any]

    def status(self, now: float) -> str:
        """``ACTIVE``, or what is being done to it."""
        return "ACTIVE" if now >= self.active_at else self.changing

    @property
    def strategies(self) -> list[dict[str, Any]]:
        """The strategies, as the control plane shows them."""
        return list(self.body.get("strategies", []))


def memory_id_of(identifier: str) -> str:
    """The id in a ``memoryId`` parameter, which may be an ARN."""
    return identifier.rsplit("memory/", 1)[-1]


def find_memory(connection: sqlite3.Connection, call: Call, identifier: str | None = None) -> MemoryResource:
    """Look up a memory of the caller's account and region by id or ARN.

    Args:
        connection: For reading.
        call: The request.
        identifier: The id or ARN; the request's ``memoryId`` unless given.

    Raises:
        ServiceError: ``ResourceNotFoundException``, also for a memory of another account or region.
    """
    identifier = identifier or str(call.params["memoryId"])
    memory_id = memory_id_of(identifier)
    row = _memory_row(connection, memory_id)
    is_foreign = identifier.startswith("arn:") and identifier != call.arn_prefix + memory_id
    if row is None or is_foreign or (row["account"], row["region"]) != (call.account, call.region):
        elsewhere = f"; it is in {row['region']}" if row and row["account"] == call.account else ""
        raise not_found(f"Memory not found: {identifier} in {call.region}{elsewhere}")
    return _memory(memory_id, row)


def read_memory(connection: sqlite3.Connection, memory_id: str) -> MemoryResource:
    """Look up a memory that exists, whoever owns it, for work of the service's own."""
    row = _memory_row(connection, memory_id)
    if row is None:
        raise not_found(f"Memory not found: {memory_id}")
    return _memory(memory_id, row)


def _memory_row(connection: sqlite3.Connection, memory_id: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute(
        "SELECT account, region, expiry_days, active_at, changing, body FROM memories WHERE memory_id = ?", (memory_id,)
    ).fetchone()
    return row


def _memory(memory_id: str, row: sqlite3.Row) -> MemoryResource:
    return MemoryResource(memory_id, row["expiry_days"], row["active_at"], row["changing"], json.loads(row["body"]))


def find_session(connection: sqlite3.Connection, memory_id: str, actor_id: str, session_id: str) -> int | None:
    """The key of a session, or None when nothing was ever written to it."""
    row = connection.execute(
        "SELECT sid FROM sessions WHERE memory_id = ? AND actor_id = ? AND session_id = ?",
        (memory_id, actor_id, session_id),
    ).fetchone()
    return int(row["sid"]) if row else None


def open_session(connection: sqlite3.Connection, memory_id: str, actor_id: str, session_id: str, now: float) -> int:
    """The key of a session, made if it is new."""
    sid = find_session(connection, memory_id, actor_id, session_id)
    if sid is not None:
        return sid
    connection.execute("INSERT OR IGNORE INTO actors VALUES (?, ?)", (memory_id, actor_id))
    cursor = connection.execute(
        "INSERT INTO sessions (memory_id, actor_id, session_id, created_at) VALUES (?, ?, ?, ?)",
        (memory_id, actor_id, session_id, now),
    )
    if cursor.lastrowid is None:
        raise RuntimeError("SQLite gave the new session no row id")
    return cursor.lastrowid


def remembered(connection: sqlite3.Connection, memory_id: str, call: Call) -> str | None:
    """The answer given before to this operation's ``clientToken``, or None."""
    token = call.params.get("clientToken")
    if not token:
        return None
    row = connection.execute(
        "SELECT answer FROM tokens WHERE memory_id = ? AND operation = ? AND token = ?",
        (memory_id, call.operation, token),
    ).fetchone()
    return str(row["answer"]) if row else None


def remember(connection: sqlite3.Connection, memory_id: str, call: Call, answer: str) -> None:
    """Keep an answer for the repetition of a ``clientToken``."""
    token = call.params.get("clientToken")
    if token:
        connection.execute(
            "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?)", (memory_id, call.operation, token, answer)
        )
