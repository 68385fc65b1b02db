"""Thinking blocks and tool calls written as text, in whole texts and in streams."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentmem.messages.thinking import MAX_HELD, ThinkingFilter, ToolCall, strip_thinking

NOVA_CALL = (
    "<tools>\n"
    "  <__function=save_page>\n"
    "    <__parameter=title>Lucid dreaming</__parameter>\n"
    "    <__parameter=html><html><b>1 < 2</b></html></__parameter>\n"
    "  </__function>\n"
    "</tools>"
)

FRAGMENTS = [
    "<thinking>",
    "<THINKING mode='deep'>",
    "<think>",
    "<think/>",
    "</think>",
    "</Thinking >",
    "<thinkers>",
    "<thin",
    "<thinking ",
    "<",
    "</",
    ">",
    "/",
    "_",
    "=",
    " ",
    "\n\n",
    "a < b",
    "text",
    "<tools>",
    "</tools>",
    "<__function=f>",
    "<_Function = g >",
    "</__function>",
    "<__parameter=p>",
    "</__parameter>",
    '{"a": [1]}',
    "<b>",
    "é😀\ud83d",
    "x" * 130,
    " " * 9,
    " " * 66,
    "y" * 257,
]
texts = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=4), max_size=14).map("".join)


def streamed(chunks: list[str]) -> tuple[str, list[ToolCall]]:
    thinking = ThinkingFilter()
    visible = "".join([thinking.feed(chunk) for chunk in chunks])
    return visible + thinking.close(), thinking.tool_calls


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ("", ""),
        ("no tags at all\n", "no tags at all\n"),
        ("<thinking>plan</thinking>Answer", "Answer"),
        ("<think>plan</think>Answer", "Answer"),
        ("one<thinking>a</thinking>two<think>b</think>three", "onetwothree"),
        ("<THINKING>a</Thinking>A", "A"),
        ('<thinking mode="deep" n=1>a</thinking>A', "A"),
        ("<thinking\nmode=x\n>a</thinking\n>A", "A"),
        ("<think/>A<think />B", "AB"),
        ("A<thinking>never closed </b> and more", "A"),
        ("A</thinking>B</think>C", "ABC"),
        ("<thinking>a</think>B", "B"),
        ("<thinking>a<thinking>b</thinking>c</thinking>D", "D"),
        ("<thinking>a<think>b</think>c</thinking>D", "D"),
        ("<thinking>the tag <b> and a < b</thinking>D", "D"),
    ],
)
def test_thinking_is_removed_and_the_answer_kept(text: str, visible: str) -> None:
    assert strip_thinking(text) == visible


@pytest.mark.parametrize(
    "text",
    [
        "a < b and b > a",
        "<b>bold</b> <thinkers> </thinkers> <thinking-cap> <thought>",
        "< thinking> </ think>",
        "a trailing <",
        "a trailing <thinking",
        "a trailing <__function=x",
        "<tools><hammer/></tools>",
        "<function=f>not Nova's</function>",
        "<thinking " + "x" * 300 + ">an attribute that is too long",
        "<\u017fthinking> \u212aelvin",
    ],
)
def test_other_angle_brackets_are_untouched(text: str) -> None:
    assert strip_thinking(text) == text


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ("<thinking>a</thinking>\n\nAnswer\n", "Answer\n"),
        ("Hello <thinking>a</thinking> world", "Hello world"),
        ("Hello<thinking>a</thinking> world", "Hello world"),
        ("One.\n\n<thinking>a</thinking>\n\nTwo.", "One.\n\nTwo."),
        ("One.<thinking>a</thinking>\n\nTwo.", "One.\n\nTwo."),
        ("  kept <b> as it is  ", "  kept <b> as it is  "),
    ],
)
def test_no_double_white_space_is_left_where_something_was_removed(text: str, visible: str) -> None:
    assert strip_thinking(text) == visible


def test_a_tool_call_written_as_text_is_taken_out_and_parsed() -> None:
    visible, calls = streamed([f"Here it is.\n{NOVA_CALL}\nAnything else?"])

    assert visible == "Here it is.\nAnything else?"
    assert calls == [ToolCall("save_page", {"title": "Lucid dreaming", "html": "<html><b>1 < 2</b></html>"})]


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("<__function=now></__function>", [ToolCall("now", {})]),
        ("<_FUNCTION=f><_Parameter=p>v</_parameter></_function>", [ToolCall("f", {"p": "v"})]),
        (
            "<tools><__function=a></__function>\n<__function=b></__function></tools>",
            [ToolCall("a", {}), ToolCall("b", {})],
        ),
        (
            (
                '<__function=f><__parameter=list>[1, {"a": null}]</__parameter><__parameter=n> 007 </__parameter>'
                "<__parameter=almost>[not json</__parameter></__function>"
            ),
            [ToolCall("f", {"list": [1, {"a": None}], "n": "007", "almost": "[not json"})],
        ),
        (
            "<__function=f><__parameter=p>a <think>b</think></__parameter></__function>",
            [ToolCall("f", {"p": "a <think>b</think>"})],
        ),
        # Closing tags that the model left out or misspelled.
        ("<__function=f><__parameter=p>one<__parameter=q>two</__function>", [ToolCall("f", {"p": "one", "q": "two"})]),
        ("<__function=f><__parameter=p>one</__param</__function>", [ToolCall("f", {"p": "one"})]),
        ("<__function=f><__function=g></__function>", [ToolCall("f", {}), ToolCall("g", {})]),
        ("<tools><__function=f></tools>", [ToolCall("f", {})]),
        # Cut off by the end of the text.
        ("<__function=f><__parameter=p>one tw", [ToolCall("f", {"p": "one tw"}, complete=False)]),
        ("<__function=f><__parameter=p>one</__para", [ToolCall("f", {"p": "one"}, complete=False)]),
    ],
)
def test_every_shape_of_call_is_parsed_and_leaves_no_text(text: str, calls: list[ToolCall]) -> None:
    assert streamed([text]) == ("", calls)


def test_a_call_the_model_only_thought_about_is_not_offered() -> None:
    assert streamed([f"<thinking>{NOVA_CALL}</thinking>A"]) == ("A", [])


def test_parameter_tags_outside_a_call_are_removed_and_their_text_kept() -> None:
    assert streamed(["<__parameter=content>The answer</__parameter></__function>"]) == ("The answer", [])


@given(texts, st.data())
@example("<think " + "a" * 256 + ">hidden", None)
@example("<tools>" + " " * 64 + "<__function=f>x", None)
@example("<__function" + " " * 8 + "=" + " " * 8 + "n" * 128 + ">x", None)
def test_the_result_does_not_depend_on_how_the_text_is_cut(text: str, data: st.DataObject | None) -> None:
    whole = ThinkingFilter()
    expected = whole.feed(text) + whole.close()
    if data is None:
        chunks = list(text)
    else:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
        chunks = [text[a:b] for a, b in pairwise([0, *cuts, len(text)])]

    assert strip_thinking(text) == expected
    assert streamed(chunks) == (expected, whole.tool_calls)
    assert streamed(list(text)) == (expected, whole.tool_calls)


@given(st.lists(st.sampled_from(["VISIBLE ", "<b>", "a < b ", "<THINK>", "</think>", "<think x='>'>"]), max_size=12))
def test_nothing_between_balanced_tags_is_ever_visible(fragments: list[str]) -> None:
    depth = 0
    text = ""
    for fragment in fragments:
        depth += fragment.startswith(("<THINK", "<think")) - fragment.startswith("</")
        depth = max(0, depth)
        text += fragment.replace("VISIBLE", "SECRET") if depth else fragment
    assert "SECRET" not in strip_thinking(text)


@given(texts)
def test_what_is_held_back_stays_bounded(text: str) -> None:
    thinking = ThinkingFilter()
    held = []
    for character in text:
        thinking.feed(character)
        held.append(thinking.held)
    thinking.close()
    assert max(held, default=0) <= MAX_HELD
    assert thinking.held == 0


@pytest.mark.parametrize(
    "text",
    ["<thinking>" + "a" * 50_000, "<" * 50_000, "plain " * 10_000, "<__function=f><__parameter=p>" + "v" * 50_000],
    ids=["unclosed", "brackets", "plain", "call"],
)
def test_one_character_at_a_time_costs_no_more_than_a_bounded_look_back(text: str) -> None:
    thinking = ThinkingFilter()
    looked_at = 0
    for character in text:
        looked_at += thinking.held + 1
        thinking.feed(character)
    assert looked_at <= 2 * len(text) + MAX_HELD


def test_text_that_cannot_be_a_tag_is_returned_at_once() -> None:
    thinking = ThinkingFilter()
    assert [thinking.feed(piece) for piece in ("a ", "< ", "<b", "<thi", "ck>")] == ["a ", "< ", "<b", "", "<thick>"]


def test_a_closed_filter_refuses_more_text() -> None:
    thinking = ThinkingFilter()
    assert thinking.feed("a <") == "a "
    assert thinking.close() == "<"
    assert thinking.close() == ""
    with pytest.raises(ValueError, match="closed"):
        thinking.feed("more")
