"""SessionAgents: one agent for each session, drained before it is let go, from any thread and any event loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strands import Agent, tool
from strands.memory import MemoryManager, MemoryStore
from strands.tools import ToolProvider

from agentmem import (
    AgentMemError,
    ConfigurationError,
    IdentityError,
    LocalMemory,
    MemoryConfig,
    MemoryHook,
    SessionAgents,
    UnsentMessagesError,
    WriteConfig,
    new_session_id,
)
from agentmem.testing import ScriptedModel, ToolCall
from memories import ONE_ATTEMPT

SECONDS = 10.0


def session(name):
    """A session id that Runtime takes."""
    return f"session-{name}".ljust(40, "0")


def until(condition):
    """Wait for what another thread is about to do."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


class Impatient:
    """A boto3 session whose clients do not retry, because botocore sleeps in between."""

    def __init__(self, boto_session):
        self.region_name = boto_session.region_name
        self._session = boto_session

    def client(self, *args, config=None, **options):
        return self._session.client(*args, config=config.merge(ONE_ATTEMPT) if config else ONE_ATTEMPT, **options)


class Memory:
    """An embedded memory, and a factory of agents on it that counts what it makes."""

    def __init__(self, **writes):
        self.service = LocalMemory()
        local = MemoryConfig.local(self.service, namespaces=())
        self.config = MemoryConfig(
            memory_id=local.memory_id,
            region=local.region,
            namespaces=(),
            # Sessions share a breaker; these tests are about tries that it lets through.
            writes=WriteConfig(breaker_failures=100, **writes),
            boto_session=Impatient(local.boto_session()),
        )
        self.made = []

    def __call__(self, actor_id, session_id):
        self.made.append((actor_id, session_id))
        return Agent(
            model=ScriptedModel(default="Noted."),
            session_manager=self.config.bind(actor_id, session_id).session_manager(),
            callback_handler=None,
        )

    def stored(self, actor_id, session_id):
        """What a new agent of the session would remember the user saying."""
        agent = Agent(
            model=ScriptedModel(),
            session_manager=self.config.bind(actor_id, session_id).session_manager(),
            callback_handler=None,
        )
        return said(agent)


def said(agent):
    own = [message for message in agent.messages if message["role"] == "user"]
    return [block["text"] for message in own for block in message["content"] if "text" in block]


def plain(actor_id, session_id):
    """An agent without memory that says whose it is."""
    return Agent(model=ScriptedModel(default="Yes."), state={"key": [actor_id, session_id]}, callback_handler=None)


@pytest.fixture
def memory():
    return Memory()


# ---- one agent for each session


def test_a_session_keeps_its_agent_until_it_is_let_go(memory):
    agents = SessionAgents(memory)
    with agents.use("ann", session("1")) as first:
        first("My cat is called Ada.")
    with agents.use("ann", session("1")) as second:
        assert second is first
    assert memory.made == [("ann", session("1"))]


def test_sessions_and_actors_do_not_see_each_others_agents(memory):
    agents = SessionAgents(memory)
    uses = [("ann", session("1")), ("ann", session("2")), ("bob", session("1"))]
    for actor_id, session_id in uses:
        with agents.use(actor_id, session_id) as agent:
            agent(f"I am {actor_id}.")
            assert said(agent) == [f"I am {actor_id}."]
    assert agents.sessions == uses == memory.made


def test_callers_from_many_threads_get_one_agent_made_once():
    made = []

    def factory(actor_id, session_id):
        made.append(session_id)
        time.sleep(0.05)
        return plain(actor_id, session_id)

    agents = SessionAgents(factory)
    together = threading.Barrier(20)

    def use(_):
        together.wait()
        with agents.use("ann", session("1")) as agent:
            return agent

    with ThreadPoolExecutor(20) as threads:
        got = set(map(id, threads.map(use, range(20))))
    assert len(got) == 1
    assert made == [session("1")]


async def test_tasks_of_an_event_loop_get_one_agent_and_the_loop_goes_on():
    made, going = [], threading.Event()

    def factory(actor_id, session_id):
        made.append(session_id)
        assert going.wait(SECONDS)  # only the loop can set it, so the loop must not be blocked
        return plain(actor_id, session_id)

    agents = SessionAgents(factory)

    async def use():
        async with agents.use("ann", session("1")) as agent:
            return agent

    tasks = [asyncio.create_task(use()) for _ in range(5)]
    await asyncio.sleep(0.01)
    going.set()
    assert len({id(agent) for agent in await asyncio.gather(*tasks)}) == 1
    assert made == [session("1")]


