"""Two live agents of one session take turns in any order: nothing that was acknowledged is lost from view."""

from __future__ import annotations

import functools
import itertools
import tempfile
import time
from pathlib import Path

import pytest
from crashing import filler
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from shared_session import Ledger
from writer_schedules import CALLS, LENGTHS, SERVICES, SHAPES, SIZES, run_schedule

from agentmem.checkpoints.dynamodb.store import DynamoDBCheckpointStore
from agentmem.checkpoints.in_memory import InMemoryCheckpointStore
from agentmem.checkpoints.sqlite import SqliteCheckpointStore
from agentmem.messages.truncation import handle_of
from agentmem.settings.sections import EventLogCheckpoints
from agentmem.testing import ScriptedModel
from gears import thorough
from sessions import Session

STORES = ("event log", "in memory", "sqlite", "dynamodb")
SKEWS = (-5.0, *(pytest.param(skew, marks=pytest.mark.slow) for skew in (0.0, 5.0)))
SCHEDULES_TRIED = 10 if thorough() else 1
"""For each store and skew, at about two seconds each; the fast gear tries one for each store."""

_stores = itertools.count()

CUTS = st.none() | st.tuples(st.sampled_from(SERVICES), st.integers(*CALLS), st.booleans())
STEPS = st.tuples(st.integers(0, 1), st.sampled_from(SHAPES), st.sampled_from(SIZES), CUTS)
SCHEDULES = st.lists(STEPS, min_size=LENGTHS[0], max_size=LENGTHS[1])


@pytest.fixture
def make_store(request, store, tmp_path):
    """What opens the store under test; None for the event log."""
    if store == "event log":
        return None
    if store == "in memory":
        return functools.partial(InMemoryCheckpointStore, f"writers-{next(_stores)}")
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


@pytest.fixture
def opened(make_store):
    """Opens the session again with small compactions; gives the manager and the agent."""
    session = Session()

    def opened():
        manager = session.manager(
            token_threshold=1_500,
            protected_turns=1,
            summarizer=Ledger(),
            checkpoints=make_store() if make_store else EventLogCheckpoints(),
        )
        return manager, session.agent(manager, ScriptedModel(default=f"Noted. {filler(100)}"))

    opened.session = session
    return opened


def _talk(agent, turns=6):
    for number in range(turns):
        agent(f"Question {number}? {filler(100)}")


def _check_shown_then_folded(opened, names):
    """Messages behind a boundary are shown to whoever opens the session, and part of what he compacts."""
    manager, agent = opened()
    assert names <= {message["tracking_id"] for message in agent.messages}
    _talk(agent)
    manager.close()
    manager, agent = opened()
    assert not names & {message["tracking_id"] for message in agent.messages}
    assert names <= set(manager.checkpoint.summary.extra["folded"])
    assert all(manager.recall.by_handle(handle_of(name)) is not None for name in names)


@pytest.mark.parametrize("store", STORES)
def test_a_turn_of_a_clock_that_is_behind_lands_before_a_boundary_and_is_shown(opened):
    first, one = opened()
    one("Hello.")
    second, other = opened()
    second._writer._now = lambda: time.time() - 3
    _talk(one)
    other("My booking reference is QX7PLM.")
    said = [message["tracking_id"] for message in other.messages[-2:]]
    assert max(second._log.positions[name] for name in said) < first.checkpoint.boundary
    _check_shown_then_folded(opened, set(said))


@pytest.mark.parametrize("store", STORES)
def test_a_turn_between_those_of_another_writer_is_folded_by_that_one_s_next_checkpoint(opened):
    first, one = opened()
    one("Hello.")
    _, other = opened()
    other("My booking reference is QX7PLM.")
    said = {message["tracking_id"] for message in other.messages[-2:]}
    _talk(one)
    assert said <= set(first.checkpoint.summary.extra["folded"])
    third, _ = opened()
    assert all(third.recall.by_handle(handle_of(name)) is not None for name in said)


def test_two_agents_of_one_process_that_share_a_writer_after_an_outage_hide_nothing_of_each_other():
    session = Session()
    settings = {"token_threshold": 1_500, "protected_turns": 1, "summarizer": Ledger()}
    first = session.manager(**settings)
    model = ScriptedModel(default=f"Noted. {filler(100)}")
    one = session.agent(first, model)
    with session.memory.faults.inject("throttle", "CreateEvent"):
        one("I live in Porto.")
    second = session.manager(**settings)
    assert second._writer is first._writer
    other = session.agent(second, model)
    other("My booking reference is QX7PLM.")
    for number in range(6):
        one(f"Question {number}? {filler(100)}")
    assert first.checkpoint is not None
    written = {message["tracking_id"] for message in (*one.messages, *other.messages)}
    third = session.manager(**settings)
    shown = {message["tracking_id"] for message in session.agent(third).messages}
    assert not written - shown - set(third.checkpoint.summary.extra["folded"])
