"""Bidirectional agents: their session is kept, restored with the summary, and compacted between connections."""

from __future__ import annotations

import asyncio

import pytest
from strands.bidi import BidiAgent
from strands.bidi.models import BidiModel
from strands.bidi.types.events import (
    BidiResponseStartEvent,
    BidiResponseStopEvent,
    BidiTranscriptDeltaEvent,
    BidiTranscriptStartEvent,
    BidiTranscriptStopEvent,
)

from agentmem import MemoryConfig
from agentmem.errors import ConfigurationError
from agentmem.settings.sections import CompactionConfig
from sessions import Session


class Voice(BidiModel):
    """Speaks a script: pairs of what the user and the model say."""

    def __init__(self, script=()):
        self.script = list(script)
        self.connections = []
        self.done = asyncio.Event()

    def get_config(self):
        return {"model_id": "voice"}

    def update_config(self, **config):
        raise NotImplementedError

    async def start(self, system_prompt=None, tools=None, messages=None, **_):
        self.connections.append([dict(message) for message in messages])

    async def stop(self):
        pass

    async def send(self, content):
        raise NotImplementedError

    async def receive(self):
        for number, (asked, said) in enumerate(self.script):
            for role, text in (("user", asked), ("assistant", said)):
                if role == "assistant":
                    yield BidiResponseStartEvent(f"r{number}")
                yield BidiTranscriptStartEvent(role, f"{number}{role}")
                yield BidiTranscriptDeltaEvent(text, role, f"{number}{role}")
                yield BidiTranscriptStopEvent(role, f"{number}{role}")
            yield BidiResponseStopEvent(f"r{number}")
        self.script = []
        self.done.set()
        await asyncio.sleep(60)


def spoken(agent):
    """Run a voice agent until its model has said everything."""

    async def run():
        await agent.start()
        task = asyncio.ensure_future(_read(agent))
        await asyncio.wait_for(agent.model.done.wait(), 30)
        await asyncio.sleep(0)
        task.cancel()
        await agent.stop()

    asyncio.run(run())


async def _read(agent):
    async for _ in agent.receive():
        pass


def texts(messages):
    return [block["text"] for message in messages for block in message["content"] if "text" in block]


def test_what_was_spoken_is_restored_word_for_word():
    session = Session()
    agent = BidiAgent(
        model=Voice([("Hello.", "Good day."), ("A table for two.", "Done.")]),
        state={"mood": "calm"},
        session_manager=session.manager(),
    )
    spoken(agent)
    again = BidiAgent(model=Voice(), session_manager=session.manager())
    assert texts(again.messages) == ["Hello.", "Good day.", "A table for two.", "Done."]
    assert again.state.get("mood") == "calm"
    assert [message["tracking_id"] for message in again.messages] == [one["tracking_id"] for one in agent.messages]


def test_every_response_is_one_call():
    session = Session()
    agent = BidiAgent(model=Voice([("Hello.", "Good day."), ("Two.", "Done.")]), session_manager=session.manager())
    session.calls.clear()
    spoken(agent)
    assert session.calls["CreateEvent"] == 2


def test_a_long_call_is_compacted_before_the_next_connection():
    session = Session()
    script = [(f"Question {number}? " + "Please tell me. " * 30, f"Answer {number}. " * 30) for number in range(12)]
    settings = CompactionConfig(token_threshold=2_000)
    manager = session.manager(compaction=settings)
    spoken(BidiAgent(model=Voice(script), session_manager=manager))
    assert manager.last_compaction is not None
    model = Voice([("Still there?", "Yes.")])
    again = BidiAgent(model=model, session_manager=session.manager(compaction=settings))
    spoken(again)
    connected = texts(model.connections[0])
    assert len(connected) < 20
    assert "<conversation_summary" in connected[0] or "summary" in connected[0]
    assert any("Question 0?" in one.text for one in again_recall(session, "Question 0"))


def again_recall(session, query):
    config = MemoryConfig(memory_id=session.memory_id, region="us-west-2", boto_session=session.boto, namespaces=())
    return config.bind(session.address.actor_id, session.address.session_id).recall(query)


def test_the_plain_sdk_manager_opens_a_voice_session():
    from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager

    session = Session()
    spoken(BidiAgent(model=Voice([("Hello.", "Good day.")]), session_manager=session.manager()))
    plain = AgentCoreMemorySessionManager(session.sdk_config, region_name="us-west-2", boto_session=session.boto)
    agent = BidiAgent(model=Voice(), session_manager=plain)
    assert texts(agent.messages) == ["Hello.", "Good day."]


def test_a_session_of_the_sdks_manager_opens_here():
    from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager

    session = Session()
    plain = AgentCoreMemorySessionManager(session.sdk_config, region_name="us-west-2", boto_session=session.boto)
    agent = BidiAgent(
        model=Voice(), messages=[{"role": "user", "content": [{"text": "Hello."}]}], session_manager=plain
    )
    plain.sync_agent(agent)
    assert texts(BidiAgent(model=Voice(), session_manager=session.manager()).messages) == ["Hello."]


def test_what_a_voice_agent_cannot_have_is_refused_by_name():
    session = Session()
    manager = session.manager()
    BidiAgent(model=Voice(), session_manager=manager)
    with pytest.raises(ConfigurationError, match=r"a pin stands before each model call.*system_prompt"):
        manager.pin("Never call before noon.")
    hook = MemoryConfig.local(path=":memory:", namespaces=()).bind("ann", "s-1").hook()
    with pytest.raises(ConfigurationError, match=r"BidiAgent makes none.*session_manager"):
        BidiAgent(model=Voice(), hooks=[hook])
