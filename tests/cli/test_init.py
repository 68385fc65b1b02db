"""`agentmem init`: a memory, a table, and a file that the library reads back as the same configuration."""

from __future__ import annotations

import pytest
from filled import CommandLine, refused

from agentmem import DynamoDBCheckpoints, EventLogCheckpoints, MemoryConfig, Namespace
from agentmem.cli.config_file import new_file
from agentmem.local import LocalMemory

run = CommandLine()


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def aws(monkeypatch):
    """An AgentCore Memory at an endpoint, as AWS is one."""
    with LocalMemory() as memory, memory.serve() as server:
        for name, value in server.env().items():
            monkeypatch.setenv(name, value)
        yield memory


def test_a_local_memory_is_made_and_its_file_is_found_by_every_command(here):
    made = run.json("init", "--local", "kept")
    assert made["strategies"] == ["preferences", "facts", "summaries"]
    config = MemoryConfig.from_toml()
    assert (config.memory_id, config.namespaces) == (made["memory_id"], MemoryConfig.local("kept").namespaces)
    assert run.json("sessions") == []
    assert (here / "kept" / "memory.db").exists()


def test_repeating_it_changes_nothing(here):
    first = run.json("init", "--local", "kept")
    text = (here / "agentmem.toml").read_text()
    again = run.json("init")
    assert (again["memory_id"], again["file_written"]) == (first["memory_id"], False)
    assert (here / "agentmem.toml").read_text() == text


def test_on_aws_the_memory_gets_the_configured_strategies_and_the_file_its_id(here, aws):
    (here / "mine.toml").write_text(
        "# mine\n[compaction]\ntoken_threshold = 5000\n\n[[namespaces]]\nname = 'facts'\n"
        "template = '/people/{actorId}/'\nkind = 'semantic'\n"
    )
    made = run.json("init", "--name", "support_bot", "--region", "us-west-2", "--config", "mine.toml")
    config = MemoryConfig.from_toml("mine.toml")
    assert (config.memory_id, config.region) == (made["memory_id"], "us-west-2")
    assert config.memory_id.startswith("support_bot-")
    assert config.compaction.token_threshold == 5_000
    assert "# mine\n" in (here / "mine.toml").read_text()
    control = aws.boto_session("us-west-2").client("bedrock-agentcore-control")
    [strategy] = control.get_memory(memoryId=config.memory_id)["memory"]["strategies"]
    assert strategy["namespaceTemplates"] == ["/people/{actorId}/"]
    assert run.json("init", "--config", "mine.toml")["memory_id"] == made["memory_id"]


def test_the_checkpoint_table_is_created_and_configured(here, aws, dynamodb, dynamodb_endpoint, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_endpoint)
    made = run.json("init", "--region", "us-west-2", "--table", "made-by-init")
    assert (made["table"], made["table_created"]) == ("made-by-init", True)
    assert MemoryConfig.from_toml().checkpoints == DynamoDBCheckpoints(table="made-by-init")
    assert dynamodb.describe_table(TableName="made-by-init")["Table"]["TableStatus"] == "ACTIVE"
    assert run.json("init")["table_created"] is False


def test_a_table_is_added_to_a_file_without_checkpoints(here, aws, dynamodb_endpoint, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_endpoint)
    assert run("init", "--region", "us-west-2").exit_code == 0
    assert MemoryConfig.from_toml().checkpoints == EventLogCheckpoints()
    assert run("init", "--table", "added-by-init").exit_code == 0
    assert MemoryConfig.from_toml().checkpoints == DynamoDBCheckpoints(table="added-by-init")


def test_a_file_that_says_otherwise_is_refused_before_anything_is_made(here, monkeypatch, capsys):
    (here / "agentmem.toml").write_text("[checkpoints]\nkind = 'sqlite'\npath = 'c.sqlite'\n")
    message = refused(monkeypatch, capsys, "init", "--local", "kept", "--table", "another")
    assert "Change it by hand" in message
    assert not (here / "kept").exists()


def test_without_a_region_it_is_asked_for(monkeypatch, capsys):
    assert "region is missing" in refused(monkeypatch, capsys, "init")


def test_a_bad_name_is_named(monkeypatch, capsys):
    assert "'no-hyphens'" in refused(monkeypatch, capsys, "init", "--local", "kept", "--name", "no-hyphens")


def test_every_kind_of_namespace_is_read_back_as_it_was(here):
    config = MemoryConfig(
        memory_id="support_bot-a1b2c3d4e5",
        region="us-west-2",
        namespaces=(
            Namespace.semantic("facts", "/a/{actorId}/{team}/", variables=("team",), top_k=3, relevance_score=0.35),
            Namespace.episodic("episodes", "/e/{actorId}/{sessionId}/", reflection_template="/e/{actorId}/"),
            Namespace.custom("own", "/o/{actorId}/", configuration={"semanticOverride": {"extraction": {"a": 'é"\n'}}}),
            Namespace.semantic("everyones", "/shared/", shared=True, description="For all."),
        ),
        checkpoints=DynamoDBCheckpoints(table="checkpoints", ttl_days=7),
    )
    place = {"memory_id": config.memory_id, "region": "us-west-2"}
    (here / "written.toml").write_text(new_file(config, place))
    assert MemoryConfig.from_toml("written.toml") == config
    bare = config.replace(namespaces=(), checkpoints=EventLogCheckpoints())
    (here / "bare.toml").write_text(new_file(bare, place))
    assert MemoryConfig.from_toml("bare.toml") == bare
