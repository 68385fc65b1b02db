"""Large tool results are whole in the call that answers them, short from then on, and the same after a restart."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strands import tool

from agentmem import CompactionConfig
from agentmem.messages.truncation import TruncationSettings, shorten, shorten_large_results
from agentmem.testing import Reply, ScriptedModel, ToolCall
from converse import validate_request
from sessions import Session

HANDLE = "0123456789ab"
ITEMS = st.one_of(
    st.tuples(st.text(min_size=1, max_size=40), st.integers(20, 200)).map(
        lambda made: {"text": f"{made[0]} " * made[1]}
    ),
    st.lists(st.text(max_size=40), max_size=60).map(lambda value: {"json": {"values": value}}),
    st.just({"image": {"format": "png", "source": {"bytes": b"x" * 50}}}),
)


@given(st.lists(ITEMS, min_size=1, max_size=4), st.integers(0, 800), st.integers(0, 700))
def test_a_later_compaction_gives_a_preview_the_bytes_it_gives_the_original(items, length, above):
    settings = TruncationSettings(max_tool_content_length=length, preview_above=above)
    message = {"role": "user", "content": [{"toolResult": {"toolUseId": "t", "status": "success", "content": items}}]}
    known = {"handle": HANDLE, "tool_names": {"t": "read"}}
    preview = shorten_large_results(message, settings, **known)
    assert shorten_large_results(preview, settings, **known) == preview
    assert shorten(preview, settings, **known) == shorten(message, settings, **known)


@pytest.fixture
def session():
    return Session()


@tool
def read(page: int) -> str:
    """Read a page."""
    return f"Page {page}. " + " ".join(str(page * number) for number in range(2_000)) + f" END-{page}"


@tool
def verbatim(page: int) -> str:
    """Read a page that is not to be shortened."""
    return read(page)


def _manager(session, **settings):
    return session.manager(compaction=CompactionConfig(token_threshold=100_000, preview_above=1_500, **settings))


def _results(request):
    return [
        block["toolResult"]["content"][0]["text"]
        for message in request.messages
        for block in message["content"]
        if "toolResult" in block
    ]


def _hold(session, pages, *, restarted, tools=(read,), **settings):
    """Hold one turn a page; return the requests."""
    requests, manager = [], _manager(session, **settings)
    agent = session.agent(manager, tools=list(tools))
    for page in pages:
        if restarted and page:
            manager.close()
            manager = _manager(session, **settings)
            agent = session.agent(manager, tools=list(tools))
        agent.model = ScriptedModel([Reply(tool_calls=[ToolCall(tools[0].tool_name, {"page": page})]), "Read."])
        agent(f"Read page {page}.")
        requests += agent.model.requests
    return manager, requests


def test_a_large_result_is_whole_once_and_recall_gives_it_back(session):
    manager, requests = _hold(session, range(4), restarted=False)
    for page, request in enumerate(requests[1::2]):
        validate_request(request.messages)
        *before, newest = _results(request)
        assert newest.endswith(f"END-{page}")
        assert all("left out" in text and len(text) < 700 for text in before)
    handle = _results(requests[-1])[0].split('handle="')[1].split('"')[0]
    assert manager.recall.by_handle(handle).text.endswith("END-0")


def test_the_bytes_of_every_request_are_the_same_after_a_restart(session):
    _, kept = _hold(session, range(4), restarted=False)
    _, restarted = _hold(Session(), range(4), restarted=True)

    def words(request):
        # Handles and ids are drawn anew in every session, and have one length.
        text = json.dumps(request.messages)
        for part in text.split('handle=\\"')[1:]:
            text = text.replace(part.split('\\"')[0], "HANDLE")
        return text

    assert len(kept) == len(restarted) == 8
    for one, other in zip(kept, restarted, strict=True):
        assert [len(text) for text in _results(one)] == [len(text) for text in _results(other)]
        assert _without_ids(words(one)) == _without_ids(words(other))


def _without_ids(text):
    messages = json.loads(text)
    for message in messages:
        message.pop("tracking_id", None)
        message.pop("metadata", None)
        for block in message["content"]:
            for kind in ("toolUse", "toolResult"):
                block.get(kind, {}).pop("toolUseId", None)
    return messages


def test_excluded_tools_and_recalled_results_and_agents_without_recall_are_left_alone(session):
    _, requests = _hold(session, range(2), restarted=False, tools=(verbatim,), exclude_tools=("verbatim",))
    assert not any("left out" in text for request in requests for text in _results(request))
    _, requests = _hold(Session(), range(2), restarted=False, recall_tool=False)
    assert not any("left out" in text for request in requests for text in _results(request))

    manager, requests = _hold(session, range(2, 3), restarted=False)
    handle = manager.recall.by_words("Page 2")[0].handle
    agent = session.agent(_manager(session), tools=[read])
    agent.model = ScriptedModel([Reply(tool_calls=[ToolCall("recall_session", {"handle": handle})]), "There.", "Yes."])
    agent("Look again at page 2.")
    agent("And?")
    recalled = _results(agent.model.requests[-1])[-1]
    assert "END-2" in recalled or len(recalled) > 2_000


def test_a_preview_that_a_checkpoint_passed_over_can_be_recalled_after_it_was_folded(session):
    def manager():
        return session.manager(
            compaction=CompactionConfig(token_threshold=12_000, preview_above=1_500, protected_turns=1)
        )

    opened = manager()
    agent = session.agent(opened, tools=[read])
    handles = []
    for page in range(14):
        agent.model = ScriptedModel([Reply(tool_calls=[ToolCall("read", {"page": page})]), "Read. " + "So. " * 900])
        agent(f"Read page {page}.")
        results = [m for m in agent.messages if "toolResult" in m["content"][0]]
        handles.append(results[-1]["tracking_id"].replace("-", "")[:12])
        if page % 3 == 2:
            opened.close()
            opened = manager()
            agent = session.agent(opened, tools=[read])
    assert opened.checkpoint is not None
    assert opened.checkpoint.folded_messages > 20
    for page, handle in enumerate(handles):
        assert opened.recall.by_handle(handle).text.rstrip().endswith(f"END-{page}")
    for page in (0, 5):
        found = opened.recall.by_words(f"END-{page}", max_tokens=1_000)
        assert any(f"END-{page}" in one.text for one in found)
