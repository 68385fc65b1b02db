"""Serves the operations on events, sessions and actors."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from .branches import MAIN, branch_clause, place_on_branch
from .calls import (
    Call,
    MemoryResource,
    RawJson,
    find_memory,
    find_session,
    open_session,
    remember,
    remembered,
)
from .changes import takes_jobs
from .errors import invalid, not_found
from .extraction.pending import enqueue
from .filters import event_filter_clause
from .paging import DEFAULT_PAGE, decode, encode
from .self_managed import count_event

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from .storage import Store

DAY = 86_400.0
MAX_EVENT_BYTES = 10 * 1024 * 1024  # the service's limit of one event's payload
MAX_JSON_BYTES = 100 * 1024  # of one json item, by the service model's documentation
PURGE_EVERY = 256  # events written between two deletions of expired ones
PURGE_LIMIT = 1_000  # expired events deleted at a time
_IS_LISTED = "(created_at > ? OR EXISTS (SELECT 1 FROM events WHERE events.sid = sessions.sid AND expires_at > ?))"
FIRST_KEY = "~"  # sorts after every event id: digits, '#', hex


class EventOperations:
    """CreateEvent, GetEvent, ListEvents, DeleteEvent, ListSessions, ListActors.

    Args:
        store: The database.
        extraction_delay: Seconds from an event to its extraction.
    """

    def __init__(self, store: Store, extraction_delay: float) -> None:
        self._store = store
        self._extraction_delay = extraction_delay
        self._written = 0

    def create_event(self, call: Call) -> RawJson:
        """Append an event. A repeated ``clientToken`` answers with the first event and writes nothing."""
        params = call.params
        payload = _payload_text(params["payload"])
        with self._store.write() as connection:
            memory = find_memory(connection, call)
            first = remembered(connection, memory.memory_id, call)
            if first is not None:
                return self._first_answer(connection, first)
            variables = params.get("extractionConfig", {}).get("namespaceVariables", {})
            check_namespace_variables(memory, variables)
            session_id = params.get("sessionId") or str(uuid.uuid4())
            sid = open_session(connection, memory.memory_id, params["actorId"], session_id, call.now)
            milliseconds = round(params["eventTimestamp"] * 1000)
            event_id = f"{milliseconds:019d}#{_next_event_number(connection):08x}"
            head = {
                "memoryId": memory.memory_id,
                "actorId": params["actorId"],
                "sessionId": session_id,
                "eventId": event_id,
                "eventTimestamp": milliseconds / 1000,
            }
            branch = place_on_branch(connection, sid, params.get("branch"))
            head["branch"] = branch or {"name": MAIN}
            if params.get("metadata"):
                head["metadata"] = params["metadata"]
            head_text = _json(head)
            connection.execute(
                "INSERT INTO events (sid, event_id, expires_at, branch, metadata, head, payload)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    sid,
                    event_id,
                    call.now + memory.expiry_days * DAY,
                    branch["name"] if branch else None,
                    _flat_metadata(params.get("metadata")),
                    head_text,
                    payload,
                ),
            )
            remember(connection, memory.memory_id, call, f"{sid} {event_id} {head_text}")
            if memory.strategies and params.get("extractionMode") != "SKIP":
                due_at = call.now + self._extraction_delay
                enqueue(
                    connection,
                    memory,
                    sid,
                    event_id,
                    due_at,
                    payload=params["payload"],
                    variables=variables,
                    metadata=params.get("metadata"),
                )
                if takes_jobs(connection):
                    count_event(connection, memory, sid, params["payload"], call.now)
            self._written += 1
            if self._written % PURGE_EVERY == 0:
                connection.execute(
                    "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE expires_at <= ? LIMIT ?)",
                    (call.now, PURGE_LIMIT),
                )
        return RawJson(f'{{"event":{_event_text(head_text, payload)}}}')

    def _first_answer(self, connection: sqlite3.Connection, remembered_answer: str) -> RawJson:
        sid, event_id, head = remembered_answer.split(" ", 2)
        row = connection.execute(
            "SELECT payload FROM events WHERE sid = ? AND event_id = ?", (int(sid), event_id)
        ).fetchone()
        return RawJson(f'{{"event":{_event_text(head, row["payload"] if row else "[]")}}}')

    def get_event(self, call: Call) -> RawJson:
        """One event by id."""
        with self._store.read() as connection:
            row = self._find(connection, call)
        return RawJson(f'{{"event":{_event_text(row["head"], row["payload"])}}}')

    def delete_event(self, call: Call) -> dict[str, Any]:
        """Delete an event for good; its extracted records stay, as on AWS."""
        with self._store.write() as connection:
            row = self._find(connection, call)
            connection.execute("DELETE FROM events WHERE seq = ?", (row["seq"],))
            connection.execute(
                "DELETE FROM pending WHERE sid = ? AND event_id = ?", (row["sid"], call.params["eventId"])
            )
        return {"eventId": call.params["eventId"]}

    def _find(self, connection: sqlite3.Connection, call: Call) -> sqlite3.Row:
        params = call.params
        memory = find_memory(connection, call)
        sid = find_session(connection, memory.memory_id, params["actorId"], params["sessionId"])
        row = connection.execute(
            "SELECT seq, sid, head, payload FROM events WHERE sid = ? AND event_id = ? AND expires_at > ?",
            (sid, params["eventId"], call.now),
        ).fetchone()
        if row is None:
            raise not_found(f"Event not found: {params['eventId']}")
        found: sqlite3.Row = row
        return found

    def list_events(self, call: Call) -> RawJson:
        """Events of a session, newest first; an unknown actor or session has none."""
        params = call.params
        size = params.get("maxResults", DEFAULT_PAGE)
        [before] = decode(call.operation, params, [FIRST_KEY])
        with_payload = params.get("includePayloads", True)
        conditions, values = ["sid = ?", "event_id < ?", "expires_at > ?"], []
        query_filter = params.get("filter", {})
        for expression in query_filter.get("eventMetadata", []):
            condition, arguments = event_filter_clause(expression)
            conditions.append(condition)
            values.extend(arguments)
        with self._store.read() as connection:
            memory = find_memory(connection, call)
            sid = find_session(connection, memory.memory_id, params["actorId"], params["sessionId"])
            if sid is None:
                return RawJson('{"events":[]}')
            if "branch" in query_filter:
                condition, arguments = branch_clause(connection, sid, query_filter["branch"])
                conditions.append(condition)
                values.extend(arguments)
            rows = connection.execute(
                f"SELECT event_id, head{', payload' if with_payload else ''} FROM events"
                f" WHERE {' AND '.join(conditions)} ORDER BY event_id DESC LIMIT ?",
                (sid, before, call.now, *values, size + 1),
            ).fetchall()
        shown = rows[:size]
        texts = (
            [_event_text(row["head"], row["payload"]) for row in shown] if with_payload else [r["head"] for r in shown]
        )
        page = ""
        if len(rows) > size:
            page = f',"nextToken":"{encode(call.operation, params, [shown[-1]["event_id"]])}"'
        return RawJson(f'{{"events":[{",".join(texts)}]{page}}}')

    def list_sessions(self, call: Call) -> dict[str, Any]:
        """Sessions of an actor, newest first. A session without events is gone a day after it was made."""
        params = call.params
        size = params.get("maxResults", DEFAULT_PAGE)
        created, last = decode(call.operation, params, [float("9e18"), 0])
        only_with_events = params.get("filter", {}).get("eventFilter") == "HAS_EVENTS"
        keep_empty_after = float("9e18") if only_with_events else call.now - DAY
        with self._store.read() as connection:
            memory = find_memory(connection, call)
            rows = connection.execute(
                "SELECT sid, session_id, created_at FROM sessions"
                f" WHERE memory_id = ? AND actor_id = ? AND (created_at, sid) < (?, ?) AND {_IS_LISTED}"
                " ORDER BY created_at DESC, sid DESC LIMIT ?",
                (memory.memory_id, params["actorId"], created, last, keep_empty_after, call.now, size + 1),
            ).fetchall()
        shown = rows[:size]
        answer: dict[str, Any] = {
            "sessionSummaries": [
                {"sessionId": row["session_id"], "actorId": params["actorId"], "createdAt": row["created_at"]}
                for row in shown
            ]
        }
        if len(rows) > size:
            answer["nextToken"] = encode(call.operation, params, [shown[-1]["created_at"], shown[-1]["sid"]])
        return answer

    def list_actors(self, call: Call) -> dict[str, Any]:
        """Actors of a memory that have a session to list, by id."""
        params = call.params
        size = params.get("maxResults", DEFAULT_PAGE)
        [after] = decode(call.operation, params, [""])
        with self._store.read() as connection:
            memory = find_memory(connection, call)
            rows = connection.execute(
                "SELECT actor_id FROM actors WHERE memory_id = ? AND actor_id > ? AND EXISTS (SELECT 1 FROM sessions"
                " WHERE sessions.memory_id = actors.memory_id AND sessions.actor_id = actors.actor_id"
                f" AND {_IS_LISTED}) ORDER BY actor_id LIMIT ?",
                (memory.memory_id, after, call.now - DAY, call.now, size + 1),
            ).fetchall()
        shown = [row["actor_id"] for row in rows[:size]]
        answer: dict[str, Any] = {"actorSummaries": [{"actorId": actor_id} for actor_id in shown]}
        if len(rows) > size:
            answer["nextToken"] = encode(call.operation, params, [shown[-1]])
        return answer


def check_namespace_variables(memory: MemoryResource, variables: Mapping[str, str]) -> None:
    """Hold ``namespaceVariables`` to the memory's ``namespaceKeys``.

    Raises:
        ServiceError: ``ValidationException`` for an undeclared variable or a value its rules do not allow.
    """
    if not variables:
        return
    import re  # here: no event without variables should pay for it

    declared = {entry["key"]: entry.get("validation", {}) for entry in memory.body.get("namespaceKeys", [])}
    for name, value in variables.items():
        path = f"/extractionConfig/namespaceVariables/{name}"
        if name not in declared:
            raise invalid(f"Namespace variable {name!r} is not among the memory's namespaceKeys", field=path)
        allowed, pattern = declared[name].get("allowedValues"), declared[name].get("regexPattern")
        if allowed and value not in allowed:
            raise invalid(f"Value of namespace variable {name!r} is not one of the allowed values", field=path)
        if pattern and not re.fullmatch(pattern, value):
            raise invalid(f"Value of namespace variable {name!r} does not match {pattern}", field=path)


def _payload_text(payload: list[dict[str, Any]]) -> str:
    for index, item in enumerate(payload):
        if "json" in item and len(_json(item["json"]["content"]).encode()) > MAX_JSON_BYTES:
            raise invalid("The JSON content is over 100 KB", field=f"/payload/{index}/json/content")
    text = _json(payload)
    if len(text) > MAX_EVENT_BYTES or (len(text) > MAX_EVENT_BYTES // 4 and len(text.encode()) > MAX_EVENT_BYTES):
        raise invalid("The event's payload is over 10 MB", field="/payload")
    return text


def _event_text(head: str, payload: str) -> str:
    return f'{head[:-1]},"payload":{payload}}}'


def _flat_metadata(metadata: Mapping[str, Any] | None) -> str | None:
    return _json({key: value["stringValue"] for key, value in metadata.items()}) if metadata else None


def _next_event_number(connection: sqlite3.Connection) -> int:
    """A number that only grows, so that events of one millisecond keep the order they were written in.

    On AWS the digits after the ``#`` are not known to mean anything, but there no two calls of one writer fall
    into the same millisecond.
    """
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
    return (row["seq"] if row else 0) + 1


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
