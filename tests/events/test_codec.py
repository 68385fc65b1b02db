"""What is written can be read by the SDK, and whatever is found is read or passed over."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime

from bedrock_agentcore.memory.integrations.strands.bedrock_converter import AgentCoreMemoryConverter
from bedrock_agentcore.memory.integrations.strands.converters import OpenAIConverseConverter
from hypothesis import given
from hypothesis import strategies as st
from strands.types.session import SessionMessage

from agentmem.events.codec import decode_event
from agentmem.events.serializer import MAX_TEXT, agentmem_item, encode_message, encode_text, has_conversation
from agentmem.events.size_limits import MAX_ITEM_BYTES

blocks = st.one_of(
    st.builds(lambda text: {"text": text}, st.text(min_size=1).filter(str.strip)),
    st.builds(
        lambda name, value: {"toolUse": {"toolUseId": name, "name": "look", "input": {"value": value}}},
        st.uuids().map(str),
        st.text(),
    ),
    st.builds(
        lambda name, text: {"toolResult": {"toolUseId": name, "status": "success", "content": [{"text": text}]}},
        st.uuids().map(str),
        st.text(min_size=1),
    ),
    st.builds(lambda data: {"image": {"format": "png", "source": {"bytes": data}}}, st.binary()),
)
messages = st.builds(
    lambda role, content, name: {"role": role, "content": content, "tracking_id": str(name)},
    st.sampled_from(["user", "assistant"]),
    st.lists(blocks, min_size=1, max_size=4),
    st.uuids(),
)


def _event(*payload, metadata=None, event_id="0000001756147154000#ffa53e54"):
    return {
        "eventId": event_id,
        "eventTimestamp": datetime(2025, 8, 25, 18, 39, 14, tzinfo=UTC),
        "payload": list(payload),
        "metadata": metadata or {},
    }


@given(messages)
def test_a_message_comes_back_as_it_was_written(message):
    (logged,) = decode_event(_event(encode_message(message))).messages
    assert logged.message == message


@given(messages)
def test_the_plain_sdk_manager_reads_what_is_written(message):
    (read,) = AgentCoreMemoryConverter.events_to_messages([_event(encode_message(message))])
    assert read.to_message() == message


@given(messages)
def test_what_the_plain_sdk_manager_writes_is_read(message):
    ((text, role),) = AgentCoreMemoryConverter.message_to_payload(SessionMessage.from_message(message, 3))
    payload = {"conversational": {"content": {"text": text}, "role": role.upper()}}
    (logged,) = decode_event(_event(payload)).messages
    assert logged.message == message


def test_a_long_message_is_a_blob_that_both_read():
    message = {"role": "user", "content": [{"text": "long " * MAX_TEXT}], "tracking_id": str(uuid.uuid4())}
    payload = encode_message(message)
    assert list(payload) == ["blob"]
    assert decode_event(_event(payload)).messages[0].message == message
    assert AgentCoreMemoryConverter.events_to_messages([_event(payload)])[0].to_message() == message


def test_a_message_of_blank_text_is_not_written():
    assert encode_message({"role": "user", "content": [{"text": " \n"}, {"text": ""}]}) is None


def test_blank_texts_are_left_out_of_what_is_written():
    message = {"role": "user", "content": [{"text": ""}, {"text": "hello"}]}
    assert decode_event(_event(encode_message(message))).messages[0].message["content"] == [{"text": "hello"}]


def test_content_too_large_for_an_event_keeps_its_place():
    result = {"toolUseId": "t", "status": "success", "content": [{"text": "x" * 16_000_000}, {"text": "small"}]}
    message = {"role": "user", "content": [{"toolResult": result}], "tracking_id": str(uuid.uuid4())}
    payload = encode_message(message)
    assert len(json.dumps(payload)) < MAX_ITEM_BYTES
    (logged,) = decode_event(_event(payload)).messages
    texts = [item["text"] for item in logged.message["content"][0]["toolResult"]["content"]]
    assert "16,000,000 characters were too large" in texts[0]
    assert texts[1] == "small"


def test_lone_surrogates_survive():
    message = {"role": "user", "content": [{"text": "broken \ud83d emoji"}], "tracking_id": str(uuid.uuid4())}
    assert decode_event(_event(encode_message(message))).messages[0].message == message


def test_plain_text_is_a_message_of_its_role():
    (logged,) = decode_event(_event(encode_text("Hello there.", "assistant"))).messages
    assert logged.message["role"] == "assistant"
    assert logged.message["content"] == [{"text": "Hello there."}]
    assert logged.origin == "text"


def test_plain_text_that_happens_to_be_json_is_text():
    (logged,) = decode_event(_event(encode_text('{"message": "hi"}', "user"))).messages
    assert logged.message["content"] == [{"text": '{"message": "hi"}'}]


def test_a_message_without_a_tracking_id_gets_the_same_one_at_every_reading():
    event = _event(encode_text("one", "user"), encode_text("two", "user"))
    first, second = (decode_event(event).messages for _ in range(2))
    assert [one.message["tracking_id"] for one in first] == [one.message["tracking_id"] for one in second]
    assert first[0].message["tracking_id"] != first[1].message["tracking_id"]


def test_messages_of_the_sdks_openai_converter_are_read():
    message = {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "look", "input": {"q": 1}}}]}
    ((text, role),) = OpenAIConverseConverter.message_to_payload(SessionMessage.from_message(message, 0))
    payload = {"conversational": {"content": {"text": text}, "role": role.upper()}}
    (logged,) = decode_event(_event(payload)).messages
    assert logged.message["content"] == message["content"]
    assert logged.origin == "openai"


def test_an_agents_state_is_found_with_its_agent():
    state = {"agent_id": "a1", "state": {"k": 1}, "conversation_manager_state": {}}
    metadata = {"stateType": {"stringValue": "AGENT"}, "agentId": {"stringValue": "a1"}}
    decoded = decode_event(_event(encode_text("hi", "user"), {"blob": json.dumps(state)}, metadata=metadata))
    assert decoded.agent_state == state
    assert decoded.agent_id == "a1"
    assert len(decoded.messages) == 1


def test_what_nobody_knows_is_counted_and_passed_over():
    strange = [{"blob": "not json"}, {"blob": {"some": "document"}}, {"json": {"x": 1}}, {"blob": "[1, 2, 3]"}]
    tool = {"conversational": {"content": {"text": "plain tool output"}, "role": "TOOL"}}
    decoded = decode_event(_event(*strange, tool, encode_text("hi", "user")))
    assert decoded.unknown == 5
    assert [one.position.item for one in decoded.messages] == [5]


def test_our_own_items_are_invisible_to_the_plain_sdk_manager():
    item = agentmem_item("checkpoint", {"version": 1})
    assert decode_event(_event(item)).ours["checkpoint"]["version"] == 1
    assert AgentCoreMemoryConverter.events_to_messages([_event(item)]) == []


def test_tool_traffic_is_no_conversation():
    result = {"toolUseId": "t", "status": "success", "content": [{"text": "x"}]}
    assert not has_conversation({"role": "user", "content": [{"toolResult": result}]})
    assert has_conversation({"role": "assistant", "content": [{"text": "I will look."}, {"toolUse": {}}]})