async def test_a_task_that_is_cancelled_does_not_take_the_agent_from_the_others():
    going = threading.Event()

    def factory(actor_id, session_id):
        assert going.wait(SECONDS)
        return plain(actor_id, session_id)

    agents = SessionAgents(factory)

    async def use():
        async with agents.use("ann", session("1")) as agent:
            return agent

    first, second = asyncio.create_task(use()), asyncio.create_task(use())
    await asyncio.sleep(0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    going.set()
    assert isinstance(await second, Agent)
    assert agents.in_use == 0


async def test_a_thread_and_a_task_share_the_making():
    made, going = [], threading.Event()

    def factory(actor_id, session_id):
        made.append(session_id)
        assert going.wait(SECONDS)
        return plain(actor_id, session_id)

    agents = SessionAgents(factory)

    def use_in_thread():
        with agents.use("ann", session("1")) as agent:
            return agent

    thread = asyncio.create_task(asyncio.to_thread(use_in_thread))
    await asyncio.to_thread(until, lambda: made)

    async def use():
        async with agents.use("ann", session("1")) as agent:
            return agent

    task = asyncio.create_task(use())
    await asyncio.sleep(0.01)
    going.set()
    assert await thread is await task
    assert made == [session("1")]


async def test_the_factory_sees_the_context_of_the_request():
    request = contextvars.ContextVar("request")
    seen = []

    def factory(actor_id, session_id):
        seen.append(request.get())
        return plain(actor_id, session_id)

    request.set("r-1")
    async with SessionAgents(factory).use("ann", session("1")):
        assert seen == ["r-1"]


def test_what_could_not_be_made_is_not_remembered():
    outcomes = [ValueError("no model"), None]

    def factory(actor_id, session_id):
        if error := outcomes.pop(0):
            raise error
        return plain(actor_id, session_id)

    agents = SessionAgents(factory)
    with pytest.raises(ValueError, match="no model"), agents.use("ann", session("1")):
        pass
    assert (agents.sessions, agents.in_use) == ([], 0)
    with agents.use("ann", session("1")) as agent:
        assert isinstance(agent, Agent)


async def test_everyone_who_waited_for_a_failed_making_learns_of_it():
    calls, going = [], threading.Event()

    def factory(actor_id, session_id):
        calls.append(session_id)
        assert going.wait(SECONDS)
        raise ValueError("no model")

    agents = SessionAgents(factory)

    async def use():
        async with agents.use("ann", session("1")):
            pass

    tasks = [asyncio.create_task(use()) for _ in range(3)]
    await asyncio.sleep(0.01)
    going.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(error) for error in results] == ["no model"] * 3
    assert (len(calls), agents.sessions) == (1, [])


# ---- an agent that is another's


def test_a_factory_that_returns_one_agent_for_two_sessions_is_found_out():
    only = plain("ann", session("1"))
    agents = SessionAgents(lambda actor_id, session_id: only)
    with agents.use("ann", session("1")):
        pass
    with pytest.raises(ConfigurationError, match="another session already"), agents.use("bob", session("2")):
        pass


@pytest.mark.parametrize("kind", ["session_manager", "hook", "state"])
@pytest.mark.parametrize("wrong", [("bob", session("1")), ("ann", session("2"))])
def test_an_agent_bound_to_other_ids_is_refused(memory, kind, wrong):
    def factory(actor_id, session_id):
        bound = memory.config.bind(*wrong)
        if kind == "session_manager":
            return Agent(model=ScriptedModel(), session_manager=bound.session_manager(), callback_handler=None)
        hook = bound.hook() if kind == "hook" else MemoryHook(memory.config)
        state = {"user_id": wrong[0], "session_id": wrong[1]}
        return Agent(model=ScriptedModel(), hooks=[hook], state=state, callback_handler=None)

    with pytest.raises(ConfigurationError, match="bound to actor"), SessionAgents(factory).use("ann", session("1")):
        pass


@pytest.mark.parametrize("result", [None, "agent", object()])
def test_a_factory_that_returns_no_agent_is_told_so(result):
    agents = SessionAgents(lambda actor_id, session_id: result)
    with pytest.raises(ConfigurationError, match=f"returned {type(result).__name__}"), agents.use("ann", session("1")):
        pass


# ---- ids and settings


