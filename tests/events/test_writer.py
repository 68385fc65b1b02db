"""Turns are written in order, once, and survive an outage."""

from __future__ import annotations

import uuid

import pytest

from agentmem.errors import HistoryUnavailableError, UnsentMessagesError
from agentmem.events.batch import MAX_ITEMS, OutgoingItem
from agentmem.events.breaker import CircuitBreaker
from agentmem.events.reader import EventReader, in_order
from agentmem.events.send_queue import REMEMBERED
from agentmem.events.serializer import encode_message
from agentmem.events.writer import EventWriter
from agentmem.settings.sections import WriteConfig
from sessions import Session


@pytest.fixture
def session():
    return Session()


def _item(text, size=0):
    message = {"role": "user", "content": [{"text": text + "x" * size}], "tracking_id": str(uuid.uuid4())}
    return OutgoingItem(message["tracking_id"], encode_message(message))


def _writer(session, **settings):
    return EventWriter(session.data, session.address, WriteConfig(**settings))


def _texts(session):
    reader = EventReader(session.data, session.address)
    logged = in_order(event for page in reader.pages() for event in page)
    return [one.message["content"][0]["text"] for one in logged]


def test_turns_are_read_back_in_order(session):
    writer = _writer(session)
    for turn in range(5):
        writer.submit([_item(f"{turn}-{number}") for number in range(3)])
    assert writer.drain()
    assert _texts(session) == [f"{turn}-{number}" for turn in range(5) for number in range(3)]
    assert session.calls["CreateEvent"] == 5


def test_a_turn_of_many_messages_takes_as_few_events_as_the_limits_allow(session):
    writer = _writer(session)
    writer.submit([_item(str(number)) for number in range(2 * MAX_ITEMS)])
    assert writer.drain()
    assert _texts(session) == [str(number) for number in range(2 * MAX_ITEMS)]
    assert session.calls["CreateEvent"] == 3


def test_a_large_turn_is_divided_by_size(session):
    writer = _writer(session)
    writer.submit([_item(str(number), 2_000_000) for number in range(4)])
    assert writer.drain()
    assert [text[0] for text in _texts(session)] == ["0", "1", "2", "3"]
    assert session.calls["CreateEvent"] == 2


class Riding:
    """Stands for a checkpoint: notes where it is told that the turn's messages are."""

    def __init__(self):
        self.told = {}

    def items(self, stored, places):
        self.told.update(stored, **places)
        return [{"blob": "{}"}]


def test_a_checkpoint_is_told_where_earlier_events_of_the_turn_stand(session):
    writer = _writer(session)
    items = [_item(str(number)) for number in range(MAX_ITEMS)]
    checkpoint = Riding()
    writer.submit(items, checkpoint=checkpoint)
    assert writer.drain()
    stored = writer.positions()
    assert checkpoint.told[items[0].tracking_id] == stored[items[0].tracking_id]
    assert checkpoint.told[items[-1].tracking_id] == stored[items[-1].tracking_id].item


def test_every_event_is_later_than_the_one_before_even_at_a_standing_clock(session):
    writer = EventWriter(session.data, session.address, WriteConfig(), now=lambda: 1_800_000_000.0)
    for number in range(4):
        writer.submit([_item(str(number))])
    assert writer.drain()
    assert _texts(session) == ["0", "1", "2", "3"]


def test_a_writer_that_takes_over_writes_after_the_newest_event(session):
    ahead = EventWriter(session.data, session.address, WriteConfig(), now=lambda: 1_900_000_000.0)
    ahead.submit([_item("before")])
    ahead.drain()
    newest = next(EventReader(session.data, session.address).pages())[0]
    behind = EventWriter(session.data, session.address, WriteConfig(), now=lambda: 1_800_000_000.0)
    behind.start_after(newest.event_id)
    behind.submit([_item("after")])
    behind.drain()
    assert _texts(session) == ["before", "after"]


def test_an_outage_loses_nothing_and_changes_no_order(session):
    writer = _writer(session, breaker_failures=1_000)
    session.memory.faults.inject("throttle", "CreateEvent", count=6)
    for number in range(3):
        writer.submit([_item(str(number))])
        writer.drain()
    while not writer.drain():
        pass
    assert _texts(session) == ["0", "1", "2"]
    assert writer.status.saved == 3
    assert writer.status.last_error is None


def test_an_answer_that_was_lost_does_not_store_the_event_twice(session):
    writer = _writer(session)
    session.memory.faults.inject("lost_response", "CreateEvent", count=1)
    writer.submit([_item("once")])
    while not writer.drain():
        pass
    assert _texts(session) == ["once"]
    events = [event for page in EventReader(session.data, session.address).pages() for event in page]
    assert len(events) == 1


def test_closing_with_unsent_messages_says_how_many(session):
    writer = _writer(session, breaker_failures=1)
    session.memory.faults.inject("server_error", "CreateEvent")
    writer.submit([_item("a"), _item("b")])
    with pytest.raises(UnsentMessagesError, match="2 messages") as raised:
        writer.close()
    assert raised.value.count == 2
    assert writer.status.breaker == "open"


