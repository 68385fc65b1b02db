"""What each setting of compaction does to what a model is sent, through real agents."""

from __future__ import annotations

import json
import logging

import pytest
from strands import tool

from agentmem.checkpoints.summary import Summary
from agentmem.compaction.summary.summarizer import Summarizer
from agentmem.messages.summary_fence import SUMMARY_TAG, count_in_fence
from agentmem.settings.sections import CompactionConfig
from agentmem.testing import Reply, ScriptedModel, ToolCall
from converse import validate_request
from sessions import Session

THRESHOLD = 4_000
PNG = b"\x89PNG\r\n" + bytes(range(256)) * 8


@tool
def ledger(page: int) -> str:
    """Read a page of the ledger."""
    return f"Ledger page {page}: " + "one entry after the other. " * 60


@tool
def weather(day: int) -> str:
    """Tell the weather."""
    return f"Weather of day {day}: " + "clouds, wind and some rain. " * 60


@tool
def camera(number: int) -> dict:
    """Take a picture."""
    image = {"image": {"format": "png", "source": {"bytes": PNG}}}
    return {"status": "success", "content": [{"text": f"Picture {number}."}, image]}


@pytest.fixture
def session():
    return Session()


def _talk(session, calls, turns, *, threshold=THRESHOLD, **compaction):
    """Hold a conversation of some turns with the same tool calls in each; returns the manager and its last request."""
    # With a high target, shortening alone is enough for a while and is seen before anything is folded.
    compaction = {"target_ratio": 0.8, **compaction}
    manager = session.manager(compaction=CompactionConfig(token_threshold=threshold, **compaction))
    agent = session.agent(manager, tools=[ledger, weather, camera])
    requests = []
    for number in range(turns):
        asked = [ToolCall(name, {argument: number}) for name, argument in calls]
        agent.model = ScriptedModel([Reply(tool_calls=asked), f"Turn {number} is done."])
        agent(f"Never open gate {number}. Look at number {number}.")
        requests += agent.model.requests
    for request in requests:
        validate_request(request.messages)
    return manager, requests


def _results(request, starting):
    return [text for text in request.tool_results().values() if text.startswith(starting)]


def test_what_an_excluded_tool_returned_is_never_shortened(session):
    _, requests = _talk(
        session, [("ledger", "page"), ("weather", "day")], 11, threshold=8_000, exclude_tools=("ledger",)
    )
    assert [text for request in requests for text in _results(request, "Weather") if "left out" in text]
    assert len(_results(requests[-1], "Ledger")) > 2
    assert not [text for request in requests for text in _results(request, "Ledger") if "left out" in text]


@pytest.mark.parametrize("keep_media", [False, True])
def test_media_outside_the_protected_turns_are_kept_only_if_asked_for(session, keep_media):
    calls = [("camera", "number"), ("weather", "day")]
    _, requests = _talk(session, calls, 9, threshold=12_000, keep_media=keep_media)
    pictures = [
        block["toolResult"]["content"]
        for request in requests
        for message in request.messages
        if "Weather" in str(message) and "characters left out; recall" in str(message)
        for block in message["content"]
        if "Picture" in str(block)
    ]
    assert pictures
    for content in pictures:
        assert any("image" in item for item in content) is keep_media
        assert ("[image (png, 2,054 bytes) left out; " in str(content)) is not keep_media


def test_a_block_over_the_hard_limit_is_cut_in_the_turn_in_progress(session):
    _, requests = _talk(session, [("ledger", "page")], 1, hard_tool_content_length=1_000)
    [text] = _results(requests[-1], "Ledger")
    assert 1_000 < len(text) < 1_150
    assert "characters left out; recall_session(handle=" in text


def test_a_users_text_over_the_hard_limit_is_cut_too(session):
    manager = session.manager(compaction=CompactionConfig(hard_tool_content_length=1_000))
    agent = session.agent(manager, ScriptedModel(["I see."]))
    agent("word " * 1_000)
    [text] = agent.model.requests[0].texts()
    assert len(text) < 1_150
    assert manager.recall.by_words("word")[0].text == "word " * 1_000


