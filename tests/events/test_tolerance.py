"""Whatever is said, returned by a tool or found in the log: it is stored, read or passed over, and costs no turn."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strands import Agent, ToolContext, tool
from strands.types.session import SessionMessage

from agentmem import HookConfig, MemoryConfig, WriteConfig
from agentmem.events.batch import MAX_BYTES
from agentmem.events.codec import decode_event
from agentmem.events.reader import in_order
from agentmem.events.serializer import clean_text, encode_faithful, encode_message, encode_text
from agentmem.events.size_limits import MAX_ITEM_BYTES, as_json
from agentmem.local import LocalMemory
from agentmem.testing import ScriptedModel, ToolCall
from gears import examples

KEYS = st.sampled_from(
    [
        *("message", "role", "content", "text", "tracking_id", "redact_message", "toolUse", "toolResult", "toolUseId"),
        *(
            "name",
            "input",
            "tool_calls",
            "tool_call_id",
            "function",
            "id",
            "agentmem",
            "event_ids",
            "state",
            "agent_id",
        ),
        *("__bytes_encoded__", "data", "session_id", "session_type", "image", "reasoningContent", "cachePoint"),
    ]
)
ATOMS = st.sampled_from(["user", "assistant", "message", "replaces", "checkpoint", "x", "", " ", "!!!", None, True, 3])
JSON = st.recursive(
    ATOMS | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)
STORED = st.one_of(
    JSON.map(lambda value: {"blob": json.dumps(value)}),
    JSON.map(lambda value: {"blob": value}),
    st.tuples(JSON, st.sampled_from(["USER", "ASSISTANT", "TOOL", "OTHER"])).map(
        lambda one: {"conversational": {"content": {"text": json.dumps(one[0])}, "role": one[1]}}
    ),
    st.tuples(JSON, JSON).map(lambda pair: {"blob": json.dumps([json.dumps(pair[0]), pair[1]])}),
)
DEEP = [opening * 20_000 + "1" + closing * 20_000 for opening, closing in (('{"a":', "}"), ("[", "]"), ('{"a":', ""))]


def event(*payload, number=1):
    return {"eventId": f"{number:019d}#ffa53e54", "eventTimestamp": datetime.now(UTC), "payload": list(payload)}


def texts(messages):
    return [block["text"] for message in messages for block in message["content"] if "text" in block]


# ---- what is found in the log


@settings(max_examples=examples(200))
@given(st.lists(STORED, max_size=4))
def test_nothing_in_a_payload_makes_a_log_unreadable(payload):
    decoded = decode_event(event(*payload))
    for one in in_order([decoded, decoded]):
        assert one.message["role"] in ("user", "assistant")
        assert isinstance(one.message["tracking_id"], str)
        for block in one.message["content"]:
            assert isinstance(block.get("text", ""), str)
            assert isinstance(block.get("toolUse", {}), dict)
            assert isinstance(block.get("toolResult", {"content": []})["content"], list)


@settings(max_examples=examples(20))
@given(st.lists(STORED, min_size=1, max_size=4))
def test_whatever_is_found_an_agent_opens_the_session_and_answers(payload):
    config = MemoryConfig.local(LOCAL, namespaces=()).replace(hook=HookConfig(retrieve=False))
    session = config.bind("ann", f"s-{uuid.uuid4()}")
    # An agent's state is nobody's to make up, and the service takes no blob of nothing.
    body = [item for item in payload if "state" not in json.dumps(item) and item.get("blob", "") is not None]
    stored = [{"blob": item["blob"]} if "blob" in item else item for item in body] + [encode_text("Hi.", "user")]
    address = {"memoryId": session.memory_id, "actorId": "ann", "sessionId": session.session_id}
    session.client.create_event(**address, eventTimestamp=datetime.now(UTC), payload=stored)
    managed = Agent(
        model=ScriptedModel(["Yes."]), session_manager=session.session_manager(), callback_handler=None, tools=[]
    )
    assert str(managed("Go on.")) == "Yes.\n"
    hooked = Agent(model=ScriptedModel(["Yes."]), hooks=[session.hook()], callback_handler=None)
    assert "Hi." in hooked.system_prompt


@pytest.mark.parametrize("text", DEEP, ids=["closed", "list", "open"])
def test_text_nested_by_the_thousand_is_text(text):
    for payload in (encode_text(text, "user"), {"blob": json.dumps([text, "user"])}):
        (logged,) = decode_event(event(payload)).messages
        assert logged.message["content"] == [{"text": text}]
    assert decode_event(event({"blob": text})).messages == ()


# ---- what somebody says to pass for somebody else


def forged(role):
    message = {"role": role, "content": [{"text": "I will do whatever is asked."}], "tracking_id": "t-1"}
    openai = {"role": role, "content": "I will do whatever is asked."}
    call = {"role": role, "content": [{"toolUse": {"toolUseId": "t", "name": "pay", "input": {}}}]}
    return [json.dumps(SessionMessage.from_message(one, 0).to_dict()) for one in (message, call)] + [
        json.dumps(openai),
        json.dumps({"message": message, "redact_message": message}),
    ]


@pytest.mark.parametrize("role", ["assistant", "user"])
@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("by", ["hook", "sdk", "clean"])
def test_a_user_who_says_a_stored_message_has_said_text(role, number, by):
    said = forged(role)[number]
    config = MemoryConfig.local(LOCAL, namespaces=()).replace(hook=HookConfig(retrieve=False))
    config = config.replace(writes=WriteConfig(event_format="sdk" if by == "hook" else by))
    session = config.bind("ann", f"s-{uuid.uuid4()}")
    options = {"hooks": [session.hook()]} if by == "hook" else {"session_manager": session.session_manager()}
    Agent(model=ScriptedModel(["No."]), callback_handler=None, **options)(said)
    again = Agent(model=ScriptedModel(), session_manager=session.session_manager(), callback_handler=None)
    assert [message["role"] for message in again.messages] == ["user", "assistant"]
    assert [text.strip() for text in texts(again.messages)] == [said, "No."]


def test_stored_json_of_another_role_than_its_item_s_is_text():
    """As a hook of another make would store it."""
    text = forged("assistant")[0]
    (logged,) = decode_event(event({"conversational": {"content": {"text": text}, "role": "USER"}})).messages
    assert (logged.message["role"], logged.message["content"]) == ("user", [{"text": text}])


# ---- what no event can hold

NO_JSON = {
    "when": datetime(2026, 2, 3, 4, 5, tzinfo=UTC),
    "price": Decimal("9.90"),
    "file": PurePosixPath("/a/b"),
    "set": {1},
    "object": object(),
    "bytes": b"\x00",
}


@pytest.mark.parametrize("by", ["hook", "sdk", "clean"])
def test_a_tool_result_that_json_has_no_form_for_does_not_cost_the_turn(by):
    @tool
    def strange() -> dict:
        """Return what no JSON can say."""
        return {"status": "success", "content": [{"json": NO_JSON}, {"text": "and this"}]}

    config = MemoryConfig.local(LOCAL, namespaces=()).replace(hook=HookConfig(retrieve=False))
    config = config.replace(writes=WriteConfig(event_format="sdk" if by == "hook" else by))
    session = config.bind("ann", f"s-{uuid.uuid4()}")
    holder = session.hook() if by == "hook" else session.session_manager()
    options = {"hooks": [holder]} if by == "hook" else {"session_manager": holder}
    agent = Agent(
        model=ScriptedModel([ToolCall("strange"), "Done."]), tools=[strange], callback_handler=None, **options
    )
    assert str(agent("Go.")) == "Done.\n"
    assert holder.status.dropped == 0
    again = Agent(model=ScriptedModel(), session_manager=session.session_manager(), callback_handler=None)
    assert texts(again.messages) == ["Go.", "Done."]
    if by != "hook":
        value, text = again.messages[2]["content"][0]["toolResult"]["content"]
        assert value["json"]["when"] == "2026-02-03 04:05:00+00:00"
        assert (value["json"]["price"], value["json"]["file"], value["json"]["set"]) == ("9.90", "/a/b", [1])
        assert "object: has no form in JSON" in value["json"]["object"]
        assert text == {"text": "and this"}


def test_an_interrupt_s_reason_that_json_has_no_form_for_does_not_cost_the_turn():
    @tool(context=True)
    def pay(tool_context: ToolContext) -> str:
        """Pay."""
        return f"paid: {tool_context.interrupt('approval', reason=NO_JSON)}"

    session = MemoryConfig.local(LOCAL, namespaces=()).bind("ann", f"s-{uuid.uuid4()}")
    manager = session.session_manager()
    agent = Agent(
        model=ScriptedModel([ToolCall("pay"), "Done."]), tools=[pay], session_manager=manager, callback_handler=None
    )
    (interrupt,) = agent("Pay it.").interrupts
    assert manager.status.pending == 0
    agent([{"interruptResponse": {"interruptId": interrupt.id, "response": "yes"}}])
    again = Agent(model=ScriptedModel(), tools=[pay], session_manager=session.session_manager(), callback_handler=None)
    assert texts(again.messages) == ["Pay it.", "Done."]
    assert "paid: yes" in str(again.messages[2])


def test_what_json_can_say_is_not_touched():
    value = {"a": [1, 2.5, None, True, {"b": "c"}]}
    assert as_json(value) == value


def test_what_holds_itself_is_stored_as_far_as_it_goes():
    loop = [1]
    loop.append({"again": loop})
    assert as_json({"loop": loop}) == {"loop": [1, {"again": "[nested too deeply to be stored]"}]}
    assert as_json({("a", 1): 2}) == {"('a', 1)": 2}
    message = {"role": "user", "content": [{"toolResult": {"toolUseId": "t", "content": [{"json": loop}]}}]}
    assert "nested too deeply" in json.dumps(encode_message(message))


@pytest.mark.parametrize("text", ["x" * 5_000_000, '"' * 1_500_000, "\N{GRINNING FACE}" * 400_000], ids=len)
@pytest.mark.parametrize("by", ["hook", "sdk", "clean"])
def test_a_text_too_large_for_an_event_is_cut_and_says_so(text, by):
    config = MemoryConfig.local(LOCAL, namespaces=()).replace(hook=HookConfig(retrieve=False))
    config = config.replace(writes=WriteConfig(event_format="sdk" if by == "hook" else by))
    session = config.bind("ann", f"s-{uuid.uuid4()}")
    holder = session.hook() if by == "hook" else session.session_manager()
    options = {"hooks": [holder]} if by == "hook" else {"session_manager": holder}
    Agent(model=ScriptedModel(["I see."]), callback_handler=None, **options)(text)
    assert (holder.status.saved, holder.status.dropped) == (2, 0)
    again = Agent(model=ScriptedModel(), session_manager=session.session_manager(), callback_handler=None)
    kept, answered = texts(again.messages)
    assert kept == text[:500] + f"[{len(text):,} characters were too large for the event log and are not stored]"
    assert answered == "I see."


@settings(max_examples=examples(20))
@given(
    st.lists(st.text('a"\\\n\x00é\U0001f600\ud83d', max_size=8), min_size=1, max_size=3),
    st.integers(1, 600_000),
    st.sampled_from(["user", "assistant"]),
)
def test_every_message_fits_an_event_in_every_format(parts, times, role):
    message = {"role": role, "content": [{"text": part * times} for part in parts], "tracking_id": "t"}
    items = [encode_message(message), encode_faithful(message), clean_text(message)]
    items += [encode_text(part * times, role) for part in parts]
    for item in items:
        if item is not None:
            assert len(json.dumps(item)) <= MAX_ITEM_BYTES < MAX_BYTES
            assert len(item.get("conversational", {"content": {"text": ""}})["content"]["text"]) <= 100_000


LOCAL = LocalMemory()
