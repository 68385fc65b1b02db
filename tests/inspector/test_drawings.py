"""Drawings escape every text, and values draw themselves in a notebook."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from looked_at import read, text_of
from strands import Agent

from agentmem import MemoryConfig
from agentmem.checkpoints.checkpoint import Checkpoint
from agentmem.compaction.compactor import Compaction
from agentmem.compaction.policy import Plan
from agentmem.drawing.chart import RequestPoint, request_chart
from agentmem.drawing.figures import BarPart, chip, difference, facts, one_line, table, token_bar
from agentmem.drawing.markup import Markup, element, fragment
from agentmem.recall.recalled import RecalledMessage
from agentmem.records.retrieval import MemoryRecord
from agentmem.testing import OfflineModel
from agentmem.testing.sample_checkpoints import checkpoint

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)
"""Without control characters, which a parser of HTML replaces."""

NASTY = "<script>alert(1)</script>\"'&lt;"


@given(TEXTS, TEXTS)
def test_any_text_is_read_back_from_an_element_and_its_attribute(text, value):
    texts, tags = read(element("p", text, title=value))
    assert "".join(texts) == text
    assert tags == [("p", {"title": value})]


@given(st.lists(TEXTS, max_size=5), st.lists(TEXTS, max_size=5))
def test_a_difference_gives_both_texts_back(before, after):
    drawn = difference(before, after)
    if before == after:
        assert "no difference" in drawn
        return
    lines = [line for line in str(drawn).split("<li ")[1:] if "am-skipped" not in line]
    gone = [text_of(f"<li {line}")[1:] for line in lines if "am-ins" not in line]
    come = [text_of(f"<li {line}")[1:] for line in lines if "am-del" not in line]
    assert gone == [line or " " for line in before]
    assert come == [line or " " for line in after]


def test_what_is_markup_already_is_not_escaped_again():
    assert fragment(element("b", "x"), None, 3, ["y", element("i")]) == "<b>x</b>3y<i></i>"
    assert isinstance(fragment("<"), Markup)


@given(st.lists(st.integers(0, 10**7), max_size=6), st.none() | st.integers(1, 10**7))
def test_the_parts_of_a_bar_have_the_lengths_of_their_tokens(tokens, limit):
    parts = [BarPart(f"part {number}", size, "whole") for number, size in enumerate(tokens)]
    rects = [attrs for tag, attrs in read(token_bar(parts, limit=limit, label="Bar"))[1] if tag == "rect"]
    whole = max(sum(tokens), limit or 0, 1)
    assert [float(attrs["width"]) for attrs in rects] == pytest.approx(
        [1_000 * size / whole for size in tokens if size], abs=0.06
    )


@given(st.lists(st.builds(RequestPoint, st.integers(0, 10**6), st.none() | st.integers(0, 10**6), st.booleans())))
def test_a_chart_tells_in_words_what_it_draws(points):
    drawn = request_chart(points, limit=1_000)
    [svg] = [attrs for tag, attrs in read(drawn)[1] if tag == "svg"]
    if points:
        assert f"{len(points):,} requests" in svg["aria-label"]
        assert f"{max(point.tokens for point in points):,} at most" in svg["aria-label"]
    assert str(drawn).count("<polygon") == sum(point.compacted for point in points)


def test_a_chart_of_many_requests_stays_small_and_keeps_its_peak():
    points = [RequestPoint(100) for _ in range(50_000)]
    points[31_234] = RequestPoint(1_000)
    drawn = request_chart(points)
    assert len(drawn) < 200_000
    line = next(attrs["points"] for tag, attrs in read(drawn)[1] if tag == "polyline")
    assert min(float(pair.split(",")[1]) for pair in line.split()) == pytest.approx(16, abs=0.1)


def test_tables_facts_and_chips_escape():
    for drawn in (
        facts({NASTY: NASTY}),
        table([NASTY], [[NASTY]], empty="", caption=NASTY),
        chip(NASTY),
        token_bar([BarPart(NASTY, 1, "whole")], label=NASTY),
        difference([NASTY], []),
    ):
        assert "<script" not in drawn
        assert NASTY in "".join(read(drawn)[0])
    assert one_line("a\n b " * 100, 10) == "a b a b a…"


COMPACTION = Compaction("threshold", 6_021, 1_892, 16, 3, fits=True)
PLAN = Plan((1, 2), ({"role": "user", "content": [{"text": NASTY}]},) * 2, 1, 0, 0, 900, 300, fits=True)
RECORD = MemoryRecord(NASTY, 0.5, "/users/ana/facts/", "mem-1", datetime(2026, 1, 1, tzinfo=UTC))
RECALLED = RecalledMessage(NASTY, "user", "1#a", datetime(2026, 1, 1, tzinfo=UTC), "0123456789ab", why=(NASTY,))


@pytest.mark.parametrize("value", [COMPACTION, PLAN, RECORD, RECALLED], ids=lambda value: type(value).__name__)
def test_a_value_draws_itself_escaped_and_without_scripts(value):
    drawn = value._repr_html_()
    assert "<script" not in drawn
    assert 'class="agentmem am-card"' in drawn
    assert len(repr(value)) < 400
    assert type(value).__name__ in repr(value)


def test_a_compaction_and_a_plan_show_their_numbers():
    assert "6,021 tokens" in text_of(COMPACTION._repr_html_())
    assert "1,892 tokens" in text_of(COMPACTION._repr_html_())
    assert repr(PLAN) == "Plan(kept=2 messages, folded=1, tokens_before=900, tokens_after=300, fits=True)"
    assert NASTY not in repr(PLAN)


def test_a_checkpoint_shows_its_summary_in_a_notebook_and_not_in_its_repr():
    value = checkpoint(1)
    assert isinstance(value, Checkpoint)
    summary = value.summary.render()
    assert summary
    assert summary in text_of(value._repr_html_())
    assert "version=1" in repr(value)
    assert len(repr(value)) < 400


def test_a_session_and_its_manager_draw_themselves_without_a_call():
    memory = MemoryConfig.local(":memory:").bind("ana", "s-1")
    calls = []
    memory.client.meta.events.register("before-call", lambda model, **_: calls.append(model.name))
    manager = memory.session_manager()
    assert "/users/ana/facts/" in text_of(memory._repr_html_())
    assert "It has no agent yet." in text_of(manager._repr_html_())
    assert calls == []
    agent = Agent(model=OfflineModel(), session_manager=manager, callback_handler=None)
    agent("I live in Porto.")
    calls.clear()
    drawn = text_of(manager._repr_html_())
    assert "messages saved2" in drawn
    assert repr(memory).startswith("MemorySession(memory_id=")
    assert "session_id='s-1', saved=2, pending=0)" in repr(manager)
    assert calls == []
    manager.close()
