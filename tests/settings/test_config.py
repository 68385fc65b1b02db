import copy
import pickle

import boto3
import pytest

from agentmem import (
    CompactionConfig,
    ConfigurationError,
    DynamoDBCheckpoints,
    EventLogCheckpoints,
    HookConfig,
    IdentityError,
    InMemoryCheckpoints,
    MemoryConfig,
    Namespace,
    SqliteCheckpoints,
    WriteConfig,
)
from agentmem.settings.base import Settings
from agentmem.settings.sections import METADATA_PATTERN
from agentmem.testing import ScriptedModel
from contract import rules, shape

MEMORY_ID = "support_bot-a1b2c3d4e5"
SECRET = "wJalrXUtnFEMI-not-a-real-key"


@pytest.fixture
def session():
    return boto3.Session(
        region_name="eu-west-1", aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key=SECRET, aws_session_token=SECRET
    )


def test_the_defaults_are_the_documented_ones():
    assert CompactionConfig().model_dump() == {
        "token_threshold": 100_000,
        "target_ratio": 0.5,
        "protected_turns": 2,
        "max_tool_content_length": 500,
        "hard_tool_content_length": 100_000,
        "summary_max_tokens": 2_000,
        "summarizer": "extractive",
        "encoder": "packaged",
        "keep": (),
        "prototypes": {},
        "exclude_tools": (),
        "keep_media": False,
        "recall_tool": True,
        "recall_scope": "agent",
        "preview_above": None,
        "pin_tool": False,
    }
    assert HookConfig().model_dump() == {
        "restore": "system_prompt",
        "restore_max_tokens": 2_000,
        "retrieve": True,
        "retrieve_timeout": 1.2,
        "retrieve_max_tokens": 1_000,
        "roles": ("user", "assistant"),
        "strip_thinking": True,
        "on_error": "degrade",
    }
    assert WriteConfig().model_dump() == {
        "flush": "turn",
        "flush_interval_seconds": 10,
        "event_format": "sdk",
        "outbox": None,
        "queue_limit": 1_000,
        "breaker_failures": 5,
        "breaker_reset_seconds": 60,
        "redact": None,
        "metadata": {},
    }
    assert MemoryConfig().checkpoints == EventLogCheckpoints()
    assert DynamoDBCheckpoints(table="checkpoints").ttl_days == 30


BAD = [
    (CompactionConfig, "token_threshold", 999),
    (CompactionConfig, "token_threshold", "big"),
    (CompactionConfig, "token_threshold", 5_000.5),
    (CompactionConfig, "token_threshold", True),
    (CompactionConfig, "target_ratio", 0),
    (CompactionConfig, "target_ratio", 1),
    (CompactionConfig, "target_ratio", float("nan")),
    (CompactionConfig, "protected_turns", 0),
    (CompactionConfig, "protected_turns", True),
    (CompactionConfig, "max_tool_content_length", -1),
    (CompactionConfig, "hard_tool_content_length", 10),
    (CompactionConfig, "summary_max_tokens", 99),
    (CompactionConfig, "summarizer", "llm"),
    (CompactionConfig, "summarizer", 5),
    (CompactionConfig, "exclude_tools", 5),
    (CompactionConfig, "keep_media", "perhaps"),
    (CompactionConfig, "recall_tool", "perhaps"),
    (CompactionConfig, "recall_scope", "everybody"),
    (CompactionConfig, "preview_above", "much"),
    (HookConfig, "restore", "everywhere"),
    (HookConfig, "restore_max_tokens", -1),
    (HookConfig, "retrieve", "perhaps"),
    (HookConfig, "retrieve_timeout", 0),
    (HookConfig, "retrieve_timeout", float("inf")),
    (HookConfig, "retrieve_max_tokens", -1),
    (HookConfig, "roles", ()),
    (HookConfig, "roles", ("system",)),
    (HookConfig, "strip_thinking", "perhaps"),
    (HookConfig, "on_error", "ignore"),
    (WriteConfig, "flush", "never"),
    (WriteConfig, "flush_interval_seconds", 0),
    (WriteConfig, "event_format", "xml"),
    (WriteConfig, "outbox", 5),
    (WriteConfig, "queue_limit", 0),
    (WriteConfig, "breaker_failures", 0),
    (WriteConfig, "breaker_reset_seconds", 0),
    (WriteConfig, "redact", "a function"),
    (WriteConfig, "metadata", {"key!": "value"}),
    (WriteConfig, "metadata", {"key": "value\0"}),
    (WriteConfig, "metadata", {"key": "v" * 257}),
    (CompactionConfig, "encoder", 5),
    (CompactionConfig, "keep", 5),
    (CompactionConfig, "pin_tool", "perhaps"),
    (CompactionConfig, "prototypes", 5),
    (WriteConfig, "metadata", {f"k{i}": "v" for i in range(11)}),
    (DynamoDBCheckpoints, "table", "no"),
    (DynamoDBCheckpoints, "ttl_days", 0),
    (DynamoDBCheckpoints, "event_expiry_days", 1),
    (DynamoDBCheckpoints, "region", "Frankfurt am Main"),
    (DynamoDBCheckpoints, "endpoint_url", "localhost:8000"),
    (SqliteCheckpoints, "path", 5),
    (MemoryConfig, "memory_id", "support_bot"),
    (MemoryConfig, "region", "Oregon"),
    (MemoryConfig, "namespaces", 5),
    (MemoryConfig, "compaction", 5),
    (MemoryConfig, "hook", 5),
    (MemoryConfig, "writes", 5),
    (MemoryConfig, "checkpoints", 5),
    (MemoryConfig, "hierarchical_actor_ids", "perhaps"),
    (MemoryConfig, "local_path", ""),
    (MemoryConfig, "boto_session", "us-west-2"),
]