@pytest.mark.parametrize(
    ("actor_id", "session_id", "said"),
    [
        ("ann", None, "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"),
        ("ann", "", "session_id is missing"),
        (None, session("1"), "actor_id is missing"),
        ("", session("1"), "actor_id is missing"),
        ("ann", "s" * 32, "at least 33"),
        ("ann", "s" * 101, "at most 100"),
        ("ann", "s" * 33 + "/", "letters, digits"),
        ("ann@example.org", session("1"), "actor_id_for"),
    ],
)
def test_ids_that_the_services_would_refuse_are_refused_before_anything_is_made(actor_id, session_id, said):
    made = []
    agents = SessionAgents(lambda *ids: made.append(ids))
    with pytest.raises(IdentityError, match=said):
        agents.use(actor_id, session_id)
    assert made == []


def test_new_session_ids_are_long_enough(memory):
    with SessionAgents(memory).use("ann", new_session_id("ann", "x")) as agent:
        assert isinstance(agent, Agent)


async def _coroutine(actor_id, session_id):
    return plain(actor_id, session_id)


@pytest.mark.parametrize(
    ("factory", "size", "said"),
    [(None, 1, "factory"), (_coroutine, 1, "plain function"), (plain, 0, "max_sessions = 0"), (plain, "5", "'5'")],
)
def test_settings_that_cannot_work_are_refused(factory, size, said):
    with pytest.raises(ConfigurationError, match=said):
        SessionAgents(factory, max_sessions=size)


# ---- letting go


def test_the_least_recently_used_agent_goes_first(memory):
    agents = SessionAgents(memory, max_sessions=2)
    for name in ("1", "2", "1", "3"):
        with agents.use("ann", session(name)):
            pass
    until(lambda: len(agents.sessions) == 2)
    assert agents.sessions == [("ann", session("1")), ("ann", session("3"))]


def test_an_agent_in_use_is_never_let_go(memory):
    agents = SessionAgents(memory, max_sessions=1)
    with agents.use("ann", session("1")) as first:
        for name in ("2", "3"):
            with agents.use("ann", session(name)):
                pass
        until(lambda: ("ann", session("2")) not in agents.sessions)
        with agents.use("ann", session("1")) as again:
            assert again is first
    until(lambda: len(agents.sessions) == 1)


def test_an_agent_is_drained_before_it_is_let_go():
    # In the background the turn may still be on its way when the invocation is over.
    memory = Memory(flush="background")
    memory.service.faults.inject("latency", "CreateEvent", seconds=0.1)
    agents = SessionAgents(memory, max_sessions=1)
    with agents.use("ann", session("1")) as agent:
        agent("My cat is called Ada.")
    with agents.use("ann", session("2")):
        pass
    until(lambda: agents.sessions == [("ann", session("2"))])
    assert memory.stored("ann", session("1")) == ["My cat is called Ada."]


def test_what_changed_after_the_last_turn_is_saved_too(memory):
    agents = SessionAgents(memory, max_sessions=1)
    with agents.use("ann", session("1")) as agent:
        agent("Hello.")
        agent.state.set("colour", "blue")
    with agents.use("ann", session("2")):
        pass
    with agents.use("ann", session("1")) as again:
        assert again is not agent
        assert again.state.get("colour") == "blue"


def test_who_asks_for_a_session_being_drained_waits_and_gets_all_of_it():
    memory = Memory(flush="background")
    memory.service.faults.inject("latency", "CreateEvent", seconds=0.2)
    agents = SessionAgents(memory, max_sessions=1)
    with agents.use("ann", session("1")) as agent:
        agent("My cat is called Ada.")
    with agents.use("ann", session("2")):
        pass
    with agents.use("ann", session("1")) as again:  # at once: its agent may be on the way out
        assert said(again) == ["My cat is called Ada."]


def test_an_agent_whose_messages_are_not_taken_is_kept_with_them(memory):
    agents = SessionAgents(memory, max_sessions=1)
    with agents.use("ann", session("1")) as agent:
        fault = memory.service.faults.inject("throttle", "CreateEvent")
        agent("My cat is called Ada.")
    tried = fault.fired
    with agents.use("ann", session("2")):
        until(lambda: fault.fired > tried + 1)  # the new session's own first event is refused as well
        with agents.use("ann", session("1")) as again:
            assert again is agent
    fault.remove()
    agents.close()
    assert memory.stored("ann", session("1")) == ["My cat is called Ada."]


def test_an_agent_that_was_kept_is_not_tried_again_for_every_new_session(memory):
    agents = SessionAgents(lambda *ids: (memory if ids[1] == session("1") else plain)(*ids), max_sessions=1)
    with agents.use("ann", session("1")) as agent:
        fault = memory.service.faults.inject("throttle", "CreateEvent")
        agent("My cat is called Ada.")
    tried = fault.fired
    for name in "2345":
        with agents.use("ann", session(name)):
            pass
        until(lambda: len(agents.sessions) <= 2)
    assert fault.fired == tried + 1
    assert ("ann", session("1")) in agents.sessions
    fault.remove()
    agents.close()


