"""`agentmem doctor` finds what is broken, names the remedy, and changes nothing."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from filled import CommandLine

from agentmem import DynamoDBCheckpoints, InMemoryCheckpoints, MemoryConfig, Namespace, SqliteCheckpoints
from agentmem.checkpoints.open import dynamodb_client, open_store
from agentmem.local import LocalMemory
from agentmem.operations.diagnosis import examine
from memories import answer


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
        ("DeleteEvent", "permission DeleteEvent"),
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
    assert "iam-policy --operator" in found["memory"].detail
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


def test_an_action_on_the_table_that_is_denied_is_named(memory, dynamodb_endpoint, checkpoint_table):
    location = DynamoDBCheckpoints(table=checkpoint_table, region="us-west-2", endpoint_url=dynamodb_endpoint)
    config = MemoryConfig.local(memory, checkpoints=location)
    denied = answer({"__type": "AccessDeniedException", "message": "not authorized"}, 400)
    events = dynamodb_client(location).meta.events
    for action in ("Query", "BatchGetItem", "PutItem", "UpdateItem", "BatchWriteItem"):
        events.register_first(f"before-send.dynamodb.{action}", meet := lambda request, **_: denied(request))
        try:
            found = failed(config)
        finally:
            events.unregister(f"before-send.dynamodb.{action}", meet)
        assert list(found) == [f"permission dynamodb:{action}"]
        assert "iam-policy" in found[f"permission dynamodb:{action}"]


def test_a_table_made_for_something_else_or_not_backed_up_is_told(memory, dynamodb, dynamodb_endpoint):
    location = DynamoDBCheckpoints(table="not-ours", region="us-west-2", endpoint_url=dynamodb_endpoint)
    config = MemoryConfig.local(memory, checkpoints=location)

    def made(name, *keys):
        dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        )

    made("not-ours", "user")
    assert "made for something else. Give [checkpoints] another" in failed(config)["table"]
    made("bare", "pk", "sk")
    found = findings(config.replace(checkpoints=location.replace(table="bare")))
    assert [found[name].status for name in ("table", "table expiry", "table recovery")] == ["ok", "warning", "warning"]
    assert "create-table" in found["table recovery"].detail


def test_a_table_that_cannot_be_reached_is_told(memory):
    location = DynamoDBCheckpoints(table="checkpoints", region="us-west-2", endpoint_url="http://127.0.0.1:1")
    with fast(location):
        found = failed(MemoryConfig.local(memory, checkpoints=location))
    assert "EndpointConnectionError" in found["table"]
    assert "Check the network" in found["table"]


@contextmanager
def fast(location):
    """Do not wait between tries for what is not there."""
    client = dynamodb_client(location)
    client.meta.events.register_first("needs-retry.dynamodb", now := lambda **_: None, unique_id="now")
    yield
    client.meta.events.unregister("needs-retry.dynamodb", now, unique_id="now")


def test_a_checkpoint_file_that_cannot_be_is_told(memory, tmp_path):
    config = MemoryConfig.local(memory)
    place = tmp_path / "checkpoints.sqlite"
    sound = config.replace(checkpoints=SqliteCheckpoints(path=place))
    assert "will be made" in findings(sound)["checkpoints"].detail
    assert not place.exists()
    place.write_text("a shopping list, and not a database at all")
    assert "a file of its own" in failed(sound)["checkpoints"]
    kept = config.replace(checkpoints=InMemoryCheckpoints())
    assert (findings(kept)["checkpoints"].status, failed(kept)) == ("warning", {})


def test_a_memory_that_is_not_ready_or_has_failed_is_told(tmp_path):
    with LocalMemory(tmp_path / "slow.db", activation_delay=3_600) as slow:
        created = slow.boto_session("us-west-2").client("bedrock-agentcore-control").create_memory(
            name="slow", eventExpiryDuration=30
        )  # fmt: skip
        config = MemoryConfig(
            memory_id=created["memory"]["id"], boto_session=slow.boto_session("us-west-2"), namespaces=()
        )
        assert "is CREATING" in failed(config)["memory"]
        assert "Wait until it is ACTIVE" in failed(config)["memory"]
        answered = config.control_plane().get_memory(memoryId=config.memory_id)["memory"]
        broken = {**answered, "status": "FAILED", "failureReason": "No such key."}
        meet(config, "GetMemory", {"memory": json.loads(json.dumps(broken, default=datetime.timestamp))})
        assert "No such key. Mend that, delete the memory and run `agentmem init`" in failed(config)["memory"]


def meet(config, operation, body, status=200, **headers):
    """Have an operation of the control plane answer this."""
    respond = answer(body, status, headers)
    config.control_plane().meta.events.register_first(
        "before-send.bedrock-agentcore-control.*",
        lambda request, event_name, **_: respond(request) if event_name.endswith(operation) else None,
    )


def test_credentials_that_are_not_accepted_are_told_once_and_nothing_else_is_tried(tmp_path):
    config = MemoryConfig.local(tmp_path / "memory")
    meet(config, "GetMemory", {"message": "expired"}, 403, **{"x-amzn-ErrorType": "ExpiredTokenException"})
    found = list(examine(config))
    assert [(one.check, one.status) for one in found[-2:]] == [("place", "ok"), ("credentials", "failed")]
    assert "aws configure sso" in found[-1].detail


def test_a_service_that_is_not_there_is_told_once_and_nothing_else_is_tried(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL", "http://127.0.0.1:1")
    found = list(examine(MemoryConfig(memory_id="support_bot-a1b2c3d4e5", region="us-west-2")))
    assert [(one.check, one.status) for one in found] == [
        ("installation", "ok"), ("credentials", "ok"), ("place", "warning"), ("memory", "failed")
    ]  # fmt: skip
    assert "Check the network and the region" in found[-1].detail
    assert "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL=http://127.0.0.1:1" in found[-1].detail


def test_without_a_region_only_that_is_said():
    found = failed(MemoryConfig(memory_id="support_bot-a1b2c3d4e5"))
    assert list(found) == ["place"]
    assert "set AWS_REGION" in found["place"]


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_CONFIG_FILE"])
def test_a_profile_that_is_not_there_is_told(variable, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    broken = tmp_path / "config"
    broken.write_text("[default\n")
    monkeypatch.setenv(variable, "absent" if variable == "AWS_PROFILE" else str(broken))
    found = failed(MemoryConfig(memory_id="support_bot-a1b2c3d4e5", region="us-west-2"))
    assert list(found) == ["credentials"]
    assert "AWS_PROFILE" in found["credentials"]


def test_without_credentials_only_that_is_said(monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    config = MemoryConfig(memory_id="support_bot-a1b2c3d4e5", region="us-west-2")
    assert list(failed(config)) == ["credentials"]
    assert len(findings(config)) == 3


def test_an_endpoint_that_is_not_aws_is_pointed_out(memory, monkeypatch):
    config = MemoryConfig.local(memory)
    with memory.serve() as server:
        for name, value in server.env().items():
            monkeypatch.setenv(name, value)
        found = findings(MemoryConfig(memory_id=config.memory_id, region=config.region))
    assert (found["place"].status, server.url in found["place"].detail) == ("warning", True)
    assert found["memory"].status == "ok"
