"""A DynamoDB API over HTTP on a free loopback port, for tests: moto's server in a thread, real boto3 clients."""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from agentmem.checkpoints.dynamodb.create import create_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

REGION = "us-west-2"


class OneAtATime:
    """Answers one request at a time: DynamoDB's transactions are serializable, moto's are not between threads."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self._lock:
            return list(self._application(environ, start_response))


def dummy_session() -> boto3.Session:
    """Return a boto3 session with credentials that are none."""
    return boto3.Session(
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        region_name=REGION,
    )


def client_for(endpoint_url: str, *, attempts: int = 1) -> Any:
    """Return a boto3 DynamoDB client that gives up soon."""
    config = Config(connect_timeout=1, read_timeout=5, retries={"mode": "standard", "total_max_attempts": attempts})
    return dummy_session().client("dynamodb", endpoint_url=endpoint_url, config=config)


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Serve DynamoDB on a free loopback port while the block runs; yields the address."""
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer  # takes a second to import

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    server._server.app = OneAtATime(server._server.app)
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def dynamodb_endpoint() -> Iterator[str]:
    """The address of a DynamoDB API, started at the first use and shared by all tests."""
    with serving() as url:
        yield url


@pytest.fixture
def dynamodb(dynamodb_endpoint: str) -> Iterator[Any]:
    """A boto3 DynamoDB client."""
    client = client_for(dynamodb_endpoint)
    yield client
    client.close()


@pytest.fixture
def checkpoint_table(dynamodb: Any) -> str:
    """The name of an empty checkpoint table of the test's own."""
    name = f"agentmem-{uuid.uuid4().hex[:12]}"
    create_table(dynamodb, name)
    return name
