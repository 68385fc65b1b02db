"""Ids that a list shows can be pasted into other commands, however narrow the terminal; a beginning is enough."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading

import pytest
from filled import CommandLine, talk
from test_commands import commands

from agentmem import MemoryConfig, new_session_id

END = b"<end>"
ANN = ("--actor", "ann", "--session", "ann-1")


def at_width(columns, run, *arguments):
    """Run a command in a terminal of so many columns and return the lines it prints."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    printed = bytearray()

    def read():
        while not printed.endswith(END):
            printed.extend(os.read(master, 65_536))

    reading = threading.Thread(target=read)
    reading.start()
    # Of a dumb terminal rich takes every width for 80.
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1", "COLUMNS": str(columns)}
    done = subprocess.run(
        [sys.executable, "-c", "from agentmem.cli import main; main()", *map(str, arguments), *run.where],
        stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.PIPE, env=environment, check=False, timeout=120,
    )  # fmt: skip
    os.write(slave, END)  # behind everything the command wrote; a slave that is closed at once may lose its last lines
    reading.join()
    os.close(slave)
    os.close(master)
    assert done.returncode == 0, done.stderr.decode()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed.removesuffix(END).decode()).splitlines()


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A memory with one thing at least of everything that is listed, and long ids."""
    folder = tmp_path_factory.mktemp("ids")
    file = folder / "agentmem.toml"
    file.write_text("[compaction]\ntoken_threshold = 1000\nprotected_turns = 1\n")
    run = CommandLine("--local", folder / "memory", "--config", file)
    config = MemoryConfig.local(folder / "memory")
    talk(config, "ann", "ann-1")
    talk(config, "ann", new_session_id("ann", "long-purpose"))
    assert run("compact", *ANN).exit_code == 0
    for text in ("Never call the customer.", "No onions."):
        assert run("pins", "add", text, *ANN).exit_code == 0
    return run


LISTS = {
    "sessions": ((), 1, lambda found: ("events", "list", "--actor", "ann", "--session", found)),
    "events list": (ANN, 0, lambda found: ("events", "show", found, *ANN)),
    "records list": (("--actor", "ann"), 0, lambda found: ("records", "show", found)),
    "records search": (("tea", "--actor", "ann"), 0, lambda found: ("records", "show", found)),
    "wait": (("/users/ann/facts/", "--max-wait", 0), 0, lambda found: ("records", "show", found)),
    "checkpoints list": (ANN, 0, lambda found: ("checkpoints", "show", "--version", found, *ANN)),
    "pins list": (ANN, 0, lambda found: ("pins", "remove", found, *ANN)),
    "context": (ANN, 0, lambda found: ("recall", found, *ANN)),
}
"""Every command that lists, with its arguments, the column of its id, and the command that takes it."""

KEYS = {"sessions": "session", "events list": "event", "pins list": "id", "checkpoints list": "version"}


def ids_of(run, name, arguments):
    found = run.json(*name.split(), *arguments)
    if name == "context":
        return [one["handle"] for one in found["messages"]]
    return [str(one[KEYS.get(name, "record")]) for one in found]


def pasted(lines, column):
    """Return the words that stand in a column of a table, as someone would mark them with a mouse."""
    head = next(
        number for number, line in enumerate(lines) if re.match(r"(actor|event|record|version|id|handle) ", line)
    )
    rows = [line for line in lines[head + 1 :] if line and not line.startswith(" ")]
    return [row.split()[column] for row in rows]


def test_every_command_that_lists_is_held_to_it():
    lists = {name for name in map(" ".join, commands()) if name.endswith((" list", " search")) or name in LISTS}
    assert lists == LISTS.keys()


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("name", LISTS)
def test_the_ids_of_a_list_can_be_pasted(columns, name, full, tmp_path):
    arguments, column, taking = LISTS[name]
    lines = at_width(columns, full, *name.split(), *arguments)
    if columns == 80 and name != "checkpoints list":  # whose ids, times and figures together may be wider
        assert max(len(line.rstrip()) for line in lines) <= columns
    found = pasted(lines, column)
    assert len(found) >= 1
    assert sorted(found) == sorted(ids_of(full, name, arguments))
    if name != "pins list":  # the list shows its pins whole, and there is nothing to show of one but to remove it
        for one in found[:2]:
            assert full(*taking(one)).exit_code == 0, one
    else:
        file = tmp_path / "all.jsonl"
        copy = CommandLine("--local", tmp_path / "copy")
        MemoryConfig.local(tmp_path / "copy")
        assert full("export", file).exit_code == copy("import", file).exit_code == 0
        assert [copy(*taking(one)).exit_code for one in found] == [0, 0]


@pytest.mark.parametrize("columns", [60, 80])
def test_recall_names_its_events_and_handles_whole(columns, full):
    text = "\n".join(at_width(columns, full, "recall", "tea", *ANN))
    [(handle, event), *_] = re.findall(r"handle (\w+), event (\S+)", text)
    assert full("events", "show", event, *ANN).exit_code == 0
    assert full.json("recall", handle, *ANN)[0]["handle"] == handle


def test_the_beginning_of_an_id_is_enough_when_it_is_the_only_one(look):
    event = look.json("events", "list", *ANN)[0]["event"]
    assert look.json("events", "show", event[:-2], *ANN)["eventId"] == event
    record = look.json("records", "list", "--actor", "ann")[0]["record"]
    assert look.json("records", "show", record[:20])["record"] == record


def test_the_beginning_of_a_pins_id_is_enough(change):
    pin = change.json("pins", "add", "No onions.", *ANN)["id"]
    assert change.json("pins", "remove", pin[:6], *ANN) == {"removed": pin}


def test_the_beginning_of_a_records_id_is_enough_to_delete_it(change):
    record = change.json("records", "list", "--actor", "ann")[0]["record"]
    assert change("records", "delete", record[:20], "--yes").exit_code == 0
    assert record not in [one["record"] for one in change.json("records", "list", "--actor", "ann")]


def test_a_beginning_of_several_ids_or_of_none_is_answered(look):
    several = look("events", "show", "0", *ANN)
    assert (several.exit_code, "ids begin with '0'" in several.output) == (2, True)
    none = look("events", "show", "9", *ANN)
    assert (none.exit_code, "no event has an id" in none.output) == (2, True)
