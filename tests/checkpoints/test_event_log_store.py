from __future__ import annotations

import json
import random
import uuid
from dataclasses import replace

import pytest

from agentmem.checkpoints.checkpoint import CheckpointKey, IndexedPassage, IndexEntry
from agentmem.checkpoints.event_log import EventLogCheckpointStore
from agentmem.errors import CheckpointStoreError
from agentmem.events.position import Position
from agentmem.events.reader import EventReader
from agentmem.events.serializer import encode_text
from agentmem.scope.address import SessionAddress
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


# --- the index of a long past


def _indexed(version, entries=40, terms=12):
    """Return a checkpoint whose index holds what does not compress much."""
    some = random.Random(version)
    index = tuple(
        IndexEntry(
            f"{version:04x}{number:08x}",
            Position(f"{version:019d}#{number:08x}", 0),
            "user",
            (IndexedPassage(tuple(f"{some.getrandbits(40):x}" for _ in range(terms))),),
        )
        for number in range(entries)
    )
    return replace(checkpoint(version), index=index)


def _append(session, key, versions, store=None):
    for version in versions:
        ours = store or EventLogCheckpointStore(session.data)
        ours.load(key)
        ours.append(key, _indexed(version))


def _carried(session, key):
    """Return what each event with a checkpoint carries, oldest first."""
    reader = EventReader(session.data, SessionAddress(key.memory_id, key.actor_id, key.session_id))
    found = [event.ours.get("checkpoint") for page in reader.pages() for event in page]
    return [one for one in reversed(found) if one is not None]


def _read_index(session, key):
    """Return the handles of the index as recall reads it, and in how many parts."""
    store = EventLogCheckpointStore(session.data)
    reader = EventReader(session.data, SessionAddress(key.memory_id, key.actor_id, key.session_id))
    _, parts = store.index_parts(reader.page().events, reader.get, key, ())
    read = [[entry.handle for entry in entries] for _, entries in parts]
    return [handle for part in read for handle in part], len(read)


@pytest.mark.parametrize("one_process", [True, False], ids=["one process", "a process a version"])
def test_the_index_of_a_long_past_is_whole_and_few_events_carry_much_of_it(session, one_process):
    key = _new_key(session)
    _append(session, key, range(1, 61), EventLogCheckpointStore(session.data) if one_process else None)
    handles, parts = _read_index(session, key)
    assert len(handles) == len(set(handles)) == 60 * 40
    assert parts <= 4
    sizes = [len(json.dumps(one.get("merged", ""))) for one in _carried(session, key)]
    assert len([size for size in sizes if size > 25_000]) <= len(sizes) / 5
    assert max(sizes) < 620_000


def test_a_part_of_the_index_is_full_at_its_limit_and_the_next_one_begins(session, monkeypatch):
    monkeypatch.setattr("agentmem.checkpoints.event_log._MERGED", 60_000)
    key = _new_key(session)
    _append(session, key, range(1, 61))
    handles, parts = _read_index(session, key)
    assert len(handles) == len(set(handles)) == 60 * 40
    assert parts > 4
    assert max(len(json.dumps(one.get("merged", ""))) for one in _carried(session, key)) < 70_000


def test_when_the_large_part_cannot_be_read_the_index_stays_whole(session, caplog):
    """The turn goes on; the next checkpoint points to what it could not take along."""
    key = _new_key(session)
    _append(session, key, range(1, 12))
    for version in range(12, 40):
        store = EventLogCheckpointStore(session.data)
        store.load(key)
        with session.memory.faults.inject("server_error", operation="GetEvent"):
            store.carried_by(key, store._write(key, store.items(key, _indexed(version)), None), _indexed(version))
    assert "index not carried on" in caplog.text
    handles, _ = _read_index(session, key)
    assert len(handles) == len(set(handles)) == 39 * 40
