"""`agentmem checkpoints` on the embedded service and a DynamoDB API."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey, IndexEntry
from agentmem.checkpoints.open import open_store
from agentmem.checkpoints.summary import Summary
from agentmem.cli.app import app
from agentmem.config import MemoryConfig
from agentmem.errors import ConfigurationError, IdentityError
from agentmem.events.position import Position
from agentmem.messages.truncation import TruncationSettings

WHOSE = ["--actor", "ann", "--session", "s-1"]


def saved(version: int) -> Checkpoint:
    place = Position(f"{1_790_000_000_000 + version:019d}#0a1b2c3d", 2)
    return Checkpoint(
        version=version,
        boundary=place,
        settings=TruncationSettings(),
        summary=Summary(narrative=f"Ann asked about [red] boats, version {version}."),
        index=(IndexEntry(f"{version:012x}", place, "user"),),
        folded_messages=version * 10,
        tokens_before=12_345,
        tokens_after=6_789,
        created_at=datetime(2026, 11, 3, 12, 0, version, tzinfo=UTC),
    )


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments, answer=None):
        return CliRunner().invoke(app, ["checkpoints", *arguments], input=answer)

    return run


@pytest.fixture(params=["event_log", "sqlite"])
def config_file(request, tmp_path):
    """A configuration file of an embedded memory whose session s-1 of ann has three checkpoints."""
    file = tmp_path / "agentmem.toml"
    text = f"local_path = '{tmp_path / 'memory'}'\n[checkpoints]\nkind = '{request.param}'\n"
    file.write_text(text + (f"path = '{tmp_path / 'checkpoints.sqlite'}'\n" if request.param == "sqlite" else ""))
    config = MemoryConfig.from_toml(file)
    store = open_store(config.checkpoints, data_client=config.data_plane())
    for version in (1, 2, 3):
        store.save(CheckpointKey(config.memory_id, "ann", "s-1", "default"), saved(version))
    return str(file)


def test_list_shows_the_newest_first(run, config_file):
    result = run("list", *WHOSE, "--config", config_file)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["version", "3", "2", "1"]
    assert {"2026-11-03", "12:00:03", "threshold", "30", "12,345", "6,789"} <= set(lines[1].split())


def test_list_as_json_is_one_list_without_message_text(run, config_file):
    result = run("list", *WHOSE, "--config", config_file, "--limit", "2", "--json")
    found = json.loads(result.stdout)
    assert [(one["version"], one["folded_messages"], one["indexed_messages"]) for one in found] == [
        (3, 30, 1),
        (2, 20, 1),
    ]
    assert "boats" not in result.stdout


def test_list_of_a_session_without_any_says_so(run, config_file):
    result = run("list", "--actor", "ann", "--session", "s-2", "--config", config_file)
    assert (result.exit_code, "no checkpoint of agent 'default', session 's-2'" in result.stdout) == (0, True)
    assert run("list", "--actor", "ann", "--session", "s-2", "--config", config_file, "--json").stdout == "[]\n"


def test_show_prints_the_newest_with_its_summary(run, config_file):
    result = run("show", *WHOSE, "--config", config_file)
    assert "Ann asked about [red] boats, version 3." in result.stdout
    assert "0000001790000000003#0a1b2c3d" in result.stdout


def test_show_as_json_is_the_stored_form_of_the_version_asked_for(run, config_file):
    result = run("show", *WHOSE, "--version", "2", "--config", config_file, "--json")
    assert json.loads(result.stdout) == saved(2).to_dict()


def test_show_of_a_version_that_is_not_there_fails_and_names_it(run, config_file):
    result = run("show", *WHOSE, "--version", "9", "--config", config_file)
    assert result.exit_code == 2
    assert "no checkpoint version 9" in result.output


def test_delete_asks_and_then_deletes_every_version(run, config_file):
    refused = run("delete", *WHOSE, "--config", config_file, answer="n\n")
    assert (refused.exit_code, "Nothing was deleted." in refused.stderr) == (1, True)
    assert json.loads(run("delete", *WHOSE, "--config", config_file, "--yes", "--json").stdout) == {"deleted": 3}
    assert run("list", *WHOSE, "--config", config_file, "--json").stdout == "[]\n"
    assert "no checkpoint" in run("delete", *WHOSE, "--config", config_file, "--yes").stdout


def test_an_actor_that_would_reach_into_anothers_memory_is_refused(run, config_file):
    result = run("list", "--actor", "ann/bob", "--session", "s-1", "--config", config_file)
    assert isinstance(result.exception, IdentityError)


def test_checkpoints_of_another_process_cannot_be_looked_at(run, tmp_path):
    file = tmp_path / "agentmem.toml"
    file.write_text("memory_id = 'support_bot-a1b2c3d4e5'\nregion = 'us-west-2'\n[checkpoints]\nkind = 'memory'\n")
    result = run("list", *WHOSE, "--config", str(file))
    assert isinstance(result.exception, ConfigurationError)
    assert "own process" in str(result.exception)


def test_create_table_makes_the_table_once(run, dynamodb, dynamodb_endpoint):
    table = "agentmem-from-the-command-line"
    arguments = ["create-table", "--table", table, "--region", "us-west-2", "--endpoint-url", dynamodb_endpoint]
    first, second = run(*arguments, "--json"), run(*arguments)
    assert json.loads(first.stdout) == {"table": table, "region": "us-west-2", "created": True}
    assert second.stdout == f"table {table} in us-west-2 was there and is ready\n"
    expiry = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert expiry["AttributeName"] == "expires_at"


def test_create_table_takes_the_table_of_the_configuration(run, dynamodb, dynamodb_endpoint, tmp_path):
    file = tmp_path / "agentmem.toml"
    file.write_text(
        "memory_id = 'support_bot-a1b2c3d4e5'\nregion = 'us-west-2'\n[checkpoints]\nkind = 'dynamodb'\n"
        f"table = 'agentmem-configured'\nendpoint_url = '{dynamodb_endpoint}'\n"
    )
    assert run("create-table", "--config", str(file)).exit_code == 0
    assert dynamodb.describe_table(TableName="agentmem-configured")["Table"]["TableStatus"] == "ACTIVE"


def test_create_table_without_any_table_asks_for_one(run, config_file):
    result = run("create-table", "--config", config_file)
    assert result.exit_code == 2
    assert "name a table" in result.output
