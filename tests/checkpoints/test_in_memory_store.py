from __future__ import annotations

import uuid

import pytest

from agentmem.checkpoints.in_memory import InMemoryCheckpointStore
from agentmem.testing.conformance import Backend, CheckpointStoreConformance, CompetingThreads, any_key
from agentmem.testing.sample_checkpoints import checkpoint


class TestInMemoryStore(CheckpointStoreConformance, CompetingThreads):
    @pytest.fixture
    def backend(self) -> Backend:
        name = uuid.uuid4().hex
        return Backend(open=lambda: InMemoryCheckpointStore(name))


def test_stores_without_a_name_share_what_they_hold_in_one_process():
    key = any_key()
    InMemoryCheckpointStore().save(key, checkpoint(1))
    assert InMemoryCheckpointStore().load(key).version == 1
    assert InMemoryCheckpointStore("other").load(key) is None


def test_a_checkpoint_that_is_not_json_is_refused():
    store, key = InMemoryCheckpointStore(uuid.uuid4().hex), any_key()
    with pytest.raises(TypeError):
        store.save(key, checkpoint(1, extra={"object": object()}))
    assert store.load(key) is None
