"""`agentmem forget`: it counts, asks, and only then deletes."""

from __future__ import annotations

from filled import CommandLine

from agentmem import MemoryConfig
from agentmem.local import LocalMemory

ANN = ("forget", "--actor", "ann")


def test_it_counts_and_a_no_changes_nothing(change):
    events = change.json("events", "list", "--actor", "ann", "--session", "ann-1")
    records = change.json("records", "list", "--actor", "ann")
    done = change(*ANN, answer="n\n")
    assert done.exit_code == 1
    counted = dict(line.split() for line in done.stdout.splitlines()[1:6])
    assert counted == {
        "sessions": "1",
        "events": str(len(events)),
        "records": str(len(records)),
        "checkpoints": "0",
        "unsent": "0",
    }
    assert change.json("events", "list", "--actor", "ann", "--session", "ann-1") == events


def test_no_answer_is_a_no(change):
    assert change(*ANN).exit_code == 1
    assert len(change.json("sessions")) == 2


def test_a_dry_run_only_counts(change):
    assert change.json(*ANN, "--dry-run")["events"] == 5
    assert len(change.json("sessions")) == 2


def test_after_a_yes_only_the_others_are_left(change):
    bobs = change.json("records", "list", "--actor", "bob")
    assert change(*ANN, answer="y\n").exit_code == 0
    assert [one["actor"] for one in change.json("sessions")] == ["bob"]
    assert change.json("records", "list", "--actor", "ann") == []
    assert change.json("records", "list", "--actor", "bob") == bobs
    assert change.json(*ANN) == {
        "deleted": False, "sessions": 0, "events": 0, "records": 0, "checkpoints": 0, "unsent": 0
    }  # fmt: skip


def test_yes_is_an_option(change):
    assert change.json(*ANN, "--yes")["deleted"] is True
    assert len(change.json("sessions")) == 1


def test_over_http_it_says_what_may_still_show(change, monkeypatch):
    folder = change.where[1]
    config = MemoryConfig.local(folder)
    with LocalMemory(f"{folder}/memory.db") as memory, memory.serve() as server:
        for name, value in server.env().items():
            monkeypatch.setenv(name, value)
        remote = CommandLine("--memory-id", config.memory_id, "--region", config.region)
        done = remote(*ANN, "--yes")
        assert done.exit_code == 0
        assert "up to a day" in done.stderr
        assert "run it again" in done.stderr
        assert remote.json("events", "list", "--actor", "ann", "--session", "ann-1") == []
