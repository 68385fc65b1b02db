"""Whatever is in a history, the request made of it is one that the Converse API accepts."""

from __future__ import annotations

import copy
import datetime as dt
import decimal
import functools
import json
import re

import boto3
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from strands.models import BedrockModel

from agentmem.clients.strands_compat import keeps_results_apart
from agentmem.messages.converse import CACHE_POINTS, for_model, valid_message
from agentmem.testing import ScriptedModel
from converse import validate_request

TOOLS = [{"name": "look", "description": "Look.", "inputSchema": {"json": {"type": "object"}}}]
POINT = {"cachePoint": {"type": "default"}}
PNG = b"\x89PNG\r\n\x1a\n0"


@functools.cache
def bedrock(model_id="us.anthropic.claude-sonnet-4-20250514-v1:0"):
    session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="y", region_name="us-west-2")
    return BedrockModel(boto_session=session, model_id=model_id)


def sent(messages, tools=TOOLS):
    """What Strands' own formatting makes of messages."""
    return bedrock().format_request(copy.deepcopy(messages), tools)["messages"]


def user(*blocks):
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks):
    return {"role": "assistant", "content": list(blocks)}


def use(name_id="a", name="look", given=None):
    return {"toolUse": {"toolUseId": name_id, "name": name, "input": {} if given is None else given}}


def result(name_id="a", *items, **fields):
    return {
        "toolResult": {"toolUseId": name_id, "status": "success", "content": list(items or [{"text": "ok"}]), **fields}
    }


def document(name="report", kind="pdf", **source):
    return {"document": {"format": kind, "name": name, "source": source or {"bytes": b"%PDF-1.4"}}}


# ---- any history

words = st.one_of(
    st.sampled_from(["", " ", "\n\t", "hello", "früh", "\ud83d", "a\udc00b", "\ud83d\ude00", "x" * 70, "\x00"]),
    st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=8),
)
ids = st.one_of(st.sampled_from(["a", "b", "call_0", "functions.look:0", "", "é", "i" * 70, "a-2", "\ud83d"]), words)
numbers = st.one_of(st.integers(), st.floats(), st.just(10**400), st.booleans(), st.none())
odd = st.sampled_from([b"\x00", (1, 2), {3, 4}, dt.date(2026, 1, 2), decimal.Decimal("1.5"), object(), {1: "one"}])
values = st.recursive(
    st.one_of(words, numbers, odd),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=6,
)
sources = st.one_of(
    st.sampled_from(
        [
            {"bytes": PNG},
            {"bytes": b""},
            {"bytes": "aGk="},
            {"text": "plain \ud83d"},
            {"s3Location": {"uri": "s3://bucket/key"}},
            {"location": {"type": "s3", "uri": "s3://bucket/key", "bucketOwner": "12"}},
            {"location": {"type": "file", "uri": "x"}},
            {},
            None,
        ]
    )
)
formats = st.sampled_from(["png", "jpg", "JPEG", "bmp", "pdf", "txt", "docx", "mp4", "3gp", "wav", "", None])
media = st.fixed_dictionaries(
    {}, optional={"format": formats, "source": sources, "name": words, "context": words, "citations": values}
)
kinds = {
    "text": words,
    "toolUse": st.fixed_dictionaries({}, optional={"toolUseId": ids, "name": ids, "input": values}),
    "toolResult": st.fixed_dictionaries(
        {},
        optional={
            "toolUseId": ids,
            "status": st.sampled_from(["success", "error", "failed", None]),
            "content": st.one_of(
                values,
                st.lists(
                    st.one_of(
                        values,
                        st.dictionaries(st.sampled_from(["text", "json", "cachePoint"]), values, max_size=1),
                        st.dictionaries(st.sampled_from(["image", "document", "audio", "video"]), media, max_size=1),
                    ),
                    max_size=3,
                ),
            ),
        },
    ),
    "cachePoint": st.sampled_from([{"type": "default"}, {"type": "default", "ttl": "1h"}, {"type": "x"}, {}, None]),
    "reasoningContent": st.one_of(
        st.fixed_dictionaries({"reasoningText": st.fixed_dictionaries({"text": words}, optional={"signature": words})}),
        st.sampled_from([{"redactedContent": b"x"}, {"redactedContent": b""}, {}]),
    ),
    "guardContent": st.one_of(
        st.fixed_dictionaries(
            {
                "text": st.fixed_dictionaries(
                    {"text": words}, optional={"qualifiers": st.sampled_from([["query"], ["x"]])}
                )
            }
        ),
        st.fixed_dictionaries({"image": media}),
    ),
    "citationsContent": st.fixed_dictionaries(
        {},
        optional={
            "content": st.lists(st.fixed_dictionaries({"text": words}), max_size=2),
            "citations": st.one_of(
                values,
                st.lists(
                    st.fixed_dictionaries(
                        {},
                        optional={
                            "title": words,
                            "location": st.one_of(
                                values, st.fixed_dictionaries({"web": st.fixed_dictionaries({"url": words})})
                            ),
                        },
                    ),
                    max_size=2,
                ),
            ),
        },
    ),
    "image": media,
    "document": media,
    "video": media,
    "audio": media,
    "json": values,
    "SDK_UNKNOWN_MEMBER": st.just({"name": "x"}),
    "somethingNew": values,
}
blocks = st.one_of(
    *(st.fixed_dictionaries({kind: value}) for kind, value in kinds.items()),
    *(
        st.fixed_dictionaries({kind: kinds[kind]})
        for kind in ("text", "toolUse", "toolResult", "document", "cachePoint")
    ),
    st.fixed_dictionaries({"text": words, "toolUse": kinds["toolUse"]}),
    words,
    st.none(),
)
contents = st.one_of(st.lists(blocks, max_size=5), st.lists(blocks, max_size=5), words)
histories = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": contents}), min_size=1, max_size=8
)