def test_an_open_breaker_asks_nothing_of_the_service(session):
    writer = _writer(session, breaker_failures=1)
    session.memory.faults.inject("server_error", "CreateEvent")
    writer.submit([_item("a")])
    writer.drain()
    before = session.calls["CreateEvent"]
    writer.submit([_item("b")])
    assert not writer.drain()
    assert session.calls["CreateEvent"] == before
    assert writer.status.pending == 2


def test_five_failures_stop_it_for_a_minute_then_one_attempt_tells(session):
    settings = WriteConfig()
    now = [0.0]
    breaker = CircuitBreaker(settings.breaker_failures, settings.breaker_reset_seconds, lambda: now[0])
    writer = EventWriter(session.data, session.address, settings, breaker=breaker)
    attempts = []
    with session.memory.faults.inject("server_error", "CreateEvent"):
        for seconds in (0, 1, 2, 3, 4, 5, 30, 64, 65, 66, 124):
            now[0] = seconds
            before = session.calls["CreateEvent"]
            writer.submit([_item(str(seconds))])
            assert not writer.drain()
            attempts.append(session.calls["CreateEvent"] - before)
    assert attempts == [1, 1, 1, 1, 1, 0, 0, 1, 0, 0, 1]
    assert writer.status.breaker == "open"
    now[0] = 184
    assert writer.drain()
    assert writer.status.breaker == "closed"
    assert len(_texts(session)) == 11


def test_closing_tries_although_the_breaker_is_open(session):
    writer = _writer(session, breaker_failures=1)
    with session.memory.faults.inject("server_error", "CreateEvent"):
        writer.submit([_item("a")])
        writer.drain()
    assert writer.status.breaker == "open"
    writer.close()
    assert _texts(session) == ["a"]


def test_what_the_service_refuses_for_good_does_not_hold_up_the_rest(session):
    writer = _writer(session)
    bad = OutgoingItem("bad", {"conversational": {"content": {"text": "x" * 100_001}, "role": "USER"}})
    writer.submit([bad])
    writer.submit([_item("good")])
    assert writer.drain()
    assert _texts(session) == ["good"]
    assert writer.status.dropped == 1
    assert writer.has_taken("bad")


def test_a_full_queue_drops_the_oldest_turn_and_says_so(session, caplog):
    writer = _writer(session, queue_limit=2, breaker_failures=1)
    for number in range(3):
        writer.submit([_item(str(number))])
    assert writer.drain()
    assert _texts(session) == ["1", "2"]
    assert "oldest turns dropped" in caplog.text


def test_of_what_was_given_up_or_stored_only_the_newest_is_remembered(session):
    writer = _writer(session, queue_limit=1)
    for _ in range(120):
        writer.submit([_item("x") for _ in range(96)])
    assert writer.status.dropped == 119 * 96
    assert len(writer.queue._ends) == REMEMBERED
    assert writer.drain()
    for _ in range(110):
        writer.submit([_item("x") for _ in range(96)])
        assert writer.drain()
    assert len(writer.positions()) == REMEMBERED


def test_events_without_conversation_are_not_extracted_from(session):
    writer = _writer(session)
    requests = []
    session.data.meta.events.register(
        "provide-client-params.bedrock-agentcore.CreateEvent", lambda params, **_: requests.append(params)
    )
    writer.submit([OutgoingItem("t", {"blob": "[]"}, conversational=False)])
    writer.submit([_item("words")])
    writer.drain()
    assert [request.get("extractionMode") for request in requests] == ["SKIP", None]


def test_an_unreadable_history_is_not_an_empty_one(session):
    session.memory.faults.inject("server_error", "ListEvents")
    with pytest.raises(HistoryUnavailableError, match="could not be read"):
        next(EventReader(session.data, session.address).pages())


def test_a_session_nobody_wrote_to_is_empty(session):
    assert list(EventReader(session.data, session.address).pages()) == [[]]


# ---- reading back as far as is wanted


def test_reading_stops_at_a_boundary_a_budget_or_a_number_of_turns(session):
    writer = _writer(session)
    for number in range(450):
        writer.submit([_item(str(number))])
    assert writer.drain()
    reader = EventReader(session.data, session.address)
    boundary = next(
        one for page in reader.pages() for one in page if one.messages[0].message["content"] == [_text(260)]
    )

    def characters(events):
        return sum(len(one.message["content"][0]["text"]) for one in in_order(events))

    for enough, pages in (
        (lambda events: len(in_order(events)) >= 120, 2),
        (lambda events: characters(events) >= 290, 1),
        (lambda events: events[-1].event_id <= boundary.event_id, 2),
        (lambda events: False, 5),
    ):
        session.calls.clear()
        events = reader.newest(enough)
        assert session.calls["ListEvents"] == pages
        assert in_order(events)[-1].message["content"] == [_text(449)]
    assert len(reader.newest(lambda events: False, max_pages=3)) == 300


def _text(number):
    return {"text": str(number)}
