"""MemoryHook while the service fails, and with many agents and threads at once."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from strands import Agent

from agentmem import HookConfig, MemoryConfig, Namespace, WriteConfig
from agentmem.errors import UnsentMessagesError
from agentmem.events.batch import OutgoingItem
from agentmem.events.outbox import Outbox
from agentmem.events.serializer import encode_text
from agentmem.events.writer import EventWriter
from agentmem.events.writer_registry import registry
from agentmem.hook import MemoryHook
from agentmem.local import LocalMemory
from agentmem.scope.address import SessionAddress
from agentmem.testing import Reply, ScriptedModel, ToolCall
from loop_lag import loop_lags
from memories import ONE_ATTEMPT

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config

FACTS = Namespace.semantic("facts", "/users/{actorId}/facts/")
OUTAGES = [
    "throttle", "server_error", "access_denied", "conflict", "timeout", "reset", "malformed", "lost_response"
]  # fmt: skip


class Impatient:
    """A boto3 session whose clients do not retry, because botocore sleeps in between."""

    def __init__(self, session: boto3.Session) -> None:
        self.region_name = session.region_name
        self._session = session

    def client(self, *args, config: Config, **options):
        return self._session.client(*args, config=config.merge(ONE_ATTEMPT), **options)


class Setup:
    def __init__(self, **fields):
        self.service = LocalMemory()
        local = MemoryConfig.local(self.service, namespaces=(FACTS,))
        values = {"hook": HookConfig(retrieve=False), **fields}
        self.config = MemoryConfig(
            memory_id=local.memory_id,
            region=local.region,
            namespaces=(FACTS,),
            boto_session=Impatient(local.boto_session()),
            **values,
        )

    def agent(self, hook, *, user="ann", session="s1", default="Yes.") -> Agent:
        return Agent(
            model=ScriptedModel(default=default),
            hooks=[hook],
            state={"user_id": user, "session_id": session},
            callback_handler=None,
        )

    def texts(self, user="ann", session="s1"):
        """Every text in the log, in order."""
        events, token = [], {}
        while True:
            answer = self.config.data_plane().list_events(
                memoryId=self.config.memory_id, actorId=user, sessionId=session, maxResults=100, **token
            )
            events += answer["events"]
            if "nextToken" not in answer:
                break
            token = {"nextToken": answer["nextToken"]}
        return [item["conversational"]["content"]["text"] for event in events[::-1] for item in event["payload"]]


@pytest.mark.parametrize("kind", OUTAGES)
def test_after_an_outage_of_three_turns_the_log_holds_everything_once_and_in_order(kind):
    setup = Setup()
    hook = MemoryHook(setup.config)
    agent = setup.agent(hook)
    agent("Turn 0.")
    with setup.service.faults.inject(kind, "*"):
        for number in range(1, 4):
            assert str(agent(f"Turn {number}.")) == "Yes.\n"
        status = hook.status
        assert (status.saved, status.pending, status.dropped) == (2, 6, 0)
        assert status.last_error
    agent("Turn 4.")
    assert setup.texts() == [text for number in range(5) for text in (f"Turn {number}.", "Yes.")]
    assert (hook.status.saved, hook.status.pending, hook.status.last_error) == (10, 0, None)


@pytest.mark.parametrize("kind", OUTAGES)
def test_faults_of_reading_cost_an_agent_at_most_its_memory(kind):
    setup = Setup(hook=HookConfig(retrieve_timeout=20))
    setup.agent(MemoryHook(setup.config))("Before.")
    with setup.service.faults.inject(kind, "ListEvents"), setup.service.faults.inject(kind, "RetrieveMemoryRecords"):
        hook = MemoryHook(setup.config)
        assert str(setup.agent(hook)("During.")) == "Yes.\n"
        assert hook.status.last_error
    assert setup.texts() == ["Before.", "Yes.", "During.", "Yes."]


def test_the_breaker_opens_so_that_a_long_outage_costs_no_calls():
    setup = Setup(writes=WriteConfig(breaker_failures=2))
    hook = MemoryHook(setup.config)
    agent = setup.agent(hook)
    with setup.service.faults.inject("server_error", "CreateEvent") as fault:
        for number in range(6):
            agent(f"Turn {number}.")
    assert fault.fired == 2
    assert hook.status.breaker == "open"
    assert hook.status.pending == 12


def test_a_search_that_keeps_failing_is_not_tried_every_turn():
    setup = Setup(hook=HookConfig(restore="off"), writes=WriteConfig(breaker_failures=2))
    hook = MemoryHook(setup.config)
    agent = setup.agent(hook)
    with setup.service.faults.inject("server_error", "RetrieveMemoryRecords") as fault:
        for number in range(5):
            agent(f"Turn {number}.")
    assert fault.fired == 2
    assert hook.status.breaker == "open"


def test_a_slow_search_costs_no_more_than_its_time():
    setup = Setup(hook=HookConfig(restore="off", retrieve_timeout=0.2))
    agent = setup.agent(MemoryHook(setup.config))
    agent("Warm.")
    with setup.service.faults.inject("latency", "RetrieveMemoryRecords", seconds=1.0):
        began = time.perf_counter()
        agent("Where do I live?")
        took = time.perf_counter() - began
    assert 0.2 <= took < 1.0


def test_what_one_agent_could_not_save_is_saved_when_another_can():
    setup = Setup()
    hook = MemoryHook(setup.config)
    with setup.service.faults.inject("server_error", "CreateEvent"):
        setup.agent(hook, session="lost")("Remember me.")
        gc.collect()
    setup.agent(hook, session="other")("Hello.")
    hook.close()
    assert setup.texts(session="lost") == ["Remember me.", "Yes."]


def test_close_says_how_much_is_unsent_and_can_be_tried_again():
    setup = Setup()
    hook = MemoryHook(setup.config)
    with setup.service.faults.inject("server_error", "CreateEvent"):
        setup.agent(hook)("Hi")
        with pytest.raises(UnsentMessagesError, match="2 messages") as caught:
            hook.close()
    assert caught.value.count == 2
    hook.close()
    assert setup.texts() == ["Hi", "Yes."]


def test_a_hook_that_is_collected_sends_what_it_holds():
    setup = Setup()
    hook = MemoryHook(setup.config)
    with setup.service.faults.inject("server_error", "CreateEvent"):
        setup.agent(hook)("Hi")
    del hook
    gc.collect()
    deadline = time.monotonic() + 5
    while not setup.texts() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert setup.texts() == ["Hi", "Yes."]


def test_in_the_background_a_turn_does_not_wait_for_the_service():
    setup = Setup(hook=HookConfig(restore="off", retrieve=False), writes=WriteConfig(flush="background"))
    hook = MemoryHook(setup.config)
    agent = setup.agent(hook)
    agent("Turn 0.")
    hook.close()
    with setup.service.faults.inject("latency", "CreateEvent", seconds=1.0):
        began = time.perf_counter()
        agent("Turn 1.")
        agent("Turn 2.")
        took = time.perf_counter() - began
        hook.close()
    assert took < 1.0
    assert setup.texts() == ["Turn 0.", "Yes.", "Turn 1.", "Yes.", "Turn 2.", "Yes."]


def test_a_long_turn_is_saved_as_it_goes():
    setup = Setup(writes=WriteConfig(flush_interval_seconds=0.001))
    hook = MemoryHook(setup.config)
    seen = []

    class Watching(ScriptedModel):
        async def stream(self, *args, **kwargs):
            await asyncio.sleep(0.01)
            seen.append(len(setup.texts()))
            async for event in super().stream(*args, **kwargs):
                yield event

    agent = setup.agent(hook)
    agent.model = Watching([Reply("One.", [ToolCall("missing")]), Reply("Two.", [ToolCall("missing")]), "Three."])
    agent("Go.")
    assert seen == [0, 2, 3]  # the newest message waits: the call about to be made may redact it
    assert setup.texts() == ["Go.", "One.", "Two.", "Three."]


@pytest.mark.parametrize("flush", ["turn", "message", "background"])
async def test_the_event_loop_never_waits_for_the_service(flush, tmp_path):
    setup = Setup(hook=HookConfig(retrieve_timeout=20), writes=WriteConfig(flush=flush, outbox=tmp_path / "box.db"))
    hook = MemoryHook(setup.config)
    await setup.agent(hook, session="warm").invoke_async("Warm.")
    with setup.service.faults.inject("latency", "*", seconds=0.2) as fault:
        async with loop_lags() as lags:
            agent = setup.agent(hook)
            await agent.invoke_async("Where do I live?")
        hook.close()
    assert fault.fired >= 3  # restored, searched, saved
    assert len(lags) >= 20
    assert max(lags) < 0.15
    assert setup.texts() == ["Where do I live?", "Yes."]


@pytest.mark.parametrize("flush", ["turn", "message", "background"])
@pytest.mark.parametrize("who", ["hook", "manager"])
async def test_the_event_loop_does_not_wait_for_the_outbox_either(who, flush, tmp_path):
    """Another process holds the file for a while."""
    box = tmp_path / "box.db"
    setup = Setup(writes=WriteConfig(flush=flush, outbox=box, flush_interval_seconds=0.001))
    session = setup.config.bind("ann", "s1")
    holder = session.hook() if who == "hook" else session.session_manager()
    options = {"hooks": [holder]} if who == "hook" else {"session_manager": holder}
    script = ["Warm.", Reply("One.", [ToolCall("missing")]), "Two."]
    agent = Agent(model=ScriptedModel(script), callback_handler=None, **options)
    await agent.invoke_async("Warm.")
    await asyncio.to_thread(holder.close)
    other = sqlite3.connect(box, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.4, other.close)
    async with loop_lags() as lags:
        release.start()
        await agent.invoke_async("Hi")
    await asyncio.to_thread(holder.close)
    release.join()
    assert max(lags) < 0.2
    assert holder.status.pending == 0


async def test_a_probe_that_is_cancelled_does_not_silence_retrieval_for_ever():
    setup = Setup(
        hook=HookConfig(restore="off", retrieve_timeout=30),
        writes=WriteConfig(breaker_failures=1, breaker_reset_seconds=0.05),
    )
    hook = MemoryHook(setup.config)
    agent = setup.agent(hook)
    with setup.service.faults.inject("server_error", "RetrieveMemoryRecords"):
        await agent.invoke_async("Opens it.")
    await asyncio.sleep(0.06)
    with setup.service.faults.inject("latency", "RetrieveMemoryRecords", seconds=0.5) as fault:
        task = asyncio.create_task(agent.invoke_async("Where do I live?"))
        await asyncio.sleep(0.2)
        assert fault.fired == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await asyncio.sleep(0.06)
    await setup.agent(hook).invoke_async("Where do I live?")
    assert hook.status.breaker == "closed"


@pytest.mark.parametrize("flush", ["turn", pytest.param("message", marks=pytest.mark.slow), "background"])
def test_fifty_agents_in_eight_threads_share_one_hook_and_no_memory(flush):
    setup = Setup(hook=HookConfig(retrieve_timeout=20), writes=WriteConfig(flush=flush))
    hook = MemoryHook(setup.config)
    others = set(threading.enumerate())

    def talk(number: int) -> None:
        agent = setup.agent(hook, user=f"user-{number % 10}", session=f"session-{number}", default=f"Reply {number}.")
        for turn in range(3):
            agent(f"Message {number} {turn}.")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(talk, range(50), timeout=60))  # a deadlock fails instead of hanging
    hook.close()
    for number in range(50):
        expected = [text for turn in range(3) for text in (f"Message {number} {turn}.", f"Reply {number}.")]
        assert setup.texts(f"user-{number % 10}", f"session-{number}") == expected
    assert hook.status.saved == 300
    gc.collect()
    assert len(hook._agents) == 0
    assert len(hook._saver._writers) == 0
    assert not [one for one in registry.waiting() if one.serves(setup.config.data_plane(), one._address, one._settings)]
    left = [one.name for one in set(threading.enumerate()) - others if one.name.startswith("agentmem-")]
    assert left == []


@pytest.mark.parametrize("may_list", [True, False])
def test_a_hook_that_restores_nothing_still_writes_behind_what_is_there(may_list):
    """As when another process, whose clock is ahead, has held the session until now."""
    setup = Setup(hook=HookConfig(restore="off", retrieve=False))
    address = SessionAddress(setup.config.memory_id, "ann", "s1")
    ahead = EventWriter(setup.config.data_plane(), address, WriteConfig(), now=lambda: time.time() + 3_600)
    ahead.submit([OutgoingItem("t", encode_text("Before.", "user"))])
    assert ahead.drain()
    faults = [] if may_list else [setup.service.faults.inject("access_denied", "ListEvents")]
    setup.agent(MemoryHook(setup.config))("After.")
    for fault in faults:
        assert fault.fired == 1
        fault.remove()
    texts = setup.texts()
    assert texts == ["Before.", "After.", "Yes."] if may_list else sorted(texts) == ["After.", "Before.", "Yes."]


def test_agents_of_one_session_in_several_threads_lose_nothing():
    setup = Setup(hook=HookConfig(restore="off", retrieve=False))
    hook = MemoryHook(setup.config)

    def talk(number: int) -> None:
        setup.agent(hook, default=f"Reply {number}.")(f"Message {number}.")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(talk, range(24)))
    texts = setup.texts()
    pairs = set(zip(texts[::2], texts[1::2], strict=True))
    assert pairs == {(f"Message {number}.", f"Reply {number}.") for number in range(24)}


def test_an_outage_over_many_sessions_holds_no_more_than_the_limit():
    setup = Setup(hook=HookConfig(restore="off", retrieve=False), writes=WriteConfig(queue_limit=3))
    hook = MemoryHook(setup.config)
    with setup.service.faults.inject("server_error", "CreateEvent"):
        for number in range(8):
            setup.agent(hook, session=f"s{number}")("Hi")
        gc.collect()
        status = hook.status
    assert sum(one.status.pending > 0 for one in hook._saver._writers.values()) == 3
    assert (status.pending, status.dropped) == (6, 10)


def test_one_breaker_serves_all_sessions_of_a_hook():
    setup = Setup(hook=HookConfig(restore="off", retrieve=False), writes=WriteConfig(breaker_failures=3))
    hook = MemoryHook(setup.config)
    with setup.service.faults.inject("server_error", "CreateEvent") as fault:
        for number in range(8):
            setup.agent(hook, session=f"s{number}")("Hi")
        assert fault.fired == 3
        assert hook.status.breaker == "open"


def test_when_the_breaker_is_half_open_every_session_s_turns_are_sent_without_another_turn():
    writes = WriteConfig(breaker_failures=2, breaker_reset_seconds=0.2)
    setup = Setup(hook=HookConfig(restore="off", retrieve=False), writes=writes)
    hook = MemoryHook(setup.config)
    with setup.service.faults.inject("server_error", "CreateEvent"):
        for number in range(4):
            setup.agent(hook, session=f"s{number}")("Hi")
    deadline = time.monotonic() + 5
    while hook.status.pending and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [setup.texts(session=f"s{number}") for number in range(4)] == [["Hi", "Yes."]] * 4


def test_what_ended_processes_left_of_any_session_is_sent_by_a_flush(tmp_path):
    box = tmp_path / "box.db"
    setup = Setup(hook=HookConfig(restore="off", retrieve=False), writes=WriteConfig(outbox=box))
    ended = Outbox(box)
    for number in range(3):
        body = {"payload": [encode_text(f"Left {number}.", "user")]}
        address = SessionAddress(setup.config.memory_id, "ann", f"s{number}")
        ended.keep_events(address, [([("t", 0)], body)], set())
    hook = MemoryHook(setup.config)
    assert hook.flush()
    assert setup.texts(session="s0") == []  # its process lives
    ended.close()
    assert hook.flush()
    assert [setup.texts(session=f"s{number}") for number in range(3)] == [[f"Left {number}."] for number in range(3)]
