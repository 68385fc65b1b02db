"""Fixtures for all tests. This file also puts this folder on the path, for the modules the tests share."""

import gc
import ipaddress
import os
import socket

import freezegun
import pytest
from hypothesis import settings

from agentmem.events.writer_registry import registry
from dynamodb import checkpoint_table, dynamodb, dynamodb_endpoint
from gears import QUICK
from warm_python import warm_commands

__all__ = ["checkpoint_table", "dynamodb", "dynamodb_endpoint"]

# They load their modules late, and freezing the time looks at every name: what it loads would keep the frozen classes.
freezegun.configure(extend_ignore_list=["langchain_core", "langsmith"])

settings.load_profile(QUICK)  # unless pytest is told another with --hypothesis-profile

FOR_TESTS = {"AGENTMEM_DATA", "AGENTMEM_SOAK", "AGENTMEM_TEST_AWS"}
"""Variables that are meant for the tests themselves."""

ON_AWS = os.environ.get("AGENTMEM_TEST_AWS") == "1"
"""Some tests can also run against a real account; then its configuration and the network are what they need."""

_connect = socket.socket.connect


def _is_this_machine(address) -> bool:
    if not isinstance(address, tuple):
        return True  # a socket of the file system
    host = str(address[0])
    return host == "localhost" or ipaddress.ip_address(host.partition("%")[0]).is_loopback


def _connect_here_only(self, address):
    if not _is_this_machine(address):
        raise AssertionError(f"a test tried to reach {address[0]} over the network")
    return _connect(self, address)


def pytest_collection_finish():
    """Spare the garbage collector the modules and tests that live to the end: there are a million objects of them."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Keep the garbage collector out of reports.

    To show a failure pytest parses source, and so does Python 3.11 for every logged traceback. OpenTelemetry logs one
    when an abandoned generator is collected; should that happen inside the first parse, CPython ends it with a
    SystemError ("AST constructor recursion depth mismatch"), and pytest with it.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.fixture(autouse=True, scope="session")
def _no_network():
    socket.socket.connect = _connect if ON_AWS else _connect_here_only
    yield
    socket.socket.connect = _connect


@pytest.fixture(autouse=True, scope="session")
def _no_aws_configuration():
    """Nothing of the machine's own AWS configuration reaches a test; the keys are nobody's."""
    if ON_AWS:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "AGENTMEM_", "BEDROCK_"))]:
            if name not in FOR_TESTS:
                patch.delenv(name)
        for name, value in {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def warm_python(tmp_path_factory):
    """A folder with the commands `python` and `agentmem`, which start at once; see `warm_python.py`."""
    with warm_commands(tmp_path_factory.mktemp("warm")) as folder:
        yield folder


@pytest.fixture(autouse=True, scope="session")
def _nothing_left_to_send():
    """Outages end with their tests; what could not be sent in one is not reported when the interpreter exits."""
    yield
    registry.give_up(registry.waiting())
