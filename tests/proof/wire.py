"""The way from a boto3 session to its services, which records every call and lets one of them go wrong.

The services are reached over HTTP. A fault strikes one call, by its number: before the call leaves, or after it was
carried out, so that the caller is told something else than what happened, or nothing. `killed` ends the process itself
with SIGKILL.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

REFUSED = {
    "throttled": (429, {"dynamodb": "ProvisionedThroughputExceededException", "": "ThrottledException"}),
    "server error": (500, {"dynamodb": "InternalServerError", "": "ServiceException"}),
    "denied": (403, {"": "AccessDeniedException"}),
}
"""Answers of a service that has not carried out the call: status, and code by service."""

BODIES: dict[str, Any] = {
    "empty answer": lambda _body: b"",
    "null answer": lambda _body: b"null",
    "HTML answer": lambda _body: b"<html><body>Sign in to the network</body></html>",
    "truncated answer": lambda body: body[: len(body) // 2],
    "wrong shape": lambda _body: json.dumps(
        {"events": [None, 3], "event": 3, "memory": [], "Items": 3, "Item": [], "Responses": 1}
    ).encode(),
}
"""Answers in the place of the service's own, with status 200; the call was carried out."""

KILLED = ("killed before", "killed after")
KINDS = (*REFUSED, "timed out", "reset before", "reset after", *BODIES, *KILLED)
"""Everything that can happen to a call."""

# Reading botocore's models would take most of a cell's time.
_SESSION = botocore.session.Session()
_LOADER = _SESSION.get_component("data_loader")
_RESOLVER = _SESSION._get_internal_component("endpoint_resolver")

ONE_ATTEMPT = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20)


@dataclass(frozen=True)
class Strike:
    """What happens to which call.

    Attributes:
        kind: One of `KINDS`.
        number: Number of the call, from 1.
    """

    kind: str
    number: int


class _Body:
    """A response body as botocore reads it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> Any:
        yield self._content

    def read(self, *_: Any) -> bytes:
        content, self._content = self._content, b""
        return content


class Wire:
    """A boto3 session for one life of a process, its calls recorded.

    Attributes:
        calls: ``service.Operation`` of every call, in the order in which they left.
        struck: The call that was struck, or None so far.
        region_name: As of a boto3 session.
    """

    region_name = "us-west-2"

    def __init__(self, urls: dict[str, str], strike: Strike | None = None) -> None:
        """Lead to services.

        Args:
            urls: Address by service name; every other service is refused.
            strike: What is to happen to which call.
        """
        self.calls: list[str] = []
        self.struck: str | None = None
        self._urls = urls
        self._strike = strike
        self._lock = threading.Lock()
        self._http = URLLib3Session(timeout=20)
        session = botocore.session.Session()
        session.register_component("data_loader", _LOADER)
        session._internal_components.register_component("endpoint_resolver", _RESOLVER)
        self._session = boto3.Session("testing", "testing", region_name=self.region_name, botocore_session=session)
        self._session.events.register_first("before-send", self._send)

    def client(self, service_name: str, *, config: Any = None, endpoint_url: Any = None, **options: Any) -> Any:
        """Make a client as a boto3 session does."""
        assert endpoint_url in {None, self._urls[service_name]}
        config = ONE_ATTEMPT if config is None else config.merge(ONE_ATTEMPT)
        return self._session.client(service_name, config=config, endpoint_url=self._urls[service_name], **options)

    def _send(self, request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        _, service, operation = event_name.split(".")
        with self._lock:
            self.calls.append(f"{service}.{operation}")
            is_struck = self._strike is not None and len(self.calls) == self._strike.number
        if not is_struck:
            return None
        assert self._strike is not None
        self.struck = f"{service}.{operation}"
        return self._suffer(self._strike.kind, service, request)

    def _suffer(self, kind: str, service: str, request: Any) -> AWSResponse:
        if kind in REFUSED:
            status, codes = REFUSED[kind]
            code = codes.get(service, codes.get("", ""))
            body = json.dumps({"__type": code, "message": "on purpose"}).encode()
            return AWSResponse(request.url, status, {"x-amzn-errortype": code}, _Body(body))
        if kind == "timed out":
            raise ReadTimeoutError(endpoint_url=request.url)
        if kind == "reset before":
            raise ConnectionClosedError(endpoint_url=request.url)
        if kind == "killed before":
            os.kill(os.getpid(), signal.SIGKILL)
        told = self._http.send(request)
        if kind == "killed after":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "reset after":
            raise ConnectionClosedError(endpoint_url=request.url)
        body = BODIES[kind](told.content)
        return answer(request.url, body)


def answer(url: str, body: bytes) -> AWSResponse:
    """Return what a service says, as JSON and with status 200."""
    return AWSResponse(url, 200, {"content-type": "application/json"}, _Body(body))
