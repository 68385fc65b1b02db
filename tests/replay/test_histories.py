"""Files of other programs: messages, roles, pairs of calls and results, and counts are the file's."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from langchain_core.load import dumpd
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage, messages_to_dict
from strands import Agent, tool
from strands.session import FileSessionManager

from agentmem.replay.conversation import ReplayFormatError
from agentmem.replay.formats import load_conversation, read_lines
from agentmem.testing import ScriptedModel, ToolCall
from converse import validate_request

HISTORIES = Path(__file__).parents[1] / "data" / "histories"
PNG = base64.b64encode(b"\x89PNG").decode()


def outline(conversation):
    """Each message as its role and the kinds of its blocks."""
    return [
        (message["role"], *(next(iter(block)) for block in message["content"])) for message in conversation.messages
    ]


def pairs(conversation):
    """The names of the tools called, each with what its result says."""
    blocks = [block for message in conversation.messages for block in message["content"]]
    results = {block["toolResult"]["toolUseId"]: block["toolResult"] for block in blocks if "toolResult" in block}
    calls = [block["toolUse"] for block in blocks if "toolUse" in block]
    assert results.keys() == {call["toolUseId"] for call in calls}
    return [(call["name"], results[call["toolUseId"]]["content"]) for call in calls]


def is_valid(conversation):
    messages = [*conversation.messages]
    validate_request(messages if messages[-1]["role"] == "user" else messages[:-1], conversation.system)
    return True


CALL, RESULT = ("assistant", "text", "toolUse"), ("user", "toolResult")


def test_messages_of_anthropic_keep_parallel_calls():
    conversation = load_conversation(HISTORIES / "anthropic.jsonl")
    assert conversation.format == "Anthropic messages, one message a line"
    assert outline(conversation) == [
        ("user", "text"),
        ("assistant", "text", "toolUse", "toolUse"),
        ("user", "toolResult", "toolResult"),
    ]
    assert pairs(conversation) == [("get_weather", [{"text": "20"}]), ("get_weather", [{"text": "68"}])]
    assert conversation.repairs == {}
    assert is_valid(conversation)


def test_a_session_of_claude_code_is_its_main_conversation():
    conversation = load_conversation(HISTORIES / "claude-code.jsonl")
    assert conversation.format == "Claude Code session"
    assert outline(conversation) == [("user", "text"), ("assistant", "toolUse"), RESULT, ("assistant", "text")]
    [(name, content)] = pairs(conversation)
    assert (name, content) == ("Task", [{"text": "Perfect! Now I have a complete understanding. Let ..."}])
    assert conversation.repairs == {
        "messages of sub-agents left out": 3,
        "placeholder before a conversation that the assistant begins": 1,
    }
    assert is_valid(conversation)


def test_the_file_of_a_sub_agent_alone_is_read_whole():
    lines = (HISTORIES / "claude-code.jsonl").read_text().splitlines()
    aside = read_lines([line for line in lines if json.loads(line)["isSidechain"]])
    assert outline(aside)[1] == CALL  # one answer, over two lines of the file
    assert aside.repairs["tool results whose call is not in the file left out"] == 1


def claude(kind, content, **more):
    where = {"type": kind, "sessionId": "s", "parentUuid": None, "isSidechain": False}
    return json.dumps({**where, "message": {"role": kind, "content": content, **more.pop("message", {})}, **more})


def test_what_stands_between_the_messages_of_claude_code_is_passed_over():
    use = [{"type": "tool_use", "id": f"toolu_{name}", "name": "Read", "input": {"file": name}} for name in "ab"]
    result = [{"type": "tool_result", "tool_use_id": f"toolu_{name}", "content": f"text {name}"} for name in "ab"]
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    conversation = read_lines([
        json.dumps({"type": "summary", "summary": "Reading files", "leafUuid": "x"}),
        json.dumps({"type": "file-history-snapshot", "messageId": "m", "snapshot": {}, "isSnapshotUpdate": False}),
        claude("user", "Read a and b.", uuid="1"),
        claude("assistant", [{"type": "thinking", "thinking": "two files", "signature": "s"}], message={"id": "m1"}),
        claude("assistant", [use[0]], message={"id": "m1"}, uuid="3"),
        claude("assistant", [use[1]], message={"id": "m1"}, uuid="4"),
        claude("assistant", [use[1]], message={"id": "m1"}, uuid="4"),
        claude("user", [result[0]], uuid="5"),
        claude("user", [{"type": "text", "text": "Also look at this."}, image], uuid="6"),
        claude("user", [result[1]], uuid="7"),
        json.dumps({"type": "system", "subtype": "stop_hook_summary", "content": "x", "sessionId": "s"}),
        claude("assistant", [{"type": "text", "text": "API Error: 500"}], isApiErrorMessage=True),
        claude("assistant", [{"type": "text", "text": "Both are short."}], message={"id": "m2"}),
    ])  # fmt: skip
    assert outline(conversation) == [
        ("user", "text"),
        ("assistant", "reasoningContent", "toolUse", "toolUse"),
        ("user", "toolResult", "toolResult"),
        ("user", "text", "image"),
        ("assistant", "text"),
    ]
    assert pairs(conversation) == [("Read", [{"text": "text a"}]), ("Read", [{"text": "text b"}])]
    assert conversation.repairs == {
        "repeated lines left out": 1,
        "notes of failed calls left out": 1,
        "messages of the user moved behind the results of tools that ran": 1,
    }


def test_the_stream_of_claude_code_is_read_too():
    def line(kind, text, parent=None):
        message = {"role": kind, "content": [{"type": "text", "text": text}]}
        return json.dumps({"type": kind, "session_id": "s", "parent_tool_use_id": parent, "message": message})

    conversation = read_lines([
        json.dumps({"type": "system", "subtype": "init", "session_id": "s", "tools": []}),
        line("user", "Hello."),
        line("assistant", "aside", "toolu_1"),
        line("assistant", "Hi."),
        json.dumps({"type": "result", "session_id": "s", "result": "Hi."}),
    ])  # fmt: skip
    assert conversation.format == "Claude Code session"
    assert outline(conversation) == [("user", "text"), ("assistant", "text")]


def test_a_trajectory_of_swe_agent_is_the_history_the_model_was_shown():
    conversation = load_conversation(HISTORIES / "swe-agent.traj")
    history = json.loads((HISTORIES / "swe-agent.traj").read_text())["history"]
    assert conversation.format == "SWE-agent trajectory, one conversation a line"
    assert conversation.system == history[0]["content"]
    assert outline(conversation) == [("user", "text"), *[CALL, RESULT] * 3]
    assert len(conversation.messages) == len(history) - 1
    assert [name for name, _ in pairs(conversation)] == ["find_file", "bash", "submit"]
    assert [content for _, content in pairs(conversation)] == [[{"text": entry["content"]}] for entry in history[3::2]]
    assert conversation.repairs == {}
    assert is_valid(conversation)


def test_items_of_the_responses_api_are_messages_calls_and_results():
    conversation = load_conversation(HISTORIES / "codex-rollout.jsonl")
    assert conversation.format == "OpenAI Responses items, one message a line"
    assert outline(conversation) == [
        ("user", "text"),
        ("assistant", "reasoningContent", "toolUse"),
        RESULT,
        ("assistant", "toolUse"),
        RESULT,
        ("assistant", "toolUse"),
        RESULT,
        ("assistant", "text"),
    ]
    assert pairs(conversation) == [
        ("exec_command", [{"text": "./alpha.txt\n./beta.txt"}]),
        ("apply_patch", [{"text": "Done!"}]),
        ("mcp__synthetic__lookup", [{"text": '{"status":"ok"}'}]),
    ]
    assert is_valid(conversation)


def test_a_whole_response_with_parallel_calls_is_one_answer():
    call = {"type": "function_call", "name": "find", "arguments": '{"x": NaN}'}
    items = [
        {"role": "user", "content": "Both."},
        {"role": "user", "content": [{"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}]},
        {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "x"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
        {**call, "call_id": "a"},
        {**call, "call_id": "b"},
        {"type": "function_call_output", "call_id": "a", "output": "one"},
        {"type": "function_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "two"}]},
        {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"query": "boats"}},
    ]
    conversation = read_lines([json.dumps({"model": "m", "instructions": "Be brief.", "input": items})])
    assert conversation.system == "Be brief."
    assert outline(conversation) == [
        ("user", "text", "image"),
        ("assistant", "text", "toolUse", "toolUse"),
        ("user", "toolResult", "toolResult"),
        ("assistant", "text"),
    ]
    assert conversation.messages[1]["content"][1]["toolUse"]["input"] == {"x": "NaN"}
    assert [content for _, content in pairs(conversation)] == [[{"text": "one"}], [{"text": "two"}]]
    answer = {"object": "response", "instructions": "S", "output": items[3:4]}
    assert read_lines([json.dumps(answer)]).messages[1]["content"] == [{"text": "I look."}]


def test_conversations_of_sharegpt_keep_their_calls():
    conversation = load_conversation(HISTORIES / "sharegpt.json")
    turns = [turn for one in json.loads((HISTORIES / "sharegpt.json").read_text()) for turn in one["conversations"]]
    assert conversation.format == "ShareGPT conversations, one conversation a line"
    assert conversation.parts == 2
    assert len(conversation.messages) == len(turns)
    assert pairs(conversation) == [
        ("calculate_area", [{"text": '{"area": 15}'}]),
        ("calculate_area", [{"text": '{"area": 50.24}'}]),
        ("calculate_area", [{"text": '{"area": 49}'}]),
    ]
    assert is_valid(conversation)


PICTURE = {"type": "image", "base64": PNG, "mime_type": "image/png"}
USE = {"type": "tool_use", "id": "c1", "name": "weather", "input": {"at": "Oslo"}}
LANGCHAIN = [
    SystemMessage("Be brief."),
    HumanMessage([{"type": "text", "text": "Weather here?"}, PICTURE]),
    AIMessage(
        [{"type": "text", "text": "I look."}, USE],
        tool_calls=[{"name": "weather", "args": {"at": "Oslo"}, "id": "c1"}],
    ),
    ToolMessage("rain", tool_call_id="c1", status="error"),
    AIMessage("It rains."),
]


@pytest.mark.parametrize(
    "dump",
    [
        lambda: json.dumps([dumpd(message) for message in LANGCHAIN]),
        lambda: json.dumps({"messages": [dumpd(message) for message in LANGCHAIN]}, indent=2),
        lambda: json.dumps(messages_to_dict(LANGCHAIN)),
        lambda: json.dumps([message.model_dump(mode="json") for message in LANGCHAIN]),
        lambda: json.dumps([[dumpd(message) for message in LANGCHAIN]]),
    ],
    ids=["dumpd", "state", "messages_to_dict", "model_dump", "batch"],
)
def test_every_dump_of_langchain_says_the_same(dump, tmp_path):
    file = tmp_path / "dump.json"
    file.write_text(dump())
    conversation = load_conversation(file)
    assert conversation.format == "LangChain messages, one conversation a line"
    assert conversation.system == "Be brief."
    assert outline(conversation) == [("user", "text", "image"), CALL, RESULT, ("assistant", "text")]
    assert conversation.messages[0]["content"][1] == {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}}
    assert pairs(conversation) == [("weather", [{"text": "rain"}])]
    assert conversation.messages[2]["content"][0]["toolResult"]["status"] == "error"
    assert conversation.repairs == {}


@tool
def look(query: str) -> str:
    """Look something up.

    Args:
        query: What.
    """
    return f"{query} is blue."


def test_a_folder_of_strands_is_read_as_its_agent_wrote_it(tmp_path):
    def speak(session, agent_id="default", turns=6):
        model = ScriptedModel([ToolCall("look", {"query": "sky"}), "The sky is blue.", *["Yes."] * turns])
        manager = FileSessionManager(session_id=session, storage_dir=str(tmp_path))
        agent = Agent(model=model, tools=[look], session_manager=manager, agent_id=agent_id, callback_handler=None)
        for number in range(turns):
            agent(f"Question {number}?")
        return agent

    agent = speak("one")
    for folder in (tmp_path, tmp_path / "session_one", tmp_path / "session_one" / "agents" / "agent_default"):
        conversation = load_conversation(folder)
        assert conversation.format == "Strands session folder"
        assert [message["role"] for message in conversation.messages] == [one["role"] for one in agent.messages]
        assert [message["content"] for message in conversation.messages] == [one["content"] for one in agent.messages]
        assert len(pairs(conversation)) == 1
    speak("two", turns=1)
    with pytest.raises(
        ReplayFormatError, match="holds 2 sessions; give the folder of one of them: session_one, session_two"
    ):
        load_conversation(tmp_path)
    with pytest.raises(ReplayFormatError, match="a folder without messages of Strands' FileSessionManager"):
        load_conversation(tmp_path / "session_one" / "agents" / "agent_default" / "messages")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"name": "x", "value": 1}, "only name, value; it is none of what is taken: messages of Strands"),
        ({"kind": "memory", "format": 1}, "a whole memory that `agentmem export` wrote"),
        ({"session_id": "s", "session_type": "AGENT"}, "a description of a session"),
        ([1, 2], "a message must be an object"),
        ([{"from": "human", "value": "x"}, {"from": "robot", "value": "y"}], "turn 1: unknown speaker 'robot'"),
        ([{"from": "function_call", "value": "x"}], "turn 0: a function_call must hold JSON"),
        ({"history": [{"role": "robot", "agent": "main", "content": "x"}]}, "entry 0 of the history: unknown role"),
        ({"type": "function_call_output", "output": "x", "call_id": 3}, "needs a text as call_id"),
        ({"type": "tool", "content": "x"}, "a ToolMessage needs a text as tool_call_id"),
    ],
)
def test_what_is_of_no_known_kind_is_refused_by_name(value, message, tmp_path):
    file = tmp_path / "odd.json"
    file.write_text(json.dumps(value, indent=2))
    with pytest.raises(ReplayFormatError, match=message):
        load_conversation(file)


def test_a_file_of_two_kinds_is_refused():
    lines = [claude("user", "x"), json.dumps({"type": "human", "data": {"content": "y"}})]
    with pytest.raises(ReplayFormatError, match="line 2: this is of LangChain messages, and line 1 of Claude Code"):
        read_lines(lines)
