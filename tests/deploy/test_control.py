import threading

import pytest
from botocore.exceptions import ClientError

from agentmem import (
    ConfigurationError,
    DynamoDBCheckpoints,
    LocalMemory,
    MemoryConfig,
    MemoryWaitTimeout,
    Namespace,
    ensure_memory,
    ensure_memory_async,
)
from memories import Clock

REGION = "us-west-2"


def opened(service=None, **fields):
    return MemoryConfig(boto_session=(service or LocalMemory()).boto_session(REGION), **fields)


def strategies(config):
    memory = config.control_plane().get_memory(memoryId=config.memory_id)["memory"]
    return {strategy["name"]: strategy for strategy in memory["strategies"]}


def test_a_missing_memory_is_made_with_the_configured_strategies():
    config = ensure_memory(opened(), "support_bot", description="Support.", event_expiry_days=30)
    memory = config.control_plane().get_memory(memoryId=config.memory_id)["memory"]
    assert memory["name"] == "support_bot"
    assert memory["eventExpiryDuration"] == 30
    assert memory["description"] == "Support."
    assert strategies(config)["facts"]["namespaceTemplates"] == ["/users/{actorId}/facts/"]


def test_a_second_call_finds_the_same_memory_and_changes_nothing():
    service = LocalMemory()
    first = ensure_memory(opened(service), "support_bot")
    before = first.control_plane().get_memory(memoryId=first.memory_id)["memory"]
    assert ensure_memory(opened(service), "support_bot").memory_id == first.memory_id
    assert ensure_memory(first, "support_bot") == first
    assert first.control_plane().get_memory(memoryId=first.memory_id)["memory"] == before


def test_it_is_found_among_many():
    service = LocalMemory()
    config = opened(service)
    for i in range(12):
        config.control_plane().create_memory(name=f"memory{i}", eventExpiryDuration=30)
    assert ensure_memory(config, "memory7").memory_id.startswith("memory7-")
    assert ensure_memory(config, "memory").memory_id.startswith("memory-")


def test_it_waits_until_the_memory_is_active():
    clock = Clock()
    config = opened(LocalMemory(clock=clock, activation_delay=120))
    config = ensure_memory(config, "support_bot", sleep=clock.tick, clock=clock)
    assert config.control_plane().get_memory(memoryId=config.memory_id)["memory"]["status"] == "ACTIVE"
    assert clock.now >= Clock().now + 120


def test_it_waits_no_longer_than_asked():
    clock = Clock()
    config = opened(LocalMemory(clock=clock, activation_delay=120))
    with pytest.raises(MemoryWaitTimeout, match="CREATING after 30 s"):
        ensure_memory(config, "support_bot", max_wait=30, sleep=clock.tick, clock=clock)


def test_many_at_once_make_one_memory():
    service = LocalMemory()
    found, barrier = [], threading.Barrier(6)

    def ensure():
        config = opened(service)
        config.control_plane()
        barrier.wait()
        found.append(ensure_memory(config, "support_bot", sleep=lambda _: None).memory_id)

    threads = [threading.Thread(target=ensure) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1


def test_missing_strategies_and_variables_are_added_and_others_stay():
    service = LocalMemory()
    first = ensure_memory(opened(service), "support_bot")
    more = opened(
        service,
        namespaces=(
            Namespace.semantic("facts", "/users/{actorId}/facts/"),
            Namespace.semantic("products", "/t/{tenant}/{actorId}/", variables=("tenant",)),
        ),
    )
    second = ensure_memory(more, "support_bot")
    assert second.memory_id == first.memory_id
    assert set(strategies(second)) == {"preferences", "facts", "summaries", "products"}
    memory = second.control_plane().get_memory(memoryId=second.memory_id)["memory"]
    assert [entry["key"] for entry in memory["namespaceKeys"]] == ["tenant"]


def test_a_template_registered_with_other_slashes_is_searched_as_it_is_registered():
    service = LocalMemory()
    opened(service).control_plane().create_memory(
        name="old",
        eventExpiryDuration=30,
        memoryStrategies=[
            {"semanticMemoryStrategy": {"name": "facts", "namespaceTemplates": ["support/{actorId}/facts"]}}
        ],
    )
    namespaces = (Namespace.semantic("facts", "/support/{actorId}/facts/", top_k=3),)
    config = ensure_memory(opened(service, namespaces=namespaces), "old")
    assert config.bind("ann", "s").namespace("facts") == "support/ann/facts"
    assert config.namespaces[0].top_k == 3


def test_checkpoints_learn_how_long_the_memory_keeps_events():
    config = opened(checkpoints=DynamoDBCheckpoints(table="checkpoints", ttl_days=7))
    config = ensure_memory(config, "support_bot", event_expiry_days=200)
    assert config.checkpoints == DynamoDBCheckpoints(table="checkpoints", ttl_days=7, event_expiry_days=200)


def test_a_strategy_of_another_kind_is_refused():
    service = LocalMemory()
    ensure_memory(opened(service), "support_bot")
    other = opened(service, namespaces=(Namespace.user_preference("facts", "/users/{actorId}/facts/"),))
    with pytest.raises(ConfigurationError, match="semantic strategy"):
        ensure_memory(other, "support_bot")


@pytest.mark.parametrize("name", ["", "support-bot", "1bot", "n" * 49, None])
def test_a_name_that_no_memory_can_have_is_refused(name):
    with pytest.raises(ConfigurationError, match="name = "):
        ensure_memory(opened(), name)


def test_an_id_of_another_name_is_refused():
    with pytest.raises(ConfigurationError, match="already is for memory"):
        ensure_memory(opened(memory_id="support_bot-a1b2c3d4e5"), "other")


def test_an_id_that_is_not_there_is_not_made_anew():
    with pytest.raises(ConfigurationError, match="no such memory"):
        ensure_memory(opened(memory_id="support_bot-a1b2c3d4e5"), "support_bot")


def test_a_refusal_of_the_service_is_not_hidden():
    with pytest.raises(ClientError, match="ValidationException"):
        ensure_memory(opened(), "support_bot", event_expiry_days=100_000)


async def test_the_async_twin_does_the_same():
    config = await ensure_memory_async(opened(), "support_bot")
    assert config.memory_id.startswith("support_bot-")
