"""Stores checkpoints in one SQLite file, for any number of processes on one machine."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey, IndexEntry
from agentmem.checkpoints.version_rules import interpreting, succeeds
from agentmem.errors import CheckpointStoreError
from agentmem.support.clock import monotonic
from agentmem.support.private_files import make_private

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

SCHEMA_VERSION = 1
"""Kept in the file as ``PRAGMA user_version``."""

_APPLICATION_ID = 0x61676D63
"""``agmc``, kept in the file as ``PRAGMA application_id``: tells a file of ours from another application's."""

_SCHEMA = (
    """CREATE TABLE checkpoints (
        id INTEGER PRIMARY KEY,
        memory_id TEXT NOT NULL, actor_id TEXT NOT NULL, session_id TEXT NOT NULL, agent_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        body TEXT NOT NULL,
        UNIQUE (memory_id, actor_id, session_id, agent_id, version)
    )""",
    """CREATE TABLE entries (
        checkpoint INTEGER NOT NULL REFERENCES checkpoints (id) ON DELETE CASCADE,
        ordinal INTEGER NOT NULL,
        handle TEXT NOT NULL,
        entry TEXT NOT NULL,
        PRIMARY KEY (checkpoint, ordinal)
    ) WITHOUT ROWID""",
    "CREATE INDEX entries_by_handle ON entries (handle, checkpoint)",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)

LOCKED_SECONDS = 60.0
"""Seconds for which a file that was found locked is not waited for again; it is tried, and may be free."""

_locked_until: dict[str, float] = {}

_WHOSE = "memory_id = ? AND actor_id = ? AND session_id = ? AND agent_id = ?"


