"""Keeps accepted messages in a SQLite file, the outbox, until they are acknowledged, so that they outlive the process.

Three kinds of entries: a *message* of a turn in progress, an *event* of a closed turn (as its request once that is
frozen, which is before its first attempt), and a *redaction* that is still to be carried out. Each belongs to the
process that wrote it; when that has ended, the next one that opens the session takes it over.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agentmem.errors import ConfigurationError
from agentmem.events.batch import OutgoingItem
from agentmem.events.process_lock import ProcessLock
from agentmem.scope.address import SessionAddress
from agentmem.support.clock import monotonic
from agentmem.support.private_files import make_private

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

__all__ = ["Outbox", "Places", "StoredEntry", "close_outboxes", "item_of", "open_outbox"]

_APPLICATION_ID = 0x61676D6F
_VERSION = 1
_SCHEMA = (
    """CREATE TABLE entries (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        memory_id TEXT NOT NULL, actor_id TEXT NOT NULL, session_id TEXT NOT NULL,
        owner TEXT NOT NULL,
        kind TEXT NOT NULL,
        tracking TEXT NOT NULL,
        at INTEGER,
        kept_at INTEGER NOT NULL,
        body TEXT NOT NULL
    )""",
    "CREATE INDEX entries_of_session ON entries (memory_id, actor_id, session_id)",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_VERSION}",
)
_OF_SESSION = (
    "SELECT seq, owner, kind, tracking, at, kept_at, body FROM entries"
    " WHERE memory_id = ? AND actor_id = ? AND session_id = ? ORDER BY seq"
)
_DELETE_MESSAGE = (
    "DELETE FROM entries WHERE memory_id = ? AND actor_id = ? AND session_id = ? AND kind = 'message' AND tracking = ?"
)
_log = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds a turn waits for a file that another process holds locked; once, then not again for ``LOCKED_SECONDS``."""

LOCKED_SECONDS = 60.0
"""Seconds for which a locked file is tried, which may be free again, and not waited for."""

Places = list[tuple[str, int | None]]
"""The messages of an event: tracking id, and its payload item or None when nothing of it is stored."""


@dataclass(frozen=True)
class StoredEntry:
    """One entry of the file.

    Attributes:
        seq: Its number; later entries have higher ones.
        kind: What it is.
        places: Of an event: its messages. Of a message or a redaction: its tracking id.
        at: Of an event whose request is frozen: its time, milliseconds since the epoch.
        kept_at: When it was written to the file, milliseconds since the epoch.
        body: Of an event: what CreateEvent carries. Of a message: its payload item and what goes with it. Of a
            redaction: the event id and the new payload items.
    """

    seq: int
    kind: Literal["message", "event", "redaction"]
    places: Places
    at: int | None
    kept_at: int
    body: dict[str, Any]


