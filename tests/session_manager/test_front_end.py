"""ag-ui-strands over a session: an interrupt and a front end's tool are answered in another process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from front_end import answer

from agentmem import MemoryConfig

MAP = {"name": "show_map", "description": "Show a map.", "parameters": {"type": "object", "properties": {}}}


def request(*messages, tools=(), resume=None):
    """What a front end sends for one run."""
    common = {"threadId": "s-1", "runId": f"r-{len(messages)}", "state": {}, "context": [], "forwardedProps": {}}
    return {
        **common,
        "messages": list(messages),
        "tools": list(tools),
        **({} if resume is None else {"resume": resume}),
    }


def user(text):
    return {"id": "m-1", "role": "user", "content": text}


def in_another_process(*arguments):
    program = [sys.executable, str(Path(__file__).parent / "front_end.py")]
    done = subprocess.run(program, input=json.dumps(arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "memory")


def stored(folder):
    """What the log has, as text."""
    config = MemoryConfig.local(path=folder, namespaces=())
    client = config.data_plane()
    events = client.list_events(memoryId=config.memory_id, actorId="ann", sessionId="s-1")["events"]
    return json.dumps([event["payload"] for event in events])


def said(events):
    return "".join(event["delta"] for event in events if event["type"] == "TEXT_MESSAGE_CONTENT")


def tool_results(messages):
    return [block["toolResult"] for message in messages for block in message["content"] if "toolResult" in block]


def test_an_interrupt_is_answered_in_another_process(folder):
    asked = answer(folder, [["pay", {"amount": 5}]], request(user("Pay 5.")))
    [interrupt] = asked["events"][-1]["outcome"]["interrupts"]
    resume = [{"interruptId": interrupt["id"], "status": "resolved", "payload": "approved by Ann"}]
    resumed = in_another_process(folder, ["It is paid."], request(user("Pay 5."), resume=resume))
    assert said(resumed["events"]) == "It is paid."
    [result] = tool_results(resumed["sent"][-1])
    assert "5 paid" in result["content"][0]["text"]
    assert "approved by Ann" in result["content"][0]["text"]
    assert resumed["events"][-1]["type"] == "RUN_FINISHED"


def test_the_result_of_a_front_end_s_tool_is_corrected_in_another_process(folder):
    shown = answer(folder, [["show_map", {}], "unused"], request(user("Show Porto."), tools=[MAP]))
    [call] = [event for event in shown["events"] if event["type"] == "TOOL_CALL_START"]
    assert "Forwarded to client" in stored(folder)
    called = {"id": call["toolCallId"], "type": "function", "function": {"name": "show_map", "arguments": "{}"}}
    history = [
        user("Show Porto."),
        {"id": "m-2", "role": "assistant", "content": "", "toolCalls": [called]},
        {"id": "m-3", "role": "tool", "content": "The map shows Porto.", "toolCallId": call["toolCallId"]},
    ]
    continued = in_another_process(folder, ["There it is."], request(*history, tools=[MAP]))
    assert said(continued["events"]) == "There it is."
    assert [one["content"] for one in tool_results(continued["sent"][-1])] == [[{"text": "The map shows Porto."}]]
    assert "Forwarded to client" not in stored(folder)
    assert "The map shows Porto." in stored(folder)
