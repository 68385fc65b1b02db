"""Tests when a request has an outcome: by an answer, by a call that did it, or not yet."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentmem.checkpoints.summary import DONE, OPEN, Summary
from agentmem.meaning.loading import wait_until_ready
from summarized import assistant, call, shown, summarize, user


@pytest.fixture(autouse=True, scope="module")
def _loaded() -> None:
    wait_until_ready(60)


def cancelled(code: str, use_id: str) -> list[Any]:
    return [
        user(f"Please cancel booking {code}."),
        *call("cancel_booking", "cancelled", use_id, code=code),
        assistant(f"Booking {code} has been cancelled."),
    ]


@pytest.mark.parametrize("then", [[], [user("What time is it in Lima?"), assistant("It is noon in Lima.")]])
def test_a_turn_that_ends_with_a_call_that_did_it_has_its_outcome(then: list[Any]) -> None:
    asked = user("Please cancel booking KX42.")
    summary = summarize(asked, *call("cancel_booking", "cancelled", "a", code="KX42"), *then)
    assert shown(summary, OPEN) == []
    assert "cancel_booking(code=KX42)" in summary.of_section(DONE)[0].outcome


@pytest.mark.parametrize("then", [[], [user("What time is it in Lima?"), assistant("It is noon in Lima.")]])
@pytest.mark.parametrize(
    "calls",
    [
        call("get_booking_details", "KX42, two people", "a", code="KX42"),
        call("cancel_booking", "no connection", "a", status="error", code="KX42"),
        [
            *call("cancel_booking", "no connection", "a", status="error", code="KX42"),
            *call("send_message", "sent", "b", to="desk"),
        ],
        call("cancel_booking", "cancelled", "a", code="KX42")[:1],
    ],
    ids=["looked up", "failed", "failed and told", "no result"],
)
def test_a_turn_that_broke_off_before_it_was_done_stays_open(calls: list[Any], then: list[Any]) -> None:
    summary = summarize(user("Please cancel booking KX42."), *calls, *then)
    assert shown(summary, OPEN) == ["Please cancel booking KX42."]
    restored = Summary.from_dict(json.loads(json.dumps(summary.to_dict())))
    assert shown(summarize(user("Thanks, bye."), previous=restored), OPEN) == ["Please cancel booking KX42."]


def test_a_text_before_a_call_is_no_answer() -> None:
    told = {"role": "assistant", "content": [{"text": "Let me look at it."}]}
    look = call("get_booking_details", "KX42, two people", "a", code="KX42")
    look[0]["content"] = [*told["content"], *look[0]["content"]]
    assert shown(summarize(user("Please cancel booking KX42."), *look), OPEN) == ["Please cancel booking KX42."]


@pytest.mark.parametrize("at_once", [True, False])
def test_calls_of_a_turn_that_is_still_shown_change_no_request_before_it(at_once: bool) -> None:
    before, cycles = cancelled("KX42", "a"), call("search_trains", "three", "b", to="Faro")
    first = None if at_once else summarize(*before)
    summary = summarize(*(before if at_once else []), *cycles, previous=first)
    assert shown(summary, OPEN) == []
    assert [one.outcome for one in summary.of_section(DONE)] == [
        one.outcome for one in summarize(*before).of_section(DONE)
    ]
    assert {tool.name: tool.calls for tool in summary.tools} == {"cancel_booking": 1, "search_trains": 1}
