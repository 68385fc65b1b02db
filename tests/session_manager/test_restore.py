"""Opening a session: what it costs, what happens at the same time, and what happens when events are gone."""

from __future__ import annotations

import json
import threading
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time

from agentmem import MemoryConfig
from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey, SeenEvents
from agentmem.checkpoints.event_log import EventLogCheckpointStore
from agentmem.checkpoints.in_memory import InMemoryCheckpointStore
from agentmem.checkpoints.restore import read_session
from agentmem.checkpoints.summary import Summary
from agentmem.events.codec import decode_event
from agentmem.events.position import Position
from agentmem.events.reader import EventReader
from agentmem.events.serializer import encode_message
from agentmem.local import LocalMemory
from agentmem.messages.truncation import TruncationSettings
from agentmem.settings.sections import DynamoDBCheckpoints, InMemoryCheckpoints
from agentmem.testing import Reply, ScriptedModel, ToolCall
from converse import validate_request
from growth import Growth
from sessions import Session

THRESHOLD = 4_000


def _fill(growth, turns, first=0):
    for number in range(first, first + turns):
        growth.script(Reply(tool_calls=[ToolCall("look", {"query": f"item {number}"})]), f"Item {number} is blue.")
        growth.agent(f"What about item {number}?")


# ---- what it costs


@pytest.fixture
def made(monkeypatch):
    """The boto3 clients that were made, by service."""
    import boto3

    made = Counter()
    make = boto3.Session.client

    def count(self, service_name, *args, **kwargs):
        made[service_name] += 1
        return make(self, service_name, *args, **kwargs)

    monkeypatch.setattr(boto3.Session, "client", count)
    return made


def test_a_second_manager_of_the_same_configuration_makes_no_client(made, dynamodb_endpoint, checkpoint_table):
    config = MemoryConfig.local(
        LocalMemory(),
        namespaces=(),
        checkpoints=DynamoDBCheckpoints(table=checkpoint_table, endpoint_url=dynamodb_endpoint, region="us-west-2"),
    )
    session = Session()
    made.clear()
    for number in range(3):
        manager = config.bind("ann", f"s-{number}").session_manager()
        session.agent(manager, ["hello"])("hi")
        manager.recall.by_words("hello")
        if number == 0:
            first = made.copy()
    assert first["bedrock-agentcore"] == 1
    assert first["dynamodb"] == 1
    assert made == first


def test_restoring_makes_no_more_clients_than_writing(made):
    session = Session()
    made.clear()
    session.agent(script=["hello"])("hi")
    before = made.copy()
    session.agent(script=["hello"])("hi")
    assert made == before


class MeetingStore(InMemoryCheckpointStore):
    """A store whose reading waits for the reading of the events."""

    def __init__(self, together):
        super().__init__(uuid.uuid4().hex)
        self.together = together

    def load(self, key):
        self.together.wait()
        return super().load(key)


def test_the_events_and_the_checkpoint_are_read_at_the_same_time():
    together = threading.Barrier(2, timeout=0.9)
    session = Session()
    session.boto.events.register("before-send.bedrock-agentcore.ListEvents", lambda **_: together.wait() and None)
    manager = session.manager(checkpoints=MeetingStore(together))
    agent = session.agent(manager, ["hello"])
    assert agent.messages == []
    assert not together.broken


def test_what_is_kept_from_before_the_boundary_is_read_at_the_same_time():
    """The user's messages of a long turn that is partly folded lie further back than the pages that are read."""
    session = Session()
    positions = []
    for number in range(230):
        message = {"role": "user", "content": [{"text": f"message {number}"}], "tracking_id": str(uuid.uuid4())}
        made = session.data.create_event(
            **session.address.parameters(), eventTimestamp=1_700_000_000 + number, payload=[encode_message(message)]
        )
        positions.append(Position(made["event"]["eventId"], 0))
    store = InMemoryCheckpointStore(uuid.uuid4().hex)
    key = CheckpointKey(session.memory_id, "ann", "s-1", "default")
    settings = TruncationSettings()
    store.save(key, Checkpoint(1, positions[200], settings, Summary(), head=tuple(positions[:2]), folded_messages=198))
    together = threading.Barrier(2, timeout=0.9)
    session.boto.events.register("before-send.bedrock-agentcore.GetEvent", lambda **_: together.wait() and None)
    restored = read_session(EventReader(session.data, session.address), store, key)
    texts = [one.message["content"][0]["text"] for one in restored.messages]
    assert texts == ["message 0", "message 1", *(f"message {number}" for number in range(200, 230))]
    assert (session.calls["ListEvents"], session.calls["GetEvent"]) == (2, 2)


