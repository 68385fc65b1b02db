"""A session that a hook, our session manager and others write, one after another or side by side."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strands import Agent

from agentmem import HookConfig, MemoryConfig
from agentmem.events.codec import decode_event
from agentmem.events.serializer import encode_message
from agentmem.events.writer_registry import registry
from agentmem.hook import MemoryHook
from agentmem.local import LocalMemory
from agentmem.session_manager.manager import CompactingSessionManager
from agentmem.settings.sections import WriteConfig
from agentmem.testing import ScriptedModel
from gears import examples
from sessions import Session, events, texts

NUMBERS = itertools.count()


@pytest.fixture
def session():
    return Session()


@pytest.fixture(scope="module")
def shared():
    return MemoryConfig.local(LocalMemory(), namespaces=()).replace(hook=HookConfig(retrieve=False))


@settings(max_examples=examples(12))
@given(writers=st.lists(st.sampled_from(["hook", "sdk", "clean", "by hand"]), min_size=1, max_size=6))
def test_each_of_a_hook_and_our_manager_restores_what_any_other_wrote(shared, writers):
    session = shared.bind("ann", f"shared-{next(NUMBERS)}")
    expected = []
    for number, kind in enumerate(writers):
        asked, answered = f"Question {number} <b>?", f"Answer {number}."
        if kind == "by hand":
            message = {"role": "user", "content": [{"text": asked}], "tracking_id": f"t-{number}"}
            session.client.create_event(
                memoryId=session.memory_id,
                actorId="ann",
                sessionId=session.session_id,
                eventTimestamp=_next_time(session),
                payload=[
                    encode_message(message),
                    {"conversational": {"role": "ASSISTANT", "content": {"text": answered}}},
                ],
            )
        else:
            options = (
                {"hooks": [MemoryHook(session=session)]}
                if kind == "hook"
                else {"session_manager": _manager(session, kind)}
            )
            Agent(model=ScriptedModel([answered]), callback_handler=None, **options)(asked)
        expected += [asked, answered]
    managed = Agent(model=ScriptedModel(), session_manager=_manager(session, "sdk"), callback_handler=None)
    assert texts(managed.messages) == expected
    hooked = Agent(model=ScriptedModel(), hooks=[MemoryHook(session=session)], callback_handler=None)
    shown = hooked.system_prompt
    places = [shown.index(text.replace("<b>", "&lt;b&gt;")) for text in expected]
    assert places == sorted(places)


STEPS = st.tuples(st.sampled_from(["hook", "hook, each message", "sdk", "clean", "sdk, each message"]), st.booleans())


@settings(max_examples=examples(12))
@given(steps=st.lists(STEPS, min_size=2, max_size=8))
def test_living_agents_of_a_hook_and_of_our_manager_may_take_turns(shared, steps):
    """Each goes on with what it knows, or is opened anew; the next one restores what all have written, in order."""
    session = shared.bind("ann", f"living-{next(NUMBERS)}")
    living, expected = {}, []
    for number, (kind, anew) in enumerate(steps):
        if anew or kind not in living:
            form, _, flush = kind.partition(", ")
            writes = WriteConfig(
                event_format="clean" if form == "clean" else "sdk", flush="message" if flush else "turn"
            )
            bound = session.config.replace(writes=writes).bind("ann", session.session_id)
            options = {"hooks": [bound.hook()]} if form == "hook" else {"session_manager": bound.session_manager()}
            living[kind] = Agent(model=ScriptedModel(), callback_handler=None, **options)
        asked, answered = f"Question {number}?", f"Answer {number}."
        living[kind].model = ScriptedModel([answered])
        living[kind](asked)
        expected += [asked, answered]
    managed = Agent(model=ScriptedModel(), session_manager=session.session_manager(), callback_handler=None)
    assert texts(managed.messages) == expected
    hooked = Agent(model=ScriptedModel(), hooks=[session.hook()], callback_handler=None)
    places = [hooked.system_prompt.index(text) for text in expected]
    assert places == sorted(places)


def _manager(session, form):
    config = session.config.replace(writes=WriteConfig(event_format=form))
    return CompactingSessionManager.for_session(config.bind("ann", session.session_id))


def _next_time(session):
    listed = session.client.list_events(
        memoryId=session.memory_id, actorId="ann", sessionId=session.session_id, maxResults=1
    )["events"]
    now = datetime.now(UTC)
    return max(now, listed[0]["eventTimestamp"] + timedelta(milliseconds=1)) if listed else now


# ---- whose it is


def test_neither_another_actor_nor_another_session_gets_at_anything(tmp_path):
    service = LocalMemory()
    writes = WriteConfig(outbox=tmp_path / "box.db")
    config = MemoryConfig.local(service, namespaces=()).replace(hook=HookConfig(retrieve=False), writes=writes)
    for actor, name in (("ann", "s1"), ("ann", "s2"), ("ann2", "s1"), ("bob", "s1")):
        session = config.bind(actor, name)
        manager = session.session_manager()
        agent = Agent(model=ScriptedModel(["Kept."]), session_manager=manager, callback_handler=None)
        assert agent.messages == []
        assert manager.recall.by_words("the code of somebody is") == []
        with service.faults.inject("access_denied", "CreateEvent"):
            agent(f"The code of somebody is {actor}-{name}.")  # waits in the shared outbox
    for actor, name in (("ann", "s1"), ("ann", "s2"), ("ann2", "s1"), ("bob", "s1")):
        session = config.bind(actor, name)
        session.hook().flush()  # nothing of a living process is taken
    close_waiting()
    for actor, name in (("ann", "s1"), ("ann", "s2"), ("ann2", "s1"), ("bob", "s1")):
        session = config.bind(actor, name)
        manager = session.session_manager()
        agent = Agent(model=ScriptedModel(), session_manager=manager, callback_handler=None)
        assert texts(agent.messages) == [f"The code of somebody is {actor}-{name}.", "Kept."]
        found = [one.text for one in manager.recall.by_words("the code of somebody is")]
        assert found[0] == f"The code of somebody is {actor}-{name}."
        assert set(found[1:]) <= {"Kept."}  # a neighbour, of this session as well


def close_waiting():
    for writer in registry.waiting():
        writer.drain(insist=True)


@pytest.mark.parametrize("outbox", [False, True], ids=["memory", "outbox"])
def test_what_could_not_be_sent_is_there_for_the_next_agent_of_the_session(session, tmp_path, outbox):
    writes = WriteConfig(outbox=tmp_path / "box.db" if outbox else None, breaker_failures=1)
    with session.memory.faults.inject("throttle", "CreateEvent"):
        for number in range(3):
            reply = f"Reply {number}." + " word" * 400
            agent = session.agent(session.manager(writes=writes, token_threshold=4_000), [reply])
            assert len(texts(agent.messages)) == 2 * number  # of an agent that is gone by now
            agent(f"Message {number}.")
    close_waiting()
    manager = session.manager(writes=writes, token_threshold=4_000)
    agent = session.agent(manager, ["Last. " * 20])
    replies = [f"Reply {number}." + " word" * 400 for number in range(3)]
    assert texts(agent.messages) == [text for number in range(3) for text in (f"Message {number}.", replies[number])]
    agent("word " * 3_500)
    assert manager.checkpoint is not None  # what it names is all in the log


def test_a_turn_that_another_agent_of_the_session_sends_is_not_written_again(session):
    first = session.agent(script=["One.", "Two."])
    with session.memory.faults.inject("throttle", "CreateEvent"):
        first("A")
    session.agent()  # takes over what waits, and sends it
    first("B")
    logged = [one.message for event in events(session) for one in decode_event(event).messages]
    assert texts(logged) == ["A", "One.", "B", "Two."]


def test_what_one_session_could_not_send_is_sent_when_another_can(session):
    other = Session(session="s-2", memory=session.memory, memory_id=session.memory_id)
    agent = session.agent(session.manager(), ["Yes."])
    with session.memory.faults.inject("throttle", "CreateEvent"):
        agent("Remember me.")
    other.agent(script=["Hello."])("Hi")
    deadline = time.monotonic() + 5
    while agent._session_manager.status.pending and time.monotonic() < deadline:
        time.sleep(0.02)
    assert texts(session.agent().messages) == ["Remember me.", "Yes."]
