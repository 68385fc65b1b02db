"""Decides who may ask the inspector: only this machine, only with the token, and no other web page.

A page in the same browser must neither read nor write here. It cannot know the token; a name of its own that points at
this address (DNS rebinding) is refused by its ``Host``; what it posts carries its ``Origin``; and the cookie that holds
the token is not sent along with requests from other sites.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from agentmem.drawing.markup import element
from agentmem.inspector.pages.layout import message_page

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["AccessGuard", "new_token"]

COOKIE = "agentmem_inspector"
OPEN_PATHS = ("/static/",)
"""What is answered without the token: style and scripts, which tell nothing."""

HEADERS = {
    # Everything comes from this server, and no script or style stands inside a page.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


def new_token() -> str:
    """Return a token that nobody guesses, for the printed address."""
    return secrets.token_urlsafe(24)


class AccessGuard:
    """ASGI middleware: checks every request and gives every answer its security headers."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        """Guard an application.

        Args:
            app: The application.
            token: What a browser has to show once, in the address or in the form.
        """
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if "cache-control" not in headers:
                    headers["Cache-Control"] = "no-store"
            await send(message)

        refused = self._refusal(Request(scope))
        await (self._app if refused is None else refused)(scope, receive, send_guarded)

    def _refusal(self, request: Request) -> Response | None:
        """Return the answer to a request that may not pass, or None."""
        headers = request.headers
        if not _is_loopback(headers.get("host", "")):
            return PlainTextResponse("The inspector answers to localhost and 127.0.0.1 only.", 403)
        if request.url.path.startswith(OPEN_PATHS):
            return None
        if request.method not in ("GET", "HEAD") and not _is_same_origin(headers):
            return PlainTextResponse("Another page may not ask for this.", 403)
        cookie = self._cookie(headers)
        shown = request.query_params.get("token", "") if request.method == "GET" else ""
        is_known = _is_equal(request.cookies.get(cookie, ""), self._token)
        if _is_equal(shown, self._token):
            response = RedirectResponse(_without_token(request), 303)
            # Not for other sites, not for scripts, and gone with the browser.
            response.set_cookie(cookie, self._token, httponly=True, samesite="strict", path="/")
            return response
        return None if is_known else _sign_in(wrong=bool(shown))

    @staticmethod
    def _cookie(headers: Headers) -> str:
        """Return the cookie's name; a browser does not tell the ports of a host apart."""
        return f"{COOKIE}_{headers.get('host', '').rpartition(':')[2]}"


def _sign_in(*, wrong: bool) -> Response:
    said = "That is not the token of this inspector. " if wrong else ""
    form = element(
        "form",
        element("label", "Token ", element("input", name="token", type="password", required=True, autocomplete="off")),
        element("button", "Open", type="submit"),
        action="/",
        method="get",
        class_="inline",
    )
    text = f"{said}Open the address that `agentmem inspect` has printed, or give its token."
    return HTMLResponse(message_page("agentmem inspector", element("p", text), form), 401)


def _without_token(request: Request) -> str:
    kept = [(name, value) for name, value in parse_qsl(request.url.query) if name != "token"]
    # A path with two slashes in front would be another host's.
    return "/" + request.url.path.lstrip("/\\") + (f"?{urlencode(kept)}" if kept else "")


def _is_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    return name.lower() in _LOOPBACK


def _is_same_origin(headers: Headers) -> bool:
    origin = headers.get("origin")
    if origin is None or origin != f"http://{headers.get('host', '')}":
        return False
    return headers.get("content-type", "").partition(";")[0].strip() == "application/json"


def _is_equal(shown: str, token: str) -> bool:
    return secrets.compare_digest(shown.encode(), token.encode())
