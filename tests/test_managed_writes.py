"""How the session manager writes: formats, redaction by the user, metadata, outages, and what it costs."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter

import pytest
from bedrock_agentcore.memory.integrations.strands.bedrock_converter import AgentCoreMemoryConverter
from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig
from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager
from strands import Agent, tool

from agentmem import HookConfig, MemoryConfig, Namespace
from agentmem.errors import ConfigurationError
from agentmem.events.turn_buffer import PATIENCE
from agentmem.local import LocalMemory
from agentmem.settings.sections import InMemoryCheckpoints, WriteConfig
from agentmem.testing import Reply, ScriptedModel, ToolCall
from loop_lag import loop_lags
from sessions import Session, events, texts

OUTAGES = [
    "throttle", "server_error", "access_denied", "conflict", "timeout", "reset", "malformed", "lost_response"
]  # fmt: skip


@pytest.fixture
def session():
    return Session()


# ---- how much is written


def test_a_turn_with_five_tool_calls_is_one_event_for_the_manager_and_one_for_the_hook():
    """Beside them the SDK's session manager: 12 messages and the state after most of them, or a buffer of 100."""
    config = MemoryConfig.local(LocalMemory(), namespaces=()).replace(hook=HookConfig(retrieve=False))
    boto = config.boto_session()
    made = []
    boto.events.register("before-call.bedrock-agentcore.*", lambda model, **_: made.append(model.name))

    @tool
    def look(n: int) -> str:
        """Look."""
        return f"{n} is blue"

    def sdk(session, **options):
        ids = {"memory_id": session.memory_id, "actor_id": "ann", "session_id": session.session_id}
        return AgentCoreMemorySessionManager(AgentCoreMemoryConfig(**ids, **options), boto_session=boto)

    writers = {
        "hook": lambda session: {"hooks": [session.hook()]},
        "manager": lambda session: {"session_manager": session.session_manager()},
        "sdk": lambda session: {"session_manager": sdk(session)},
        "sdk-batched": lambda session: {"session_manager": sdk(session, batch_size=100)},
    }
    counted = {}
    for name, make in writers.items():
        script = [*(ToolCall("look", {"n": number}) for number in range(5)), "Done."] * 2
        options = {"tools": [look], "callback_handler": None, "state": {"mood": "good"}}
        agent = Agent(model=ScriptedModel(script), **options, **make(config.bind("ann", name)))
        agent("First.")
        made.clear()
        agent("Second.")
        counted[name] = Counter(made)
    assert counted["hook"] == counted["manager"] == {"CreateEvent": 1}
    assert (counted["sdk"]["CreateEvent"], counted["sdk-batched"]["CreateEvent"]) == (17, 2)
    managed = config.bind("ann", "manager").session_manager()
    again = Agent(model=ScriptedModel(), session_manager=managed, callback_handler=None)
    assert again.state.get("mood") == "good"
    assert len(again.messages) == 24


@pytest.mark.parametrize("kind", ["hook", "manager"])
def test_in_the_background_no_call_is_made_on_the_user_s_time(kind):
    service = LocalMemory()
    config = MemoryConfig.local(service, namespaces=()).replace(
        hook=HookConfig(restore="off", retrieve=False), writes=WriteConfig(flush="background")
    )
    session = config.bind("ann", "s1")
    session.client  # noqa: B018 - made now, not in the turn that is measured
    if kind == "hook":
        holder = session.hook()
        agent = Agent(model=ScriptedModel(["One.", "Two."]), hooks=[holder], callback_handler=None)
    else:
        holder = session.session_manager()
        agent = Agent(model=ScriptedModel(["One.", "Two."]), session_manager=holder, callback_handler=None)
    with service.faults.inject("latency", "CreateEvent", seconds=1.0):
        began = time.perf_counter()
        agent("First.")
        agent("Second.")
        took = time.perf_counter() - began
        assert holder.status.saved == 0
        holder.close()
    assert took < 1.0
    assert holder.status.saved == 4


@pytest.mark.parametrize("kind", ["hook", "manager"])
def test_writing_in_the_background_holds_no_thread_when_there_is_nothing_to_write(kind):
    config = MemoryConfig.local(LocalMemory(), namespaces=()).replace(
        hook=HookConfig(retrieve=False), writes=WriteConfig(flush="background")
    )
    before = set(threading.enumerate())
    agents, holders = [], []
    for number in range(20):
        session = config.bind("ann", f"s{number}")
        holder = session.hook() if kind == "hook" else session.session_manager()
        options = {"hooks": [holder]} if kind == "hook" else {"session_manager": holder}
        agents.append(Agent(model=ScriptedModel(["One."]), callback_handler=None, **options))
        holders.append(holder)
        agents[-1]("Hi")
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and (
        any(holder.status.pending for holder in holders) or _writing(set(threading.enumerate()) - before)
    ):
        time.sleep(0.01)
    assert _writing(set(threading.enumerate()) - before) == []  # none of them was closed
    assert [holder.status.saved for holder in holders] == [2] * 20


