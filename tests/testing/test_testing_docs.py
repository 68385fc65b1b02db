"""docs/how-to/test.md dates things as it says and lists every fixture; its blocks run elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import freezegun
import moto.moto_server.werkzeug_app
import pytest

import agentmem.hook
from agentmem.testing import plugin as pytest_plugin
from docs_blocks import blocks_of
from inner_pytest import SETTINGS, load_the_embedding_model

pytest_plugins = ["pytester"]

# Loaded here: see test_pytest_plugin.
LOADED = (agentmem, freezegun, moto)

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "test.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True, scope="module")
def _embedding_model():
    load_the_embedding_model()


def test_freezing_first_dates_everything_by_the_frozen_time(pytester):
    pytester.makeini(SETTINGS)
    [code] = [block.code for block in blocks_of(PAGE) if "def frozen" in block.code]
    pytester.makepyfile(
        f"""
{code}
from datetime import UTC, datetime

def test_dates(frozen, agentmem_agent, agentmem_session, settled_memories):
    agentmem_agent("I have a dog named Rex.")
    events = agentmem_session.client.list_events(
        memoryId=agentmem_session.memory_id, actorId="test-user", sessionId=agentmem_session.session_id)["events"]
    assert {{event["eventTimestamp"].astimezone(UTC).replace(microsecond=0) for event in events}} == {{
        datetime(2026, 3, 1, 12, tzinfo=UTC)}}
    [fact] = settled_memories("facts")
    assert fact.created_at.replace(microsecond=0) == datetime(2026, 3, 1, 12, 1, tzinfo=UTC)
    assert len(agentmem_session.wait_for_memories("facts")) == 1
"""
    )
    pytester.runpytest_inprocess("-q").assert_outcomes(passed=2)


def test_every_fixture_and_option_is_described():
    fixtures = {name for name in pytest_plugin.__all__ if name.startswith(("agentmem", "settled"))}
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) >= fixtures
    options = pytest_plugin._SERVICE_OPTIONS | pytest_plugin._SESSION_OPTIONS | pytest_plugin._MODEL_OPTIONS
    rows = " ".join(re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE))
    assert {name for name in options if f"`{name}`" not in rows} == set()
