"""Histories whose turns do not end as they should: interrupts, crashes, cancellations, limits of the answer."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from strands import tool
from strands.hooks import (
    AfterToolsEvent,
    BeforeInvocationEvent,
    BeforeModelCallEvent,
    BeforeToolCallEvent,
    BeforeToolsEvent,
)
from strands.interrupt import Interrupt, InterruptException
from strands.types.exceptions import EventLoopException, MaxTokensReachedException

from agentmem.local import LocalMemory
from agentmem.testing import Reply, ScriptedModel, ToolCall
from converse import validate_request
from growth import Growth
from sessions import Session


@pytest.fixture
def growth():
    return Growth()


def _looking(*queries):
    return Reply(tool_calls=[ToolCall("look", {"query": query}) for query in queries])


def _fill(growth, turns, first=0):
    """Some whole turns, so that there is something to compact."""
    for number in range(first, first + turns):
        growth.script(_looking(f"item {number}"), "It is blue.")
        growth.agent(f"What about item {number}?")


def _approve(event: BeforeToolCallEvent) -> None:
    if "careful" in str(event.tool_use["input"]) and event.interrupt("approval", reason="May I?") != "yes":
        event.cancel_tool = "not approved"


def _answers(result, response="yes"):
    return [{"interruptResponse": {"interruptId": one.id, "response": response}} for one in result.interrupts]


@pytest.mark.parametrize("restart", [False, True])
def test_interrupts_are_resumed(growth, restart):
    agent = growth.open(hooks=[_approve])
    for number in range(6):
        growth.script(_looking(f"item {number}", f"careful {number}"))
        result = agent(f"Look at {number}, please.")
        assert result.stop_reason == "interrupt"
        assert "toolUse" in agent.messages[-1]["content"][0]
        if restart:
            agent = growth.open(hooks=[_approve])
        growth.script(_looking(f"more of {number}"), "All blue.")
        result = agent(_answers(result, "yes" if number % 2 else "no"))
        assert result.stop_reason == "end_turn"
    assert growth.manager.checkpoint.folded_messages > 0
    growth.check()


def test_nothing_is_compacted_past_a_pending_tool_execution(growth):
    agent = growth.open(hooks=[_approve])
    _fill(growth, 2)
    growth.script(_looking("item x"), _looking("careful"))
    result = agent("Look, please.")
    pending = agent.messages[-1]
    assert growth.manager.compact(agent) is not None
    assert agent.messages[-1]["content"] == pending["content"]
    agent = growth.open(["Blue."], hooks=[_approve])
    agent(_answers(result))
    growth.check()


def test_an_interrupt_before_the_model_is_resumed(growth):
    def ask(event: BeforeModelCallEvent) -> None:
        asked = event.agent._interrupt_state.interrupts.get("leave")
        if "permission" in str(event.agent.messages[-1]) and (asked is None or asked.response is None):
            raise InterruptException(Interrupt("leave", "May I?"))

    agent = growth.open(hooks=[ask])
    _fill(growth, 3)
    result = agent("I need permission. " + "It is about many items. " * 100)
    assert result.stop_reason == "interrupt"
    agent = growth.open(["Here you are."], hooks=[ask])
    assert agent(_answers(result)).stop_reason == "end_turn"
    growth.check()


OTHER_PROCESS = """
    import sys
    from growth import Growth
    from sessions import Session
    from agentmem.local import LocalMemory
    from test_growth_interrupted import _approve, _fill, _looking

    growth = Growth(Session(memory=LocalMemory(path=sys.argv[1]), memory_id=sys.argv[2]))
    agent = growth.open(hooks=[_approve])
    _fill(growth, 5)
    growth.script(_looking("item x", "careful"))
    result = agent("Look carefully, please.")
    assert growth.manager.checkpoint is not None
    print(result.interrupts[0].id)
