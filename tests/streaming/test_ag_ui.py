"""The events of AG-UI: valid by its own models, and understood by its own client."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from ag_ui.core import Event, EventType, RunAgentInput
from ag_ui.encoder import EventEncoder
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from serving import serve
from slow_model import SlowModel
from sse_standard import read_by_the_standard
from starlette.applications import Starlette
from starlette.routing import Route
from strands import Agent, ModelRetryStrategy

from agentmem.streaming import (
    DoneEvent,
    ErrorEvent,
    GuardrailEvent,
    MessageEvent,
    MetadataEvent,
    ToolResultEvent,
    ToolUseEvent,
    ag_ui_events,
    sse_encode,
    sse_response,
    stream_turn,
)
from agentmem.testing import Reply, ToolCall
from sessions import look

HERE = Path(__file__).parent / "node"
NODE = shutil.which("node")
EVENT = TypeAdapter(Event)
ENDS = {"RUN_FINISHED", "RUN_ERROR"}


async def translated(*events):
    async def source():
        for event in events:
            yield event

    return [event async for event in ag_ui_events(source(), thread_id="thread-1", run_id="run-1")]


def kinds(events):
    return [event.type.value for event in events]


async def test_each_event_becomes_its_counterpart_and_texts_are_closed():
    events = await translated(
        MessageEvent("Let me "),
        MessageEvent("look."),
        ToolUseEvent("look", {"query": "海"}, "t1"),
        ToolResultEvent("look", [{"text": "blue"}, {"text": "deep"}], "t1"),
        MessageEvent("Blue."),
        ToolUseEvent("book", {}, "text-1", "as_text"),
        GuardrailEvent("INPUT", "NONE"),
        MetadataEvent({"stopReason": "end_turn"}),
        DoneEvent(),
    )
    assert kinds(events) == [
        "RUN_STARTED",
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
        "TOOL_CALL_START",
        "TOOL_CALL_ARGS",
        "TOOL_CALL_END",
        "TOOL_CALL_RESULT",
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
        "CUSTOM",
        "CUSTOM",
        "CUSTOM",
        "RUN_FINISHED",
    ]
    assert json.loads(events[6].delta) == {"query": "海"}
    assert events[8].content == "blue\ndeep"
    assert [event.name for event in events if event.type is EventType.CUSTOM] == ["tool_use", "guardrail", "metadata"]
    assert events[1].message_id == events[4].message_id != events[9].message_id


async def test_an_error_is_the_end_of_the_run_and_nothing_follows_it():
    events = await translated(
        MessageEvent("Hel"), ErrorEvent("Sorry.", "Busy"), MetadataEvent({"stopReason": None}), DoneEvent()
    )
    assert kinds(events)[-3:] == ["TEXT_MESSAGE_END", "CUSTOM", "RUN_ERROR"]
    assert (events[-1].message, events[-1].code) == ("Sorry.", "Busy")


async def test_interrupts_and_cancellation_are_outcomes():
    waiting = {"stopReason": "interrupt", "interrupts": [{"id": "i1", "name": "approval", "reason": {"amount": 3}}]}
    (interrupt,) = (await translated(MetadataEvent(waiting), DoneEvent()))[-1].outcome.interrupts
    assert (interrupt.id, interrupt.reason, interrupt.message) == ("i1", "approval", '{"amount":3}')
    cancelled = (await translated(MetadataEvent({"stopReason": "cancelled"}), DoneEvent()))[-1]
    assert cancelled.outcome.type == "cancelled"


TEXT = st.text(st.characters(), max_size=20)
EVENTS = st.lists(
    st.builds(MessageEvent, TEXT)
    | st.builds(
        ToolUseEvent, TEXT, st.dictionaries(TEXT, TEXT | st.floats()), TEXT, st.sampled_from(["started", "as_text"])
    )
    | st.builds(ToolResultEvent, TEXT, TEXT | st.lists(st.fixed_dictionaries({"text": TEXT})) | st.binary(), TEXT)
    | st.builds(GuardrailEvent, TEXT, TEXT)
    | st.builds(ErrorEvent, TEXT, st.none() | TEXT)
    | st.builds(MetadataEvent, st.dictionaries(TEXT, st.integers()))
)


@given(EVENTS)
async def test_whatever_is_sent_is_valid_for_ag_ui_and_ends_once(events):
    sent = await translated(*events, DoneEvent())
    for event in sent:
        ((_, data, _),) = read_by_the_standard(sse_encode(event))
        again = EVENT.validate_python(json.loads(data))
        assert again.type is event.type
    assert [kind for kind in kinds(sent) if kind in ENDS] == [kinds(sent)[-1]]


async def test_the_frames_are_those_of_ag_uis_own_encoder():
    for event in await translated(MessageEvent('a "quoted"\n日'), ToolUseEvent("t", {"a": [1]}, "t1"), DoneEvent()):
        ((_, ours, _),) = read_by_the_standard(sse_encode(event))
        ((_, theirs, _),) = read_by_the_standard(EventEncoder().encode(event))
        assert json.loads(ours) == json.loads(theirs)


@pytest.mark.skipif(
    NODE is None or not (HERE / "node_modules" / "@ag-ui" / "client").exists(),
    reason="AG-UI's client is not installed: npm install in tests/streaming/node",
)
@pytest.mark.parametrize("fails", [False, True])
def test_ag_uis_own_client_understands_a_turn(fails):
    script = [
        Reply("<thinking>x</thinking>Let me look. ", [ToolCall("look", {"query": "sea"}, "t1")]),
        RuntimeError("no more") if fails else "青い 🌊\nblue.",
    ]

    async def chat(request):
        given = RunAgentInput.model_validate(await request.json())
        agent = Agent(
            model=SlowModel(script, chunk_size=3, seconds=0.001),
            tools=[look],
            retry_strategy=ModelRetryStrategy(max_attempts=1),
            callback_handler=None,
        )
        turn = stream_turn(agent, given.messages[-1].content)
        return sse_response(ag_ui_events(turn, thread_id=given.thread_id, run_id=given.run_id), heartbeat_seconds=0.01)

    with serve(Starlette(routes=[Route("/agent", chat, methods=["POST"])])) as port:
        done = subprocess.run(
            [NODE, "ag_ui.mjs", f"http://127.0.0.1:{port}/agent", "The sea?"],
            cwd=HERE,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    seen = json.loads(done.stdout)
    assert seen["messages"][0]["content"] == "The sea?"
    if fails:
        assert seen["failure"] == "The agent could not finish its answer."
        return
    assert seen["failure"] is None
    texts = [
        message["content"] for message in seen["messages"] if message["role"] == "assistant" and message.get("content")
    ]
    assert texts == ["Let me look. ", "青い 🌊\nblue."]
    calls = [call for message in seen["messages"] for call in message.get("toolCalls", [])]
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [{"query": "sea"}]
    assert [message["toolCallId"] for message in seen["messages"] if message["role"] == "tool"] == ["t1"]
    assert seen["custom"] == ["metadata"]