def plain(messages):
    return [{"role": message["role"], "content": message["content"]} for message in messages]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=histories, tools=st.booleans(), apart=st.booleans())
@example(history=[user(document())], tools=True, apart=False)
@example(history=[user({"text": " "}, POINT)], tools=True, apart=False)
@example(history=[assistant(use("a"), use("a")), user(result("a"), result("a"))], tools=True, apart=True)
def test_any_history_becomes_a_request_that_is_accepted(history, tools, apart):
    before = copy.deepcopy(history)
    asked = [*history, user({"text": "Go on."})]
    made = for_model(asked, tools=tools, results_apart=apart)
    assert re.sub(" at 0x\\w+", "", repr(history)) == re.sub(" at 0x\\w+", "", repr(before))
    validate_request(sent(made), tools=TOOLS if tools else [])
    again = for_model(copy.deepcopy(asked), tools=tools, results_apart=apart)
    assert repr(plain(again)) == repr(plain(made))
    settled = for_model(made, tools=tools, results_apart=apart)
    assert all(one is other for one, other in zip(settled, made, strict=True))
    if apart:
        for message in made:
            assert len({"toolResult" in block for block in message["content"]}) == 1


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories)
def test_a_history_that_ends_with_the_user_is_a_request_too(history):
    made = for_model([*history, user({"text": " "})])
    validate_request(sent(made))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories, histories)
def test_what_is_added_does_not_change_what_was_sent_before(history, later):
    """The provider's prompt cache holds the beginning; cache points are not part of it."""
    told = [*history, user({"text": "Go on."})]
    added = [assistant({"text": "Yes."}), user({"text": "And?"}), *later]

    def bare(messages):
        return [[block for block in message["content"] if "cachePoint" not in block] for message in messages]

    before = bare(for_model(told))
    assert repr(bare(for_model([*told, *added]))[: len(before)]) == repr(before)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": contents}))
def test_a_mended_message_needs_no_mending(message):
    once = valid_message(message)
    assert valid_message(once) is once


# ---- one kind each


def test_valid_messages_are_the_same_objects():
    history = [
        user(
            {"text": "früh"}, document("one (1) [a]-b"), {"image": {"format": "png", "source": {"bytes": PNG}}}, POINT
        ),
        assistant(
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}, use("a", given={"n": [1.5, {}]})
        ),
        user(result("a", {"json": {"n": 1}}, document("two")), {"text": "quick"}),
        assistant(
            {"citationsContent": {"content": [{"text": "x"}], "citations": [{"location": {"web": {"url": "u"}}}]}}
        ),
        user({"guardContent": {"text": {"text": "hm", "qualifiers": ["query"]}}}),
    ]
    assert all(one is other for one, other in zip(for_model(history), history, strict=True))
    validate_request(sent(history))


def test_lone_surrogates_become_replacement_characters_and_pairs_characters():
    [message] = for_model([user({"text": "a\ud83d \ud83d\ude00"})])
    assert message["content"] == [{"text": "a\ufffd 😀"}]


def test_numbers_that_are_not_json_are_shown_as_text():
    given = {"n": float("nan"), "up": float("inf"), "deep": [{"down": float("-inf")}], "kept": 1.5}
    made = for_model([user({"text": "x"}), assistant(use(given=given)), user(result())])
    assert made[1]["content"][0]["toolUse"]["input"] == {
        "n": "NaN",
        "up": "Infinity",
        "deep": [{"down": "-Infinity"}],
        "kept": 1.5,
    }


def test_json_that_is_no_object_is_wrapped():
    made = for_model(
        [user({"text": "x"}), assistant(use(given=[1])), user(result("a", {"json": [1, 2]}, {"json": "s"}))]
    )
    assert made[1]["content"][0]["toolUse"]["input"] == {"value": [1]}
    assert made[2]["content"][0]["toolResult"]["content"] == [{"json": {"value": [1, 2]}}, {"json": {"value": "s"}}]


