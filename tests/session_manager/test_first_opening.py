"""Opening a long session for the first time: folded page by page, nothing lost."""

from __future__ import annotations

import json
import uuid

import pytest

from agentmem.checkpoints.in_memory import InMemoryCheckpointStore
from agentmem.checkpoints.restore import read_session
from agentmem.compaction.summary.extractive import ExtractiveSummarizer
from agentmem.events.reader import EventReader
from agentmem.events.serializer import encode_message, encode_text
from agentmem.messages.truncation import TruncationSettings
from agentmem.session_manager.backfill import Backfill
from agentmem.testing import ScriptedModel
from sessions import Session

TURNS = 700


@pytest.fixture(scope="module")
def session():
    """A session of 700 turns, as a plain session manager leaves it: an event for each message, no checkpoint."""
    session = Session(session="long")
    for number in range(TURNS):
        for offset, (role, text) in enumerate(
            [("user", f"Note {number}: locker {number} has code Z{number * 37 % 1000:03d}."), ("assistant", "Noted.")]
        ):
            message = {"role": role, "content": [{"text": text}], "tracking_id": str(uuid.uuid4())}
            session.data.create_event(
                **session.address.parameters(),
                eventTimestamp=1_700_000_000 + number * 10 + offset,
                payload=[encode_message(message)],
                extractionMode="SKIP",
            )
    return session


@pytest.fixture(scope="module")
def opened(session):
    manager = session.manager(token_threshold=4_000)
    before = session.calls.total()
    agent = session.agent(manager)
    return manager, agent, session.calls.total() - before


def test_what_does_not_fit_is_folded_before_the_first_turn(opened):
    manager, agent, _ = opened
    kept = [message for message in agent.messages if message["role"] == "user"]
    assert manager.checkpoint.trigger == "restore"
    assert manager.checkpoint.folded_messages + len(agent.messages) == 2 * TURNS
    assert kept[-1]["content"][-1]["text"].startswith(f"Note {TURNS - 1}:")
    assert agent.messages[0]["content"][0]["text"].startswith("<conversation_summary")


def test_the_next_opening_costs_what_any_other_does(session, opened):
    before = session.calls.total()
    again = session.agent(session.manager(token_threshold=4_000))
    assert session.calls.total() - before <= 4
    assert [m["content"] for m in again.messages] == [m["content"] for m in opened[1].messages]


@pytest.mark.parametrize("number", [0, 1, 99, 350, 640, TURNS - 1])
def test_every_part_of_the_past_can_be_recalled(opened, number):
    found = opened[0].recall.by_words(f"What is the code of locker {number}?", max_tokens=300)
    assert f"Note {number}: locker {number} has code Z{number * 37 % 1000:03d}." in [one.text for one in found]


def test_the_conversation_goes_on_within_its_budget(session, opened):
    agent = opened[1]
    agent.model = ScriptedModel(["Good morning."])
    agent("Good morning.")
    assert agent.model.requests[0].tokens <= 4_400


def test_it_stops_at_the_limit_and_the_summary_says_so(session):
    store = InMemoryCheckpointStore(uuid.uuid4().hex)
    from agentmem.checkpoints.checkpoint import CheckpointKey

    key = CheckpointKey(session.memory_id, "ann", "long", "default")
    reader = EventReader(session.data, session.address)
    restored = read_session(reader, store, key, enough=lambda events: len(events) >= 100)
    opening = Backfill(reader, store, key, TruncationSettings(), ExtractiveSummarizer(), 500, max_events=300)
    opening.fold(restored)
    checkpoint = store.load(key)
    assert "was not read" in checkpoint.summary.render()
    assert checkpoint.folded_messages <= 310


def test_only_one_page_is_held_at_a_time(session):
    """The pages are asked for oldest first and one by one; what was folded is dropped."""
    store = InMemoryCheckpointStore(uuid.uuid4().hex)
    from agentmem.checkpoints.checkpoint import CheckpointKey

    key = CheckpointKey(session.memory_id, "ann", "long", "default")
    reader = EventReader(session.data, session.address)

    class Watched(ExtractiveSummarizer):
        sizes: list[int] = []  # noqa: RUF012 - one instance

        def summarize(self, previous, folded, **options):
            self.sizes.append(len(folded))
            return super().summarize(previous, folded, **options)

    summarizer = Watched()
    restored = read_session(reader, store, key, enough=lambda events: len(events) >= 100)
    Backfill(reader, store, key, TruncationSettings(), summarizer, 500).fold(restored)
    assert len(summarizer.sizes) >= 12
    assert max(summarizer.sizes) <= 101
    assert json.dumps(store.load(key).to_dict())


def test_a_checkpoint_behind_many_events_of_others_is_found():
    session = Session(session="shared")
    for number in range(6):
        agent = session.agent(session.manager(token_threshold=1_500), [f"Answer {number}. " * 60])
        agent(f"Question {number}?")
    folded = session.agent(session.manager(token_threshold=1_500))._session_manager.checkpoint.folded_messages
    for number in range(150):
        session.data.create_event(
            **session.address.parameters(),
            eventTimestamp=2_000_000_000 + number,
            payload=[encode_text(f"Said by hand {number}, and a few more words so that it counts.", "user")],
        )
    manager = session.manager(token_threshold=1_500)
    session.agent(manager)
    assert manager.checkpoint.folded_messages == folded