class Seen:
    """A session of 80 events with a checkpoint before the newest ten, whose maker had seen the last 50 before those."""

    def __init__(self):
        self.session = Session()
        self.made = [self.say(number, number * 10) for number in range(80)]
        self.store = InMemoryCheckpointStore(uuid.uuid4().hex)
        self.key = CheckpointKey(self.session.memory_id, "ann", "s-1", "default")
        self.payloads = 0
        self.session.data.meta.events.register("after-call.bedrock-agentcore.ListEvents", self._count)

    def _count(self, parsed, **_):
        self.payloads += sum("payload" in event for event in parsed["events"])

    def say(self, number, second):
        at = 1_700_000_000 + second
        message = {"role": "user", "content": [{"text": f"message {number}"}], "tracking_id": str(uuid.uuid4())}
        made = self.session.data.create_event(
            **self.session.address.parameters(),
            eventTimestamp=at,
            payload=[encode_message(message)],
        )
        return Position(made["event"]["eventId"], 0)

    def fold(self, head=()):
        seen = SeenEvents.before(self.made[70], [one.event_id for one in self.made], self.made[20].milliseconds)
        checkpoint = Checkpoint(
            1, self.made[70], TruncationSettings(), Summary(), head=tuple(head), folded_messages=70, seen=seen
        )
        self.store.save(self.key, checkpoint)

    def restored(self):
        found = read_session(EventReader(self.session.data, self.session.address), self.store, self.key)
        return [one.message["content"][0]["text"] for one in found.messages], found


NEWEST = [f"message {number}" for number in range(70, 80)]


def test_of_the_events_that_are_accounted_for_only_the_ids_are_read():
    seen = Seen()
    seen.fold()
    texts, found = seen.restored()
    assert texts == NEWEST
    assert (seen.session.calls["ListEvents"], seen.payloads) == (2, 20)
    assert found.seen.event_ids >= {one.event_id for one in seen.made[20:]}


def test_an_event_that_came_late_is_read_however_far_back_it_stands():
    seen = Seen()
    seen.fold()
    seen.say("late", 305)
    assert seen.restored()[0] == ["message late", *NEWEST]


def test_what_is_kept_of_them_is_read_in_one_page_more():
    seen = Seen()
    seen.fold(head=seen.made[30:34])
    assert seen.restored()[0] == [*(f"message {number}" for number in range(30, 34)), *NEWEST]
    assert (seen.session.calls["ListEvents"], seen.session.calls["GetEvent"]) == (3, 0)


def test_when_the_ids_do_not_reach_back_far_enough_the_events_are_read():
    seen = Seen()
    seen.fold()
    for number in range(120):
        seen.say(f"new {number}", 2_000 + number)
    texts, _ = seen.restored()
    assert texts == [*NEWEST, *(f"message new {number}" for number in range(120))]


# ---- events that are gone


@pytest.mark.parametrize("checkpoints", [None, InMemoryCheckpoints()], ids=["event log", "a store"])
def test_a_boundary_event_that_has_expired_still_restores(checkpoints):
    growth = Growth(checkpoints=checkpoints)
    growth.open()
    _fill(growth, 9)
    boundary = growth.manager.checkpoint.boundary
    events = _events(growth)
    gone = [one["eventId"] for one in events if one["eventId"] <= boundary.event_id]
    left = [name for name, message in growth.said.items()]
    _expire(growth, gone)
    agent = growth.open(["It was blue."])
    shown = [message["tracking_id"] for message in agent.messages]
    assert boundary.event_id in gone
    assert shown == left[-len(shown) :]
    assert 0 < len(shown) < 12
    assert agent.messages[0]["content"][0]["text"].startswith("<conversation_summary")
    agent("What was item 1?")
    validate_request(agent.model.requests[-1].messages)
    _fill(growth, 6, first=20)
    growth.check_requests()
    assert growth.manager.checkpoint.folded_messages > 12


