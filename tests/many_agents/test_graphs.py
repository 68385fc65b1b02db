"""Graphs and swarms: a run goes on where it stopped, in another process too, and each message is stored once.

bench/many_agents.py kills every kind of run at every point; here a few of them.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from strands import Agent, tool
from strands.hooks import BeforeToolCallEvent
from strands.hooks.events import BeforeNodeCallEvent
from strands.multiagent import GraphBuilder, Swarm
from strands.multiagent.base import Status

from agentmem import MemoryConfig
from agentmem.errors import ConfigurationError
from agentmem.settings.sections import WriteConfig
from agentmem.testing import Reply, ScriptedModel, ToolCall

BENCH: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[2] / "bench" / "many_agents.py"))


def texts(agent):
    return [block["text"] for message in agent.messages for block in message["content"] if "text" in block]


def bound(tmp_path, **settings):
    return MemoryConfig.local(path=tmp_path / "memory", namespaces=(), **settings).bind("ann", "s-1")


def graph_of(memory, nodes, edges=(), graph_id="graph", manager=None, **options):
    builder = GraphBuilder()
    for name, executor in nodes.items():
        builder.add_node(executor, name)
    for edge in edges:
        builder.add_edge(*edge)
    builder.set_max_node_executions(20)
    builder.set_graph_id(graph_id)
    manager = manager or memory.session_manager()
    builder.set_session_manager(manager)
    return builder.build(), manager


def node(memory, name, script, **settings):
    return Agent(
        model=ScriptedModel(script), name=name, hooks=[memory.node(name).hook()], callback_handler=None, **settings
    )


@pytest.mark.parametrize(("shape", "at"), [("chain", 9), ("fan-out", 14), ("cycle", 25), ("nested", 26), ("swarm", 14)])
def test_a_run_that_was_killed_goes_on_in_another_process(shape, at, tmp_path):
    path = str(tmp_path / "run")
    assert BENCH["in_process"](shape, path, at) is None
    BENCH["in_process"](shape, path)
    assert BENCH["wrong"](shape, BENCH["stored"](shape, path)) is None


def test_a_node_remembers_earlier_runs_and_the_run_says_how_far_it_is(tmp_path):
    memory = bound(tmp_path)
    graph, manager = graph_of(memory, {"a": node(memory, "a", ["one"])})
    assert manager.run is None
    graph("first task")
    assert (manager.run.done, manager.run.is_finished, manager.run.status) == (("a",), True, "completed")
    again, manager = graph_of(memory, {"a": node(memory, "a", ["two"])})
    assert manager.run.is_finished
    again("second task")
    assert texts(again.nodes["a"].executor) == ["first task", "one", "second task", "two"]
    assert next(one.text for one in memory.recall("first task", agent_id="node:a")) == "first task"
    assert memory.recall("first task") == []


def test_a_nodes_turn_and_the_state_of_the_run_are_one_event(tmp_path):
    memory = bound(tmp_path)
    graph, _ = graph_of(memory, {"a": node(memory, "a", ["one"])})
    graph("task")
    client = memory.config.data_plane()
    events = client.list_events(memoryId=memory.memory_id, actorId="ann", sessionId="s-1")["events"]
    marks = [{key: value["stringValue"] for key, value in event["metadata"].items()} for event in events]
    assert [(one.get("agentmemAgent"), one.get("agentmemRun")) for one in reversed(marks)] == [
        ("node:a", "graph"),
        ("run:graph", "graph"),
    ]


def test_an_interrupt_of_a_node_resumes_in_another_process(tmp_path):
    asked = []

    @tool
    def pay(amount: int) -> str:
        """Pay.

        Args:
            amount: How much.
        """
        asked.append(amount)
        return f"paid {amount}"

    def make(script):
        memory = bound(tmp_path)
        agent = node(memory, "a", script, tools=[pay])
        agent.hooks.add_callback(BeforeToolCallEvent, lambda event: event.interrupt("approve", reason="pay?"))
        return graph_of(memory, {"a": agent, "b": node(memory, "b", ["end"])}, [("a", "b")])

    graph, _ = make([Reply(tool_calls=[ToolCall("pay", {"amount": 3})])])
    result = graph("pay 3")
    assert (result.status, asked) == (Status.INTERRUPTED, [])
    again, manager = make(["It is paid."])
    answers = [{"interruptResponse": {"interruptId": one.id, "response": "yes"}} for one in result.interrupts]
    assert again(answers).status is Status.COMPLETED
    assert (asked, manager.run.done) == ([3], ("a", "b"))
    last, _ = make([])
    assert texts(last.nodes["a"].executor) == ["pay 3", "It is paid."]
    assert len(last.nodes["a"].executor.messages) == 4


def test_an_interrupt_before_a_node_resumes(tmp_path):
    def make():
        memory = bound(tmp_path)
        graph, manager = graph_of(memory, {name: node(memory, name, [name]) for name in "ab"}, [("a", "b")])
        graph.hooks.add_callback(
            BeforeNodeCallEvent, lambda event: event.interrupt("go", reason="go?") if event.node_id == "b" else None
        )
        return graph, manager

    graph, _ = make()
    result = graph("task")
    assert result.status is Status.INTERRUPTED
    again, manager = make()
    assert again([{"interruptResponse": {"interruptId": result.interrupts[0].id, "response": "yes"}}]).status is (
        Status.COMPLETED
    )
    assert manager.run.done == ("a", "b")


def test_a_swarms_agent_remembers_its_earlier_visit(tmp_path):
    memory = bound(tmp_path)

    def hand(to):
        return Reply(tool_calls=[ToolCall("handoff_to_agent", {"agent_name": to, "message": f"to {to}"})])

    first = node(memory, "a", [hand("b"), "handed over", "finished"])
    second = node(memory, "b", [hand("a"), "handed back"])
    manager = memory.session_manager()
    swarm = Swarm([first, second], session_manager=manager)
    assert swarm("task").status is Status.COMPLETED
    assert manager.run.done == ("a", "b", "a")
    assert "handed over" in first.model.requests[-1].texts()
    assert len(first.messages) == 6


def test_a_run_that_fails_is_done_anew_from_the_node_that_failed(tmp_path):
    memory = bound(tmp_path)
    graph, _ = graph_of(memory, {"a": node(memory, "a", ["one"]), "b": node(memory, "b", [])}, [("a", "b")])
    with pytest.raises(Exception, match="script"):
        graph("task")
    again, manager = graph_of(memory, {"a": node(memory, "a", []), "b": node(memory, "b", ["two"])}, [("a", "b")])
    again("task")  # Strands calls a run with a node that has failed once a failed one, however it ends
    assert (manager.run.done, manager.run.is_finished) == (("a", "b"), True)
    assert texts(again.nodes["a"].executor) == ["task", "one"]


def test_a_run_without_memories_of_its_nodes_is_kept_too(tmp_path):
    def make(script):
        memory = bound(tmp_path)
        agents = {name: Agent(model=ScriptedModel(script[name]), name=name, callback_handler=None) for name in "ab"}
        return graph_of(memory, agents, [("a", "b")])

    graph, _ = make({"a": ["one"], "b": []})
    with pytest.raises(Exception, match="script"):
        graph("task")
    again, manager = make({"a": [], "b": ["two"]})
    again("task")
    assert (manager.run.done, manager.run.is_finished) == (("a", "b"), True)


def test_a_large_state_is_compressed_and_read_back(tmp_path):
    memory = bound(tmp_path)
    graph, _ = graph_of(memory, {"a": node(memory, "a", ["word " * 200_000])})
    graph("task")
    _, manager = graph_of(memory, {"a": node(memory, "a", [])})
    assert len(manager.run.results["a"]["result"]["message"]["content"][0]["text"]) == 1_000_000


def test_the_state_of_a_run_is_redacted(tmp_path):
    memory = bound(tmp_path, writes=WriteConfig(redact=lambda text: text.replace("secret", "…")))
    graph, manager = graph_of(memory, {"a": node(memory, "a", ["the secret"])})
    graph("a secret task")
    client = memory.config.data_plane()
    events = client.list_events(memoryId=memory.memory_id, actorId="ann", sessionId="s-1")["events"]
    assert "secret" not in str(events)
    assert manager.run.is_finished


def test_what_could_not_be_told_apart_is_refused_by_name(tmp_path):
    memory = bound(tmp_path)
    inner, _ = graph_of(memory, {"p": node(memory, "p", [])})
    with pytest.raises(ConfigurationError, match=r"'graph' is a node of another one with the same id"):
        graph_of(memory, {"inner": inner})
    builder = GraphBuilder()
    builder.add_node(node(memory, "q", []), "q")
    builder.set_max_node_executions(3)
    with pytest.raises(ConfigurationError, match=r"'inner' is a Graph without a session manager"):
        graph_of(memory, {"inner": builder.build()})
    manager = memory.session_manager()
    Agent(model=ScriptedModel([]), session_manager=manager)
    with pytest.raises(ConfigurationError, match="already serves an agent"):
        graph_of(memory, {"r": node(memory, "r", [])}, manager=manager)
