"""Content that no model API would take: stored as it is, shown as it can be, in every turn and after every restart."""

from __future__ import annotations

import json

import pytest
from strands import tool

from agentmem.messages.converse import OPENING
from agentmem.settings.sections import CompactionConfig, EventLogCheckpoints, SqliteCheckpoints, WriteConfig
from agentmem.testing import Reply, ScriptedModel, ToolCall
from converse import validate_request
from sessions import Session

RESULT = {
    "status": "success",
    "content": [
        {"json": {"price": float("nan"), "key\ud83d": ["\udc00", float("inf")]}},
        {"json": [1, 2]},
        {"text": "Key \ud83d end"},
        {"json": {"large": 10**400}},
    ],
}
LIMITS = CompactionConfig(token_threshold=2_500, protected_turns=1)
PDF = {"document": {"format": "pdf", "name": "q3 report.pdf", "source": {"bytes": b"%PDF-1.4"}}}


@tool
def odd() -> dict:
    """Return what no request may hold."""
    return RESULT


def _say(agent, prompt, *script):
    agent.model = ScriptedModel(list(script))
    agent(prompt)
    for request in agent.model.requests:
        validate_request(request.messages, request.system, request.tools)
        json.dumps(request.messages, allow_nan=False, ensure_ascii=False, default=len).encode()
    return agent.model.requests


def _contents(messages):
    return repr([(message["role"], message["content"]) for message in messages])  # NaN is not equal to itself


@pytest.mark.parametrize("event_format", ["sdk", "clean"])
@pytest.mark.parametrize("place", ["log", "sqlite"])
def test_it_is_stored_as_it_is_and_every_request_is_valid(tmp_path, place, event_format):
    checkpoints = EventLogCheckpoints() if place == "log" else SqliteCheckpoints(path=str(tmp_path / "checkpoints.db"))
    settings = {"checkpoints": checkpoints, "compaction": LIMITS, "writes": WriteConfig(event_format=event_format)}
    session = Session()
    manager = session.manager(**settings)
    agent = session.agent(manager, tools=[odd])
    for number in range(6):
        call = Reply(tool_calls=[ToolCall("odd", id="call_0")])
        _say(agent, f"Always say please \ud83d {number}. {'I ask for the shelf records. ' * 30}", call, "Never \udfff.")
    assert manager.last_compaction.folded
    manager.close()

    again = session.manager(**settings)
    restored = session.agent(again, tools=[odd])
    assert _contents(restored.messages) == _contents(agent.messages)
    assert "nan" in _contents(restored.messages)
    [found] = again.recall.by_words("Always say please 0", max_tokens=300)[:1]
    assert "\ud83d" in found.text
    _say(restored, "Go on.", "Yes.")
    again.close()


@pytest.mark.parametrize(
    "prompt",
    [[PDF], [{"text": ""}, PDF], [{"text": " "}, {"cachePoint": {"type": "default"}}]],
    ids=["document", "blank text and document", "blank text and cache point"],
)
def test_an_attachment_without_words_asks_for_an_answer_in_every_turn(prompt):
    session = Session()
    manager = session.manager()
    agent = session.agent(manager)
    _say(agent, prompt, "I see.")
    _say(agent, [*prompt], "Again.")
    assert prompt[-1] in agent.messages[0]["content"], "the agent's own messages are left alone"
    manager.close()
    restored = session.agent(session.manager())
    _say(restored, "And now?", "Well.")


def test_an_agent_without_tools_is_told_of_those_used_before():
    session = Session()
    agent = session.agent(session.manager(), tools=[odd])
    _say(agent, "Look.", Reply(tool_calls=[ToolCall("odd", id="functions.odd:0")]), "Odd.")
    without = session.manager(compaction=CompactionConfig(recall_tool=False))
    [request] = _say(session.agent(without, tools=[]), "What did you see?", "An odd thing.")
    assert request.messages[1]["content"][0]["text"].startswith("[Called the tool odd")
    assert OPENING not in request.texts()
