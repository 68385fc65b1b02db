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
        now: The service's clock when the request came, epoch seconds.
    """

    operation: str
    params: Mapping[str, Any]
    region: str
    now: float


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
        active_at: When its status turns from CREATING to ACTIVE, epoch seconds.
        body: The control plane's ``Memory`` structure without the status.
    """

    memory_id: str
    expiry_days: int
    active_at: float
    body: dict[str, Any]

    @property
    def strategies(self) -> list[dict[str, Any]]:
        """The strategies, as the control plane shows them."""
        return list(self.body.get("strategies", []))


def memory_id_of(identifier: str) -> str:
    """The id in a ``memoryId`` parameter, which may be an ARN."""
    return identifier.rsplit("memory/", 1)[-1]


def find_memory(connection: sqlite3.Connection, identifier: str) -> MemoryResource:
    """Look a memory up by id or ARN.

    Raises:
        ServiceError: ``ResourceNotFoundException``.
    """
    memory_id = memory_id_of(identifier)
    row = connection.execute(
        "SELECT expiry_days, active_at, body FROM memories WHERE memory_id = ?", (memory_id,)
    ).fetchone()
    if row is None:
        raise not_found(f"Memory not found: {memory_id}")
    return MemoryResource(memory_id, row["expiry_days"], row["active_at"], json.loads(row["body"]))


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
