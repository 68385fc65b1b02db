"""Notes the changes of records during a transaction, for the record stream."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal

    ChangeKind = Literal["MemoryRecordCreated", "MemoryRecordUpdated", "MemoryRecordDeleted", "StreamingEnabled"]


@dataclass(frozen=True, slots=True)
class RecordChange:
    """A change that a memory may stream.

    Attributes:
        kind: The stream's type of event.
        memory_id: The memory.
        record_id: The record; empty when it is about the memory.
        row: The record's columns, None when it is gone.
    """

    kind: ChangeKind
    memory_id: str
    record_id: str = ""
    row: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class PipelineJob:
    """A job of a self-managed strategy: what AWS publishes to SNS, and what it writes to S3."""

    notification: dict[str, Any]
    payload: dict[str, Any]


class NotingConnection(sqlite3.Connection):
    """A connection that holds the changes of its transaction.

    Attributes:
        changes: What changed since the transaction began; None while nobody wants to know.
        jobs: The jobs of self-managed strategies that it made; None while nobody wants to know.
    """

    changes: list[RecordChange] | None = None
    jobs: list[PipelineJob] | None = None


def takes_jobs(connection: sqlite3.Connection) -> bool:
    """Whether somebody takes the jobs of self-managed strategies."""
    return isinstance(connection, NotingConnection) and connection.jobs is not None


def note_job(connection: sqlite3.Connection, job: PipelineJob) -> None:
    """Note a job, in a write transaction."""
    if isinstance(connection, NotingConnection) and connection.jobs is not None:
        connection.jobs.append(job)


def note_change(connection: sqlite3.Connection, kind: ChangeKind, memory_id: str, record_id: str = "") -> None:
    """Note a change, in a write transaction, after it was made."""
    if not isinstance(connection, NotingConnection) or connection.changes is None:
        return
    row = None
    if kind in ("MemoryRecordCreated", "MemoryRecordUpdated"):
        row = connection.execute(
            "SELECT namespace, strategy_id, created_at, metadata, text FROM records WHERE record_id = ?", (record_id,)
        ).fetchone()
    connection.changes.append(RecordChange(kind, memory_id, record_id, row))
