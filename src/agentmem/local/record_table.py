"""Writes memory records to the database, numbers every change, and indexes the words."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .changes import note_change
from .namespaces import segments
from .storage import next_change

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

DAY = 86_400.0
COLUMNS = (
    "seq, record_id, memory_id, namespace, strategy_id, created_at, timestamp, expires_at, expiry_days, metadata,"
    " subject, text"
)


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record to be written.

    Attributes:
        memory_id: Its memory.
        namespace: Its one namespace.
        strategy_id: The strategy it belongs to; empty for none.
        text: Its content.
        created_at: Epoch seconds.
        timestamp: Time of its source, epoch seconds.
        expiry_days: Days from its creation on after which it expires, or None for never.
        metadata: Values as in the API: ``{"key": {"stringValue": "..."}}``.
        subject: Of a session's rolling summary ``summary:<session id>``, by which it is found again; else None.
    """

    memory_id: str
    namespace: str
    strategy_id: str
    text: str
    created_at: float
    timestamp: float
    expiry_days: int | None = None
    metadata: Mapping[str, Any] | None = None
    subject: str | None = None

    @property
    def expires_at(self) -> float | None:
        """When it expires, epoch seconds, or None for never."""
        return expiry(self.created_at, self.expiry_days)


def expiry(start: float, days: int | None) -> float | None:
    """When a term that starts at a moment (epoch seconds) is over; None for no term."""
    return start + days * DAY if days else None


def insert(connection: sqlite3.Connection, record: NewRecord) -> str:
    """Write a record, in a write transaction.

    Returns:
        Its id, ``mem-`` and a UUID.
    """
    record_id = f"mem-{uuid.uuid4()}"
    cursor = connection.execute(
        "INSERT INTO records (record_id, memory_id, namespace, strategy_id, created_at, timestamp, expires_at,"
        " expiry_days, change, subject, metadata, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            record_id,
            record.memory_id,
            record.namespace,
            record.strategy_id,
            record.created_at,
            record.timestamp,
            record.expires_at,
            record.expiry_days,
            next_change(connection),
            record.subject,
            json.dumps(record.metadata) if record.metadata else None,
            record.text,
        ),
    )
    connection.execute(
        "INSERT INTO words (rowid, text, scope) VALUES (?, ?, ?)",
        (cursor.lastrowid, record.text, " ".join(scope_terms(record.memory_id, record.namespace))),
    )
    note_change(connection, "MemoryRecordCreated", record.memory_id, record_id)
    return record_id


def update(connection: sqlite3.Connection, seq: int, **columns: Any) -> None:
    """Change columns of a record, in a write transaction; ``metadata`` is given as in the API."""
    if "metadata" in columns:
        columns["metadata"] = json.dumps(columns["metadata"]) if columns["metadata"] else None
    columns["change"] = next_change(connection)
    assignments = ", ".join(f"{name} = ?" for name in columns)
    connection.execute(f"UPDATE records SET {assignments} WHERE seq = ?", (*columns.values(), seq))
    if "text" in columns or "namespace" in columns:
        row = connection.execute("SELECT memory_id, namespace, text FROM records WHERE seq = ?", (seq,)).fetchone()
        connection.execute("DELETE FROM words WHERE rowid = ?", (seq,))
        connection.execute(
            "INSERT INTO words (rowid, text, scope) VALUES (?, ?, ?)",
            (seq, row["text"], " ".join(scope_terms(row["memory_id"], row["namespace"]))),
        )
    if "text" in columns:
        connection.execute("DELETE FROM vectors WHERE seq = ?", (seq,))


def replace(connection: sqlite3.Connection, seq: int, record: NewRecord) -> str:
    """Put a new record in the place of an old one of the same namespace and strategy, in a write transaction.

    To a caller the old one is gone and the new one, with an id and a creation time of its own, is there.

    Returns:
        The new record's id.
    """
    record_id = f"mem-{uuid.uuid4()}"
    old = connection.execute("SELECT record_id FROM records WHERE seq = ?", (seq,)).fetchone()
    note_change(connection, "MemoryRecordDeleted", record.memory_id, old["record_id"])
    update(
        connection,
        seq,
        record_id=record_id,
        text=record.text,
        created_at=record.created_at,
        timestamp=record.timestamp,
        expires_at=record.expires_at,
        expiry_days=record.expiry_days,
        metadata=record.metadata,
        subject=record.subject,
    )
    note_change(connection, "MemoryRecordCreated", record.memory_id, record_id)
    return record_id


def delete(connection: sqlite3.Connection, seq: int) -> None:
    """Delete a record, in a write transaction: an empty row stays to tell other processes' indexes."""
    connection.execute(
        "UPDATE records SET deleted = 1, namespace = '', text = '', metadata = NULL, subject = NULL, change = ?"
        " WHERE seq = ?",
        (next_change(connection), seq),
    )
    connection.execute("DELETE FROM words WHERE rowid = ?", (seq,))
    connection.execute("DELETE FROM vectors WHERE seq = ?", (seq,))
    gone = connection.execute("SELECT memory_id, record_id FROM records WHERE seq = ?", (seq,)).fetchone()
    note_change(connection, "MemoryRecordDeleted", gone["memory_id"], gone["record_id"])


def find(connection: sqlite3.Connection, memory_id: str, record_id: str, now: float) -> sqlite3.Row | None:
    """A live record by id, or None."""
    row: sqlite3.Row | None = connection.execute(
        f"SELECT {COLUMNS} FROM records WHERE record_id = ? AND memory_id = ? AND deleted = 0"
        " AND (expires_at IS NULL OR expires_at > ?)",
        (record_id, memory_id, now),
    ).fetchone()
    return row


def shown(row: sqlite3.Row) -> dict[str, Any]:
    """A record as the API shows it."""
    record: dict[str, Any] = {
        "memoryRecordId": row["record_id"],
        "content": {"text": row["text"]},
        "memoryStrategyId": row["strategy_id"],
        "namespaces": [row["namespace"]],
        "createdAt": row["created_at"],
        "timestamp": row["timestamp"],
    }
    if row["metadata"]:
        record["metadata"] = json.loads(row["metadata"])
    if row["expires_at"] is not None:
        record["expiresAt"] = row["expires_at"]
    return record


def scope_terms(memory_id: str, namespace: str) -> list[str]:
    """The words a record's place is indexed under: its exact namespace, and every path it lies at or below."""
    parts = segments(namespace)
    paths = ["/".join(parts[:count]) for count in range(len(parts) + 1)]
    return [exact_term(memory_id, namespace), *(_term("p", memory_id, path) for path in paths)]


def exact_term(memory_id: str, namespace: str) -> str:
    """The index word of one namespace."""
    return _term("x", memory_id, namespace)


def path_term(memory_id: str, path: str) -> str:
    """The index word of everything at or below a path."""
    return _term("p", memory_id, "/".join(segments(path)))


def _term(kind: str, memory_id: str, name: str) -> str:
    return kind + hashlib.blake2s(f"{memory_id}\n{name}".encode(), digest_size=8).hexdigest()
