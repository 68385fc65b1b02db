"""Several agents keep one session's log, each with a history, a state, checkpoints and pins of its own."""

from __future__ import annotations

import json

import pytest
from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager
from strands import Agent

from agentmem.checkpoints.in_memory import InMemoryCheckpointStore
from agentmem.checkpoints.sqlite import SqliteCheckpointStore
from agentmem.errors import ConfigurationError
from agentmem.events.reader import EventReader
from agentmem.settings.sections import CompactionConfig, WriteConfig
from agentmem.testing import ScriptedModel
from sessions import Session

SMALL = CompactionConfig(token_threshold=1_000, target_ratio=0.5)


def texts(agent):
    return [block["text"] for message in agent.messages for block in message["content"] if "text" in block]


@pytest.fixture
def session():
    return Session()


@pytest.fixture(params=["event log", "in memory", "SQLite"])
def store(request, tmp_path):
    made = {"event log": None, "in memory": InMemoryCheckpointStore()}
    return made.get(request.param) if request.param != "SQLite" else SqliteCheckpointStore(tmp_path / "c.db")


def test_each_agent_is_restored_with_its_own_history_and_state(session):
    first = session.agent(script=["one", "three"], agent_id="first", state={"of": "first"})
    second = session.agent(script=["two", "four"], agent_id="second", state={"of": "second"})
    for agent, text in ((first, "a"), (second, "b"), (first, "c"), (second, "d")):
        agent(text)
    again = {name: session.agent(agent_id=name) for name in ("second", "first")}
    assert texts(again["first"]) == ["a", "one", "c", "three"]
    assert texts(again["second"]) == ["b", "two", "d", "four"]
    assert {name: agent.state.get("of") for name, agent in again.items()} == {"first": "first", "second": "second"}


def test_each_agent_is_compacted_and_recalled_on_its_own(session, store):
    managers = {name: session.manager(checkpoints=store, compaction=SMALL) for name in ("first", "second")}
    agents = {
        name: session.agent(manager, [f"Answer of {name}. " * 30] * 20, agent_id=name)
        for name, manager in managers.items()
    }
    for number in range(12):
        agents["first"](f"first {number}? " + "Please tell. " * 20)
        if number < 3:
            agents["second"](f"second {number}?")
    assert managers["first"].checkpoint is not None
    reopened = {name: session.manager(checkpoints=store, compaction=SMALL) for name in ("second", "first")}
    again = {name: session.agent(manager, agent_id=name) for name, manager in reopened.items()}
    assert not any("first" in text for text in texts(again["second"]))
    assert any(text.startswith("first 11?") for text in texts(again["first"]))
    assert reopened["first"].checkpoint.version == managers["first"].checkpoint.version
    found = reopened["first"].recall.by_words("first 0?", max_tokens=4_000)
    assert any(one.text.startswith("first 0?") for one in found)
    assert not any("first" in one.text for one in reopened["second"].recall.by_words("first 0?"))


def test_the_plain_sdk_manager_opens_the_main_agent(session):
    first = session.agent(script=["one"] * 3, agent_id="first")
    second = session.agent(script=["two"] * 3, agent_id="second")
    first("a")
    second("b")
    plain = AgentCoreMemorySessionManager(session.sdk_config, region_name="us-west-2", boto_session=session.boto)
    assert texts(Agent(model=ScriptedModel([]), session_manager=plain, agent_id="first")) == ["a", "one"]


def test_a_session_of_the_version_before_opens_and_takes_a_second_agent(session):
    client, ids = session.data, session.address.parameters()
    agent = session.agent(script=["one"], agent_id="first")
    agent("a")
    events = client.list_events(**ids, includePayloads=True)["events"]
    for event in reversed(events):  # as it was written before: only the agent's state said whose it was
        client.delete_event(**ids, eventId=event["eventId"])
        metadata = {name: value for name, value in event["metadata"].items() if "AGENT" in str(event["metadata"])}
        client.create_event(
            **ids,
            eventTimestamp=event["eventTimestamp"],
            payload=event["payload"],
            metadata={"stateType": event["metadata"]["stateType"], **metadata},
        )
    assert texts(session.agent(agent_id="second")) == []
    assert texts(session.agent(agent_id="first")) == ["a", "one"]


