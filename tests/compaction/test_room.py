"""Tests how the room of a summary is shared between requests that hold and everything else."""

from __future__ import annotations

import pytest

from agentmem.checkpoints.summary import HELD
from agentmem.meaning.loading import wait_until_ready
from agentmem.messages.tokens import count_text
from summarized import assistant, shown, summarize, user


@pytest.fixture(autouse=True, scope="module")
def _loaded() -> None:
    wait_until_ready(60)


def test_when_the_share_of_held_requests_is_full_the_rest_is_counted_and_nothing_else_takes_it() -> None:
    rules = [
        f"Never send the file of client {name} to anybody."
        for name in ("Ara", "Bex", "Cid", "Dov", "Eli", "Fay", "Gus", "Ida", "Jon", "Kai")
    ]
    chatter = [
        message
        for n in range(30)
        for message in (user(f"Invoice {n} over ${n * 7} came on day {n}."), assistant(f"Booked {n} under B-{n}."))
    ]
    talk = [message for rule in rules for message in (user(rule), assistant("Understood."))]
    summary = summarize(*talk, *chatter, max_tokens=160, count=count_text)
    held = shown(summary, HELD)
    assert 0 < len(held) < len(rules)
    assert summary.held_gave_way == len(rules) - len(held)
    assert f"({summary.held_gave_way} less certain ones gave way; recall finds them)" in summary.render()
    assert count_text("\n".join(held)) >= 0.25 * 160


def test_what_holds_is_not_left_out_for_chatter_when_its_share_is_full() -> None:
    rules = [
        "Never give my private number to any of the suppliers that call at the office.",
        "From now on write the totals of all invoices in euros and in kroner.",
        "Always ask Ms Lindqvist before anything is ordered for the kitchen.",
        "No delivery may arrive before nine in the morning or after four.",
        "Never open the windows of the archive, whatever the weather is like.",
        "From now on sign every letter to the council with both of our names.",
    ]
    chatter = [one for n in range(20) for one in (user(f"My cat slept {n} minutes on the sofa."), assistant("I see."))]
    talk = [one for rule in rules for one in (user(rule), assistant("Fine."))]
    held = shown(summarize(*talk, *chatter, max_tokens=100_000, count=count_text), HELD)
    assert sum(map(count_text, held)) > 0.4 * 180
    assert shown(summarize(*talk, *chatter, max_tokens=180, count=count_text), HELD) == held
