from __future__ import annotations

import json
import logging
import re
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError

from agentmem.checkpoints.dynamodb.store import DynamoDBCheckpointStore
from agentmem.checkpoints.summary import Summary
from agentmem.errors import CheckpointConflictError, CheckpointStoreError
from agentmem.testing.conformance import (
    Backend,
    CheckpointStoreConformance,
    CompetingProcesses,
    CompetingThreads,
    any_key,
)
from agentmem.testing.sample_checkpoints import START, checkpoint, entry, large_index, large_text, plain, position
from dynamodb import client_for

if TYPE_CHECKING:
    from datetime import timedelta

DAY = 86_400


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Body:
    """The body of a response that no server sent."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **kwargs: Any) -> list[bytes]:
        return [self._content]


def answer_with(client, operation: str, *contents: tuple[int, dict[str, Any]]) -> None:
    """Answer the next calls of an operation with these statuses and bodies instead of the server's."""
    waiting = list(contents)

    def answer(request, **kwargs: Any) -> AWSResponse | None:
        if not waiting:
            return None
        status, content = waiting.pop(0)
        return AWSResponse(request.url, status, {}, Body(json.dumps(content).encode()))

    client.meta.events.register(f"before-send.dynamodb.{operation}", answer)


def error(code: str, **more: Any) -> tuple[int, dict[str, Any]]:
    return 400, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "No.", **more}


def cancelled(*codes: str) -> tuple[int, dict[str, Any]]:
    return error("TransactionCanceledException", CancellationReasons=[{"Code": code} for code in codes])


def calls_of(client) -> list[str]:
    """Return a list that every call of the client from now on is added to."""
    calls: list[str] = []
    client.meta.events.register("before-call.dynamodb", lambda model, **kwargs: calls.append(model.name))
    return calls


def all_items(client, table: str) -> dict[str, dict[str, Any]]:
    pages = client.get_paginator("scan").paginate(TableName=table)
    return {item["sk"]["S"]: item for page in pages for item in page["Items"]}


def open_store(endpoint_url: str, table: str) -> DynamoDBCheckpointStore:
    return DynamoDBCheckpointStore(client_for(endpoint_url), table)


@pytest.fixture
def store(dynamodb, checkpoint_table) -> DynamoDBCheckpointStore:
    return DynamoDBCheckpointStore(dynamodb, checkpoint_table, sleep=lambda seconds: None)


class TestDynamoDBStore(CheckpointStoreConformance, CompetingThreads, CompetingProcesses):
    @pytest.fixture
    def backend(self, dynamodb, dynamodb_endpoint, checkpoint_table) -> Backend:
        clock = Clock()

        def advance(duration: timedelta) -> None:
            # moto keeps the TTL attribute but expires nothing; DynamoDB does what this does.
            clock.now += duration.total_seconds()
            for item in all_items(dynamodb, checkpoint_table).values():
                if int(item["expires_at"]["N"]) <= clock.now:
                    dynamodb.delete_item(TableName=checkpoint_table, Key={"pk": item["pk"], "sk": item["sk"]})

        return Backend(
            open=lambda: DynamoDBCheckpointStore(dynamodb, checkpoint_table, clock=clock),
            advance=advance,
            days=30,
            open_in_process=partial(open_store, dynamodb_endpoint, checkpoint_table),
        )


