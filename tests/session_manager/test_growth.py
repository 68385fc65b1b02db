"""The ways in which a history grows, one by one: valid requests within the budget, a log without loss, recall."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import BaseModel
from strands import tool
from strands.hooks import AfterInvocationEvent  # noqa: TC002 - Strands reads the annotation

from agentmem.compaction.summary.extractive import ExtractiveSummarizer
from agentmem.testing import Reply, ScriptedModel, ToolCall
from growth import Growth


@pytest.fixture
def growth():
    return Growth()


def _looking(number, then="It is blue."):
    return [Reply(tool_calls=[ToolCall("look", {"query": f"item {number}"})]), then]


def _long(number):
    return f"Item {number} has the code K-{number:03d}. " + f"It is one of many, number {number}. " * 40


def test_plain_turns(growth):
    agent = growth.open([f"Noted. {_long(number)}" for number in range(14)])
    for number in range(14):
        agent(_long(number))
    assert growth.folded
    growth.check()


def test_sixty_tool_calls_in_one_turn(growth):
    calls = [Reply(tool_calls=[ToolCall("look", {"query": f"item {number}"})]) for number in range(60)]
    agent = growth.open([*calls, "All of them are blue."])
    agent("Look at the items. The budget is 500 EUR.")
    assert growth.folded
    assert len(growth.requests) == 61
    assert all("budget is 500 EUR" in str(request.messages[0]) for request in growth.requests)
    growth.check()


def test_parallel_tool_calls(growth):
    script = []
    for number in range(8):
        # Two results of 1,300 tokens: three would fill the threshold, and the last cycle always stays.
        calls = [ToolCall("look", {"query": f"item {number}-{part}"}) for part in range(2)]
        script += [Reply("Looking.", tool_calls=calls), "All blue."]
    agent = growth.open(script)
    for number in range(8):
        agent(f"What about items {number}-0 and {number}-1?")
    assert growth.folded
    growth.check()


def test_a_failing_tool_and_one_that_is_not_there(growth):
    @tool
    def broken(query: str) -> str:
        """Fail.

        Args:
            query: Anything.
        """
        raise RuntimeError(f"{query}: " + "the reason is long. " * 100)

    script = []
    for number in range(8):
        calls = [ToolCall("broken", {"query": f"q{number}"}), ToolCall("missing", {"query": "x" * 400})]
        script += [Reply(tool_calls=calls), "That did not work."]
    agent = growth.open(script, tools=[broken])
    for number in range(8):
        agent(f"Try {number}.")
    assert growth.folded
    growth.check()


def test_direct_tool_calls_outside_an_invocation(growth):
    agent = growth.open()
    for number in range(8):
        agent.tool.look(query=f"directly {number}", user_message_override=f"The job {number} wants this.")
        assert len(growth.logged()) == 4 * (number + 1)
    growth.script("They are blue.", "Still blue.")
    agent("What about them?")
    agent.tool.look(query="once more")
    agent("And now?")
    assert growth.folded
    growth.check()


def test_a_direct_tool_call_that_is_not_recorded_is_no_part_of_the_history(growth):
    agent = growth.open(["hello"])
    agent.tool.look(query="quietly", record_direct_tool_call=False)
    agent("hi")
    assert len(growth.logged()) == 2
    growth.check()


class Booking(BaseModel):
    """A booking."""

    code: str
    note: str


def test_structured_output_that_the_model_gives_of_itself(growth):
    agent = growth.open()
    for number in range(8):
        book = Reply(tool_calls=[ToolCall("Booking", {"code": f"K-{number}", "note": "n " * 300})])
        growth.script(_looking(number)[0], book)
        result = agent(f"Book item {number}.", structured_output_model=Booking)
        assert result.structured_output.code == f"K-{number}"
        assert "toolResult" in agent.messages[-1]["content"][0]
    assert growth.folded
    growth.check()


def test_structured_output_that_has_to_be_asked_for(growth):
    agent = growth.open()
    for number in range(8):
        book = Reply(tool_calls=[ToolCall("Booking", {"code": f"K-{number}", "note": "n " * 300})])
        growth.script(f"I have booked it. {_long(number)}", book)
        assert agent(f"Book item {number}.", structured_output_model=Booking).structured_output.code == f"K-{number}"
    assert growth.folded
    growth.check()


def test_an_agent_that_a_hook_lets_go_on(growth):
    left = [3]

    def again(event: AfterInvocationEvent) -> None:
        if left[0]:
            left[0] -= 1
            event.resume = f"Go on, {left[0]} more. {_long(left[0])}"

    script = [answer for number in range(12) for answer in _looking(number)]
    agent = growth.open(script, hooks=[again])
    for number in range(3):
        left[0] = 3
        agent(f"Look at item {number}.")
    assert len(growth.requests) == 24
    assert growth.folded
    growth.check()


def test_an_agent_stopped_by_its_limits(growth):
    agent = growth.open()
    for number in range(8):
        growth.script(_looking(number)[0], _looking(number)[0])
        result = agent(f"Look at item {number}. {_long(number)}", limits={"turns": 2})
        assert result.stop_reason == "limit_turns"
        assert "toolResult" in agent.messages[-1]["content"][0]
    growth.script("Done.")
    agent("Thank you.")
    assert growth.folded
    growth.check()


def test_a_prompt_of_several_messages_and_one_of_none(growth):
    agent = growth.open()
    for number in range(8):
        growth.script("It is blue.", "I am sure.")
        agent(
            [
                {"role": "user", "content": [{"text": f"First, {number}. {_long(number)}"}]},
                {"role": "assistant", "content": [{"text": "And?"}]},
                {"role": "user", "content": [{"text": f"Second, {number}."}, {"text": _long(number)}]},
            ]
        )
        agent.messages.append({"role": "user", "content": [{"text": f"By hand, {number}."}]})
        agent(None)
        put = agent.messages[-2]
        growth.said[put["tracking_id"]] = {key: put[key] for key in ("role", "content", "tracking_id")}
        growth.said[agent.messages[-1]["tracking_id"]] = growth.said.pop(agent.messages[-1]["tracking_id"])
    assert growth.folded
    growth.check()


def test_messages_an_agent_is_constructed_with_begin_the_session(growth):
    given = [
        {"role": "user" if number % 2 == 0 else "assistant", "content": [{"text": _long(number)}]}
        for number in range(20)
    ]
    agent = growth.open([f"Noted, {number}." for number in range(4)], messages=given)
    for message in given:
        growth.said[message["tracking_id"]] = {**message, "content": list(message["content"])}
    for number in range(4):
        agent(_long(100 + number))
    assert growth.folded
    growth.check()


def test_messages_an_agent_is_constructed_with_give_way_to_what_is_stored(growth):
    growth.open(["hello"])("hi")
    agent = growth.open(["again"], messages=[{"role": "user", "content": [{"text": "not of this session"}]}])
    agent("hi again")
    assert "not of this session" not in str(agent.messages)
    growth.check()


def test_asynchronous_agents(growth):
    async def talk():
        agent = growth.open([answer for number in range(10) for answer in _looking(number)])
        for number in range(5):
            await agent.invoke_async(f"What about {number}?")
        for number in range(5, 10):
            async for _ in agent.stream_async(f"What about {number}?"):
                pass

    asyncio.run(talk())
    assert growth.folded
    growth.check()


def test_a_stream_that_nobody_reads_to_its_end(growth):
    """The reader of a stream goes away in the middle: what was said until then is in the log."""

    async def talk():
        for number in range(8):
            growth.script(*_looking(number))
            events = growth.agent.stream_async(f"What about {number}? {_long(number)}")
            async for event in events:
                if event.get("message", {}).get("content", [{}])[0].get("toolResult"):
                    break
            await events.aclose()

    growth.open()
    asyncio.run(talk())
    growth.agent.model = ScriptedModel(["All is well."])
    growth.models.append(growth.agent.model)
    growth.agent("Are you there?")
    assert growth.folded
    growth.check()


def test_agents_that_are_opened_anew_for_every_turn(growth):
    for number in range(12):
        growth.open(_looking(number))(f"What about {number}?")
    assert growth.folded
    growth.check()


@pytest.mark.parametrize("flush", ["message", "background"])
def test_writing_otherwise_changes_nothing(flush):
    from agentmem.settings.sections import WriteConfig

    growth = Growth(writes=WriteConfig(flush=flush))
    agent = growth.open([answer for number in range(8) for answer in _looking(number)])
    for number in range(8):
        agent(f"What about {number}?")
    growth.manager.close()
    assert growth.manager.last_compaction is not None
    growth.check(restart=flush == "message")


def test_a_turn_that_is_written_as_it_goes():
    from agentmem.settings.sections import WriteConfig

    growth = Growth(writes=WriteConfig(flush_interval_seconds=1e-6))
    calls = [Reply(tool_calls=[ToolCall("look", {"query": f"item {number}"})]) for number in range(20)]
    agent = growth.open([*calls, "done"])
    agent("Look at the items.")
    assert growth.session.calls["CreateEvent"] > 20
    assert growth.folded
    growth.check()


def test_messages_put_behind_the_last_answer_are_written_with_their_turn(growth):
    def remark(event: AfterInvocationEvent) -> None:
        event.agent.messages.append({"role": "user", "content": [{"text": "A remark."}]})

    growth.open(["hello"], hooks=[remark])("hi")
    assert [message["content"][0]["text"] for message in growth.logged()] == ["hi", "hello", "A remark."]
    growth.agent.messages.append({"role": "assistant", "content": [{"text": "Another one."}]})
    growth.manager.compact(growth.agent)
    assert growth.logged()[-1]["content"] == [{"text": "Another one."}]
    growth.check_requests()
    growth.check_restart()


def test_a_history_somebody_empties_goes_on_and_its_past_is_recalled_by_words(growth):
    agent = growth.open([answer for number in range(12) for answer in _looking(number)])
    for number in range(3):
        agent(f"What about {number}? My code is K-{number}.")
    agent.messages.clear()
    for number in range(3, 12):
        agent(f"What about {number}? My code is K-{number}.")
    assert growth.folded
    growth.check_requests()
    growth.check_log()
    for number in (0, 2, 5, 11):
        found = growth.manager.recall.by_words(f"Which code did I say with {number}: K-{number}?")
        assert f"What about {number}? My code is K-{number}." in [one.text for one in found]


def test_two_invocations_at_once(growth):
    """Strands allows it when asked to, at the risk of the one who asks: its requests may end in an answer."""
    replies = [Reply(tool_calls=[ToolCall("look", {"query": f"item {number}"})]) for number in range(12)]
    agent = growth.open([*replies, "It is blue.", "So it is."], concurrent_invocation_mode="unsafe_reentrant")

    async def both():
        await asyncio.gather(agent.invoke_async("Look at some items."), agent.invoke_async("Look at the others."))

    asyncio.run(both())
    names = [message["tracking_id"] for message in growth.logged()]
    assert sorted(names) == sorted(growth.said)
    growth.check_recall()


def test_what_is_added_while_a_compaction_goes_on_stays():
    """A compaction runs beside the event loop, where a second invocation or a direct tool call may go on."""

    class Meanwhile(ExtractiveSummarizer):
        def summarize(self, previous, folded, **options):
            growth.agent.messages.append({"role": "user", "content": [{"text": f"late {len(late)}"}]})
            late.append(growth.agent.messages[-1])
            return super().summarize(previous, folded, **options)

    late = []
    growth = Growth(summarizer=Meanwhile())
    agent = growth.open([answer for number in range(8) for answer in _looking(number)])
    for number in range(8):
        agent(f"What about {number}?")
    texts = [message["content"][0]["text"] for message in growth.logged() if "text" in message["content"][0]]
    assert late
    assert [text for text in texts if text.startswith("late")] == [f"late {number}" for number in range(len(late))]
    growth.check_requests()
