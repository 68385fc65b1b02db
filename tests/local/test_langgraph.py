"""LangGraph's AgentCore classes run on the embedded service; its savers pass LangGraph's own conformance suite."""

import uuid
from collections import Counter

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph_checkpoint_aws import AgentCoreMemorySaver, AgentCoreMemoryStore
from memory_api import SEMANTIC

# What langgraph-checkpoint-aws 1.2.6 does not do on any service: its put_writes sends no client token, so a repeated
# write is a second event; its delete_thread deletes the root namespace's session only.
NOT_OF_THE_SERVICE = {"test_put_writes_idempotent", "test_delete_thread_removes_all_namespaces"}


class SaverOfOneActor(AgentCoreMemorySaver):
    """The saver with an actor: it asks for one in every configuration, and the suite has none."""

    def _with_actor(self, config):
        return {**config, "configurable": {"actor_id": "conformance", **config["configurable"]}} if config else config

    def put(self, config, *arguments):
        return super().put(self._with_actor(config), *arguments)

    def put_writes(self, config, *arguments):
        return super().put_writes(self._with_actor(config), *arguments)

    def get_tuple(self, config):
        return super().get_tuple(self._with_actor(config))

    def list(self, config, *, before=None, **arguments):
        return super().list(self._with_actor(config), before=self._with_actor(before), **arguments)

    def delete_thread(self, thread_id, actor_id="conformance"):
        return super().delete_thread(thread_id, actor_id)

    async def adelete_thread(self, thread_id, actor_id="conformance"):
        return await super().adelete_thread(thread_id, actor_id)


@pytest.mark.parametrize("checkpoint_format", ["legacy", "snapshot"])
async def test_the_saver_passes_langgraphs_conformance_suite(place, checkpoint_format):
    memory_id = place.new_memory()

    @checkpointer_test(name=f"AgentCoreMemorySaver-{checkpoint_format}")
    async def saver():
        yield SaverOfOneActor(memory_id, checkpoint_format=checkpoint_format, region_name="us-west-2")

    report = await validate(saver)
    failed = {failure.split(":")[0] for result in report.results.values() for failure in result.failures or ()}
    assert failed == NOT_OF_THE_SERVICE
    passed = {name: result.tests_passed for name, result in report.results.items() if result.detected}
    assert passed == {"put": 17, "put_writes": 9, "get_tuple": 10, "list": 16, "delete_thread": 4}


def checkpoint_of(step, values):
    checkpoint = empty_checkpoint()
    checkpoint["channel_values"] = values
    checkpoint["channel_versions"] = dict.fromkeys(values, str(step))
    return checkpoint


@pytest.fixture
def snapshots(place):
    memory_id, calls = place.new_memory(), Counter()

    def saver(**arguments):
        saver = AgentCoreMemorySaver(memory_id, checkpoint_format="snapshot", region_name="us-west-2", **arguments)
        events = saver.checkpoint_event_client.client._client.meta.events
        events.register("after-call.bedrock-agentcore.*", lambda model, **_: calls.update([model.name]))
        return saver

    return saver, calls


CONFIG = {"configurable": {"thread_id": "thread", "actor_id": "actor"}}


def test_the_newest_snapshot_is_found_without_reading_the_history(snapshots):
    saver, calls = snapshots
    parent = CONFIG
    for step in range(1, 16):
        checkpoint = checkpoint_of(step, {"counter": step})
        parent = saver().put(parent, checkpoint, {"source": "loop", "step": step}, checkpoint["channel_versions"])
    saver().put_writes(parent, [("answer", 15)], "task")
    calls.clear()
    restored = saver(max_results=1).get_tuple(CONFIG)
    assert restored.checkpoint["channel_values"] == {"counter": 15}
    assert restored.pending_writes == [("task", "answer", 15)]
    assert calls == {"ListEvents": 2}


@pytest.mark.parametrize(
    "values",
    [{f"c{number}": number for number in range(205)}, {f"c{number}": "x" * 900_000 for number in range(9)}],
    ids=["more than 100 items", "near 10 MB"],
)
def test_a_snapshot_of_several_events_is_restored_whole(snapshots, values):
    saver, calls = snapshots
    checkpoint = checkpoint_of(1, values)
    saver().put(CONFIG, checkpoint, {"source": "loop", "step": 1}, checkpoint["channel_versions"])
    assert calls["CreateEvent"] > 1
    assert saver().get_tuple(CONFIG).checkpoint["channel_values"] == values


def test_the_store_finds_what_was_said(place):
    memory_id = place.new_memory(SEMANTIC)
    user = f"user-{uuid.uuid4().hex[:8]}"
    store = AgentCoreMemoryStore(memory_id=memory_id, region_name="us-west-2")
    store.put((user, "session-1"), "message-1", {"message": HumanMessage("I work as a nurse in Braga.")})
    place.settle(memory_id, f"/users/{user}/facts/")
    [item, *_] = store.search(("users", user, "facts"), query="What is the user's job?")
    assert "nurse" in str(item.value)
    assert store.get(("users", user, "facts"), item.key).key == item.key
