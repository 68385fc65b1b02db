"""stream_turn: a turn of an agent as events, and what is left when its reader goes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import threading

import anyio
import pytest
from slow_model import SlowModel
from strands import Agent, ModelRetryStrategy, tool
from strands.types.exceptions import ModelThrottledException

from agentmem import CompactionConfig
from agentmem.streaming import (
    DoneEvent,
    ErrorEvent,
    GuardrailEvent,
    MessageEvent,
    MetadataEvent,
    ToolResultEvent,
    ToolUseEvent,
    stream_turn,
)
from agentmem.testing import Reply, ScriptedModel, ToolCall
from converse import validate_request
from guardrail import SECRET, Guarded
from hooked import Setup
from sessions import Session, look, texts


async def events_of(agent, prompt="Hello?", **options):
    return [event async for event in stream_turn(agent, prompt, **options)]


def said(events):
    return "".join(event.content for event in events if isinstance(event, MessageEvent))


def metadata(events):
    (found,) = [event for event in events if isinstance(event, MetadataEvent)]
    return found.data


def plain_agent(*script, tools=(look,), **model):
    return Agent(model=ScriptedModel(list(script), **model), tools=list(tools), callback_handler=None)


async def test_a_turn_is_its_text_its_tools_its_figures_and_one_end():
    answer = Reply("<thinking>Hm.</thinking>Let me look.", [ToolCall("look", {"query": "sky"}, "t1")], "secret")
    events = await events_of(plain_agent(answer, "Blue, 青 🌊.", chunk_size=3))
    assert said(events[:6]) == "Let me look."
    assert [event.type for event in events if event.type != "message"] == [
        "tool_use",
        "tool_result",
        "metadata",
        "done",
    ]
    call, result = (event for event in events if isinstance(event, ToolUseEvent | ToolResultEvent))
    assert call == ToolUseEvent("look", {"query": "sky"}, "t1")
    assert (result.tool_name, result.tool_use_id, result.status) == ("look", "t1", "success")
    assert said(events) == "Let me look.Blue, 青 🌊."
    data = metadata(events)
    assert data["modelCalls"] == 2
    assert data["stopReason"] == "end_turn"
    assert data["totalTokens"] == data["inputTokens"] + data["outputTokens"] > 0
    assert data["durationMs"] >= data["firstTextMs"] >= 0
    assert data["memory"] == {}


async def test_a_tool_call_written_as_text_becomes_a_tool_use():
    written = "I book.<tools><__function=book><__parameter=city>Lisboa</__parameter></__function></tools>"
    events = await events_of(plain_agent(written, chunk_size=5))
    assert said(events) == "I book."
    assert [event for event in events if isinstance(event, ToolUseEvent)] == [
        ToolUseEvent("book", {"city": "Lisboa"}, "text-1", "as_text")
    ]


async def test_thinking_left_open_in_one_text_does_not_hide_the_next():
    answers = [Reply("<thinking>never closed", [ToolCall("look", {"query": "x"})]), "Here."]
    assert said(await events_of(plain_agent(*answers, chunk_size=4))) == "Here."


class Cumulative(ScriptedModel):
    """A provider that repeats the text so far with each piece."""

    async def stream(self, *args, **kwargs):
        so_far = ""
        async for event in super().stream(*args, **kwargs):
            delta = event.get("contentBlockDelta", {}).get("delta", {})
            if "text" in delta:
                so_far += delta["text"]
                delta["text"] = so_far
            yield event


async def test_cumulative_text_is_sent_as_deltas():
    agent = Agent(model=Cumulative(["<thinking>a</thinking>ha ha ha"], chunk_size=2), callback_handler=None)
    assert said(await events_of(agent, text="cumulative")) == "ha ha ha"


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (ModelThrottledException("arn:aws:iam::123456789012:role/secret"), "The model is busy. Try again in a moment."),
        (RuntimeError("arn:aws:iam::123456789012:role/secret"), "The agent could not finish its answer."),
    ],
)
async def test_an_error_is_told_in_the_stream_without_its_text(failure, message):
    model = ScriptedModel([Reply("First.", [ToolCall("look", {"query": "x"})]), failure])
    once = ModelRetryStrategy(max_attempts=1)
    agent = Agent(model=model, tools=[look], retry_strategy=once, callback_handler=None)
    events = await events_of(agent)
    kinds = [event.type for event in events]
    assert kinds == ["message", "tool_use", "tool_result", "error", "metadata", "done"]
    assert events[3] == ErrorEvent(message, type(failure).__name__)
    assert "secret" not in json.dumps([event.to_dict() for event in events])
    assert metadata(events)["stopReason"] is None


async def test_an_agent_that_is_busy_answers_with_an_error():
    model = SlowModel(["A long answer."], chunk_size=1)
    agent = Agent(model=model, callback_handler=None)
    async with contextlib.aclosing(stream_turn(agent, "Hello?")) as first:
        await anext(first)
        events = await events_of(agent)
    assert [event.type for event in events] == ["error", "metadata", "done"]
    assert events[0].details == "ConcurrencyException"


async def test_a_guardrail_is_told():
    agent = Agent(model=Guarded(["I cannot say."]), callback_handler=None)
    events = await events_of(agent, f"The word is {SECRET}.")
    assert GuardrailEvent("INPUT", "GUARDRAIL_INTERVENED") in events


async def test_an_interrupt_is_told_and_can_be_answered():
    @tool(context=True)
    def pay(tool_context) -> str:
        """Pay."""
        return tool_context.interrupt("approval", reason={"amount": 3})

    agent = plain_agent(ToolCall("pay"), "Paid.", tools=[pay])
    data = metadata(await events_of(agent))
    assert data["stopReason"] == "interrupt"
    (waiting,) = data["interrupts"]
    assert (waiting["name"], waiting["reason"]) == ("approval", {"amount": 3})
    answer = [{"interruptResponse": {"interruptId": waiting["id"], "response": "yes"}}]
    assert said(await events_of(agent, answer)) == "Paid."


# ---- what memory did


async def test_records_shown_to_the_model_are_told():
    setup = Setup()
    setup.learn("Ann lives in Porto with two dogs.")
    agent = setup.agent(script=["In Porto."])
    (record,) = metadata(await events_of(agent, "Where do I live, in Porto?"))["memory"]["records"]
    assert record["namespace"] == "/users/ann/facts/"
    assert "Porto" in record["text"]
    assert record["record_id"]


async def test_compactions_and_recalls_are_told():
    session = Session()
    manager = session.manager(compaction=CompactionConfig(token_threshold=3_000, protected_turns=1))
    script = [ToolCall("look", {"query": "sea"}), "Blue.", ToolCall("look", {"query": "sky"}), "Blue, too."]
    script += [ToolCall("look", {"query": "ink"}), ToolCall("recall_session", {"query": "sea"}, "r1"), "As before."]
    agent = session.agent(manager, script)
    first = metadata(await events_of(agent, "The sea?"))["memory"]
    assert first == {
        "records": [],
        "compactions": [],
        "recalls": [],
        "saving": {"pending": 0, "dropped": 0, "error": None},
    }
    await events_of(agent, "The sky?")
    memory = metadata(await events_of(agent, "The ink, and what of the sea?"))["memory"]
    assert memory["compactions"]
    assert all(one["tokens_before"] > one["tokens_after"] > 0 for one in memory["compactions"])
    assert memory["recalls"] == [{"tool_use_id": "r1", "query": "sea"}]


async def test_a_compaction_before_a_call_that_fails_is_told():
    session = Session()
    manager = session.manager(compaction=CompactionConfig(token_threshold=1_500, protected_turns=1))
    script = [ToolCall("look", {"query": "sea"}), "Blue.", ToolCall("look", {"query": "sky"}), RuntimeError("no")]
    agent = session.agent(manager, script)
    await events_of(agent, "The sea?")
    before = metadata(await events_of(agent, "The sky?"))
    assert before["stopReason"] is None
    assert manager.last_compaction is not None
    assert before["memory"]["compactions"][-1]["tokens_after"] == manager.last_compaction.tokens_after


async def test_a_save_that_failed_is_told_by_its_kind():
    session = Session()
    agent = session.agent(script=["One.", "Two."])
    await events_of(agent)
    session.memory.faults.inject("throttle", "CreateEvent")
    saving = metadata(await events_of(agent))["memory"]["saving"]
    assert saving == {"pending": 2, "dropped": 0, "error": "ThrottledException"}


# ---- a reader that goes away


def held(*script, seconds=0.01, tools=(look,), **options):
    """A session, its agent, and its model, which takes its time."""
    session = Session()
    model = SlowModel(list(script), chunk_size=2, seconds=seconds)
    return session, session.agent(script=model, tools=list(tools), **options), model


def check_restored(session, *script):
    """Restore the session and use it: what the model gets is valid for the Converse API."""
    model = ScriptedModel([*script, "Good."])
    agent = session.agent(script=model)
    agent("Are you there?")
    request = model.requests[-1]
    validate_request(request.messages, system=request.system, tools=request.tools)
    return texts(agent.messages)


async def close(events, task):
    del task
    await events.aclose()


async def cancel_task(events, task):
    del events
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("leave", [close, cancel_task])
async def test_a_reader_that_goes_cancels_the_turn_and_the_session_stays_valid(leave):
    session, agent, model = held("A long, long answer. " * 20)
    events = stream_turn(agent, "Tell me a story.")
    seen = asyncio.Event()

    async def read():
        async for event in events:
            if isinstance(event, MessageEvent):
                seen.set()
                if leave is close:
                    return

    task = asyncio.create_task(read())
    await asyncio.wait_for(seen.wait(), 10)
    if leave is close:
        await task
    await leave(events, task)
    assert model.ended == [True]
    assert len(model.given) < 100
    model.add("Once more.")
    assert said(await events_of(agent, "Again?")) == "Once more."  # at once, with the same agent
    assert check_restored(session)[:2] == ["Tell me a story.", "Cancelled by user"]


async def test_leaving_the_loop_is_enough():
    session, agent, model = held("A long, long answer. " * 20)

    async def read():
        async for event in stream_turn(agent, "Tell me a story."):
            if isinstance(event, MessageEvent):
                break

    await read()
    gc.collect()
    for _ in range(200):
        if model.ended:
            break
        await asyncio.sleep(0.01)
    assert len(model.given) < 100
    check_restored(session)


async def test_a_server_that_cancels_again_and_again_does_not_keep_the_turn_from_its_end():
    session, agent, model = held("A long, long answer. " * 20)
    async with anyio.create_task_group() as group:
        async for event in stream_turn(agent, "Tell me a story."):
            if isinstance(event, MessageEvent):
                group.cancel_scope.cancel()
    assert model.ended == [True]
    assert check_restored(session)[0] == "Tell me a story."


async def test_a_reader_that_goes_while_a_tool_runs_leaves_no_call_without_a_result():
    running, go_on = threading.Event(), threading.Event()

    @tool
    def slow() -> str:
        """Take long."""
        running.set()
        go_on.wait(10)
        return "done"

    session, agent, _ = held(ToolCall("slow"), "Never said.", seconds=0, tools=[slow, look])
    async with contextlib.aclosing(stream_turn(agent, "Do it.")) as events:
        async for event in events:
            if isinstance(event, ToolUseEvent):
                break
        await asyncio.to_thread(running.wait, 10)
        asyncio.get_running_loop().call_later(0.05, go_on.set)
    assert check_restored(session)[0] == "Do it."


async def test_a_turn_that_does_not_stop_is_interrupted_and_the_session_stays_valid():
    begun = asyncio.Event()

    @tool
    async def endless() -> str:
        """Never return."""
        begun.set()
        await asyncio.sleep(3_600)
        return "never"

    session, agent, model = held(ToolCall("endless"), "Never said.", seconds=0, tools=[endless, look])
    events = stream_turn(agent, "Do it.", cancel_seconds=0.05)
    async for event in events:
        if isinstance(event, ToolUseEvent):
            break
    await begun.wait()
    await asyncio.wait_for(events.aclose(), 10)
    model._next = 0
    model._script = ["I am back."]
    assert said(await events_of(agent, "Are you there?")) == "I am back."
    assert check_restored(session)[0] == "Do it."


async def test_a_turn_cancelled_during_an_outage_is_saved_later():
    session, agent, _ = held("A long, long answer. " * 20)
    session.memory.faults.inject("server_error", "CreateEvent")
    async with contextlib.aclosing(stream_turn(agent, "Tell me a story.")) as events:
        async for event in events:
            if isinstance(event, MessageEvent):
                break
    session.memory.faults.clear()
    assert agent._session_manager.flush(agent)
    assert check_restored(session)[:2] == ["Tell me a story.", "Cancelled by user"]


async def test_the_end_is_told_even_when_something_else_cancels_the_turns_task():
    _, agent, _ = held("A long, long answer. " * 20)
    events = stream_turn(agent, "Tell me a story.")
    await anext(events)
    (task,) = [task for task in asyncio.all_tasks() if "_Turn.run" in repr(task)]
    task.cancel()
    rest = [event async for event in events]
    assert [event.type for event in rest[-3:]] == ["error", "metadata", "done"]
    assert rest[-3].details == "CancelledError"
    assert rest[-1] == DoneEvent()