def test_a_repeated_id_is_renamed_in_the_later_use_and_its_result():
    made = for_model(
        [
            user({"text": "x"}),
            assistant(use("c"), use("c")),
            user(result("c", {"text": "one"}), result("c", {"text": "two"})),
            assistant(use("c")),
            user(result("c", {"text": "three"})),
        ]
    )
    told = [
        (block["toolResult"]["toolUseId"], block["toolResult"]["content"][0]["text"])
        for message in made
        for block in message["content"]
        if "toolResult" in block
    ]
    assert told == [("c", "one"), ("c-2", "two"), ("c-3", "three")]
    validate_request(sent(made))


def test_foreign_and_long_ids_stay_apart():
    names = ["functions.look:0", "functions_look_0", "functions.look.0", "x" * 65, "x" * 66]
    made = for_model([user({"text": "x"}), assistant(*map(use, names)), user(*map(result, names))])
    validate_request(sent(made))
    assert [block["toolUse"]["toolUseId"] for block in made[1]["content"]] == [
        block["toolResult"]["toolUseId"] for block in made[2]["content"]
    ]
    assert made[1]["content"][1]["toolUse"]["toolUseId"] == "functions_look_0"


def test_documents_get_a_text_beside_them_and_names_of_their_own():
    made = for_model(
        [
            user(document("q3 report.pdf")),
            assistant(use()),
            user(result("a", document("Q3 report pdf"))),
            assistant({"text": "y"}),
            user(document("")),
        ]
    )
    validate_request(sent(made))
    names = [made[0]["content"][0], made[2]["content"][0]["toolResult"]["content"][0], made[4]["content"][0]]
    assert [block["document"]["name"] for block in names] == ["q3 report pdf", "Q3 report pdf 2", "document"]


def test_a_history_that_says_nothing_still_asks_for_an_answer():
    for content in (
        [],
        [{"text": " "}],
        [{"text": ""}, POINT],
        [{"reasoningContent": {"reasoningText": {"text": "x"}}}],
    ):
        validate_request(sent(for_model([user(*content)])))
        validate_request(sent(for_model([user({"text": "x"}), assistant({"text": "y"}), user(*content)])))


def test_only_the_last_cache_points_are_kept():
    history = []
    for number in range(6):
        history += [user({"text": f"{number}"}, POINT), assistant({"text": "y"})]
    made = for_model([*history, user({"text": "z"})])
    assert [POINT in message["content"] for message in made[::2]] == [False] * 4 + [True] * CACHE_POINTS + [False]


def test_tool_results_stand_alone_for_the_models_that_want_it():
    history = [user({"text": "x"}), assistant(use()), user(result()), {**user({"text": "and?"}), "tracking_id": "t"}]
    assert [list(block) for block in for_model(history)[2]["content"]] == [["toolResult"], ["text"]]
    made = for_model(history, results_apart=True)
    assert [(message["role"], [next(iter(block)) for block in message["content"]]) for message in made[2:]] == [
        ("user", ["toolResult"]),
        ("assistant", ["text"]),
        ("user", ["text"]),
    ]


@pytest.mark.parametrize(
    ("model_id", "apart"),
    [
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", False),
        ("amazon.nova-pro-v1:0", False),
        ("us.meta.llama4-maverick-17b-instruct-v1:0", True),
        ("mistral.mistral-large-2407-v1:0", True),
        ("arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/abc.d", False),
        ("my-profile", False),
    ],
)
def test_models_that_keep_results_apart(model_id, apart):
    assert keeps_results_apart(bedrock(model_id)) is apart
    assert not keeps_results_apart(ScriptedModel())


def test_a_request_without_tools_shows_tool_traffic_as_text():
    history = [
        user({"text": "x"}),
        assistant(use(given={"q": "früh"})),
        user(result("a", {"text": "blue"}, {"image": {"format": "png", "source": {"bytes": PNG}}})),
        assistant({"text": "y"}),
        user({"text": "z"}),
    ]
    made = for_model(history, tools=False)
    validate_request(sent(made, []), tools=[])
    assert made[1]["content"] == [{"text": '[Called the tool look with {"q": "früh"}]'}]
    assert made[2]["content"][0] == {"text": "[The tool look returned]\nblue"}


def test_what_the_model_cannot_be_given_is_named():
    made = for_model([user({"text": "x"}, {"image": {"format": "bmp", "source": {"bytes": b"x"}}}, {"hologram": {}})])
    assert [block["text"] for block in made[0]["content"][1:]] == [
        "[image (bmp) left out: the model cannot be given it]",
        "[hologram left out: the model cannot be given it]",
    ]


def test_an_image_is_sent_as_what_it_is():
    [message] = for_model([user({"text": "x"}, {"image": {"format": "jpg", "source": {"bytes": PNG}}})])
    assert message["content"][1]["image"]["format"] == "png"


def test_nested_values_end_somewhere():
    value = inner = {}
    for _ in range(300):
        inner["x"] = inner = {}
    made = for_model([user({"text": "x"}), assistant(use(given=value)), user(result())])
    json.dumps(made)
    circle = []
    circle += [circle, circle]
    made = for_model([user({"text": "x"}), assistant(use(given={"c": circle})), user(result())])
    json.dumps(made)
