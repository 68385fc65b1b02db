"""Tests what every checkpoint store must do; whoever writes a store runs it.

A test class inherits the suite and says with a fixture how the store is opened:

    from agentmem.testing.conformance import Backend, CheckpointStoreConformance, CompetingThreads

    class TestMyStore(CheckpointStoreConformance, CompetingThreads):
        @pytest.fixture
        def backend(self, tmp_path):
            return Backend(open=lambda: MyStore(tmp_path / "checkpoints"))

`CompetingThreads` and `CompetingProcesses` are for places that keep two writers apart. The suite needs pytest and
hypothesis, which come with the extra ``testing``.
"""

# mypy: disable-error-code="union-attr"
# A None where a checkpoint should be is a failed test, and needs no check of its own.

from __future__ import annotations

import json
import multiprocessing
import threading
import uuid
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey, CheckpointStore
from agentmem.checkpoints.summary import Summary
from agentmem.checkpoints.version_rules import is_further_back
from agentmem.errors import CheckpointConflictError
from agentmem.testing.sample_checkpoints import (
    checkpoint,
    checkpoints,
    entry,
    large_index,
    large_text,
    plain,
    position,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Barrier

    from agentmem.events.position import Position


def any_key() -> CheckpointKey:
    """Return a key nothing is saved under, in any place."""
    token = uuid.uuid4().hex
    return CheckpointKey("support_bot-a1b2c3d4e5", "user123", f"session-{token}", "default")


@dataclass(frozen=True)
class Backend:
    """One empty place that keeps checkpoints.

    Attributes:
        open: Opens the place once more, as another process would.
        open_in_process: Does the same in a process of its own, to which it is pickled, such as
            ``functools.partial(MyStore, path)``; only `CompetingProcesses` needs it.
        new_key: A key nothing is saved under.
        advance: Lets time pass and what has expired go; None for a place without expiry.
        days: Days without use after which a checkpoint expires.
    """

    open: Callable[[], CheckpointStore]
    open_in_process: Callable[[], CheckpointStore] | None = None
    new_key: Callable[[], CheckpointKey] = any_key
    advance: Callable[[timedelta], None] | None = None
    days: int = 30


class CheckpointStoreConformance:
    """The suite: what is saved comes back whole, versions follow each other, and a boundary never moves back."""

    @pytest.fixture
    def store(self, backend: Backend) -> CheckpointStore:
        """The store under test."""
        return backend.open()

    @pytest.fixture
    def key(self, backend: Backend) -> CheckpointKey:
        """A key nothing is saved under."""
        return backend.new_key()

    def test_it_is_a_checkpoint_store(self, store: CheckpointStore) -> None:
        assert isinstance(store, CheckpointStore)

    def test_an_unknown_key_has_nothing(self, store: CheckpointStore, key: CheckpointKey) -> None:
        assert store.load(key) is None
        assert list(store.history(key)) == []
        assert store.find(key, "0" * 12) is None
        assert store.delete(key) == 0

    def test_what_was_saved_is_loaded_also_by_another_store_on_the_same_place(
        self, backend: Backend, store: CheckpointStore, key: CheckpointKey
    ) -> None:
        saved = checkpoint(1, shortened_before=position(30, 2), head=(position(4), position(5, 1)))
        store.save(key, saved)
        for reader in (store, backend.open()):
            assert plain(reader.load(key).without_index()) == plain(saved.without_index())

    def test_a_load_has_the_index_of_its_own_version_or_none(self, store: CheckpointStore, key: CheckpointKey) -> None:
        for version in (1, 2):
            store.save(key, checkpoint(version))
        assert store.load(key).index in ((), checkpoint(2).index)

    def test_the_newest_version_is_loaded(self, store: CheckpointStore, key: CheckpointKey) -> None:
        for version in range(1, 13):
            store.save(key, checkpoint(version))
        assert store.load(key).version == 12

    @pytest.mark.parametrize("version", [0, 2, 7])
    def test_the_first_version_is_1(self, store: CheckpointStore, key: CheckpointKey, version: int) -> None:
        with pytest.raises(CheckpointConflictError) as refusal:
            store.save(key, checkpoint(version))
        assert refusal.value.winner is None
        assert store.load(key) is None

    @pytest.mark.parametrize("version", [1, 2, 4])
    def test_only_the_next_version_is_saved_and_the_refusal_carries_the_winner(
        self, store: CheckpointStore, key: CheckpointKey, version: int
    ) -> None:
        for saved in (1, 2):
            store.save(key, checkpoint(saved))
        stale = checkpoint(version, boundary=position(99), index=(entry(99),))
        with pytest.raises(CheckpointConflictError) as refusal:
            store.save(key, stale)
        assert plain(refusal.value.winner.without_index()) == plain(checkpoint(2).without_index())
        assert plain(store.load(key).without_index()) == plain(checkpoint(2).without_index())
        assert [saved.version for saved in store.history(key)] == [2, 1]
        assert store.find(key, entry(99).handle) is None

    def test_a_writer_that_did_not_see_the_others_save_is_refused(self, backend: Backend, key: CheckpointKey) -> None:
        one, other = backend.open(), backend.open()
        one.save(key, checkpoint(1))
        assert one.load(key).version == other.load(key).version == 1
        one.save(key, checkpoint(2, tokens_after=1))
        with pytest.raises(CheckpointConflictError) as refusal:
            other.save(key, checkpoint(2, tokens_after=2))
        assert refusal.value.winner.tokens_after == 1
        other.save(key, checkpoint(3))
        assert one.load(key).version == 3

    def test_saving_the_current_checkpoint_again_changes_nothing(
        self, store: CheckpointStore, key: CheckpointKey
    ) -> None:
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
    def test_a_boundary_never_moves_back(self, store: CheckpointStore, key: CheckpointKey, back: Position) -> None:
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
    def test_a_boundary_may_stay_or_move_on(
        self, store: CheckpointStore, key: CheckpointKey, boundary: Position
    ) -> None:
        store.save(key, checkpoint(1, boundary=position(50, 3)))
        store.save(key, checkpoint(2, boundary=boundary))
        assert store.load(key).boundary == boundary

    def test_history_is_newest_first_with_the_index_of_each_version(
        self, store: CheckpointStore, key: CheckpointKey
    ) -> None:
        saved = [checkpoint(version, index=(entry(version), entry(version + 100, "x"))) for version in range(1, 13)]
        for one in saved:
            store.save(key, one)
        assert [plain(one) for one in store.history(key)] == [plain(one) for one in reversed(saved)]

    @pytest.mark.parametrize(
        ("before", "versions"), [(1, []), (0, []), (2, [1]), (3, [2, 1]), (4, [3, 2, 1]), (40, [3, 2, 1])]
    )
    def test_history_before_a_version(
        self, store: CheckpointStore, key: CheckpointKey, before: int | None, versions: list[int]
    ) -> None:
        for version in (1, 2, 3):
            store.save(key, checkpoint(version))
        assert [saved.version for saved in store.history(key, before=before)] == versions

    def test_a_handle_is_found_in_whichever_version_holds_it(self, store: CheckpointStore, key: CheckpointKey) -> None:
        for version in range(1, 13):
            store.save(key, checkpoint(version, index=(entry(version, "term"), entry(version + 100))))
        assert [store.find(key, entry(number).handle) for number in (1, 105, 12)] == [
            entry(1, "term"),
            entry(105),
            entry(12, "term"),
        ]
        assert store.find(key, "f" * 12) is None

    def test_of_two_entries_for_a_handle_the_newest_versions_first_is_found(
        self, store: CheckpointStore, key: CheckpointKey
    ) -> None:
        older, newer = entry(5, "old"), entry(5, "new")
        store.save(key, checkpoint(1, index=(older,)))
        store.save(key, checkpoint(2, index=(newer, older)))
        store.save(key, checkpoint(3, index=()))
        assert store.find(key, older.handle) == newer

    def test_a_handle_saved_by_another_store_is_found(
        self, backend: Backend, store: CheckpointStore, key: CheckpointKey
    ) -> None:
        store.save(key, checkpoint(1))
        assert store.find(key, entry(2).handle) is None
        backend.open().save(key, checkpoint(2))
        assert store.find(key, entry(2).handle) == checkpoint(2).index[0]

    def test_keys_do_not_see_each_other(self, backend: Backend, store: CheckpointStore, key: CheckpointKey) -> None:
        keys = [key, backend.new_key()]
        keys += [replace(key, agent_id=agent) for agent in ("a", "a#v00000001", "a#v", "a%23v00000001", "a b", "ä/é")]
        for number, one in enumerate(keys, 1):
            store.save(one, checkpoint(1, tokens_after=number, index=(entry(number),)))
        assert [store.load(one).tokens_after for one in keys] == list(range(1, len(keys) + 1))
        assert [len(list(store.history(one))) for one in keys] == [1] * len(keys)
        assert [store.find(one, entry(1).handle) is not None for one in keys] == [True] + [False] * (len(keys) - 1)
        assert store.delete(replace(key, agent_id="a")) == 1
        assert [store.load(one) is None for one in keys] == [one.agent_id == "a" for one in keys]

    def test_delete_leaves_nothing_and_tells_how_many_there_were(
        self, store: CheckpointStore, key: CheckpointKey
    ) -> None:
        for version in (1, 2, 3):
            store.save(key, checkpoint(version))
        assert store.delete(key) == 3
        assert store.load(key) is None
        assert list(store.history(key)) == []
        assert store.find(key, entry(1).handle) is None
        assert store.delete(key) == 0

    def test_after_a_delete_versions_start_again(self, store: CheckpointStore, key: CheckpointKey) -> None:
        for version in (1, 2, 3):
            store.save(key, checkpoint(version))
        store.delete(key)
        store.save(key, checkpoint(1, boundary=position(2), index=(entry(77),)))
        assert [saved.version for saved in store.history(key)] == [1]
        assert store.find(key, entry(77).handle) == entry(77)
        assert store.find(key, entry(3).handle) is None

    def test_fields_of_a_future_format_survive_being_loaded_and_saved(
        self, store: CheckpointStore, key: CheckpointKey
    ) -> None:
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

    def test_what_was_saved_does_not_change_with_the_callers_objects(
        self, store: CheckpointStore, key: CheckpointKey
    ) -> None:
        extra = {"list": [1]}
        store.save(key, checkpoint(1, extra=extra))
        extra["list"].append(2)
        store.load(key).extra["list"].append(3)
        assert store.load(key).extra == {"list": [1]}

    def test_large_checkpoints_are_kept_whole(self, store: CheckpointStore, key: CheckpointKey) -> None:
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

    @settings(deadline=None, suppress_health_check=list(HealthCheck))
    @given(saved=checkpoints)
    def test_any_checkpoint_comes_back_as_it_was(
        self, backend: Backend, store: CheckpointStore, saved: Checkpoint
    ) -> None:
        key = backend.new_key()
        store.save(key, saved)
        assert plain(store.load(key).without_index()) == plain(saved.without_index())
        assert [plain(one) for one in store.history(key)] == [plain(saved)]
        for one in saved.index:
            assert store.find(key, one.handle) == next(first for first in saved.index if first.handle == one.handle)

    @settings(deadline=None, suppress_health_check=list(HealthCheck))
    @given(first=checkpoints, second=checkpoints)
    def test_any_second_checkpoint_is_held_to_the_boundary(
        self, backend: Backend, store: CheckpointStore, first: Checkpoint, second: Checkpoint
    ) -> None:
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

    def test_a_checkpoint_in_use_does_not_expire(
        self, backend: Backend, store: CheckpointStore, key: CheckpointKey
    ) -> None:
        if backend.advance is None:
            pytest.skip("this place keeps checkpoints until they are deleted")
        store.save(key, checkpoint(1, summary=Summary(narrative=large_text(180_000))))
        for _ in range(3):
            backend.advance(timedelta(days=backend.days - 1))
            assert store.load(key).version == 1
        store.save(key, checkpoint(2))
        assert store.load(key).version == 2

    def test_an_unused_checkpoint_expires_and_versions_start_again(
        self, backend: Backend, store: CheckpointStore, key: CheckpointKey
    ) -> None:
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
    """For places that keep the threads of one process apart; the suite's second part."""

    def test_of_threads_that_save_one_version_exactly_one_wins(self, backend: Backend) -> None:
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
    """For places that keep processes apart; the backend needs `open_in_process`."""

    def test_of_processes_that_save_one_version_exactly_one_wins_and_the_loser_gets_the_winner(
        self, backend: Backend
    ) -> None:
        opened = backend.open_in_process
        assert opened is not None, "CompetingProcesses needs Backend(open_in_process=...)"
        key, versions, writers = backend.new_key(), 25, (1, 2)
        spawn = multiprocessing.get_context("spawn")
        start = spawn.Barrier(len(writers))
        pipes = [spawn.Pipe(duplex=False) for _ in writers]
        processes = [
            spawn.Process(
                target=_compete,
                args=(opened, key, start, report),
                kwargs={"writer": writer, "versions": versions},
                daemon=True,
            )
            for writer, (_, report) in zip(writers, pipes, strict=True)
        ]
        for process in processes:
            process.start()
        for reports, _ in pipes:
            assert reports.poll(60), "a process that opened the store has not come to an end"
        outcomes = [reports.recv() for reports, _ in pipes]
        for process in processes:
            process.join()
        stored = {saved.version: saved.tokens_after for saved in backend.open().history(key)}
        assert sorted(stored) == list(range(1, versions + 1))
        assert sorted(version for won, _ in outcomes for version in won) == list(range(1, versions + 1))
        for writer, (won, lost) in zip(writers, outcomes, strict=True):
            assert all(stored[version] == writer for version in won)
            assert all(stored[winner] == tokens for _, winner, tokens in lost)
            assert all(version <= winner for version, winner, _ in lost)
        assert any(lost for _, lost in outcomes)


def _compete(
    opened: Callable[[], CheckpointStore],
    key: CheckpointKey,
    start: Barrier,
    report: Connection[Any, Any],
    *,
    writer: int,
    versions: int,
) -> None:
    """Compete for each version in turn and send what was won and lost; runs in a process of its own."""
    store = opened()
    won: list[int] = []
    lost: list[tuple[int, int, int]] = []
    start.wait(60)
    version = 1
    while version <= versions:
        try:
            store.save(key, checkpoint(version, tokens_after=writer))
            won.append(version)
            version += 1
        except CheckpointConflictError as refusal:
            lost.append((version, refusal.winner.version, refusal.winner.tokens_after))
            version = refusal.winner.version + 1
    report.send((won, lost))
