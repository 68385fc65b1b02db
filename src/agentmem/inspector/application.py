"""Answers the inspector's requests: a page, a part of one, a stream, or something to do."""

from __future__ import annotations

import logging
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import FileResponse, HTMLResponse, JSONResponse
from starlette.routing import Route

from agentmem.drawing.markup import element
from agentmem.drawing.notebook import STYLE_FILE
from agentmem.errors import AgentMemError
from agentmem.inspector.access import AccessGuard
from agentmem.inspector.actions import Actions
from agentmem.inspector.chat import ChatAgents
from agentmem.inspector.pages.layout import Frame, document
from agentmem.inspector.pages.routes import PAGES, PARTS, PageRequest
from agentmem.inspector.views.place import Place
from agentmem.inspector.views.service_calls import count_calls, watch
from agentmem.inspector.waiting import stream_wait
from agentmem.session_manager.session_view import DEFAULT_AGENT
from agentmem.streaming import RECEIVE_JS, ResumeBuffer, sse_response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from agentmem.config import MemoryConfig
    from agentmem.drawing.markup import Markup
    from agentmem.inspector.chat import ChatSettings

__all__ = ["application"]

_STATIC = Path(__file__).with_name("static")
_FILES = {
    "inspector.css": _STATIC / "inspector.css",
    "inspector.js": _STATIC / "inspector.js",
    "theme.js": _STATIC / "theme.js",
    "icon.svg": _STATIC / "icon.svg",
    "drawing.css": STYLE_FILE,
    "receive.js": RECEIVE_JS,
}
_CACHED = {"Cache-Control": "public, max-age=60"}
_SERVICE_ERRORS = (ClientError, BotoCoreError, ResponseParserError)
_log = logging.getLogger(__name__)


def application(config: MemoryConfig, chat: ChatSettings, *, token: str, writable: bool = False) -> Starlette:
    """Make the ASGI application.

    Args:
        config: The memory to show.
        chat: What the agents of the chat are made of.
        token: What a browser has to show once.
        writable: Whether the memory may be changed: the chat, pins, deleting.

    Returns:
        The application, guarded.
    """
    inspector = _Inspector(config, chat, writable=writable)
    return Starlette(
        routes=[
            Route("/static/{name}", _static),
            *(Route(path, inspector.page(path)) for path in PAGES),
            *(Route(path, inspector.part(path)) for path in PARTS),
            Route("/events/wait", inspector.wait),
            Route("/chat/turn", inspector.chat_turn, methods=["POST"]),
            Route("/do/{action:path}", inspector.act, methods=["POST"]),
        ],
        middleware=[Middleware(AccessGuard, token=token)],
        lifespan=inspector.lifespan,
    )


class _Inspector:
    """The memory that is shown, and what the pages need of it."""

    def __init__(self, config: MemoryConfig, chat: ChatSettings, *, writable: bool) -> None:
        watch(config)
        self._config = config
        self._writable = writable
        self._agents = ChatAgents(config, chat)
        self._actions = Actions(config)
        self._buffer = ResumeBuffer()
        self._model = chat.model

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """Close what is open when the server stops."""
        yield
        await self._buffer.close()
        self._agents.close()

    def page(self, path: str) -> Callable[[Request], Response]:
        """Return the endpoint of a page; Starlette runs it in a thread."""
        draw = PAGES[path]

        def answer(request: Request) -> Response:
            began = time.perf_counter()
            asked = self._asked(request)
            status = 200
            with count_calls() as calls:
                try:
                    title, content = draw(asked)
                except (AgentMemError, *_SERVICE_ERRORS) as error:
                    status, title, content = _failed(error)
            milliseconds = (time.perf_counter() - began) * 1000
            frame = Frame(self._config.memory_id, self._writable, asked.place if asked.has_place else None, path)
            return HTMLResponse(document(frame, title, content, calls=calls, milliseconds=milliseconds), status)

        return answer

    def part(self, path: str) -> Callable[[Request], Response]:
        """Return the endpoint of a part of a page."""
        draw = PARTS[path]

        def answer(request: Request) -> Response:
            with count_calls() as calls:
                try:
                    status, content = 200, draw(self._asked(request))
                except (AgentMemError, *_SERVICE_ERRORS) as error:
                    status, _, content = _failed(error)
            headers = {"X-Service-Calls": urlencode(calls)}
            return HTMLResponse(content, status, headers)

        return answer

    async def wait(self, request: Request) -> Response:
        """Stream a wait for new records."""
        asked = self._asked(request)
        try:
            memory = self._config.bind(asked.place.actor_id, asked.place.session_id)
        except AgentMemError as error:
            return JSONResponse({"message": str(error)}, 400)
        return sse_response(stream_wait(memory, asked.text("namespace")))

    async def chat_turn(self, request: Request) -> Response:
        """Stream a turn of the chat; a browser that lost its connection goes on where it broke."""
        if not self._writable:
            return _read_only()
        given = await request.json()
        place = _place(given)
        turn = self._agents.turn(place, str(given.get("prompt", "")), str(given.get("model") or self._model))
        return sse_response(
            turn, buffer=self._buffer, last_event_id=request.headers.get("last-event-id"), retry_milliseconds=300
        )

    async def act(self, request: Request) -> Response:
        """Do something to the memory, or count what it would take."""
        if not self._writable:
            return _read_only()
        name = request.path_params["action"]
        given = await request.json()
        try:
            said = await self._actions.do(name, {str(key): str(value) for key, value in given.items()})
        except KeyError:
            return JSONResponse({"message": "There is nothing of that name to do, or a field is missing."}, 404)
        except AgentMemError as error:
            return JSONResponse({"message": str(error)}, 400)
        except _SERVICE_ERRORS as error:
            return JSONResponse({"message": f"The service refused: {error}"}, 502)
        _log.info("action=<%s> | done from the inspector", name)
        return JSONResponse({"message": said})

    def _asked(self, request: Request) -> PageRequest:
        return PageRequest(
            config=self._config,
            place=_place(request.query_params),
            parameters=dict(request.query_params),
            writable=self._writable,
            model=self._model,
        )


def _place(given: Mapping[str, str]) -> Place:
    return Place(
        str(given.get("actor", "")).strip(),
        str(given.get("session", "")).strip(),
        str(given.get("agent") or DEFAULT_AGENT),
    )


def _static(request: Request) -> Response:
    file = _FILES.get(request.path_params["name"])
    return HTMLResponse("There is no such file.", 404) if file is None else FileResponse(file, headers=_CACHED)


def _failed(error: Exception) -> tuple[int, str, Markup]:
    """Return status, title and content for an error; none of these errors carries message text."""
    status = 502 if isinstance(error, _SERVICE_ERRORS) else 400
    _log.warning("error=<%s> | a page of the inspector could not be drawn", type(error).__name__)
    return status, "This could not be shown", element("p", str(error), class_="notice", role="alert")


def _read_only() -> Response:
    return JSONResponse({"message": "The inspector is read-only. Start it with --write to change the memory."}, 403)
