"""Forgetting a person: nothing is left that any operation would show, and nobody else is touched."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from agentmem import (
    DynamoDBCheckpoints,
    EventLogCheckpoints,
    InMemoryCheckpoints,
    MemoryConfig,
    SqliteCheckpoints,
    WriteConfig,
)
from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey
from agentmem.checkpoints.open import open_store
from agentmem.checkpoints.summary import Summary
from agentmem.errors import ConfigurationError, IdentityError
from agentmem.events.batch import OutgoingItem
from agentmem.events.outbox import open_outbox
from agentmem.events.position import Position
from agentmem.local import LocalMemory
from agentmem.messages.truncation import TruncationSettings
from agentmem.operations.forgetting import Forgetting
from agentmem.scope.address import SessionAddress
from agentmem.scope.namespaces import Namespace

ANN = "ann"
OTHERS = ("anna", "bob", "an", "ann/bob")
START = datetime(2026, 1, 1, tzinfo=UTC)


class Failing:
    """An extractor that fails for what mentions a storm, so that there are failed jobs."""

    def __init__(self):
        from agentmem.local.extraction.extractor import RuleExtractor

        self._rules = RuleExtractor()

    def __getattr__(self, name):
        method = getattr(self._rules, name)
        if not callable(method):
            return method

        def guarded(*arguments, **options):
            if "storm" in str(arguments) + str(options):
                raise RuntimeError("no extraction of storms")
            return method(*arguments, **options)

        return guarded


def texts_of(value):
    return json.dumps(value, default=str, sort_keys=True)


class Scan:
    """Asks every operation that shows something, for everybody."""

    def __init__(self, config, actors):
        self.config = config
        self.data = config.data_plane()
        self.control = config.control_plane()
        self.memory_id = config.memory_id
        self.actors = actors

    def pages(self, operation, member, **parameters):
        pages = self.data.get_paginator(operation).paginate(memoryId=self.memory_id, **parameters)
        return [one for page in pages for one in page[member]]

    def of(self, actor):
        """What there is of one actor, by operation."""
        found = {"ListActors": [one for one in self.pages("list_actors", "actorSummaries") if one["actorId"] == actor]}
        sessions = self.pages("list_sessions", "sessionSummaries", actorId=actor)
        found["ListSessions"] = sessions
        found["ListEvents"], found["GetEvent"] = [], []
        for name in {one["sessionId"] for one in sessions} | {"s-1", "s-2"}:
            whose = {"actorId": actor, "sessionId": name}
            events = self.pages("list_events", "events", **whose)
            found["ListEvents"] += events
            for event in events:
                answer = self.data.get_event(memoryId=self.memory_id, eventId=event["eventId"], **whose)
                found["GetEvent"].append(answer["event"])
        found["ListMemoryExtractionJobs"] = self.pages("list_memory_extraction_jobs", "jobs", filter={"actorId": actor})
        return found

    def records(self):
        found = {"ListMemoryRecords": self.pages("list_memory_records", "memoryRecordSummaries", namespacePath="/")}
        found["GetMemoryRecord"] = [
            self.data.get_memory_record(memoryId=self.memory_id, memoryRecordId=one["memoryRecordId"])["memoryRecord"]
            for one in found["ListMemoryRecords"]
        ]
        answer = self.data.retrieve_memory_records(
            memoryId=self.memory_id, namespacePath="/", searchCriteria={"searchQuery": "Porto", "topK": 100}
        )
        found["RetrieveMemoryRecords"] = answer["memoryRecordSummaries"]
        return found

    def everything(self):
        found = {actor: self.of(actor) for actor in self.actors}
        found["records"] = self.records()
        found["ListMemoryExtractionJobs"] = self.pages("list_memory_extraction_jobs", "jobs")
        found["GetMemory"] = self.control.get_memory(memoryId=self.memory_id)["memory"]
        return found


def say(config, actor, session, number, text, **more):
    return config.data_plane().create_event(
        memoryId=config.memory_id,
        actorId=actor,
        sessionId=session,
        eventTimestamp=START + timedelta(minutes=number),
        payload=[{"conversational": {"role": "USER", "content": {"text": text}}}],
        metadata={"who": {"stringValue": actor.replace("/", "-")}},
        clientToken=f"{actor}-{session}-{number}-{'t' * 30}".replace("/", "-"),
        **more,
    )["event"]


def checkpoint(version):
    return Checkpoint(
        version=version,
        boundary=Position(f"{version:019d}#0a1b2c3d", 0),
        settings=TruncationSettings(),
        summary=Summary(narrative="A secret."),
    )


NAMESPACES = (
    Namespace.user_preference("preferences", "/users/{actorId}/preferences/"),
    Namespace.semantic("facts", "/users/{actorId}/facts/"),
    Namespace.summary("summaries", "/summaries/{actorId}/{sessionId}/"),
    Namespace.semantic("by_session", "/sessions/{sessionId}/{actorId}/"),
)


@pytest.fixture
def locations(tmp_path, dynamodb_endpoint, checkpoint_table, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    return {
        "event_log": EventLogCheckpoints(),
        "sqlite": SqliteCheckpoints(path=tmp_path / "checkpoints.sqlite"),
        "memory": InMemoryCheckpoints(),
        "dynamodb": DynamoDBCheckpoints(table=checkpoint_table, region="us-west-2", endpoint_url=dynamodb_endpoint),
    }


@pytest.fixture(params=["event_log", "sqlite", "dynamodb", "memory"])
def config(request, tmp_path, locations):
    """A memory that knows five people by everything it can hold."""
    memory = LocalMemory(tmp_path / "memory.db", extractor=Failing())
    config = MemoryConfig.local(
        memory,
        namespaces=NAMESPACES,
        checkpoints=locations[request.param],
        writes=WriteConfig(outbox=tmp_path / "outbox.db"),
    )
    store = open_store(
        config.checkpoints, boto_session=config.boto_session(), region="us-west-2", data_client=config.data_plane()
    )
    for actor in (ANN, *OTHERS):
        root = say(config, actor, "s-1", 1, f"My name is {actor.title()} and I live in Porto.")
        say(config, actor, "s-1", 2, "I prefer tea.", branch={"name": "other", "rootEventId": root["eventId"]})
        say(config, actor, "s-2", 3, "There was a storm in Porto.")
        for agent in ("default", "planner#v1"):
            key = CheckpointKey(config.memory_id, actor, "s-1", agent)
            store.save(key, checkpoint(1))
            store.save(key, checkpoint(2))
        # Checkpoints may outlive the events they describe.
        store.save(CheckpointKey(config.memory_id, actor, "s-0", "default"), checkpoint(1))
        config.data_plane().batch_create_memory_records(
            memoryId=config.memory_id,
            records=[
                {
                    "requestIdentifier": "one",
                    "namespaces": [f"/users/{actor}/facts/"],
                    "content": {"text": f"{actor} was put here by hand."},
                    "timestamp": START,
                }
            ],
        )
    return config


def kept(config, actor):
    store = open_store(
        config.checkpoints, boto_session=config.boto_session(), region="us-west-2", data_client=config.data_plane()
    )
    keys = [CheckpointKey(config.memory_id, actor, session, agent) for session, agent in AGENTS]
    return [one.to_dict() for key in keys for one in store.history(key)]


AGENTS = (("s-0", "default"), ("s-1", "default"), ("s-1", "planner#v1"))


def test_the_scan_knows_every_operation_that_shows_something(config):
    """A new operation of the service is a new way to show a trace."""
    model = botocore.session.get_session().get_service_model("bedrock-agentcore")
    shown = {name for name in model.operation_names if name.startswith(("Get", "List", "Retrieve"))}
    about_memory = {name for name in shown if "memoryId" in model.operation_model(name).input_shape.members}
    found = Scan(config, [ANN]).everything()
    assert about_memory == set(found[ANN]) | set(found["records"])


def test_nothing_is_left_of_the_actor_and_nobody_else_is_touched(config):
    scan = Scan(config, [ANN, *OTHERS])
    before = scan.everything()
    assert all(before[ANN].values()), "the actor must be known to every operation before"
    others = {actor: (before[actor], kept(config, actor)) for actor in OTHERS}
    mine = [one for one in before["records"]["ListMemoryRecords"] if belongs(one)]
    assert len({one["namespaces"][0] for one in mine}) >= 4
    forgetting = Forgetting(config, ANN)
    traces = forgetting.find()
    assert traces.counts["events"] == len(before[ANN]["ListEvents"])
    assert set(traces.records) == {one["memoryRecordId"] for one in mine}
    done = forgetting.forget(traces)
    assert done.counts == traces.counts
    after = scan.everything()
    assert after[ANN] == {operation: [] for operation in before[ANN]}
    assert not [one for one in after["records"]["ListMemoryRecords"] if belongs(one)]
    assert kept(config, ANN) == []
    assert '"actorId": "ann"' not in texts_of(after)
    for actor in OTHERS:
        assert texts_of((after[actor], kept(config, actor))) == texts_of(others[actor])
    for operation in ("ListMemoryRecords", "GetMemoryRecord"):
        left = [one for one in before["records"][operation] if one["memoryRecordId"] not in traces.records]
        assert texts_of(after["records"][operation]) == texts_of(left)


def belongs(record):
    return any(
        namespace.startswith(("/users/ann/facts", "/users/ann/preferences"))
        or namespace in {"/summaries/ann/s-1/", "/summaries/ann/s-2/", "/sessions/s-1/ann/", "/sessions/s-2/ann/"}
        for namespace in record["namespaces"]
    )


def test_looking_deletes_nothing(config):
    scan = Scan(config, [ANN, *OTHERS])
    before = scan.everything()
    Forgetting(config, ANN).find()
    assert texts_of(scan.everything()) == texts_of(before)


def test_no_file_holds_a_word_of_the_actor_afterwards_nor_the_name(tmp_path):
    places = {"checkpoints": SqliteCheckpoints(path=tmp_path / "files" / "checkpoints.sqlite")}
    memory = LocalMemory(tmp_path / "files" / "memory.db", extractor=Failing())
    writes = WriteConfig(outbox=tmp_path / "files" / "outbox.db")
    config = MemoryConfig.local(memory, namespaces=NAMESPACES, writes=writes, **places)
    words = {"ann": "xylophone", "bob": "marzipan"}
    for actor, word in words.items():
        say(config, actor, "s-1", 1, f"My name is Zenobia and I prefer {word} concerts in Porto.")
        say(config, actor, "s-2", 2, f"There was a storm of {word} in Porto.")
        saved = replace(checkpoint(1), summary=Summary(narrative=f"About {word}."))
        open_store(config.checkpoints).save(CheckpointKey(config.memory_id, actor, "s-1", "default"), saved)
        unsent(config, actor, f"unsent {word}")
    config.data_plane().retrieve_memory_records(
        memoryId=config.memory_id, namespacePath="/", searchCriteria={"searchQuery": "concerts"}
    )
    assert mentions(tmp_path, "ann", "xylophone") == mentions(tmp_path, "bob", "marzipan") == {
        "memory.db", "checkpoints.sqlite", "outbox.db"
    }  # fmt: skip
    forgetting = Forgetting(config, "ann")
    forgetting.forget(forgetting.find())
    assert mentions(tmp_path, "lophon") == set()  # as the full-text index abbreviates it, too
    assert mentions(tmp_path, "/ann/", "actor ann", '"ann"') == set()
    assert mentions(tmp_path, "marzipan") == {"memory.db", "checkpoints.sqlite", "outbox.db"}


def mentions(folder, *words):
    """The databases of a folder whose files, the logs beside them included, hold one of the words."""
    return {
        file.name.removesuffix("-wal")
        for file in folder.rglob("*")
        if file.is_file() and any(word.encode() in file.read_bytes() for word in words)
    }


def unsent(config, actor, text):
    """Leave a message in the outbox."""
    item = OutgoingItem("t-1", {"conversational": {"role": "USER", "content": {"text": text}}}, conversational=True)
    outbox = open_outbox(config.writes.outbox)
    outbox.keep_messages(SessionAddress(config.memory_id, actor, "s-1"), [item], set())
    return outbox


@pytest.fixture
def small(tmp_path):
    return MemoryConfig.local(tmp_path / "small", writes=WriteConfig(outbox=tmp_path / "outbox.db"))


def test_unsent_messages_are_forgotten_too(small):
    for actor in ("ann", "bob"):
        outbox = unsent(small, actor, "unsent")
    forgetting = Forgetting(small, "ann")
    traces = forgetting.find()
    assert traces.unsent == 1
    forgetting.forget(traces)
    assert (outbox.count_of(small.memory_id, "ann"), outbox.count_of(small.memory_id, "bob")) == (0, 1)


def test_what_an_extraction_writes_meanwhile_is_found_by_the_next_pass(small):
    say(small, "ann", "s-1", 1, "I live in Porto.")
    late = []

    def write(_done):
        if not late:
            late.append(say(small, "ann", "s-9", 2, "I prefer tea."))

    forgetting = Forgetting(small, "ann")
    done = forgetting.forget(forgetting.find(), on_progress=write)
    assert late[0]["eventId"] in done.events["s-9"]
    assert Forgetting(small, "ann").find().counts["events"] == 0


def test_somebody_who_keeps_writing_is_reported(small):
    from itertools import count

    from agentmem import AgentMemError

    say(small, "ann", "s-1", 1, "I live in Porto.")
    numbers = count(2)
    forgetting = Forgetting(small, "ann")
    with pytest.raises(AgentMemError, match="Stop the agents"):
        forgetting.forget(forgetting.find(), on_progress=lambda _: say(small, "ann", "s-1", next(numbers), "Hello."))


def test_a_remembered_request_does_not_bring_the_event_back(small):
    first = say(small, "ann", "s-1", 1, "I live in Porto.")
    forgetting = Forgetting(small, "ann")
    forgetting.forget(forgetting.find())
    again = say(small, "ann", "s-1", 1, "I live in Porto.")
    assert again["eventId"] != first["eventId"]


def test_a_namespace_that_names_nobody_is_reported(tmp_path):
    shared = (*NAMESPACES[:2], Namespace.semantic("everyones", "/shared/", shared=True))
    config = MemoryConfig.local(tmp_path / "shared", namespaces=shared)
    assert Forgetting(config, "ann").find().shared == ("/shared/",)


def test_a_call_the_service_refuses_is_not_taken_for_nothing(tmp_path):
    memory = LocalMemory(tmp_path / "memory.db")
    config = MemoryConfig.local(memory)
    say(config, "ann", "s-1", 1, "Hello.")
    with memory.faults.inject("access_denied", "ListEvents"), pytest.raises(ClientError):
        Forgetting(config, "ann").find()
    with memory.faults.inject("malformed", "ListSessions"), pytest.raises(ResponseParserError):
        Forgetting(config, "ann").find()


def test_bad_ids_are_refused(small):
    with pytest.raises(IdentityError):
        Forgetting(small, "not an id")
    with pytest.raises(ConfigurationError):
        Forgetting(MemoryConfig(region="us-west-2"), "ann")
