"""Memory records: batches, listings, namespaces, metadata filters, expiry."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from memory_api import SEMANTIC

DAY = 86_400
AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _created(api):
    api.create(SEMANTIC, indexedKeys=KEYS)


KEYS = [
    {"key": "team", "type": "STRING"},
    {"key": "score", "type": "NUMBER"},
    {"key": "langs", "type": "STRINGLIST"},
    {"key": "when", "type": "STRING"},
]


def refusal(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def test_a_record_comes_back_as_it_was_written(api, clock):
    [record_id] = api.write("The user lives in Porto.", metadata={"team": {"stringValue": "red"}})
    assert re.fullmatch(r"mem-[0-9a-f-]{36}", record_id)
    record = api.data.get_memory_record(memoryId=api.memory_id, memoryRecordId=record_id)["memoryRecord"]
    assert record["content"] == {"text": "The user lives in Porto."}
    assert record["namespaces"] == ["/facts/"]
    assert record["metadata"] == {"team": {"stringValue": "red"}}
    assert record["timestamp"] == AT
    assert record["createdAt"].timestamp() == clock.now
    assert api.records("/facts/") == [record]


def test_records_are_listed_newest_first_in_pages(api):
    written = api.write(*(f"fact {number}" for number in range(30)))
    pages = api.data.get_paginator("list_memory_records").paginate(
        memoryId=api.memory_id, namespace="/facts/", PaginationConfig={"PageSize": 7}
    )
    assert [record["memoryRecordId"] for page in pages for record in page["memoryRecordSummaries"]] == written[::-1]


def test_an_exact_namespace_matches_only_itself(api):
    for namespace in ("/users/Bob/", "/users/Bob", "/users/Bobby/", "/users/Bob/facts/"):
        api.write(namespace, namespace=namespace)
    assert api.texts("/users/Bob/") == ["/users/Bob/"]
    assert api.texts("/users/Bob") == ["/users/Bob"]


@pytest.mark.parametrize("path", ["/users/Bob", "/users/Bob/"])
def test_a_path_matches_by_whole_segments(api, path):
    for namespace in ("/users/Bob/", "/users/Bob", "/users/Bobby/", "/users/Bob/facts/", "/users/", "/Bob/"):
        api.write(namespace, namespace=namespace)
    below = {"/users/Bob/", "/users/Bob", "/users/Bob/facts/"}
    assert set(api.texts(None, namespacePath=path)) == below
    assert {record["content"]["text"] for record in api.search("users Bob", path=path)} == below


@pytest.mark.parametrize("place", [{}, {"namespace": "/a/", "namespacePath": "/a/"}, {"namespace": "/a/*"}])
def test_exactly_one_namespace_without_wildcards_is_needed(api, place):
    assert refusal(api.data.list_memory_records, memoryId=api.memory_id, **place) == "ValidationException"
    query = {"searchQuery": "x"}
    code = refusal(api.data.retrieve_memory_records, memoryId=api.memory_id, searchCriteria=query, **place)
    assert code == "ValidationException"


def test_a_batch_reports_each_record(api):
    good, other = api.write("one", "two")
    missing = "mem-" + "f" * 36
    answer = api.data.batch_delete_memory_records(
        memoryId=api.memory_id, records=[{"memoryRecordId": good}, {"memoryRecordId": missing}]
    )
    assert [record["memoryRecordId"] for record in answer["successfulRecords"]] == [good]
    [failed] = answer["failedRecords"]
    assert (failed["memoryRecordId"], failed["status"], failed["errorCode"]) == (missing, "FAILED", 404)
    assert [record["memoryRecordId"] for record in api.records("/facts/")] == [other]


def test_a_batch_with_an_unknown_strategy_writes_the_others(api):
    base = {"namespaces": ["/facts/"], "content": {"text": "x"}, "timestamp": AT}
    records = [{**base, "requestIdentifier": "a"}, {**base, "requestIdentifier": "b", "memoryStrategyId": "none"}]
    answer = api.data.batch_create_memory_records(memoryId=api.memory_id, records=records)
    assert [record["requestIdentifier"] for record in answer["successfulRecords"]] == ["a"]
    assert [record["requestIdentifier"] for record in answer["failedRecords"]] == ["b"]


def test_a_repeated_batch_writes_once(api):
    assert api.write("one", clientToken="t") == api.write("one", clientToken="t")
    assert len(api.records("/facts/")) == 1


def test_an_update_changes_what_it_names(api):
    [record_id] = api.write("old", metadata={"team": {"stringValue": "red"}})
    later = AT + timedelta(days=1)
    change = {"memoryRecordId": record_id, "timestamp": later, "content": {"text": "The user owns a boat."}}
    api.data.batch_update_memory_records(memoryId=api.memory_id, records=[{**change, "namespaces": ["/moved/"]}])
    assert api.records("/facts/") == []
    [record] = api.records("/moved/")
    assert (record["content"]["text"], record["timestamp"]) == ("The user owns a boat.", later)
    assert record["metadata"] == {"team": {"stringValue": "red"}}
    assert api.search("sailing vessel", "/moved/")[0]["score"] > 0.2
    assert api.search("sailing vessel", "/facts/") == []


def test_records_expire_and_can_be_kept(api, clock):
    [short, kept] = api.write("short", "kept", recordExpirySpecification={"recordExpiryDurationDays": 31})
    [forever] = api.write("forever")
    api.data.batch_update_memory_records(
        memoryId=api.memory_id,
        records=[{"memoryRecordId": kept, "timestamp": AT}],
        recordExpirySpecification={"action": "REMOVE"},
    )
    record = api.data.get_memory_record(memoryId=api.memory_id, memoryRecordId=short)["memoryRecord"]
    assert record["expiresAt"].timestamp() == clock.now + 31 * DAY
    assert {found["content"]["text"] for found in api.search("short kept forever", "/facts/")} == {
        "short",
        "kept",
        "forever",
    }
    clock.advance(31 * DAY)
    assert {record["memoryRecordId"] for record in api.records("/facts/")} == {kept, forever}
    assert "short" not in {found["content"]["text"] for found in api.search("short kept forever", "/facts/")}
    code = refusal(api.data.get_memory_record, memoryId=api.memory_id, memoryRecordId=short)
    assert code == "ResourceNotFoundException"


def test_a_strategys_records_expire_by_its_own_setting(api, clock):
    api.create(
        {
            "semanticMemoryStrategy": {
                "name": "facts",
                "namespaceTemplates": ["/users/{actorId}/facts/"],
                "recordExpirySpecification": {"recordExpiryDurationDays": 40},
            }
        },
        name="expiring",
    )
    api.say("I live in Porto.")
    assert len(api.records("/users/bob/facts/")) == 1
    clock.advance(30 * DAY)
    api.say("I live in Porto.")  # said again, it lasts again
    assert len(api.records("/users/bob/facts/")) == 1
    clock.advance(30 * DAY)
    assert len(api.records("/users/bob/facts/")) == 1
    clock.advance(11 * DAY)
    assert api.records("/users/bob/facts/") == []
    api.say("I live in Porto.")
    assert len(api.records("/users/bob/facts/")) == 1


def expiries(api):
    ids = [record["memoryRecordId"] for record in api.records("/facts/")]  # a listing shows no expiry
    found = [api.data.get_memory_record(memoryId=api.memory_id, memoryRecordId=one)["memoryRecord"] for one in ids]
    return {record["content"]["text"]: record.get("expiresAt") for record in found}


def test_a_strategy_says_nothing_of_records_that_a_caller_creates(api):
    expiring = {"name": "facts", "recordExpirySpecification": {"recordExpiryDurationDays": 40}}
    strategy = api.create({"semanticMemoryStrategy": expiring}, name="expiring")["strategies"][0]["strategyId"]
    record = {"requestIdentifier": "r", "namespaces": ["/facts/"], "content": {"text": "x"}, "timestamp": AT}
    api.data.batch_create_memory_records(memoryId=api.memory_id, records=[{**record, "memoryStrategyId": strategy}])
    assert expiries(api) == {"x": None}


def test_an_update_without_an_expiry_begins_the_last_term_anew(api, clock):
    [short] = api.write("short", recordExpirySpecification={"recordExpiryDurationDays": 31})
    [forever] = api.write("forever")

    def update(**more):
        records = [{"memoryRecordId": one, "timestamp": AT} for one in (short, forever)]
        api.data.batch_update_memory_records(memoryId=api.memory_id, records=records, **more)
        return {text: at and at.timestamp() for text, at in expiries(api).items()}

    clock.advance(10 * DAY)
    assert update() == {"short": clock.now + 31 * DAY, "forever": None}
    overwritten = update(recordExpirySpecification={"recordExpiryDurationDays": 50})
    assert overwritten == {"short": clock.now + 50 * DAY, "forever": clock.now + 50 * DAY}
    clock.advance(DAY)
    assert update() == {"short": clock.now + 50 * DAY, "forever": clock.now + 50 * DAY}
    assert update(recordExpirySpecification={"action": "REMOVE"}) == {"short": None, "forever": None}
    assert update() == {"short": None, "forever": None}


def test_a_removed_expiry_is_refused_when_creating(api):
    with pytest.raises(ClientError, match="does not apply"):
        api.write("x", recordExpirySpecification={"action": "REMOVE"})


def test_identifiers_must_differ_within_a_batch(api):
    [record_id] = api.write("x")
    twice = [{"memoryRecordId": record_id}] * 2
    code = refusal(api.data.batch_delete_memory_records, memoryId=api.memory_id, records=twice)
    assert code == "ValidationException"


class TestMetadataFilters:
    @pytest.fixture(autouse=True)
    def _written(self, api):
        def value(number):
            return {
                "team": {"stringValue": "red" if number < 2 else "blue"},
                "score": {"numberValue": float(number)},
                "langs": {"stringListValue": ["en", "pt"] if number % 2 else ["en"]},
                "when": {"dateTimeValue": AT + timedelta(days=number)},
            }

        for number in range(4):
            api.write(str(number), metadata=value(number))
        api.write("none")

    def found(self, api, key, operator, **value):
        right = {"right": {"metadataValue": value}} if value else {}
        expression = {"left": {"metadataKey": key}, "operator": operator, **right}
        listed = sorted(api.texts("/facts/", metadataFilters=[expression]))
        searched = sorted(
            record["content"]["text"] for record in api.search("0 1 2 3 none", "/facts/", metadataFilters=[expression])
        )
        assert searched == listed
        return listed

    @pytest.mark.parametrize(
        ("key", "operator", "value", "expected"),
        [
            ("team", "EQUALS_TO", {"stringValue": "red"}, ["0", "1"]),
            ("score", "EQUALS_TO", {"numberValue": 2}, ["2"]),
            ("langs", "EQUALS_TO", {"stringListValue": ["en", "pt"]}, ["1", "3"]),
            ("when", "EQUALS_TO", {"dateTimeValue": AT}, ["0"]),
            ("team", "EXISTS", {}, ["0", "1", "2", "3"]),
            ("team", "NOT_EXISTS", {}, ["none"]),
            ("when", "BEFORE", {"dateTimeValue": AT + timedelta(days=1)}, ["0"]),
            ("when", "AFTER", {"dateTimeValue": AT + timedelta(days=1)}, ["2", "3"]),
            ("langs", "CONTAINS", {"stringValue": "pt"}, ["1", "3"]),
            ("team", "CONTAINS", {"stringValue": "lu"}, ["2", "3"]),
            ("score", "GREATER_THAN", {"numberValue": 2}, ["3"]),
            ("score", "GREATER_THAN_OR_EQUALS", {"numberValue": 2}, ["2", "3"]),
            ("score", "LESS_THAN", {"numberValue": 1}, ["0"]),
            ("score", "LESS_THAN_OR_EQUALS", {"numberValue": 1}, ["0", "1"]),
            ("team", "EQUALS_TO", {"stringValue": "green"}, []),
        ],
    )
    def test_every_operator(self, api, key, operator, value, expected):
        assert self.found(api, key, operator, **value) == expected

    @pytest.mark.parametrize(
        ("key", "operator", "value"),
        [
            ("unknown", "EXISTS", {}),
            ("team", "EQUALS_TO", {}),
            ("team", "EXISTS", {"stringValue": "x"}),
            ("team", "GREATER_THAN", {"stringValue": "x"}),
            ("team", "BEFORE", {"stringValue": "x"}),
            ("score", "CONTAINS", {"numberValue": 1}),
        ],
    )
    def test_filters_that_make_no_sense_are_refused(self, api, key, operator, value):
        assert refusal(lambda: self.found(api, key, operator, **value)) == "ValidationException"

    def test_several_filters_all_hold(self, api):
        filters = [
            {
                "left": {"metadataKey": "team"},
                "operator": "EQUALS_TO",
                "right": {"metadataValue": {"stringValue": "blue"}},
            },
            {
                "left": {"metadataKey": "score"},
                "operator": "LESS_THAN",
                "right": {"metadataValue": {"numberValue": 3}},
            },
        ]
        assert api.texts("/facts/", metadataFilters=filters) == ["2"]
