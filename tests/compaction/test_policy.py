"""The plan: what it keeps, what it may not touch, and that it settles."""

from __future__ import annotations

import copy
import json

from histories import histories
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmem.compaction.converse import for_model
from agentmem.compaction.policy import History, Limits, Plan, plan
from agentmem.compaction.tokens import count_message
from agentmem.compaction.truncation import TruncationSettings
from agentmem.compaction.turns import cycles_of, turns_of
from converse import validate_request

limits = st.builds(
    lambda threshold, share, protected, summary: Limits(threshold, int(threshold * share), protected, summary),
    st.integers(50, 20_000),
    st.floats(0.2, 0.8),
    st.integers(1, 4),
    st.integers(0, 500),
)
settings_ = st.builds(TruncationSettings, max_tool_content_length=st.integers(0, 800), keep_media=st.booleans())


def _sent(messages):
    """As Strands sends them: tracking ids and metadata stay behind."""
    return [{"role": message["role"], "content": message["content"]} for message in for_model(messages)]


def _next(history: History, planned: Plan) -> History:
    """The history after a plan was carried out."""
    kept = planned.kept
    return History(
        messages=planned.messages,
        fixed_tokens=history.fixed_tokens,
        summary_tokens=planned.tokens_after - history.fixed_tokens - sum(map(count_message, planned.messages)),
        head=len(planned.head),
        shortened=sum(1 for index in kept if index < planned.shortened),
        cycles_shortened=sum(1 for index in kept if index < planned.cycles_shortened),
    )


@settings(max_examples=400)
@given(histories(), limits, settings_)
def test_whatever_is_planned_is_a_valid_request(messages, limits, settings):
    planned = plan(History(messages), limits, settings, count_message)
    validate_request(_sent(planned.messages))


@settings(max_examples=200)
@given(histories(), limits, settings_)
def test_planning_changes_no_message(messages, limits, settings):
    before = copy.deepcopy(messages)
    plan(History(messages), limits, settings, count_message, force=True)
    assert messages == before


@settings(max_examples=300)
@given(histories(), limits, settings_)
def test_tokens_never_grow_but_for_the_room_of_a_summary(messages, limits, settings):
    planned = plan(History(messages), limits, settings, count_message)
    room = limits.summary_tokens if planned.folded else 0
    assert planned.tokens_after - room <= planned.tokens_before
    assert planned.tokens_after == sum(map(count_message, planned.messages)) + room


@settings(max_examples=300)
@given(histories(), limits, settings_)
def test_under_the_threshold_nothing_happens(messages, limits, settings):
    planned = plan(History(messages), limits, settings, count_message)
    if planned.tokens_before < limits.threshold:
        assert all(new is old for new, old in zip(planned.messages, messages, strict=True))


@settings(max_examples=300)
@given(histories(), limits, settings_)
def test_protected_turns_are_untouched_whenever_they_fit(messages, limits, settings):
    planned = plan(History(messages), limits, settings, count_message)
    protected = turns_of(messages)[-limits.protected_turns :]
    kept = messages[protected[0].start :]
    if sum(map(count_message, kept)) + limits.summary_tokens < limits.threshold:
        assert all(new is old for new, old in zip(planned.messages[-len(kept) :], kept, strict=True))


@settings(max_examples=300)
@given(histories(), limits, settings_)
def test_the_current_message_of_the_user_and_the_last_cycle_always_stay(messages, limits, settings):
    planned = plan(History(messages), limits, settings, count_message, force=True)
    current = turns_of(messages)[-1]
    cycles = cycles_of(messages, current)
    staying = [*range(current.start, current.opening_end)]
    staying += [*range(cycles[-1].start, cycles[-1].end)] if cycles else []
    shown = dict(zip(planned.kept, planned.messages, strict=True))
    assert [shown.get(index) for index in staying] == [messages[index] for index in staying]


@settings(max_examples=300)
@given(histories(), limits, settings_)
def test_planning_again_changes_nothing_when_the_first_plan_fits(messages, limits, settings):
    history = History(messages)
    planned = plan(history, limits, settings, count_message)
    again = plan(_next(history, planned), limits, settings, count_message)
    if planned.fits:
        assert again.messages == planned.messages


@settings(max_examples=300)
@given(histories(), limits, settings_)
def test_planning_settles(messages, limits, settings):
    history = History(messages)
    for _ in range(3):
        planned = plan(history, limits, settings, count_message)
        history = _next(history, planned)
    again = plan(history, limits, settings, count_message)
    assert json.dumps(again.messages, default=str) == json.dumps(list(history.messages), default=str)


def _user(text):
    return {"role": "user", "content": [{"text": text}], "tracking_id": f"u-{text[:8]}"}


def _cycle(number, words):
    use = {"toolUse": {"toolUseId": f"t{number}", "name": "search", "input": {}}}
    result = {"toolUseId": f"t{number}", "status": "success", "content": [{"text": "word " * words}]}
    return [
        {"role": "assistant", "content": [use], "tracking_id": f"a{number}"},
        {"role": "user", "content": [{"toolResult": result}], "tracking_id": f"r{number}"},
    ]


def test_sixty_cycles_in_one_turn_come_down_to_the_target():
    messages = [_user("go"), *(message for number in range(60) for message in _cycle(number, 500))]
    planned = plan(History(messages), Limits(10_000, 5_000, 2, 500), TruncationSettings(), count_message)
    assert planned.fits
    assert planned.tokens_after <= 5_000
    assert planned.messages[0] is messages[0]
    assert planned.messages[-2:] == tuple(messages[-2:])


def test_shortening_alone_is_enough_when_it_reaches_the_target():
    messages = [_user("one"), *_cycle(0, 4_000), _user("two"), _user("three")]
    planned = plan(History(messages), Limits(3_000, 1_500, 1, 500), TruncationSettings(), count_message)
    assert planned.folded == ()
    assert planned.shortened == 3
    assert planned.tokens_after <= 1_500


def test_whole_protected_turns_are_folded_only_when_their_cycles_were_not_enough():
    messages = [_user("first " * 3_000), _user_answer(), _user("second")]
    planned = plan(History(messages), Limits(2_000, 1_000, 2, 100), TruncationSettings(), count_message)
    assert planned.kept == (2,)


def _user_answer():
    return {"role": "assistant", "content": [{"text": "noted"}], "tracking_id": "answer"}
