"""Events, sessions and actors, as the live service shows them."""

import itertools
import re
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from memory_api import SEMANTIC, MemoryApi, said

from agentmem.local import LocalMemory

AT = datetime(2025, 8, 25, 15, 12, 34, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _created(api):
    api.create()


def code_of(refused):
    return refused.value.response["Error"]["Code"]


def test_an_event_id_is_its_time_in_milliseconds_and_hex(api):
    event = api.say("hi", at=datetime(2025, 8, 25, 20, 32, 34, tzinfo=UTC))
    assert re.fullmatch(r"0000001756153954000#[0-9a-f]{8}", event["eventId"])


def test_an_event_comes_back_as_it_was_written(api):
    payload = [said("hello"), {"blob": {"state": [1, None, "é", {"x": 1.5}]}}, {"json": {"content": {"k": "v"}}}]
    written = api.event(*payload, at=AT, metadata={"k": {"stringValue": "v"}})
    read = api.data.get_event(memoryId=api.memory_id, actorId="bob", sessionId="s1", eventId=written["eventId"])[
        "event"
    ]
    assert read == written
    assert read["payload"] == payload
    assert read["metadata"] == {"k": {"stringValue": "v"}}
    assert read["eventTimestamp"] == AT
    assert read["branch"] == {"name": "main"}


def test_milliseconds_of_a_timestamp_are_kept(api):
    at = AT + timedelta(milliseconds=123)
    assert api.say("hi", at=at)["eventTimestamp"] == at


def test_events_are_listed_newest_first_by_their_own_time(api):
    for hours, text in ((2, "third"), (0, "first"), (1, "second")):
        api.say(text, at=AT + hours * HOUR)
    texts = [event["payload"][0]["conversational"]["content"]["text"] for event in api.events()]
    assert texts == ["third", "second", "first"]


def test_events_of_one_millisecond_keep_the_order_they_were_written_in(api):
    written = [api.say(str(number), at=AT)["eventId"] for number in range(30)]
    assert [event["eventId"] for event in api.all_events(page=7)] == written[::-1]


def test_an_event_id_is_not_given_twice(api):
    first = api.say("one", at=AT)["eventId"]
    api.data.delete_event(memoryId=api.memory_id, actorId="bob", sessionId="s1", eventId=first)
    assert api.say("two", at=AT)["eventId"] != first


@pytest.fixture(scope="module")
def shared():
    with LocalMemory() as memory:
        api = MemoryApi(memory.boto_session())
        api.create()
        yield api


numbers = itertools.count()


@given(offsets=st.lists(st.integers(min_value=0, max_value=5), max_size=25), page=st.integers(min_value=1, max_value=7))
def test_pages_join_to_the_whole_list(shared, offsets, page):
    session = f"s{next(numbers)}"
    for offset in offsets:
        shared.say("x", at=AT + offset * HOUR, session=session)
    listed = [event["eventId"] for event in shared.all_events(page=page, session=session)]
    assert listed == sorted(listed, reverse=True)
    assert len(set(listed)) == len(offsets)


def test_a_page_has_twenty_events_unless_told_otherwise(api):
    for number in range(25):
        api.say(str(number))
    assert len(api.events()) == 20
    assert len(api.events(maxResults=100)) == 25


def test_payloads_can_be_left_out(api):
    api.say("hi")
    [event] = api.events(includePayloads=False)
    assert "payload" not in event
    assert event["eventId"]


def test_a_page_token_of_another_query_or_by_hand_is_refused(api):
    for number in range(3):
        api.say(str(number))
    token = api.data.list_events(memoryId=api.memory_id, actorId="bob", sessionId="s1", maxResults=1)["nextToken"]
    for arguments in ({"session": "s2", "nextToken": token}, {"nextToken": "rubbish"}, {"nextToken": "W10="}):
        with pytest.raises(ClientError) as refused:
            api.events(**arguments)
        assert code_of(refused) == "ValidationException"


def test_a_repeated_client_token_answers_with_the_first_event(api):
    first = api.say("first", clientToken="t", at=AT)
    again = api.say("changed", clientToken="t", at=AT + HOUR)
    assert again == first
    assert len(api.events()) == 1


def test_a_client_token_is_remembered_after_its_event_is_deleted(api):
    first = api.say("first", clientToken="t", at=AT)
    api.data.delete_event(memoryId=api.memory_id, actorId="bob", sessionId="s1", eventId=first["eventId"])
    assert api.say("first", clientToken="t", at=AT)["eventId"] == first["eventId"]
    assert api.events() == []


def test_a_missing_session_id_becomes_a_uuid(api):
    event = api.data.create_event(memoryId=api.memory_id, actorId="bob", eventTimestamp=AT, payload=[])["event"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", event["sessionId"])
    assert event["payload"] == []


def test_unknown_actors_and_sessions_are_empty_and_unknown_memories_not_found(api):
    assert api.events(actor="nobody") == []
    assert api.events(session="never") == []
    assert api.data.list_sessions(memoryId=api.memory_id, actorId="nobody")["sessionSummaries"] == []
    with pytest.raises(ClientError) as refused:
        api.data.list_events(memoryId="missing-0123456789", actorId="a", sessionId="s")
    assert code_of(refused) == "ResourceNotFoundException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_a_memory_is_also_known_by_its_arn(api):
    api.say("hi")
    arn = f"arn:aws:bedrock-agentcore:us-west-2:000000000000:memory/{api.memory_id}"
    assert len(api.data.list_events(memoryId=arn, actorId="bob", sessionId="s1")["events"]) == 1


def test_events_of_the_main_branch_name_it_in_every_answer(api):
    event = api.say("hi", clientToken="t" * 33)
    where = {"memoryId": api.memory_id, "actorId": "bob", "sessionId": "s1"}
    api.say("or so", branch={"name": "other", "rootEventId": event["eventId"]})
    answers = [
        event,
        api.say("hi", clientToken="t" * 33),
        api.data.get_event(**where, eventId=event["eventId"])["event"],
        api.events()[-1],
        api.events(includePayloads=False)[-1],
        api.events(filter={"branch": {"name": "main"}})[0],
        api.say("named", branch={"name": "main"}),
    ]
    assert [answer["branch"] for answer in answers] == [{"name": "main"}] * 7
    assert api.events(filter={"branch": {"name": "other"}})[0]["branch"]["name"] == "other"


@pytest.mark.parametrize("actor", ["team/alice", "auth0:alice", "a/b:c/d", "Alice-1_x"])
def test_actor_ids_with_slashes_and_colons_survive_the_path(api, actor):
    event = api.say("hi", actor=actor)
    assert [found["eventId"] for found in api.events(actor=actor)] == [event["eventId"]]
    assert api.data.list_actors(memoryId=api.memory_id)["actorSummaries"] == [{"actorId": actor}]


def test_a_deleted_event_is_gone(api):
    event = api.say("hi")
    where = {"memoryId": api.memory_id, "actorId": "bob", "sessionId": "s1", "eventId": event["eventId"]}
    assert api.data.delete_event(**where)["eventId"] == event["eventId"]
    assert api.events() == []
    for operation in (api.data.get_event, api.data.delete_event):
        with pytest.raises(ClientError) as refused:
            operation(**where)
        assert code_of(refused) == "ResourceNotFoundException"


def test_events_expire_by_the_services_clock(api, clock):
    api.say("old")
    clock.advance(29 * 86_400)
    api.say("young")
    clock.advance(2 * 86_400)
    assert [event["payload"][0]["conversational"]["content"]["text"] for event in api.events()] == ["young"]


def test_expired_events_are_deleted_in_time(memory, api, clock):
    for number in range(300):
        api.say(str(number))
    clock.advance(31 * 86_400)
    for number in range(300):
        api.say(str(number))
    with memory._service.store.read() as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone()[0] < 350


def test_a_payload_over_the_services_limits_is_refused(api):
    ten_megabytes = {"blob": "x" * (10 * 1024 * 1024)}
    for payload in ([ten_megabytes], [{"json": {"content": "x" * (100 * 1024 + 1)}}]):
        with pytest.raises(ClientError) as refused:
            api.event(*payload)
        assert code_of(refused) == "ValidationException"


class TestFilters:
    @pytest.fixture(autouse=True)
    def _written(self, api):
        for number in range(30):
            metadata = {"kind": {"stringValue": "even" if number % 2 == 0 else "odd"}}
            if number % 10 == 0:
                metadata["ten. x"] = {"stringValue": str(number)}
            api.say(str(number), at=AT + number * HOUR, metadata=metadata if number < 28 else {})

    def found(self, api, *expressions, **more):
        events = api.all_events(page=4, filter={"eventMetadata": list(expressions)}, **more)
        return [int(event["payload"][0]["conversational"]["content"]["text"]) for event in events]

    def expression(self, key, operator, value=None):
        right = {"right": {"metadataValue": {"stringValue": value}}} if value is not None else {}
        return {"left": {"metadataKey": key}, "operator": operator, **right}

    def test_equality(self, api):
        assert self.found(api, self.expression("kind", "EQUALS_TO", "odd")) == list(range(27, 0, -2))

    def test_existence_of_a_key_with_a_dot_and_a_space(self, api):
        assert self.found(api, self.expression("ten. x", "EXISTS")) == [20, 10, 0]

    def test_absence(self, api):
        assert self.found(api, self.expression("kind", "NOT_EXISTS")) == [29, 28]

    def test_several_expressions_all_hold(self, api):
        expressions = [self.expression("kind", "EQUALS_TO", "even"), self.expression("ten. x", "EQUALS_TO", "10")]
        assert self.found(api, *expressions) == [10]

    @pytest.mark.parametrize(("operator", "value"), [("EQUALS_TO", None), ("EXISTS", "x"), ("NOT_EXISTS", "x")])
    def test_a_right_side_is_there_exactly_when_the_operator_needs_it(self, api, operator, value):
        with pytest.raises(ClientError) as refused:
            self.found(api, self.expression("kind", operator, value))
        assert code_of(refused) == "ValidationException"


class TestBranches:
    @pytest.fixture
    def tree(self, api):
        """main: m0 m1 m2; branch "b" from m1: b0 b1; branch "c" from b0: c0."""
        events = {}
        for number in range(3):
            events[f"m{number}"] = api.say(f"m{number}", at=AT + number * HOUR)["eventId"]
        events["b0"] = self.on(api, "b", "b0", 3, events["m1"])
        events["b1"] = self.on(api, "b", "b1", 4)
        events["c0"] = self.on(api, "c", "c0", 5, events["b0"])
        return events

    def on(self, api, name, text, hours, root=None):
        branch = {"name": name, **({"rootEventId": root} if root else {})}
        return api.say(text, at=AT + hours * HOUR, branch=branch)["eventId"]

    def listed(self, api, **branch):
        found = api.all_events(filter={"branch": branch}) if branch else api.all_events()
        return [event["payload"][0]["conversational"]["content"]["text"] for event in found]

    def test_without_a_filter_every_branch_is_listed(self, api, tree):
        assert self.listed(api) == ["c0", "b1", "b0", "m2", "m1", "m0"]

    def test_a_branch_alone(self, api, tree):
        assert self.listed(api, name="b") == ["b1", "b0"]
        assert self.listed(api, name="main") == ["m2", "m1", "m0"]
        assert self.listed(api, name="unknown") == []

    def test_a_branch_with_its_parents_up_to_where_it_left_them(self, api, tree):
        assert self.listed(api, name="b", includeParentBranches=True) == ["b1", "b0", "m1", "m0"]
        assert self.listed(api, name="c", includeParentBranches=True) == ["c0", "b0", "m1", "m0"]

    def test_every_event_of_a_branch_names_its_root(self, api, tree):
        roots = {event["branch"]["rootEventId"] for event in api.events(filter={"branch": {"name": "b"}})}
        assert roots == {tree["m1"]}

    @pytest.mark.parametrize(
        ("name", "root", "code", "reason"),
        [
            ("new", None, "ValidationException", "FieldValidationFailed"),
            ("new", "0000000000000000001#aa", "ResourceNotFoundException", None),
            ("b", "m2", "ValidationException", "ResourceConflict"),
        ],
    )
    def test_a_branch_that_cannot_be_is_refused(self, api, tree, name, root, code, reason):
        with pytest.raises(ClientError) as refused:
            self.on(api, name, "x", 9, tree.get(root, root))
        assert code_of(refused) == code
        assert refused.value.response.get("reason") == reason

    def test_a_root_in_another_session_is_refused(self, api, tree):
        with pytest.raises(ClientError) as refused:
            api.say("x", session="s2", branch={"name": "z", "rootEventId": tree["m0"]})
        assert refused.value.response["reason"] == "EventInOtherSession"
        assert api.data.list_sessions(memoryId=api.memory_id, actorId="bob")["sessionSummaries"][0]["sessionId"] == "s1"


class TestSessions:
    def sessions(self, api, **more):
        pages = api.data.get_paginator("list_sessions").paginate(
            memoryId=api.memory_id, actorId="bob", PaginationConfig={"PageSize": 3}, **more
        )
        return [summary["sessionId"] for page in pages for summary in page["sessionSummaries"]]

    def test_sessions_of_an_actor_are_listed_newest_first(self, api, clock):
        for number in range(8):
            api.say("hi", session=f"s{number}")
            clock.advance(number % 2)
        api.say("hi", actor="eve", session="other")
        assert self.sessions(api) == [f"s{number}" for number in (7, 6, 5, 4, 3, 2, 1, 0)]

    def test_a_session_without_events_is_gone_after_a_day(self, api, clock):
        event = api.say("hi")
        api.data.delete_event(memoryId=api.memory_id, actorId="bob", sessionId="s1", eventId=event["eventId"])
        assert self.sessions(api) == ["s1"]
        assert self.sessions(api, filter={"eventFilter": "HAS_EVENTS"}) == []
        clock.advance(86_401)
        assert self.sessions(api) == []

    def test_actors_are_listed_in_pages(self, api):
        names = sorted(f"actor{number}" for number in range(11))
        for name in names:
            api.say("hi", actor=name)
        pages = api.data.get_paginator("list_actors").paginate(memoryId=api.memory_id, PaginationConfig={"PageSize": 4})
        assert [summary["actorId"] for page in pages for summary in page["actorSummaries"]] == names


def test_extraction_config_variables_must_be_declared(api):
    with pytest.raises(ClientError) as refused:
        api.say("hi", extractionConfig={"namespaceVariables": {"team": "red"}})
    assert code_of(refused) == "ValidationException"
    api.create(
        SEMANTIC,
        name="other",
        namespaceKeys=[{"key": "team", "validation": {"allowedValues": ["red"]}}, {"key": "site"}],
    )
    api.say("hi", extractionConfig={"namespaceVariables": {"team": "red", "site": "x"}})
    with pytest.raises(ClientError) as refused:
        api.say("hi", extractionConfig={"namespaceVariables": {"team": "blue"}})
    assert code_of(refused) == "ValidationException"
