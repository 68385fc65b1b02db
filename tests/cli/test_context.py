"""`agentmem context` and `agentmem compact`: they say what an agent will really see."""

from __future__ import annotations

import pytest
from filled import SAID
from filled import look as look_tool
from strands import Agent

from agentmem import CompactionConfig, MemoryConfig
from agentmem.messages.converse import for_model
from agentmem.testing import ScriptedModel

ANN = ("--actor", "ann", "--session", "ann-1")


@pytest.fixture
def small(monkeypatch):
    settings = {"token_threshold": 1_000, "target_ratio": 0.3, "protected_turns": 1}
    for name, value in settings.items():
        monkeypatch.setenv(f"AGENTMEM_COMPACTION__{name.upper()}", str(value))
    return CompactionConfig(**settings)


def restored(folder, compaction):
    """What an agent that opens the session now is shown."""
    manager = MemoryConfig.local(folder, compaction=compaction).bind("ann", "ann-1").session_manager()
    agent = Agent(
        model=ScriptedModel([]), tools=[look_tool], session_manager=manager, callback_handler=None, agent_id="default"
    )
    return agent.messages


def test_the_parts_add_up_and_the_last_turns_are_protected(look):
    found = look.json("context", *ANN, "--fixed-tokens", 250)
    assert sum(found["parts"].values()) == found["tokens"]
    assert found["parts"]["fixed"] == 250
    assert [one["part"] for one in found["messages"]] == ["whole"] * 4 + ["protected"] * 6
    assert found["messages"][0]["content"] == [{"text": SAID[0]}]
    assert (found["checkpoint_version"], found["unread"], found["token_threshold"]) == (None, False, 100_000)


def test_looking_writes_nothing(change, small):
    before = change.json("events", "list", *ANN), change.json("checkpoints", "list", *ANN)
    for command in (("context",), ("context", "--full"), ("compact", "--dry-run")):
        assert change(*command, *ANN).exit_code == 0
    assert (change.json("events", "list", *ANN), change.json("checkpoints", "list", *ANN)) == before


def test_a_dry_run_says_what_the_compaction_then_does(change, small):
    planned = change.json("compact", "--dry-run", *ANN)
    done = change.json("compact", *ANN)
    assert (planned["done"], done["done"], done["checkpoint_version"]) == (False, True, 1)
    for name in ("tokens_before", "folded", "shortened"):
        assert planned[name] == done[name]
    assert done["tokens_after"] <= planned["tokens_after"] < planned["tokens_before"]
    assert [one["trigger"] for one in change.json("checkpoints", "list", *ANN)] == ["manual"]


def test_after_a_compaction_the_context_is_what_an_agent_is_shown(change, small):
    assert change("compact", *ANN).exit_code == 0
    found = change.json("context", *ANN)
    assert found["checkpoint_version"] == 1
    assert found["folded_messages"] > 0
    assert found["parts"]["summary"] > 0
    folder = change.where[1]
    shown = restored(folder, small)
    assert len(shown) == len(found["messages"])
    told = for_model(shown)[0]["content"][0]["text"]
    assert found["summary"] in told
    said = [block for message in shown for block in message["content"] if block.get("text") != told]
    assert said == [block for message in found["messages"] for block in message["content"]]


def test_shortened_tool_content_is_marked(change, small, monkeypatch):
    monkeypatch.setenv("AGENTMEM_COMPACTION__TARGET_RATIO", "0.99")
    assert change.json("compact", *ANN)["shortened"] >= 1
    messages = change.json("context", *ANN)["messages"]
    assert "shortened" in {one["part"] for one in messages}


def test_nothing_to_do_is_said(change):
    assert (
        change("compact", *ANN).stdout == "There is nothing to shorten or to fold.\n"
        or change.json("compact", *ANN)["done"] is False
    )


def test_a_table_and_the_full_text_are_shown(look):
    table = look("context", *ANN)
    assert "My name is Ann and I live in Porto." in table.stdout
    assert "--fixed-tokens" in table.stderr
    assert look("context", *ANN, "--full").stdout.count("A [blue] boat is a boat") == 100


def test_a_long_session_that_nobody_compacted_is_only_read_as_far_as_it_can_be_shown(change, small):
    """The rest is folded by `compact`, as the next agent would."""
    config = MemoryConfig.local(change.where[1])
    from datetime import UTC, datetime, timedelta

    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(120):
        config.data_plane().create_event(
            memoryId=config.memory_id,
            actorId="ann",
            sessionId="long",
            eventTimestamp=start + timedelta(minutes=number),
            payload=[
                {"conversational": {"role": "USER", "content": {"text": f"Question {number}. " + "word " * 20}}},
                {"conversational": {"role": "ASSISTANT", "content": {"text": "Answer."}}},
            ],
        )
    long = ("--actor", "ann", "--session", "long")
    assert change.json("context", *long)["unread"] is True
    assert change("compact", "--dry-run", *long).stderr.startswith("Older events")
    assert change.json("compact", *long)["done"] is True
    found = change.json("context", *long)
    assert (found["unread"], found["messages"][-2]["content"][0]["text"][:13]) == (False, "Question 119.")


def test_a_session_without_events_is_named(look):
    done = look("context", "--actor", "ann", "--session", "absent")
    assert done.exit_code == 2
    assert "absent" in done.output