def test_a_session_whose_every_event_before_the_newest_turn_has_expired_goes_on():
    growth = Growth()
    growth.open()
    _fill(growth, 9)
    _expire(growth, [one["eventId"] for one in _events(growth)[1:]])
    agent = growth.open(["It was blue."])
    assert len(agent.messages) == 4
    agent("What was it?")
    growth.check_requests()


def test_a_checkpoint_whose_own_event_has_expired_is_missed_aloud(caplog):
    growth = Growth()
    growth.open()
    _fill(growth, 6)
    assert growth.folded
    growth.script("Fine.", "Good.")
    growth.agent("How are you?")
    growth.agent("And now?")
    left = [one["eventId"] for one in _events(growth)][:2]
    _expire(growth, [one["eventId"] for one in _events(growth)[2:]])
    agent = growth.open(["Yes."])
    assert "the event with the checkpoint is gone, and its summary with it" in caplog.text
    assert [message["content"][0]["text"] for message in agent.messages] == [
        "How are you?",
        "Fine.",
        "And now?",
        "Good.",
    ]
    agent("Still there?")
    growth.check_requests()
    assert [one["eventId"] for one in _events(growth)][-2:] == left
    caplog.clear()
    growth.open()
    assert "is gone" not in caplog.text
    _fill(growth, 6)
    folded = growth.manager.checkpoint.folded_messages
    growth.open()
    assert growth.manager.checkpoint.folded_messages == folded  # a new first version, though there was a higher one
    assert "is gone" not in caplog.text


def test_a_checkpoint_moves_on_with_a_session_that_is_used_for_longer_than_its_event_lives():
    growth = Growth()
    with freeze_time(datetime.now(UTC) - timedelta(days=2), tick=True):
        growth.open()
        _fill(growth, 6)
        made = growth.manager.checkpoint
        growth.open(["Fine."])("How are you?")
        assert _holders(growth, made.version) == 1
    growth.open(["Good."])("And now?")
    assert _holders(growth, made.version) == 2
    growth.open(["Well."])("And today?")
    assert _holders(growth, made.version) == 2
    _expire(growth, [one["eventId"] for one in _events(growth)[2:]])
    agent = growth.open(["Yes."])
    assert growth.manager.checkpoint.version == made.version
    assert growth.manager.checkpoint.summary == made.summary
    assert agent.messages[0]["content"][0]["text"].startswith("<conversation_summary")
    address = growth.session.address
    key = CheckpointKey(address.memory_id, address.actor_id, address.session_id, "default")
    history = EventLogCheckpointStore(growth.session.data).history(key)
    assert [one.version for one in history] == [made.version]


def test_a_redaction_is_not_undone_by_a_checkpoint_that_moves_on():
    growth = Growth()
    with freeze_time(datetime.now(UTC) - timedelta(days=2), tick=True):
        growth.open()
        _fill(growth, 6)
    agent = growth.open(["Fine."])
    growth.manager.redact_latest_message({**agent.messages[-2], "content": [{"text": "[redacted]"}]}, agent)
    agent("How are you?")
    checkpoint = growth.manager.checkpoint
    assert _holders(growth, checkpoint.version) == 1
    growth.open(["Good."])("And now?")
    assert growth.manager.checkpoint.version == checkpoint.version


def test_the_originals_of_a_partly_folded_turn_may_have_expired():
    """The user's own message of a long turn stands before the boundary; without its event the rest is shown."""
    from agentmem.settings.sections import WriteConfig

    growth = Growth(writes=WriteConfig(flush="message"))
    agent = growth.open([Reply(tool_calls=[ToolCall("look", {"query": f"item {n}"})]) for n in range(20)] + ["done"])
    agent("Look at all items.")
    head = growth.manager.checkpoint.head
    assert len(head) == 1
    _expire(growth, [one["eventId"] for one in _events(growth) if one["eventId"] <= head[0].event_id])
    agent = growth.open(["It was blue."])
    agent("What was it?")
    growth.check_requests()


