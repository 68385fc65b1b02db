"""Which passages come first, and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentmem.events.position import Position
from agentmem.messages.cutting import RECALL_TOOL
from agentmem.messages.text import message_text
from agentmem.recall.passages import index_entries, passages_of
from agentmem.recall.question import read_question
from agentmem.recall.ranking import PassageIndex

NOW = datetime(2031, 6, 20, 12, tzinfo=UTC)
START = datetime(2031, 6, 1, 12, tzinfo=UTC)


def said(text: str, role: str = "user") -> Any:
    return {"role": role, "content": [{"text": text}]}


def call(use: str, **given: Any) -> Any:
    return {"role": "assistant", "content": [{"toolUse": {"toolUseId": use, "name": "read_file", "input": given}}]}


def result(use: str, text: str) -> Any:
    return {"role": "user", "content": [{"toolResult": {"toolUseId": use, "content": [{"text": text}]}}]}


def index_of(*messages: Any, days: float = 0.0) -> PassageIndex:
    index = PassageIndex()
    placed = []
    for number, message in enumerate(messages):
        at = int((START + timedelta(days=days * number)).timestamp() * 1_000) + number
        placed.append(({**message, "tracking_id": f"m-{number}"}, Position(f"{at:019d}#0a", 0)))
    for entry in index_entries(placed):
        index.add(entry)
    return index


def best(question: str, *messages: Any, days: float = 0.0) -> int:
    index = index_of(*messages, days=days)
    hits = index.rank(read_question(question, index.languages, NOW))
    handles = list(index.messages)
    return handles.index(hits[0].message.handle)


@pytest.mark.parametrize("turn", [1, 4, 12, 21, 39])
def test_the_question_after_one_of_forty_codes_finds_its_turn(turn):
    messages = [said(f"For turn {n}, note that the approval code is KX-{1000 + 7 * n}.") for n in range(40)]
    assert best(f"what was the approval code of turn {turn}?", *messages) == turn


@pytest.mark.parametrize("ids", ["of their own", "numbered anew"])
def test_a_result_is_found_by_the_words_of_its_call(ids):
    messages = []
    for number in range(20):
        use = f"use-{number}" if ids == "of their own" else "use-0"
        messages += [call(use, path=f"/data/report_{number}.txt"), result(use, f"release code: K-{number * 37}")]
    assert best("what is the release code in report_7.txt?", *messages) == 2 * 7 + 1


def test_a_result_is_found_by_the_words_of_the_turn_it_belongs_to():
    messages = []
    for number in range(20):
        use = f"use-{number}"
        rows = "\n".join(f"shelf {row}: paper and ink, {row * 7} boxes of each" for row in range(40))
        messages += [
            said(f"This is turn {number}."),
            call(use, shelf="A"),
            result(use, f"{rows}\nThe price: 40 euros."),
        ]
    index = index_of(*messages)
    found = _texts(index.rank(read_question("what was the price in turn 4?", ["en"], NOW)), index)
    assert f"m-{3 * 4 + 2}" in found[:5]


def test_an_answer_is_found_beside_its_question():
    messages = [said("Nice weather today."), said("Which colour shall the boat have?"), said("Crimson.", "assistant")]
    index = index_of(*messages, said("The harbour is closed.", "assistant"), *[said("Nothing new.")] * 5)
    hits = index.rank(read_question("which colour shall the boat have?", ["en"], NOW))
    assert "m-2" in _texts(hits, index)[:3]


def _texts(hits, index):
    names = {handle: f"m-{number}" for number, handle in enumerate(index.messages)}
    return [names[hit.message.handle] for hit in hits]


def test_who_is_asked_about_comes_first():
    lines = [said("Ann: I planted roses in the garden."), said("Bob: I planted tulips in the garden.", "assistant")] * 4
    assert best("What did Bob plant in the garden?", *lines) % 2 == 1
    assert best("What did Ann plant in the garden?", *lines) % 2 == 0


@pytest.mark.parametrize(
    ("question", "wanted"),
    [("What did I say about the garden?", 0), ("What did you say about the garden?", 1)],
)
def test_a_pronoun_tells_whose_words_are_meant(question, wanted):
    assert best(question, said("The garden is wet now."), said("The garden is dry now.", "assistant")) == wanted


@pytest.mark.parametrize(
    ("question", "language", "days"),
    [
        ("what did Mia report two weeks ago?", "en", range(1, 8)),
        ("what did Mia report on 6 June 2031?", "en", [5]),
        ("what did I say in May 2031?", "en", []),
        ("what happened yesterday?", "en", [18]),
        ("was hat Mia vor zwei Wochen gemeldet?", "de", range(1, 8)),
        ("¿qué dijo Mia ayer?", "es", [18]),
        ("¿qué dijo Mia el 6 de junio de 2031?", "es", [5]),
        ("2週間前に Mia は何と言いましたか", "ja", range(1, 8)),
    ],
)
def test_a_date_in_the_question_counts(question, language, days):
    messages = [said(f"Mia: report {number}, all is well.") for number in range(20)]
    index = index_of(*messages, days=1)
    hits = index.rank(read_question(question, [language], NOW))
    assert set(_texts(hits, index)[: len(days)]) == {f"m-{day}" for day in days}


@pytest.mark.parametrize("question", ["may I ask what we did?", "what is the code of turn 12?", "what of code 4711?"])
def test_a_word_or_number_that_looks_like_a_date_is_none(question):
    assert read_question(question, ["en", "de", "ja"], NOW).since is None


def test_a_question_that_was_asked_before_comes_after_its_answer():
    messages = [said("The code of locker 8 is Z296."), said("What is the code of locker 8?"), said("I do not know.")]
    assert best("What is the code of locker 8?", *messages) == 0


def test_a_message_that_changes_is_found_by_what_it_says_now():
    index = index_of(said("The harbour opens at nine."))
    [handle] = index.messages
    entry = index_entries([({**said("The museum opens at ten."), "tracking_id": "m-0"}, Position("", 0))])[0]
    index.add(entry)
    assert index.rank(read_question("harbour", ["en"], NOW)) == []
    assert index.rank(read_question("museum", ["en"], NOW))[0].message.handle == handle
    index.discard(handle)
    assert index.rank(read_question("museum", ["en"], NOW)) == []


@pytest.mark.parametrize(
    ("question", "answer", "other"),
    [
        ("Wann habe ich den Termin beim Arzt?", "Der Zahnarzttermin ist am 17. Juni.", "Der Zug fährt am 3. Mai."),
        (
            "Wann ist der Zahnarzttermin?",
            "Am 17. Juni habe ich einen Termin bei ihm.",
            "Der Zug fährt um zehn.",
        ),
        ("Hoe hoog was de rekening?", "De waterrekening bedroeg 61 euro.", "De trein kostte 12 euro."),
        ("Hur stor var räkningen?", "Elräkningen blev 912 kronor.", "Tåget kostade 80 kronor."),
    ],
)
def test_a_compound_is_found_by_its_parts_and_the_parts_by_the_compound(question, answer, other):
    assert best(question, said(other), said(answer), said(other), days=1) == 1


def test_a_word_that_only_holds_another_in_its_middle_is_none_of_its_compounds():
    index = index_of(said("Der Hausarztvertrag liegt bereit."))
    assert not index.rank(read_question("Wo ist der Arzt?", index.languages, NOW))


def test_messages_that_share_no_term_are_not_offered():
    assert index_of(said("Nothing of the kind.")).rank(read_question("zebra", ["en"], NOW)) == []


def test_every_reason_is_given():
    index = index_of(call("u", path="report_7.txt"), result("u", "Nothing but a code here."))
    [hit, *_] = index.rank(read_question("which code is in report_7.txt?", ["en"], NOW))
    assert hit.matched == ("code",)
    assert any("its tool call or turn has" in reason for reason in hit.reasons)


def test_passages_put_together_are_the_text_of_a_message_of_many_blocks():
    rows = "\n".join(f"row {row}" for row in range(100))
    content = [{"text": "First."}, *call("u", path="a.txt")["content"], {"text": f"\n{' ' * 500}\n"}, {"text": rows}]
    message = {"role": "assistant", "content": content}
    assert "".join(one.text for one in passages_of(message)) == message_text(message)


def test_of_calls_numbered_anew_only_the_recall_is_left_out():
    recall = {"toolUse": {"toolUseId": "use-0", "name": RECALL_TOOL, "input": {"query": "the code"}}}
    index = index_of(
        {"role": "assistant", "content": [recall]},
        result("use-0", "A code that was recalled."),
        call("use-0", path="/data/report.txt"),
        result("use-0", "release code: K-7"),
    )
    hits = index.rank(read_question("which code?", ["en"], NOW))
    assert [hit.message.role for hit in hits if hit.matched] == ["user"]
    assert len(index.messages) == 2


@pytest.mark.parametrize("length", [0, 1, 399, 400, 401, 5_000, 300_000])
def test_passages_are_short_and_leave_nothing_out(length):
    text = ("word " * (length // 5 + 1))[:length]
    passages = passages_of(said(text))
    assert "".join(one.text for one in passages) == text[:200_000]
    assert all(len(one.text) <= 400 for one in passages)
