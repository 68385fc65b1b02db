"""invoke_stream: an agent on AgentCore Runtime, read as it answers; here the SDK's own server stands for Runtime."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing

import boto3
import pytest
from botocore.config import Config
from runtime_service import SESSION, Runtime
from serving import serve, until, wire
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from agentmem import ConfigurationError, IdentityError, SessionAgents
from agentmem.streaming import (
    DoneEvent,
    ErrorEvent,
    MessageEvent,
    ToolResultEvent,
    ToolUseEvent,
    invoke_stream,
    invoke_stream_async,
    sse_encode,
)
from agentmem.testing import Reply, ToolCall

ARN = "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/chat-a1b2c3d4e5"


def client(port, **config):
    return boto3.client(
        "bedrock-agentcore",
        region_name="us-west-2",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


def said(events):
    return "".join(event.content for event in events if isinstance(event, MessageEvent))


SCRIPT = (Reply("<thinking>x</thinking>Let me look. ", [ToolCall("look", {"query": "sea"}, "t1")]), "青い 🌊\nblue.")


def check(events):
    assert said(events) == "Let me look. 青い 🌊\nblue."
    assert ToolUseEvent("look", {"query": "sea"}, "t1") in events
    assert [event.tool_use_id for event in events if isinstance(event, ToolResultEvent)] == ["t1"]
    assert [event for event in events if isinstance(event, DoneEvent)] == [events[-1]]
    assert not [event for event in events if isinstance(event, ErrorEvent)]


def test_typed_events_come_through_runtime_as_they_were():
    runtime = Runtime(*SCRIPT)
    with serve(runtime) as port:
        events = list(invoke_stream(client(port), ARN, SESSION, "The sea?", qualifier="DEFAULT"))
    check(events)
    assert events[-2].data["modelCalls"] == 2
    assert runtime.requests[0]["x-amzn-bedrock-agentcore-runtime-session-id"] == SESSION


def test_an_entrypoint_that_passes_on_everything_strands_yields_gives_the_same():
    async def raw(payload):
        async for event in runtime.make("ann", SESSION).stream_async(payload["prompt"]):
            yield event

    runtime = Runtime(*SCRIPT, answer=raw)
    with serve(runtime) as port:
        check(list(invoke_stream(client(port), ARN, SESSION, {"prompt": "The sea?"})))


def test_frames_that_the_sdk_frames_again_are_read():
    async def framed(payload, context):
        async for event in runtime.agents.stream("ann", context.session_id, payload["prompt"]):
            yield sse_encode(event)

    runtime = Runtime(*SCRIPT, answer=framed)
    with serve(runtime) as port:
        check(list(invoke_stream(client(port), ARN, SESSION, b'{"prompt": "The sea?"}')))


def test_an_answer_in_one_piece_is_read():
    def whole(payload):
        return {"result": runtime.make("ann", SESSION)(payload["prompt"]).message}

    runtime = Runtime(*SCRIPT, answer=whole)
    with serve(runtime) as port:
        events = list(invoke_stream(client(port), ARN, SESSION, "The sea?"))
    assert events == [MessageEvent("青い 🌊\nblue."), DoneEvent()]


async def test_the_async_twin_reads_the_same_without_blocking_the_loop():
    runtime = Runtime(*SCRIPT, seconds=0.02)
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    with serve(runtime) as port:
        ticking = asyncio.create_task(tick())
        check([event async for event in invoke_stream_async(client(port), ARN, SESSION, "The sea?")])
        ticking.cancel()
    assert ticks > 20


@pytest.mark.parametrize("reader", ["plain", "async"])
async def test_each_delta_is_read_when_it_is_sent(reader):
    runtime = Runtime("One. Two. Three. Four. Five.", seconds=0.05)

    def read(events):
        return [len(runtime.model.given) for event in events if isinstance(event, MessageEvent)]

    with serve(runtime) as port:
        if reader == "plain":
            given = await asyncio.to_thread(read, invoke_stream(client(port), ARN, SESSION, "Count."))
        else:
            events = invoke_stream_async(client(port), ARN, SESSION, "Count.")
            given = [len(runtime.model.given) async for event in events if isinstance(event, MessageEvent)]
    assert given[0] <= 2  # of seven deltas: nothing waits for a kilobyte
    assert given[1] <= 3


async def test_a_reader_that_goes_closes_the_connection_at_once_and_the_turn_is_cancelled():
    runtime = Runtime("A long story. " * 400, seconds=0.02)
    with serve(runtime) as port:
        began = time.monotonic()
        async with aclosing(invoke_stream_async(client(port), ARN, SESSION, "A story!")) as events:
            async for event in events:
                if isinstance(event, MessageEvent):
                    break
        assert time.monotonic() - began < 5
        await asyncio.to_thread(until, lambda: runtime.model.ended)
        assert len(runtime.model.given) < 1_000


async def test_a_reader_that_goes_while_the_agent_is_silent_does_not_wait_for_it():
    async def silent(_request):
        async def frames():
            yield b'data: {"delta": "a"}\n\n'
            await asyncio.sleep(30)

        return StreamingResponse(frames(), media_type="text/event-stream")

    app = Starlette(routes=[Route("/runtimes/{arn:path}/invocations", silent, methods=["POST"])])
    with serve(app) as port:
        events = invoke_stream_async(client(port), ARN, SESSION, "Hello?")
        assert await anext(events) == MessageEvent("a")
        waiting = asyncio.create_task(anext(events))
        await asyncio.sleep(0.1)
        began = time.monotonic()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert time.monotonic() - began < 5


def test_ids_are_checked_before_anything_is_sent():
    class Never:
        def invoke_agent_runtime(self, **_):
            raise AssertionError

    with pytest.raises(IdentityError, match="at least 33"):
        invoke_stream(Never(), ARN, "short", "Hello?")
    with pytest.raises(IdentityError):
        invoke_stream_async(Never(), ARN, "", "Hello?")
    with pytest.raises(ConfigurationError, match="ARN"):
        invoke_stream(Never(), "chat-a1b2c3d4e5", SESSION, "Hello?")
    with pytest.raises(ConfigurationError, match="payload"):
        invoke_stream(Never(), ARN, SESSION, {"prompt": object()})


def test_a_refused_call_is_an_error_event_that_names_its_kind_only():
    async def refuse(_request):
        body = {"message": "arn:aws:iam::1:role/secret may not"}
        return JSONResponse(body, 403, {"x-amzn-errortype": "AccessDeniedException"})

    app = Starlette(routes=[Route("/runtimes/{arn:path}/invocations", refuse, methods=["POST"])])
    with serve(app) as port:
        events = list(invoke_stream(client(port), ARN, SESSION, "Hello?"))
    assert [event.type for event in events] == ["error", "done"]
    assert events[0].details == "AccessDeniedException"
    assert "secret" not in json.dumps([event.to_dict() for event in events])


def test_no_answer_at_all_is_an_error_event():
    events = list(invoke_stream(client(9), ARN, SESSION, "Hello?"))
    assert [(event.type, getattr(event, "details", None)) for event in events] == [
        ("error", "EndpointConnectionError"),
        ("done", None),
    ]


def test_a_connection_that_breaks_is_an_error_event():
    runtime = Runtime("A long story. " * 40, seconds=0.001)
    with serve(runtime) as port, wire(port, [900]) as port_of_wire:
        events = list(invoke_stream(client(port_of_wire), ARN, SESSION, "A story!"))
    assert [event.type for event in events[-2:]] == ["error", "done"]
    assert said(events)


# ---- SessionAgents.stream


async def test_an_agent_that_cannot_be_made_is_an_error_event():
    def make(_actor_id, _session_id):
        raise ConnectionError("secret")

    agents = SessionAgents(make)
    events = [event async for event in agents.stream("ann", SESSION, "Hello?")]
    assert [event.type for event in events] == ["error", "done"]
    assert events[0].details == "ConnectionError"
    with pytest.raises(IdentityError):
        agents.stream("ann", "short", "Hello?")


async def test_an_agent_is_in_use_for_as_long_as_its_turn_is_streamed():
    runtime = Runtime("A long story. " * 100, "Gladly.", seconds=0.005)
    async with aclosing(runtime.agents.stream("ann", SESSION, "A story!")) as events:
        await anext(events)
        assert runtime.agents.in_use == 1
    assert runtime.agents.in_use == 0
    assert said([event async for event in runtime.agents.stream("ann", SESSION, "Thanks!")]) == "Gladly."
    await runtime.agents.close_async()
