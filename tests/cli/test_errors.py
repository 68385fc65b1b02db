"""What goes wrong is told in a sentence or two with what to do, never with a traceback, and while it lasts it shows."""

from __future__ import annotations

import sqlite3

import pytest
from filled import CommandLine, refused
from strands.types.exceptions import EventLoopException
from test_commands import commands

from agentmem import ConfigurationError, MemoryConfig
from agentmem.cli.errors import explained
from agentmem.local import LocalMemory

ANN = ("--actor", "ann", "--session", "ann-1")
RECORD = "mem-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
NEED_A_MEMORY = {
    "chat": (), "checkpoints delete": (*ANN, "--yes"), "checkpoints list": ANN, "checkpoints show": ANN,
    "compact": ANN, "context": ANN, "doctor": (),
    "events list": ANN, "events show": ("0000001790000000003#0a1b2c3d", *ANN), "export": ("out.jsonl",),
    "forget": ("--actor", "ann", "--yes"), "import": ("in.jsonl", "--yes"), "records delete": (RECORD, "--yes"),
    "inspect": ("--no-open",), "pins add": ("No onions.", *ANN), "pins list": ANN, "pins remove": ("a1b2", *ANN),
    "recall": ("tea", *ANN), "records list": ("--actor", "ann"),
    "records search": ("tea", "--actor", "ann"), "records show": (RECORD,),
    "sessions": (), "wait": ("/users/ann/facts/", "--max-wait", "0"),
}  # fmt: skip
"""The commands that are about a memory, with arguments that are fine."""

ABSENT = "support_bot-a1b2c3d4e5"


@pytest.fixture(autouse=True)
def in_an_empty_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    (tmp_path / "in.jsonl").write_text('{"kind": "memory", "format": 1, "memory_id": "m", "strategies": []}\n')


def told(monkeypatch, capsys, command, *where):
    message = refused(monkeypatch, capsys, *command.split(), *NEED_A_MEMORY[command], *where)
    assert "Traceback" not in message
    return message


def test_every_command_that_is_about_a_memory_is_here():
    others = {"demo", "replay", "serve", "init", "iam-policy", "template", "checkpoints create-table"}
    assert set(NEED_A_MEMORY) == {" ".join(command) for command in commands()} - others


@pytest.mark.parametrize("command", NEED_A_MEMORY)
def test_no_memory_at_all_is_told_with_the_ways_to_name_one(command, monkeypatch, capsys):
    message = told(monkeypatch, capsys, command)
    assert "no memory is configured" in message
    assert "agentmem init" in message


@pytest.mark.parametrize("command", sorted(set(NEED_A_MEMORY) - {"chat"}))
def test_a_folder_without_a_memory_is_told(command, monkeypatch, capsys):
    message = told(monkeypatch, capsys, command, "--local", "absent")
    assert "'absent': there is no embedded memory" in message
    assert "agentmem init --local" in message


@pytest.mark.parametrize("command", NEED_A_MEMORY)
def test_a_malformed_memory_id_is_told(command, monkeypatch, capsys):
    assert "memory_id = 'no such id'" in told(monkeypatch, capsys, command, "--memory-id", "no such id")


@pytest.mark.parametrize(
    "command", ["checkpoints list", "context", "export", "forget", "import", "records search", "sessions", "wait"]
)
def test_without_a_region_or_credentials_it_is_said_what_to_do(command, monkeypatch, capsys):
    assert "region is missing" in told(monkeypatch, capsys, command, "--memory-id", ABSENT)
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    nowhere(monkeypatch)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    assert "aws configure sso" in told(monkeypatch, capsys, command, "--memory-id", ABSENT)


@pytest.mark.parametrize("command", ["sessions", "context", "wait", "chat"])
def test_a_service_that_is_down_is_told(command, monkeypatch, capsys):
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    nowhere(monkeypatch)
    assert "127.0.0.1:1" in told(monkeypatch, capsys, command, "--memory-id", ABSENT)


def nowhere(monkeypatch):
    """Lead the clients to where nobody listens."""
    for variable in ("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")


def test_half_an_id_of_a_record_is_told(look, monkeypatch, capsys):
    assert "records list` shows them" in refused(monkeypatch, capsys, "records", "show", "mem-0a1b", *look.where)


@pytest.mark.parametrize("command", ["sessions", "wait", "forget", "context", "export", "chat"])
def test_a_memory_that_is_not_there_is_told(command, monkeypatch, capsys, filled_folder):
    with LocalMemory(filled_folder / "memory.db") as memory, memory.serve() as server:
        for name, value in {**server.env(), "AWS_REGION": "us-west-2"}.items():
            monkeypatch.setenv(name, value)
        message = told(monkeypatch, capsys, command, "--memory-id", ABSENT)
    assert ABSENT in message


def test_what_a_user_can_mend_is_explained_and_a_mistake_of_ours_is_not():
    wrapped = EventLoopException(ConfigurationError("region is missing."), {})
    wrapped.__cause__ = wrapped.original_exception
    assert explained(wrapped) == "region is missing."
    assert "Give a path" in explained(PermissionError(13, "Permission denied", "/etc/shadow"))
    assert "disk full" in explained(sqlite3.OperationalError("database or disk is full"))
    assert explained(KeyError("x")) is None
    assert explained(OSError("no file involved")) is None


# ---- what takes long


@pytest.mark.parametrize(
    ("arguments", "label"),
    [
        (["sessions"], "reading the sessions"),
        (["events", "list", *ANN], "reading the events"),
        (["records", "list", "--actor", "ann"], "reading /"),
        (["records", "search", "tea", "--actor", "ann"], "searching /"),
        (["context", *ANN], "reading the session"),
        (["compact", *ANN, "--dry-run"], "planning"),
        (["checkpoints", "list", *ANN], "reading the checkpoints"),
        (["doctor"], "checking: 1"),
        (["forget", "--actor", "ann", "--dry-run"], "counting"),
        (["export", "out.jsonl"], "exporting"),
        (["wait", "/users/ann/facts/"], "waiting for"),
        (["chat", "--json"], "opening the session"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_what_may_take_long_shows_on_a_terminal(change, arguments, label, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes it for a terminal
    done = change(*arguments)
    assert done.exit_code == 0
    assert label in done.stderr
    assert label not in done.stdout


def test_what_is_no_terminal_is_not_told_how_far_it_is(look):
    for arguments in (["sessions"], ["doctor"], ["export", "out.jsonl"]):
        assert look(*arguments).stderr == ""


def test_a_terminal_is_told_what_is_deleted_and_imported(change, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert change("export", "all.jsonl").exit_code == 0
    assert "deleting" in change("forget", "--actor", "ann", "--yes").stderr
    MemoryConfig.local(tmp_path / "empty")
    assert "importing" in CommandLine("--local", tmp_path / "empty")("import", "all.jsonl").stderr
    assert "waiting for the memory" in CommandLine("--local", tmp_path / "new")("init").stderr


def test_input_that_is_not_text_is_answered(monkeypatch, capsys, look, tmp_path):
    file = tmp_path / "latin-1.jsonl"
    file.write_bytes("Größe\n".encode("latin-1"))
    assert "is not UTF-8 text (byte 3" in refused(monkeypatch, capsys, "import", file, "--yes", *look.where)
