"""When a compaction is due: thresholds, windows, calibration for each model, and a model that says no."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from strands.hooks import BeforeModelCallEvent

from agentmem.compaction.budget import Thresholds
from agentmem.errors import CompactionError
from agentmem.messages.tokens import Calibration
from agentmem.settings.sections import CompactionConfig
from agentmem.testing import Reply, ScriptedModel, ToolCall
from sessions import Session

THRESHOLD = 4_000


@pytest.fixture
def session():
    return Session()


def _reporting(ratio, **settings):
    """A model whose tokenizer finds more or fewer tokens than ours."""

    def answer(request):
        tools = [ToolCall("look", {"query": "the item"})] if "toolUse" not in str(request.messages[-2:]) else []
        return Reply("" if tools else "It is blue.", tool_calls=tools, input_tokens=round(request.tokens * ratio))

    return ScriptedModel(default=answer, **settings)


def _talk(agent, turns, question="What about the item?"):
    for _ in range(turns):
        agent(question)
    return [request.tokens for request in agent.model.requests]


# --- calibration ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [0.7, 1.0, 1.6])
def test_the_threshold_is_in_the_models_own_tokens(session, ratio):
    agent = session.agent(session.manager(token_threshold=THRESHOLD), _reporting(ratio))
    reported = [tokens * ratio for tokens in _talk(agent, 14)]
    assert 0.7 * THRESHOLD < max(reported) <= 1.1 * THRESHOLD


def test_each_model_has_a_ratio_of_its_own(session):
    class Other(ScriptedModel):
        """Another class is another model."""

    agent = session.agent(session.manager(token_threshold=THRESHOLD))
    dense, loose = (
        _reporting(1.8),
        Other(default=lambda request: Reply("Fine.", input_tokens=round(request.tokens * 0.6))),
    )
    for _ in range(12):
        for model in (dense, loose):
            agent.model = model
            agent("What about the item? " + "It was here. " * 40)
    assert max(request.tokens * 1.8 for request in dense.requests) <= 1.1 * THRESHOLD
    learned = agent._session_manager._compactor.calibration
    learned.use("ScriptedModel/scripted")
    assert learned.ratio == pytest.approx(1.8, rel=0.05)
    learned.use("Other/scripted")
    assert learned.ratio == pytest.approx(0.6, rel=0.05)


def test_what_one_model_reported_says_nothing_of_anothers_request():
    calibration = Calibration()
    calibration.use("a")
    calibration.observe(counted=1_000, reported=2_000)
    assert calibration.estimate(1_100) == 2_200
    calibration.use("b")
    calibration.observe(counted=1_000, reported=900)
    assert calibration.estimate(1_000) == 900
    calibration.use("a")
    assert calibration.estimate(1_000) == 2_000


def test_a_running_ratio_follows_slowly_and_within_bounds():
    calibration = Calibration()
    for reported in (1_000, 2_000):
        calibration.observe(counted=1_000, reported=reported)
    assert calibration.ratio == pytest.approx(1.3)
    calibration.observe(counted=1_000, reported=900_000)
    assert calibration.ratio <= Calibration.HIGHEST
    calibration.observe(counted=1_000, reported=0)
    assert calibration.ratio > 1


def test_the_ratio_is_known_after_a_restart(session):
    _talk(session.agent(session.manager(token_threshold=THRESHOLD), _reporting(1.6)), 10)
    agent = session.agent(session.manager(token_threshold=THRESHOLD), _reporting(1.6))
    assert max(_talk(agent, 3)) * 1.6 <= 1.1 * THRESHOLD


# --- what counts ------------------------------------------------------------------------------------------------


def test_system_prompt_and_tool_specifications_count(session):
    system = "You are careful. " * 500
    agent = session.agent(session.manager(token_threshold=THRESHOLD), _reporting(1.0), system_prompt=system)
    tokens = _talk(agent, 8)
    assert tokens[0] > 2_000
    assert max(tokens) <= 1.1 * THRESHOLD
    assert agent._session_manager.last_compaction is not None


def test_after_a_compaction_stale_usage_misleads_nobody(session):
    """Strands projects a request from the usage of the last answer, which was about what is folded now."""
    projected = []
    manager = session.manager(token_threshold=100_000)
    agent = session.agent(manager, _reporting(1.0))
    agent.hooks.add_callback(BeforeModelCallEvent, lambda event: projected.append(event.projected_input_tokens or 0))
    before = _talk(agent, 14)[-1]
    assert projected[-1] > 0.9 * before
    manager.compact(agent)
    after = _talk(agent, 1)[-2]
    assert after < 0.5 * before
    assert projected[-2] < 0.6 * before
    restored = session.agent(session.manager(), _reporting(1.0))
    restored.hooks.add_callback(BeforeModelCallEvent, lambda event: projected.append(event.projected_input_tokens or 0))
    _talk(restored, 1)
    assert projected[-2] < 0.6 * before


# --- thresholds -------------------------------------------------------------------------------------------------


def _limit(threshold, window):
    return Thresholds(CompactionConfig(token_threshold=threshold)).limits(SimpleNamespace(context_window_limit=window))


@pytest.mark.parametrize(
    ("threshold", "window", "expected"),
    [
        ("auto", 100_000, 70_000),
        ("auto", None, 140_000),
        (30_000, None, 30_000),
        (30_000, 200_000, 30_000),
        (190_000, 200_000, 170_000),
        (30_000, 8_000, 6_800),
    ],
)
def test_the_threshold_follows_the_window(threshold, window, expected):
    limits = _limit(threshold, window)
    assert limits.threshold == expected
    assert limits.target == expected // 2
    assert limits.summary_tokens <= expected // 5


def test_an_unknown_window_is_told_once(caplog):
    thresholds = Thresholds(CompactionConfig(token_threshold="auto"))
    with caplog.at_level(logging.WARNING, logger="agentmem"):
        for _ in range(3):
            thresholds.limits(SimpleNamespace(context_window_limit=None))
    assert [record.getMessage().count("assumed=<200000>") for record in caplog.records] == [1]


@pytest.mark.parametrize("threshold", ["auto", 100_000])
def test_a_small_window_is_never_filled(session, threshold):
    model = _reporting(1.0, context_window_limit=5_000, overflow_at=5_000)
    agent = session.agent(session.manager(token_threshold=threshold), model)
    tokens = _talk(agent, 14)
    assert max(tokens) <= (3_500 if threshold == "auto" else 4_250) * 1.1
    assert agent._session_manager.last_compaction.trigger == "threshold"


# --- a model that says no ---------------------------------------------------------------------------------------


def test_an_overflow_is_compacted_for_harder_each_time_and_teaches_the_limit(session):
    agent = session.agent(session.manager(), _reporting(1.0))
    _talk(agent, 12)
    agent.model = _reporting(1.0, overflow_at=4_500)
    _talk(agent, 1)
    refused = [request.tokens for request in agent.model.requests if request.tokens > 4_500]
    assert 1 <= len(refused) <= 3
    assert refused == sorted(refused, reverse=True)
    _talk(agent, 10)
    agent.model.requests.clear()
    assert max(_talk(agent, 10)) <= 4_500


def test_it_is_tried_three_times_more_and_then_the_largest_are_named(session):
    agent = session.agent(session.manager(), _reporting(1.0))
    _talk(agent, 25, "What about the item? " + "It was here. " * 100)
    agent.model = _reporting(1.0, overflow_at=1)
    with pytest.raises(CompactionError, match=r"largest being .* tokens in a message of role") as raised:
        agent("and now? " * 300)
    tokens = [request.tokens for request in agent.model.requests]
    assert len(tokens) == 4
    assert tokens == sorted(set(tokens), reverse=True)
    assert raised.value.largest[0].endswith(")")
    assert int(raised.value.largest[0].split()[0].replace(",", "")) > 800


def test_what_nothing_can_make_smaller_is_not_tried_again(session):
    agent = session.agent(session.manager(), _reporting(1.0, overflow_at=1))
    with pytest.raises(CompactionError, match="role user"):
        agent("and now? " * 2_000)
    assert len(agent.model.requests) == 1


def test_a_system_prompt_over_the_threshold_is_told_once_and_not_compacted_for_at_every_turn(session, caplog):
    manager = session.manager(token_threshold=THRESHOLD)
    agent = session.agent(manager, ScriptedModel(default="Answer. " * 600), system_prompt="rule " * 6_000)
    versions = set()
    for number in range(16):
        agent(f"Question {number}?")
        versions.add(None if manager.checkpoint is None else manager.checkpoint.version)
    told = [one for one in caplog.records if "the system prompt and the tools alone" in one.getMessage()]
    assert [one.levelno for one in told] == [logging.WARNING]
    assert 1 < len(versions) <= 6