class TestLayout:
    def test_a_save_writes_the_current_item_and_a_versioned_one_with_the_index(self, dynamodb, checkpoint_table):
        store, key = DynamoDBCheckpointStore(dynamodb, checkpoint_table, clock=Clock()), any_key()
        saved = checkpoint(
            1, boundary=position(5, 3), shortened_before=position(9, 1), head=(position(4),), token_ratio=1.25
        )
        store.save(key, saved)
        items = all_items(dynamodb, checkpoint_table)
        assert sorted(items) == ["agent#default", "agent#default#v00000001"]
        current, version = items["agent#default"], items["agent#default#v00000001"]
        assert version.pop("index") == {
            "S": f'[["000000000001","{position(1).event_id}",0,"user",[["","seat","14C"]],"en"]]'
        }
        assert {**version, "sk": current["sk"]} == current
        assert json.loads(current.pop("summary")["S"])["narrative"] == "The story up to version 1."
        assert current == {
            "pk": {"S": f"{key.memory_id}#{key.actor_id}#{key.session_id}"},
            "sk": {"S": "agent#default"},
            "format": {"N": "1"},
            "version": {"N": "1"},
            "boundary_event_id": {"S": position(5).event_id},
            "boundary_item": {"N": "3"},
            "boundary_order": {"S": f"{START + 5:024d}#000003"},
            "head": {"L": [{"L": [{"S": position(4).event_id}, {"N": "0"}]}]},
            "shortened_before_event_id": {"S": position(9).event_id},
            "shortened_before_item": {"N": "1"},
            "settings": {
                "M": {
                    "max_tool_content_length": {"N": "500"},
                    "keep_media": {"BOOL": False},
                    "exclude_tools": {"L": [{"S": "calculator"}]},
                    "hard_tool_content_length": {"N": "100000"},
                }
            },
            "folded_messages": {"N": "0"},
            "tokens_before": {"N": "0"},
            "tokens_after": {"N": "0"},
            "token_ratio": {"N": "1.25"},
            "trigger": {"S": "threshold"},
            "created_at": {"S": "2026-11-03T12:00:01.123456+00:00"},
            "expires_at": {"N": str(1_800_000_000 + 30 * DAY)},
        }

    def test_a_large_summary_and_index_are_compressed(self, dynamodb, checkpoint_table, store):
        key = any_key()
        store.save(key, checkpoint(1, index=large_index(100), summary=Summary(narrative="words " * 1_000)))
        items = all_items(dynamodb, checkpoint_table)
        assert len(items) == 2
        assert len(items["agent#default"]["summary"]["B"]) < 300
        assert "B" in items["agent#default#v00000001"]["index"]

    def test_what_does_not_fit_is_spilled_and_no_item_is_over_the_limit(self, dynamodb, checkpoint_table, store):
        key = any_key()
        store.save(key, checkpoint(1, index=large_index(9_000), summary=Summary(narrative=large_text(180_000))))
        items = all_items(dynamodb, checkpoint_table)
        pieces = [name for name in items if name.startswith("spill#default#v00000001#")]
        assert len(pieces) == len(items) - 2 == 4
        sizes = [
            sum(len(json.dumps(next(iter(value.values())), default=len)) for value in item.values())
            for item in items.values()
        ]
        assert max(sizes) < 400_000
        assert all(len(items[name]["data"]["B"]) <= 350_000 for name in pieces)
        assert store.delete(key) == 1
        assert all_items(dynamodb, checkpoint_table) == {}

    def test_a_refused_save_leaves_no_spilled_pieces(self, dynamodb, checkpoint_table, store):
        key = any_key()
        store.save(key, checkpoint(1))
        with pytest.raises(CheckpointConflictError):
            store.save(key, checkpoint(1, tokens_after=5, index=large_index(9_000)))
        assert sorted(all_items(dynamodb, checkpoint_table)) == ["agent#default", "agent#default#v00000001"]

    def test_attributes_of_any_type_that_this_version_does_not_know_survive_load_and_save(
        self, dynamodb, checkpoint_table, store
    ):
        unknown = {
            "names": {"SS": ["a", "b"]},
            "numbers": {"NS": ["1", "2.5"]},
            "blob": {"B": b"\x00\xff"},
            "blobs": {"BS": [b"\x01", b"\x02"]},
            "map": {"M": {"inner": {"L": [{"B": b"\x03"}, {"N": "1"}, {"NULL": True}, {"BOOL": False}]}}},
            "precise": {"N": "3.1415926535897932384626433832795"},
            "word": {"S": "text"},
            "note_event_id": {"S": "0000001790000000000#aa"},
        }
        key = any_key()
        store.save(key, checkpoint(1))
        dynamodb.update_item(
            TableName=checkpoint_table,
            Key={"pk": {"S": key.partition}, "sk": {"S": "agent#default"}},
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in unknown),
            ExpressionAttributeNames={f"#{name}": name for name in unknown},
            ExpressionAttributeValues={f":{name}": value for name, value in unknown.items()},
        )
        loaded = store.load(key)
        assert loaded.extra["word"] == "text"
        assert json.dumps(loaded.to_dict())
        store.save(key, checkpoint(2, extra=loaded.extra))
        items = all_items(dynamodb, checkpoint_table)
        for item in (items["agent#default"], items["agent#default#v00000002"]):
            assert item["version"] == {"N": "2"}
            assert {name: item[name] for name in unknown} == unknown

    def test_extra_fields_too_large_for_an_item_are_kept(self, store):
        key, extra = any_key(), {"notes": large_text(180_000), "number": 1}
        store.save(key, checkpoint(1, extra=extra))
        assert store.load(key).extra == extra

    def test_an_item_that_is_no_checkpoint_is_an_error_that_names_it(self, dynamodb, checkpoint_table, store):
        key = any_key()
        broken = {"pk": {"S": key.partition}, "sk": {"S": "agent#default"}, "summary": {"B": b"not compressed"}}
        dynamodb.put_item(TableName=checkpoint_table, Item=broken)
        with pytest.raises(CheckpointStoreError, match=r"the item 'agent#default' of .* is malformed"):
            store.load(key)

    def test_a_missing_spilled_piece_is_an_error(self, dynamodb, checkpoint_table, store):
        key = any_key()
        store.save(key, checkpoint(1, summary=Summary(narrative=large_text(180_000))))
        piece = next(item for name, item in all_items(dynamodb, checkpoint_table).items() if name.startswith("spill#"))
        dynamodb.delete_item(TableName=checkpoint_table, Key={"pk": piece["pk"], "sk": piece["sk"]})
        with pytest.raises(CheckpointStoreError, match=r"1 of \d pieces .* are missing"):
            store.load(key)


