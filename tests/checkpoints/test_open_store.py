from __future__ import annotations

import subprocess
import sys
import time

import pytest

from agentmem.checkpoints.checkpoint import CheckpointStore
from agentmem.checkpoints.open import open_store
from agentmem.errors import ConfigurationError
from agentmem.settings.sections import DynamoDBCheckpoints, EventLogCheckpoints, InMemoryCheckpoints, SqliteCheckpoints
from agentmem.testing.conformance import any_key
from agentmem.testing.sample_checkpoints import checkpoint
from dynamodb import dummy_session

ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/agentmem-checkpoints"


def test_a_sqlite_location_opens_its_file(tmp_path):
    location, key = SqliteCheckpoints(path=tmp_path / "checkpoints.sqlite"), any_key()
    open_store(location).save(key, checkpoint(1))
    assert open_store(location).load(key).version == 1
    assert (tmp_path / "checkpoints.sqlite").exists()


def test_in_memory_locations_of_one_process_share_what_they_hold():
    key = any_key()
    open_store(InMemoryCheckpoints()).save(key, checkpoint(1))
    assert open_store(InMemoryCheckpoints()).load(key).version == 1


def test_a_dynamodb_location_opens_its_table(dynamodb, checkpoint_table):
    endpoint = dynamodb.meta.endpoint_url
    location = DynamoDBCheckpoints(table=checkpoint_table, ttl_days=7, event_expiry_days=60, endpoint_url=endpoint)
    store, key = open_store(location, boto_session=dummy_session()), any_key()
    store.save(key, checkpoint(1))
    expiry = int(dynamodb.scan(TableName=checkpoint_table)["Items"][0]["expires_at"]["N"])
    assert 59 * 86_400 < expiry - time.time() < 61 * 86_400
    assert store.load(key).version == 1


@pytest.mark.parametrize(
    ("location", "region"),
    [
        (DynamoDBCheckpoints(table="agentmem-checkpoints"), "us-east-1"),
        (DynamoDBCheckpoints(table=ARN), "eu-west-1"),
        (DynamoDBCheckpoints(table="agentmem-checkpoints", region="ap-south-1"), "ap-south-1"),
    ],
    ids=["the memory's", "the ARN's", "the table's own"],
)
def test_the_tables_region_is_the_most_specific_one(location, region):
    store = open_store(location, boto_session=dummy_session(), region="us-east-1")
    assert repr(store) == f"DynamoDBCheckpointStore({location.table!r}, region={region!r})"


def test_an_event_log_location_needs_the_data_client():
    with pytest.raises(ConfigurationError, match="needs the bedrock-agentcore client"):
        open_store(EventLogCheckpoints())
    client = dummy_session().client("bedrock-agentcore")
    assert isinstance(open_store(EventLogCheckpoints(), data_client=client), CheckpointStore)


def test_a_store_is_opened_as_itself():
    store = open_store(InMemoryCheckpoints())
    assert open_store(store) is store


def test_anything_else_is_refused_with_what_may_be_given():
    with pytest.raises(ConfigurationError, match=r"a str is no place for checkpoints; give EventLogCheckpoints\(\)"):
        open_store("checkpoints.sqlite")


def test_only_the_opened_store_is_imported():
    code = (
        "import sys\n"
        "from agentmem.checkpoints.open import open_store\n"
        "from agentmem.settings.sections import InMemoryCheckpoints\n"
        "open_store(InMemoryCheckpoints())\n"
        "print(*sorted(name for name in sys.modules if name.startswith('agentmem.checkpoints.')))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == [
        "agentmem.checkpoints.checkpoint",
        "agentmem.checkpoints.in_memory",
        "agentmem.checkpoints.open",
        "agentmem.checkpoints.summary",
        "agentmem.checkpoints.version_rules",
    ]
