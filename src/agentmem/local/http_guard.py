"""Refuses HTTP requests that no AWS client sends: from a web page in a browser, too large, or too slow.

The embedded service asks for no credentials, so what keeps a web page on the same machine from reading and writing it
is decided here. A page that points a name of its own at this address (DNS rebinding) sends that name as ``Host``. A
page's form can post without asking first, but not with the content type of JSON; every other method, and JSON, a
browser asks permission for, which is never given.
"""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request

__all__ = ["AllowedHosts", "HttpLimits", "Refusal", "read_body"]

_JSON = ("application/json", "application/x-amz-json-1.0", "application/x-amz-json-1.1")


@dataclass(frozen=True)
class Refusal(Exception):  # noqa: N818 - an answer, not a failure
    """Why a request is not answered.

    Attributes:
        status: HTTP status.
        code: The error's name, as AWS's clients show it.
        message: What was wrong and what to do.
    """

    status: int
    code: str
    message: str


@dataclass(frozen=True)
class HttpLimits:
    """How large and how slow a request may be.

    Attributes:
        body_bytes: Most bytes of a body: an event of 10 MB, the service's limit, with room for how JSON writes it.
        header_seconds: How long a connection may take to send a request's first line and headers, and stay open
            without a request.
        body_seconds: How long a body may take to arrive.
    """

    body_bytes: int = 24 * 1024 * 1024
    header_seconds: float = 10.0
    body_seconds: float = 30.0


class AllowedHosts:
    """The names under which a server may be addressed.

    Loopback names, addresses written as numbers (no name of somebody else's leads to them) and the address it listens
    on are always among them.
    """

    def __init__(self, bound: str, more: Iterable[str] = ()) -> None:
        """Allow what is always allowed, and more.

        Args:
            bound: The address the server listens on.
            more: Further names, without a port; ``"*"`` allows every name.

        Raises:
            ValueError: A name holds a port, a path or a blank.
        """
        self._names = {"localhost", bound.lower(), *(name.lower().rstrip(".") for name in more)}
        wrong = [name for name in self._names - {bound.lower()} if not name or any(part in name for part in ":/ ")]
        if wrong:
            raise ValueError(f"allowed_hosts: {wrong[0]!r} is no host name: give names only, such as 'memory.internal'")

    def check(self, host: str | None) -> None:
        """Check a request's ``Host``.

        Args:
            host: The header; None when there is none.

        Raises:
            Refusal: The server is not to be addressed by that name.
        """
        name = _without_port(host or "").lower().rstrip(".")
        if "*" in self._names or name in self._names or name.endswith(".localhost") or _is_address(name):
            return
        raise Refusal(
            403,
            "AccessDeniedException",
            f"The embedded service is not served under the name {name[:100]!r}. If it is yours, allow it: "
            "serve(allowed_hosts=[...]), or --allow-host on the command line.",
        )


async def read_body(request: Request, limits: HttpLimits) -> bytes:
    """Read a request's body, if it is one that an AWS client would send.

    Args:
        request: The request.
        limits: How large and how slow it may be.

    Returns:
        The body.

    Raises:
        Refusal: A POST of another content type than JSON; a body that is too large, or too slow.
    """
    if request.method == "POST":
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in _JSON:
            raise Refusal(
                415,
                "UnsupportedMediaTypeException",
                f"Content-Type is {kind[:100]!r}: send {_JSON[0]}, as AWS clients do.",
            )
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > limits.body_bytes:
        raise _too_large(limits)
    try:
        async with asyncio.timeout(limits.body_seconds):
            parts, size = [], 0
            async for part in request.stream():
                size += len(part)
                if size > limits.body_bytes:
                    raise _too_large(limits)
                parts.append(part)
    except TimeoutError:
        message = f"The body did not arrive within {limits.body_seconds:g} s."
        raise Refusal(408, "RequestTimeoutException", message) from None
    return b"".join(parts)


def _too_large(limits: HttpLimits) -> Refusal:
    return Refusal(413, "RequestEntityTooLargeException", f"The body is larger than {limits.body_bytes:,} bytes.")


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