@pytest.mark.parametrize(("section", "field", "value"), BAD)
def test_a_bad_value_is_refused_with_the_field_the_value_and_the_remedy(section, field, value):
    needed = {"table": "checkpoints"} if section is DynamoDBCheckpoints else {}
    with pytest.raises(ConfigurationError) as refused:
        section(**{**needed, field: value})
    message = str(refused.value)
    assert f"{section.__name__}.{field}" in message
    assert "Give " in message or "ensure_memory" in message


def test_every_field_is_tried_with_a_bad_value():
    sections = [CompactionConfig, HookConfig, WriteConfig, DynamoDBCheckpoints, SqliteCheckpoints, MemoryConfig]
    fields = {(section, info.alias or name) for section in sections for name, info in section.model_fields.items()}
    fields -= {(DynamoDBCheckpoints, "kind"), (SqliteCheckpoints, "kind")}
    assert fields == {(section, field) for section, field, _ in BAD}


def test_a_secret_in_a_bad_object_is_not_shown():
    class Loud:
        def __repr__(self):
            return SECRET

    with pytest.raises(ConfigurationError) as refused:
        MemoryConfig(boto_session=Loud())
    assert SECRET not in str(refused.value)
    assert "<Loud>" in str(refused.value)


def test_a_misspelt_field_is_told_what_was_meant():
    with pytest.raises(
        ConfigurationError, match=r"CompactionConfig\.token_treshold is not a setting; did you mean 'tok"
    ):
        CompactionConfig(token_treshold=5_000)


def test_several_faults_are_told_at_once():
    with pytest.raises(ConfigurationError) as refused:
        CompactionConfig(target_ratio=2, protected_turns=0)
    assert "target_ratio" in str(refused.value)
    assert "protected_turns" in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"max_tool_content_length": 5_000, "hard_tool_content_length": 1_000}, "lower the first or raise the second"),
        ({"token_threshold": 1_000, "summary_max_tokens": 600}, "over half of token_threshold"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, said):
    with pytest.raises(ConfigurationError, match=said):
        CompactionConfig(**settings)


def test_a_small_threshold_alone_is_no_contradiction_of_a_default():
    assert CompactionConfig(token_threshold=1_000).token_threshold == 1_000


@pytest.mark.parametrize("key", ["stateType", "agentId"])
def test_metadata_keys_of_the_sdk_are_refused(key):
    with pytest.raises(ConfigurationError, match=key):
        WriteConfig(metadata={key: "x"})


def test_the_metadata_rules_are_the_services_own():
    pattern, _, most = rules("bedrock-agentcore", "MetadataKey")
    value = shape("bedrock-agentcore", "MetadataValue").members["stringValue"].metadata
    assert f"^{pattern}$" == f"^{value['pattern']}$" == METADATA_PATTERN
    assert (most, value["max"]) == (128, 256)


def test_settings_never_change():
    with pytest.raises(Exception, match="frozen"):
        MemoryConfig().region = "us-west-2"


def test_a_replaced_field_is_checked_and_the_others_stay():
    config = CompactionConfig(protected_turns=3)
    assert config.replace(token_threshold=5_000) == CompactionConfig(protected_turns=3, token_threshold=5_000)
    with pytest.raises(ConfigurationError, match="token_threshold"):
        config.replace(token_threshold=5)


def test_a_models_summary_may_come_from_a_model_of_ones_own():
    model = ScriptedModel([])
    assert CompactionConfig(summarizer=model).summarizer is model


def test_sections_may_be_given_as_tables():
    config = MemoryConfig(
        compaction={"token_threshold": 5_000},
        checkpoints={"kind": "sqlite", "path": "checkpoints.db"},
        namespaces=[{"name": "facts", "template": "users/{userId}/facts"}],
    )
    assert config.compaction == CompactionConfig(token_threshold=5_000)
    assert config.checkpoints == SqliteCheckpoints(path="checkpoints.db")
    assert config.namespaces == (Namespace.semantic("facts", "/users/{actorId}/facts/"),)


