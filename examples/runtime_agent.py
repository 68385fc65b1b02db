"""An agent on AgentCore Runtime: many sessions, answers as typed events, and a memory that outlives the container.

python examples/runtime_agent.py        (on port 8080, or PORT; the memory is in ./.agentmem unless it is on AWS)

curl -N http://127.0.0.1:8080/invocations -d '{"prompt": "I live in Porto."}' -H 'Content-Type: application/json' \
    -H 'X-Amzn-Bedrock-AgentCore-Runtime-Session-Id: chat-0000000000000000000000000000001' \
    -H 'X-Amzn-Bedrock-AgentCore-Runtime-Custom-Actor: ana@example.org'
"""

import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import ExitStack, aclosing, asynccontextmanager, contextmanager
from typing import Any

from backend import open_memory, open_model
from bedrock_agentcore import BedrockAgentCoreApp, RequestContext
from starlette.exceptions import HTTPException
from strands import Agent

from agentmem import CompactionConfig, IdentityError, ResilientTools, SessionAgents, actor_id_for, code_interpreter
from agentmem.streaming import StreamEvent

# Runtime passes headers of this prefix on when they are on its allowlist. Whoever calls Runtime has to set it to the
# user it has signed in; with an inbound JWT take the verified token's subject from the Authorization header instead.
ACTOR_HEADER = "x-amzn-bedrock-agentcore-runtime-custom-actor"

config = open_memory("./.agentmem", compaction=CompactionConfig(token_threshold=50_000))


@contextmanager
def make_agent(actor_id: str, session_id: str) -> Iterator[Agent]:
    """Give the agent of a session; what comes after the yield happens when it is let go, its memory drained."""
    memory = config.bind(actor_id, session_id)
    with ExitStack() as stack:
        on_aws = "BEDROCK_MODEL_ID" in os.environ
        yield Agent(
            model=open_model(),
            system_prompt="You are helpful.",
            tools=[stack.enter_context(code_interpreter(os.environ["AWS_REGION"]))] if on_aws else [],
            session_manager=memory.session_manager(),  # this session, durable and inside a token budget
            # what other sessions of this user have taught, and tools that fail without failing the turn
            hooks=[memory.hook(), ResilientTools()],
            callback_handler=None,
        )


agents = SessionAgents(make_agent, max_sessions=50)


@asynccontextmanager
async def lifespan(_app: BedrockAgentCoreApp) -> AsyncIterator[None]:
    """Drain the memory when the container is told to stop (SIGTERM): afterwards the process is gone."""
    yield
    await agents.close_async(wait=1)  # the server has waited for answers under way; what still runs is cancelled


app = BedrockAgentCoreApp(lifespan=lifespan)


@app.entrypoint
async def invoke(payload: dict[str, Any], context: RequestContext) -> AsyncIterator[dict[str, Any]]:
    """Answer a prompt as a stream of typed events; a request that says not whose it is gets status 400."""
    prompt = payload.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise HTTPException(400, "prompt is missing: send {'prompt': '...'}")
    user = (context.request_headers or {}).get(ACTOR_HEADER)
    try:
        events = agents.stream(actor_id_for(user) if user else None, context.session_id, prompt)
    except IdentityError as error:
        raise HTTPException(400, str(error)) from error
    return as_json(events)


async def as_json(events: AsyncGenerator[StreamEvent, None]) -> AsyncIterator[dict[str, Any]]:
    """Yield each event as the JSON object that Runtime frames and sends; `invoke_stream` makes events of them again."""
    async with aclosing(events):  # a client that goes away cancels the turn
        async for event in events:
            yield event.to_dict()


if __name__ == "__main__":
    # Containers are usually given 10 seconds to stop. Without a limit one slow answer would use them all up, and no
    # time would be left to drain.
    app.run(port=int(os.environ.get("PORT", "8080")), timeout_graceful_shutdown=3)