class SqliteCheckpointStore:
    """Keeps checkpoints in one SQLite file in WAL mode, created with its folders at the first use.

    Processes and threads may share the file: a save is one ``BEGIN IMMEDIATE`` transaction, and whoever finds the
    file locked waits. A save that returned is on the disk (``synchronous = FULL``) and survives the process and the
    machine. Every call opens and closes its own connection, so a store may be used across threads and forks.
    Checkpoints do not expire; ``delete`` removes them.
    """

    def __init__(self, path: str | os.PathLike[str], *, busy_timeout: float = 2.0) -> None:
        """Name the file; nothing is opened yet.

        Args:
            path: The file. Put it on a local disk: SQLite's locks and WAL mode do not work on network file systems.
            busy_timeout: Seconds to wait for another process's transaction. A file that stays locked for longer is not
                waited for again for a minute, in the whole process.
        """
        self.path = Path(path).expanduser()
        self._busy_timeout = busy_timeout

    def __repr__(self) -> str:
        """Show the file."""
        return f"{type(self).__name__}({str(self.path)!r})"

    def load(self, key: CheckpointKey) -> Checkpoint | None:
        """Return the current checkpoint with an empty index, or None when there is none.

        Raises:
            CheckpointStoreError: The file cannot be read.
        """
        with self._opened() as connection:
            return self._current(connection, key)

    def save(self, key: CheckpointKey, checkpoint: Checkpoint) -> None:
        """Make ``checkpoint`` the current one, if its version is the next and its boundary is not further back.

        Raises:
            CheckpointConflictError: Another version is current; carries it as ``winner``.
            CheckpointStoreError: The file cannot be written.
        """
        body = json.dumps(checkpoint.without_index().to_dict())
        with self._opened() as connection, _immediate(connection):
            if not succeeds(key, self._current(connection, key), checkpoint):
                return
            row = connection.execute(
                "INSERT INTO checkpoints (memory_id, actor_id, session_id, agent_id, version, body) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (*_ids(key), checkpoint.version, body),
            ).lastrowid
            connection.executemany(
                "INSERT INTO entries (checkpoint, ordinal, handle, entry) VALUES (?, ?, ?, ?)",
                (
                    (row, ordinal, entry.handle, json.dumps(entry.to_list()))
                    for ordinal, entry in enumerate(checkpoint.index)
                ),
            )

    def history(self, key: CheckpointKey, *, before: int | None = None) -> Iterator[Checkpoint]:
        """Yield the checkpoints with their indexes, newest first, only versions below ``before`` when given.

        One version is read at a time, as it is asked for.

        Raises:
            CheckpointStoreError: The file cannot be read.
        """
        below = before
        while True:
            with self._opened() as connection:
                row = connection.execute(
                    f"SELECT id, version, body FROM checkpoints WHERE {_WHOSE} AND (? IS NULL OR version < ?) "  # noqa: S608 - a constant
                    "ORDER BY version DESC LIMIT 1",
                    (*_ids(key), below, below),
                ).fetchone()
                if row is None:
                    return
                entries = connection.execute(
                    "SELECT entry FROM entries WHERE checkpoint = ? ORDER BY ordinal", (row[0],)
                ).fetchall()
            below = row[1]
            with interpreting(key, f"file {self.path}"):
                index = [json.loads(entry) for (entry,) in entries]
                found = Checkpoint.from_dict({**json.loads(row[2]), "index": index})
            yield found

    def find(self, key: CheckpointKey, handle: str) -> IndexEntry | None:
        """Return the entry for a message handle from the newest version that holds it, or None.

        Raises:
            CheckpointStoreError: The file cannot be read.
        """
        with self._opened() as connection:
            row = connection.execute(
                "SELECT entry FROM entries JOIN checkpoints ON checkpoints.id = entries.checkpoint "  # noqa: S608 - a constant
                f"WHERE handle = ? AND {_WHOSE} ORDER BY version DESC, ordinal LIMIT 1",
                (handle, *_ids(key)),
            ).fetchone()
        with interpreting(key, f"file {self.path}"):
            return None if row is None else IndexEntry.from_list(json.loads(row[0]))

    def delete(self, key: CheckpointKey) -> int:
        """Delete every checkpoint of the key for good, overwritten in the file; return how many there were.

        Raises:
            CheckpointStoreError: The file cannot be written.
        """
        with self._opened() as connection:
            with _immediate(connection):
                count = connection.execute(f"DELETE FROM checkpoints WHERE {_WHOSE}", _ids(key)).rowcount  # noqa: S608 - a constant
            # The log beside the file still has the text; when another process is reading, until that one ends.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return count

    def keys_of(self, memory_id: str, actor_id: str | None = None) -> list[CheckpointKey]:
        """Return the keys of the checkpoints in a memory, of one actor or of all.

        Raises:
            CheckpointStoreError: The file cannot be read.
        """
        with self._opened() as connection:
            rows = connection.execute(
                "SELECT DISTINCT memory_id, actor_id, session_id, agent_id FROM checkpoints"
                " WHERE memory_id = ? AND (? IS NULL OR actor_id = ?) ORDER BY actor_id, session_id, agent_id",
                (memory_id, actor_id, actor_id),
            ).fetchall()
        return [CheckpointKey(*row) for row in rows]

    def _current(self, connection: sqlite3.Connection, key: CheckpointKey) -> Checkpoint | None:
        row = connection.execute(
            f"SELECT body FROM checkpoints WHERE {_WHOSE} ORDER BY version DESC LIMIT 1",  # noqa: S608 - a constant
            _ids(key),
        ).fetchone()
        with interpreting(key, f"file {self.path}"):
            return None if row is None else Checkpoint.from_dict(json.loads(row[0]))

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            make_private(self.path)  # a summary holds what people said
            with closing(sqlite3.connect(self.path, timeout=self._patience, isolation_level=None)) as connection:
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA secure_delete = ON")
                self._ensure_schema(connection)
                yield connection
            _locked_until.pop(str(self.path), None)
        except (sqlite3.Error, OSError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                _locked_until[str(self.path)] = monotonic() + LOCKED_SECONDS
            raise CheckpointStoreError(
                f"the checkpoint file {self.path} could not be used ({type(error).__name__}: {error}). It must be a "
                "file of its own in a folder this process may write to, on a local disk, not held locked by another "
                f"process for longer than {self._busy_timeout:g} seconds."
            ) from error

    @property
    def _patience(self) -> float:
        return self._busy_timeout if monotonic() >= _locked_until.get(str(self.path), 0.0) else 0.0

    def _ensure_schema(self, connection: sqlite3.Connection) -> None:
        if self._is_ours(connection):
            return
        self._enter_wal_mode(connection)
        with _immediate(connection):
            # Another process may have created the schema since.
            if not self._is_ours(connection):
                for statement in _SCHEMA:
                    connection.execute(statement)

    def _is_ours(self, connection: sqlite3.Connection) -> bool:
        """Tell a file with our schema (True) from an empty one (False)."""
        # One statement, so that another process's new schema is seen whole or not at all.
        application, version, tables = connection.execute(
            "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master) "
            "FROM pragma_application_id, pragma_user_version"
        ).fetchone()
        if application == _APPLICATION_ID and version == SCHEMA_VERSION:
            return True
        if application == _APPLICATION_ID:
            raise CheckpointStoreError(
                f"the checkpoint file {self.path} has schema version {version} and this agentmem knows "
                f"{SCHEMA_VERSION}; upgrade agentmem, or name another file."
            )
        if application or version or tables:
            raise CheckpointStoreError(
                f"{self.path} is another application's database; give the checkpoints a file of their own."
            )
        return False

    def _enter_wal_mode(self, connection: sqlite3.Connection) -> None:
        deadline = monotonic() + self._patience
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:
                # SQLite does not apply the busy timeout here when two processes create the file at once.
                if monotonic() >= deadline:
                    raise
                time.sleep(0.01)
            else:
                return


def _ids(key: CheckpointKey) -> tuple[str, str, str, str]:
    return (key.memory_id, key.actor_id, key.session_id, key.agent_id)


@contextmanager
def _immediate(connection: sqlite3.Connection) -> Iterator[None]:
    """Take the write lock at once, so that what is read stays true until what follows from it is written."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        # A full disk or an I/O error has rolled back already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
