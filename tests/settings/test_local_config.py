import pickle

import pytest
from botocore.exceptions import ClientError

from agentmem import ConfigurationError, LocalMemory, MemoryConfig, Namespace


def test_a_local_configuration_is_ready_to_use():
    config = MemoryConfig.local(":memory:")
    memory = config.control_plane().get_memory(memoryId=config.memory_id)["memory"]
    assert memory["status"] == "ACTIVE"
    assert {strategy["name"] for strategy in memory["strategies"]} == {"preferences", "facts", "summaries"}


def test_a_folder_opened_twice_is_one_memory(tmp_path):
    one, other = MemoryConfig.local(tmp_path / "m"), MemoryConfig.local(str(tmp_path / "x" / ".." / "m"))
    assert one.memory_id == other.memory_id
    assert one.local_path == other.local_path == str(tmp_path / "m" / "memory.db")
    services = {id(config.boto_session().__dict__["_agentmem_service"]) for config in (one, other)}
    assert len(services) == 1


def test_a_memory_in_memory_is_a_new_one_each_time():
    assert MemoryConfig.local(":memory:").memory_id != MemoryConfig.local(":memory:").memory_id


def test_the_default_folder_is_in_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    MemoryConfig.local()
    assert (tmp_path / ".agentmem" / "memory.db").is_file()


def test_two_names_in_one_folder_are_two_memories(tmp_path):
    assert MemoryConfig.local(tmp_path).memory_id != MemoryConfig.local(tmp_path, name="other").memory_id


def test_ones_own_service_can_be_given():
    service = LocalMemory(activation_delay=0)
    config = MemoryConfig.local(service, region="eu-west-1")
    control = service.boto_session("eu-west-1").client("bedrock-agentcore-control")
    assert control.get_memory(memoryId=config.memory_id)["memory"]["id"] == config.memory_id
    assert config.region == "eu-west-1"


def test_a_folder_survives_a_pickle(tmp_path):
    config = MemoryConfig.local(tmp_path)
    again = pickle.loads(pickle.dumps(config))
    assert again.control_plane().get_memory(memoryId=config.memory_id)["memory"]["status"] == "ACTIVE"


def test_a_memory_in_memory_says_that_it_did_not_survive_a_pickle():
    again = pickle.loads(pickle.dumps(MemoryConfig.local(":memory:")))
    with pytest.raises(ConfigurationError, match="lives in the process that pickled"):
        again.boto_session()


def test_a_replaced_field_keeps_the_service():
    config = MemoryConfig.local(":memory:")
    assert config.replace(hook={"retrieve": False}).boto_session() is config.boto_session()


def test_a_new_namespace_is_added_to_a_memory_that_is_there(tmp_path):
    first = MemoryConfig.local(tmp_path, namespaces=(Namespace.semantic("facts", "/users/{actorId}/facts/"),))
    second = MemoryConfig.local(
        tmp_path, namespaces=(Namespace.semantic("places", "/p/{kind}/{actorId}/", variables=("kind",)),)
    )
    assert first.memory_id == second.memory_id
    memory = second.control_plane().get_memory(memoryId=second.memory_id)["memory"]
    assert {strategy["name"] for strategy in memory["strategies"]} == {"facts", "places"}


def test_another_template_for_a_strategy_that_is_there_is_refused(tmp_path):
    MemoryConfig.local(tmp_path)
    with pytest.raises(ConfigurationError, match=r"'/users/{actorId}/facts/'.*'/u/{actorId}/'"):
        MemoryConfig.local(tmp_path, namespaces=(Namespace.semantic("facts", "/u/{actorId}/"),))


def test_a_strategys_id_is_filled_in_where_the_template_asks_for_it():
    config = MemoryConfig.local(
        ":memory:", namespaces=(Namespace.semantic("facts", "/s/{memoryStrategyId}/a/{actorId}/"),)
    )
    strategy = config.control_plane().get_memory(memoryId=config.memory_id)["memory"]["strategies"][0]
    assert config.bind("ann", "s").namespace("facts") == f"/s/{strategy['strategyId']}/a/ann/"


def test_nothing_reaches_aws():
    config = MemoryConfig.local(":memory:")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        config.data_plane().list_actors(memoryId="support_bot-a1b2c3d4e5")
