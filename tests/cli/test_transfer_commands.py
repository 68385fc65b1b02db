"""`agentmem export` and `agentmem import`."""

from __future__ import annotations

import json

import pytest
from filled import CommandLine, refused

from agentmem import MemoryConfig


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
