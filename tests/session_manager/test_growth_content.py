"""Histories with more in them than text and tools: media, reasoning, other blocks, and what a guardrail redacts."""

from __future__ import annotations

import json

import pytest
from strands import tool

from agentmem.messages.truncation import handle_of
from agentmem.settings.sections import CompactionConfig, WriteConfig
from agentmem.testing import Reply, ToolCall
from growth import THRESHOLD, Growth
from guardrail import REDACTED, SECRET, Guarded
from summaries import without_summary

PNG = b"\x89PNG\r\n" + bytes(range(256)) * 8
PDF = b"%PDF-1.4 " + b"0123456789" * 400


def _image(number):
    return {"image": {"format": "png", "source": {"bytes": PNG + bytes([number])}}}


def _document(number):
    return {"document": {"format": "pdf", "name": f"offer {number}", "source": {"bytes": PDF + bytes([number])}}}


def _kinds(message):
    return [next(iter(block)) for block in message["content"]]


def _stored(growth, tracking_id):
    return next(message for message in growth.logged() if message["tracking_id"] == tracking_id)


def test_prompts_with_images_and_documents():
    growth = Growth(token_threshold=12_000)
    agent = growth.open()
    for number in range(8):
        growth.script("I see.")
        agent([{"text": f"Compare offer {number}. " + "Please. " * 30}, _image(number), _document(number)])
    assert growth.manager.last_compaction is not None
    placeholders = [text for text in agent.model.requests[-1].texts() if "left out" in text]
    assert growth.folded or placeholders
    growth.check()


def test_shortened_media_are_named_and_stored_whole():
    growth = Growth(compaction=CompactionConfig(token_threshold=16_000, target_ratio=0.8))
    agent = growth.open()
    for number in range(5):
        growth.script("I see.")
        agent([{"text": f"Compare offer {number}."}, _image(number), _document(number)])
    shortened = [
        message
        for message in agent.messages
        if message["role"] == "user" and "image" not in _kinds(without_summary(message))
    ]
    assert shortened
    for message in shortened:
        texts = " ".join(block["text"] for block in message["content"])
        assert "[image (png, 2,055 bytes) left out" in texts
        assert f'handle="{handle_of(message["tracking_id"])}.1"' in texts
        assert _stored(growth, message["tracking_id"])["content"][1]["image"]["source"]["bytes"].startswith(PNG)
    growth.check()


def test_tool_results_with_images_documents_and_json():
    @tool
    def scan(page: int) -> dict:
        """Scan a page.

        Args:
            page: Which.
        """
        data = [{"line": line, "text": f"page {page} line {line}"} for line in range(40)]
        content = [{"text": f"Page {page}."}, {"json": {"lines": data}}, _image(page), _document(page)]
        return {"status": "success", "content": content}

    growth = Growth(token_threshold=20_000)
    agent = growth.open(tools=[scan])
    for number in range(8):
        growth.script(Reply(tool_calls=[ToolCall("scan", {"page": number})]), "It says so.")
        agent(f"Scan page {number}.")
    assert growth.manager.last_compaction is not None
    growth.check()


def test_reasoning():
    growth = Growth()
    agent = growth.open()
    for number in range(10):
        thought = f"The user wants item {number}. " * 20
        call = Reply("", [ToolCall("look", {"query": f"item {number}"})], reasoning=thought)
        growth.script(call, Reply("It is blue.", reasoning=thought))
        agent(f"What about item {number}?")
    assert growth.folded
    for request in growth.requests:
        # Providers check that the reasoning before a tool use of the turn in progress is still there.
        last = next(m for m in reversed(request.messages) if m["role"] == "user" and "text" in m["content"][-1])
        current = request.messages[request.messages.index(last) :]
        asked = [m for m in current if m["role"] == "assistant"]
        assert all("reasoningContent" in message["content"][0] for message in asked)
    growth.check()


