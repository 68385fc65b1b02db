"""Runs moto's DynamoDB API over HTTP in a thread, and stops it without a trace."""

from __future__ import annotations

import asyncio
import threading
import uuid
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from agentmem.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentmem.settings.sections import DynamoDBCheckpoints

REGION = "us-east-1"

_POLL_SECONDS = 0.01  # how soon the server sees that it is to stop
_SILENT_SECONDS = 5.0  # a connection that says nothing for so long is dropped


class LocalDynamoDB:
    """A DynamoDB API on a free loopback port, empty at first. Conditions and transactions work; nothing expires.

    A context manager; use one at a time, because moto keeps its tables in the process.

    Attributes:
        endpoint_url: Its address.
        region: The region whose tables it shows by default.

    Raises:
        MissingExtraError: moto is not installed.
    """

    def __init__(self, region: str = REGION) -> None:
        """Start it.

        Args:
            region: The region.
        """
        try:
            from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
            from werkzeug.serving import WSGIRequestHandler, make_server
        except ImportError as error:
            raise MissingExtraError("a DynamoDB API for tests", error.name or "moto", "testing-dynamodb") from error

        class Handler(WSGIRequestHandler):
            timeout = _SILENT_SECONDS
            # HTTP/1.0: no connection, and so no thread of its own, outlives its request.
            protocol_version = "HTTP/1.0"

            def log(self, *_: Any) -> None:
                """Say nothing."""

        self.region = region
        self._server = make_server(
            "127.0.0.1", 0, _OneAtATime(DomainDispatcherApplication(create_backend_app)), threaded=True,
            request_handler=Handler,
        )  # fmt: skip
        self._server.daemon_threads = False  # type: ignore[attr-defined]
        self.endpoint_url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="agentmem-dynamodb", daemon=True
        )
        self._thread.start()
        self._reset()

    @cached_property
    def client(self) -> Any:
        """A boto3 client of it, with keys that are nobody's."""
        import boto3

        session = boto3.Session(
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106 - nobody's
            region_name=self.region,
        )
        return session.client("dynamodb", endpoint_url=self.endpoint_url)

    def checkpoints(self, table: str | None = None, *, ttl_days: int = 30) -> DynamoDBCheckpoints:
        """Where to keep checkpoints: ``MemoryConfig(checkpoints=...)``. The table is made when it is missing.

        Args:
            table: The table's name; without it, one of its own.
            ttl_days: Days until a checkpoint expires.

        Returns:
            The location, with this API's address.
        """
        from agentmem.checkpoints.dynamodb.create import create_table
        from agentmem.settings.sections import DynamoDBCheckpoints

        name = table or f"agentmem-{uuid.uuid4().hex[:12]}"
        create_table(self.client, name)
        return DynamoDBCheckpoints(table=name, ttl_days=ttl_days, region=self.region, endpoint_url=self.endpoint_url)

    def close(self) -> None:
        """Stop it; its tables are gone."""
        self._server.shutdown()
        self._thread.join()  # the server closes its socket and waits for the threads of requests under way
        if "client" in self.__dict__:
            self.client.close()
        self._reset()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await asyncio.to_thread(self.close)

    def _reset(self) -> None:
        from moto.dynamodb.models import dynamodb_backends

        for account in list(dynamodb_backends.values()):
            account.reset()


class _OneAtATime:
    """Answers one request at a time: DynamoDB's transactions are serializable, moto's are not between threads."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self._lock:
            return list(self._application(environ, start_response))