def test_a_fault_in_a_table_is_found_inside_it():
    with pytest.raises(ConfigurationError, match=r"MemoryConfig\.namespaces\[1\].*unclosed"):
        MemoryConfig(
            namespaces=[{"name": "a", "template": "/a/{actorId}/"}, {"name": "b", "template": "/b/{actorId"}],
        )
    with pytest.raises(ConfigurationError, match=r"MemoryConfig\.checkpoints.*'kind'.*'dynamodb'"):
        MemoryConfig(checkpoints={"kind": "redis"})


def test_two_namespaces_of_one_name_are_refused():
    twice = (Namespace.semantic("facts", "/a/{actorId}/"), Namespace.semantic("facts", "/b/{actorId}/"))
    with pytest.raises(ConfigurationError, match="two namespaces have the name 'facts'"):
        MemoryConfig(namespaces=twice)


def test_the_strategies_are_those_of_the_namespaces():
    config = MemoryConfig(
        namespaces=(
            Namespace.user_preference("preferences", "/users/{actorId}/preferences/", top_k=3),
            Namespace.summary("summaries", "summaries/{actorId}/{sessionId}"),
        )
    )
    assert config.strategies() == [
        {
            "userPreferenceMemoryStrategy": {
                "name": "preferences",
                "namespaceTemplates": ["/users/{actorId}/preferences/"],
            }
        },
        {"summaryMemoryStrategy": {"name": "summaries", "namespaceTemplates": ["/summaries/{actorId}/{sessionId}/"]}},
    ]


def test_an_unknown_namespace_is_told_which_there_are():
    with pytest.raises(ConfigurationError, match=r"'fact': no such namespace.*'facts'"):
        MemoryConfig().namespace("fact")


def test_a_given_session_is_used_and_names_the_region(session):
    config = MemoryConfig(memory_id=MEMORY_ID, boto_session=session)
    assert config.boto_session() is session
    assert config.region == "eu-west-1"
    assert config.replace(hook=HookConfig(retrieve=False)).boto_session() is session


def test_a_given_session_is_never_shown_nor_serialized(session):
    config = MemoryConfig(memory_id=MEMORY_ID, boto_session=session)
    shown = [
        repr(config),
        str(config),
        str(config.model_dump()),
        config.model_dump_json(),
        repr(pickle.dumps(config)),
        repr(config.bind("ann", "s")),
        str(list(config)),
    ]
    assert not [text for text in shown if SECRET in text or "AKIDEXAMPLE" in text or "boto3" in text.lower()]


def test_a_configuration_out_of_a_pickle_does_not_talk_to_another_account(session):
    config = pickle.loads(pickle.dumps(MemoryConfig(memory_id=MEMORY_ID, boto_session=session)))
    with pytest.raises(ConfigurationError, match=r"replace\(boto_session=...\)"):
        config.boto_session()
    assert config.replace(boto_session=session).boto_session() is session


def test_a_configuration_with_the_default_session_survives_a_pickle():
    config = MemoryConfig(memory_id=MEMORY_ID, region="us-west-2", compaction=CompactionConfig(protected_turns=4))
    again = pickle.loads(pickle.dumps(config))
    assert again == config
    assert again.boto_session() is config.boto_session()


def test_a_copy_shares_the_session(session):
    config = MemoryConfig(memory_id=MEMORY_ID, boto_session=session)
    assert copy.deepcopy(config).boto_session() is session
    assert copy.copy(config).boto_session() is session


def test_a_configuration_survives_json():
    config = MemoryConfig(
        memory_id=MEMORY_ID, region="us-west-2", checkpoints=DynamoDBCheckpoints(table="checkpoints", ttl_days=7)
    )
    assert MemoryConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(("actor_id", "allowed"), [("team/ann", True), ("team:ann", True), ("ann@x.org", False)])
def test_hierarchical_actor_ids_are_a_setting(actor_id, allowed):
    with pytest.raises(IdentityError):
        MemoryConfig(memory_id=MEMORY_ID).bind(actor_id, "s")
    config = MemoryConfig(memory_id=MEMORY_ID, hierarchical_actor_ids=True)
    if allowed:
        assert config.bind(actor_id, "s").namespace("facts") == f"/users/{actor_id}/facts/"
    else:
        with pytest.raises(IdentityError):
            config.bind(actor_id, "s")


def test_a_session_needs_a_memory_id():
    with pytest.raises(ConfigurationError, match="BEDROCK_AGENTCORE_MEMORY_ID"):
        MemoryConfig().bind("ann", "s")


def test_checkpoint_locations_are_told_apart():
    locations = [
        EventLogCheckpoints(),
        DynamoDBCheckpoints(table="abc"),
        SqliteCheckpoints(path="a.db"),
        InMemoryCheckpoints(),
    ]
    assert [MemoryConfig(checkpoints=location).checkpoints for location in locations] == locations


def test_every_field_says_what_to_give():
    def sections(base):
        return [found for section in base.__subclasses__() for found in (section, *sections(section))]

    silent = [
        f"{section.__name__}.{name}"
        for section in sections(Settings)
        for name, field in section.model_fields.items()
        if name != "kind" and not (field.description or "").startswith("Give ")
    ]
    assert silent == []
