"""`agentmem doctor` finds what is broken, names the remedy, and changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from filled import CommandLine

from agentmem import DynamoDBCheckpoints, MemoryConfig, Namespace
from agentmem.compaction.stores import open_store
from agentmem.diagnosis import examine
from agentmem.local import LocalMemory


@pytest.fixture
def memory(tmp_path):
    return LocalMemory(tmp_path / "memory.db")


def findings(config, **session):
    return {one.check: one for one in examine(config, **session)}


def failed(config):
    return {one.check: one.detail for one in examine(config) if one.status == "failed"}


def test_a_sound_memory_passes_and_nothing_is_written(change):
    before = change.json("sessions"), change.json("events", "list", "--actor", "ann", "--session", "ann-1")
    done = change("doctor", "--actor", "ann", "--session", "ann-1")
    assert done.exit_code == 0
    assert "10 messages as sdk" in done.stdout
    assert {one["status"] for one in change.json("doctor")} == {"ok", "skipped"}
    assert (change.json("sessions"), change.json("events", "list", "--actor", "ann", "--session", "ann-1")) == before


def test_something_broken_is_told_by_the_exit_status(change):
    where = CommandLine(*change.where, "--memory-id", "absent-a1b2c3d4e5")
    done = where("doctor")
    assert done.exit_code == 1
    assert "agentmem init" in done.stdout


def test_strategies_that_are_missing_or_file_elsewhere_are_named(memory):
    config = MemoryConfig.local(memory)
    other = config.replace(
        namespaces=(
            Namespace.semantic("facts", "/elsewhere/{actorId}/"),
            Namespace.semantic("absent", "/absent/{actorId}/{team}/", variables=("team",)),
        )
    )
    details = [one.detail for one in examine(other) if one.check == "strategies"]
    assert len(details) == 3
    assert "/elsewhere/{actorId}/" in details[0]
    assert "'absent'" in details[1]
    assert "{team}" in details[2]


@pytest.mark.parametrize(
    ("operation", "check"),
    [
        ("CreateEvent", "permission CreateEvent"),
        ("GetEvent", "permission GetEvent"),
        ("ListEvents", "permission ListEvents"),
        ("RetrieveMemoryRecords", "permission RetrieveMemoryRecords of facts"),
        ("ListMemoryRecords", "permission ListMemoryRecords of facts"),
        ("ListMemoryExtractionJobs", "permission ListMemoryExtractionJobs"),
    ],
)
def test_an_action_that_is_denied_is_named(memory, operation, check):
    config = MemoryConfig.local(memory)
    with memory.faults.inject("access_denied", operation):
        found = failed(config)
    assert check in found
    assert "iam-policy" in found[check]
    assert all(operation in name for name in found)


def test_an_agent_may_do_without_reading_the_memory_itself(memory):
    config = MemoryConfig.local(memory)
    with memory.faults.inject("access_denied", "GetMemory"):
        found = findings(config)
    assert found["memory"].status == "warning"
    assert "failed" not in {one.status for one in found.values()}


def test_a_broken_answer_is_no_permission(memory):
    config = MemoryConfig.local(memory)
    with memory.faults.inject("server_error", "ListEvents"):
        assert findings(config)["permission ListEvents"].status == "warning"


def test_mixed_formats_in_one_session_are_a_warning(memory):
    config = MemoryConfig.local(memory)
    whose = {"memoryId": config.memory_id, "actorId": "ann", "sessionId": "s-1"}
    for text in ("Hello.", '{"message": {"role": "user", "content": [{"text": "Hello."}]}}'):
        config.data_plane().create_event(
            **whose,
            eventTimestamp=datetime.now(UTC),
            payload=[{"conversational": {"role": "USER", "content": {"text": text}}}, {"blob": {"odd": 1}}],
        )
    found = [one for one in examine(config, actor_id="ann", session_id="s-1") if one.check == "event formats"]
    assert [one.status for one in found] == ["warning", "warning"]
    assert "1 messages as sdk, 1 messages as text" in found[0].detail
    assert found[1].detail.startswith("2 items")


def test_the_table_is_looked_at(memory, dynamodb, dynamodb_endpoint, checkpoint_table, monkeypatch):
    location = DynamoDBCheckpoints(table=checkpoint_table, region="us-west-2", endpoint_url=dynamodb_endpoint)
    config = MemoryConfig.local(memory, checkpoints=location)
    found = findings(config)
    assert {found[name].status for name in ("table", "table expiry", "table recovery")} == {"ok"}
    assert found["permission dynamodb:PutItem"].status == "ok"
    assert dynamodb.scan(TableName=checkpoint_table)["Count"] == 0
    assert open_store(location).keys_of(config.memory_id) == []
    dynamodb.update_time_to_live(
        TableName=checkpoint_table, TimeToLiveSpecification={"Enabled": False, "AttributeName": "expires_at"}
    )
    assert "create-table" in findings(config)["table expiry"].detail
    absent = config.replace(checkpoints=location.replace(table="absent-table"))
    assert "there is no table absent-table" in failed(absent)["table"]


def test_without_credentials_only_that_is_said(monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    config = MemoryConfig(memory_id="support_bot-a1b2c3d4e5", region="us-west-2")
    assert list(failed(config)) == ["credentials"]
    assert len(findings(config)) == 2


def test_an_endpoint_that_is_not_aws_is_pointed_out(memory, monkeypatch):
    config = MemoryConfig.local(memory)
    with memory.serve() as server:
        for name, value in server.env().items():
            monkeypatch.setenv(name, value)
        found = findings(MemoryConfig(memory_id=config.memory_id, region="us-west-2"))
    assert (found["place"].status, server.url in found["place"].detail) == ("warning", True)
    assert found["memory"].status == "ok"
