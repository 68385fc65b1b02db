"""What the server over HTTP refuses, on real connections: whatever no AWS client sends."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import stat
import time

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from memory_api import MemoryApi

from agentmem.local import LocalMemory
from agentmem.local.http_guard import HttpLimits
from agentmem.local.server import LocalServer

POST = b"POST /memories/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
HOSTS = ["localhost", "LOCALHOST:80", "127.0.0.1", "127.8.8.8:1", "[::1]:80", "agent.localhost", "10.1.2.3:8765"]
FORMS = [
    "text/plain",
    "text/plain; application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "",
    None,
]
ONCE = Config(retries={"total_max_attempts": 1})


@pytest.fixture
def server(memory):
    with memory.serve() as running:
        yield running


def limited(memory, **limits):
    return LocalServer(memory._service, "127.0.0.1", 0, limits=HttpLimits(**limits))


def connected(server):
    return socket.create_connection(address(server).split(":"), timeout=5)


@pytest.fixture
def api(memory, server):
    """The memory over the server, with a memory resource in it."""
    clients = MemoryApi(memory.boto_session("us-west-2"))
    clients.create()
    clients.data = client_of(server)
    return clients


def client_of(server):
    session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="y", region_name="us-west-2")
    return session.client("bedrock-agentcore", endpoint_url=server.url, config=ONCE)


def address(server):
    return server.url.removeprefix("http://")


def call(server, method="POST", path="/memories/", body=b"{}", **headers):
    """Send one request, with exactly these headers and Host; return status, error and body."""
    connection = http.client.HTTPConnection(address(server), timeout=5)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    headers = {"Host": address(server), "Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    for name, value in headers.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    told = answer.read()
    connection.close()
    return answer.status, answer.getheader("x-amzn-ErrorType"), told


class TestHosts:
    @pytest.mark.parametrize("host", HOSTS)
    def test_loopback_names_and_numbers_are_served(self, server, host):
        assert call(server, Host=host)[0] == 200

    @pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", ""])
    def test_a_name_of_somebody_elses_is_refused_and_nothing_is_done(self, memory, server, host):
        body = json.dumps({"name": "m", "eventExpiryDuration": 30}).encode()
        status, error, told = call(server, path="/memories/create", body=body, Host=host)
        assert (status, error) == (403, "AccessDeniedException")
        assert "allowed_hosts" in json.loads(told)["message"]
        assert memory.boto_session().client("bedrock-agentcore-control").list_memories()["memories"] == []

    def test_a_request_without_a_name_is_refused(self, server):
        with connected(server) as connection:
            connection.sendall(POST.replace(b"1.1", b"1.0").replace(b"Host: localhost\r\n", b"") + b"\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 403 ")

    def test_further_names_can_be_allowed(self, memory):
        with memory.serve(allowed_hosts=["Memory.internal"]) as server:
            assert call(server, Host="memory.internal.:8765")[0] == 200
            assert call(server, Host="other.internal")[0] == 403
        with memory.serve(allowed_hosts=["*"]) as server:
            assert call(server, Host="other.internal")[0] == 200

    @pytest.mark.parametrize("name", ["http://memory", "memory:80", "", "two names"])
    def test_what_is_no_host_name_is_an_error(self, memory, name):
        with pytest.raises(ValueError, match="is no host name"):
            memory.serve(allowed_hosts=[name])


class TestContentTypes:
    BODY = json.dumps({"name": "m", "eventExpiryDuration": 30}).encode()

    @pytest.mark.parametrize("kind", FORMS)
    def test_a_form_of_a_web_page_changes_nothing(self, memory, server, kind):
        status, error, _ = call(server, path="/memories/create", body=self.BODY, **{"Content-Type": kind})
        assert (status, error) == (415, "UnsupportedMediaTypeException")
        assert memory.boto_session().client("bedrock-agentcore-control").list_memories()["memories"] == []

    def test_what_a_browser_asks_permission_for_is_not_permitted(self, server):
        status, _, _ = call(server, "OPTIONS", "/memories/create", b"", Origin="http://evil.example")
        assert status == 405
        connection = http.client.HTTPConnection(address(server), timeout=5)
        connection.request("OPTIONS", "/memories/create", headers={"Origin": "http://evil.example"})
        assert not [
            name for name, _ in connection.getresponse().getheaders() if name.lower().startswith("access-control")
        ]
        connection.close()

    def test_json_with_a_character_set_is_json(self, server):
        assert (
            call(
                server, path="/memories/create", body=self.BODY, **{"Content-Type": "application/json; charset=utf-8"}
            )[0]
            == 202
        )


class TestSizes:
    def test_a_body_over_the_limit_is_refused_before_it_is_read(self, server):
        with connected(server) as connection:
            size = HttpLimits().body_bytes + 1
            connection.sendall(POST + f"Content-Length: {size}\r\n\r\n".encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")

    def test_a_body_that_does_not_say_its_size_is_refused_at_the_limit(self, memory):
        with limited(memory, body_bytes=100_000) as server, connected(server) as connection:
            chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
            connection.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 2)
            assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")

    def test_an_event_of_the_services_own_limit_gets_in(self, api):
        payload = [{"blob": 'é"' * 1_500_000}]  # JSON writes each of these with two to six bytes
        made = api.data.create_event(
            memoryId=api.memory_id, actorId="a", sessionId="s", eventTimestamp=1, payload=payload
        )
        assert made["event"]["payload"] == payload

    def test_headers_without_end_are_refused(self, server):
        with connected(server) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000)
            with contextlib.suppress(ConnectionResetError):  # or it was closed while we were still sending
                assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")


class TestTimes:
    @pytest.mark.parametrize("sent", [b"", b"POST /memories/ HTTP/1.1\r\nHost: local"], ids=["none", "half"])
    def test_a_connection_that_sends_no_request_is_closed(self, memory, sent):
        with limited(memory, header_seconds=0.3) as server, connected(server) as connection:
            began = time.monotonic()
            connection.sendall(sent)
            for _ in range(2):
                time.sleep(0.1)
                connection.sendall(sent[-1:])  # a trickle does not prolong it
            assert connection.recv(4096) == b""
            assert time.monotonic() - began < 2

    def test_a_connection_is_closed_when_no_second_request_comes(self, memory):
        with limited(memory, header_seconds=0.3) as server, connected(server) as connection:
            connection.sendall(POST + b"Content-Length: 2\r\n\r\n{}")
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
            began = time.monotonic()
            while connection.recv(4096):
                pass
            assert time.monotonic() - began < 2

    def test_a_body_that_does_not_come_is_not_waited_for(self, memory):
        with limited(memory, body_seconds=0.3) as server, connected(server) as connection:
            connection.sendall(POST + b"Content-Length: 5\r\n\r\n{")
            assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")

    def test_an_answer_that_takes_longer_than_headers_may_is_waited_for(self, memory, api):
        with (
            limited(memory, header_seconds=0.1, body_seconds=0.2) as server,
            memory.faults.inject("latency", "ListEvents", seconds=0.4),
        ):
            found = client_of(server).list_events(memoryId=api.memory_id, actorId="a", sessionId="s")
        assert found["events"] == []


class TestSurrogates:
    def test_half_a_pair_is_a_validation_error(self, api):
        for value in ("a\ud83d", {"deep": ["\udc00"]}):
            with pytest.raises(ClientError) as raised:
                api.data.create_event(
                    memoryId=api.memory_id, actorId="a", sessionId="s", eventTimestamp=1, payload=[{"blob": value}]
                )
            assert raised.value.response["Error"]["Code"] == "ValidationException"
            assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert api.data.list_events(memoryId=api.memory_id, actorId="a", sessionId="s")["events"] == []

    def test_half_a_pair_in_raw_bytes_too(self, server):
        status, error, _ = call(server, body=b'{"nextToken": "\xed\xa0\xbd"}')
        assert (status, error) == (400, "ValidationException")

    def test_a_whole_pair_is_a_character(self, api):
        payload = [{"conversational": {"content": {"text": "\U0001f600"}, "role": "USER"}}, {"blob": "\\ud83d"}]
        made = api.data.create_event(
            memoryId=api.memory_id, actorId="a", sessionId="s", eventTimestamp=1, payload=payload
        )
        assert made["event"]["payload"] == payload


def test_what_it_stores_is_its_owners_alone(tmp_path):
    old = os.umask(0)
    try:
        with LocalMemory(tmp_path / "new" / "memory.db") as memory:
            MemoryApi(memory.boto_session()).create()
            modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "new").iterdir()}
    finally:
        os.umask(old)
    assert modes["memory.db"] == 0o600
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
