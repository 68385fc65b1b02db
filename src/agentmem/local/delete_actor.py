"""Removes the last trace of an actor, which no operation of the service can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .calls import memory_id_of

if TYPE_CHECKING:
    import sqlite3


def drop_actor(connection: sqlite3.Connection, identifier: str, actor_id: str) -> None:
    """Remove an actor with its sessions, events, branches, waiting work, failed jobs and remembered answers.

    Its records stay: they belong to namespaces, and there is an operation to delete them.

    Args:
        connection: In a write transaction.
        identifier: Id or ARN of the memory.
        actor_id: The actor.
    """
    whose = (memory_id_of(identifier), actor_id)
    of_actor = "(SELECT sid FROM sessions WHERE memory_id = ? AND actor_id = ?)"
    for table in ("events", "branches", "pending", "jobs", "pipelines"):
        connection.execute(f"DELETE FROM {table} WHERE sid IN {of_actor}", whose)
    # A remembered CreateEvent begins with the session's number, see EventOperations.create_event.
    connection.execute(
        "DELETE FROM tokens WHERE memory_id = ? AND operation = 'CreateEvent'"
        f" AND CAST(substr(answer, 1, instr(answer, ' ') - 1) AS INTEGER) IN {of_actor}",
        (whose[0], *whose),
    )
    connection.execute("DELETE FROM sessions WHERE memory_id = ? AND actor_id = ?", whose)
    connection.execute("DELETE FROM actors WHERE memory_id = ? AND actor_id = ?", whose)