def _writing(threads):
    return [thread.name for thread in threads if thread.name.startswith("agentmem-")]


@pytest.mark.parametrize("make", [lambda session: session.hook(), lambda session: session.session_manager()])
def test_writing_in_the_background_is_refused_on_lambda(make, monkeypatch):
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "bot")
    config = MemoryConfig.local(":memory:", namespaces=()).replace(writes=WriteConfig(flush="background"))
    with pytest.raises(ConfigurationError, match="Lambda freezes"):
        make(config.bind("ann", "s1"))


def test_events_carry_the_configured_metadata_and_own_variables():
    namespace = Namespace.semantic("notes", "/tenants/{tenant}/{actorId}/", variables=("tenant",))
    config = MemoryConfig.local(":memory:", namespaces=(namespace,), writes=WriteConfig(metadata={"app": "desk"}))
    session = config.bind("ann", "s1", {"tenant": "acme"})
    agent = Agent(model=ScriptedModel(["Noted."]), session_manager=session.session_manager(), callback_handler=None)
    agent("I have a dog named Rex.")
    listed = session.client.list_events(memoryId=session.memory_id, actorId="ann", sessionId="s1")["events"]
    assert [event["metadata"]["app"] for event in listed] == [{"stringValue": "desk"}] * 2
    found = session.wait_for_memories("notes", since=listed[0], max_wait=0)
    assert [record["namespaces"] for record in found] == [["/tenants/acme/ann/"]]


# ---- the user's own redaction


def test_every_text_passes_redaction_before_it_leaves(session):
    # A word: figures could turn up in an id or a hash.
    bodies = []
    session.boto.events.register("before-send.*", lambda request, **_: bodies.append(request.body or b""))

    @tool
    def pay(card: str, note: dict) -> dict:
        """Pay."""
        return {"status": "success", "content": [{"text": f"paid with {card}"}, {"json": {"card": [card]}}]}

    manager = session.manager(
        token_threshold=4_000,
        writes=WriteConfig(redact=lambda text: text.replace("tigerlily", "****")),
        checkpoints=None,
    )
    script = [
        Reply(
            "Paying with tigerlily.",
            [ToolCall("pay", {"card": "tigerlily", "note": {"deep": ["tigerlily"]}})],
            reasoning="tigerlily!",
        ),
        "Paid.",
    ]
    agent = session.agent(manager, script, tools=[pay])
    agent.state.set("card", {"number": "tigerlily"})
    agent("My card is tigerlily")
    for number in range(12):
        agent.model = ScriptedModel(["Noted, tigerlily."])
        agent(f"Always use card tigerlily for order {number}. " + "word " * 300)
    assert manager.checkpoint.folded_messages > 0
    assert any(b"****" in body for body in bodies)
    assert not any(b"tigerlily" in body for body in bodies)
    assert any("card ****" in one.text for one in manager.recall.by_words("card for order 1"))
    again = session.agent(session.manager(token_threshold=4_000), tools=[pay])
    assert again.state.get("card") == {"number": "****"}
    assert "tigerlily" not in json.dumps(again.messages)


def test_a_text_that_cannot_be_redacted_leaves_its_place_and_not_the_process(session):
    def redact(text):
        raise ValueError("no")

    agent = session.agent(
        session.manager(writes=WriteConfig(redact=redact)), [ToolCall("look", {"query": "4711"}), "k"]
    )
    agent("4711")
    again = session.agent()
    assert "4711" not in json.dumps(events(session), default=str)
    assert [message["role"] for message in again.messages] == ["user", "assistant", "user", "assistant"]
    assert texts(again.messages) == ["[left out: it could not be redacted]"] * 2


# ---- the clean format