def test_blocks_that_are_passed_through():
    """Cache points, guard content and citations stay what they are in the log and while they are shown."""
    growth = Growth()
    agent = growth.open()
    for number in range(10):
        growth.script(f"Noted. {'It is so. ' * 60}")
        content = [
            {"text": f"Question {number}. " + "Please. " * 60},
            {"guardContent": {"text": {"text": f"guard this {number}", "qualifiers": ["query"]}}},
            {"cachePoint": {"type": "default"}},
        ]
        agent(content)
        cited = {
            "role": "assistant",
            "content": [
                {
                    "citationsContent": {
                        "content": [{"text": f"cited {number}"}],
                        "citations": [
                            {
                                "title": "Book",
                                "location": {"documentChar": {"documentIndex": 0, "start": 0, "end": 5}},
                                "sourceContent": [{"text": "source"}],
                            }
                        ],
                    }
                }
            ],
        }
        growth.script("Yes.")
        agent([{"role": "user", "content": [{"text": "Cite."}]}, cited, {"role": "user", "content": [{"text": "Ok?"}]}])
    assert growth.folded
    last = [kind for message in agent.messages[-6:] for kind in _kinds(message)]
    assert {"guardContent", "cachePoint", "citationsContent"} <= set(last)
    growth.check()


@pytest.mark.parametrize("flush", ["turn", "message"], ids=["before the flush", "after the flush"])
@pytest.mark.parametrize("protected_turns", [1, 2])
def test_redaction(flush, protected_turns):
    growth = Growth(writes=WriteConfig(flush=flush), protected_turns=protected_turns)
    agent = growth.open(Guarded([]))
    for number in range(12):
        growth.script(f"Noted, {number}. " + "It is so. " * 60)
        secret = f" My password is {SECRET}." if number % 3 == 2 else ""
        agent(f"Question {number}.{secret} " + "Please. " * 200)
        if secret:
            growth.redacted(agent.messages[-2]["tracking_id"], [{"text": REDACTED}])
    assert growth.folded
    assert SECRET not in json.dumps(growth.session.data.list_events(**growth.session.address.parameters()), default=str)
    growth.check()


def test_a_redaction_leaves_the_summary_where_it_is():
    """The message that is redacted carries the summary when it is the only one kept."""
    growth = Growth(protected_turns=1)
    agent = growth.open(Guarded([]))
    for number in range(3):
        growth.script(f"Noted, {number}. " + "It is so. " * 100)
        agent(f"The limit of account A-{number} is {number + 1},000 EUR. " + "Please. " * 300)
    growth.script("I cannot help with that.", "Yes.")
    agent(f"My password is {SECRET}. " + "Please. " * 2_500)
    assert len(agent.messages) == 2
    growth.redacted(agent.messages[0]["tracking_id"], [{"text": REDACTED}])
    assert [block["text"] == REDACTED for block in agent.messages[0]["content"]] == [False, True]
    agent("And now?")
    assert "limit of account A-1 is 2,000 EUR" in agent.model.requests[-1].texts()[0]
    assert SECRET not in str(agent.model.requests[-1].messages)
    growth.check_log()
    growth.check_recall()
    growth.check_restart()
    assert agent.model.requests[-1].tokens < THRESHOLD


def test_a_redacted_tool_result():
    @tool
    def leak(number: int) -> str:
        """Leak.

        Args:
            number: Which.
        """
        return f"the password {number} is {SECRET}. " * 60

    growth = Growth()
    agent = growth.open(Guarded([]), tools=[leak])
    for number in range(8):
        growth.script(Reply(tool_calls=[ToolCall("leak", {"number": number})]), "No. " * 200)
        agent(f"Go, {number}. " + "Please. " * 50)
        for message in agent.messages[-2:-1]:
            result = {**message["content"][0]["toolResult"], "content": [{"text": REDACTED}]}
            growth.redacted(message["tracking_id"], [{"toolResult": result}])
    assert growth.folded
    growth.check()
