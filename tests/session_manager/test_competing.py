"""What one process's account of a session makes of another's, step by step."""

from __future__ import annotations

import functools

import pytest
from crashing import LOG, STORE, WRITES, Line
from shared_session import Ledger, SharedSession

from agentmem.checkpoints.in_memory import InMemoryCheckpointStore
from agentmem.compaction.compactor import Compactor
from agentmem.compaction.policy import Limits
from agentmem.local import LocalMemory
from agentmem.messages.truncation import TruncationSettings

LIMITS = Limits(threshold=400, target=200, protected_turns=1, summary_tokens=20)


@pytest.fixture
def processes(monkeypatch):
    """A session and two processes that work on it."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "competing")  # nothing is sent in the background
    memory = LocalMemory(ranking="words")
    control = memory.boto_session("us-west-2").client("bedrock-agentcore-control")
    memory_id = control.create_memory(name="competing", eventExpiryDuration=30)["memory"]["id"]
    session = SharedSession(
        memory_id,
        "s-1",
        memory.boto_session("us-west-2").client("bedrock-agentcore"),
        functools.partial(InMemoryCheckpointStore, memory_id),
        token_threshold=1_500,
        protected_turns=1,
        summarizer=Ledger(),
        writes=WRITES["turn"],
    )
    return session, [session.open(Line(memory)) for _ in range(2)]


def _work(session, process, turns):
    for _ in range(turns):
        process.line.begin(None)
        assert process.step("plain", 200, f"name{next(session.names)}x")
        session.acknowledge(process)
        log = session.check_log()
        session.check_checkpoint(log)


def test_the_process_whose_checkpoint_is_behind_follows_with_its_next_one(processes):
    session, (ahead, behind) = processes
    behind.line.down = frozenset({STORE})
    _work(session, behind, 5)
    assert behind.manager.last_compaction is not None
    _work(session, ahead, 6)
    reaching = session.store().load(session.key)
    assert reaching.version == 1
    behind.line.down = frozenset()
    _work(session, behind, 1)
    assert session.store().load(session.key) == reaching
    # Nothing that both have said is folded twice, nor left out: the ledger is held against the log after each turn.
    _work(session, behind, 6)
    assert session.store().load(session.key).version >= 2
    _work(session, ahead, 6)
    session.check_history(session.log())


def test_a_process_that_could_not_write_comes_behind_those_that_could(processes):
    session, (ahead, late) = processes
    late.line.down = frozenset({LOG})
    _work(session, late, 1)
    _work(session, ahead, 6)
    boundary = session.store().load(session.key).boundary
    late.line.down = frozenset()
    _work(session, late, 1)
    written = {one.name for one in session.log() if session.written[one.name].writer == late.number}
    assert len(written) == 4
    assert all(one.place > (boundary.milliseconds, boundary.item) for one in session.log() if one.name in written)


def test_what_a_save_that_failed_accounted_for_is_in_the_next_checkpoint():
    def turn(number):
        return [
            {"role": role, "content": [{"text": f"{role} {number} " * 60}], "tracking_id": f"{role}-{number}"}
            for role in ("user", "assistant")
        ]

    compactor = Compactor(TruncationSettings(), Ledger(), recall_tool=False)
    shown = compactor.compact([*turn(1), *turn(2)], LIMITS, fixed_tokens=0, trigger="manual", force=True)
    due = compactor.draft
    compactor.compact([*shown, *turn(3)], LIMITS, fixed_tokens=0, trigger="manual", force=True)
    assert compactor.draft is not due
    compactor.include(due, turn(9), [])  # the save of ``due`` meets another writer's turn, and fails
    assert {"user-9", "assistant-9"} <= set(compactor.draft.entries)
    assert compactor.draft.checkpoint.folded_messages == 6
    assert {"user-9", "user-1", "user-2"} <= set(compactor.draft.checkpoint.summary.extra["folded"])