def test_an_agent_reads_pages_of_its_own_beside_a_busy_one(session):
    quiet = session.agent(script=["one"] * 3, agent_id="quiet")
    quiet("a")
    busy = session.agent(script=["two"] * 60, agent_id="busy")
    for number in range(50):
        busy(f"b{number}")
    for name, expected in (("quiet", 2), ("busy", 100)):
        session.calls.clear()
        assert len(session.agent(agent_id=name).messages) == expected
        assert session.calls["ListEvents"] <= 2, name


def test_a_filtered_read_that_lags_loses_nothing(session):
    quiet = session.agent(script=["one"] * 3, agent_id="quiet")
    quiet("a")
    busy = session.agent(script=["two"] * 60, agent_id="busy")
    for number in range(30):
        busy(f"b{number}")
    quiet("late")

    def lag(params, **_):
        if "filter" in params:
            params["filter"]["eventMetadata"].append(
                {"left": {"metadataKey": "lag"}, "operator": "EXISTS"}  # the filter has not seen anything yet
            )

    session.boto.events.register("provide-client-params.bedrock-agentcore.ListEvents", lag)
    assert texts(session.agent(agent_id="quiet"))[-2:] == ["late", "one"]


def test_agents_of_one_process_share_a_writer_in_order(session):
    managers = [session.manager() for _ in range(3)]
    agents = [
        session.agent(manager, ["yes"] * 5, agent_id=f"agent-{number}") for number, manager in enumerate(managers)
    ]
    for _ in range(3):
        for agent in agents:
            agent("hello")
    assert len({id(manager._writer) for manager in managers}) == 1
    events = [
        event.event_id for page in EventReader(session.data, session.address, everyone=True).pages() for event in page
    ]
    assert events == sorted(events, reverse=True)
    assert len(events) == 10  # nine turns and the session's mark


def test_pins_are_each_agents_own(session):
    managers = {name: session.manager() for name in ("first", "second")}
    agents = {name: session.agent(manager, ["yes"] * 3, agent_id=name) for name, manager in managers.items()}
    agents["first"]("a")
    agents["second"]("b")
    managers["second"].pin("Answer in French.")
    managers["first"].pin("Answer in verse.")
    again = {name: session.manager() for name in ("second", "first")}
    for name, manager in again.items():
        session.agent(manager, agent_id=name)
    assert {name: [pin.text for pin in manager.pins()] for name, manager in again.items()} == {
        "first": ["Answer in verse."],
        "second": ["Answer in French."],
    }


def test_what_an_agent_left_in_the_outbox_stays_its_own(session, tmp_path):
    writes = WriteConfig(outbox=tmp_path / "outbox.db")
    first = session.agent(session.manager(writes=writes), ["one"], agent_id="first")
    first("a")
    manager = session.manager(writes=writes)
    second = session.agent(manager, ["two"], agent_id="second")
    manager._log.turn.add({"role": "user", "content": [{"text": "unsent"}], "tracking_id": "t-1"})
    manager._log.accept()
    del first, second, manager
    import gc

    gc.collect()
    assert texts(session.agent(session.manager(writes=writes), agent_id="first")) == ["a", "one"]
    assert texts(session.agent(session.manager(writes=writes), agent_id="second")) == ["unsent"]


def test_what_is_redacted_is_redacted_in_every_form(session):
    manager = session.manager(writes=WriteConfig(redact=lambda text: text.replace("secret", "…")))
    session.agent(script=["ok"], agent_id="first")("hi")
    session.agent(manager, ["the secret is safe"], agent_id="second")("keep the secret")
    events = session.data.list_events(**session.address.parameters(), includePayloads=True)["events"]
    assert "secret" not in json.dumps(events, default=str)


def test_a_message_of_another_agent_can_be_redacted(session):
    session.agent(script=["ok"], agent_id="first")("hi")
    manager = session.manager()
    second = session.agent(manager, ["fine"], agent_id="second")
    second("my number is 12345")
    manager.redact_latest_message(
        {"role": "user", "content": [{"text": "[gone]"}], "tracking_id": second.messages[0]["tracking_id"]}, second
    )
    assert texts(session.agent(agent_id="second")) == ["[gone]", "fine"]
    assert texts(session.agent(agent_id="first")) == ["hi", "ok"]


def test_metadata_that_says_whose_an_event_is_is_reserved():
    with pytest.raises(ConfigurationError, match="agentmemAgent"):
        WriteConfig(metadata={"agentmemAgent": "me"})
