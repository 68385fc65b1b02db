"""An embedded memory for each test, over both transports."""

import os
import time
import uuid
from dataclasses import dataclass, field

import boto3
import pytest
from memory_api import MemoryApi

from agentmem.local import LocalMemory

# Read here, because tests/conftest.py takes such variables away.
ON_AWS = os.environ.get("AGENTMEM_TEST_AWS") == "1"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now=1_770_000_000.0):
        self.now = now

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def memory(clock):
    with LocalMemory(clock=clock) as memory:
        yield memory


@pytest.fixture
def api(memory):
    """The embedded service, in process."""
    return MemoryApi(memory.boto_session("us-west-2"))


@dataclass
class Place:
    """Somewhere AgentCore Memory is: what the stories of the official clients need to know of it.

    Attributes:
        session: A boto3 session that reaches it.
        is_aws: Whether it is the real service.
        poll: Seconds between polls that clients make.
    """

    session: boto3.Session
    is_aws: bool = False
    poll: float = 0.01
    _memories: list[str] = field(default_factory=list)

    def new_memory(self, *strategies):
        """A memory that is ACTIVE."""
        control = self.session.client("bedrock-agentcore-control")
        name = f"story_{uuid.uuid4().hex[:10]}"
        memory = control.create_memory(name=name, eventExpiryDuration=30, memoryStrategies=list(strategies))["memory"]
        self._memories.append(memory["id"])
        if self.is_aws:
            control.get_waiter("memory_created").wait(memoryId=memory["id"])
        return memory["id"]

    def settle(self, memory_id, namespace, count=1):
        """Wait until records are there. The embedded service has them when asked; AWS takes a minute or two."""
        if not self.is_aws:
            return
        data = self.session.client("bedrock-agentcore")
        for _ in range(40):
            found = data.list_memory_records(memoryId=memory_id, namespace=namespace)
            if len(found["memoryRecordSummaries"]) >= count:
                return
            time.sleep(10)
        raise AssertionError(f"no {count} records in {namespace} after 400 s")

    def clean_up(self):
        """Delete the memories made on AWS."""
        if self.is_aws:
            control = self.session.client("bedrock-agentcore-control")
            for memory_id in self._memories:
                control.delete_memory(memoryId=memory_id)


@pytest.fixture(params=["in process", "over HTTP", "AWS"])
def place(request, monkeypatch):
    """The service over each transport, found by clients that are given a session and by those that make their own."""
    if request.param == "AWS":
        if not ON_AWS:
            pytest.skip("set AGENTMEM_TEST_AWS=1, with credentials and a region, to run this against a real account")
        place = Place(boto3.Session(region_name="us-west-2"), is_aws=True, poll=5)
        yield place
        place.clean_up()
        return
    with LocalMemory() as memory:
        if request.param == "in process":
            session = memory.boto_session("us-west-2")
            monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
            yield Place(session)
            return
        with memory.serve() as server:
            for name, value in server.env().items():
                monkeypatch.setenv(name, value)
            monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
            yield Place(boto3.Session(region_name="us-west-2"))


@pytest.fixture(params=["in process", "over HTTP"])
def either(request, memory, monkeypatch):
    """A boto3 session that reaches `memory`, over each transport."""
    if request.param == "in process":
        yield memory.boto_session("us-west-2")
        return
    with memory.serve() as server:
        for name, value in server.env().items():
            monkeypatch.setenv(name, value)
        yield boto3.Session(region_name="us-west-2")
