"""Agents among others: called as tools, in graphs, bidirectional, stateful, in the background, on other branches."""

from __future__ import annotations

import json
import re
import uuid

import pytest
from strands import Agent, tool
from strands.multiagent import GraphBuilder
from strands.multiagent.base import Status
from strands.session import FileSessionManager

from agentmem import MemoryConfig
from agentmem.events.serializer import encode_message
from agentmem.testing import Reply, ScriptedModel, ToolCall
from growth import Growth
from sessions import Session


@pytest.fixture
def growth():
    return Growth()


def test_an_agent_called_as_a_tool(growth):
    helper = Agent(
        model=ScriptedModel([f"Item {number} is blue. " * 60 for number in range(10)]),
        name="helper",
        description="Helps.",
        callback_handler=None,
    )
    agent = growth.open(tools=[helper])
    for number in range(10):
        growth.script(Reply(tool_calls=[ToolCall("helper", {"input": f"item {number}?"})]), "It is blue.")
        agent(f"Ask about item {number}.")
    assert growth.folded
    assert len(growth.logged()) == 40
    growth.check()


def test_an_agent_that_answers_in_the_place_of_another(growth):
    helper = Agent(
        model=ScriptedModel([f"Item {number} is blue. " * 60 for number in range(10)]),
        name="helper",
        description="Helps.",
        callback_handler=None,
    )
    agent = growth.open(tools=[helper.as_tool(delegate=True)])
    for number in range(10):
        growth.script(Reply(tool_calls=[ToolCall("helper", {"input": f"item {number}?"})]))
        assert "blue" in str(agent(f"Ask about item {number}."))
    assert growth.folded
    growth.check()


def test_an_agent_called_as_a_tool_has_a_session_of_its_own(growth):
    helper = Growth(Session(session="helper", memory=growth.session.memory, memory_id=growth.session.memory_id))
    helper.open([f"Item {number} is blue. " * 60 for number in range(10)], name="helper", description="Helps.")
    agent = growth.open(tools=[helper.agent.as_tool(preserve_context=True)])
    for number in range(10):
        growth.script(Reply(tool_calls=[ToolCall("helper", {"input": f"item {number}? " * 60})]), "It is blue.")
        agent(f"Ask about item {number}.")
    assert growth.folded
    assert helper.folded
    growth.check()
    helper.check()


def test_results_of_background_tasks(growth):
    """Strands puts their results into the history behind every hook, and joins them to the last message."""

    @tool
    def slow(query: str) -> str:
        """Look slowly.

        Args:
            query: What.
        """
        return f"{query} is blue. " * 150

    agent = growth.open(tools=[slow], background_tasks={"always": ["slow"]})
    for number in range(8):
        calls = [ToolCall("slow", {"query": f"item {number}-{part}"}) for part in range(2)]
        growth.script(Reply(tool_calls=calls), "I wait.")
        agent.model._default = "They are blue."
        agent(f"What about the items {number}?")
    said = json.dumps([message["content"] for message in growth.logged()])
    assert all(f"item {number}-1 is blue." in said for number in range(8))
    assert growth.folded
    growth.check(tools=False)


class Stateful(ScriptedModel):
    """A model whose provider keeps the conversation."""

    @property
    def stateful(self):
        return True


def test_a_stateful_model_makes_it_inert(growth):
    model = Stateful([])
    agent = growth.open(model)
    for number in range(6):
        growth.script(Reply(tool_calls=[ToolCall("look", {"query": f"item {number}"})]), "It is blue. " * 300)
        agent(f"What about item {number}? " + "Please. " * 300)
        assert agent.messages == []
    sent = [len(request.messages) for request in model.requests]
    assert sent == [1, 3] * 6
    assert growth.manager.last_compaction is None
    assert growth.manager.checkpoint is None
    growth.check_log()
    again = growth.open(Stateful([]))
    assert again.messages == []
    assert growth.manager.checkpoint is None


def test_a_graph_runs_with_hooks_and_a_session_manager_of_strands(tmp_path):
    memory = MemoryConfig.local(path=":memory:", namespaces=()).bind("ann", "s-1")
    model = ScriptedModel(["The harbour is blue."])
    with memory.hook() as hook:
        builder = GraphBuilder()
        builder.add_node(Agent(name="a", model=model, hooks=[hook], callback_handler=None), "a")
        builder.set_session_manager(FileSessionManager("s-1", storage_dir=str(tmp_path)))
        builder.set_execution_timeout(5)
        assert builder.build()("Go.").status is Status.COMPLETED
    assert "The harbour is blue." in [one.text for one in memory.recall("harbour")]


def test_a_second_agent_id_reads_nothing_of_a_compacted_one(growth):
    agent = growth.open(agent_id="first")
    for number in range(8):
        growth.script(Reply(tool_calls=[ToolCall("look", {"query": f"item {number}"})]), "It is blue.")
        agent(f"What about item {number}?")
    assert growth.folded
    before = growth.logged()
    assert growth.session.agent(growth.session.manager(), agent_id="second").messages == []
    assert growth.logged() == before


def test_other_branches_are_left_alone(growth):
    agent = growth.open()
    for number in range(3):
        growth.script(Reply(tool_calls=[ToolCall("look", {"query": f"item {number}"})]), "It is blue.")
        agent(f"What about item {number}?")
    data, address = growth.session.data, growth.session.address.parameters()
    root = data.list_events(**address)["events"][0]["eventId"]
    branched = []
    for number in range(3):
        message = {"role": "user", "content": [{"text": f"on a branch {number}"}], "tracking_id": str(uuid.uuid4())}
        made = data.create_event(
            **address,
            eventTimestamp=4_000_000_000 + number,
            payload=[encode_message(message)],
            branch={"name": "other", "rootEventId": root},
        )
        branched.append(made["event"]["eventId"])
    agent = growth.open()
    for number in range(3, 10):
        growth.script(Reply(tool_calls=[ToolCall("look", {"query": f"item {number}"})]), "It is blue.")
        agent(f"What about item {number}?")
    assert growth.folded
    assert not any("on a branch" in str(request.messages) for request in growth.requests)
    assert growth.manager.recall.by_words("on a branch 1")[0:1] == [] or all(
        "on a branch" not in one.text for one in growth.manager.recall.by_words("on a branch 1")
    )
    events = data.list_events(**address, maxResults=100)["events"]
    assert [event["eventId"] for event in events if event["branch"]["name"] != "main"] == branched[::-1]
    growth.check_requests()
    growth.check_recall()
    growth.check_restart()


def test_an_agent_that_reads_what_was_shortened():
    """The agent asks for an original by the handle it was shown, in the middle of its work."""
    growth = Growth(protected_turns=1, max_tool_content_length=100)

    def ask(request):
        handles = re.findall(r'recall_session\(handle="([0-9a-f.]+)"\) returns all', str(request.messages))
        return ToolCall("recall_session", {"handle": handles[-1]})

    agent = growth.open()
    for number in range(5):
        growth.script(Reply(tool_calls=[ToolCall("look", {"query": f"item {number}"})]), "It is blue.")
        agent(f"What about item {number}?")
    growth.script(ask, "So it was.")
    agent("Show me that again.")
    assert agent.messages[-2]["content"][0]["toolResult"]["content"][0]["text"].count("is blue. ") == 150
    growth.check_requests()
    growth.check_log()
    growth.check_restart()
