"""A thousand sessions and a session of ten thousand messages open at once, page by page."""

from __future__ import annotations

import time

import pytest
from looked_at import browser, calls_of, links, memory_of, read, stored, text_of

from agentmem.inspector.views.actors import PAGE_SIZE
from agentmem.inspector.views.timeline import PAGE_EVENTS

EVENTS = 5_000
"""Of two messages each."""


@pytest.fixture(scope="module")
def large():
    """A session of 10,000 messages, beside a thousand small ones."""
    memory = memory_of(session="large", events=EVENTS)
    for number in range(1_000):
        stored(memory.config, "bob", f"s-{number:04}", 1)
    browser(memory.config).get(memory.place.link("/session"))  # the tokenizer is loaded once a process
    return memory


def scrolled(client, path):
    """Follow a list to its end as a browser does; returns its pages."""
    pages = [client.get(path).text]
    while more := links(pages[-1], "data-more"):
        pages.append(client.get(more[0]).text)
    return pages


def test_a_session_of_ten_thousand_messages_opens_within_a_second_with_one_call(large):
    client = browser(large.config)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        answer = client.get(large.place.link("/session"))
        seconds.append(time.perf_counter() - began)
    assert answer.status_code == 200
    assert calls_of(answer.text) == 1
    assert min(seconds) < 1.0
    assert len(answer.content) < 300_000


@pytest.mark.parametrize(("path", "calls"), [("/context", 52), ("/compactions", 51), ("/long-term", 2), ("/chat", 1)])
def test_the_other_pages_of_it_open_with_a_known_number_of_calls(large, path, calls):
    # Without a checkpoint the context is all of it up to the threshold, as an agent would read it.
    answer = browser(large.config).get(large.place.link(path))
    assert answer.status_code == 200
    assert calls_of(answer.text) <= calls


def test_scrolling_shows_every_message_once_newest_first(large):
    pages = scrolled(browser(large.config), large.place.link("/session"))
    assert len(pages) == EVENTS // PAGE_EVENTS
    said = [text for page in pages for text in read(page)[0] if " said " in text]
    assert len(said) == len(large.said)
    assert sorted(said) == sorted(large.said)
    assert said[:2] == large.said[-2:]


def test_the_chart_reads_its_newest_part_and_says_so(large):
    chart = browser(large.config).get(large.place.link("/part/sizes"))
    assert chart.headers["x-service-calls"] == "ListEvents=20"
    assert "goes further back" in text_of(chart.text)


def test_a_thousand_sessions_come_a_page_at_a_time_newest_first(large):
    pages = scrolled(browser(large.config), "/sessions?actor=bob")
    assert len(pages) == 1_000 // PAGE_SIZE
    assert calls_of(pages[0]) == 1
    ids = [link for page in pages for link in links(page, "data-copy") if link.startswith("s-")]
    assert ids == [f"s-{number:04}" for number in reversed(range(1_000))]


def test_one_among_a_thousand_is_found_with_ten_calls_at_the_most(large):
    found = browser(large.config).get("/sessions?actor=bob&search=s-0007").text
    assert [link for link in links(found, "data-copy") if link.startswith("s-")] == ["s-0007"]
    assert calls_of(found) <= 10