class TestCalls:
    def test_a_load_is_one_query(self, dynamodb, store):
        key = any_key()
        for version in range(1, 6):
            store.save(key, checkpoint(version))
        calls = calls_of(dynamodb)
        store.load(key)
        assert calls == ["Query"]

    def test_a_save_is_one_transaction_also_when_it_loses(self, dynamodb, store):
        key = any_key()
        calls = calls_of(dynamodb)
        store.save(key, checkpoint(1))
        with pytest.raises(CheckpointConflictError) as refusal:
            store.save(key, checkpoint(1, tokens_after=5))
        assert refusal.value.winner.version == 1
        assert calls == ["TransactWriteItems"] * 2

    def test_a_service_that_does_not_return_the_winner_is_asked_for_it(self, dynamodb, store):
        key = any_key()
        store.save(key, checkpoint(1))
        dynamodb.meta.events.register(
            "after-call.dynamodb.TransactWriteItems",
            lambda parsed, **kwargs: [reason.pop("Item", None) for reason in parsed.get("CancellationReasons", ())],
        )
        calls = calls_of(dynamodb)
        with pytest.raises(CheckpointConflictError) as refusal:
            store.save(key, checkpoint(1, tokens_after=5))
        assert plain(refusal.value.winner.without_index()) == plain(checkpoint(1).without_index())
        assert calls == ["TransactWriteItems", "Query"]

    def test_find_stops_at_the_first_page_that_has_the_handle(self, dynamodb, store):
        # moto, as DynamoDB, ends a page at 1 MB; each of these versions takes 0.3 MB.
        key = any_key()
        saved = [checkpoint(version, index=large_index(5_000, seed=version)) for version in range(1, 9)]
        for one in saved:
            store.save(key, one)
        calls = calls_of(dynamodb)
        assert store.find(key, saved[7].index[5].handle) == saved[7].index[5]
        assert calls == ["Query", "Query"]
        calls.clear()
        assert store.find(key, saved[0].index[5].handle) == saved[0].index[5]
        assert calls.count("Query") > 1

    def test_a_history_reads_no_further_than_it_is_asked(self, dynamodb, store):
        key = any_key()
        for version in range(1, 9):
            store.save(key, checkpoint(version, index=large_index(5_000, seed=version)))
        calls = calls_of(dynamodb)
        assert next(store.history(key)).version == 8
        assert calls == ["Query", "Query"]

    def test_what_a_batch_left_undone_is_tried_again(self, dynamodb, checkpoint_table, store):
        key = any_key()
        for version in range(1, 4):
            store.save(key, checkpoint(version))
        left = {"PutRequest": {"Item": {"pk": {"S": "other"}, "sk": {"S": "left"}}}}
        answer_with(dynamodb, "BatchWriteItem", (200, {"UnprocessedItems": {checkpoint_table: [left]}}))
        store.delete(key)
        assert "left" in all_items(dynamodb, checkpoint_table)

    def test_a_batch_that_is_never_finished_is_an_error(self, dynamodb, checkpoint_table):
        pauses: list[float] = []
        store, key = DynamoDBCheckpointStore(dynamodb, checkpoint_table, sleep=pauses.append), any_key()
        store.save(key, checkpoint(1))
        left = {"DeleteRequest": {"Key": {"pk": {"S": "other"}, "sk": {"S": "left"}}}}
        answer_with(dynamodb, "BatchWriteItem", *[(200, {"UnprocessedItems": {checkpoint_table: [left]}})] * 20)
        with pytest.raises(CheckpointStoreError, match=f"1 items of a batch undone .*|{checkpoint_table}"):
            store.delete(key)
        assert len(pauses) == 5
        assert sum(pauses) < 5
        assert store.load(key) is None

    def test_pieces_a_batch_did_not_return_are_asked_for_again(self, dynamodb, checkpoint_table, store):
        key, saved = any_key(), checkpoint(1, summary=Summary(narrative=large_text(180_000)))
        store.save(key, saved)
        pieces = sorted(name for name in all_items(dynamodb, checkpoint_table) if name.startswith("spill#"))
        keys = [{"pk": {"S": key.partition}, "sk": {"S": name}} for name in pieces]
        answer_with(
            dynamodb,
            "BatchGetItem",
            (200, {"Responses": {}, "UnprocessedKeys": {checkpoint_table: {"Keys": keys}}}),
        )
        assert plain(store.load(key)) == plain(saved.without_index())