"""


def test_an_interrupt_is_resumed_in_another_process(tmp_path):
    memory = LocalMemory(path=tmp_path / "memory.db")
    growth = Growth(Session(memory=memory))
    here = Path(__file__).parent
    paths = [str(here), str(here.parent), *sys.path]
    other = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(OTHER_PROCESS), str(tmp_path / "memory.db"), growth.session.memory_id],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(paths), "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"},
    )
    assert other.returncode == 0, other.stderr
    for message in growth.logged():
        growth.said[message["tracking_id"]] = message
    agent = growth.open(["Blue, both."], hooks=[_approve])
    assert growth.manager.checkpoint.folded_messages > 0
    interrupt = {"interruptResponse": {"interruptId": other.stdout.strip(), "response": "yes"}}
    assert agent([interrupt]).stop_reason == "end_turn"
    results = [block["toolResult"] for block in agent.messages[-2]["content"]]
    assert [result["status"] for result in results] == ["success", "success"]
    assert len(growth.logged()) == 24
    growth.check()


class CrashError(BaseException):
    """The process ends here; nothing catches it."""


@pytest.mark.parametrize("ends_in", ["toolUse", "toolResult"])
def test_a_session_that_ends_in_the_middle_of_a_turn_goes_on(growth, ends_in):
    """The process is killed in the middle of a turn: what was written as it went is there, and the turn goes on."""
    from agentmem.settings.sections import WriteConfig

    growth = Growth(writes=WriteConfig(flush="message"))
    agent = growth.open()
    _fill(growth, 4)

    def crash(event):
        raise CrashError

    agent.hooks.add_callback(BeforeToolsEvent if ends_in == "toolUse" else AfterToolsEvent, crash)
    growth.script(_looking("item a", "item b"))
    with pytest.raises(CrashError):
        agent("Look at both.")
    if ends_in == "toolResult":
        # The results were never added: as after a crash between the tools and the writing of their results.
        assert "toolUse" in growth.logged()[-1]["content"][0]
    agent = growth.open(["I could not see them."])
    assert "toolUse" in agent.messages[-1]["content"][0]
    agent("And now?")
    validate_request(agent.model.requests[-1].messages)
    _fill(growth, 4, first=10)
    assert growth.folded
    growth.check()


def test_a_session_that_ends_in_a_tool_use_can_go_on_by_itself(growth):
    agent = growth.open(hooks=[_approve])
    growth.script(_looking("item a"))

    def stop(event: BeforeToolsEvent) -> None:
        raise CrashError

    agent.hooks.add_callback(BeforeToolsEvent, stop)
    with pytest.raises(CrashError):
        agent("Look.")
    agent = growth.open(["It is blue."])
    agent()
    assert "toolResult" in agent.messages[-2]["content"][0]
    assert "blue" in str(agent.messages[-2]["content"])
    growth.check()


def test_cancelled_in_the_middle_of_an_answer(growth):
    agent = growth.open()
    for number in range(8):
        growth.script(_looking(f"item {number}"), "A long answer. " * 60)
        agent.model._chunk_size = 20

        def stop(**event):
            if event.get("data", "").startswith("A long"):
                agent.cancel()

        agent.callback_handler = stop
        result = agent(f"What about {number}?")
        assert result.stop_reason == "cancelled"
    growth.script("Fine.")
    agent("Thanks.")
    assert growth.folded
    growth.check()


@pytest.mark.parametrize("message", [None, "Stopped by the user."])
def test_cancelled_by_a_tool(growth, message):
    @tool
    def stop(agent=None) -> str:
        """Stop."""
        agent.cancel(after_current_tools=True, message=message)
        return "Stopped. " * 200

    agent = growth.open(tools=[stop])
    for number in range(8):
        growth.script(Reply(tool_calls=[ToolCall("stop")]))
        assert agent(f"Stop, {number}.").stop_reason == "cancelled"
    growth.script("All stopped.")
    agent("Is all stopped?")
    assert growth.folded
    growth.check()


def test_cancelled_before_the_tools_run(growth):
    agent = growth.open()
    for number in range(8):
        asked = _looking(f"item {number} " + "of many " * 100)

        def answer(_request, asked=asked):
            agent.cancel()
            return asked

        growth.script(answer)
        assert agent(f"What about {number}? " + "Please. " * 50).stop_reason == "cancelled"
    growth.script("Fine.")
    agent("Thanks.")
    growth.check()


def test_cancelled_from_another_thread_and_by_a_signal(growth):
    agent = growth.open()
    _fill(growth, 5)
    signal = threading.Event()
    signal.set()
    growth.script("never said in full")
    assert agent("What now?", cancel_signal=signal).stop_reason == "cancelled"
    growth.script("I am back.")
    assert agent("And now?").stop_reason == "end_turn"
    growth.check()


def test_an_invocation_a_hook_denies(growth):
    denied = []

    def deny(event: BeforeInvocationEvent) -> None:
        if denied:
            event.cancel = "Not at night."

    agent = growth.open(hooks=[deny])
    _fill(growth, 3)
    denied.append(True)
    agent("Are you there?")
    denied.clear()
    _fill(growth, 5, first=10)
    assert growth.folded
    growth.check()


def test_an_invocation_that_fails_before_it_begins_leaves_direct_calls_as_they_are(growth):
    def fail(event: BeforeInvocationEvent) -> None:
        raise RuntimeError("no")

    agent = growth.open()
    agent.hooks.add_callback(BeforeInvocationEvent, fail)
    with pytest.raises(RuntimeError, match="no"):
        agent("hello")
    agent.tool.look(query="directly")
    assert len(growth.logged()) == 4
    growth.check()


def test_an_answer_that_reached_its_limit(growth):
    agent = growth.open()
    for number in range(8):
        growth.script(Reply("It is " * 300, [ToolCall("look", {"query": str(number)})], stop_reason="max_tokens"))
        with pytest.raises(MaxTokensReachedException):
            agent(f"What about {number}?")
    growth.script("Sorry.")
    agent("Go on.")
    assert growth.folded
    growth.check()


def test_a_model_that_fails(growth):
    agent = growth.open()
    for number in range(8):
        growth.script(_looking(f"item {number}"), RuntimeError("the model is gone"))
        with pytest.raises(EventLoopException, match="the model is gone"):
            agent(f"What about {number}?")
    growth.script("I am back.")
    agent("Are you there?")
    assert growth.folded
    growth.check()


def test_a_task_that_is_cancelled_from_outside(growth):
    """The event loop cancels the task an agent runs in, as a web server does when its client goes away."""
    agent = growth.open()
    _fill(growth, 5)

    running = asyncio.Event()

    @tool
    async def wait() -> str:
        """Wait."""
        running.set()
        await asyncio.sleep(30)
        return "waited"

    agent.tool_registry.register_tool(wait)

    async def run():
        growth.script(Reply(tool_calls=[ToolCall("wait")]))
        task = asyncio.create_task(agent.invoke_async("Wait for it."))
        await running.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    _fill(growth, 1, first=7)
    growth.check()


def test_an_agent_that_checkpoints_its_steps(growth):
    """Strands' own checkpoints stop the loop before and after each tool; our session is all that outlives it."""
    agent = growth.open(checkpointing=True)
    for number in range(4):
        growth.script(_looking(f"item {number}"), _looking(f"item {number}b"), "It is blue.")
        result = agent(f"What about {number}?")
        steps = 0
        while result.stop_reason == "checkpoint":
            steps += 1
            agent = growth.open(_left(growth), checkpointing=True)
            result = agent({"checkpointResume": {"checkpoint": result.checkpoint.to_dict()}})
        assert steps == 4
    assert growth.folded
    growth.check()


def _left(growth):
    model = growth.agent.model
    return ScriptedModel(model._script[model._next :])
