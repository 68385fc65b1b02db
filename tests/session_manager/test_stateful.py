"""Agents, compactions, crashes between any two calls, outages, restores and a second process, in random order."""

from __future__ import annotations

import functools
import itertools
import tempfile
import uuid
from pathlib import Path

import pytest
from crashing import KINDS, LOG, ONE_ATTEMPT, REGION, SHAPES, STORE, WRITES, Fault, Line
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from shared_session import Ledger, SharedSession

from agentmem.checkpoints.dynamodb.store import DynamoDBCheckpointStore
from agentmem.checkpoints.in_memory import InMemoryCheckpointStore
from agentmem.checkpoints.sqlite import SqliteCheckpointStore
from agentmem.local import LocalMemory
from agentmem.settings.sections import CompactionConfig
from gears import examples

pytestmark = pytest.mark.counted

FAULTS = st.builds(
    Fault, st.sampled_from((LOG, LOG, STORE)), st.sampled_from((1, 2, 1, 3, 1, 4, 5, 6)), st.sampled_from(KINDS)
)
SIZES = st.sampled_from((60, 400, 0, 200, 120, 7))
STEPS = st.tuples(st.sampled_from((*SHAPES, "tools", "parallel")), SIZES)
_sessions = itertools.count()


@functools.cache
def _service():
    """One embedded memory for all runs, each with a session of its own: a boto3 client takes long to make."""
    memory = LocalMemory(ranking="words")
    control = memory.boto_session(REGION).client("bedrock-agentcore-control")
    memory_id = control.create_memory(name="stateful", eventExpiryDuration=30)["memory"]["id"]
    clean = memory.boto_session(REGION).client("bedrock-agentcore", config=ONE_ATTEMPT)
    return memory_id, clean, [Line(memory), Line(memory)]


@pytest.fixture(autouse=True)
def _no_thread_tries_again(monkeypatch):
    """A run can be repeated only if nothing is sent in the background; on Lambda nothing is."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "stateful")


class OneSession(RuleBasedStateMachine):
    """One session, used by a process that may die at any call; by two where a store stands between them."""

    make_store = None
    """Makes the checkpoint store; None for the event log, which is for one process at a time."""

    @initialize(
        threshold=st.sampled_from((1_300, 2_500, 4_000)),
        ratio=st.sampled_from((0.9, 0.5)),
        protected=st.sampled_from((1, 2)),
        flush=st.sampled_from(sorted(WRITES)),
    )
    def begin(self, threshold, ratio, protected, flush):
        memory_id, clean, self.lines = _service()
        self.world = SharedSession(
            memory_id,
            f"s-{next(_sessions)}",
            clean,
            type(self).make_store,
            compaction=CompactionConfig(
                token_threshold=threshold,
                target_ratio=ratio,
                protected_turns=protected,
                max_tool_content_length=100,
                summarizer=Ledger(),
            ),
            writes=WRITES[flush],
        )
        for line in self.lines:
            line.down = frozenset()
        self.processes = [self.world.open(line) for line in (self.lines if self.make_store else self.lines[:1])]
        self.is_settled = True

    @rule(steps=st.lists(st.tuples(st.integers(0, 1), STEPS), min_size=2, max_size=6))
    def work(self, steps):
        for which, step in steps:
            self._step(which, *step)

    @rule(which=st.integers(0, 1), step=STEPS, fault=FAULTS)
    def work_with_a_fault(self, which, step, fault):
        self._step(which, *step, fault)

    @rule(
        which=st.integers(0, 1),
        steps=st.lists(st.tuples(st.booleans(), STEPS), min_size=2, max_size=6),
        down=st.sampled_from((LOG, STORE, "all")),
    )
    def work_in_an_outage(self, which, steps, down):
        """The services are down for one process; another one goes on."""
        line = self._process(which).line
        line.down = frozenset((LOG, STORE) if down == "all" else (down,))
        for is_down, step in steps:
            self._step(which if is_down else which + 1, *step)
        line.down = frozenset()

    @rule(which=st.integers(0, 1), dies=st.booleans(), fault=st.none() | FAULTS)
    def the_agent_is_built_again(self, which, dies, fault):
        """In a new process, when the old one has died with whatever it had not sent; or in the same."""
        before = self._process(which)
        if dies:
            before.die()
        self._replace(before, fault)
        if self.is_settled and len(self.processes) == 1:
            assert _shown(self.processes[0]) == _shown(before)

    def _process(self, which):
        return self.processes[which % len(self.processes)]

    def _replace(self, process, fault):
        opened = self.world.open(process.line, fault)
        self.processes[self.processes.index(process)] = opened
        self.world.check_shown(opened)
        self.world.check_recall(opened, self.world.log(), most=2)

    def _step(self, which, shape, size, fault=None):
        process = self._process(which)
        line = process.line
        line.begin(fault)
        alive = process.step(shape, size, f"name{next(self.world.names)}x")
        line.fault = None
        self.is_settled = alive and not line.failed
        if alive:
            self.world.acknowledge(process)
            assert process.has_everything_stored or line.failed, "unsent although every call was answered"
        log = self.world.check_log()
        self.world.check_checkpoint(log)
        if alive and not line.down:
            self.world.check_shown(process)
        elif not alive:
            line.down = frozenset()
            self._replace(process, None)

    def teardown(self):
        if hasattr(self, "processes"):
            log = self.world.check_log()
            self.world.check_checkpoint(log)
            self.world.check_history(log)
            fresh = self.world.open(self.lines[0])
            self.world.check_shown(fresh)
            self.world.check_recall(fresh, log, most=8)
            for process in self.processes:
                process.die()


def _shown(process):
    return [(one["role"], one["tracking_id"], one["content"]) for one in process.agent.messages]


def _runs_of(machine, runs, **more):
    """Make the same runs every time, at least so many; ``derandomize=False`` makes others. Returns how many it made."""
    runs = examples(runs)
    before = next(_sessions)
    chosen = {
        "max_examples": runs,
        "derandomize": True,
        "stateful_step_count": 5,
        "deadline": None,
        "report_multiple_bugs": False,
        "print_blob": False,
        "suppress_health_check": list(HealthCheck),
    }
    run_state_machine_as_test(machine, settings=settings(**(chosen | more)))
    return next(_sessions) - before - 1


def test_checkpoints_in_the_event_log():
    assert _runs_of(OneSession, 80) >= examples(80)


def test_checkpoints_in_memory():
    class InMemory(OneSession):
        make_store = functools.partial(InMemoryCheckpointStore, f"stateful-{uuid.uuid4()}")

    assert _runs_of(InMemory, 125) >= examples(125)


def test_checkpoints_in_sqlite():
    with tempfile.TemporaryDirectory() as folder:

        class Sqlite(OneSession):
            make_store = functools.partial(SqliteCheckpointStore, Path(folder) / "checkpoints.sqlite")

        assert _runs_of(Sqlite, 85) >= examples(85)


def test_checkpoints_in_dynamodb(dynamodb, checkpoint_table):
    class DynamoDB(OneSession):
        make_store = functools.partial(DynamoDBCheckpointStore, dynamodb, checkpoint_table)

    assert _runs_of(DynamoDB, 15) >= examples(15)