class TestFailures:
    def test_a_transaction_that_meets_another_is_tried_again(self, dynamodb, checkpoint_table):
        pauses: list[float] = []
        store, key = DynamoDBCheckpointStore(dynamodb, checkpoint_table, sleep=pauses.append), any_key()
        answer_with(
            dynamodb,
            "TransactWriteItems",
            cancelled("TransactionConflict", "None"),
            cancelled("None", "ThrottlingError"),
        )
        store.save(key, checkpoint(1))
        assert store.load(key).version == 1
        assert len(pauses) == 2

    def test_a_transaction_that_always_meets_another_is_an_error(self, dynamodb, store, checkpoint_table):
        answer_with(dynamodb, "TransactWriteItems", *[cancelled("TransactionConflict", "None")] * 10)
        with pytest.raises(CheckpointStoreError, match=f"table '{checkpoint_table}', region us-west-2: other writes"):
            store.save(any_key(), checkpoint(1))

    def test_a_cancellation_for_another_reason_is_an_error_at_once(self, dynamodb, store):
        answer_with(dynamodb, "TransactWriteItems", cancelled("ValidationError", "None"))
        with pytest.raises(CheckpointStoreError, match="could not be saved"):
            store.save(any_key(), checkpoint(1))

    @pytest.mark.parametrize("operation", ["Query", "TransactWriteItems", "DeleteItem"])
    def test_throttling_names_table_region_and_remedy(self, dynamodb, store, checkpoint_table, operation):
        answer_with(dynamodb, operation, *[error("ProvisionedThroughputExceededException")] * 3)
        call = {
            "Query": lambda: store.load(any_key()),
            "TransactWriteItems": lambda: store.save(any_key(), checkpoint(1)),
            "DeleteItem": lambda: store.delete(any_key()),
        }[operation]
        with pytest.raises(CheckpointStoreError, match=f"'{checkpoint_table}', region us-west-2.*on-demand capacity"):
            call()

    def test_a_denied_call_points_at_the_policy(self, dynamodb, store):
        answer_with(dynamodb, "Query", error("AccessDeniedException"))
        with pytest.raises(CheckpointStoreError, match="agentmem iam-policy"):
            store.load(any_key())

    def test_a_missing_table_names_the_command_that_makes_it(self, dynamodb):
        store = DynamoDBCheckpointStore(dynamodb, "no-such-table")
        command = re.escape("agentmem checkpoints create-table --table no-such-table --region us-west-2")
        for call in (
            lambda: store.load(any_key()),
            lambda: store.save(any_key(), checkpoint(1)),
            lambda: list(store.history(any_key())),
            lambda: store.find(any_key(), "0" * 12),
            lambda: store.delete(any_key()),
        ):
            with pytest.raises(CheckpointStoreError, match=command):
                call()

    def test_an_outage_names_where_it_was_looked_for(self):
        store = DynamoDBCheckpointStore(client_for("http://127.0.0.1:9"), "agentmem-checkpoints")
        with pytest.raises(CheckpointStoreError, match=r"did not answer at http://127\.0\.0\.1:9"):
            store.load(any_key())

    def test_a_save_whose_answer_got_lost_can_be_repeated(self, dynamodb, store):
        key, saved = any_key(), checkpoint(1, index=large_index(9_000))
        lost = [True]

        def lose(**kwargs: Any) -> None:
            if lost:
                lost.clear()
                raise ConnectionClosedError(endpoint_url="http://dynamodb")

        dynamodb.meta.events.register("after-call.dynamodb.TransactWriteItems", lose)
        with pytest.raises(CheckpointStoreError, match="could not be saved"):
            store.save(key, saved)
        store.save(key, saved)
        assert [plain(one) for one in store.history(key)] == [plain(saved)]