def test_the_clean_format_shows_extraction_what_was_said_and_restores_what_was(session):
    manager = session.manager(writes=WriteConfig(event_format="clean"))
    script = [
        Reply("<thinking>a plan</thinking>Let me look.", [ToolCall("look", {"query": "sky"})], reasoning="hm"),
        "It is blue.",
    ]
    agent = session.agent(manager, script)
    agent("What colour is the sky?")
    [_, turn] = events(session)
    said = [
        (item["conversational"]["role"], item["conversational"]["content"]["text"])
        for item in turn["payload"]
        if "conversational" in item
    ]
    assert said == [
        ("USER", "What colour is the sky?"),
        ("ASSISTANT", "Let me look."),
        ("ASSISTANT", "It is blue."),
    ]
    again = session.agent(session.manager(writes=WriteConfig(event_format="clean")))
    assert [message["content"] for message in again.messages] == [message["content"] for message in agent.messages]
    # Said in docs/explanation/events.md: the SDK's own session manager cannot read this.
    with pytest.raises(json.JSONDecodeError):
        AgentCoreMemoryConverter.events_to_messages([turn])


def test_compaction_and_recall_work_on_clean_sessions(session):
    for number in range(12):
        manager = session.manager(token_threshold=4_000, writes=WriteConfig(event_format="clean"))
        agent = session.agent(manager, [ToolCall("look", {"query": f"item {number}"}), "It is blue."])
        agent(f"What about item {number}? My code is K-{number:03d}.")
    assert manager.checkpoint.folded_messages > 0
    for number in range(12):
        wanted = f"What about item {number}? My code is K-{number:03d}."
        assert wanted in [one.text for one in manager.recall.by_words(wanted)]


def test_a_session_may_change_its_format(session):
    for number, form in enumerate(["sdk", "clean", "sdk", "clean"]):
        agent = session.agent(session.manager(writes=WriteConfig(event_format=form)), [f"Reply {number}."])
        agent(f"Message {number}.")
    expected = [text for number in range(4) for text in (f"Message {number}.", f"Reply {number}.")]
    assert texts(session.agent().messages) == expected


# ---- outages


@pytest.mark.parametrize("outbox", [False, True], ids=["memory", "outbox"])
@pytest.mark.parametrize("kind", OUTAGES)
def test_after_an_outage_of_three_turns_the_log_holds_everything_once_and_in_order(session, kind, outbox, tmp_path):
    writes = WriteConfig(outbox=tmp_path / "box.db" if outbox else None)
    manager = session.manager(writes=writes, checkpoints=InMemoryCheckpoints())
    agent = session.agent(manager, [f"Reply {number}." for number in range(5)])
    agent("Turn 0.")
    with session.memory.faults.inject(kind, "*"):
        for number in range(1, 4):
            assert str(agent(f"Turn {number}.")) == f"Reply {number}.\n"
        assert (manager.status.pending, manager.status.dropped) == (6, 0)
    agent("Turn 4.")
    assert (manager.status.pending, manager.status.saved) == (0, 10)
    expected = [text for number in range(5) for text in (f"Turn {number}.", f"Reply {number}.")]
    assert texts(session.agent().messages) == expected


def test_random_failures_of_every_kind_lose_and_double_nothing(session):
    session.memory.faults.seed(7)
    manager = session.manager(writes=WriteConfig(breaker_failures=1_000))
    agent = session.agent(manager, [f"Reply {number}." for number in range(40)])
    faults = [session.memory.faults.inject(kind, "CreateEvent", probability=0.15) for kind in OUTAGES]
    for number in range(40):
        agent(f"Turn {number}.")
    assert sum(fault.fired > 0 for fault in faults) == len(OUTAGES)
    session.memory.faults.clear()
    manager.close()
    expected = [text for number in range(40) for text in (f"Turn {number}.", f"Reply {number}.")]
    assert texts(session.agent().messages) == expected


def test_one_breaker_serves_all_sessions_of_a_client(session):
    """An outage must not cost each of them its own first five turns."""
    sessions = [
        Session(session=f"s-{number}", memory=session.memory, memory_id=session.memory_id) for number in range(8)
    ]
    for one in sessions:
        one.boto = session.boto
    agents = [one.agent(one.manager(writes=WriteConfig(breaker_failures=3)), ["Yes."]) for one in sessions]
    with session.memory.faults.inject("server_error", "CreateEvent") as fault:
        for agent in agents:
            agent("Hi")
    assert fault.fired == 3
    assert {agent._session_manager.status.breaker for agent in agents} == {"open"}
    agents[0]._session_manager.close()  # tries all the same, and finds the service back
    assert {agent._session_manager.status.breaker for agent in agents} == {"closed"}


def test_a_backlog_is_not_sent_on_the_user_s_time(session):
    manager = session.manager(writes=WriteConfig(breaker_failures=1_000))
    agent = session.agent(manager, [f"Reply {number}." for number in range(40)])
    with session.memory.faults.inject("server_error", "CreateEvent"):
        for number in range(30):
            agent(f"Turn {number}.")
    began = time.perf_counter()
    with session.memory.faults.inject("latency", "CreateEvent", seconds=0.2):  # 31 turns: 6 seconds
        agent("Turn 30.")
        took = time.perf_counter() - began
    manager.close()
    assert took < PATIENCE + 0.2 + 1.0
    assert len(texts(session.agent().messages)) == 62


