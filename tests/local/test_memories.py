"""Memory resources: their life, their strategies, their tags."""

import pytest
from botocore.exceptions import ClientError
from memory_api import ALL_STRATEGIES, SEMANTIC, SUMMARY, MemoryApi

from agentmem.local import LocalMemory


def refusal(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def test_a_memory_shows_what_it_was_made_with(api):
    made = api.create(
        SEMANTIC,
        description="For tests",
        indexedKeys=[{"key": "team", "type": "STRING"}],
        namespaceKeys=[{"key": "site"}],
    )
    memory = api.control.get_memory(memoryId=api.memory_id)["memory"]
    assert memory == made
    assert memory["name"] == "test"
    assert memory["id"].startswith("test-")
    assert memory["arn"] == f"arn:aws:bedrock-agentcore:us-west-2:000000000000:memory/{memory['id']}"
    assert (memory["description"], memory["eventExpiryDuration"], memory["status"]) == ("For tests", 30, "ACTIVE")
    assert memory["indexedKeys"] == [{"key": "team", "type": "STRING"}]
    [strategy] = memory["strategies"]
    assert strategy["strategyId"].startswith("facts-")
    assert (strategy["type"], strategy["status"]) == ("SEMANTIC", "ACTIVE")
    assert strategy["namespaces"] == strategy["namespaceTemplates"] == ["/users/{actorId}/facts/"]


def test_a_memory_is_creating_until_its_delay_is_over(clock):
    with LocalMemory(clock=clock, activation_delay=60) as memory:
        api = MemoryApi(memory.boto_session())
        assert api.create(SEMANTIC)["status"] == "CREATING"
        assert refusal(api.control.update_memory, memoryId=api.memory_id, description="x") == "ConflictException"
        clock.advance(61)
        shown = api.control.get_memory(memoryId=api.memory_id)["memory"]
        assert shown["status"] == shown["strategies"][0]["status"] == "ACTIVE"


def test_a_changed_memory_is_updating_until_its_delay_is_over(clock):
    with LocalMemory(clock=clock, activation_delay=30.0) as memory:
        api = MemoryApi(memory.boto_session("us-west-2"))
        api.create(SEMANTIC)
        clock.advance(30)
        change = {"addMemoryStrategies": [SUMMARY]}
        updated = api.control.update_memory(memoryId=api.memory_id, memoryStrategies=change)["memory"]
        assert updated["status"] == "UPDATING"
        assert [strategy["status"] for strategy in updated["strategies"]] == ["ACTIVE", "CREATING"]
        assert [one["status"] for one in api.control.list_memories()["memories"]] == ["UPDATING"]
        code = refusal(api.control.update_memory, memoryId=api.memory_id, description="too soon")
        assert code == "ConflictException"
        clock.advance(30)
        shown = api.control.get_memory(memoryId=api.memory_id)["memory"]
        assert [shown["status"], *(strategy["status"] for strategy in shown["strategies"])] == ["ACTIVE"] * 3


def test_a_view_without_decryption_leaves_out_what_a_key_of_the_customers_encrypts(api):
    words = {"description": "Of the north desk", "encryptionKeyArn": "arn:aws:kms:us-west-2:000000000000:key/k"}
    strategy = {"semanticMemoryStrategy": {"name": "facts", "description": "What they own"}}
    made = api.create(strategy, **words)
    full = api.control.get_memory(memoryId=api.memory_id, view="full")["memory"]
    assert full == made == api.control.get_memory(memoryId=api.memory_id)["memory"]
    closed = api.control.get_memory(memoryId=api.memory_id, view="without_decryption")["memory"]
    assert full.keys() - closed.keys() == {"description"}
    assert full["strategies"][0].keys() - closed["strategies"][0].keys() == {"description"}
    assert refusal(api.control.get_memory, memoryId=api.memory_id, view="half") == "ValidationException"
    api.create(name="unlocked", description="Of the south desk")
    kept = api.control.get_memory(memoryId=api.memory_id, view="without_decryption")["memory"]
    assert kept["description"] == "Of the south desk"


@pytest.mark.parametrize("other", [{"region": "eu-west-1"}, {"region": "us-west-2", "account": "111122223333"}])
def test_a_memory_belongs_to_its_account_and_region(memory, api, other):
    made = api.create(SEMANTIC)
    api.say("I live in Porto.")
    abroad = MemoryApi(memory.boto_session(**other))
    assert abroad.control.list_memories()["memories"] == []
    same_name = abroad.create(SEMANTIC)
    assert same_name["arn"].split(":")[3:5] == [other["region"], other.get("account", "000000000000")]
    assert [one["id"] for one in abroad.control.list_memories()["memories"]] == [same_name["id"]]
    assert [one["id"] for one in api.control.list_memories()["memories"]] == [made["id"]]
    for identifier in (made["id"], made["arn"]):
        if identifier == made["id"]:  # the control plane takes ids only
            for operation in (abroad.control.get_memory, abroad.control.delete_memory, abroad.control.update_memory):
                assert refusal(operation, memoryId=identifier) == "ResourceNotFoundException"
        where = {"memoryId": identifier, "actorId": "bob"}
        assert refusal(abroad.data.list_sessions, **where) == "ResourceNotFoundException"
        assert refusal(abroad.data.list_events, **where, sessionId="s1") == "ResourceNotFoundException"
        found = refusal(abroad.data.list_memory_records, memoryId=identifier, namespacePath="/")
        assert found == "ResourceNotFoundException"
    assert refusal(abroad.control.list_tags_for_resource, resourceArn=made["arn"]) == "ResourceNotFoundException"
    # An ARN that names another place than the caller's is foreign, although the id in it is the caller's own.
    foreign = made["arn"].replace("us-west-2", "ap-south-1")
    assert refusal(api.data.list_actors, memoryId=foreign) == "ResourceNotFoundException"
    assert len(api.data.list_events(memoryId=made["arn"], actorId="bob", sessionId="s1")["events"]) == 1


def test_a_refusal_names_the_region_that_has_the_memory(memory, api):
    made = api.create()
    abroad = MemoryApi(memory.boto_session("eu-west-1"))
    with pytest.raises(ClientError, match=f"{made['id']} in eu-west-1; it is in us-west-2"):
        abroad.control.get_memory(memoryId=made["id"])
    assert memory.regions_of() == memory.regions_of("test") == memory.regions_of(made["id"]) == ["us-west-2"]
    with pytest.raises(ValueError, match="twelve digits"):
        memory.boto_session("us-west-2", "me")


def test_a_name_in_use_is_refused_in_words_the_sdk_understands(api):
    api.create()
    with pytest.raises(ClientError, match="already exists") as refused:
        api.create()
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_a_repeated_client_token_makes_no_second_memory(api):
    first = api.create(clientToken="token-of-this-request")
    assert api.create(clientToken="token-of-this-request")["id"] == first["id"]
    assert len(api.control.list_memories()["memories"]) == 1


def test_memories_are_listed_ten_a_page(api):
    names = [f"memory{number:02d}" for number in range(12)]
    for name in names:
        api.create(name=name)
    assert len(api.control.list_memories()["memories"]) == 10
    pages = api.control.get_paginator("list_memories").paginate(PaginationConfig={"PageSize": 5})
    found = [memory["id"].rsplit("-", 1)[0] for page in pages for memory in page["memories"]]
    assert found == names


def test_a_deleted_memory_takes_everything_with_it(api):
    api.create(*ALL_STRATEGIES)
    api.say("I live in Porto.")
    api.texts("/users/bob/facts/")
    answer = api.control.delete_memory(memoryId=api.memory_id)
    assert answer["status"] == "DELETING"
    assert refusal(api.control.get_memory, memoryId=api.memory_id) == "ResourceNotFoundException"
    assert refusal(api.data.list_actors, memoryId=api.memory_id) == "ResourceNotFoundException"
    api.create(name="test")  # the name is free again
    assert api.events() == []
    assert api.search("Porto") == []


def test_strategies_without_a_template_get_the_services_default(api):
    memory = api.create({"semanticMemoryStrategy": {"name": "a"}}, {"summaryMemoryStrategy": {"name": "b"}})
    semantic, summary = memory["strategies"]
    assert semantic["namespaceTemplates"] == ["/strategies/{memoryStrategyId}/actors/{actorId}/"]
    assert summary["namespaceTemplates"] == ["/strategies/{memoryStrategyId}/actors/{actorId}/sessions/{sessionId}/"]


@pytest.mark.parametrize(
    "strategies",
    [
        [SEMANTIC, SEMANTIC],
        [{"semanticMemoryStrategy": {"name": "a", "namespaceTemplates": ["/x/{userId}/"]}}],
        [{"semanticMemoryStrategy": {"name": "a", "namespaces": ["/x/"], "namespaceTemplates": ["/x/"]}}],
    ],
    ids=["one name twice", "a variable nobody declared", "both names of the templates"],
)
def test_strategies_that_cannot_be_are_refused(api, strategies):
    assert refusal(lambda: api.create(*strategies)) == "ValidationException"


def test_strategies_are_added_changed_and_deleted(api):
    ids = {strategy["name"]: strategy["strategyId"] for strategy in api.create(*ALL_STRATEGIES)["strategies"]}
    memory = api.control.update_memory(
        memoryId=api.memory_id,
        description="changed",
        eventExpiryDuration=7,
        addIndexedKeys=[{"key": "team", "type": "STRING"}],
        memoryStrategies={
            "deleteMemoryStrategies": [{"memoryStrategyId": ids["sums"]}],
            "modifyMemoryStrategies": [
                {
                    "memoryStrategyId": ids["facts"],
                    "description": "new",
                    "namespaceTemplates": ["/f/{actorId}/"],
                    "recordExpirySpecification": {"recordExpiryDurationDays": 31},
                }
            ],
            "addMemoryStrategies": [{"semanticMemoryStrategy": {"name": "more"}}],
        },
    )["memory"]
    assert memory == api.control.get_memory(memoryId=api.memory_id)["memory"]
    assert (memory["description"], memory["eventExpiryDuration"]) == ("changed", 7)
    by_name = {strategy["name"]: strategy for strategy in memory["strategies"]}
    assert set(by_name) == {"facts", "prefs", "more"}
    assert by_name["facts"]["description"] == "new"
    assert by_name["facts"]["namespaces"] == ["/f/{actorId}/"]
    assert by_name["facts"]["recordExpiryDurationDays"] == 31
    unknown = {"deleteMemoryStrategies": [{"memoryStrategyId": "missing-0123456789"}]}
    code = refusal(api.control.update_memory, memoryId=api.memory_id, memoryStrategies=unknown)
    assert code == "ResourceNotFoundException"


def test_indexed_keys_cannot_change_their_type(api):
    api.create(indexedKeys=[{"key": "team", "type": "STRING"}])
    again = [{"key": "team", "type": "NUMBER"}]
    assert refusal(api.control.update_memory, memoryId=api.memory_id, addIndexedKeys=again) == "ValidationException"
    more = [{"key": f"k{number}", "type": "STRING"} for number in range(10)]
    code = refusal(api.control.update_memory, memoryId=api.memory_id, addIndexedKeys=more)
    assert code == "ServiceQuotaExceededException"


STEP = {"appendToPrompt": "Carefully.", "modelId": "a-model"}


@pytest.mark.parametrize(
    ("configuration", "shown"),
    [
        (
            {"semanticOverride": {"extraction": STEP, "consolidation": STEP}},
            {
                "type": "SEMANTIC_OVERRIDE",
                "extraction": {"customExtractionConfiguration": {"semanticExtractionOverride": STEP}},
                "consolidation": {"customConsolidationConfiguration": {"semanticConsolidationOverride": STEP}},
            },
        ),
        (
            {"summaryOverride": {"consolidation": STEP}},
            {
                "type": "SUMMARY_OVERRIDE",
                "consolidation": {"customConsolidationConfiguration": {"summaryConsolidationOverride": STEP}},
            },
        ),
        (
            {"userPreferenceOverride": {"extraction": STEP}},
            {
                "type": "USER_PREFERENCE_OVERRIDE",
                "extraction": {"customExtractionConfiguration": {"userPreferenceExtractionOverride": STEP}},
            },
        ),
        (
            {"episodicOverride": {"reflection": {**STEP, "namespaceTemplates": ["/r/"]}}},
            {
                "type": "EPISODIC_OVERRIDE",
                "reflection": {
                    "customReflectionConfiguration": {
                        "episodicReflectionOverride": {**STEP, "namespaces": ["/r/"], "namespaceTemplates": ["/r/"]}
                    }
                },
            },
        ),
    ],
)
def test_custom_strategies_show_their_configuration_as_the_service_does(api, configuration, shown):
    custom = {"customMemoryStrategy": {"name": "own", "configuration": configuration}}
    [strategy] = api.create(custom)["strategies"]
    assert strategy["type"] == "CUSTOM"
    assert strategy["configuration"] == shown


def test_a_self_managed_strategy_extracts_nothing_and_keeps_its_settings(api):
    target = {"topicArn": "arn:aws:sns:us-west-2:000000000000:topic", "payloadDeliveryBucketName": "bucket"}
    own = {"selfManagedConfiguration": {"invocationConfiguration": target}}
    [strategy] = api.create({"customMemoryStrategy": {"name": "own", "configuration": own}})["strategies"]
    assert strategy["configuration"]["type"] == "SELF_MANAGED"
    assert strategy["configuration"]["selfManagedConfiguration"]["invocationConfiguration"] == target
    api.say("I live in Porto.")
    assert api.records(None, namespacePath="/") == []
    change = {
        "modifyMemoryStrategies": [
            {
                "memoryStrategyId": strategy["strategyId"],
                "configuration": {"selfManagedConfiguration": {"historicalContextWindowSize": 9}},
            }
        ]
    }
    [changed] = api.control.update_memory(memoryId=api.memory_id, memoryStrategies=change)["memory"]["strategies"]
    assert changed["configuration"]["selfManagedConfiguration"]["historicalContextWindowSize"] == 9
    assert changed["configuration"]["selfManagedConfiguration"]["invocationConfiguration"] == target


def test_tags(api):
    arn = api.create(tags={"team": "red", "stage": "test"})["arn"]
    api.control.tag_resource(resourceArn=arn, tags={"stage": "prod", "cost centre": "1/2"})
    api.control.untag_resource(resourceArn=arn, tagKeys=["team", "absent"])
    assert api.control.list_tags_for_resource(resourceArn=arn)["tags"] == {"stage": "prod", "cost centre": "1/2"}
    other = arn.replace(":memory/test", ":memory/other")
    assert refusal(api.control.list_tags_for_resource, resourceArn=other) == "ResourceNotFoundException"
    many = {f"k{number}": "v" for number in range(49)}
    assert refusal(api.control.tag_resource, resourceArn=arn, tags=many) == "ServiceQuotaExceededException"


def test_the_waiter_knows_when_a_memory_is_ready(api):
    api.create()
    api.control.get_waiter("memory_created").wait(memoryId=api.memory_id, WaiterConfig={"Delay": 0, "MaxAttempts": 1})
    assert api.control.get_memory(memoryId=api.memory_id)["memory"]["status"] == "ACTIVE"
