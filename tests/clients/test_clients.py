import gc
import os
import threading
import weakref

import boto3
import pytest
from botocore.config import Config

from agentmem import ConfigurationError, LocalMemory, MemoryConfig, __version__
from agentmem.clients import boto as clients

REGION = "us-west-2"


@pytest.fixture
def session():
    return boto3.Session(region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing")


def test_a_second_configuration_makes_no_second_client(session):
    one = MemoryConfig(boto_session=session)
    other = MemoryConfig(boto_session=session, compaction={"protected_turns": 4})
    assert one.data_plane() is other.data_plane()
    assert one.control_plane() is other.control_plane()
    assert one.memory_client() is other.memory_client()
    assert clients.dynamodb(session) is clients.dynamodb(session)


def test_each_service_region_endpoint_and_configuration_has_its_own_client(session, monkeypatch):
    config = Config(read_timeout=1)
    made = [
        clients.data_plane(session),
        clients.control_plane(session),
        clients.data_plane(session, "eu-west-1"),
        clients.data_plane(session, config=config),
        clients.dynamodb(session),
        clients.dynamodb(session, endpoint_url="http://127.0.0.1:1"),
    ]
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", "http://127.0.0.1:2")
    made.append(clients.data_plane(session))
    assert len(set(map(id, made))) == len(made)
    assert made[-1].meta.endpoint_url == "http://127.0.0.1:2"
    assert clients.data_plane(session, config=config) is clients.data_plane(session, config=config)


def test_calls_are_bounded_in_time_and_say_who_makes_them(session):
    config = clients.data_plane(session).meta.config
    assert config.connect_timeout == 2
    assert config.read_timeout == 10
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}
    assert config.user_agent_extra == f"agentmem/{__version__}"


def test_a_given_configuration_wins_and_keeps_the_rest(session):
    given = Config(read_timeout=60, user_agent_extra="theirs/1")
    config = clients.data_plane(session, config=given).meta.config
    assert config.read_timeout == 60
    assert config.connect_timeout == 2
    assert config.user_agent_extra == f"theirs/1 agentmem/{__version__}"


def test_clients_do_not_keep_their_session_alive():
    session = LocalMemory().boto_session(REGION)
    clients.data_plane(session)
    clients.memory_client(session)
    gone = weakref.ref(session)
    del session
    gc.collect()
    assert gone() is None


def test_threads_share_one_client(session):
    found = []
    barrier = threading.Barrier(8)

    def ask():
        barrier.wait()
        found.append(clients.data_plane(session))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(map(id, found))) == 1


def test_the_default_session_is_one_as_long_as_the_environment_is(monkeypatch):
    first = clients.default_session()
    assert clients.default_session() is first
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
    assert clients.default_session() is not first


def test_the_default_session_serves_when_none_is_given(monkeypatch):
    monkeypatch.setenv("AWS_REGION", REGION)
    assert clients.data_plane() is clients.data_plane(clients.default_session(), REGION)


def test_a_missing_region_is_an_error_instead_of_a_guess():
    assert "AWS_REGION" not in os.environ
    with pytest.raises(ConfigurationError, match="AWS_REGION"):
        MemoryConfig(memory_id="support_bot-a1b2c3d4e5").data_plane()


def test_the_memory_client_goes_where_everything_goes():
    config = MemoryConfig.local(":memory:")
    client = config.memory_client()
    assert client.region_name == config.region
    assert client.gmcp_client.get_memory(memoryId=config.memory_id)["memory"]["id"] == config.memory_id
