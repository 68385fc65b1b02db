"""Two live agents of one session take turns in any order, also in the middle of each other's calls.

A schedule says who speaks, and at which call of that turn the other one takes a whole turn in between: between a look
at the log and the write that follows it, before a checkpoint is saved, after it. One of the two clocks may be off.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
import tempfile
import time
from pathlib import Path

import pytest
from crashing import LOG, ONE_ATTEMPT, REGION, STORE, WRITES, Line, Process, _script, filler
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from shared_session import Ledger, SharedSession

from agentmem.checkpoints.dynamodb.store import DynamoDBCheckpointStore
from agentmem.checkpoints.in_memory import InMemoryCheckpointStore
from agentmem.checkpoints.restore import read_session
from agentmem.checkpoints.sqlite import SqliteCheckpointStore
from agentmem.events.reader import EventReader
from agentmem.local import LocalMemory
from agentmem.messages.truncation import handle_of
from agentmem.scope.address import SessionAddress
from agentmem.settings.sections import CompactionConfig
from gears import thorough

STORES = ("event log", "in memory", "sqlite", "dynamodb")
SKEWS = (-5.0, *(pytest.param(skew, marks=pytest.mark.slow) for skew in (0.0, 5.0)))
SCHEDULES_TRIED = 10 if thorough() else 1
"""For each store and skew, at about two seconds each; the fast gear tries one for each store."""

_sessions = itertools.count()
_time = time.time

CUTS = st.none() | st.tuples(st.sampled_from((LOG, LOG, STORE)), st.integers(1, 4), st.booleans())
STEPS = st.tuples(st.integers(0, 1), st.sampled_from(("plain", "tools", "parallel")), st.sampled_from((40, 300)), CUTS)
SCHEDULES = st.lists(STEPS, min_size=4, max_size=14)


class CutLine(Line):
    """A line on which another agent's turn may fall between two calls, or between a call and its answer."""

    cut = None
    meanwhile = None

    def asked(self, service, error):
        super().asked(service, error)
        self._meanwhile(service, before=True)

    def answered(self, service, error):
        super().answered(service, error)
        self._meanwhile(service, before=False)

    def _meanwhile(self, service, *, before):
        if self.cut == (service, self.calls[service], before) and self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()


class Writer(Process):
    """A live agent whose clock may be off."""

    skew = 0.0

    def _do(self, shape, size, name):
        del shape, size
        before, time.time = time.time, lambda: _time() + self.skew
        try:
            asyncio.run(self.agent.invoke_async(name))
        finally:
            time.time = before

    def turn(self, shape, size):
        """Take a turn and take note of whether it was acknowledged."""
        name = f"name{next(self.world.names)}x"
        self.model.script = _script(shape, size, name)
        assert self.step(shape, size, f"Question {name}? {filler(size)}")
        self.world.acknowledge(self)


@functools.cache
def _service():
    memory = LocalMemory(ranking="words")
    control = memory.boto_session(REGION).client("bedrock-agentcore-control")
    memory_id = control.create_memory(name="writers", eventExpiryDuration=30)["memory"]["id"]
    clean = memory.boto_session(REGION).client("bedrock-agentcore", config=ONE_ATTEMPT)
    return memory_id, clean, [CutLine(memory) for _ in range(3)]


@pytest.fixture
def make_store(request, store, tmp_path):
    """What opens the store under test; None for the event log."""
    if store == "event log":
        return None
    if store == "in memory":
        return functools.partial(InMemoryCheckpointStore, f"writers-{next(_sessions)}")
    if store == "sqlite":
        return functools.partial(SqliteCheckpointStore, Path(tempfile.mkdtemp(dir=tmp_path)) / "checkpoints.db")
    table, client = request.getfixturevalue("checkpoint_table"), request.getfixturevalue("dynamodb")
    return lambda: DynamoDBCheckpointStore(client, table)


@pytest.mark.parametrize("skew", SKEWS)
@pytest.mark.parametrize("store", STORES)
def test_every_acknowledged_turn_of_two_writers_is_shown_or_accounted_for(make_store, skew, monkeypatch):
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "two-writers")  # nothing is sent in the background

    @settings(
        max_examples=SCHEDULES_TRIED,
        suppress_health_check=list(HealthCheck),
        deadline=None,
        phases=[Phase.generate],  # a schedule shrinks slowly
    )
    @given(SCHEDULES)
    def run(schedule):
        run_schedule(schedule, make_store, skew)

    run()


def run_schedule(schedule, make_store, skew):
    """Run one schedule and hold what can be seen of the session against what was acknowledged."""
    memory_id, clean, lines = _service()
    world = SharedSession(
        memory_id,
        f"s-{os.getpid()}-{next(_sessions)}",
        clean,
        make_store,
        compaction=CompactionConfig(
            token_threshold=1_300, protected_turns=1, max_tool_content_length=100, summarizer=Ledger()
        ),
        writes=WRITES["turn"],
    )
    for line in lines:
        line.cut = line.meanwhile = None
        line.begin(None)
    writers = [Writer(world, line) for line in lines[:2]]
    writers[1].skew = skew
    for who, shape, size, cut in schedule:
        speaker, other = writers[who], writers[1 - who]
        speaker.line.begin(None)
        speaker.line.cut = cut
        speaker.line.meanwhile = functools.partial(other.turn, "plain", 300) if cut else None
        speaker.turn(shape, size)
        speaker.line.cut = speaker.line.meanwhile = None
        _check(world)
    reader = Writer(world, lines[2])
    hidden = world.acknowledged - {message["tracking_id"] for message in reader.agent.messages}
    for one in (reader, *writers):
        for name in hidden:
            assert one.manager.recall.by_handle(handle_of(name)) is not None, "not found by its handle"
    reader.turn("tools", 300)
    _check(world)


def _check(world):
    """Each acknowledged message is shown to whoever opens the session now, or part of its summary."""
    store = world.store()
    address = SessionAddress(world.memory_id, "ann", world.session_id)
    restored = read_session(EventReader(world.clean, address), store, world.key)
    shown = {one.message["tracking_id"] for one in restored.messages}
    checkpoint = restored.checkpoint
    folded = set() if checkpoint is None else set(checkpoint.summary.extra.get("folded", []))
    assert not (world.acknowledged - shown - folded), "an acknowledged turn is neither shown nor in the summary"