def test_closing_tries_once_more_what_was_refused_on_its_way_out_a_moment_before(memory):
    agents = SessionAgents(lambda *ids: (memory if ids[1] == session("1") else plain)(*ids), max_sessions=1)
    with agents.use("ann", session("1")) as agent:
        memory.service.faults.inject("throttle", "CreateEvent", count=2)
        agent("My cat is called Ada.")
    memory.service.faults.inject("latency", "CreateEvent", seconds=0.3)
    with agents.use("ann", session("2")):
        pass  # the first one is on its way out, and refused a second time
    agents.close()
    assert memory.stored("ann", session("1")) == ["My cat is called Ada."]


async def test_tools_are_released_and_what_stores_extract_is_saved():
    released, kept = [], []

    class Provider(ToolProvider):
        async def load_tools(self, **_):
            return []

        def add_consumer(self, consumer_id, **_):
            pass

        def remove_consumer(self, consumer_id, **_):
            released.append(consumer_id)

    class Store(MemoryStore):
        name, description, max_search_results, writable, extraction = "notes", None, None, True, True

        async def search(self, query, options=None):
            return []

        async def add_messages(self, messages, context=None):
            kept.extend(messages)

    def factory(actor_id, session_id):
        return Agent(
            model=ScriptedModel(default="Yes."),
            tools=[Provider()],
            memory_manager=MemoryManager(stores=[Store()]),
            callback_handler=None,
        )

    agents = SessionAgents(factory)
    async with agents.use("ann", session("1")) as agent:
        await agent.invoke_async("Hello.")
    assert (released, kept) == ([], [])
    await agents.close_async()
    assert (len(released), len(kept)) == (1, 2)


def test_closing_leaves_no_thread_behind():
    memory = Memory(flush="background")
    before = set(threading.enumerate())
    with SessionAgents(memory, max_sessions=1) as agents:
        for name in "12":
            with agents.use("ann", session(name)) as agent:
                agent("Hello.")
    left = set(threading.enumerate()) - before
    judging = ("agentmem-judge", "agentmem-meaning")  # daemons, for which nobody waits
    assert {thread.name for thread in left if thread.name not in judging} == set()


def test_a_context_manager_is_left_after_the_memory_is_drained(memory):
    order = []

    @contextmanager
    def factory(actor_id, session_id):
        agent = memory(actor_id, session_id)
        try:
            yield agent
        finally:
            order.append(agent._session_manager.status.saved)

    with SessionAgents(factory) as agents, agents.use("ann", session("1")) as agent:
        agent("Hello.")
    assert order == [2]


def test_an_agent_that_fails_to_clean_up_is_still_let_go(memory, caplog):
    @contextmanager
    def factory(actor_id, session_id):
        yield memory(actor_id, session_id)
        raise OSError("the sandbox is gone")

    agents = SessionAgents(factory, max_sessions=1)
    for name in ("1", "2"):
        with agents.use("ann", session(name)) as agent:
            agent("Hello.")
    until(lambda: agents.sessions == [("ann", session("2"))])
    assert "resources could not be released" in caplog.text
    with pytest.raises(AgentMemError, match="1 agents"):
        agents.close()
    assert agents.sessions == []


# ---- the end


def test_closing_drains_every_session():
    memory = Memory(flush="background")
    memory.service.faults.inject("latency", "CreateEvent", seconds=0.05)
    with SessionAgents(memory) as agents:
        for name in "1234":
            with agents.use("ann", session(name)) as agent:
                agent(f"I am {name}.")
    assert agents.sessions == []
    assert [memory.stored("ann", session(name)) for name in "1234"] == [[f"I am {name}."] for name in "1234"]


async def test_after_closing_no_agent_is_made(memory):
    agents = SessionAgents(memory)
    await agents.close_async()
    with pytest.raises(AgentMemError, match="closed"):
        async with agents.use("ann", session("1")):
            pass
    with pytest.raises(AgentMemError, match="closed"), agents.use("ann", session("1")):
        pass
    assert memory.made == []


