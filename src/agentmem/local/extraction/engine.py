"""Extracts whatever is due before anybody is shown records.

An event is due ``extraction_delay`` seconds after it was written, by the service's clock. A record made from it is
dated to that moment, whenever it is really made, so what a caller sees does not depend on who looked when.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from agentmem.local import record_table
from agentmem.local.namespaces import resolve
from agentmem.local.record_table import NewRecord
from agentmem.local.self_managed import end_idle_sessions
from agentmem.local.strategies import Kind, kind_of, reflection_template

from .extractor import Change, Extractor, Known
from .messages import Message
from .tasks import Task, read_tasks

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from agentmem.local.storage import Store

logger = logging.getLogger(__name__)

CLAIM_SECONDS = 120.0  # wall time after which another process may take over work that was begun and not finished
BATCH = 64  # pending events taken at a time
EPISODES = 50  # of an actor, the latest, that a reflection is made from
MAX_RECORD = 16_000  # characters of a record, by the service model


class ExtractionEngine:
    """Runs extraction for a store.

    Args:
        store: The database.
        extractor: Makes the records.
    """

    def __init__(self, store: Store, extractor: Extractor) -> None:
        self._store = store
        self._extractor = extractor
        self._claimed_until = 0.0
        self._warned: set[str] = set()
        self._running = threading.Lock()  # a second looker waits, so that both see the same records

    def run_due(self, memory_id: str, now: float) -> int:
        """Extract what is due in a memory.

        Args:
            memory_id: The memory.
            now: The service's clock.

        Returns:
            How many pending events were dealt with.
        """
        if self._store.has_pipelines:
            with self._store.write() as connection:
                end_idle_sessions(connection, memory_id, now)
        with self._store.read() as connection:
            if not self._any_due(connection, memory_id, now):
                return 0
        done = 0
        with self._running:
            while claimed := self._claim(memory_id, now):
                for task in self._tasks(memory_id, claimed):
                    self._renew(claimed)
                    self._run(task)
                with self._store.write() as connection:
                    marks = ",".join("?" * len(claimed))
                    connection.execute(f"DELETE FROM pending WHERE seq IN ({marks})", [row["seq"] for row in claimed])
                done += len(claimed)
        return done

    def run_all_due(self, now: float) -> int:
        """Extract what is due in every memory; for servers that work ahead of those who look."""
        with self._store.read() as connection:
            query = "SELECT DISTINCT memory_id FROM pending WHERE due_at <= ?"
            if self._store.has_pipelines:
                query += " UNION SELECT DISTINCT memory_id FROM pipelines WHERE messages > 0"
            rows = connection.execute(query, (now,)).fetchall()
        return sum(self.run_due(row["memory_id"], now) for row in rows)

    def _run(self, task: Task) -> None:
        """Let the strategies read a task; each failure is kept as a FAILED extraction job."""
        if not task.messages:
            return
        for strategy in task.memory.strategies:
            if kind_of(strategy) is None or task.strategy not in (None, strategy["strategyId"]):
                continue
            try:
                self._apply(task, strategy)
            except Exception as error:  # noqa: BLE001 - whatever fails becomes a failed job
                logger.warning(
                    "extraction failed: memory=%s strategy=%s session=%s error=%s",
                    task.memory.memory_id, strategy["strategyId"], task.session_id, type(error).__name__,
                )  # fmt: skip
                self._keep_failure(task, strategy["strategyId"], error)

    def _any_due(self, connection: sqlite3.Connection, memory_id: str, now: float) -> bool:
        query = "SELECT 1 FROM pending WHERE memory_id = ? AND due_at <= ? LIMIT 1"
        return connection.execute(query, (memory_id, now)).fetchone() is not None

    def _claim(self, memory_id: str, now: float) -> list[sqlite3.Row]:
        """Take the oldest due events, for some wall time, so that no other process extracts them too."""
        wall = time.time()
        self._claimed_until = wall + CLAIM_SECONDS
        with self._store.write() as connection:
            rows = connection.execute(
                "SELECT seq, sid, event_id, due_at, content FROM pending"
                " WHERE memory_id = ? AND due_at <= ? AND claimed_until < ? ORDER BY due_at, seq LIMIT ?",
                (memory_id, now, wall, BATCH),
            ).fetchall()
            connection.executemany(
                "UPDATE pending SET claimed_until = ? WHERE seq = ?",
                [(self._claimed_until, row["seq"]) for row in rows],
            )
        return rows

    def _renew(self, claimed: Sequence[sqlite3.Row]) -> None:
        """Keep what was taken: a model may need longer for a batch than one claim lasts."""
        until = time.time() + CLAIM_SECONDS
        if until - self._claimed_until < CLAIM_SECONDS / 4:
            return
        self._claimed_until = until
        with self._store.write() as connection:
            connection.executemany(
                "UPDATE pending SET claimed_until = ? WHERE seq = ?", [(until, row["seq"]) for row in claimed]
            )

    def _tasks(self, memory_id: str, claimed: Sequence[sqlite3.Row]) -> list[Task]:
        with self._store.read() as connection:
            return read_tasks(connection, memory_id, claimed)

    def _apply(self, task: Task, strategy: Mapping[str, Any]) -> None:
        kind = kind_of(strategy)
        if kind is None:
            raise ValueError(f"strategy {strategy['strategyId']} is self-managed")
        values = {
            "actorId": task.actor_id,
            "sessionId": task.session_id,
            "memoryStrategyId": strategy["strategyId"],
            **task.variables,
        }
        namespace = resolve(strategy["namespaceTemplates"][0], values)
        if namespace is None:
            raise ValueError(
                f"namespace template {strategy['namespaceTemplates'][0]} has a variable the event gave no value for"
            )
        self._extract(task, strategy, (kind, namespace), task.messages)
        template = reflection_template(strategy)
        if template is None:
            return
        if not getattr(self._extractor, "reflects", False):
            self._warn_of_reflections(strategy["strategyId"])
            return
        place = resolve(template, values)
        if place is None:
            raise ValueError(f"namespace template {template} has a variable the event gave no value for")
        episodes = self._episodes(task, strategy["strategyId"])
        if len(episodes) > 1:  # a reflection is about several
            self._extract(task, strategy, ("reflection", place), episodes)

    def _warn_of_reflections(self, strategy_id: str) -> None:
        if strategy_id not in self._warned:
            self._warned.add(strategy_id)
            logger.warning(
                "strategy=<%s> | no reflections are made of its episodes: they take a model, such as "
                "LocalMemory(extractor=ModelExtractor(model))",
                strategy_id,
            )

    def _extract(
        self, task: Task, strategy: Mapping[str, Any], place: tuple[Kind, str], messages: list[Message]
    ) -> None:
        """Let the extractor read messages, and write the records of a kind that it makes into a namespace."""
        kind, namespace = place
        known = self._known(task, namespace, strategy["strategyId"], kind)
        changes = self._extractor.extract(kind, messages, known)
        with self._store.write() as connection:
            for change in changes:
                self._write(connection, task, strategy, place, change)

    def _episodes(self, task: Task, strategy_id: str) -> list[Message]:
        """The episodes of the actor that a strategy keeps, oldest first, at most the latest 50."""
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT text FROM (SELECT text, created_at, seq FROM records WHERE memory_id = ? AND strategy_id = ?"
                " AND deleted = 0 AND (expires_at IS NULL OR expires_at > ?) AND subject IN"
                " (SELECT 'summary:' || session_id FROM sessions WHERE memory_id = ? AND actor_id = ?)"
                " ORDER BY created_at DESC, seq DESC LIMIT ?) ORDER BY created_at, seq",
                (task.memory.memory_id, strategy_id, task.due_at, task.memory.memory_id, task.actor_id, EPISODES),
            ).fetchall()
        return [Message(index, "OTHER", row["text"]) for index, row in enumerate(rows)]

    def _known(self, task: Task, namespace: str, strategy_id: str, kind: Kind) -> list[Known]:
        """What the strategy keeps in a namespace already, oldest first."""
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT record_id, text, subject FROM records"
                " WHERE memory_id = ? AND namespace = ? AND strategy_id = ? AND deleted = 0"
                " AND (expires_at IS NULL OR expires_at > ?) ORDER BY created_at, seq",
                (task.memory.memory_id, namespace, strategy_id, task.due_at),
            ).fetchall()
        if kind == "reflection":
            rows = [row for row in rows if row["subject"] is None]  # its episodes may be in the same namespace
        if kind == "summary":
            # One summary a session, also where the template puts several sessions in one namespace.
            rows = [row for row in rows if row["subject"] == f"summary:{task.session_id}"]
        return [Known(row["record_id"], row["text"]) for row in rows]

    def _write(
        self,
        connection: sqlite3.Connection,
        task: Task,
        strategy: Mapping[str, Any],
        place: tuple[Kind, str],
        change: Change,
    ) -> None:
        kind, namespace = place
        subject = f"summary:{task.session_id}" if kind == "summary" else None
        before = None
        if change.replaces:
            before = connection.execute(
                "SELECT seq FROM records WHERE record_id = ? AND memory_id = ? AND namespace = ? AND deleted = 0",
                (change.replaces, task.memory.memory_id, namespace),
            ).fetchone()
        days = strategy.get("recordExpiryDurationDays")
        if change.text is None:
            if before:
                term = {"expiry_days": days, "expires_at": record_table.expiry(task.due_at, days)}
                record_table.update(connection, before["seq"], timestamp=task.said_at, **term)
            return
        record = NewRecord(
            memory_id=task.memory.memory_id,
            namespace=namespace,
            strategy_id=strategy["strategyId"],
            text=change.text[:MAX_RECORD],
            created_at=task.due_at,
            timestamp=task.said_at,
            expiry_days=days,
            metadata=_passed_through(task, strategy),
            subject=subject,
        )
        if before:
            record_table.replace(connection, before["seq"], record)
        else:
            record_table.insert(connection, record)

    def _keep_failure(self, task: Task, strategy_id: str, error: Exception) -> None:
        with self._store.write() as connection:
            connection.execute(
                "INSERT INTO jobs (job_id, memory_id, sid, strategy_id, reason, content) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    task.job or f"job-{uuid.uuid4()}",
                    task.memory.memory_id,
                    task.sid,
                    strategy_id,
                    f"{type(error).__name__}: {error}"[:1000],
                    task.stored(),
                ),
            )


def _passed_through(task: Task, strategy: Mapping[str, Any]) -> dict[str, Any] | None:
    """Record metadata that the strategy's schema takes over from event metadata as it is."""
    schema = strategy.get("memoryRecordSchema", {}).get("metadataSchema", [])
    taken: dict[str, Any] = {}
    for entry in schema:
        value = task.metadata.get(entry["key"])
        if value is None or entry.get("extractionType") == "LLM_INFERRED":
            continue
        if entry.get("type") == "NUMBER":
            try:
                taken[entry["key"]] = {"numberValue": float(value)}
            except ValueError:
                logger.warning("event metadata %s is not the number its schema says; left out", entry["key"])
        elif entry.get("type") == "STRINGLIST":
            taken[entry["key"]] = {"stringListValue": [value]}
        else:
            taken[entry["key"]] = {"stringValue": value}
    return taken or None
