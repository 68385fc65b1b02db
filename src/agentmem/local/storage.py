"""Opens the embedded service's SQLite database: schema, connection, transactions.

Durability: WAL with ``synchronous=NORMAL``. A commit is in the operating system's hands before the call returns, so
killing the process loses nothing acknowledged; only a crash of the machine itself may lose the last commits.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .changes import NotingConnection
from .migration import MIGRATIONS
from .namespaces import is_below

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .self_managed import Pipelines
    from .stream_delivery import StreamDelivery

FORMAT = 2  # PRAGMA user_version of the files this code reads and writes
BUSY_SECONDS = 60.0  # how long a process waits for another one's write; transactions here last milliseconds

SCHEMA = """
CREATE TABLE memories (
  memory_id TEXT PRIMARY KEY,
  account TEXT NOT NULL,
  region TEXT NOT NULL,
  name TEXT NOT NULL,
  active_at REAL NOT NULL,
  changing TEXT NOT NULL DEFAULT 'CREATING',
  expiry_days INTEGER NOT NULL,
  body TEXT NOT NULL,
  tags TEXT NOT NULL DEFAULT '{}',
  UNIQUE (account, region, name)
) WITHOUT ROWID;
CREATE TABLE actors (
  memory_id TEXT NOT NULL, actor_id TEXT NOT NULL, PRIMARY KEY (memory_id, actor_id)
) WITHOUT ROWID;
CREATE TABLE sessions (
  sid INTEGER PRIMARY KEY,
  memory_id TEXT NOT NULL, actor_id TEXT NOT NULL, session_id TEXT NOT NULL,
  created_at REAL NOT NULL,
  UNIQUE (memory_id, actor_id, session_id)
);
CREATE TABLE branches (
  sid INTEGER NOT NULL, name TEXT NOT NULL, root_event_id TEXT NOT NULL, parent TEXT,
  PRIMARY KEY (sid, name)
) WITHOUT ROWID;
-- The payload comes last, so that scanning the columns before it does not read a large one's overflow pages.
CREATE TABLE events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  sid INTEGER NOT NULL,
  event_id TEXT NOT NULL,
  expires_at REAL NOT NULL,
  branch TEXT,
  metadata TEXT,
  options TEXT,
  head TEXT NOT NULL,
  payload TEXT NOT NULL
);
CREATE UNIQUE INDEX events_by_session ON events (sid, event_id);
CREATE INDEX events_by_expiry ON events (expires_at);
CREATE TABLE tokens (
  memory_id TEXT NOT NULL, operation TEXT NOT NULL, token TEXT NOT NULL, answer TEXT NOT NULL,
  PRIMARY KEY (memory_id, operation, token)
) WITHOUT ROWID;
-- Work not done yet: one row for each event, or ingested content, that strategies are to read at due_at.
CREATE TABLE pending (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  memory_id TEXT NOT NULL, sid INTEGER NOT NULL, event_id TEXT NOT NULL,
  due_at REAL NOT NULL,
  content TEXT NOT NULL,
  claimed_until REAL NOT NULL DEFAULT 0
);
CREATE INDEX pending_by_memory ON pending (memory_id, due_at);
CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  job_id TEXT NOT NULL UNIQUE,
  memory_id TEXT NOT NULL, sid INTEGER NOT NULL, strategy_id TEXT NOT NULL,
  reason TEXT NOT NULL,
  content TEXT NOT NULL
);
CREATE INDEX jobs_by_memory ON jobs (memory_id, seq);
-- A deleted record stays as an empty row, so that every process's index learns of the deletion by its change number.
CREATE TABLE records (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  record_id TEXT NOT NULL UNIQUE,
  memory_id TEXT NOT NULL,
  namespace TEXT NOT NULL,
  strategy_id TEXT NOT NULL,
  created_at REAL NOT NULL,
  timestamp REAL NOT NULL,
  expires_at REAL,
  expiry_days INTEGER,
  change INTEGER NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  subject TEXT,
  origin INTEGER,
  metadata TEXT,
  text TEXT NOT NULL
);
CREATE INDEX records_by_namespace ON records (memory_id, namespace, created_at, seq) WHERE deleted = 0;
CREATE INDEX records_by_memory ON records (memory_id, created_at, seq) WHERE deleted = 0;
CREATE INDEX records_by_subject ON records (memory_id, namespace, subject) WHERE deleted = 0 AND subject IS NOT NULL;
CREATE UNIQUE INDEX records_by_change ON records (memory_id, change);
CREATE TABLE vectors (
  seq INTEGER PRIMARY KEY, model TEXT NOT NULL, parts INTEGER NOT NULL, vector BLOB NOT NULL
);
CREATE VIRTUAL TABLE words USING fts5 (text, scope, tokenize = "porter unicode61 remove_diacritics 2");
-- What self-managed strategies were not told of yet, by session; only counted while there is a pipeline.
CREATE TABLE pipelines (
  strategy_id TEXT NOT NULL, sid INTEGER NOT NULL, memory_id TEXT NOT NULL,
  messages INTEGER NOT NULL, tokens INTEGER NOT NULL, last_at REAL NOT NULL,
  done_seq INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (strategy_id, sid)
) WITHOUT ROWID;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('change', 0);
"""


class Store:
    """One SQLite database, in a file that several processes may share or in memory.

    Args:
        path: File name, or ``":memory:"``. A missing file, and its folder, are made for their owner alone (0600, 0700);
            those that exist keep their permissions.

    Raises:
        ValueError: The file holds something other than this version's database.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.in_memory = self.path == ":memory:"
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._connection: NotingConnection | None = self._open()
        self._stream: StreamDelivery | None = None
        self._pipelines: Pipelines | None = None

    def stream_to(self, stream: StreamDelivery) -> None:
        """Hand the changes of records, from now on, to a stream after each commit."""
        self._stream = stream

    def run_pipelines(self, pipelines: Pipelines) -> None:
        """Hand the jobs of self-managed strategies, from now on, to their pipeline after each commit."""
        self._pipelines = pipelines

    @property
    def has_pipelines(self) -> bool:
        """Whether somebody takes the jobs of self-managed strategies."""
        return self._pipelines is not None

    def _open(self) -> NotingConnection:
        if not self.in_memory:
            Path(self.path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # It holds what people said. SQLite gives the files beside it the same permissions. One that exists is not
            # opened: closing it again would release the locks that SQLite holds on it elsewhere in this process.
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, factory=NotingConnection
        )
        connection.row_factory = sqlite3.Row
        _enable_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten, see `scrub`
        connection.create_function("below", 2, is_below, deterministic=True)
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA cache_size = -65536")  # 64 MB
        connection.execute("BEGIN IMMEDIATE")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            for statement in _statements(SCHEMA):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        elif version in MIGRATIONS:
            for statement in MIGRATIONS[version]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        elif version != FORMAT:
            connection.execute("ROLLBACK")
            connection.close()
            raise ValueError(
                f"{self.path} is not a database of this version of the embedded service "
                f"(format {version}, expected {FORMAT}): give another path"
            )
        connection.execute("COMMIT")
        return connection

    def _connected(self) -> NotingConnection:
        if self._connection is None:
            raise RuntimeError(f"the embedded memory at {self.path} is closed")
        if self._pid != os.getpid() and not self.in_memory:
            # SQLite connections must not cross a fork; the parent's is left alone, not closed.
            self._pid, self._connection = os.getpid(), self._open()
        return self._connection

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """The connection, for reading; statements see each other's moment, not one snapshot."""
        with self._lock:
            yield self._connected()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: committed at the end, rolled back when the block raises. May be nested."""
        with self._lock:
            connection = self._connected()
            if connection.in_transaction:
                yield connection
                return
            # IMMEDIATE takes the write lock first: upgrading a read lock could fail at once, without waiting.
            connection.execute("BEGIN IMMEDIATE")
            connection.changes = [] if self._stream is not None else None
            connection.jobs = [] if self._pipelines is not None else None
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
            if self._stream is not None and connection.changes:
                self._stream.take(connection, connection.changes)
            if self._pipelines is not None and connection.jobs:
                self._pipelines.take(connection.jobs)
        for delivery in (self._stream, self._pipelines):
            if delivery is not None:
                delivery.deliver()  # outside the lock: a sink may wait for another thread

    def scrub(self) -> bool:
        """Leave no deleted text in the files: not in the full-text index, and not in the log beside them.

        Returns:
            False when another process is reading, so that the log could not be emptied; it is when that one ends.
        """
        with self.write() as connection:
            connection.execute("INSERT INTO words (words) VALUES ('optimize')")
        with self._lock:
            busy, *_ = self._connected().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def close(self) -> None:
        """Close the database. Calls after this raise RuntimeError."""
        with self._lock:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
            self._connection = None


def next_change(connection: sqlite3.Connection) -> int:
    """The next change number of records; call it inside a write transaction."""
    row = connection.execute("UPDATE counters SET value = value + 1 WHERE name = 'change' RETURNING value").fetchone()
    return int(row[0])


def _statements(script: str) -> Iterator[str]:
    """The statements of a script (executescript would commit the open transaction)."""
    for statement in script.split(";\n"):
        if statement.strip():
            yield statement


def _enable_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL; processes that open a new file together compete for the lock, which SQLite does not wait for."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
