"""What a manager says of itself: status, plan, compaction, checkpoint; and what Strands says after a compaction."""

from __future__ import annotations

import copy

import pytest
from strands.hooks import BeforeModelCallEvent

from agentmem.messages.summary_fence import SUMMARY_TAG
from agentmem.messages.truncation import handle_of
from agentmem.settings.sections import InMemoryCheckpoints, WriteConfig
from agentmem.testing import Reply, ToolCall
from growth import THRESHOLD, Growth


@pytest.fixture
def growth():
    return Growth()


def _fill(growth, turns, first=0):
    for number in range(first, first + turns):
        growth.script(Reply(tool_calls=[ToolCall("look", {"query": f"item {number}"})]), f"Item {number} is blue.")
        growth.agent(f"What about item {number}?")


def _shown(agent):
    return copy.deepcopy([(message["role"], message["content"]) for message in agent.messages])


def test_a_manager_that_has_done_nothing_says_so(growth):
    agent = growth.open()
    manager = growth.manager
    assert (manager.checkpoint, manager.last_compaction) == (None, None)
    assert (manager.status.saved, manager.status.pending, manager.status.dropped) == (0, 0, 0)
    assert (manager.status.last_error, manager.status.breaker) == (None, "closed")
    plan = manager.plan(agent)
    assert (plan.kept, plan.folded, plan.fits) == ((), (), True)
    assert manager.compact(agent) is None


def test_the_status_counts_messages_through_an_outage():
    growth = Growth(writes=WriteConfig(breaker_failures=2))
    growth.open()
    _fill(growth, 2)
    assert (growth.manager.status.saved, growth.manager.status.pending) == (8, 0)
    with growth.session.memory.faults.inject("server_error", "CreateEvent"):
        _fill(growth, 2, first=2)
        status = growth.manager.status
        assert (status.saved, status.pending, status.dropped) == (8, 8, 0)
        assert "CreateEvent" in status.last_error
        assert status.breaker == "open"
    assert growth.manager._writer.drain(insist=True)
    status = growth.manager.status
    assert (status.saved, status.pending, status.dropped, status.last_error) == (16, 0, 0, None)
    assert status.breaker == "closed"
    growth.check()


def test_what_waits_unsent_is_recalled_all_the_same(growth):
    growth.open()
    _fill(growth, 1)
    with growth.session.memory.faults.inject("server_error", "CreateEvent"):
        _fill(growth, 9, first=1)
        assert growth.manager.last_compaction is not None
        assert len(growth.agent.messages) < len(growth.said)
        growth.check_recall()
        found = growth.manager.recall.by_words("What about item 2?")
    assert "What about item 2?" in [one.text for one in found]


def test_a_plan_says_what_a_compaction_then_does(growth):
    agent = growth.open()
    _fill(growth, 3)
    before = _shown(agent)
    plan = growth.manager.plan(agent)
    assert _shown(agent) == before
    assert growth.manager.last_compaction is None
    assert sorted([*plan.kept, *plan.folded]) == list(range(12))
    assert plan.head == ()
    assert len(plan.messages) == len(plan.kept)
    assert plan.messages[-1] is agent.messages[-1]
    assert plan.tokens_after < plan.tokens_before
    done = growth.manager.compact(agent)
    assert done.folded == len(plan.folded)
    assert len(agent.messages) == len(plan.kept)
    # The plan leaves room for a summary as large as it may be.
    assert done.tokens_after <= plan.tokens_after * 1.1
    growth.check()


def test_a_compaction_says_what_it_did(growth):
    agent = growth.open()
    _fill(growth, 3)
    before = _shown(agent)
    done = growth.manager.compact(agent)
    assert done is growth.manager.last_compaction
    assert done.trigger == "manual"
    assert done.tokens_before > done.tokens_after
    assert done.fits
    assert done.folded + len(agent.messages) == len(before)
    assert _shown(agent)[-4:] == before[-4:]
    assert agent.messages[0]["content"][0]["text"].startswith(f"<{SUMMARY_TAG} ") == (done.folded > 0)
    assert growth.manager.compact(agent) is None or growth.manager.last_compaction is not done
    growth.check()


