"""Agents as tools: a sub-agent's conversation is kept under the parent's tool call and is no part of the parent's."""

from __future__ import annotations

import pytest
from strands import Agent, tool
from strands.hooks import BeforeToolCallEvent

from agentmem import CompactionConfig, MemoryConfig
from agentmem.errors import ConfigurationError
from agentmem.testing import Reply, ScriptedModel, ToolCall


def texts(agent):
    return [block["text"] for message in agent.messages for block in message["content"] if "text" in block]


def bound(tmp_path):
    return MemoryConfig.local(path=tmp_path / "memory", namespaces=()).bind("ann", "s-1")


def call(text, call_id):
    return Reply(tool_calls=[ToolCall("researcher", {"input": text}, id=call_id)])


def pair(memory, script, sub_script, *, keeps=False, tools=(), compaction=None):
    sub = Agent(
        model=ScriptedModel(sub_script),
        name="researcher",
        tools=list(tools),
        callback_handler=None,
        hooks=[memory.sub_agent("researcher", compaction=compaction).hook()],
    )
    parent = Agent(
        model=ScriptedModel(script),
        tools=[sub.as_tool(preserve_context=keeps)],
        callback_handler=None,
        session_manager=memory.session_manager(),
    )
    return parent, sub


def test_each_call_is_a_conversation_of_its_own(tmp_path):
    memory = bound(tmp_path)
    parent, _ = pair(memory, [call("find a", "t1"), "ok", call("find b", "t2"), "fine"], ["found a", "found b"])
    parent("first")
    parent("second")
    assert [one.text for one in memory.recall("find", agent_id="tool:researcher/t1")] == ["find a", "found a"] or {
        one.text for one in memory.recall("find found", agent_id="tool:researcher/t1")
    } == {"find a", "found a"}
    assert all("b" in one.text for one in memory.recall("find found", agent_id="tool:researcher/t2"))
    again, _ = pair(memory, [], [])
    assert texts(again) == ["first", "ok", "second", "fine"]


def test_an_agent_that_keeps_its_context_goes_on_in_another_process(tmp_path):
    parent, _ = pair(bound(tmp_path), [call("find a", "t1"), "ok"], ["found a"], keeps=True)
    parent("first")
    again, sub = pair(bound(tmp_path), [call("find b", "t2"), "fine"], ["found b"], keeps=True)
    again("second")
    assert texts(sub) == ["find a", "found a", "find b", "found b"]


@pytest.mark.parametrize("keeps", [False, True])
def test_an_interrupt_of_a_sub_agent_resumes_in_another_process(tmp_path, keeps):
    paid = []

    @tool
    def pay(amount: int) -> str:
        """Pay.

        Args:
            amount: How much.
        """
        paid.append(amount)
        return "paid"

    def make(script, sub_script):
        parent, sub = pair(bound(tmp_path), script, sub_script, keeps=keeps, tools=[pay])
        sub.hooks.add_callback(
            BeforeToolCallEvent,
            lambda event: event.interrupt("ok", reason="pay?") if event.tool_use["name"] == "pay" else None,
        )
        return parent

    result = make([call("pay 3", "t1")], [Reply(tool_calls=[ToolCall("pay", {"amount": 3})])])("go")
    assert (result.stop_reason, paid) == ("interrupt", [])
    parent = make(["done"], ["It is paid."])
    parent([{"interruptResponse": {"interruptId": result.interrupts[0].id, "response": "yes"}}])
    assert paid == [3]
    name = "tool:researcher" if keeps else "tool:researcher/t1"
    found = [one.text for one in bound(tmp_path).recall("pay paid", agent_id=name)]
    assert found.count("pay 3") == 1
    assert any("It is paid." in text for text in found)


def test_a_sub_agent_is_compacted_by_its_own_budget(tmp_path):
    @tool
    def read(part: int) -> str:
        """Read a part.

        Args:
            part: Which.
        """
        return f"part {part} " + "text " * 400

    steps = [Reply(tool_calls=[ToolCall("read", {"part": number})]) for number in range(8)]
    memory = bound(tmp_path)
    settings = CompactionConfig(token_threshold=2_000)
    parent, sub = pair(memory, [call("read all", "t1"), "ok"], [*steps, "done"], tools=[read], compaction=settings)
    parent("go")
    assert max(request.tokens for request in sub.model.requests) < 3_500
    found = memory.recall("part 0", agent_id="tool:researcher/t1")
    assert any("part 0" in one.text for one in found)


def test_one_memory_serves_one_sub_agent(tmp_path):
    hook = bound(tmp_path).sub_agent("researcher").hook()
    Agent(model=ScriptedModel([]), hooks=[hook])
    with pytest.raises(ConfigurationError, match="already serves an agent"):
        Agent(model=ScriptedModel([]), hooks=[hook])
