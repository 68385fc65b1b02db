"""Serves the embedded service over HTTP (starlette on uvicorn)."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import socket
import threading
from typing import TYPE_CHECKING, Any, ClassVar, Self

from .contract import Request as ServiceRequest
from .errors import MissingExtraError
from .faults import ConnectionLostError

if TYPE_CHECKING:
    from types import TracebackType

    from starlette.requests import Request

    from .service import Service

try:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import Response
    from starlette.routing import Route
    from uvicorn.protocols.http.h11_impl import H11Protocol
except ImportError as error:
    raise MissingExtraError("Serving the embedded memory over HTTP", error.name or "starlette") from error

logger = logging.getLogger(__name__)

METHODS = ["GET", "POST", "PUT", "DELETE"]
START_SECONDS = 10.0
EXTRACTION_POLL_SECONDS = 0.25
DEFAULT_TIMEOUT_SILENCE = 70.0  # longer than the 60 s after which boto3 gives up unless told otherwise
_CREDENTIAL_REGION = re.compile(r"Credential=[^/]*/\d+/([a-z0-9-]+)/")


class LocalServer:
    """A running server; `LocalMemory.serve` makes it.

    Args:
        service: Answers the calls.
        host: Address to listen on.
        port: Port, 0 for any free one.

    Attributes:
        url: Base URL of the service.

    Raises:
        OSError: The address cannot be listened on.
    """

    def __init__(self, service: Service, host: str, port: int) -> None:
        if not _is_loopback(host):
            logger.warning("the embedded memory asks for no credentials and is reachable by others: host=%s", host)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # With the protocol named, asyncio turns Nagle's algorithm off; without, an answer waits 40 ms for an ACK.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError:
            listener.close()
            raise
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            _application(service), http=_Protocol, log_config=None, access_log=False, lifespan="off", ws="none"
        )
        self._server = _Server(config)
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="agentmem-server", daemon=True
        )
        self._extraction = threading.Thread(
            target=_extract, args=(service, self._stop), name="agentmem-extraction", daemon=True
        )
        self._thread.start()
        self._extraction.start()
        if not self._server.ready.wait(START_SECONDS):
            raise OSError(f"the server at {self.url} did not start within {START_SECONDS} s")

    def env(self) -> dict[str, str]:
        """The two environment variables that point every AWS client at this server."""
        return {
            "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE": self.url,
            "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL": self.url,
        }

    def wait(self) -> None:
        """Block until the server is stopped, as a command line does."""
        while self._thread.is_alive():
            self._thread.join(0.5)

    def stop(self) -> None:
        """Stop serving: calls under way are answered, new connections refused."""
        self._stop.set()
        self._server.should_exit = True
        self._thread.join(START_SECONDS)
        self._extraction.join(START_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(uvicorn.Server):
    """Tells when it listens, and leaves the process's signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


class _Protocol(H11Protocol):
    """HTTP/1.1 that lets the application abort a connection, for injected resets."""

    transports: ClassVar[dict[Any, asyncio.Transport]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transports[transport.get_extra_info("peername")[:2]] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.transports.pop(self.transport.get_extra_info("peername")[:2], None)
        super().connection_lost(exc)


def _application(service: Service) -> Starlette:
    async def answer(request: Request) -> Response:
        credential = _CREDENTIAL_REGION.search(request.headers.get("authorization", ""))
        arrived = ServiceRequest(
            method=request.method,
            path=request.scope["raw_path"].decode("ascii"),
            query=request.scope["query_string"].decode("ascii"),
            body=await request.body(),
            region=credential.group(1) if credential else "us-east-1",
        )
        try:
            response = await run_in_threadpool(service.handle, arrived)
        except ConnectionLostError as lost:
            if lost.timed_out:
                await _silence(request, lost.seconds or DEFAULT_TIMEOUT_SILENCE)
            transport = _Protocol.transports.get(tuple(request.scope["client"])[:2])
            if transport is not None:
                transport.abort()
            return Response(status_code=500)
        except MissingExtraError as error:
            return Response(str(error), status_code=500, headers={"x-amzn-ErrorType": "ServiceException"})
        return Response(response.body, response.status, response.headers)

    return Starlette(routes=[Route("/{path:path}", answer, methods=METHODS)])


async def _silence(request: Request, seconds: float) -> None:
    """Wait, but no longer than the caller does."""
    for _ in range(int(seconds / 0.05) + 1):
        if await request.is_disconnected():
            return
        await asyncio.sleep(0.05)


def _extract(service: Service, stop: threading.Event) -> None:
    while not stop.wait(EXTRACTION_POLL_SECONDS):
        try:
            service.engine.run_all_due(service.clock())
        except Exception:
            logger.exception("background extraction failed; it is tried again")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
