"""The plan: what it keeps, what it may not touch, and that it settles."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from strands.agent.conversation_manager.compression.pin_message import pin_message

from agentmem.compaction.pinned_messages import pinned_indices
from agentmem.compaction.policy import History, Limits, Plan, plan
from agentmem.messages.converse import for_model
from agentmem.messages.tokens import count_message
from agentmem.messages.truncation import TruncationSettings, names_of_tools
from agentmem.messages.turns import cycles_of, has_recall, turns_of
from converse import validate_request
from gears import examples
from histories import UNKNOWN, histories

limits_ = st.builds(
    lambda threshold, share, protected, summary: Limits(threshold, int(threshold * share), protected, summary),
    st.sampled_from([50, 300, 1_000, 2_500, 5_000, 10_000, 20_000, 60_000]),
    st.floats(0.2, 0.8),
    st.integers(1, 4),
    st.integers(0, 500),
)
settings_ = st.builds(
    TruncationSettings,
    st.integers(0, 800),
    keep_media=st.booleans(),
    exclude_tools=st.sampled_from([frozenset[str](), frozenset({"book"})]),
    hard_tool_content_length=st.sampled_from([1_000, 100_000]),
)


@dataclass(frozen=True)
class Case:
    """A history with a plan for it."""

    messages: list[dict[str, Any]]
    limits: Limits
    settings: TruncationSettings
    planned: Plan

    @property
    def tokens(self) -> list[int]:
        return [count_message(message) for message in self.messages]


def _sent(messages):
    """As Strands sends them: tracking ids and metadata stay behind. What nobody knows yet nobody can check."""
    known = [
        {**message, "content": [{"text": "?"} if UNKNOWN in block else block for block in message["content"]]}
        for message in messages
    ]
    return [{"role": message["role"], "content": message["content"]} for message in for_model(known)]


def _bytes(messages):
    return [json.dumps(message, default=repr) for message in messages]


def _carried_out(history: History, planned: Plan) -> History:
    """The history after a plan was carried out."""
    kept = planned.kept
    return History(
        messages=planned.messages,
        fixed_tokens=history.fixed_tokens,
        summary_tokens=planned.tokens_after - history.fixed_tokens - sum(map(count_message, planned.messages)),
        head=len(planned.head),
        shortened=sum(1 for index in kept if index < planned.shortened),
        cycles_shortened=sum(1 for index in kept if index < planned.cycles_shortened),
        pinned=frozenset(at for at, index in enumerate(kept) if index in history.pinned),
    )


def _is_valid(case: Case) -> None:
    validate_request(_sent(case.planned.messages))


def _never_grows(case: Case) -> None:
    planned = case.planned
    assert planned.tokens_before == sum(case.tokens)
    assert planned.tokens_after <= planned.tokens_before
    room = case.limits.summary_tokens if planned.folded else 0
    assert planned.tokens_after == sum(map(count_message, planned.messages)) + room


def _does_nothing_under_the_threshold(case: Case) -> None:
    if case.planned.tokens_before < case.limits.threshold:
        assert all(new is old for new, old in zip(case.planned.messages, case.messages, strict=True))


def _leaves_protected_turns_that_fit(case: Case) -> None:
    start = turns_of(case.messages)[-case.limits.protected_turns :][0].start
    kept = case.messages[start:]
    if sum(case.tokens[start:]) + case.limits.summary_tokens < case.limits.threshold:
        assert all(new is old for new, old in zip(case.planned.messages[-len(kept) :], kept, strict=True))


def _leaves_what_the_model_must_answer(case: Case) -> None:
    """The current turn's own message and its last tool cycle, or the tool use that still waits for its results."""
    current = turns_of(case.messages)[-1]
    cycles = cycles_of(case.messages, current)
    staying = [*range(current.start, current.opening_end)]
    staying += [*range(cycles[-1].start, cycles[-1].end)] if cycles else []
    staying.append(len(case.messages) - 1)
    shown = dict(zip(case.planned.kept, case.planned.messages, strict=True))
    assert not [index for index in staying if shown.get(index) is not case.messages[index]]


def _folds_recalls_last(case: Case) -> None:
    names = names_of_tools(case.messages)
    cycles = cycles_of(case.messages, turns_of(case.messages)[-1])
    kept = set(case.planned.kept)
    recalled = [cycle for cycle in cycles if any(has_recall(case.messages[at], names) for at in _span(cycle))]
    if any(cycle.start not in kept for cycle in recalled):
        others = [cycle for cycle in cycles[:-1] if cycle not in recalled]
        assert not [cycle for cycle in others if cycle.start in kept]
    shown = dict(zip(case.planned.kept, case.planned.messages, strict=True))
    assert not [at for cycle in recalled for at in _span(cycle) if at in kept and shown[at] is not case.messages[at]]


def _span(cycle):
    return range(cycle.start, cycle.end)


def _settles(case: Case) -> None:
    history = History(case.messages)
    again = plan(_carried_out(history, case.planned), case.limits, case.settings, count_message)
    assert _bytes(again.messages) == _bytes(case.planned.messages)


