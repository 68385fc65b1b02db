"""`agentmem export` and `agentmem import`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filled import CommandLine, refused
from strands import Agent

from agentmem import CompactionConfig, MemoryConfig
from agentmem.local import LocalMemory
from agentmem.replay.formats import load_conversation, read_lines
from agentmem.replay.importing import SessionNotEmptyError, import_conversation
from agentmem.testing import ScriptedModel


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
        for name, value in {**server.env(), "AWS_REGION": "us-east-1"}.items():
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
    assert "is no file of `agentmem export`. Give --actor to import it as a conversation" in message
    assert "there is no file" in refused(monkeypatch, capsys, "import", tmp_path / "absent", *empty.where)


HISTORIES = Path(__file__).parents[1] / "data" / "histories"


@pytest.mark.parametrize(
    "name", ["anthropic.jsonl", "claude-code.jsonl", "swe-agent.traj", "codex-rollout.jsonl", "sharegpt.json"]
)
def test_a_conversation_of_another_program_becomes_a_session(empty, name):
    where = ("--actor", "ann", "--session", "moved")
    shown = empty.json("import", HISTORIES / name, *where, "--dry-run")
    assert (shown["imported"], empty.json("sessions")) == (False, [])
    done = empty.json("import", HISTORIES / name, *where, "--yes")
    assert {**done, "imported": False} == {**shown, "compactions": 0}
    [session] = empty.json("sessions")
    assert (session["actor"], session["session"]) == ("ann", "moved")
    manager = MemoryConfig.local(Path(empty.where[1])).bind("ann", "moved").session_manager()
    agent = Agent(model=ScriptedModel(["Yes."]), session_manager=manager, callback_handler=None)
    expected = load_conversation(HISTORIES / name).messages
    assert [one["role"] for one in agent.messages] == [one["role"] for one in expected]
    assert [one["content"] for one in agent.messages] == [one["content"] for one in expected]
    agent("And now?")
    manager.close()


def test_a_long_history_restores_compacts_and_is_recalled(tmp_path):
    config = MemoryConfig.local(tmp_path / "empty", compaction=CompactionConfig(token_threshold=3_000))
    session = config.bind("ann", "moved")
    turns = [("The key of locker 4711 is with Ines.", "Noted.")]
    turns += [(f"Tell me about boat {number}.", f"Boat {number} is a {'long ' * 60}boat.") for number in range(60)]
    said = [(role, text) for turn in turns for role, text in zip(("user", "assistant"), turn, strict=True)]
    lines = [json.dumps({"role": role, "content": text}) for role, text in said]
    report = import_conversation(read_lines(lines), session)
    assert (report.invocations, report.compactions > 0) == (61, True)
    manager = session.session_manager()
    model = ScriptedModel(["It is with Ines."])
    agent = Agent(model=model, session_manager=manager, callback_handler=None)
    assert len(agent.messages) < 60
    agent("Where is the key?")
    assert model.requests[-1].tokens < 3_000
    manager.close()
    assert any("with Ines" in found.text for found in session.recall("key of locker 4711"))
    with pytest.raises(SessionNotEmptyError, match="session 'moved' of actor 'ann' holds events already"):
        import_conversation(read_lines(lines), session)


def test_an_answer_of_no_imports_nothing_and_a_conversation_needs_an_actor(empty, tmp_path):
    file = HISTORIES / "sharegpt.json"
    refused = empty("import", file, "--actor", "ann", answer="n\n")
    assert (refused.exit_code, "Nothing was imported" in refused.stderr) == (1, True)
    for more, message in (((), "is no file of"), (("--dry-run",), "are for a conversation")):
        assert message in str(empty("import", file, *more).exception)
    assert empty.json("sessions") == []
    odd = tmp_path / "odd.json"
    odd.write_text('{"name": "x"}')
    done = empty("import", odd, "--actor", "ann", "--dry-run")
    assert "it is none of what is taken" in str(done.exception)
