"""Two live agents of one session that take turns in any order, also in the middle of each other's calls.

A schedule says who speaks, and at which call of that turn the other one takes a whole turn in between: between a look
at the log and the write that follows it, before a checkpoint is saved, after it. One of the two clocks may be off.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
import random
import time

from crashing import LOG, ONE_ATTEMPT, REGION, STORE, WRITES, Line, Process, _script, filler
from shared_session import Ledger, SharedSession

from agentmem.checkpoints.restore import read_session
from agentmem.events.reader import EventReader
from agentmem.local import LocalMemory
from agentmem.messages.truncation import handle_of
from agentmem.scope.address import SessionAddress
from agentmem.settings.sections import CompactionConfig

SHAPES = ("plain", "tools", "parallel")
SIZES = (40, 300)  # words
SERVICES = (LOG, LOG, STORE)
CALLS = (1, 4)
LENGTHS = (4, 14)

_sessions = itertools.count()
_time = time.time


def random_schedule(source):
    """Return a schedule drawn from a ``random.Random``."""

    def cut():
        if source.random() < 0.5:
            return None
        return source.choice(SERVICES), source.randint(*CALLS), source.random() < 0.5

    return [
        (source.randrange(2), source.choice(SHAPES), source.choice(SIZES), cut())
        for _ in range(source.randint(*LENGTHS))
    ]


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


def run_schedule(schedule, make_store, skew, *, looks=None):
    """Run one schedule and hold what can be seen of the session against what was acknowledged.

    Args:
        schedule: Steps: who speaks, how, at what length, and where the other one's turn falls in between, or None.
        make_store: Opens the checkpoint store; None for the event log.
        skew: Seconds by which the second writer's clock is off.
        looks: How many of the messages that are not shown a new agent and the writers are asked for; all by default.

    Returns:
        How many turns were taken, how many messages acknowledged, and how many of these are not shown in the end.
    """
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
    some = random.Random(0).sample(sorted(hidden), min(len(hidden), len(hidden) if looks is None else looks))
    for one in (reader, *writers):
        for name in some:
            assert one.manager.recall.by_handle(handle_of(name)) is not None, "not found by its handle"
    reader.turn("tools", 300)
    _check(world)
    return next(world.names), len(world.acknowledged), len(hidden)


def _check(world):
    """Each acknowledged message is shown to whoever opens the session now, or part of its summary."""
    store = world.store()
    address = SessionAddress(world.memory_id, "ann", world.session_id)
    restored = read_session(EventReader(world.clean, address), store, world.key)
    shown = {one.message["tracking_id"] for one in restored.messages}
    checkpoint = restored.checkpoint
    folded = set() if checkpoint is None else set(checkpoint.summary.extra.get("folded", []))
    assert not (world.acknowledged - shown - folded), "an acknowledged turn is neither shown nor in the summary"
