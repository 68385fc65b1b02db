"""Serves the operations on extraction: ingestion without an event, failed jobs and their repetition."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from .calls import Call, find_memory, open_session, remember, remembered
from .errors import not_found
from .events import check_namespace_variables
from .extraction.pending import enqueue
from .paging import DEFAULT_PAGE, decode, encode

if TYPE_CHECKING:
    from .extraction.engine import ExtractionEngine
    from .storage import Store


class JobOperations:
    """IngestData, ListMemoryExtractionJobs, StartMemoryExtractionJob.

    Args:
        store: The database.
        engine: Does the extraction.
        extraction_delay: Seconds from a request to its extraction.
    """

    def __init__(self, store: Store, engine: ExtractionEngine, extraction_delay: float) -> None:
        self._store = store
        self._engine = engine
        self._extraction_delay = extraction_delay

    def ingest_data(self, call: Call) -> dict[str, Any]:
        """Hand content to the strategies without keeping it as an event."""
        params = call.params
        with self._store.write() as connection:
            memory = find_memory(connection, call)
            first = remembered(connection, memory.memory_id, call)
            if first is not None:
                return {"sessionId": first}
            variables = params.get("extractionConfig", {}).get("namespaceVariables", {})
            check_namespace_variables(memory, variables)
            session_id = params.get("sessionId") or str(uuid.uuid4())
            sid = open_session(connection, memory.memory_id, params["actorId"], session_id, call.now)
            if memory.strategies:
                enqueue(
                    connection,
                    memory,
                    sid,
                    f"{round(params['contentTimestamp'] * 1000):019d}#{uuid.uuid4().hex[:8]}",
                    call.now + self._extraction_delay,
                    payload=params["source"]["inline"]["payload"],
                    variables=variables,
                    metadata=params.get("metadata"),
                    keep_payload=True,
                )
            remember(connection, memory.memory_id, call, session_id)
        return {"sessionId": session_id}

    def list_memory_extraction_jobs(self, call: Call) -> dict[str, Any]:
        """Extraction that failed and can be started again, newest first."""
        params = call.params
        size = params.get("maxResults", DEFAULT_PAGE)
        [before] = decode(call.operation, params, [2**62])
        with self._store.read() as connection:
            memory = find_memory(connection, call)
        self._engine.run_due(memory.memory_id, call.now)
        conditions, values = ["jobs.memory_id = ?", "jobs.seq < ?"], [memory.memory_id, before]
        for name, column in (("strategyId", "strategy_id"), ("sessionId", "session_id"), ("actorId", "actor_id")):
            if name in params.get("filter", {}):
                conditions.append(f"{column} = ?")
                values.append(params["filter"][name])
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT jobs.seq, job_id, strategy_id, reason, content, actor_id, session_id"
                f" FROM jobs JOIN sessions USING (sid) WHERE {' AND '.join(conditions)} ORDER BY jobs.seq DESC LIMIT ?",
                (*values, size + 1),
            ).fetchall()
        shown = [
            {
                "jobID": row["job_id"],
                "status": "FAILED",
                "failureReason": row["reason"],
                "strategyId": row["strategy_id"],
                "actorId": row["actor_id"],
                "sessionId": row["session_id"],
                "messages": {
                    "messagesList": [
                        {"eventId": event_id, "messageIndex": index}
                        for event_id, messages in json.loads(row["content"])["parts"]
                        for index in dict.fromkeys(index for index, _, _ in messages)
                    ]
                },
            }
            for row in rows[:size]
        ]
        answer: dict[str, Any] = {"jobs": shown}
        if len(rows) > size:
            answer["nextToken"] = encode(call.operation, params, [rows[size - 1]["seq"]])
        return answer

    def start_memory_extraction_job(self, call: Call) -> dict[str, Any]:
        """Queue a failed job again; it is due after the extraction delay and, failing again, keeps its id."""
        params = call.params
        job_id = params["extractionJob"]["jobId"]
        with self._store.write() as connection:
            memory = find_memory(connection, call)
            if remembered(connection, memory.memory_id, call) is not None:
                return {"jobId": job_id}
            row = connection.execute(
                "SELECT seq, sid, strategy_id, content FROM jobs WHERE job_id = ? AND memory_id = ?",
                (job_id, memory.memory_id),
            ).fetchone()
            if row is None:
                raise not_found(f"Extraction job not found: {job_id}")
            connection.execute("DELETE FROM jobs WHERE seq = ?", (row["seq"],))
            content = {**json.loads(row["content"]), "job": job_id, "strategy": row["strategy_id"]}
            connection.execute(
                "INSERT INTO pending (memory_id, sid, event_id, due_at, content) VALUES (?, ?, ?, ?, ?)",
                (memory.memory_id, row["sid"], job_id, call.now + self._extraction_delay, json.dumps(content)),
            )
            remember(connection, memory.memory_id, call, job_id)
        return {"jobId": job_id}
