"""parse_stream reads what agents answer, in every form, cut anywhere, and nothing in it is fatal."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_corpus import EVENTS, EXPECTED_FAULTY, FAULTY, STREAMS, as_ndjson, joined

from agentmem.streaming import (
    DoneEvent,
    ErrorEvent,
    GuardrailEvent,
    MessageEvent,
    MetadataEvent,
    ToolUseEvent,
    parse_stream,
    parse_stream_async,
)
from gears import examples, thorough

KEYS = """
event data delta text toolUse toolUseId name input message content role toolResult type metadata usage trace guardrail
inputAssessment outputAssessments action messageStop stopReason contentBlockDelta contentBlockStart start
contentBlockStop redactContent current_tool_use result error force_stop tool_use_id status assessments details
"""
TYPES = ["message", "tool_use", "tool_result", "guardrail", "error", "metadata"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(KEYS.split()), inner | st.sampled_from(TYPES), max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("form", STREAMS)
def test_every_form_of_one_turn_gives_the_same_events(form):
    assert joined(parse_stream([STREAMS[form]])) == EVENTS


@pytest.mark.parametrize("form", FAULTY)
def test_every_faulty_stream_comes_to_a_proper_end(form):
    events = joined(parse_stream([FAULTY[form]]))
    assert events.count(DoneEvent()) == 1
    assert events[-1] == DoneEvent()
    assert events == EXPECTED_FAULTY.get(form, events)


_STEP = 13  # bytes; the sizes below cut at every byte, too


@pytest.mark.counted
@pytest.mark.parametrize("form", [*STREAMS, *FAULTY])
def test_a_stream_cut_at_any_byte_gives_the_same_events(form):
    stream = {**STREAMS, **FAULTY}[form]
    whole = list(parse_stream([stream]))
    for at in range(0, len(stream) + 1, 1 if thorough() else _STEP):
        assert list(parse_stream([stream[:at], stream[at:]])) == whole, f"cut at byte {at}"
    for size in (1, 2, 3, 7):
        assert list(parse_stream(stream[at : at + size] for at in range(0, len(stream), size))) == whole


async def test_the_async_twin_reads_the_same():
    async def chunks(stream):
        for at in range(0, len(stream), 5):
            yield stream[at : at + 5]

    for stream in [*STREAMS.values(), *FAULTY.values()]:
        assert [event async for event in parse_stream_async(chunks(stream))] == list(parse_stream([stream]))


@given(st.lists(JSON, max_size=8))
@settings(max_examples=examples(300))
def test_no_json_whatever_its_shape_breaks_the_reading(values):
    events = list(parse_stream([as_ndjson(values)]))
    assert [event for event in events if isinstance(event, DoneEvent)] == [events[-1]]
    for event in events:
        json.dumps(event.to_dict(), allow_nan=False)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reading(stream):
    assert list(parse_stream([stream]))[-1] == DoneEvent()


def test_json_nested_too_deeply_is_one_more_line_that_cannot_be_read():
    nested = b"[" * 100_000 + b"]" * 100_000
    guardrail = b'{"metadata": {"trace": {"guardrail": {"inputAssessment": {"a": ' + b'{"a": ' * 500 + b"1" + b"}" * 505
    events = list(parse_stream([nested + b"\n" + guardrail + b"\n"]))
    assert events[-2:] == [MetadataEvent({"skippedLines": 1}), DoneEvent()]


def test_a_line_of_more_than_ten_megabytes_is_refused_and_the_rest_is_read():
    long = b'{"text": "' + b"x" * 10_000_001 + b'"}\n'
    events = list(parse_stream([long[at : at + 65_536] for at in range(0, len(long), 65_536)] + [b'{"text": "after"}']))
    assert [event.type for event in events] == ["error", "message", "metadata", "done"]
    assert events[0].details == "LineTooLong"
    assert events[1].content == "after"


def test_the_data_lines_of_one_event_are_refused_together_when_they_are_too_much():
    stream = b"data: [\n" + b'data: "xxxxxxxx",\n' * 100 + b'data: ""]\n\ndata: "after"\n\n'
    events = list(parse_stream([stream], max_line_bytes=1_000))
    assert events[0].details == "LineTooLong"
    assert MessageEvent("after") in events


def test_a_line_at_the_limit_is_read():
    line = json.dumps({"text": "x" * 100}).encode()
    assert next(parse_stream([line], max_line_bytes=len(line))) == MessageEvent("x" * 100)
    assert next(parse_stream([line], max_line_bytes=len(line) - 1)).details == "LineTooLong"


def test_the_work_is_linear_in_the_bytes():
    line = as_ndjson([{"event": {"contentBlockDelta": {"delta": {"text": "abcdefgh <tag> " * 3}}}}])

    def seconds(size, make):
        stream = make(size)
        chunks = [stream[at : at + 4] for at in range(0, len(stream), 4)]
        began = time.process_time()
        list(parse_stream(chunks))
        return time.process_time() - began

    def deltas(size):
        return line * (size // len(line))

    def one_line(size):
        return b'{"text": "' + b"x" * size + b'"}'

    def written_calls(size):
        return as_ndjson([{"text": "<__function=f></__function>"}] * (size // 40))

    for make in (deltas, one_line, written_calls):
        quarter = min(seconds(250_000, make) for _ in range(2))
        whole = min(seconds(1_000_000, make) for _ in range(2))
        assert whole < 4 * quarter * 2, make.__name__  # quadratic work would take 16 times as long


def test_events_come_with_their_line_and_not_later():
    def chunks():
        yield b'data: {"delta": "a"}\n'
        yield None
        raise AssertionError

    events = parse_stream(chunk for chunk in chunks())
    assert next(events) == MessageEvent("a")
    events.close()


def test_a_source_that_fails_ends_in_an_error_event():
    def chunks():
        yield b'{"text": "a"}\n'
        raise ConnectionResetError("secret address")

    events = list(parse_stream(chunks()))
    assert [event.type for event in events] == ["message", "error", "done"]
    assert events[1].details == "ConnectionResetError"
    assert "secret" not in str(events)


def test_an_answer_that_breaks_off_is_an_error_and_a_complete_one_is_none():
    begun = as_ndjson([{"messageStart": {"role": "assistant"}}, {"contentBlockDelta": {"delta": {"text": "Hel"}}}])
    assert list(parse_stream([begun])) == [
        MessageEvent("Hel"),
        ErrorEvent("The answer ended in the middle.", "IncompleteStream"),
        DoneEvent(),
    ]
    ended = begun + as_ndjson([{"messageStop": {"stopReason": "end_turn"}}])
    assert list(parse_stream([ended])) == [MessageEvent("Hel"), DoneEvent()]


def test_what_follows_the_end_is_not_read_and_the_source_is_closed():
    closed = []

    def chunks():
        try:
            yield b'{"type": "done"}\n{"text": "more"}\n'
            yield b'{"text": "and more"}\n'
        finally:
            closed.append(True)

    assert list(parse_stream(chunks())) == [DoneEvent()]
    assert closed == [True]
    assert list(parse_stream([b'data: {"delta": "a"}\n\ndata: [DONE]\n\ndata: {"delta": "b"}\n\n'])) == [
        MessageEvent("a"),
        DoneEvent(),
    ]


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (b'{"result": "Hello."}', "Hello."),
        (b'{"result": {"role": "assistant", "content": [{"text": "Hello."}]}}', "Hello."),
        (b'{"output": {"message": {"role": "assistant", "content": [{"text": "Hello."}]}}}', "Hello."),
        (b'"Hello."', "Hello."),
        (b'data: "Hel"\n\ndata: "lo."\n\n', "Hello."),
        (b"event: message\ndata: Hello,\ndata: world.\n\nevent: done\ndata:\n\n", "Hello,\nworld."),
        (b'data: "event: message\\ndata: {\\"delta\\": \\"Hello.\\"}\\n\\n"\n\n', "Hello."),
        (b"data: \"{'init_event_loop': True, 'agent': <Agent>}\"\n\ndata: \"Hello.\"\n\n", "Hello."),
        (b'[{"type": "message", "content": "Hello."}, {"type": "done"}]', "Hello."),
        (b'{"event": {"type": "x", "event": {"contentBlockDelta": {"delta": {"text": "Hello."}}}}}', "Hello."),
    ],
)
def test_other_servers_answers_are_read(stream, said):
    events = list(parse_stream([stream]))
    assert "".join(event.content for event in events if isinstance(event, MessageEvent)) == said
    assert [event.type for event in events if event.type != "message"] == ["done"]


def test_cumulative_text_is_told_from_incremental_by_its_second_piece():
    def said(*texts, **options):
        events = parse_stream([as_ndjson([{"type": "message", "content": text} for text in texts])], **options)
        return [event.content for event in events if isinstance(event, MessageEvent)]

    assert said("Hel", "Hello", "Hello, ", "Hello, you") == ["Hel", "lo", ", ", "you"]
    assert said("Hel", "lo", "Hello") == ["Hel", "lo", "Hello"]
    assert said("Hello", "Hello, you", "Another") == ["Hello", ", you", "Another"]
    assert said("Hello", "Hello, you", "Hello") == ["Hello", ", you"]
    assert said("ha", "haha", text="incremental") == ["ha", "haha"]
    assert said("ha", "ha", text="cumulative") == ["ha"]


def test_bedrock_text_is_incremental_unless_said_otherwise():
    stream = as_ndjson([{"contentBlockDelta": {"delta": {"text": text}}} for text in ("ha", "haha")])
    assert joined(parse_stream([stream]))[0] == MessageEvent("hahaha")
    assert joined(parse_stream([stream], text="cumulative"))[0] == MessageEvent("haha")


def test_a_message_that_grows_as_a_whole_is_shown_by_what_is_new():
    stream = as_ndjson(
        [
            {"type": "message", "content": [{"text": text}]}
            for text in ("<think", "<think>x</think>Oh", "<think>x</think>Oh no")
        ]
    )
    assert list(parse_stream([stream])) == [MessageEvent("Oh"), MessageEvent(" no"), DoneEvent()]


def test_guardrails_are_told_once_with_or_without_a_trace():
    def events(*chunks):
        stream = as_ndjson([{"messageStart": {"role": "assistant"}}, *chunks])
        return [event for event in parse_stream([stream]) if isinstance(event, GuardrailEvent)]

    stop = {"messageStop": {"stopReason": "guardrail_intervened"}}
    redacted = {"redactContent": {"redactUserContentMessage": "[removed]"}}
    usage = {"metadata": {"usage": {"inputTokens": 1}}}
    assert events(stop) == [GuardrailEvent("OUTPUT", "GUARDRAIL_INTERVENED")]
    assert events(stop, redacted, usage) == [GuardrailEvent("INPUT", "GUARDRAIL_INTERVENED")]
    passed = {"topicPolicy": {"topics": [{"name": "x", "action": "NONE"}]}}
    traced = {"metadata": {"trace": {"guardrail": {"outputAssessments": {"gr": [passed]}}}}}
    assert events({"messageStop": {"stopReason": "end_turn"}}, traced) == [GuardrailEvent("OUTPUT", "NONE", (passed,))]


def test_errors_inside_the_stream_are_told_once_and_the_rest_goes_on():
    stream = as_ndjson(
        [
            {"messageStart": {"role": "assistant"}},
            {"contentBlockDelta": {"delta": {"text": "a <"}}},
            {"throttlingException": {"message": "slow down, arn:aws:iam::123:role/x"}},
            {"force_stop": True, "force_stop_reason": "too bad"},
            {"error": "too bad", "error_type": "E", "message": "An error occurred during streaming"},
            {"error": True, "message": "The agent failed."},
            {"error": {"type": "overloaded", "message": "Busy."}},
        ]
    )
    events = list(parse_stream([stream]))
    assert events[:2] == [MessageEvent("a "), MessageEvent("<")]
    assert [(event.message, event.details) for event in events[2:-1]] == [
        ("The model service is busy. Try again in a moment.", "throttlingException"),
        ("The agent was stopped.", "too bad"),
        ("The agent failed.", None),
        ("Busy.", "overloaded"),
    ]


def test_a_tool_call_whose_input_cannot_be_read_is_told_without_it():
    stream = as_ndjson(
        [
            {"contentBlockDelta": {"delta": {"toolUse": {"toolUseId": "t1", "name": "look", "input": '{"a": '}}}},
            {"contentBlockStop": {}},
            {"current_tool_use": {"toolUseId": "t1", "name": "look", "input": "{}"}},
        ]
    )
    assert list(parse_stream([stream])) == [ToolUseEvent("look", {}, "t1"), DoneEvent()]


def test_a_growing_tool_call_without_a_message_after_it_is_told_at_the_end():
    calls = [
        {"toolUseId": "t1", "name": "look", "input": '{"a": 1}'},
        {"toolUseId": "t2", "name": "see", "input": "{}"},
    ]
    stream = as_ndjson([{"current_tool_use": call} for call in calls])
    assert list(parse_stream([stream]))[:2] == [ToolUseEvent("look", {"a": 1}, "t1"), ToolUseEvent("see", {}, "t2")]