class Outbox:
    """One file, shared by the writers of a process and by processes.

    Every method raises ``sqlite3.Error`` when the file cannot be read or written.

    ``synchronous=FULL``: an entry that was written outlives a power cut, not only the process. Nothing of a deleted
    entry stays in the file (``secure_delete``; the log beside it is emptied when the last entry is gone).
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises:
            ConfigurationError: It cannot be written, or it is not an outbox.
        """
        self.path = path
        self._lock = threading.RLock()
        self._holders: dict[int, object] = {}
        self._locked_until = 0.0
        try:
            make_private(path)  # it holds what people said
            self._connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA secure_delete = ON")
            with self._transaction():
                self._make_schema()
            self._owner = ProcessLock(path)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(
                f"outbox = {str(path)!r}: cannot be used ({type(error).__name__}: {error}). Give WriteConfig(outbox=) "
                "a file on a local disk that this process may write to."
            ) from error

    def keep_messages(self, address: SessionAddress, items: Sequence[OutgoingItem], holder: object) -> None:
        """Keep messages of a turn in progress; one that is there already is replaced.

        Args:
            address: The session.
            items: The messages, serialized.
            holder: Whoever keeps them, until it lets go.
        """
        with self._transaction():
            for item in items:
                self._remove_messages(address, [item.tracking_id])
                body = {"payload": item.payload, "conversational": item.conversational, "said": item.said}
                if item.marks:
                    body["marks"] = dict(item.marks)
                self._insert(address, "message", [(item.tracking_id, None)], body, holder)

    def keep_events(
        self, address: SessionAddress, events: Iterable[tuple[Places, Mapping[str, Any]]], holder: object
    ) -> list[int]:
        """Keep the events of a closed turn, instead of its messages.

        Args:
            address: The session.
            events: Messages and body of each.
            holder: Whoever keeps them, until it lets go.

        Returns:
            The numbers of the events.
        """
        with self._transaction():
            numbers = []
            for places, body in events:
                self._remove_messages(address, [name for name, _ in places])
                numbers.append(self._insert(address, "event", places, body, holder))
            return numbers

    def keep_redaction(self, address: SessionAddress, tracking_id: str, body: Mapping[str, Any], holder: object) -> int:
        """Keep a redaction until it is carried out; what is kept of the original message goes at once."""
        with self._transaction():
            self._remove_messages(address, [tracking_id])
            return self._insert(address, "redaction", [(tracking_id, None)], body, holder)

    def change(self, seq: int, body: Mapping[str, Any], milliseconds: int | None = None) -> None:
        """Keep an event with other content: redacted, or as it is going to be sent.

        Args:
            seq: Its number.
            body: What CreateEvent carries.
            milliseconds: Its time, once its request is frozen.
        """
        with self._transaction():
            self._connection.execute(
                "UPDATE entries SET body = ?, at = coalesce(?, at) WHERE seq = ?", (json.dumps(body), milliseconds, seq)
            )
        if milliseconds is None:
            self._empty_log()  # of the content before

    def remove(self, seq: int) -> None:
        """Forget an entry: it is in the log, or given up."""
        with self._transaction():
            self._connection.execute("DELETE FROM entries WHERE seq = ?", (seq,))
            left = self._connection.execute("SELECT 1 FROM entries LIMIT 1").fetchone()
            self._holders.pop(seq, None)
        if left is None:
            self._empty_log()

    def take_over(self, address: SessionAddress, holder: object) -> tuple[list[StoredEntry], bool]:
        """Take what is left of a session: by processes that have ended, or by writers of this one that are gone.

        Args:
            address: The session.
            holder: Whoever takes them, and keeps them until it lets go.

        Returns:
            The entries in the order they were written in, and whether any comes from another process.
        """
        with self._transaction():
            rows = self._connection.execute(_OF_SESSION, _ids(address)).fetchall()
            gone = {name for name in {row[1] for row in rows} if self._owner.is_gone(name)}
            mine = self._owner.name
            free = [row for row in rows if row[1] in gone or (row[1] == mine and row[0] not in self._holders)]
            for row in free:
                self._connection.execute("UPDATE entries SET owner = ? WHERE seq = ?", (mine, row[0]))
                self._holders[row[0]] = holder
            for name in gone:
                if not self._connection.execute("SELECT 1 FROM entries WHERE owner = ? LIMIT 1", (name,)).fetchone():
                    self._owner.forget(name)
        entries = [
            StoredEntry(seq, kind, [tuple(place) for place in json.loads(tracking)], at, kept_at, json.loads(body))
            for seq, _, kind, tracking, at, kept_at, body in free
        ]
        return entries, any(row[1] != mine for row in free)

    def left_behind(self, memory_id: str) -> list[SessionAddress]:
        """Return the sessions of a memory with entries that could be taken over."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT DISTINCT actor_id, session_id, owner FROM entries WHERE memory_id = ?", (memory_id,)
            ).fetchall()
        gone = {name for name in {row[2] for row in rows} if self._owner.is_gone(name)}
        found = dict.fromkeys(SessionAddress(memory_id, row[0], row[1]) for row in rows if row[2] in gone)
        return list(found)

    def count_of(self, memory_id: str, actor_id: str) -> int:
        """Return how many entries of an actor there are, over all sessions."""
        with self._lock:
            (count,) = self._connection.execute(
                "SELECT count(*) FROM entries WHERE memory_id = ? AND actor_id = ?", (memory_id, actor_id)
            ).fetchone()
        return int(count)

    def forget(self, memory_id: str, actor_id: str) -> None:
        """Delete every entry of an actor, whoever holds it."""
        with self._transaction():
            self._connection.execute("DELETE FROM entries WHERE memory_id = ? AND actor_id = ?", (memory_id, actor_id))
        self._empty_log()

    def let_go(self, holder: object, numbers: Container[int | None] | None = None) -> None:
        """Leave entries to whoever opens their sessions next.

        Args:
            holder: Whoever keeps them.
            numbers: Which; None for all.
        """
        with self._lock:
            for seq, one in list(self._holders.items()):
                if one is holder and (numbers is None or seq in numbers):
                    del self._holders[seq]

    def close(self) -> None:
        """Close the file; what is in it may be taken over by another process at once."""
        with self._lock:
            with contextlib.suppress(sqlite3.Error):
                mine = (self._owner.name,)
                if not self._connection.execute("SELECT 1 FROM entries WHERE owner = ? LIMIT 1", mine).fetchone():
                    self._owner.forget(self._owner.name)
                self._connection.close()
            self._owner.close()

    def _begin(self) -> None:
        """Begin a transaction; a file that stays locked is not waited for again for a while."""
        is_patient = monotonic() >= self._locked_until
        self._connection.execute(f"PRAGMA busy_timeout = {int(PATIENCE * 1000) if is_patient else 0}")
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if is_patient and getattr(error, "sqlite_errorcode", 0) & 0xFF in (
                sqlite3.SQLITE_BUSY,
                sqlite3.SQLITE_LOCKED,
            ):
                self._locked_until = monotonic() + LOCKED_SECONDS
            raise
        self._locked_until = 0.0

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._begin()
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _make_schema(self) -> None:
        (application,) = self._connection.execute("PRAGMA application_id").fetchone()
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if (application, version) == (_APPLICATION_ID, _VERSION):
            return
        if self._connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None:
            raise sqlite3.DatabaseError("the file holds something else, or an outbox of another version")
        for statement in _SCHEMA:
            self._connection.execute(statement)

    def _insert(
        self,
        address: SessionAddress,
        kind: str,
        places: Places,
        body: Mapping[str, Any],
        holder: object,
    ) -> int:
        seq = self._connection.execute(
            "INSERT INTO entries (memory_id, actor_id, session_id, owner, kind, tracking, kept_at, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*_ids(address), self._owner.name, kind, json.dumps(places), int(time.time() * 1000), json.dumps(body)),
        ).lastrowid
        assert seq is not None  # noqa: S101 - an INSERT has one
        self._holders[seq] = holder
        return seq

    def _remove_messages(self, address: SessionAddress, names: Sequence[str]) -> None:
        for name in names:
            self._connection.execute(_DELETE_MESSAGE, (*_ids(address), json.dumps([(name, None)])))

    def _empty_log(self) -> None:
        with self._lock, contextlib.suppress(sqlite3.OperationalError):  # another process is reading: next time
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


_open: dict[tuple[int, Path], Outbox] = {}
_opening = threading.Lock()


def open_outbox(path: str | os.PathLike[str]) -> Outbox:
    """Return this process's outbox at a path; a process that was forked off gets one of its own.

    Raises:
        ConfigurationError: The file cannot be used.
    """
    key = os.getpid(), Path(path).expanduser().resolve()
    with _opening:
        if key not in _open:
            _open[key] = Outbox(key[1])
        return _open[key]


def close_outboxes() -> None:
    """Close what this process has open; for its end."""
    with _opening:
        for key in [key for key in _open if key[0] == os.getpid()]:
            _open.pop(key).close()


if hasattr(os, "register_at_fork"):
    # The child opens the file anew; it has lost its parent's locks already (filelock).
    os.register_at_fork(after_in_child=_open.clear)


def item_of(entry: StoredEntry) -> OutgoingItem:
    """Return the message of an entry of kind ``message``."""
    return OutgoingItem(entry.places[0][0], **entry.body)


def _ids(address: SessionAddress) -> tuple[str, str, str]:
    return address.memory_id, address.actor_id, address.session_id
