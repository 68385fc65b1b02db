"""Serves the embedded service over HTTP (starlette on uvicorn)."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import socket
import threading
from typing import TYPE_CHECKING, Any, ClassVar, Self

from .contract import ACCOUNT
from .contract import Request as ServiceRequest
from .faults import ConnectionLostError
from .http_guard import AllowedHosts, HttpLimits, Refusal, read_body

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from starlette.requests import Request

    from .service import Service

try:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route
    from uvicorn.protocols.http.h11_impl import H11Protocol
except ImportError as error:
    from agentmem.errors import MissingExtraError

    raise MissingExtraError("the embedded memory over HTTP", error.name or "starlette", "local") from error

logger = logging.getLogger(__name__)

METHODS = ["GET", "POST", "PUT", "DELETE"]
START_SECONDS = 10.0
MAX_HEADER_BYTES = 64 * 1024
EXTRACTION_POLL_SECONDS = 0.25
DEFAULT_TIMEOUT_SILENCE = 70.0  # longer than the 60 s after which boto3 gives up unless told otherwise
# A key of twelve digits names the account, as local stand-ins for AWS have it.
_CREDENTIAL = re.compile(r"Credential=(?:(\d{12})|[^/]*)/\d+/([a-z0-9-]+)/")


class LocalServer:
    """A running server; `LocalMemory.serve` makes it.

    Args:
        service: Answers the calls.
        host: Address to listen on.
        port: Port, 0 for any free one.
        allowed_hosts: Names it may be addressed by, besides loopback names, addresses and ``host``.
        limits: How large and how slow a request may be; generous unless given.

    Attributes:
        url: Base URL of the service.

    Raises:
        OSError: The address cannot be listened on.
        ValueError: An allowed host is no host name.
    """

    def __init__(
        self,
        service: Service,
        host: str,
        port: int,
        allowed_hosts: Iterable[str] = (),
        limits: HttpLimits | None = None,
    ) -> None:
        hosts = AllowedHosts(host, allowed_hosts)
        limits = limits or HttpLimits()
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
        config = _Config(
            _application(service, hosts, limits),
            http=_Protocol,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        )
        config.limits = limits
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

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)


class _Config(uvicorn.Config):
    """Holds the limits that uvicorn has no setting for."""

    limits: HttpLimits


class _Server(uvicorn.Server):
    """Tells when it listens, and leaves the process's signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


class _Protocol(H11Protocol):
    """HTTP/1.1 that gives up on slow headers, and lets the application abort a connection, for injected resets.

    uvicorn ends a connection that is idle between two requests, but waits without end for a first request, or for the
    rest of one whose headers trickle in.
    """

    transports: ClassVar[dict[Any, asyncio.Transport]] = {}
    config: _Config
    waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transports[transport.get_extra_info("peername")[:2]] = transport
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self.transports.pop(self.transport.get_extra_info("peername")[:2], None)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()  # a request is under way

    def on_response_complete(self) -> None:
        self._wait_for_headers()
        super().on_response_complete()

    def _wait_for_headers(self) -> None:
        self._stop_waiting()
        self.waiting = self.loop.call_later(self.config.limits.header_seconds, self._close)

    def _stop_waiting(self) -> None:
        if self.waiting is not None:
            self.waiting.cancel()
            self.waiting = None

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


def _application(service: Service, hosts: AllowedHosts, limits: HttpLimits) -> Starlette:
    async def answer(request: Request) -> Response:
        try:
            hosts.check(request.headers.get("host"))
            body = await read_body(request, limits)
        except Refusal as refusal:
            return _refused(refusal)
        credential = _CREDENTIAL.search(request.headers.get("authorization", ""))
        arrived = ServiceRequest(
            method=request.method,
            path=request.scope["raw_path"].decode("ascii"),
            query=request.scope["query_string"].decode("ascii"),
            body=body,
            region=credential[2] if credential else "us-east-1",
            account=(credential and credential[1]) or ACCOUNT,
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
        return Response(response.body, response.status, response.headers)

    return Starlette(routes=[Route("/{path:path}", answer, methods=METHODS)])


def _refused(refusal: Refusal) -> Response:
    # The rest of the request is not read: it must not be taken for the next one.
    headers = {"x-amzn-ErrorType": refusal.code, "Connection": "close"}
    return JSONResponse({"message": refusal.message}, refusal.status, headers)


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
