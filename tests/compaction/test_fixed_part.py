"""A system prompt over the threshold: one warning with its size, and no compaction that cannot help."""

import logging

import pytest

from agentmem import CompactionConfig
from agentmem.checkpoints.summary import Summary
from agentmem.messages.tokens import count_text
from agentmem.testing import ScriptedModel
from sessions import Session

PROMPT = "Answer in one sentence, and be kind to whoever asks. " * 300


class Counting:
    """Summarizes with nothing, and counts how often it was asked."""

    def __init__(self):
        self.asked = 0

    def summarize(self, previous, folded, *, max_tokens, count):
        del previous, folded, max_tokens, count
        self.asked += 1
        return Summary(narrative="Nothing of note.")


@pytest.fixture
def session():
    return Session()


def test_a_fixed_part_over_the_threshold_is_told_once_and_starts_no_compaction(session, caplog):
    summarizer = Counting()
    manager = session.manager(compaction=CompactionConfig(token_threshold=2_000, summarizer=summarizer))
    model = ScriptedModel(["Yes."] * 12)
    agent = session.agent(manager, model, system_prompt=PROMPT)
    with caplog.at_level(logging.WARNING, logger="agentmem"):
        for number in range(12):
            agent(f"Is {number} a number? " + "Please tell me. " * 10)
    told = [record.getMessage() for record in caplog.records if "alone are over the token_threshold" in record.message]
    assert len(told) == 1
    size = int(told[0].split("tokens=<")[1].split(">")[0])
    assert count_text(PROMPT) <= size <= count_text(PROMPT) * 1.3 + 500
    assert manager.last_compaction is None
    assert summarizer.asked == 0


def test_messages_that_fill_a_threshold_of_their_own_are_compacted_all_the_same(session):
    summarizer = Counting()
    manager = session.manager(compaction=CompactionConfig(token_threshold=2_000, summarizer=summarizer))
    model = ScriptedModel(["Yes."] * 20)
    agent = session.agent(manager, model, system_prompt=PROMPT)
    for number in range(20):
        agent(f"Is {number} a number? " + "Please tell me more of it. " * 60)
    assert summarizer.asked
    fixed = model.requests[0].tokens
    assert max(request.tokens for request in model.requests) <= fixed + 2_200