WAYS = [{}, {"flush": "message"}, {"flush": "background"}, {"flush_interval_seconds": 0.001}]


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_the_event_loop_never_waits_for_the_service(session, tmp_path, way):
    manager = session.manager(writes=WriteConfig(outbox=tmp_path / "box.db", **way))
    script = ["Yes.", ToolCall("look", {"query": "x"}), "Yes."]
    agent = session.agent(manager, script)
    await agent.invoke_async("Warm.")
    with session.memory.faults.inject("latency", "*", seconds=0.2) as fault:
        async with loop_lags() as lags:
            await agent.invoke_async("Hi")
            if way.get("flush") == "background":
                await asyncio.to_thread(manager.close)
    assert fault.fired >= 1
    assert len(lags) >= 10
    assert max(lags) < 0.15


# ---- what is awkward


AWKWARD = {
    "an image": [{"image": {"format": "png", "source": {"bytes": b"\x00\xff"}}}],
    "emoji": [{"text": "👩‍👩‍👧‍👦 and 🇺🇳"}],
    "a lone surrogate": [{"text": "half \ud83d of one"}],
    "blank among others": [{"text": " "}, {"text": "kept"}],
    "a long text": [{"text": "long " * 50_000}],
}


@pytest.mark.parametrize("form", ["sdk", "clean"])
@pytest.mark.parametrize("content", AWKWARD.values(), ids=AWKWARD)
def test_awkward_messages_are_restored_as_they_were(session, form, content):
    manager = session.manager(token_threshold=400_000, writes=WriteConfig(event_format=form))
    agent = session.agent(manager, ["I see."])
    agent(content)
    wanted = [block for block in content if "text" not in block or block["text"].strip()]
    restored = session.agent(session.manager(token_threshold=400_000)).messages
    assert [message["role"] for message in restored] == ["user", "assistant"]
    assert restored[0]["content"] == wanted


@pytest.mark.parametrize("form", ["sdk", "clean"])
def test_a_message_of_nothing_but_reasoning_is_kept_and_one_of_blanks_is_skipped(session, form):
    manager = session.manager(writes=WriteConfig(event_format=form))
    agent = session.agent(manager, [Reply("", reasoning="only thoughts"), "Hello."])
    agent("Think.")
    agent("  \n ")
    restored = session.agent().messages
    assert [message["role"] for message in restored] == ["user", "assistant", "assistant"]
    assert "only thoughts" in str(restored[1]["content"])


@pytest.mark.parametrize("form", ["sdk", "clean"])
@pytest.mark.parametrize("kind", ["text", "bytes"])
@pytest.mark.slow
def test_a_tool_result_of_sixteen_megabytes_does_not_destroy_the_turn(session, form, kind):
    content = [{"text": 'x"' * 8_000_000}]
    if kind == "bytes":
        content = [{"image": {"format": "png", "source": {"bytes": b"x" * 16_000_000}}}, {"text": "a picture"}]

    @tool
    def big() -> dict:
        """Return much."""
        return {"status": "success", "content": content}

    manager = session.manager(writes=WriteConfig(event_format=form))
    agent = session.agent(manager, [ToolCall("big"), "That is big."], tools=[big])
    agent("How big?")
    assert (manager.status.saved, manager.status.dropped) == (4, 0)
    restored = session.agent().messages
    assert texts(restored)[0] == "How big?"
    assert texts(restored)[-1] == "That is big."
    assert "too large for the event log" in json.dumps(restored)
    assert b"" not in [item for block in restored[2]["content"] for item in _bytes(block)]


def _bytes(value):
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _bytes(item)


@pytest.mark.parametrize("form", ["sdk", "clean"])
def test_a_turn_of_a_thousand_messages_is_restored(session, form):
    manager = session.manager(writes=WriteConfig(event_format=form))
    agent = session.agent(manager, ["Done."])
    for number in range(499):
        agent.messages.append({"role": "user", "content": [{"text": f"question {number}"}]})
        agent.messages.append({"role": "assistant", "content": [{"text": f"answer {number}"}]})
    agent("last")
    restored = session.agent().messages
    assert len(restored) == 1_000
    assert texts(restored)[:2] == ["question 0", "answer 0"]
    assert texts(restored)[-2:] == ["last", "Done."]
    assert max(len(event["payload"]) for event in events(session)) <= 100