@pytest.mark.parametrize("most", [120, 220])
def test_a_summary_takes_no_more_than_it_may(session, most):
    manager, requests = _talk(session, [("weather", "day")], 24, summary_max_tokens=most)
    assert SUMMARY_TAG in json.dumps(requests[-1].messages[0])
    assert 0.6 * most < count_in_fence(manager.checkpoint.summary.render()) <= most


def test_without_protected_turns_but_the_current_one_older_ones_are_shortened(session):
    _, requests = _talk(session, [("weather", "day")], 8, protected_turns=1, max_tool_content_length=50)
    whole = [text for text in _results(requests[-1], "Weather") if "left out" not in text]
    assert "Weather of day 7" in whole[-1]
    assert any("left out" in text for text in _results(requests[-1], "Weather"))


# --- a summarizer of one's own ----------------------------------------------------------------------------------


class Counting:
    """Says how many messages were folded, and nothing else."""

    def summarize(self, previous, folded, *, max_tokens, count):
        before = 0 if previous is None else previous.messages
        narrative = f"{before + len(folded)} messages went before."
        assert count(narrative) <= max_tokens
        return Summary(narrative=narrative, messages=before + len(folded))


def test_a_summarizer_of_ones_own_is_used_and_given_what_it_said_before(session):
    own = Counting()
    assert isinstance(own, Summarizer)
    manager, requests = _talk(session, [("weather", "day")], 12, summarizer=own)
    folded = manager.checkpoint.folded_messages
    assert folded > 8
    assert f"{folded} messages went before." in requests[-1].texts()[0]


class Failing:
    def summarize(self, previous, folded, *, max_tokens, count):
        raise KeyError("gate 1")


class Endless:
    def summarize(self, previous, folded, *, max_tokens, count):
        return Summary(narrative="and so on " * 5_000)


class Confused:
    def summarize(self, previous, folded, *, max_tokens, count):
        return "a text"


@pytest.mark.parametrize("own", [Failing(), Confused()])
def test_a_summarizer_that_fails_is_replaced_by_the_extractive_one(session, own, caplog):
    with caplog.at_level(logging.WARNING, logger="agentmem"):
        _, requests = _talk(session, [("weather", "day")], 12, summarizer=own)
    assert "Never open gate 1." in requests[-1].texts()[0]
    assert type(own).__name__ in caplog.text
    assert "gate 1" not in caplog.text


def test_a_summary_that_is_too_long_is_cut_to_its_room(session):
    _, requests = _talk(session, [("weather", "day")], 12, summarizer=Endless())
    assert max(request.tokens for request in requests) <= THRESHOLD * 1.1


# --- a model's narrative ----------------------------------------------------------------------------------------


def test_a_narrative_is_written_by_the_agents_second_model(session):
    told = {"narrative": "The user looks at one gate after the other.", "quotes": []}
    second = ScriptedModel(default=ToolCall("ConversationSummary", told))
    manager = session.manager(compaction=CompactionConfig(token_threshold=THRESHOLD, summarizer="model"))
    agent = session.agent(manager, tools=[weather], aux_model=second)
    for number in range(12):
        agent.model = ScriptedModel([Reply(tool_calls=[ToolCall("weather", {"day": number})]), "Done."])
        agent(f"Never open gate {number}.")
    [told] = [text for text in agent.model.requests[-1].texts() if SUMMARY_TAG in text]
    assert "Never open gate 1." in told
    assert told.count("The user looks at one gate after the other.") == 1
    assert len(second.requests) > 1
    assert not [
        block for request in second.requests for m in request.messages for block in m["content"] if "text" not in block
    ]
    assert not [request for request in second.requests if request.tools]
    assert max(request.tokens for request in second.requests) < 2 * THRESHOLD


def test_a_model_given_for_narratives_that_fails_costs_nothing_but_the_narrative(session, caplog):
    failing = ScriptedModel(default=RuntimeError("no credentials"))
    _, requests = _talk(session, [("weather", "day")], 12, summarizer=failing)
    assert "Never open gate 1." in requests[-1].texts()[0]
    assert "no narrative" in caplog.text
