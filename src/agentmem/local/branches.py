"""Reads the branches of a session: alternative continuations from one of its events.

The live service's exact rules for ``includeParentBranches`` are not published. Here a branch's parent is the branch
its root event lies on, and including the parents adds what the parent holds up to and including that root event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import invalid, not_found

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

MAIN = "main"


def place_on_branch(
    connection: sqlite3.Connection, sid: int, branch: Mapping[str, Any] | None
) -> dict[str, str] | None:
    """Check a new event's branch, and open it if it is new.

    Args:
        connection: In a write transaction.
        sid: Key of the session.
        branch: The request's ``branch``; a new one needs ``rootEventId``, a known one may omit it.

    Returns:
        ``name`` and ``rootEventId`` to store with the event; None for the main branch.

    Raises:
        ServiceError: ``ValidationException`` for a new branch without a root, a root in another session, or a root
            other than the branch has; ``ResourceNotFoundException`` for a root that is no event.
    """
    if branch is None or (branch["name"] == MAIN and "rootEventId" not in branch):
        return None
    name, root = branch["name"], branch.get("rootEventId")
    known = connection.execute("SELECT root_event_id FROM branches WHERE sid = ? AND name = ?", (sid, name)).fetchone()
    if known:
        if root not in (None, known["root_event_id"]):
            raise invalid(
                f"Branch {name} starts at event {known['root_event_id']}", reason="ResourceConflict", field="/branch"
            )
        return {"name": name, "rootEventId": known["root_event_id"]}
    if root is None or name == MAIN:
        raise invalid(f"Branch {name} is new and needs rootEventId", field="/branch/rootEventId")
    parent = connection.execute("SELECT sid, branch FROM events WHERE event_id = ?", (root,)).fetchall()
    own = [row for row in parent if row["sid"] == sid]
    if not own:
        if parent:
            raise invalid(
                f"Event {root} is in another session", reason="EventInOtherSession", field="/branch/rootEventId"
            )
        raise not_found(f"Event not found: {root}")
    connection.execute("INSERT INTO branches VALUES (?, ?, ?, ?)", (sid, name, root, own[0]["branch"]))
    return {"name": name, "rootEventId": root}


def branch_clause(connection: sqlite3.Connection, sid: int, branch_filter: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The SQL condition of a ``BranchFilter``.

    Returns:
        A condition over the events table and its arguments.
    """
    name = branch_filter["name"]
    if name == MAIN:
        return "branch IS NULL", []
    if not branch_filter.get("includeParentBranches", False):
        return "branch = ?", [name]
    conditions, values = ["branch = ?"], [name]
    limit = FARTHEST
    seen = set()
    current: str | None = name
    while current is not None and current not in seen:
        seen.add(current)
        row = connection.execute(
            "SELECT root_event_id, parent FROM branches WHERE sid = ? AND name = ?", (sid, current)
        ).fetchone()
        if row is None:
            break
        # A grandparent shows no more than its child's part that is shown.
        limit = min(limit, row["root_event_id"])
        current = row["parent"]
        conditions.append("(branch IS ? AND event_id <= ?)")
        values.extend([current, limit])
    return f"({' OR '.join(conditions)})", values


FARTHEST = "~"  # sorts after every event id
