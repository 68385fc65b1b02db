"""A chat in the browser over FastAPI: streamed answers, lost connections resumed, and a memory that stays.

pip install 'strands-agentmem[local,web]' fastapi
uvicorn --app-dir examples fastapi_chat:app         (then open http://127.0.0.1:8000; the memory is in ./.agentmem)

curl -N http://127.0.0.1:8000/chat -H 'Content-Type: application/json' \
    -d '{"session_id": "chat-0000000000000000000000000000001", "prompt": "I live in Porto."}'

`/chat` sends this package's events, which the page reads with receive.js; `/agent` sends AG-UI's, for any front end
that speaks it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from ag_ui.core import RunAgentInput
from backend import open_memory, open_model
from fastapi import FastAPI, Header, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, Response
from pydantic import BaseModel
from strands import Agent

from agentmem import IdentityError, SessionAgents, actor_id_for
from agentmem.streaming import RECEIVE_JS, ResumeBuffer, ag_ui_events, sse_response

config = open_memory("./.agentmem")


def make_agent(actor_id: str, session_id: str) -> Agent:
    """Make the agent of a session."""
    memory = config.bind(actor_id, session_id)
    return Agent(
        model=open_model(),
        system_prompt="You are helpful.",
        session_manager=memory.session_manager(),
        hooks=[memory.hook()],
        callback_handler=None,
    )


agents = SessionAgents(make_agent, max_sessions=100)
buffer = ResumeBuffer()


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """End the turns under way and drain the memory when the server stops."""
    yield
    await buffer.close()
    await agents.close_async(wait=1)


app = FastAPI(lifespan=lifespan)


class Question(BaseModel):
    """What the page sends."""

    session_id: str
    prompt: str


def signed_in_user() -> str:
    """Return who asks; your application knows this from its own session cookie or token, never from the body."""
    return actor_id_for("ana@example.org")


@app.post("/chat")
async def chat(question: Question, last_event_id: Annotated[str | None, Header()] = None) -> Response:
    """Stream the answer; with Last-Event-ID go on with the one whose connection was lost."""
    actor = signed_in_user()
    try:
        events = agents.stream(actor, question.session_id, question.prompt)
    except IdentityError as error:
        raise HTTPException(400, str(error)) from error
    return sse_response(events, buffer=buffer, last_event_id=last_event_id, owner=actor)


@app.post("/agent")
async def ag_ui(given: RunAgentInput) -> Response:
    """Answer the last message, streamed as AG-UI's events: the messages before it are in memory."""
    prompt = given.messages[-1].content if given.messages else None
    if not isinstance(prompt, str) or not prompt:
        raise HTTPException(400, "the last message has no text")
    try:
        events = agents.stream(signed_in_user(), given.thread_id, prompt)
    except IdentityError as error:
        raise HTTPException(400, str(error)) from error
    return sse_response(ag_ui_events(events, thread_id=given.thread_id, run_id=given.run_id))


@app.get("/receive.js")
async def receive_js() -> FileResponse:
    """Serve the module with which the page reads the stream."""
    return FileResponse(RECEIVE_JS, media_type="text/javascript")


@app.get("/")
async def page() -> HTMLResponse:
    """Serve the page."""
    return HTMLResponse(PAGE)


PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Chat with memory</title>
<style>body { font: 1rem/1.5 system-ui; max-width: 40rem; margin: auto; padding: 1rem; white-space: pre-wrap }</style>
<main id="answers" aria-live="polite"></main>
<form><label>Message <input name="prompt" autocomplete="off" required></label> <button>Send</button></form>
<script type="module">
import { receive } from "./receive.js";

const session_id = (sessionStorage.session ??= "chat-" + crypto.randomUUID());
const answers = document.getElementById("answers");

document.forms[0].addEventListener("submit", async (submit) => {
  submit.preventDefault();
  const prompt = submit.target.prompt.value;
  submit.target.reset();
  const answer = answers.appendChild(document.createElement("p"));
  answer.textContent = `> ${prompt}\\n`;
  for await (const event of receive("/chat", { body: { session_id, prompt } })) {
    if (event.type === "message") answer.append(event.content);
    if (event.type === "tool_use") answer.append(`[${event.tool_name}] `);
    if (event.type === "error") answer.append(event.message);
  }
});
</script>
</html>
"""
