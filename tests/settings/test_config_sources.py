import pytest

from agentmem import ConfigurationError, DynamoDBCheckpoints, HookConfig, MemoryConfig, Namespace, SqliteCheckpoints

MEMORY_ID = "support_bot-a1b2c3d4e5"
FILE = """
memory_id = "from_file-a1b2c3d4e5"
region = "eu-central-1"
hierarchical_actor_ids = true

[compaction]
token_threshold = 50_000
exclude_tools = ["search"]

[hook]
retrieve = false

[checkpoints]
kind = "dynamodb"
table = "agentmem-checkpoints"
ttl_days = 7

[[namespaces]]
kind = "semantic"
name = "facts"
template = "/t/{tenant}/{actorId}/facts"
variables = ["tenant"]
top_k = 3
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "agentmem.toml"
    path.write_text(FILE)
    return path


@pytest.fixture
def env(monkeypatch):
    for name in ("BEDROCK_AGENTCORE_MEMORY_ID", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch.setenv


def test_a_file_gives_every_field(file):
    config = MemoryConfig.from_toml(file)
    assert config.memory_id == "from_file-a1b2c3d4e5"
    assert config.region == "eu-central-1"
    assert config.hierarchical_actor_ids
    assert config.compaction.token_threshold == 50_000
    assert config.compaction.exclude_tools == ("search",)
    assert config.hook == HookConfig(retrieve=False)
    assert config.checkpoints == DynamoDBCheckpoints(table="agentmem-checkpoints", ttl_days=7)
    assert config.namespaces == (
        Namespace.semantic("facts", "/t/{tenant}/{actorId}/facts/", variables=("tenant",), top_k=3),
    )


def test_the_environment_gives_every_field(env):
    env("BEDROCK_AGENTCORE_MEMORY_ID", MEMORY_ID)
    env("AWS_REGION", "us-west-2")
    env("AGENTMEM_COMPACTION__TOKEN_THRESHOLD", "auto")
    env("AGENTMEM_COMPACTION__EXCLUDE_TOOLS", '["search"]')
    env("AGENTMEM_HOOK__RETRIEVE_TIMEOUT", "0.5")
    env("AGENTMEM_WRITES__METADATA", '{"team": "support"}')
    env("AGENTMEM_CHECKPOINTS__KIND", "dynamodb")
    env("AGENTMEM_CHECKPOINTS__TABLE", "checkpoints")
    env("AGENTMEM_CHECKPOINTS__TTL_DAYS", "none")
    env("AGENTMEM_NAMESPACES", '[{"name": "facts", "template": "/users/{actorId}/"}]')
    config = MemoryConfig.from_env()
    assert (config.memory_id, config.region) == (MEMORY_ID, "us-west-2")
    assert config.compaction.token_threshold == "auto"
    assert config.compaction.exclude_tools == ("search",)
    assert config.hook.retrieve_timeout == 0.5
    assert config.writes.metadata == {"team": "support"}
    assert config.checkpoints == DynamoDBCheckpoints(table="checkpoints", ttl_days=None)
    assert config.namespaces == (Namespace.semantic("facts", "/users/{actorId}/"),)


def test_arguments_win_over_the_environment_and_the_environment_over_the_file(env, file):
    env("AGENTMEM_REGION", "us-east-2")
    env("AGENTMEM_COMPACTION__TOKEN_THRESHOLD", "40000")
    env("AGENTMEM_COMPACTION__PROTECTED_TURNS", "4")
    config = MemoryConfig.from_toml(file, compaction={"protected_turns": 5}, memory_id=MEMORY_ID)
    assert config.memory_id == MEMORY_ID
    assert config.region == "us-east-2"
    assert config.compaction.token_threshold == 40_000
    assert config.compaction.protected_turns == 5
    assert config.compaction.exclude_tools == ("search",)


def test_an_argument_that_is_a_section_wins_whole(env):
    env("AGENTMEM_HOOK__RETRIEVE", "false")
    env("BEDROCK_AGENTCORE_MEMORY_ID", MEMORY_ID)
    assert MemoryConfig.from_env(hook=HookConfig(restore="off")).hook == HookConfig(restore="off")


def test_another_kind_of_checkpoints_replaces_the_whole_section(env, file):
    env("AGENTMEM_CHECKPOINTS__KIND", "sqlite")
    env("AGENTMEM_CHECKPOINTS__PATH", "checkpoints.db")
    assert MemoryConfig.from_toml(file).checkpoints == SqliteCheckpoints(path="checkpoints.db")


def test_the_same_kind_of_checkpoints_keeps_the_rest_of_the_section(env, file):
    env("AGENTMEM_CHECKPOINTS__TABLE", "other")
    assert MemoryConfig.from_toml(file).checkpoints == DynamoDBCheckpoints(table="other", ttl_days=7)


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_both_region_variables_are_read_everywhere(env, name):
    env(name, "ap-south-1")
    env("BEDROCK_AGENTCORE_MEMORY_ID", MEMORY_ID)
    assert MemoryConfig.from_env().region == "ap-south-1"
    assert MemoryConfig(memory_id=MEMORY_ID).region == "ap-south-1"


def test_the_region_of_the_runtime_wins_over_the_default(env):
    env("AWS_DEFAULT_REGION", "ap-south-1")
    env("AWS_REGION", "ap-south-2")
    assert MemoryConfig().region == "ap-south-2"


def test_our_own_variable_wins_over_the_runtimes(env):
    env("BEDROCK_AGENTCORE_MEMORY_ID", MEMORY_ID)
    env("AGENTMEM_MEMORY_ID", "mine-a1b2c3d4e5")
    assert MemoryConfig.from_env().memory_id == "mine-a1b2c3d4e5"


def test_a_plain_configuration_reads_none_of_our_variables(env):
    env("AGENTMEM_COMPACTION__TOKEN_THRESHOLD", "40000")
    env("BEDROCK_AGENTCORE_MEMORY_ID", MEMORY_ID)
    assert MemoryConfig() == MemoryConfig(memory_id="")
    assert MemoryConfig().compaction.token_threshold == 100_000


def test_a_missing_memory_id_names_the_variable(env):
    with pytest.raises(ConfigurationError, match="BEDROCK_AGENTCORE_MEMORY_ID"):
        MemoryConfig.from_env()


def test_an_empty_variable_is_none(env):
    env("BEDROCK_AGENTCORE_MEMORY_ID", MEMORY_ID)
    env("AGENTMEM_REGION", "")
    env("AWS_REGION", "us-west-2")
    assert MemoryConfig.from_env().region == "us-west-2"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AGENTMEM_COMPACTON__TOKEN_THRESHOLD", "5000", "did you mean AGENTMEM_COMPACTION"),
        ("AGENTMEM_COMPACTION__TOKEN_TRESHOLD", "5000", "did you mean 'token_threshold'"),
        ("AGENTMEM_COMPACTION__TOKEN_THRESHOLD", "5", "token_threshold = '5'"),
        ("AGENTMEM_NAMESPACES", "facts", "AGENTMEM_NAMESPACES.*JSON"),
        ("AGENTMEM_SETTINGS__SUMMARIZER", "model", "sets nothing; there are: memory_id"),
        ("BEDROCK_AGENTCORE_MEMORY_ID", "nonsense", "memory_id = 'nonsense'"),
    ],
)
def test_a_bad_variable_is_named(env, name, value, said):
    env("BEDROCK_AGENTCORE_MEMORY_ID", MEMORY_ID)
    env(name, value)
    with pytest.raises(ConfigurationError, match=said):
        MemoryConfig.from_env()


def test_a_variable_that_is_for_something_else_is_passed_over_and_told(env, caplog):
    env("BEDROCK_AGENTCORE_MEMORY_ID", MEMORY_ID)
    env("AGENTMEM_BUILD_NUMBER", "17")
    assert MemoryConfig.from_env().memory_id == MEMORY_ID
    assert "AGENTMEM_BUILD_NUMBER" in caplog.text


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml.*no such file"):
        MemoryConfig.from_toml(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("text", ["memory_id = ", "region = 'a'\nregion = 'b'"])
def test_a_file_that_is_no_toml_is_told_the_line(tmp_path, text):
    path = tmp_path / "broken.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"broken\.toml.*not TOML.*line"):
        MemoryConfig.from_toml(path)


def test_a_misspelt_key_of_a_file_is_told_what_was_meant(tmp_path):
    path = tmp_path / "agentmem.toml"
    path.write_text("[compacton]\ntoken_threshold = 5000\n")
    with pytest.raises(ConfigurationError, match="compacton is not a setting; did you mean 'compaction'"):
        MemoryConfig.from_toml(path)


def test_the_environment_can_ask_for_an_embedded_memory(env, tmp_path):
    env("AGENTMEM_LOCAL_PATH", str(tmp_path / "memory"))
    config = MemoryConfig.from_env(compaction={"protected_turns": 3})
    assert config.memory_id.startswith("agentmem-")
    assert config.compaction.protected_turns == 3
    assert config.control_plane().get_memory(memoryId=config.memory_id)["memory"]["status"] == "ACTIVE"


def test_a_file_can_ask_for_an_embedded_memory(tmp_path):
    path = tmp_path / "agentmem.toml"
    path.write_text(f'local_path = "{tmp_path}/memory"\n')
    assert MemoryConfig.from_toml(path).memory_id == MemoryConfig.from_toml(path).memory_id
