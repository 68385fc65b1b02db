from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from agentmem.checkpoints.checkpoint import CheckpointKey
from agentmem.checkpoints.event_log import EventLogCheckpointStore
from agentmem.errors import CheckpointStoreError
from agentmem.events.serializer import encode_text
from agentmem.testing.conformance import Backend, CheckpointStoreConformance
from agentmem.testing.sample_checkpoints import checkpoint
from sessions import Session


@pytest.fixture(scope="module")
def session():
    return Session()


def _new_key(session):
    return CheckpointKey(session.memory_id, "ann", f"s-{uuid.uuid4().hex}", "default")


class TestEventLogStore(CheckpointStoreConformance):
    @pytest.fixture
    def backend(self, session) -> Backend:
        return Backend(open=lambda: EventLogCheckpointStore(session.data), new_key=lambda: _new_key(session))


def _say(session, key, count):
    for number in range(count):
        session.data.create_event(
            memoryId=key.memory_id,
            actorId=key.actor_id,
            sessionId=key.session_id,
            eventTimestamp=2_000_000_000 + number,
            payload=[encode_text(f"by somebody else {number}", "user")],
        )


def test_it_is_found_behind_events_of_others(session):
    store, key = EventLogCheckpointStore(session.data), _new_key(session)
    store.save(key, checkpoint(1))
    _say(session, key, 250)
    assert EventLogCheckpointStore(session.data).load(key).version == 1


def test_a_failing_log_is_a_failing_store_not_an_empty_one(session):
    store, key = EventLogCheckpointStore(session.data), _new_key(session)
    with session.memory.faults.inject("server_error"), pytest.raises(CheckpointStoreError, match="could not be"):
        store.load(key)


def test_positions_without_an_event_id_are_in_the_carrying_event(session):
    store, key = EventLogCheckpointStore(session.data), _new_key(session)
    here = checkpoint(1).map_positions(lambda position: replace(position, event_id=""))
    store.save(key, here)
    loaded = EventLogCheckpointStore(session.data).load(key)
    assert loaded.boundary.event_id != ""
    assert loaded.boundary.item == here.boundary.item
