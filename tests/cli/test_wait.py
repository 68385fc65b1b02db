"""`agentmem wait`: what it prints, and what its exit status says."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import pytest
from filled import CommandLine

from agentmem import MemoryConfig

FACTS = "/users/ann/facts/"


def say(folder, text):
    session = MemoryConfig.local(folder).bind("ann", "ann-1")
    return session.client.create_event(
        memoryId=session.memory_id,
        actorId="ann",
        sessionId="ann-1",
        eventTimestamp=time.time(),
        payload=[{"conversational": {"role": "USER", "content": {"text": text}}}],
    )["event"]


@pytest.fixture(scope="module")
def memory(tmp_path_factory):
    """A folder with a memory in which one fact is known, and the command line on it, for tests that only look."""
    folder = tmp_path_factory.mktemp("known") / "memory"
    say(folder, "I live in Porto.")
    command = CommandLine("--local", folder)
    assert command("wait", FACTS).exit_code == 0
    return folder, command


@pytest.fixture
def own_memory(memory, tmp_path):
    """A copy of it, to say more."""
    shutil.copytree(memory[0], tmp_path / "memory")
    return tmp_path / "memory", CommandLine("--local", tmp_path / "memory")


def test_what_is_there_is_printed_and_the_status_is_0(memory):
    _folder, command = memory
    done = command("wait", FACTS, "where Ann lives")
    assert done.exit_code == 0
    assert "Porto" in done.stdout


def test_json_is_a_list_of_records(memory):
    _folder, command = memory
    [record] = command.json("wait", FACTS, "where Ann lives")
    assert "Porto" in record["text"]
    assert record["namespace"] == FACTS
    assert record["score"] > 0


def test_when_the_time_is_up_the_status_is_1_and_the_list_is_empty(memory):
    _folder, command = memory
    done = command("wait", FACTS, "--min-count", 2, "--max-wait", 0, "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == []
    assert "1 of 2 records in namespace '/users/ann/facts/'" in done.stderr


def test_since_now_only_what_comes_later_counts(own_memory):
    folder, command = own_memory
    assert command("wait", FACTS, "--since", "now", "--max-wait", 0).exit_code == 1
    over = threading.Event()

    def talk():  # new facts until one falls after the mark
        for number in range(200):
            say(folder, f"I have a dog named Rex{number}.")
            if over.wait(0.05):
                return

    talking = threading.Thread(target=talk)
    talking.start()
    try:
        records = command.json("wait", FACTS, "--since", "now", "--max-wait", 20, "--poll-interval", 0.1)
    finally:
        over.set()
        talking.join()
    assert {"Rex" in record["text"] for record in records} == {True}


@pytest.mark.parametrize("kind", ["time", "event id"])
def test_since_a_time_or_an_event_only_what_comes_later_counts(own_memory, kind):
    folder, command = own_memory
    since = datetime.now(UTC).isoformat()
    event = say(folder, "I have a dog named Rex.")
    records = command.json("wait", FACTS, "--since", since if kind == "time" else event["eventId"])
    assert ["Rex" in record["text"] for record in records] == [True]


@pytest.mark.parametrize("session", [(), ("--session", "ann-1")])
def test_a_namespace_may_be_given_by_its_configured_name(memory, session):
    _folder, command = memory
    assert "Porto" in command("wait", "facts", "--actor", "ann", *session).stdout
    assert command("wait", "facts", "--actor", "bob", *session, "--max-wait", 0).exit_code == 1


def test_below_also_looks_in_the_namespaces_below(memory):
    _folder, command = memory
    assert command("wait", "/users/ann/", "--max-wait", 0).exit_code == 1
    assert command("wait", "/users/ann/", "--max-wait", 0, "--below").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["facts"], "needs its actor"),
        (["nothing", "--actor", "ann"], "no such namespace"),
        ([FACTS, "--actor", "ann"], "leave --actor"),
        (["/users/*/"], "wildcards"),
        ([FACTS, "--since", "yesterday"], "neither 'now' nor"),
        ([FACTS, "--since", "2026-03-01T12:00:00"], "no time zone"),
        ([FACTS, "--poll-interval", "0"], "poll_interval"),
        ([FACTS, "--memory-id", "other-a1b2c3d4e5"], "other-a1b2c3d4e5"),
    ],
)
def test_an_error_is_explained_and_its_status_is_2(memory, arguments, message):
    _folder, command = memory
    done = command("wait", *arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.output.replace("│", " ").split())


def test_a_folder_without_a_memory_is_an_error_and_stays_as_it_is(tmp_path):
    done = CommandLine("--local", tmp_path / "nothing")("wait", FACTS)
    assert done.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_an_error_nobody_expected_is_no_timeout(memory, monkeypatch):
    _folder, command = memory
    monkeypatch.setitem(sys.modules, "agentmem.records.waiting.wait", None)
    done = command("wait", FACTS)
    assert done.exit_code == 2
    assert "Traceback" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals")
def test_progress_is_shown_on_a_terminal_s_stderr_only(memory):
    folder, _command = memory
    master, slave = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", "from agentmem.cli import main; main()", "wait", "/nothing/", "--max-wait", "0.3",
         "--poll-interval", "0.1", "--local", str(folder), "--json"],
        stdout=subprocess.PIPE, stderr=slave, env={**os.environ, "TERM": "xterm", "COLUMNS": "120"}, check=False,
    )  # fmt: skip
    os.close(slave)
    shown = os.read(master, 1_000_000).decode()
    os.close(master)
    assert done.returncode == 1
    assert "waiting for /nothing/" in shown
    assert "0 of 1 there, poll" in shown
    assert json.loads(done.stdout) == []
