from __future__ import annotations

import uuid

import pytest
from test_dynamodb_store import answer_with, calls_of, error

from agentmem.checkpoints.dynamodb.create import create_table
from agentmem.checkpoints.dynamodb.store import DynamoDBCheckpointStore
from agentmem.errors import CheckpointStoreError
from agentmem.testing.conformance import any_key
from agentmem.testing.sample_checkpoints import checkpoint


@pytest.fixture
def name() -> str:
    return f"agentmem-{uuid.uuid4().hex[:12]}"


def test_the_table_is_on_demand_with_expiry_and_point_in_time_recovery(dynamodb, name):
    assert create_table(dynamodb, name) is True
    table = dynamodb.describe_table(TableName=name)["Table"]
    assert table["TableStatus"] == "ACTIVE"
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert [(one["AttributeName"], one["KeyType"]) for one in table["KeySchema"]] == [("pk", "HASH"), ("sk", "RANGE")]
    expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert (expiry["TimeToLiveStatus"], expiry["AttributeName"]) == ("ENABLED", "expires_at")
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_creating_it_again_changes_nothing(dynamodb, name):
    create_table(dynamodb, name)
    key = any_key()
    DynamoDBCheckpointStore(dynamodb, name).save(key, checkpoint(1))
    calls = calls_of(dynamodb)
    assert create_table(dynamodb, name) is False
    assert not [call for call in calls if call.startswith("Update")]
    assert DynamoDBCheckpointStore(dynamodb, name).load(key).version == 1


def test_a_table_that_lacks_expiry_and_recovery_gets_them(dynamodb, name):
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": one, "AttributeType": "S"} for one in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
    )
    assert create_table(dynamodb, name) is False
    expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert expiry["AttributeName"] == "expires_at"


def test_a_table_made_for_something_else_is_refused(dynamodb, name):
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(CheckpointStoreError, match="made for something else"):
        create_table(dynamodb, name)


def test_a_table_that_expires_by_another_attribute_is_refused(dynamodb, name):
    create_table(dynamodb, name)
    for enabled, attribute in ((False, "expires_at"), (True, "other")):
        dynamodb.update_time_to_live(
            TableName=name, TimeToLiveSpecification={"Enabled": enabled, "AttributeName": attribute}
        )
    with pytest.raises(CheckpointStoreError, match="expires items by the attribute 'other'"):
        create_table(dynamodb, name)


def test_recovery_is_tried_again_while_dynamodb_prepares_a_new_table(dynamodb, name):
    pauses: list[float] = []
    answer_with(dynamodb, "UpdateContinuousBackups", *[error("ContinuousBackupsUnavailableException")] * 2)
    create_table(dynamodb, name, sleep=pauses.append)
    assert len(pauses) == 2
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_a_denied_creation_is_an_error_that_names_the_table(dynamodb, name):
    answer_with(dynamodb, "CreateTable", error("AccessDeniedException"))
    with pytest.raises(CheckpointStoreError, match=f"table '{name}', region us-west-2.*iam-policy"):
        create_table(dynamodb, name)
