from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from functools import partial

import pytest

from agentmem.checkpoints.sqlite import SCHEMA_VERSION, SqliteCheckpointStore
from agentmem.errors import CheckpointStoreError
from agentmem.testing.conformance import (
    Backend,
    CheckpointStoreConformance,
    CompetingProcesses,
    CompetingThreads,
    any_key,
)
from agentmem.testing.sample_checkpoints import checkpoint

SAVES_FOR_EVER = """
import itertools, sys
from dataclasses import replace
from agentmem.checkpoints.sqlite import SqliteCheckpointStore
from agentmem.testing.conformance import any_key
from agentmem.testing.sample_checkpoints import checkpoint

store, key = SqliteCheckpointStore(sys.argv[1]), replace(any_key(), session_id=sys.argv[2])
for version in itertools.count(1):
    store.save(key, checkpoint(version))
    print(version, flush=True)
"""


class TestSqliteStore(CheckpointStoreConformance, CompetingThreads, CompetingProcesses):
    @pytest.fixture
    def backend(self, tmp_path) -> Backend:
        path = tmp_path / "folder" / "checkpoints.sqlite"
        opened = partial(SqliteCheckpointStore, path)
        return Backend(open=opened, open_in_process=opened)


def test_nothing_is_opened_before_the_first_use(tmp_path):
    SqliteCheckpointStore(tmp_path / "folder" / "file")
    assert list(tmp_path.iterdir()) == []


def test_what_it_stores_is_its_owners_alone(tmp_path):
    path = tmp_path / "folder" / "checkpoints.sqlite"
    old = os.umask(0)
    try:
        SqliteCheckpointStore(path).save(any_key(), checkpoint(1))
    finally:
        os.umask(old)
    assert {stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_a_save_returned_for_survives_kill_9(tmp_path):
    path, key = tmp_path / "checkpoints.sqlite", any_key()
    process = subprocess.Popen(
        [sys.executable, "-c", SAVES_FOR_EVER, str(path), key.session_id], stdout=subprocess.PIPE, text=True
    )
    for _ in range(5):
        process.stdout.readline()
    process.kill()
    returned = int(["5", *process.communicate()[0].split()][-1])
    store = SqliteCheckpointStore(path)
    assert store.load(key).version >= returned >= 5
    assert [saved.version for saved in store.history(key)] == list(range(store.load(key).version, 0, -1))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_file_is_in_wal_mode_with_a_versioned_schema(tmp_path):
    path = tmp_path / "checkpoints.sqlite"
    SqliteCheckpointStore(path).save(any_key(), checkpoint(1))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


def test_a_schema_of_a_newer_version_is_refused_untouched(tmp_path):
    path = tmp_path / "checkpoints.sqlite"
    SqliteCheckpointStore(path).save(any_key(), checkpoint(1))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(CheckpointStoreError, match=r"schema version 2.*upgrade agentmem"):
        SqliteCheckpointStore(path).save(any_key(), checkpoint(1))


def test_another_applications_database_is_refused_untouched(tmp_path):
    path = tmp_path / "theirs.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(CheckpointStoreError, match="another application's database"):
        SqliteCheckpointStore(path).load(any_key())
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("this is not a database, however long it is" * 100)
    with pytest.raises(CheckpointStoreError, match=r"notes\.txt could not be used"):
        SqliteCheckpointStore(path).load(any_key())


def test_a_folder_that_cannot_be_made_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointStoreError, match=r"file/checkpoints\.sqlite could not be used"):
        SqliteCheckpointStore(tmp_path / "file" / "checkpoints.sqlite").load(any_key())


def test_a_lock_that_stays_is_an_error_and_loses_nothing(tmp_path):
    path, key = tmp_path / "checkpoints.sqlite", any_key()
    store = SqliteCheckpointStore(path, busy_timeout=0.05)
    store.save(key, checkpoint(1))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CheckpointStoreError, match="locked"):
            store.save(key, checkpoint(2))
        assert store.load(key).version == 1
    store.save(key, checkpoint(2))
    assert store.load(key).version == 2


def test_a_save_waits_for_a_lock_that_goes(tmp_path):
    path, key = tmp_path / "checkpoints.sqlite", any_key()
    store = SqliteCheckpointStore(path)
    store.save(key, checkpoint(1))
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.2, other.execute, ["ROLLBACK"])
    release.start()
    store.save(key, checkpoint(2))
    release.join()
    other.close()
    assert store.load(key).version == 2


def test_a_history_that_is_not_read_to_its_end_holds_no_lock(tmp_path):
    store, key = SqliteCheckpointStore(tmp_path / "checkpoints.sqlite", busy_timeout=0.05), any_key()
    for version in (1, 2):
        store.save(key, checkpoint(version))
    history = store.history(key)
    assert next(history).version == 2
    store.save(key, checkpoint(3))
    assert [saved.version for saved in history] == [1]


def test_several_first_users_of_a_file_make_one_schema(tmp_path):
    path, keys = tmp_path / "checkpoints.sqlite", [any_key() for _ in range(8)]
    failures: list[Exception] = []
    start = threading.Barrier(len(keys))

    def first_use(key) -> None:
        start.wait()
        try:
            SqliteCheckpointStore(path).save(key, checkpoint(1))
        except CheckpointStoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=first_use, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(SqliteCheckpointStore(path).load(key).version == 1 for key in keys)


def test_a_first_use_waits_for_another_process_that_is_making_the_file(tmp_path):
    path, key = tmp_path / "checkpoints.sqlite", any_key()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.2, other.execute, ["ROLLBACK"])
    release.start()
    SqliteCheckpointStore(path).save(key, checkpoint(1))
    release.join()
    other.close()
    assert SqliteCheckpointStore(path).load(key).version == 1
