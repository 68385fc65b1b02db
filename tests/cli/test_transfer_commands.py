"""`agentmem export` and `agentmem import`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
from filled import CommandLine, refused

from agentmem import MemoryConfig
from agentmem.local import LocalMemory


@pytest.fixture
def empty(tmp_path):
    """Commands on an empty memory."""
    MemoryConfig.local(tmp_path / "empty")
    return CommandLine("--local", tmp_path / "empty")


def test_what_is_exported_is_imported_into_another_memory(look, empty, tmp_path):
    file = tmp_path / "memory.jsonl"
    counts = look.json("export", file)
    assert (counts["session"], counts["event"]) == (2, 10)
    assert empty.json("import", file) == {**counts, "left_out": 0}
    for command in (("events", "list", "--session", "ann-1"), ("context", "--session", "ann-1")):
        of_both = [side.json(*command, "--actor", "ann") for side in (look, empty)]
        for events in of_both:
            for event in events if isinstance(events, list) else ():
                event.pop("event")
        assert of_both[0] == of_both[1]
    said = [sorted(one["text"] for one in side.json("records", "list", "--actor", "ann")) for side in (look, empty)]
    assert said[0] == said[1]


def test_importing_the_same_file_again_goes_on_and_writes_nothing(look, empty, tmp_path):
    file = tmp_path / "memory.jsonl"
    look("export", file)
    empty("import", file)
    again = empty("import", file)
    assert (again.exit_code, "Going on after" in again.stderr) == (0, True)
    assert len(empty.json("events", "list", "--actor", "ann", "--session", "ann-1")) == 5


def test_an_import_that_is_killed_is_completed_by_the_next(tmp_path):
    source, target = MemoryConfig.local(tmp_path / "source"), tmp_path / "target"
    target_id = MemoryConfig.local(target).memory_id
    for number in range(300):
        source.data_plane().create_event(
            memoryId=source.memory_id,
            actorId="ann",
            sessionId=f"s-{number % 3}",
            eventTimestamp=1_770_000_000 + number,
            payload=[{"conversational": {"role": "USER", "content": {"text": f"My locker number is {number}."}}}],
        )
    file = tmp_path / "memory.jsonl"
    counts = CommandLine("--local", tmp_path / "source").json("export", file)
    assert counts["event"] == 300
    assert counts["record"] > 0
    notes = tmp_path / f"memory.jsonl.{target_id}.progress"

    def noted():
        return notes.read_bytes().count(b"\n") if notes.exists() else 0

    command = [sys.executable, "-c", "from agentmem.cli import main; main()", "import", file, "--local", target]
    running = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while noted() < 100:
        assert running.poll() is None
        time.sleep(0.002)
    running.kill()
    assert running.wait() == -signal.SIGKILL
    assert 100 <= noted() < counts["event"]
    ids = tmp_path / "ids.jsonl"
    done = CommandLine("--local", target).json("import", file, "--ids", ids)
    assert done == {**counts, "left_out": 0}
    again = tmp_path / "again.jsonl"
    CommandLine("--local", target).json("export", again)
    assert without_ids(again) == without_ids(file)
    assert len(ids.read_text().splitlines()) == counts["event"] + counts["record"]


def without_ids(file):
    """The lines of an export without what the service assigns: ids and creation times."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()[1:]]
    return [
        {name: value for name, value in line.items() if name not in ("id", "created_at", "strategy")} for line in lines
    ]


def test_an_export_that_fails_leaves_no_file_that_looks_complete(change, tmp_path, monkeypatch):
    folder, file = change.where[1], tmp_path / "memory.jsonl"
    memory_id = MemoryConfig.local(folder).memory_id
    with LocalMemory(f"{folder}/memory.db") as memory, memory.serve() as server:
        for name, value in {**server.env(), "AWS_REGION": "us-west-2"}.items():
            monkeypatch.setenv(name, value)
        remote = CommandLine("--memory-id", memory_id)
        with memory.faults.inject("access_denied", "GetMemoryRecord"):
            assert remote("export", file).exit_code == 1
        assert not file.exists()
        assert remote("export", file).exit_code == 0
    assert json.loads(file.read_text().splitlines()[-1])["kind"] == "end"
    assert not list(tmp_path.glob("*.part"))


def test_a_place_that_cannot_be_written_to_is_named(look, tmp_path, monkeypatch, capsys):
    message = refused(monkeypatch, capsys, "export", tmp_path / "absent" / "memory.jsonl", *look.where)
    assert "it cannot be written (No such file or directory)" in message


def test_a_file_that_is_there_is_not_replaced(look, tmp_path):
    file = tmp_path / "memory.jsonl"
    file.write_text("mine")
    assert "--force" in look("export", file).output
    assert file.read_text() == "mine"
    assert look("export", file, "--force", "--actor", "bob").exit_code == 0
    assert {json.loads(line).get("actor", "bob") for line in file.read_text().splitlines()} == {"bob"}


def test_a_memory_that_is_not_empty_is_asked_about(look, change, tmp_path):
    file = tmp_path / "memory.jsonl"
    look("export", file)
    refusal = change("import", file, answer="n\n")
    assert (refusal.exit_code, "not empty" in refusal.output) == (1, True)
    assert len(change.json("events", "list", "--actor", "ann", "--session", "ann-1")) == 5
    assert change("import", file, "--yes").exit_code == 0
    assert len(change.json("events", "list", "--actor", "ann", "--session", "ann-1")) == 10


def test_a_file_of_another_kind_is_an_error_without_a_traceback(tmp_path, monkeypatch, capsys, empty):
    file = tmp_path / "other.jsonl"
    file.write_text('{"role": "user"}\n')
    message = refused(monkeypatch, capsys, "import", file, *empty.where)
    assert "line 1: it is no line of an export" in message
    assert "there is no file" in refused(monkeypatch, capsys, "import", tmp_path / "absent", *empty.where)
