"""What every checkpoint store must do. A backend runs the suite by subclassing it and giving a `backend` fixture:

    class TestMyStore(CheckpointStoreConformance):
        @pytest.fixture
        def backend(self, ...) -> Backend:
            return Backend(open=lambda: MyStore(...))

`CompetingThreads` and `CompetingProcesses` are for places that keep two writers apart.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import uuid
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from samples import checkpoint, checkpoints, entry, large_index, large_text, plain, position

from agentmem.checkpoints.checkpoint import CheckpointKey, CheckpointStore
from agentmem.checkpoints.summary import Summary
from agentmem.checkpoints.version_rules import is_further_back
from agentmem.errors import CheckpointConflictError
from gears import examples

if TYPE_CHECKING:
    from collections.abc import Callable

COMPETITOR = Path(__file__).with_name("competitor.py")


def any_key() -> CheckpointKey:
    token = uuid.uuid4().hex
    return CheckpointKey("support_bot-a1b2c3d4e5", "user123", f"session-{token}", "default")


@dataclass(frozen=True)
class Backend:
    """One empty place that keeps checkpoints.

    Attributes:
        open: Opens the place once more, as another process would.
        new_key: A key nothing is saved under.
        advance: Lets time pass and what has expired go; None for a place without expiry.
        days: Days without use after which a checkpoint expires.
        address: How `competitor.py` opens the place in a process of its own.
    """

    open: Callable[[], CheckpointStore]
    new_key: Callable[[], CheckpointKey] = any_key
    advance: Callable[[timedelta], None] | None = None
    days: int = 30
    address: dict[str, Any] = field(default_factory=dict)


class CheckpointStoreConformance:
    @pytest.fixture
    def store(self, backend: Backend) -> CheckpointStore:
        return backend.open()

    @pytest.fixture
    def key(self, backend: Backend) -> CheckpointKey:
        return backend.new_key()

    def test_it_is_a_checkpoint_store(self, store):
        assert isinstance(store, CheckpointStore)

    def test_an_unknown_key_has_nothing(self, store, key):
        assert store.load(key) is None
        assert list(store.history(key)) == []
        assert store.find(key, "0" * 12) is None
        assert store.delete(key) == 0

    def test_what_was_saved_is_loaded_also_by_another_store_on_the_same_place(self, backend, store, key):
        saved = checkpoint(1, shortened_before=position(30, 2), head=(position(4), position(5, 1)))
        store.save(key, saved)
        for reader in (store, backend.open()):
            assert plain(reader.load(key).without_index()) == plain(saved.without_index())

    def test_a_load_has_the_index_of_its_own_version_or_none(self, store, key):
        for version in (1, 2):
            store.save(key, checkpoint(version))
        assert store.load(key).index in ((), checkpoint(2).index)

    def test_the_newest_version_is_loaded(self, store, key):
        for version in range(1, 13):
            store.save(key, checkpoint(version))
        assert store.load(key).version == 12

    @pytest.mark.parametrize("version", [0, 2, 7])
    def test_the_first_version_is_1(self, store, key, version):
        with pytest.raises(CheckpointConflictError) as refusal:
            store.save(key, checkpoint(version))
        assert refusal.value.winner is None
        assert store.load(key) is None

    @pytest.mark.parametrize("version", [1, 2, 4])
    def test_only_the_next_version_is_saved_and_the_refusal_carries_the_winner(self, store, key, version):
        for saved in (1, 2):
            store.save(key, checkpoint(saved))
        stale = checkpoint(version, boundary=position(99), index=(entry(99),))
        with pytest.raises(CheckpointConflictError) as refusal:
            store.save(key, stale)
        assert plain(refusal.value.winner.without_index()) == plain(checkpoint(2).without_index())
        assert plain(store.load(key).without_index()) == plain(checkpoint(2).without_index())
        assert [saved.version for saved in store.history(key)] == [2, 1]
        assert store.find(key, entry(99).handle) is None

    def test_a_writer_that_did_not_see_the_others_save_is_refused(self, backend, key):
        one, other = backend.open(), backend.open()
        one.save(key, checkpoint(1))
        assert one.load(key).version == other.load(key).version == 1
        one.save(key, checkpoint(2, tokens_after=1))
        with pytest.raises(CheckpointConflictError) as refusal:
            other.save(key, checkpoint(2, tokens_after=2))
        assert refusal.value.winner.tokens_after == 1
        other.save(key, checkpoint(3))
        assert one.load(key).version == 3

    def test_saving_the_current_checkpoint_again_changes_nothing(self, store, key):
        for version in (1, 2, 2, 2):
            store.save(key, checkpoint(version))
        assert [plain(saved) for saved in store.history(key)] == [plain(checkpoint(2)), plain(checkpoint(1))]
        with pytest.raises(CheckpointConflictError):
            store.save(key, checkpoint(1))

    @pytest.mark.parametrize(
        "back",
        [position(49, 9), position(50, 2), position(3)],
        ids=["an event back", "an item back", "far back"],
    )
    def test_a_boundary_never_moves_back(self, store, key, back):
        store.save(key, checkpoint(1, boundary=position(50, 3)))
        with pytest.raises(CheckpointConflictError) as refusal:
            store.save(key, checkpoint(2, boundary=back))
        assert refusal.value.winner.version == 1
        assert store.load(key).boundary == position(50, 3)

    @pytest.mark.parametrize(
        "boundary",
        [position(50, 3), position(50, 10), position(51), position(50, 3, suffix="00000000")],
        ids=["the same", "an item on", "an event on", "the same event rewritten"],
    )
    def test_a_boundary_may_stay_or_move_on(self, store, key, boundary):
        store.save(key, checkpoint(1, boundary=position(50, 3)))
        store.save(key, checkpoint(2, boundary=boundary))
        assert store.load(key).boundary == boundary

    def test_history_is_newest_first_with_the_index_of_each_version(self, store, key):
        saved = [checkpoint(version, index=(entry(version), entry(version + 100, "x"))) for version in range(1, 13)]
        for one in saved:
            store.save(key, one)
        assert [plain(one) for one in store.history(key)] == [plain(one) for one in reversed(saved)]

    @pytest.mark.parametrize(
        ("before", "versions"), [(1, []), (0, []), (2, [1]), (3, [2, 1]), (4, [3, 2, 1]), (40, [3, 2, 1])]
    )
    def test_history_before_a_version(self, store, key, before, versions):
        for version in (1, 2, 3):
            store.save(key, checkpoint(version))
        assert [saved.version for saved in store.history(key, before=before)] == versions

    def test_a_handle_is_found_in_whichever_version_holds_it(self, store, key):
        for version in range(1, 13):
            store.save(key, checkpoint(version, index=(entry(version, "term"), entry(version + 100))))
        assert [store.find(key, entry(number).handle) for number in (1, 105, 12)] == [
            entry(1, "term"),
            entry(105),
            entry(12, "term"),
        ]
        assert store.find(key, "f" * 12) is None

    def test_of_two_entries_for_a_handle_the_newest_versions_first_is_found(self, store, key):
        older, newer = entry(5, "old"), entry(5, "new")
        store.save(key, checkpoint(1, index=(older,)))
        store.save(key, checkpoint(2, index=(newer, older)))
        store.save(key, checkpoint(3, index=()))
        assert store.find(key, older.handle) == newer

    def test_a_handle_saved_by_another_store_is_found(self, backend, store, key):
        store.save(key, checkpoint(1))
        assert store.find(key, entry(2).handle) is None
        backend.open().save(key, checkpoint(2))
        assert store.find(key, entry(2).handle) == checkpoint(2).index[0]

    def test_keys_do_not_see_each_other(self, backend, store, key):
        keys = [key, backend.new_key()]
        keys += [replace(key, agent_id=agent) for agent in ("a", "a#v00000001", "a#v", "a%23v00000001", "a b", "ä/é")]
        for number, one in enumerate(keys, 1):
            store.save(one, checkpoint(1, tokens_after=number, index=(entry(number),)))
        assert [store.load(one).tokens_after for one in keys] == list(range(1, len(keys) + 1))
        assert [len(list(store.history(one))) for one in keys] == [1] * len(keys)
        assert [store.find(one, entry(1).handle) is not None for one in keys] == [True] + [False] * (len(keys) - 1)
        assert store.delete(replace(key, agent_id="a")) == 1
        assert [store.load(one) is None for one in keys] == [one.agent_id == "a" for one in keys]

    def test_delete_leaves_nothing_and_tells_how_many_there_were(self, store, key):
        for version in (1, 2, 3):
            store.save(key, checkpoint(version))
        assert store.delete(key) == 3
        assert store.load(key) is None
        assert list(store.history(key)) == []
        assert store.find(key, entry(1).handle) is None
        assert store.delete(key) == 0

    def test_after_a_delete_versions_start_again(self, store, key):
        for version in (1, 2, 3):
            store.save(key, checkpoint(version))
        store.delete(key)
        store.save(key, checkpoint(1, boundary=position(2), index=(entry(77),)))
        assert [saved.version for saved in store.history(key)] == [1]
        assert store.find(key, entry(77).handle) == entry(77)
        assert store.find(key, entry(3).handle) is None

    def test_fields_of_a_future_format_survive_being_loaded_and_saved(self, store, key):
        future = {
            "anchors": [{"at": ["0000001790000000000#aa", 3], "weight": 0.25, "seen": None, "on": True}],
            "empty": "",
            "integer": 2**70,
            "tiny": 1e-200,
            "text": "naïve \U0001f600 \ud800 \x00",
            "deep": json.loads("[" * 40 + "]" * 40),
            "": "no name",
            "pk": "a name stores may use themselves",
            "expires_at": "another",
            "boundary_item": {"$json": "looks like an escape"},
            "attribute": {"$attribute": {"SS": ["looks like one too"]}},
            "broken": {"$attribute": "and this too"},
        }
        store.save(key, checkpoint(1, format=2, extra=future))
        loaded = store.load(key)
        assert (loaded.format, dict(loaded.extra)) == (2, future)
        store.save(key, checkpoint(2, format=2, extra=loaded.extra))
        assert dict(store.load(key).extra) == future
        assert [dict(saved.extra) for saved in store.history(key)] == [future, future]

    def test_what_was_saved_does_not_change_with_the_callers_objects(self, store, key):
        extra = {"list": [1]}
        store.save(key, checkpoint(1, extra=extra))
        extra["list"].append(2)
        store.load(key).extra["list"].append(3)
        assert store.load(key).extra == {"list": [1]}

    def test_large_checkpoints_are_kept_whole(self, store, key):
        # Compressed, an index takes 570 KB and the summary 450 KB: all beyond a DynamoDB item's 400 KB.
        saved = [
            checkpoint(1, index=large_index(9_000)),
            checkpoint(2, index=large_index(9_000, seed=8), summary=Summary(narrative=large_text(180_000))),
            checkpoint(3),
        ]
        for one in saved[:2]:
            store.save(key, one)
        assert plain(store.load(key).without_index()) == plain(saved[1].without_index())
        with pytest.raises(CheckpointConflictError) as refusal:
            store.save(key, checkpoint(2, index=large_index(9_000)))
        assert plain(refusal.value.winner.without_index()) == plain(saved[1].without_index())
        store.save(key, saved[2])
        assert [plain(one) for one in store.history(key)] == [plain(one) for one in reversed(saved)]
        for number in (0, 5_555, 8_999):
            for one in saved[:2]:
                assert store.find(key, one.index[number].handle) == one.index[number]
        assert store.delete(key) == 3

    @settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
    @given(saved=checkpoints)
    def test_any_checkpoint_comes_back_as_it_was(self, backend, store, saved):
        key = backend.new_key()
        store.save(key, saved)
        assert plain(store.load(key).without_index()) == plain(saved.without_index())
        assert [plain(one) for one in store.history(key)] == [plain(saved)]
        for one in saved.index:
            assert store.find(key, one.handle) == next(first for first in saved.index if first.handle == one.handle)

    @settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
    @given(first=checkpoints, second=checkpoints)
    def test_any_second_checkpoint_is_held_to_the_boundary(self, backend, store, first, second):
        key = backend.new_key()
        second = replace(second, version=2)
        store.save(key, first)
        refused = False
        try:
            store.save(key, second)
        except CheckpointConflictError:
            refused = True
        assert refused == is_further_back(second.boundary, first.boundary)
        assert store.load(key).version == (1 if refused else 2)

    def test_a_checkpoint_in_use_does_not_expire(self, backend, store, key):
        if backend.advance is None:
            pytest.skip("this place keeps checkpoints until they are deleted")
        store.save(key, checkpoint(1, summary=Summary(narrative=large_text(180_000))))
        for _ in range(3):
            backend.advance(timedelta(days=backend.days - 1))
            assert store.load(key).version == 1
        store.save(key, checkpoint(2))
        assert store.load(key).version == 2

    def test_an_unused_checkpoint_expires_and_versions_start_again(self, backend, store, key):
        if backend.advance is None:
            pytest.skip("this place keeps checkpoints until they are deleted")
        for version in (1, 2):
            store.save(key, checkpoint(version))
        backend.advance(timedelta(days=backend.days, hours=1))
        assert store.load(key) is None
        assert list(store.history(key)) == []
        store.save(key, checkpoint(1))
        assert store.load(key).version == 1


class CompetingThreads:
    def test_of_threads_that_save_one_version_exactly_one_wins(self, backend):
        key, writers = backend.new_key(), 4
        outcomes: list[tuple[int, int, int]] = []
        start = threading.Barrier(writers)

        def compete(writer: int) -> None:
            store = backend.open()
            start.wait()
            for version in range(1, 6):
                try:
                    store.save(key, checkpoint(version, tokens_after=writer))
                    outcomes.append((version, writer, writer))
                except CheckpointConflictError as refusal:
                    if refusal.winner.version == version:
                        outcomes.append((version, writer, refusal.winner.tokens_after))

        threads = [threading.Thread(target=compete, args=(writer,)) for writer in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winners = {saved.version: saved.tokens_after for saved in backend.open().history(key)}
        assert sorted(winners) == [1, 2, 3, 4, 5]
        assert sorted(version for version, writer, winner in outcomes if writer == winner) == [1, 2, 3, 4, 5]
        assert all(winners[version] == winner for version, _, winner in outcomes)


class CompetingProcesses:
    def test_of_processes_that_save_one_version_exactly_one_wins_and_the_loser_gets_the_winner(self, backend):
        key, versions = backend.new_key(), 25
        orders = [
            {"address": backend.address, "key": list(key.__dict__.values()), "writer": writer, "versions": versions}
            for writer in (1, 2)
        ]
        processes = [
            subprocess.Popen(
                [sys.executable, str(COMPETITOR), json.dumps(order)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for order in orders
        ]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        reports = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
        stored = {saved.version: saved.tokens_after for saved in backend.open().history(key)}
        assert sorted(stored) == list(range(1, versions + 1))
        assert sorted(reports[0]["won"] + reports[1]["won"]) == list(range(1, versions + 1))
        for order, report in zip(orders, reports, strict=True):
            assert all(stored[version] == order["writer"] for version in report["won"])
            assert all(stored[winner] == tokens for _, winner, tokens in report["lost"])
            assert all(version <= winner for version, winner, _ in report["lost"])
        assert reports[0]["lost"] + reports[1]["lost"]


__all__ = [
    "Backend",
    "CheckpointStoreConformance",
    "CompetingProcesses",
    "CompetingThreads",
    "any_key",
]
