"""What the agents of a session share: recall when it is configured, and long-term memory through a hook."""

from __future__ import annotations

import json

from strands import Agent
from strands.multiagent import Swarm
from typer.testing import CliRunner

from agentmem import CompactionConfig, MemoryConfig
from agentmem.cli.app import app
from agentmem.testing import Reply, ScriptedModel, ToolCall
from sessions import Session


def ask(scope):
    return Reply(tool_calls=[ToolCall("recall_session", {"query": "boat colour", **scope})])


def answer_of(agent):
    results = [
        block["toolResult"] for message in agent.messages for block in message["content"] if "toolResult" in block
    ]
    return results[-1]["content"][0]["text"]


def test_recall_looks_across_agents_only_when_configured_and_says_who_said_it():
    session = Session()
    session.agent(script=["Noted."], agent_id="first")("The colour of the boat is teal.")
    shared = CompactionConfig(recall_scope="session")
    second = session.agent(
        session.manager(compaction=shared), [ask({"scope": "session"}), "teal", ask({}), "nothing"], agent_id="second"
    )
    second("Which colour has the boat?")
    assert "teal" in answer_of(second)
    assert "of first" in answer_of(second)
    second("And in our own talk?")
    assert "of first" not in answer_of(second)
    alone = session.agent(script=[], agent_id="third")
    spec = alone.tool_registry.get_all_tools_config()["recall_session"]
    assert "scope" not in spec["inputSchema"]["json"]["properties"]


def test_a_hook_in_a_swarm_saves_what_the_user_said_once():
    memory = MemoryConfig.local(path=":memory:", namespaces=()).bind("ann", "s-1")
    hand = Reply(tool_calls=[ToolCall("handoff_to_agent", {"agent_name": "b", "message": "your turn"})])
    agents = [
        Agent(model=ScriptedModel(script), name=name, hooks=[memory.hook()], callback_handler=None)
        for name, script in (("a", [hand, "over to b"]), ("b", ["It is done."]))
    ]
    Swarm(agents)("Paint the boat.")
    events = memory.config.data_plane().list_events(memoryId=memory.memory_id, actorId="ann", sessionId="s-1")
    said = [
        item["conversational"]["content"]["text"]
        for event in reversed(events["events"])
        for item in event["payload"]
        if "conversational" in item
    ]
    assert [text for text in said if "boat" in text] == ["Paint the boat."]
    assert not any("swarm" in text or "Handoff" in text for text in said)
    assert said[-1] == "It is done."


def test_the_command_line_knows_agents_and_kinds(tmp_path):
    path = tmp_path / "memory"
    memory = MemoryConfig.local(path=path, namespaces=()).bind("ann", "s-1")
    for name in ("first", "second"):
        manager = memory.session_manager()
        Agent(model=ScriptedModel(["yes"]), agent_id=name, session_manager=manager, callback_handler=None)(f"hi {name}")
    Agent(model=ScriptedModel(["yes"]), hooks=[memory.node("researcher").hook()], callback_handler=None)("hi node")

    def run(*given, code=0):
        result = CliRunner().invoke(app, [*given, "--local", str(path)])
        assert result.exit_code == code, result.output
        return result.output

    listed = json.loads(run("sessions", "--actor", "ann", "--session", "s-1", "--json"))
    assert [(one["agent"], one["kind"]) for one in listed] == [
        ("first", "main agent"),
        ("second", "agent"),
        ("node:researcher", "node"),
    ]
    assert "hi node" in run("context", "--actor", "ann", "--session", "s-1", "--agent", "node:researcher")
    assert "hi node" not in run("context", "--actor", "ann", "--session", "s-1", "--agent", "first")
    doctor = run("doctor", "--actor", "ann", "--session", "s-1", code=1)  # there are no strategies
    assert "node:researcher (node)" in " ".join(doctor.split())
    assert "several writers" not in doctor
    assert "s-1: second" in run("forget", "--actor", "ann", "--dry-run")