class TestExpiry:
    def expiries(self, dynamodb, table: str) -> dict[str, int]:
        return {name: int(item["expires_at"]["N"]) for name, item in all_items(dynamodb, table).items()}

    def test_loading_renews_the_expiry_at_most_once_a_day(self, dynamodb, checkpoint_table):
        clock, key = Clock(), any_key()
        store = DynamoDBCheckpointStore(dynamodb, checkpoint_table, ttl_days=10, clock=clock)
        store.save(key, checkpoint(1))
        calls = calls_of(dynamodb)
        for _ in range(23):
            clock.now += 3_600
            store.load(key)
        assert "UpdateItem" not in calls
        for _ in range(3):
            clock.now += 3_600
            store.load(key)
        assert calls.count("UpdateItem") == 1
        assert self.expiries(dynamodb, checkpoint_table)["agent#default"] == 1_800_000_000 + 11 * DAY

    def test_expiry_is_never_shorter_than_the_events(self, dynamodb, checkpoint_table):
        store = DynamoDBCheckpointStore(dynamodb, checkpoint_table, ttl_days=30, event_expiry_days=90, clock=Clock())
        store.save(any_key(), checkpoint(1, index=large_index(9_000)))
        expiries = self.expiries(dynamodb, checkpoint_table)
        assert len(expiries) > 2
        assert set(expiries.values()) == {1_800_000_000 + 90 * DAY}

    def test_an_expiry_is_never_brought_forward(self, dynamodb, checkpoint_table):
        clock, key = Clock(), any_key()
        DynamoDBCheckpointStore(dynamodb, checkpoint_table, ttl_days=90, clock=clock).save(key, checkpoint(1))
        DynamoDBCheckpointStore(dynamodb, checkpoint_table, ttl_days=30, clock=clock).load(key)
        assert self.expiries(dynamodb, checkpoint_table)["agent#default"] == 1_800_000_000 + 90 * DAY

    def test_without_expiry_items_have_none_and_old_ones_lose_theirs(self, dynamodb, checkpoint_table):
        expiring, key = DynamoDBCheckpointStore(dynamodb, checkpoint_table), any_key()
        expiring.save(key, checkpoint(1))
        lasting = DynamoDBCheckpointStore(dynamodb, checkpoint_table, ttl_days=None)
        lasting.load(key)
        assert "expires_at" not in all_items(dynamodb, checkpoint_table)["agent#default"]
        lasting.save(key, checkpoint(2))
        assert "expires_at" not in all_items(dynamodb, checkpoint_table)["agent#default#v00000002"]

    def test_the_real_clock_is_used_by_default(self, dynamodb, checkpoint_table, store):
        store.save(any_key(), checkpoint(1))
        expiry = self.expiries(dynamodb, checkpoint_table)["agent#default"]
        assert abs(expiry - time.time() - 30 * DAY) < 60

    def test_a_renewal_that_fails_is_logged_and_the_load_still_answers(self, dynamodb, checkpoint_table, caplog):
        clock, key = Clock(), any_key()
        store = DynamoDBCheckpointStore(dynamodb, checkpoint_table, clock=clock)
        store.save(key, checkpoint(1))
        clock.now += 5 * DAY
        answer_with(dynamodb, "UpdateItem", error("ProvisionedThroughputExceededException"))
        with caplog.at_level(logging.WARNING):
            assert store.load(key).version == 1
        assert "was not renewed" in caplog.text

    def test_what_expired_while_it_was_loaded_is_not_brought_back_as_a_stump(self, dynamodb, checkpoint_table):
        clock, key = Clock(), any_key()
        store = DynamoDBCheckpointStore(dynamodb, checkpoint_table, clock=clock)
        store.save(key, checkpoint(1))
        clock.now += 5 * DAY
        primary = {"pk": {"S": key.partition}, "sk": {"S": "agent#default"}}
        other = client_for(dynamodb.meta.endpoint_url)
        dynamodb.meta.events.register(
            "before-call.dynamodb.UpdateItem",
            lambda **kwargs: other.delete_item(TableName=checkpoint_table, Key=primary) and None,
        )
        assert store.load(key).version == 1
        assert store.load(key) is None
        assert list(all_items(dynamodb, checkpoint_table)) == ["agent#default#v00000001"]

    def test_versions_left_from_before_the_checkpoint_expired_are_not_taken_for_new_ones(
        self, dynamodb, checkpoint_table, store
    ):
        # DynamoDB deletes expired items within days and in no order: here the current one first.
        key = any_key()
        for version in (1, 2, 3):
            store.save(key, checkpoint(version))
        dynamodb.delete_item(TableName=checkpoint_table, Key={"pk": {"S": key.partition}, "sk": {"S": "agent#default"}})
        assert store.load(key) is None
        assert list(store.history(key)) == []
        store.save(key, checkpoint(1, index=(entry(50),)))
        assert [saved.version for saved in store.history(key)] == [1]
        assert store.find(key, entry(3).handle) is None
        assert store.find(key, entry(50).handle) == entry(50)
