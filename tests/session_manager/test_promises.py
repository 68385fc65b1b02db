"""What compaction promises in figures, each through a real agent on the embedded memory."""

from __future__ import annotations

import asyncio
import copy
import statistics
import time

import pytest
from strands import tool
from strands.hooks import BeforeModelCallEvent

from agentmem.messages.converse import for_model
from agentmem.messages.tokens import count_text
from agentmem.testing import Reply, ScriptedModel, ToolCall
from converse import validate_request
from sessions import Session


@pytest.fixture
def session():
    return Session()


def test_one_turn_of_sixty_tool_calls_stays_within_its_budget(session):
    @tool
    def read(page: int) -> str:
        """Read a page."""
        return f"Page {page}. " + "Nothing on it matters much. " * 160

    assert count_text("Nothing on it matters much. " * 160) > 950
    calls = [Reply(tool_calls=[ToolCall("read", {"page": page})]) for page in range(60)]
    model = ScriptedModel([*calls, "done"])
    agent = session.agent(session.manager(token_threshold=30_000), model, tools=[read])
    question = "Read all sixty pages and tell me what they have in common."
    agent(question)
    assert len(model.requests) == 61
    for number, request in enumerate(model.requests):
        validate_request(request.messages)
        assert request.tokens <= 33_000
        assert request.messages[0]["content"][-1]["text"] == question
        if number:
            result = request.messages[-1]["content"][0]["toolResult"]["content"][0]["text"]
            assert result.startswith(f"Page {number - 1}. ")
            assert "left out" not in result


ADJECTIVES = "amber brisk coral dusty eager faded green humid ivory jolly".split()  # noqa: SIM905 - a list to read


def _code(number):
    return f"{ADJECTIVES[number % 10].upper()}-{7919 * (number + 3) % 10_000:04d}"


def test_forty_codes_are_in_the_context_or_one_recall_away(session):
    @tool
    def look(query: str) -> str:
        """Look something up."""
        return f"Report on {query}: " + "the shelf holds paper, ink and other supplies. " * 60

    manager = session.manager(token_threshold=8_000)
    agent = session.agent(manager, tools=[look])
    for number in range(1, 41):
        agent.model = ScriptedModel([Reply(tool_calls=[ToolCall("look", {"query": f"shelf {number}"})]), "Checked."])
        agent(f"Please check shelf {number}. The approval code of turn {number} is {_code(number)}.")
    in_view = str(agent.messages)
    missing = []
    for number in range(1, 41):
        if _code(number) in in_view:
            continue
        found = manager.recall.by_words(f"what was the approval code of turn {number}?", max_tokens=1_000)
        if not any(_code(number) in one.text for one in found):
            missing.append(number)
    assert manager.checkpoint.version > 1
    assert missing == []


def test_a_turn_without_compaction_costs_a_fraction_of_copying_the_history(session):
    """Compared with what the machine needs for one copy, so that its speed does not matter."""
    agent = session.agent(session.manager(token_threshold=1_000_000))
    for number in range(600):
        use = {"toolUse": {"toolUseId": f"t{number}", "name": "look", "input": {"query": str(number)}}}
        result = {
            "toolUseId": f"t{number}",
            "status": "success",
            "content": [{"text": f"Shelf {number} is blue. " * 15}],
        }
        agent.messages += [
            {"role": "user", "content": [{"text": f"And shelf {number}?"}], "tracking_id": f"u{number}"},
            {"role": "assistant", "content": [use], "tracking_id": f"a{number}"},
            {"role": "user", "content": [{"toolResult": result}], "tracking_id": f"r{number}"},
            {"role": "assistant", "content": [{"text": "Blue."}], "tracking_id": f"e{number}"},
        ]
    shown = list(agent.messages)

    def seconds(work):
        times = []
        for _ in range(9):
            began = time.process_time()
            work()
            times.append(time.process_time() - began)
        return statistics.median(times)

    with asyncio.Runner() as runner:
        event = BeforeModelCallEvent(agent=agent)
        deciding = seconds(lambda: runner.run(agent.hooks.invoke_callbacks_async(event)))
    mending = seconds(lambda: for_model(agent.messages))
    assert deciding + mending < seconds(lambda: copy.deepcopy(agent.messages)) / 2
    assert all(one is other for one, other in zip(agent.messages, shown, strict=True))
    assert all(one is other for one, other in zip(for_model(agent.messages), shown, strict=True))
