"""Conversation files: what is recognized, what is mended, what is refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem.errors import AgentMemError, ConfigurationError
from agentmem.replay.conversation import Conversation, ReplayFormatError
from agentmem.replay.formats import load_conversation, read_lines
from converse import validate_request

WORKSHOP = Path(__file__).parents[1] / "data" / "workshop.jsonl"


def lines(*values):
    return read_lines([json.dumps(value) for value in values])


def texts(conversation):
    return [
        (message["role"], [block["text"] for block in message["content"] if "text" in block])
        for message in conversation.messages
    ]


def merged(conversation: Conversation):
    """The whole conversation as one request would show it, ending in a user message."""
    shown = []
    for message in conversation.messages:
        if shown and shown[-1]["role"] == message["role"]:
            shown[-1] = {**shown[-1], "content": [*shown[-1]["content"], *message["content"]]}
        else:
            shown.append(message)
    return shown if shown[-1]["role"] == "user" else shown[:-1]


CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"tag": "A"}'}}


def test_openai_and_strands_messages_mean_the_same():
    openai = lines(
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Find A."},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "here"},
        {"role": "assistant", "content": [{"type": "text", "text": "Found."}]},
    )
    strands = lines(
        {"role": "system", "content": [{"text": "Be brief."}]},
        {"role": "user", "content": [{"text": "Find A."}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "find", "input": {"tag": "A"}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": "here"}]}}]},
        {"role": "assistant", "content": [{"text": "Found."}], "tracking_id": "x", "metadata": {}},
    )
    assert openai.messages == strands.messages
    assert openai.system == strands.system == "Be brief."
    assert openai.format == "OpenAI chat messages, one message a line"
    assert strands.format == "Strands/Converse messages, one message a line"
    assert openai.repairs == strands.repairs == {}


def test_whole_conversations_and_messages_a_line_mean_the_same():
    messages = [{"role": "user", "content": "One."}, {"role": "assistant", "content": "Two."}]
    one = lines({"task_id": 1, "messages": [{"role": "system", "content": "S"}, *messages]})
    with_system = lines({"system": "S", "messages": messages})
    bare = lines([{"role": "system", "content": "S"}, *messages])
    assert one.messages == with_system.messages == bare.messages == lines(*messages).messages
    assert one.system == with_system.system == bare.system == "S"
    assert one.format == "OpenAI chat messages, one conversation a line"
    assert one.parts == 1


def test_a_mixed_file_is_named_as_such():
    conversation = lines({"role": "user", "content": "One."}, {"role": "assistant", "content": [{"text": "Two."}]})
    assert (
        conversation.format
        == "OpenAI chat or Anthropic messages and Strands/Converse messages, mixed, one message a line"
    )
    assert texts(conversation) == [("user", ["One."]), ("assistant", ["Two."])]


def test_several_conversations_are_one_session_with_the_first_system_prompt():
    conversation = lines(
        {"messages": [{"role": "system", "content": "First"}, {"role": "user", "content": "a"}]},
        {"messages": [{"role": "system", "content": "Second"}, {"role": "user", "content": "b"}]},
        {"messages": [{"role": "system", "content": "First"}, {"role": "assistant", "content": "c"}]},
    )
    assert conversation.system == "First"
    assert texts(conversation) == [("user", ["a", "b"]), ("assistant", ["c"])]
    assert conversation.parts == 3
    assert conversation.repairs == {"further system prompts left out": 1}


def test_tool_use_ids_that_repeat_become_unique_and_stay_paired():
    turn = [
        {"role": "user", "content": "Find A."},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "here"},
        {"role": "assistant", "content": "Found."},
    ]
    conversation = lines(*turn, *turn, *turn)
    used = [b["toolUse"]["toolUseId"] for m in conversation.messages for b in m["content"] if "toolUse" in b]
    answered = [b["toolResult"]["toolUseId"] for m in conversation.messages for b in m["content"] if "toolResult" in b]
    assert used == answered
    assert len(set(used)) == 3
    assert used[0] == "c1"


def test_an_id_that_is_made_unique_never_meets_a_recorded_one():
    def turn(call_id):
        return [
            {"role": "user", "content": "x"},
            {"role": "assistant", "tool_calls": [{**CALL, "id": call_id}], "content": None},
            {"role": "tool", "tool_call_id": call_id, "content": "y"},
        ]

    conversation = lines(*turn("c1"), *turn("c1-2"), *turn("c1"), *turn("c1"), *turn("no good id"))
    used = [b["toolUse"]["toolUseId"] for m in conversation.messages for b in m["content"] if "toolUse" in b]
    assert len(set(used)) == len(used) == 5
    assert validate_request(merged(conversation)) is None


@pytest.mark.parametrize(
    ("arguments", "expected", "mended"),
    [
        ('{"a": 1}', {"a": 1}, 0),
        ("", {}, 0),
        (None, {}, 0),
        ({"a": 1}, {"a": 1}, 0),
        ('{"a": 1', {"arguments": '{"a": 1'}, 1),
        ("[1, 2]", {"arguments": [1, 2]}, 1),
        ('"text"', {"arguments": "text"}, 1),
        ("NaN", {"arguments": "NaN"}, 1),
        ("-Infinity", {"arguments": "-Infinity"}, 1),
        ("1e999", {"arguments": "Infinity"}, 1),
        ('{"a": [{"b": NaN}]}', {"a": [{"b": "NaN"}]}, 0),
    ],
)
def test_arguments_are_kept_whatever_they_are(arguments, expected, mended):
    call = {"id": "c", "function": {"name": "find", "arguments": arguments}}
    conversation = lines(
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "y"},
    )
    assert conversation.messages[1]["content"] == [{"toolUse": {"toolUseId": "c", "name": "find", "input": expected}}]
    assert conversation.repairs.get("tool arguments that are no JSON object", 0) == mended


def test_parallel_calls_are_answered_in_one_message():
    calls = [{**CALL, "id": name} for name in "ab"]
    conversation = lines(
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "b", "content": "two"},
        {"role": "tool", "tool_call_id": "a", "content": "one"},
    )
    results = [block["toolResult"] for block in conversation.messages[2]["content"]]
    assert [(result["toolUseId"], result["content"]) for result in results] == [
        ("b", [{"text": "two"}]),
        ("a", [{"text": "one"}]),
    ]


def test_a_call_without_a_result_is_answered_with_an_error_and_counted():
    conversation = lines(
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "user", "content": "never mind"},
    )
    result = conversation.messages[2]["content"][0]["toolResult"]
    assert result["status"] == "error"
    assert conversation.repairs == {"tool calls without a result": 1}
    assert validate_request(merged(conversation)) is None


def test_blank_texts_do_not_survive():
    conversation = lines(
        {"role": "user", "content": [{"text": " "}, {"text": "real"}]},
        {"role": "assistant", "content": None},
        {"role": "user", "content": ""},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": ""},
    )
    assert texts(conversation)[:3] == [("user", ["real"]), ("assistant", ["(empty)"]), ("user", ["(empty)"])]
    assert conversation.repairs == {"empty messages filled in": 2, "empty tool results filled in": 1}
    assert validate_request(merged(conversation)) is None


def test_a_conversation_the_assistant_begins_gets_a_user_message_before_it():
    conversation = lines({"role": "assistant", "content": "Welcome."}, {"role": "user", "content": "Hi."})
    assert [message["role"] for message in conversation.messages] == ["user", "assistant", "user"]
    assert conversation.repairs == {"placeholder before a conversation that the assistant begins": 1}


def test_images_come_back_as_bytes_from_both_formats():
    picture = base64.b64encode(b"\x89PNG").decode()
    openai = lines(
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}}]}
    )
    strands = lines({"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": picture}}}]})
    session = lines(
        {
            "role": "user",
            "content": [
                {"image": {"format": "png", "source": {"bytes": {"__bytes_encoded__": True, "data": picture}}}}
            ],
        }
    )
    expected = [{"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}}]
    assert openai.messages[0]["content"] == strands.messages[0]["content"] == expected
    assert session.messages[0]["content"] == expected


def test_what_converse_has_no_form_for_leaves_its_name():
    conversation = lines(
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}, {"type": "text", "text": "hear"}]},
        {"role": "assistant", "content": [{"image": {"format": "png", "source": {"bytes": ""}}}]},
    )
    assert texts(conversation) == [("user", ["[input_audio]", "hear"]), ("assistant", ["[image]"])]
    assert sum(conversation.repairs.values()) == 2


def test_legacy_function_calls_are_tool_calls():
    conversation = lines(
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": None, "function_call": {"name": "find", "arguments": "{}"}},
        {"role": "function", "name": "find", "content": "y"},
    )
    assert conversation.messages[2]["content"][0]["toolResult"]["content"] == [{"text": "y"}]
    assert validate_request(merged(conversation)) is None


GOOD = '{"role": "user", "content": "x"}'
BROKEN_LINES = {
    "truncated": ('{"role": "user", "content": "x', "not valid JSON"),
    "not UTF-8": (b'{"role": "user", "content": "\xff"}', "not UTF-8"),
    "a number": ("5", "a message must be an object, not int"),
    "no role": ('{"text": "x"}', "neither role nor messages, only text"),
    "unknown role": ('{"role": "robot", "content": "x"}', "unknown role 'robot'"),
    "unknown Strands role": ('{"role": "robot", "content": [{"text": "x"}]}', "unknown role 'robot'"),
    "content is a number": ('{"role": "user", "content": 5}', "content must be a text, null or a list"),
    "content block of no kind": (
        '{"role": "user", "content": [{"txt": "x"}]}',
        "content block 0 is of no known kind: txt",
    ),
    "text is a number": ('{"role": "user", "content": [{"text": 5}]}', "text must be a text, not int"),
    "messages is no list": ('{"messages": 5}', "messages must be a list, not int"),
    "a broken message inside": (
        '{"messages": [{"role": "user", "content": "x"}, {"role": "robot", "content": "x"}]}',
        "message 1: unknown role 'robot'",
    ),
    "orphan result": ('{"role": "tool", "tool_call_id": "zz", "content": "x"}', "answers the call 'zz', but .* none"),
    "no call id": ('{"role": "tool", "content": "x"}', "tool_call_id"),
    "a call without a name": (
        '{"role": "assistant", "content": null, "tool_calls": [{"id": "a", "function": {"arguments": "{}"}}]}',
        "a tool call has no name",
    ),
    "a call without a function": ('{"role": "assistant", "tool_calls": [{"id": "a"}]}', "function object"),
    "input is a text": (
        '{"role": "assistant", "content": [{"toolUse": {"toolUseId": "a", "name": "b", "input": "x"}}]}',
        "input of a toolUse must be an object",
    ),
    "tool use of the user": (
        '{"role": "user", "content": [{"toolUse": {"toolUseId": "a", "name": "b", "input": {}}}]}',
        "toolUse in a message of the user",
    ),
    "bad base64": (
        '{"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": "%"}}}]}',
        "not valid base64",
    ),
}


@pytest.mark.parametrize("name", BROKEN_LINES)
def test_a_broken_line_is_named_by_its_number(name):
    broken, message = BROKEN_LINES[name]
    with pytest.raises(ReplayFormatError, match=f"^line 3: .*{message}") as caught:
        read_lines([GOOD, "", broken, GOOD])
    assert caught.value.line == 3
    assert isinstance(caught.value, AgentMemError)


def test_an_empty_file_and_a_missing_one_are_errors(tmp_path):
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n \n")
    with pytest.raises(ReplayFormatError, match="the file is empty"):
        load_conversation(empty)
    with pytest.raises(ReplayFormatError, match="no message of a user"):
        lines({"role": "system", "content": "S"})
    with pytest.raises(ConfigurationError, match="absent"):
        load_conversation(tmp_path / "absent.jsonl")


def test_line_separators_inside_a_text_and_a_byte_order_mark_do_not_break_lines(tmp_path):
    file = tmp_path / "odd.jsonl"
    text = "one\u2028two\x85three"
    file.write_bytes(
        b"\xef\xbb\xbf" + json.dumps({"role": "user", "content": text}, ensure_ascii=False).encode() + b"\r\n"
    )
    assert texts(load_conversation(file)) == [("user", [text])]


def test_a_whole_file_is_one_valid_conversation():
    conversation = load_conversation(WORKSHOP)
    assert conversation.parts == 16
    assert validate_request(merged(conversation), conversation.system) is None


def test_invocations_hold_every_message_once_and_in_order():
    conversation = load_conversation(WORKSHOP)
    rebuilt = []
    for invocation in conversation.invocations():
        rebuilt.append(invocation.prompt)
        for reply in invocation.replies:
            rebuilt.append(reply)
            results = [invocation.results[b["toolUse"]["toolUseId"]] for b in reply["content"] if "toolUse" in b]
            if results:
                rebuilt.append({"role": "user", "content": [{"toolResult": result} for result in results]})
    unanswered = conversation.unanswered()
    assert unanswered is not None
    assert [*rebuilt, unanswered] == list(conversation.messages)
    assert sum(invocation.ends_in_tools for invocation in conversation.invocations()) == 4


words = st.text(max_size=20)
plain = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": words | st.none()})
ids = st.sampled_from(["a", "b", "c d", ""])


@st.composite
def tool_turn(draw):
    calls = draw(st.lists(ids, min_size=1, max_size=3, unique=True))
    answered = draw(st.lists(st.sampled_from(calls), unique=True))
    name = draw(st.sampled_from(["find", "find it", "f" * 80]))
    return [
        {
            "role": "assistant",
            "content": draw(words),
            "tool_calls": [{"id": call, "function": {"name": name, "arguments": draw(arguments)}} for call in calls],
        },
        *({"role": "tool", "tool_call_id": call, "content": draw(words)} for call in answered),
    ]


UNSENDABLE = {"deep": [1, {"nan": float("nan"), "high": float("inf")}], "low": float("-inf"), "half": "\ud800"}
SENDABLE = {"deep": [1, {"nan": "NaN", "high": "Infinity"}], "low": "-Infinity", "half": "\ufffd"}


def test_what_a_request_cannot_carry_is_replaced_in_every_format():
    strands = lines(
        {"role": "user", "content": [{"text": "x \ud800"}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "a", "name": "find", "input": UNSENDABLE}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "a", "content": [{"json": UNSENDABLE}]}}]},
    )
    anthropic = lines(
        {"role": "user", "content": "x \ud800"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "find", "input": UNSENDABLE}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "\udfff"}]},
    )
    openai = lines(
        {"role": "user", "content": "x \ud800"},
        {
            "role": "assistant",
            "tool_calls": [{"id": "a", "function": {"name": "find", "arguments": json.dumps(UNSENDABLE)}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "\udfff"},
    )
    for conversation in (strands, anthropic, openai):
        assert texts(conversation)[0] == ("user", ["x \ufffd"])
        assert conversation.messages[1]["content"][0]["toolUse"]["input"] == SENDABLE
        assert conversation.repairs["numbers or characters that a request cannot carry"] == 3
        assert validate_request(merged(conversation)) is None
    assert strands.messages[2]["content"][0]["toolResult"]["content"] == [{"json": SENDABLE}]
    assert openai.messages[2]["content"][0]["toolResult"]["content"] == [{"text": "\ufffd"}]


arguments = words | st.sampled_from(["Infinity", "[NaN]", '{"a": -Infinity}', '{"a": [1e999]}', '{"a": "\\ud800"}'])


@given(st.lists(tool_turn() | plain.map(lambda message: [message]), min_size=1, max_size=12))
def test_whatever_is_readable_becomes_valid_for_converse(turns):
    conversation = lines(*(message for turn in turns for message in turn))
    request = merged(conversation)
    # A lone user message and its reply leave a request; a lone reply has the placeholder before it.
    assert request
    assert validate_request(request, conversation.system) is None


ANTHROPIC = [
    {"role": "user", "content": "Weather in Oslo?"},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "look it up", "signature": "s"},
            {"type": "text", "text": "Let me look."},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
        ],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain, 3 degrees"}]},
    {"role": "assistant", "content": "It rains."},
]


def test_messages_of_anthropic_keep_their_tools_and_their_thinking():
    conversation = lines({"system": "Be brief.", "messages": ANTHROPIC})
    assert conversation.format == "Anthropic messages, one conversation a line"
    assert conversation.repairs == {}
    assert conversation.system == "Be brief."
    use = {"toolUseId": "toolu_1", "name": "weather", "input": {"city": "Oslo"}}
    result = {"toolUseId": "toolu_1", "status": "success", "content": [{"text": "rain, 3 degrees"}]}
    assert [message["content"] for message in conversation.messages] == [
        [{"text": "Weather in Oslo?"}],
        [
            {"reasoningContent": {"reasoningText": {"text": "look it up", "signature": "s"}}},
            {"text": "Let me look."},
            {"toolUse": use},
        ],
        [{"toolResult": result}],
        [{"text": "It rains."}],
    ]


def test_a_failed_tool_a_picture_and_a_document_of_anthropic_are_what_they_were():
    data = base64.b64encode(b"bytes").decode()
    source = {"type": "base64", "media_type": "image/png", "data": data}
    failed = {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "is_error": True,
        "content": [{"type": "text", "text": "no"}],
    }
    pdf = {"type": "document", "title": "Rules", "source": {**source, "media_type": "application/pdf"}}
    linked = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
    said = [failed, {"type": "image", "source": source}, pdf, linked, {"type": "text", "text": "See."}]
    conversation = lines(*ANTHROPIC[:2], {"role": "user", "content": said}, ANTHROPIC[3])
    blocks = [block for message in conversation.messages for block in message["content"]]
    assert {"toolUseId": "toolu_1", "status": "error", "content": [{"text": "no"}]} in [
        block.get("toolResult") for block in blocks
    ]
    assert {"image": {"format": "png", "source": {"bytes": b"bytes"}}} in blocks
    assert {"document": {"format": "pdf", "name": "Rules", "source": {"bytes": b"bytes"}}} in blocks
    assert {"text": "[image: https://example.org/a.png]"} in blocks
    assert conversation.repairs == {"images and documents that are not in the file": 1}


@pytest.mark.parametrize(
    "block",
    [
        {"type": "tool_use", "id": "t", "name": "n", "input": "text"},
        {"type": "tool_use", "name": "n", "input": {}},
        {"type": "tool_result", "content": "no id"},
        {"type": "tool_result", "tool_use_id": "t", "content": 3},
        {"type": "thinking"},
        {"type": "redacted_thinking", "data": "%"},
        {"type": "image", "source": 3},
    ],
)
def test_a_block_of_anthropic_without_what_it_must_hold_is_refused_with_its_line(block):
    with pytest.raises(ReplayFormatError, match="line 2"):
        lines(ANTHROPIC[0], {"role": "assistant", "content": [block]})


def test_records_of_strands_session_files_are_read_and_redacted_ones_in_their_last_form():
    def record(number, role, text, redacted=None):
        redact = None if redacted is None else {"role": role, "content": [{"text": redacted}]}
        said = {"role": role, "content": [{"text": text}]}
        times = {"created_at": "2026-11-01T10:00:00+00:00", "updated_at": "2026-11-01T10:00:00+00:00"}
        return {"message": said, "message_id": number, "redact_message": redact, **times}

    conversation = lines(record(0, "user", "My card is 4711.", "[redacted]"), record(1, "assistant", "Noted."))
    assert conversation.format == "Strands/Converse messages, one message a line"
    assert texts(conversation) == [("user", ["[redacted]"]), ("assistant", ["Noted."])]
