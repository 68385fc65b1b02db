"""ScriptedModel: what it answers, what it reports, what it keeps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel
from strands import Agent, tool
from strands.agent.conversation_manager import NullConversationManager
from strands.event_loop._retry import ModelRetryStrategy
from strands.types.exceptions import ContextWindowOverflowException, ModelThrottledException

from agentmem.messages.tokens import count_request
from agentmem.testing import Overflow, Reply, ScriptedModel, ScriptExhaustedError, Throttle, ToolCall


@tool
def weather(city: str) -> str:
    """Tell the weather.

    Args:
        city: Where.
    """
    return f"Rain in {city}."


def agent_with(model: ScriptedModel, **kwargs: Any) -> Agent:
    return Agent(model=model, callback_handler=None, conversation_manager=NullConversationManager(), **kwargs)


def test_replies_come_in_order_and_tools_are_called() -> None:
    model = ScriptedModel([ToolCall("weather", {"city": "Oslo"}), "Take an umbrella."])
    result = agent_with(model, tools=[weather])("Do I need an umbrella?")
    assert str(result).strip() == "Take an umbrella."
    assert list(model.requests[1].tool_results().values()) == ["Rain in Oslo."]
    assert model.remaining == 0


def test_requests_are_copies_that_later_turns_do_not_change() -> None:
    model = ScriptedModel(["One.", "Two."])
    agent = agent_with(model, system_prompt="Be brief.", tools=[weather])
    agent("First")
    agent.messages[0]["content"][0]["text"] = "changed"
    agent("Second")
    assert model.requests[0].texts() == ["First"]
    assert model.requests[1].texts("user") == ["changed", "Second"]
    assert model.requests[0].system == "Be brief."
    assert [spec["name"] for spec in model.requests[0].tools] == ["weather"]


def test_a_request_made_without_an_agent_is_copied_too() -> None:
    async def call(model: ScriptedModel, messages: Any) -> None:
        async for _ in model.stream(messages):
            pass

    model = ScriptedModel(["One."])
    messages: Any = [{"role": "user", "content": [{"text": "First"}]}]
    asyncio.run(call(model, messages))
    messages[0]["content"][0]["text"] = "changed"
    assert model.requests[0].texts() == ["First"]


def test_usage_is_the_counted_request_unless_the_script_says_otherwise() -> None:
    model = ScriptedModel(["Counted.", Reply("Told.", input_tokens=12_345, usage={"cacheReadInputTokens": 7})])
    agent = agent_with(model, system_prompt="Be brief.")
    agent("First")
    agent("Second")
    request = model.requests[0]
    counted = agent.messages[1]["metadata"]["usage"]
    told = agent.messages[3]["metadata"]["usage"]
    assert counted["inputTokens"] == count_request(request.messages, request.system, request.tools) == request.tokens
    assert counted["totalTokens"] == counted["inputTokens"] + counted["outputTokens"]
    assert (told["inputTokens"], told["cacheReadInputTokens"]) == (12_345, 7)


def test_an_overflow_is_raised_once_and_the_script_goes_on() -> None:
    model = ScriptedModel([Overflow(), "Fits now."])
    agent = agent_with(model)
    with pytest.raises(ContextWindowOverflowException):
        agent("Too long")
    assert str(agent("Again")).strip() == "Fits now."
    assert len(model.requests) == 2


def test_a_throttled_call_is_retried_by_strands() -> None:
    model = ScriptedModel([Throttle(), Throttle(), "At last."])
    agent = agent_with(model, retry_strategy=ModelRetryStrategy(initial_delay=0, max_attempts=3))
    assert str(agent("Hello")).strip() == "At last."
    assert len(model.requests) == 3


def test_a_throttle_without_retries_reaches_the_caller() -> None:
    agent = agent_with(ScriptedModel([Throttle("slow down")]), retry_strategy=None)
    with pytest.raises(ModelThrottledException, match="slow down"):
        agent("Hello")


def test_a_request_over_the_limit_overflows_without_using_the_script() -> None:
    model = ScriptedModel(["Short."], overflow_at=50)
    agent = agent_with(model)
    with pytest.raises(ContextWindowOverflowException, match="limit 50"):
        agent("word " * 100)
    assert model.remaining == 1


def test_a_function_answers_from_the_request() -> None:
    model = ScriptedModel(default=lambda request: f"You said: {request.texts('user')[-1]}")
    agent = agent_with(model)
    assert str(agent("one")).strip() == "You said: one"
    assert str(agent("two")).strip() == "You said: two"


def test_an_exhausted_script_is_an_error_that_says_so() -> None:
    agent = agent_with(ScriptedModel(["Only one."]))
    agent("one")
    with pytest.raises(ScriptExhaustedError, match="script has 1 answer"):
        agent("two")


def test_tool_use_ids_stay_unique_when_a_new_model_continues_a_conversation() -> None:
    first = agent_with(ScriptedModel([ToolCall("weather", {"city": "Oslo"}), "Wet."]), tools=[weather])
    first("Weather?")
    model = ScriptedModel([ToolCall("weather", {"city": "Rome"}), "Wet too."])
    agent_with(model, tools=[weather], messages=first.messages)("And Rome?")
    assert sorted(model.requests[-1].tool_results().values()) == ["Rain in Oslo.", "Rain in Rome."]


def test_text_is_streamed_in_pieces_of_the_asked_size() -> None:
    async def pieces() -> list[str]:
        agent = agent_with(ScriptedModel([Reply("<thinking>no</thinking>yes", reasoning="hm")], chunk_size=4))
        return [event["data"] async for event in agent.stream_async("Go") if "data" in event]

    assert asyncio.run(pieces()) == ["<thi", "nkin", "g>no", "</th", "inki", "ng>y", "es"]


def test_structured_output_is_filled_from_the_scripted_call() -> None:
    class City(BaseModel):
        name: str

    agent = agent_with(ScriptedModel([ToolCall("City", {"name": "Oslo"})]))
    result = agent("Which city?", structured_output_model=City)
    assert result.structured_output == City(name="Oslo")
