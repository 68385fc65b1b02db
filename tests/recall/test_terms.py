"""Finding a folded message again by a plain question."""

from __future__ import annotations

from typing import Any

import pytest

from agentmem.recall.index_terms import key_terms, rank


def message(text: str, role: str = "user") -> Any:
    return {"role": role, "content": [{"text": text}]}


def best(query: str, *messages: Any) -> int:
    return rank(query, [("", key_terms(one, 30)) for one in messages])[0]


@pytest.mark.parametrize("turn", [1, 4, 12, 21, 39])
def test_the_question_after_one_of_forty_codes_finds_its_turn(turn: int) -> None:
    messages = [message(f"For turn {n}, note that the approval code is KX-{1000 + 7 * n}.") for n in range(40)]
    assert best(f"what was the approval code of turn {turn}?", *messages) == turn


def test_a_tool_call_is_found_by_its_name_and_arguments() -> None:
    call: Any = {
        "role": "assistant",
        "content": [{"toolUse": {"toolUseId": "a", "name": "book_hotel", "input": {"city": "Bergen", "nights": 3}}}],
    }
    assert best("which hotel in Bergen did you book?", message("I like hotels."), call, message("Bergen is wet.")) == 1


def test_a_tool_result_is_found_by_an_identifier_deep_inside() -> None:
    rows = "\n".join(f"row {n}: item I-{n} of lot L-{n % 7}" for n in range(400))
    result: Any = {
        "role": "user",
        "content": [{"toolResult": {"toolUseId": "a", "content": [{"text": f"receipt ZX-88-QQ\n{rows}"}]}}],
    }
    assert best("what about receipt ZX-88-QQ?", message("A receipt?"), result) == 1


def test_terms_are_few_distinct_and_without_stop_words() -> None:
    terms = key_terms(message("The code is the code is the code 4711 and it is there"), 3)
    assert len(terms) == len(set(terms)) <= 3
    assert "4711" in terms
    assert "the" not in terms


def test_forms_of_a_word_find_each_other() -> None:
    assert best("which deliveries were cancelled?", message("It rained."), message("Cancel the delivery.")) == 1


def test_what_is_said_beside_a_message_counts_for_it() -> None:
    turns = [(message(f"Look at order {n}."), message("The price is 40 euros.")) for n in range(9)]
    entries = [(f"turn {n}", key_terms(one, 30)) for n, turn in enumerate(turns) for one in turn]
    assert {rank("what was the price of order 4?", entries)[at] for at in (0, 1)} == {8, 9}


def test_messages_that_share_no_term_are_not_offered() -> None:
    assert rank("zebra", [("", key_terms(message("Nothing of the kind."), 10))]) == []
