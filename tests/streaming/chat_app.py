"""A Starlette application that streams the turns of an agent."""

from __future__ import annotations

from slow_model import SlowModel
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from agentmem.streaming import RECEIVE_JS, sse_response, stream_turn
from sessions import Session

CLOSE = {"Connection": "close"}
"""So that each stream has a connection of its own, which a test can cut."""


class App:
    """An application with one agent a request, and what became of its turns."""

    def __init__(self, *script, seconds=0.01, chunk_size=3, heartbeat=15.0, buffer=None, owner=lambda _: "", **options):
        self.session = Session()
        self.model = SlowModel(list(script), chunk_size=chunk_size, seconds=seconds)
        self.turns = 0
        self.options = options
        self.buffer, self.heartbeat, self.owner = buffer, heartbeat, owner
        self.agent = self.session.agent(script=self.model)
        self.app = Starlette(
            routes=[
                Route("/", self.page),
                Route("/receive.js", lambda _: FileResponse(RECEIVE_JS, headers=CLOSE)),
                Route("/favicon.ico", lambda _: Response(headers=CLOSE)),
                Route("/chat", self.chat, methods=["GET", "POST"]),
            ],
            middleware=[Middleware(GZipMiddleware, minimum_size=1)],
        )

    async def turn(self, prompt):
        self.turns += 1
        async for event in stream_turn(self.agent, prompt):
            yield event

    async def chat(self, request):
        prompt = (await request.json())["prompt"]
        return sse_response(
            self.turn(prompt),
            buffer=self.buffer,
            last_event_id=request.headers.get("last-event-id"),
            owner=self.owner(request),
            heartbeat_seconds=self.heartbeat,
            **self.options,
        )

    async def page(self, _request):
        return HTMLResponse(PAGE, headers=CLOSE)


PAGE = """<!doctype html><meta charset="utf-8"><title>Chat</title><pre id="answer"></pre>
<script type="module">
import { receive } from "./receive.js";
window.reconnects = 0;
window.ask = async (prompt) => {
  const answer = document.getElementById("answer");
  for await (const event of receive("/chat", { body: { prompt }, onReconnect: () => (window.reconnects += 1) })) {
    if (event.type === "message") answer.append(event.content);
    if (event.type === "done") document.title = "done";
  }
};
document.title = "ready";
</script>"""