@settings(max_examples=examples(2_000))
@given(histories(), limits_, settings_)
def test_every_plan_keeps_its_promises(messages, limits, settings):
    before = copy.deepcopy(messages)
    case = Case(messages, limits, settings, plan(History(messages), limits, settings, count_message))
    _is_valid(case)
    _never_grows(case)
    _does_nothing_under_the_threshold(case)
    _leaves_protected_turns_that_fit(case)
    _leaves_what_the_model_must_answer(case)
    _folds_recalls_last(case)
    _settles(case)
    assert messages == before


@settings(max_examples=examples(300))
@given(histories(at_model=False), limits_, settings_)
def test_a_history_that_ends_anywhere_is_planned_for_too(messages, limits, settings):
    case = Case(messages, limits, settings, plan(History(messages), limits, settings, count_message, force=True))
    _never_grows(case)
    _leaves_what_the_model_must_answer(case)
    _settles(case)


@settings(max_examples=examples(500))
@given(histories(), limits_, settings_, st.data())
def test_whatever_is_pinned_stays_as_it_is_and_the_request_is_valid(messages, limits, settings, data):
    chosen = data.draw(st.sets(st.integers(0, len(messages) - 1), min_size=1, max_size=4))
    for at in chosen:
        pin_message(messages, at)
    history = History(messages, pinned=pinned_indices(messages))
    assert chosen <= history.pinned
    planned = plan(history, limits, settings, count_message)
    shown = dict(zip(planned.kept, planned.messages, strict=True))
    assert all(shown[at] is messages[at] for at in history.pinned)
    validate_request(_sent(planned.messages))
    again = plan(_carried_out(history, planned), limits, settings, count_message)
    assert _bytes(again.messages) == _bytes(planned.messages)


@settings(max_examples=examples(200))
@given(histories(), st.data())
def test_a_history_cut_anywhere_is_a_valid_request(messages, data):
    rest = messages[data.draw(st.integers(0, len(messages) - 1)) :]
    validate_request(_sent(rest))


@settings(max_examples=examples(300))
@given(histories(max_turns=10), limits_, settings_)
def test_as_a_history_grows_a_shortened_message_stays_as_it_is_and_the_boundary_only_moves_on(
    messages, limits, settings
):
    history = History([])
    original = {message["tracking_id"]: message for message in messages}
    order = {name: at for at, name in enumerate(original)}
    shortened: dict[str, Any] = {}
    boundary = 0
    for message in messages:
        history = replace(history, messages=[*history.messages, message])
        if message["role"] == "assistant":
            continue  # no model is called after its own answer
        planned = plan(history, limits, settings, count_message)
        names = [one["tracking_id"] for one in planned.messages]
        first = names[len(planned.head)] if len(planned.head) < len(names) else names[-1]
        assert order[first] >= boundary
        boundary = order[first]
        for one in planned.messages:
            name = one["tracking_id"]
            if name in shortened:
                assert one["content"] == shortened[name]["content"]
            elif one is not original[name]:
                shortened[name] = one
        history = _carried_out(history, planned)


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


def test_a_forced_plan_halves_a_small_history_and_leaves_what_is_protected():
    messages = [*(m for n in range(8) for m in (_user(f"{n} " * 200), *_cycle(n, 200))), _user("now")]
    planned = plan(History(messages), Limits(100_000, 50_000, 2, 100), TruncationSettings(), count_message, force=True)
    assert planned.folded
    assert planned.tokens_after <= planned.tokens_before / 2
    assert planned.messages[-4:] == tuple(messages[-4:])


def test_turns_smaller_than_their_summary_are_not_folded():
    messages = [_user("small"), _user_answer(), _user("large " * 3_000)]
    planned = plan(History(messages), Limits(2_000, 1_000, 1, 500), TruncationSettings(), count_message)
    assert planned.folded == ()
    assert not planned.fits


def _user_answer():
    return {"role": "assistant", "content": [{"text": "noted"}], "tracking_id": "answer"}


def test_in_the_turn_in_progress_a_message_with_reasoning_is_left_whole():
    """Providers check the reasoning there; left out later, the message would change a second time."""
    messages = [_user("go"), *(message for number in range(6) for message in _cycle(number, 300))]
    reasoning = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}}
    for message in messages[1::2]:
        message["content"][0]["toolUse"]["input"] = {"note": "word " * 300}
        message["content"].insert(0, reasoning)
    planned = plan(History(messages), Limits(4_000, 3_500, 2, 100), TruncationSettings(), count_message)
    results = [planned.messages[at] for at in range(2, len(planned.messages), 2)]
    assert planned.fits
    assert [shown for shown in planned.messages if shown in messages[1::2]] == list(planned.messages[1::2])
    assert results[0] not in messages


def test_turns_that_shortening_made_small_are_not_folded_for_a_summary_that_is_larger():
    messages = [_user("one"), *_cycle(0, 3_000), _user_answer(), _user("two " * 1_500)]
    planned = plan(History(messages), Limits(3_000, 1_000, 1, 500), TruncationSettings(), count_message)
    assert planned.fits
    assert planned.tokens_after > 1_000
    assert planned.folded == ()