def test_what_is_unsent_at_the_end_is_told_in_one_error_and_can_be_tried_again(memory):
    agents = SessionAgents(memory)
    with memory.service.faults.inject("throttle", "CreateEvent"):
        for name in "123":
            with agents.use("ann", session(name)) as agent:
                agent(f"I am {name}.")
        with pytest.raises(UnsentMessagesError, match="6 messages of 3 sessions") as raised:
            agents.close()
    assert raised.value.count == 6
    assert len(raised.value.__cause__.exceptions) == 3
    agents.close()
    assert [memory.stored("ann", session(name)) for name in "123"] == [["I am 1."], ["I am 2."], ["I am 3."]]


def test_a_hook_that_agents_share_counts_once(memory):
    hook = MemoryHook(memory.config)

    def factory(actor_id, session_id):
        state = {"user_id": actor_id, "session_id": session_id}
        return Agent(model=ScriptedModel(default="Yes."), hooks=[hook], state=state, callback_handler=None)

    agents = SessionAgents(factory)
    with memory.service.faults.inject("throttle", "CreateEvent"):
        for name in "12":
            with agents.use("ann", session(name)) as agent:
                agent("Hello.")
        with pytest.raises(UnsentMessagesError) as raised:
            agents.close()
    assert raised.value.count == 4
    agents.close()
    assert hook.status.saved == 4


def test_closing_waits_for_agents_in_use(memory):
    agents = SessionAgents(memory)
    entered, leave = threading.Event(), threading.Event()

    def use():
        with agents.use("ann", session("1")) as agent:
            entered.set()
            assert leave.wait(SECONDS)
            agent("My cat is called Ada.")

    with ThreadPoolExecutor(2) as threads:
        user = threads.submit(use)
        assert entered.wait(SECONDS)
        closing = threads.submit(agents.close)
        time.sleep(0.05)
        assert not closing.done()
        leave.set()
        closing.result(SECONDS)
        user.result(SECONDS)
    assert memory.stored("ann", session("1")) == ["My cat is called Ada."]


def test_an_invocation_that_takes_too_long_at_the_end_is_cancelled_and_saved(memory):
    working = threading.Event()

    @tool(context=True)
    def work(tool_context) -> str:
        """Work until told to stop."""
        working.set()
        assert tool_context.agent.cancel_signal.wait(SECONDS)
        return "stopped"

    def factory(actor_id, session_id):
        agent = memory(actor_id, session_id)
        agent.model = ScriptedModel([ToolCall("work")], default="Never said.")
        agent.tool_registry.process_tools([work])
        return agent

    agents = SessionAgents(factory)

    def use():
        with agents.use("ann", session("1")) as agent:
            return agent("Work.")

    with ThreadPoolExecutor(1) as threads:
        user = threads.submit(use)
        assert working.wait(SECONDS)
        agents.close(wait=0.05)
        assert user.result(SECONDS).stop_reason == "cancelled"
    assert agents.sessions == []
    assert memory.stored("ann", session("1")) == ["Work."]


async def test_an_answer_that_its_client_abandons_is_saved_all_the_same(memory):
    agents = SessionAgents(memory)
    async with agents.use("ann", session("1")) as agent:
        stream = agent.stream_async("My cat is called Ada.")
        async for event in stream:
            if "data" in event:
                break
        await stream.aclose()
    await agents.close_async()
    assert memory.stored("ann", session("1")) == ["My cat is called Ada."]


def test_leaving_the_block_by_an_error_shows_that_error(memory, caplog):
    agents = SessionAgents(memory)
    fault = memory.service.faults.inject("throttle", "CreateEvent")
    with agents.use("ann", session("1")) as agent:
        agent("Hello.")
    with pytest.raises(ZeroDivisionError), agents:
        1 / 0  # noqa: B018
    assert "not closed cleanly" in caplog.text
    fault.remove()
    agents.close()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("123"), st.booleans()), max_size=25))
def test_however_sessions_come_and_go_each_gets_its_own_agent_and_the_limit_holds(uses):
    made, open_uses = [], []
    agents = SessionAgents(lambda *ids: made.append(ids) or plain(*ids), max_sessions=3)
    for actor_id, name, stay in uses:
        use = agents.use(actor_id, session(name))
        agent = use.__enter__()
        assert agent.state.get("key") == [actor_id, session(name)]
        if stay:
            open_uses.append((use, agent))
        else:
            use.__exit__(None, None, None)
    held = {(agent.state.get("key")[0], agent.state.get("key")[1]) for _, agent in open_uses}
    assert held <= set(agents.sessions)
    for use, _ in open_uses:
        use.__exit__(None, None, None)
    until(lambda: len(agents.sessions) <= 3)
    agents.close()
    assert agents.sessions == []