def _events(growth):
    found = []
    more = {}
    while True:
        page = growth.session.data.list_events(**growth.session.address.parameters(), maxResults=100, **more)
        found += page["events"]
        if not page.get("nextToken"):
            return found
        more = {"nextToken": page["nextToken"]}


def _holders(growth, version):
    """How many events hold the checkpoint of a version."""
    held = [decode_event(one).ours.get("checkpoint") for one in _events(growth)]
    return sum(1 for one in held if one is not None and one["checkpoint"]["version"] == version)


def _expire(growth, event_ids):
    for event_id in event_ids:
        growth.session.data.delete_event(**growth.session.address.parameters(), eventId=event_id)


# ---- the first opening of a session that nobody compacted


EVENTS = 5_400


@pytest.fixture(scope="module")
def long_session():
    """A session longer than what the first opening reads, as a plain session manager leaves it."""
    session = Session(session="very-long")
    for number in range(EVENTS):
        text = "Noted." if number % 2 else f"Locker {number} has the code Z{number * 37 % 1000:03d}."
        message = {
            "role": "assistant" if number % 2 else "user",
            "content": [{"text": text}],
            "tracking_id": str(uuid.uuid4()),
        }
        session.data.create_event(
            **session.address.parameters(),
            eventTimestamp=1_700_000_000 + number,
            payload=[encode_message(message)],
            extractionMode="SKIP",
        )
    return session


@pytest.mark.slow
def test_a_first_opening_reads_five_thousand_events_and_says_so(long_session):
    manager = long_session.manager(token_threshold=THRESHOLD)
    before = long_session.calls["ListEvents"]
    agent = long_session.agent(manager, ["Yes."])
    checkpoint = manager.checkpoint
    assert 4_900 <= checkpoint.folded_messages <= 5_100
    # Each page is looked at once for where it is and read once to be folded.
    assert long_session.calls["ListEvents"] - before < 120
    assert "The oldest part of this conversation was not read" in agent.messages[0]["content"][0]["text"]
    assert agent.messages[-2]["content"][-1]["text"].startswith(f"Locker {EVENTS - 2} ")
    agent("Are you there?")
    validate_request(agent.model.requests[0].messages)
    assert agent.model.requests[0].tokens <= THRESHOLD * 1.1
    before = long_session.calls.copy()
    long_session.agent(long_session.manager(token_threshold=THRESHOLD))
    assert (long_session.calls - before).total() <= 3


@pytest.mark.slow
def test_what_lies_before_is_recalled_by_its_words_in_bounded_steps(long_session):
    manager = long_session.manager(token_threshold=THRESHOLD)
    long_session.agent(manager)
    wanted = "Locker 4 has the code Z148."
    query = "What is the code of locker 4?"
    steps = []
    for _ in range(12):
        before = long_session.calls.copy()
        found = [one for one in manager.recall.by_words(query, max_tokens=300) if one.text == wanted]
        steps.append(((long_session.calls - before).total(), manager.recall.looked_back_to))
        if found:
            break
    assert found, steps
    assert len(steps) > 1
    assert all(calls <= 10 for calls, _ in steps)
    assert all(stopped is not None for _, stopped in steps[:-1])
    assert manager.recall.by_handle(found[0].handle).text == wanted
    again = long_session.agent(long_session.manager(token_threshold=THRESHOLD))
    again.model = ScriptedModel([ToolCall("recall_session", {"query": "the code of locker 6"}), "I do not know yet."])
    again("What is the code of locker 6?")
    said = json.dumps(again.model.requests[-1].tool_results())
    assert "asking again looks further back" in said


@pytest.mark.slow
def test_a_question_that_was_asked_before_is_no_answer_to_itself(long_session):
    manager = long_session.manager(token_threshold=THRESHOLD)
    question = "What is the code of locker 8?"
    long_session.agent(manager, ["I do not know."])(question)
    said = [one.text for _ in range(12) for one in manager.recall.by_words(question, max_tokens=300)]
    assert question in said
    assert "Locker 8 has the code Z296." in said
