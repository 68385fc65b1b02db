"""Hands the events of self-managed strategies to a pipeline of the caller's own, when their triggers say so.

On AWS a job's payload goes to an S3 bucket and its notification to an SNS topic; both have the form of AWS's developer
guide, page memory-self-managed-strategies. The pipeline writes its records with the batch operations.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections import deque
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from .calls import read_memory
from .changes import PipelineJob, note_job

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .calls import MemoryResource

logger = logging.getLogger(__name__)

CHARACTERS_PER_TOKEN = 4  # how the service counts tokens is not published


class Pipelines:
    """Delivers jobs to a sink; a failing sink is logged and stops nothing.

    Args:
        sink: A callable that takes a job's notification and payload, or a folder: payloads become files in it, at the
            place that the notification names, and notifications lines of ``notifications.jsonl``.
    """

    def __init__(self, sink: Callable[[dict[str, Any], dict[str, Any]], object] | str | os.PathLike[str]) -> None:
        self._sink = sink if callable(sink) else _folder_sink(Path(sink))
        self._waiting: deque[PipelineJob] = deque()
        self._delivering = RLock()

    def take(self, jobs: Sequence[PipelineJob]) -> None:
        """Take jobs that were just committed, for `deliver`."""
        self._waiting.extend(jobs)

    def deliver(self) -> None:
        """Hand over what waits; while another thread does, it is left to that one."""
        while self._waiting and self._delivering.acquire(blocking=False):
            try:
                while self._waiting:
                    job = self._waiting.popleft()
                    try:
                        self._sink(job.notification, job.payload)
                    except Exception:
                        logger.exception("job=<%s> | the self-managed pipeline failed", job.notification["jobId"])
            finally:
                self._delivering.release()


def count_event(
    connection: sqlite3.Connection, memory: MemoryResource, sid: int, payload: Sequence[Mapping[str, Any]], now: float
) -> None:
    """Count an event for the memory's self-managed strategies, and make the jobs whose trigger it pulls.

    Args:
        connection: In a write transaction, after the event was written.
        memory: The memory resource.
        sid: Key of the session.
        payload: The event's payload.
        now: The service's clock.
    """
    for strategy, configuration in _self_managed(memory):
        strategy_id = strategy["strategyId"]
        tokens = sum(len(json.dumps(item, ensure_ascii=False)) for item in payload) // CHARACTERS_PER_TOKEN
        row = connection.execute(
            "INSERT INTO pipelines (strategy_id, sid, memory_id, messages, tokens, last_at) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (strategy_id, sid) DO UPDATE SET messages = messages + excluded.messages,"
            " tokens = tokens + excluded.tokens, last_at = excluded.last_at RETURNING messages, tokens",
            (strategy_id, sid, memory.memory_id, len(payload), tokens, now),
        ).fetchone()
        for limits in configuration["triggerConditions"]:
            messages = limits.get("messageBasedTrigger", {}).get("messageCount")
            most = limits.get("tokenBasedTrigger", {}).get("tokenCount")
            if (messages and row["messages"] >= messages) or (most and row["tokens"] >= most):
                _make_job(connection, memory, strategy_id, configuration, sid)
                break


def end_idle_sessions(connection: sqlite3.Connection, memory_id: str, now: float) -> None:
    """Make the jobs of sessions that were idle for as long as their strategy's time trigger says.

    Args:
        connection: In a write transaction.
        memory_id: The memory.
        now: The service's clock.
    """
    memory = read_memory(connection, memory_id)
    for strategy, configuration in _self_managed(memory):
        for limits in configuration["triggerConditions"]:
            seconds = limits.get("timeBasedTrigger", {}).get("idleSessionTimeout")
            if seconds is None:
                continue
            idle = connection.execute(
                "SELECT sid FROM pipelines WHERE strategy_id = ? AND messages > 0 AND last_at <= ?",
                (strategy["strategyId"], now - seconds),
            ).fetchall()
            for row in idle:
                _make_job(connection, memory, strategy["strategyId"], configuration, row["sid"])


def _self_managed(memory: MemoryResource) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    for strategy in memory.strategies:
        configuration = strategy.get("configuration", {}).get("selfManagedConfiguration")
        if configuration is not None:
            yield strategy, configuration


def _make_job(
    connection: sqlite3.Connection, memory: MemoryResource, strategy_id: str, configuration: Mapping[str, Any], sid: int
) -> None:
    """Make a job of what was said in a session since the last one."""
    state = connection.execute(
        "SELECT done_seq FROM pipelines WHERE strategy_id = ? AND sid = ?", (strategy_id, sid)
    ).fetchone()
    events = connection.execute(
        "SELECT seq, event_id, payload FROM events WHERE sid = ? ORDER BY event_id", (sid,)
    ).fetchall()
    new = [row for row in events if row["seq"] > state["done_seq"]]
    connection.execute(
        "UPDATE pipelines SET messages = 0, tokens = 0, done_seq = ? WHERE strategy_id = ? AND sid = ?",
        (max((row["seq"] for row in events), default=0), strategy_id, sid),
    )
    if not new:  # all of it was deleted or has expired
        return
    window = configuration["historicalContextWindowSize"]
    before = [item for row in events if row["seq"] <= state["done_seq"] for item in _context(row)]
    session = connection.execute("SELECT actor_id, session_id FROM sessions WHERE sid = ?", (sid,)).fetchone()
    job_id, target = str(uuid.uuid4()), configuration["invocationConfiguration"]
    times = [int(row["event_id"].split("#")[0]) // 1_000 for row in new]
    payload = {
        "requestId": str(uuid.uuid4()),
        "accountId": memory.body["arn"].split(":")[4],
        "memoryId": memory.memory_id,
        "actorId": session["actor_id"],
        "sessionId": session["session_id"],
        "strategyId": strategy_id,
        "startingTimestamp": times[0],
        "endingTimestamp": times[-1],
        "currentContext": [item for row in new for item in _context(row)],
        "historicalContext": before[-window:] if window else [],
    }
    notification = {
        "jobId": job_id,
        "s3PayloadLocation": f"s3://{target['payloadDeliveryBucketName']}/{memory.memory_id}/{strategy_id}/{job_id}.json",
        "memoryId": memory.memory_id,
        "strategyId": strategy_id,
    }
    note_job(connection, PipelineJob(notification, payload))


def _context(row: sqlite3.Row) -> Iterator[dict[str, Any]]:
    for item in json.loads(row["payload"]):
        yield dict(item["conversational"]) if "conversational" in item else item


def _folder_sink(folder: Path) -> Callable[[dict[str, Any], dict[str, Any]], object]:
    def write(notification: dict[str, Any], payload: dict[str, Any]) -> None:
        file = folder / str(notification["s3PayloadLocation"]).removeprefix("s3://")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(payload, ensure_ascii=False), encoding="utf-8")
        with (folder / "notifications.jsonl").open("a", encoding="utf-8") as out:
            out.write(json.dumps(notification) + "\n")

    return write
