"""A file of an older version of the embedded service keeps what is in it."""

import json
import sqlite3
from datetime import UTC, datetime

from memory_api import SEMANTIC, MemoryApi

from agentmem.config import MemoryConfig
from agentmem.local import LocalMemory

AT = datetime(2026, 1, 1, tzinfo=UTC)
MEMORIES_1 = """
CREATE TABLE memories (
  memory_id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, arn TEXT NOT NULL UNIQUE, active_at REAL NOT NULL,
  expiry_days INTEGER NOT NULL, body TEXT NOT NULL, tags TEXT NOT NULL DEFAULT '{}'
) WITHOUT ROWID
"""


def made_older(path):
    """Give a file the form it had in format 1."""
    file = sqlite3.connect(path)
    rows = file.execute("SELECT memory_id, name, active_at, expiry_days, body, tags FROM memories").fetchall()
    file.execute("DROP TABLE memories")
    file.execute(MEMORIES_1)
    for memory_id, name, *rest in rows:
        arn = json.loads(rest[2])["arn"]
        file.execute("INSERT INTO memories VALUES (?, ?, ?, ?, ?, ?, ?)", (memory_id, name, arn, *rest))
    file.execute("""UPDATE events SET head = replace(head, ',"branch":{"name":"main"}', '')""")
    file.execute("""UPDATE tokens SET answer = replace(answer, ',"branch":{"name":"main"}', '')""")
    file.execute("ALTER TABLE records DROP COLUMN expiry_days")
    file.execute("DROP TABLE pipelines")
    file.execute("PRAGMA user_version = 1")
    file.commit()
    file.close()


def test_a_file_of_the_first_format_is_brought_to_the_newest(tmp_path, clock):
    path = tmp_path / "memory.db"
    with LocalMemory(path, clock=clock) as memory:
        api = MemoryApi(memory.boto_session("eu-central-1"))
        made = api.create(SEMANTIC, name="kept", tags={"a": "b"})
        first = api.say("I live in Porto.", clientToken="t" * 33)
        api.say("Or in Faro.", branch={"name": "other", "rootEventId": first["eventId"]})
        [short] = api.write("short", recordExpirySpecification={"recordExpiryDurationDays": 45})
        before = (api.events(), api.records("/users/bob/facts/"), api.records("/facts/"))
    made_older(path)
    with LocalMemory(path, clock=clock) as memory:
        api = MemoryApi(memory.boto_session("eu-central-1"))
        api.memory_id = made["id"]
        assert api.control.get_memory(memoryId=made["id"])["memory"] == made
        assert api.control.list_tags_for_resource(resourceArn=made["arn"])["tags"] == {"a": "b"}
        assert (api.events(), api.records("/users/bob/facts/"), api.records("/facts/")) == before
        assert api.say("I live in Porto.", clientToken="t" * 33) == first
        clock.advance(86_400)
        api.data.batch_update_memory_records(memoryId=made["id"], records=[{"memoryRecordId": short, "timestamp": AT}])
        record = api.data.get_memory_record(memoryId=made["id"], memoryRecordId=short)["memoryRecord"]
        assert record["expiresAt"].timestamp() == clock.now + 45 * 86_400
        assert memory.regions_of() == ["eu-central-1"]


def test_the_environments_region_does_not_hide_a_memory_that_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    first = MemoryConfig.local(tmp_path)
    assert first.region == "eu-west-1"
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    again = MemoryConfig.local(tmp_path)
    assert (again.memory_id, again.region) == (first.memory_id, "eu-west-1")
    moved = MemoryConfig.local(tmp_path, region="ap-south-1")
    assert moved.memory_id != first.memory_id
    assert MemoryConfig.local(tmp_path).memory_id == moved.memory_id  # now both have one, and the environment chooses
    assert MemoryConfig.local(tmp_path, name="other").region == "ap-south-1"
