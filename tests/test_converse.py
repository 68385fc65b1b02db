"""The validator of Converse requests finds what it is there to find."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from converse import validate_request

if TYPE_CHECKING:
    from collections.abc import Callable

TOOLS = [{"name": "find", "description": "Find.", "inputSchema": {"json": {"type": "object"}}}]
Messages = list[dict[str, Any]]


def valid() -> Messages:
    return [
        {"role": "user", "content": [{"text": "Find two things."}]},
        {
            "role": "assistant",
            "content": [
                {"text": "Looking."},
                {"toolUse": {"toolUseId": "a", "name": "find", "input": {"q": 1}}},
                {"toolUse": {"toolUseId": "b", "name": "find", "input": {}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "b", "content": [{"text": "two"}]}},
                {"toolResult": {"toolUseId": "a", "content": [{"json": {"n": 1}}], "status": "error"}},
                {"text": "And hurry."},
            ],
        },
        {"role": "assistant", "content": [{"reasoningContent": {"reasoningText": {"text": "hm"}}}, {"text": "Done."}]},
        {"role": "user", "content": [{"text": "Thanks."}]},
    ]


def test_a_valid_request_passes() -> None:
    assert validate_request(valid(), "Be brief.", TOOLS) is None
    assert validate_request(valid(), [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}], TOOLS) is None


def drop(index: int) -> Callable[[Messages], object]:
    return lambda messages: messages.pop(index)


def set_content(index: int, content: list[dict[str, Any]]) -> Callable[[Messages], object]:
    return lambda messages: messages[index].update(content=content)


def add_block(index: int, block: dict[str, Any], at: int = 99) -> Callable[[Messages], object]:
    return lambda messages: messages[index]["content"].insert(at, block)


def set_result(**fields: Any) -> Callable[[Messages], object]:
    return lambda messages: messages[2]["content"][0]["toolResult"].update(fields)


BROKEN: dict[str, tuple[Callable[[Messages], object], str]] = {
    "no messages": (lambda messages: messages.clear(), "no messages"),
    "starts with the assistant": (lambda messages: messages.__delitem__(slice(0, 3)), "must start with a user"),
    "ends with the assistant": (drop(4), "must end with a user"),
    "two user messages": (drop(3), "two user messages"),
    "unknown role": (lambda messages: messages[0].update(role="system"), "role is 'system'"),
    "extra field": (lambda messages: messages[0].update(tracking_id="x"), "fields are"),
    "empty content": (set_content(0, []), "content is empty"),
    "content is a text": (lambda messages: messages[0].update(content="hi"), "content is str"),
    "empty text": (set_content(0, [{"text": ""}]), "empty or blank"),
    "blank text": (add_block(3, {"text": " \n"}), "empty or blank"),
    "two kinds in a block": (set_content(0, [{"text": "a", "cachePoint": {"type": "default"}}]), "exactly one kind"),
    "only a cache point": (set_content(0, [{"cachePoint": {"type": "default"}}]), "nothing but a cache point"),
    "tool use by the user": (
        add_block(4, {"toolUse": {"toolUseId": "c", "name": "find", "input": {}}}),
        "toolUse is forbidden in a user message",
    ),
    "reasoning by the user": (
        add_block(4, {"reasoningContent": {"reasoningText": {"text": "x"}}}),
        "reasoningContent is forbidden in a user message",
    ),
    "tool result by the assistant": (
        add_block(3, {"toolResult": {"toolUseId": "a", "content": [{"text": "x"}]}}),
        "toolResult is forbidden in a assistant message",
    ),
    "image by the assistant": (
        add_block(3, {"image": {"format": "png", "source": {"bytes": b"x"}}}),
        "image is forbidden in a assistant message",
    ),
    "document alone": (
        set_content(0, [{"document": {"format": "txt", "name": "n", "source": {"bytes": b"x"}}}]),
        "document without a text",
    ),
    "result missing": (lambda messages: messages[2]["content"].pop(0), "no result for the tool calls"),
    "all results missing": (set_content(2, [{"text": "hi"}]), "no result for the tool calls"),
    "orphan result": (set_result(toolUseId="zzz"), "no result for the tool calls"),
    "result without a call": (
        add_block(4, {"toolResult": {"toolUseId": "a", "content": [{"text": "x"}]}}, at=0),
        "results without a call",
    ),
    "answered twice": (
        add_block(2, {"toolResult": {"toolUseId": "a", "content": [{"text": "x"}]}}, at=0),
        "answered twice",
    ),
    "text before results": (add_block(2, {"text": "first"}, at=0), "must come before"),
    "empty result": (set_result(content=[]), "tool result content is empty"),
    "blank result text": (set_result(content=[{"text": ""}]), "empty or blank"),
    "unknown result kind": (set_result(content=[{"audio": {}}]), "not allowed in a tool result"),
    "unknown status": (set_result(status="maybe"), "status is 'maybe'"),
    "bad id": (set_result(toolUseId="a b"), "toolUseId 'a b'"),
    "input is a text": (lambda messages: messages[1]["content"][1]["toolUse"].update(input="{}"), "not an object"),
    "no tool name": (lambda messages: messages[1]["content"][1]["toolUse"].pop("name"), "tool name None"),
    "id used twice": (lambda messages: messages[1]["content"][2]["toolUse"].update(toolUseId="a"), "not unique"),
    "lone surrogate": (set_content(0, [{"text": "a\ud83d"}]), "lone surrogate"),
    "lone surrogate in the input": (
        lambda messages: messages[1]["content"][1]["toolUse"].update(input={"q": "\udc00"}),
        "lone surrogate",
    ),
    "no number of JSON": (set_result(content=[{"json": {"n": float("nan")}}]), "is not JSON"),
    "json that is a list": (set_result(content=[{"json": [1]}]), "is not an object"),
    "no image format": (set_content(0, [{"image": {"format": "bmp", "source": {"bytes": b"x"}}}]), "is none of"),
    "empty image": (set_content(0, [{"image": {"format": "png", "source": {"bytes": b""}}}]), "length"),
    "document name": (
        set_content(0, [{"document": {"format": "txt", "name": "a.txt", "source": {"bytes": b"x"}}}, {"text": "a"}]),
        "document name 'a.txt'",
    ),
    "two documents of one name": (
        set_content(
            0,
            [{"document": {"format": "txt", "name": name, "source": {"bytes": b"x"}}} for name in "nN"]
            + [{"text": "a"}],
        ),
        "two documents",
    ),
    "only reasoning": (
        set_content(3, [{"reasoningContent": {"reasoningText": {"text": "x"}}}]),
        "nothing but reasoning",
    ),
    "cache point in front": (add_block(0, {"cachePoint": {"type": "default"}}, at=0), "nothing before it"),
    "cache point behind reasoning": (add_block(3, {"cachePoint": {"type": "default"}}, at=1), "behind reasoning"),
    "cache points of every message": (
        lambda messages: [
            m["content"].extend([{"cachePoint": {"type": "default"}}, {"text": "x"}] * 3) for m in messages[::4]
        ],
        "6 cache points",
    ),
    "a later cache point lives longer": (
        set_content(
            0,
            [
                {"text": "a"},
                {"cachePoint": {"type": "default"}},
                {"text": "b"},
                {"cachePoint": {"type": "default", "ttl": "1h"}},
            ],
        ),
        "lives longer",
    ),
    "wrong type inside": (set_content(0, [{"image": {"format": "png", "source": {"bytes": 5}}}]), "Invalid type"),
    "unknown field inside": (set_result(note="x"), "Unknown parameter"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_request_is_named(name: str) -> None:
    damage, message = BROKEN[name]
    messages = copy.deepcopy(valid())
    damage(messages)
    with pytest.raises(AssertionError, match=message):
        validate_request(messages, "Be brief.", TOOLS)


def test_an_id_used_again_in_a_later_message_is_found() -> None:
    messages = [*valid()[:-1], *valid()]
    with pytest.raises(AssertionError, match="not unique in the request"):
        validate_request(messages, None, TOOLS)


def test_blank_system_prompts_and_bad_tools_are_found() -> None:
    with pytest.raises(AssertionError, match="system prompt"):
        validate_request(valid(), " ", TOOLS)
    with pytest.raises(AssertionError, match="offers none"):
        validate_request(valid(), None, [])
    with pytest.raises(AssertionError, match="two tools"):
        validate_request(valid(), None, TOOLS * 2)
    with pytest.raises(AssertionError, match="tool name"):
        validate_request(valid(), None, [{**TOOLS[0], "name": "not a name"}])
