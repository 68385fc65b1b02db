"""Scripted turns of real agents whose tools throttle, hang and fail."""

import asyncio
import threading
import time

import pytest
from botocore.exceptions import ClientError
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from strands import Agent, tool

from agentmem import ConfigurationError, ResilientTools, ToolPolicy
from agentmem.testing import Reply, ScriptedModel, ToolCall

QUICK = ToolPolicy(timeout=0.2, backoff=0.01, failures=3, reset=30)


@pytest.fixture
def spans():
    """Spans that end during the test: attributes of each ``agentmem.tool``, in order."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return lambda: [
        {key.removeprefix("agentmem."): value for key, value in span.attributes.items()}
        for span in exporter.get_finished_spans()
        if span.name == "agentmem.tool"
    ]


def throttled():
    return ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "Search")


def asked(agent, *prompts):
    for prompt in prompts or ("Go.",):
        agent(prompt)
    return [block["toolResult"] for message in agent.messages for block in message["content"] if "toolResult" in block]


def made(tools, *calls, hook=None, turns=1):
    """An agent whose model calls these tools in one step, then ends the turn, so many times."""
    script = [
        step for _ in range(turns) for step in (Reply(tool_calls=[ToolCall(*call) for call in calls]), Reply("Done."))
    ]
    return Agent(model=ScriptedModel(script), tools=tools, hooks=[hook or ResilientTools(QUICK)], callback_handler=None)


def test_a_tool_that_throttles_twice_succeeds_in_the_turn(spans):
    calls = []

    @tool
    def search(query: str) -> str:
        """Search."""
        calls.append(query)
        if len(calls) < 3:
            raise throttled()
        return f"found {query}"

    [result] = asked(made([search], ("search", {"query": "boats"})))
    assert (result["status"], result["content"]) == ("success", [{"text": "found boats"}])
    assert calls == ["boats"] * 3
    assert spans() == [{"tool": "search", "step": 1, "attempt": number} for number in (1, 2, 3)]


@pytest.mark.parametrize("asynchronous", [True, False], ids=["async", "blocking"])
def test_a_tool_that_hangs_is_ended_at_its_limit_and_the_model_is_told(spans, asynchronous):
    hung = threading.Event()

    @tool
    async def waits() -> str:
        """Wait."""
        await asyncio.Event().wait()

    @tool(name="waits")
    def blocks() -> str:
        """Wait."""
        hung.wait(30)

    began = time.monotonic()
    agent = made([waits if asynchronous else blocks], ("waits", {}))
    [result] = asked(agent)
    assert time.monotonic() - began < 20
    hung.set()
    [block] = result["content"]
    assert result["status"] == "error"
    assert (block["json"]["error"], block["json"]["attempts"]) == ("Timeout", 1)
    assert "0.2 s" in block["json"]["message"]
    assert agent.messages[-1]["content"] == [{"text": "Done."}]  # the turn went on
    assert [span["attempt"] for span in spans()] == [1]


def test_an_open_circuit_answers_at_once(spans):
    calls = []

    @tool
    def pay() -> str:
        """Pay."""
        calls.append(1)
        raise ConnectionError("refused")

    results = asked(made([pay], ("pay", {}), turns=3), "Go.", "Again.", "And again.")
    assert [one["content"][0]["json"]["error"] for one in results] == ["ConnectionError", "CircuitOpen", "CircuitOpen"]
    assert results[0]["content"][0]["json"]["attempts"] == 3
    assert results[1]["content"][0]["json"]["attempts"] == 0
    assert len(calls) == 3  # then nothing reached it
    assert len(spans()) == 3


def test_wrong_input_is_not_tried_again_and_opens_no_circuit():
    calls = []

    @tool
    def divide(by: int) -> str:
        """Divide."""
        calls.append(by)
        if not by:
            raise ValueError("by zero")
        return "1"

    wrong = ("divide", {"by": 0})
    agent = made([divide], wrong, wrong, wrong, wrong, ("divide", {"by": 1}))
    *refused, last = asked(agent)
    assert {one["content"][0]["json"]["error"] for one in refused} == {"ValueError"}
    assert all("input" in one["content"][0]["json"]["advice"] for one in refused)
    assert last["status"] == "success"
    assert sorted(calls) == [0, 0, 0, 0, 1]


def test_classes_to_try_again_and_policies_of_single_tools_can_be_given():
    calls = []

    @tool
    def fetch() -> str:
        """Fetch."""
        calls.append(1)
        raise RuntimeError("busy")

    for hook, times in (
        (ResilientTools(QUICK), 1),
        (ResilientTools(QUICK, tools={"fetch": QUICK.replace(retry_on=(RuntimeError,), attempts=2)}), 2),
        (ResilientTools(QUICK.replace(retry_on=(RuntimeError,)), exclude=("fetch",)), 1),
    ):
        calls.clear()
        [result] = asked(made([fetch], ("fetch", {}), hook=hook))
        assert (len(calls), result["status"]) == (times, "error")
    assert "text" in result["content"][0]  # an excluded tool fails as it does without
    with pytest.raises(ConfigurationError, match="'fetch' is in both"):
        ResilientTools(tools={"fetch": QUICK}, exclude=("fetch",))


def test_steps_count_the_calls_of_an_invocation(spans):
    @tool
    def look(at: str) -> str:
        """Look."""
        return at

    agent = made([look], ("look", {"at": "a"}), ("look", {"at": "b"}), turns=2)
    asked(agent, "Go.", "Again.")
    assert sorted(span["step"] for span in spans()) == [1, 1, 2, 2]


def test_an_error_that_a_tool_words_itself_is_passed_on():
    @tool
    def read() -> dict:
        """Read."""
        return {"status": "error", "content": [{"text": "There is no such page."}]}

    [result] = asked(made([read], ("read", {})))
    assert (result["status"], result["content"]) == ("error", [{"text": "There is no such page."}])
