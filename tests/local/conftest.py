"""An embedded memory for each test, over both transports."""

import boto3
import pytest
from memory_api import MemoryApi

from agentmem.local import LocalMemory


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


@pytest.fixture(params=["in process", "over HTTP"])
def either(request, memory, monkeypatch):
    """The embedded service over each transport: boto3 sessions that reach it."""
    if request.param == "in process":
        yield memory.boto_session("us-west-2")
        return
    with memory.serve() as server:
        for name, value in server.env().items():
            monkeypatch.setenv(name, value)
        yield boto3.Session(region_name="us-west-2")
