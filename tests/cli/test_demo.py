"""The demo's story comes true with memory, and visibly does not without."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from agentmem.cli.demo import THRESHOLD, Demo
from agentmem.cli.demo_script import DETAIL, FACTS, QUESTIONS, REQUESTS
from agentmem.testing.offline_model import DOES_NOT_KNOW


def told(*, memory, facts=FACTS):
    output = io.StringIO()
    demo = Demo(Console(file=output, highlight=False), memory=memory, extraction_delay=0.3, facts=facts)
    ok = demo.tell()
    return ok, output.getvalue()


def answers(text):
    """What the agent said, by what it was asked."""
    lines = [line.strip() for line in text.splitlines()]
    found = {}
    for line in lines:
        if line.startswith("user:"):
            asked = line.removeprefix("user:").strip()
        elif line.startswith("agent:"):
            found[asked] = line.removeprefix("agent:").strip()
    return found


def sizes(text):
    lines = (line.split() for line in text.splitlines() if line.strip().startswith("request "))
    return [int(words[2].replace(",", "")) for words in lines]


@pytest.fixture(scope="module")
def with_memory():
    return told(memory=True)


@pytest.fixture(scope="module")
def without_memory():
    return told(memory=False)


def test_with_memory_every_question_is_answered(with_memory):
    ok, text = with_memory
    said = answers(text)
    assert ok, text
    for question, answer in (*QUESTIONS, DETAIL):
        assert answer in said[question]
    assert "All as announced." in text


def test_without_memory_no_question_is_answered(without_memory):
    ok, text = without_memory
    said = answers(text)
    assert ok, text
    for question, _ in (*QUESTIONS, DETAIL):
        assert said[question] == DOES_NOT_KNOW
    assert "without memory nothing was known" in text


def test_memory_keeps_the_long_session_inside_its_budget_and_its_absence_does_not(with_memory, without_memory):
    kept, grown = sizes(with_memory[1]), sizes(without_memory[1])
    assert len(kept) == len(grown) == 2 * len(REQUESTS)
    assert max(kept) <= THRESHOLD
    assert max(grown) > THRESHOLD
    assert "compacted:" in with_memory[1]
    assert "compacted:" not in without_memory[1]


def test_the_wait_for_extraction_is_shown(with_memory):
    waits = [line for line in with_memory[1].splitlines() if "waiting for preferences" in line]
    assert len(waits) >= 2
    assert " 0 of at least" in waits[0]


def test_the_detail_comes_back_through_the_recall_tool(with_memory):
    assert "tool:  recall_session(query=" in with_memory[1]


def test_a_story_that_does_not_come_true_is_a_failure():
    ok, text = told(memory=True, facts=FACTS[:2])
    assert not ok
    assert "Not as announced" in text
    assert "sister" in text