def test_the_last_compaction_of_a_conversation_is_the_one_that_made_what_is_shown(growth):
    agent = growth.open()
    _fill(growth, 9)
    done = growth.manager.last_compaction
    assert done.trigger == "threshold"
    assert done.tokens_before >= THRESHOLD > done.tokens_after
    assert done.folded > 0
    assert agent.messages


@pytest.mark.parametrize("checkpoints", [None, InMemoryCheckpoints()], ids=["event log", "a store"])
def test_the_checkpoint_describes_what_is_shown(checkpoints):
    growth = Growth(checkpoints=checkpoints)
    agent = growth.open()
    _fill(growth, 12)
    checkpoint, done = growth.manager.checkpoint, growth.manager.last_compaction
    assert checkpoint.version > 1
    assert checkpoint.trigger == "threshold"
    assert (checkpoint.tokens_before, checkpoint.tokens_after) == (done.tokens_before, done.tokens_after)
    assert checkpoint.folded_messages + len(agent.messages) == len(growth.said)
    assert checkpoint.settings.max_tool_content_length == 500
    assert checkpoint.summary.render() in agent.messages[0]["content"][0]["text"]
    assert checkpoint.index == ()
    first = growth.manager.recall.by_handle(handle_of(agent.messages[0]["tracking_id"]))
    assert first.event_id == checkpoint.boundary.event_id
    restored = growth.session.manager(**growth.settings)
    growth.session.agent(restored)
    assert restored.checkpoint == checkpoint
    assert restored.last_compaction is None


def test_a_checkpoint_is_pending_until_what_it_names_is_acknowledged():
    growth = Growth(writes=WriteConfig(breaker_failures=1_000))
    growth.open()
    _fill(growth, 2)
    with growth.session.memory.faults.inject("server_error", "CreateEvent"):
        _fill(growth, 4, first=2)
        assert growth.manager.last_compaction is not None
        assert growth.manager.checkpoint is None
    _fill(growth, 1, first=6)
    assert growth.manager.checkpoint is not None
    growth.check()


class Projection:
    """What Strands projects before each model call, and whether a usage is left to mislead it."""

    def __init__(self):
        self.projected = []

    def __call__(self, event: BeforeModelCallEvent) -> None:
        self.projected.append(event.projected_input_tokens)


def test_after_a_compaction_no_stale_usage_misleads_anyone(growth):
    """Strands projects from the last reported usage; of a message from before the compaction it would be stale."""
    projection = Projection()
    agent = growth.open()
    agent.hooks.add_callback(BeforeModelCallEvent, projection)
    _fill(growth, 5)
    growth.manager.compact(agent)
    assert not [message for message in agent.messages if "usage" in message.get("metadata", {})]
    largest = max(projection.projected)
    growth.script("Yes.")
    agent("Is that all?")
    actual = growth.requests[-1].tokens
    assert projection.projected[-1] < largest
    assert projection.projected[-1] == pytest.approx(actual, rel=0.5)
    # The answer to the smaller request is news, and is believed.
    assert agent.messages[-1]["metadata"]["usage"]["inputTokens"] == actual
    growth.script("Indeed.")
    agent("Really?")
    assert projection.projected[-1] == pytest.approx(growth.requests[-1].tokens, rel=0.2)


def test_no_stale_usage_comes_back_with_a_restart(growth):
    growth.open()
    _fill(growth, 9)
    projection = Projection()
    agent = growth.open(["Yes."])
    agent.hooks.add_callback(BeforeModelCallEvent, projection)
    assert not [message for message in agent.messages if "usage" in message.get("metadata", {})]
    agent("Is that all?")
    assert projection.projected[0] == pytest.approx(growth.requests[-1].tokens, rel=0.5)


def test_in_the_middle_of_a_turn_the_usage_before_the_compaction_goes_too(growth):
    projection = Projection()
    agent = growth.open([Reply(tool_calls=[ToolCall("look", {"query": f"item {n}"})]) for n in range(20)] + ["done"])
    agent.hooks.add_callback(BeforeModelCallEvent, projection)
    agent("Look at all items.")
    assert growth.folded
    for projected, request in zip(projection.projected, growth.requests, strict=True):
        assert projected <= THRESHOLD * 1.5
        assert request.tokens <= THRESHOLD * 1.1
