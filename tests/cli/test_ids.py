"""Ids that a list shows can be pasted into other commands, however narrow the terminal; a beginning is enough."""

import os
import pty
import re
import subprocess
import sys

import pytest

ANN = ("--actor", "ann", "--session", "ann-1")


def at_width(columns, folder, *arguments):
    """Run a command in a terminal of so many columns and return the lines it prints."""
    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "dumb"}
    environment.pop("NO_COLOR", None)
    done = subprocess.run(
        [sys.executable, "-c", "from agentmem.cli import main; main()", *arguments, "--local", str(folder)],
        stdout=slave, stderr=subprocess.PIPE, env=environment, check=False, timeout=120,
    )  # fmt: skip
    os.close(slave)
    printed = b""
    try:
        while chunk := os.read(master, 65_536):
            printed += chunk
    except OSError:  # Linux's way to say that the other end is closed
        pass
    os.close(master)
    assert done.returncode == 0, done.stderr.decode()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed.decode()).splitlines()


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize(
    ("listed", "show", "column"),
    [
        (("events", "list", *ANN), ("events", "show", *ANN), "event"),
        (("records", "list", "--actor", "ann"), ("records", "show"), "record"),
    ],
    ids=["events", "records"],
)
def test_the_ids_of_a_list_can_be_pasted_into_show(columns, listed, show, column, filled_folder, look):
    ids = [one[column] for one in look.json(*listed)]
    words = {word for line in at_width(columns, filled_folder, *listed) for word in line.split()}
    assert ids
    assert set(ids) <= words
    assert look(*show[:2], ids[0], *show[2:]).exit_code == 0


@pytest.mark.parametrize("columns", [60, 80])
def test_sessions_and_handles_are_whole_too(columns, filled_folder, look):
    names = {one["session"] for one in look.json("sessions")}
    assert names <= {word for line in at_width(columns, filled_folder, "sessions") for word in line.split()}
    handles = {one["handle"] for one in look.json("context", *ANN)["messages"] if one["handle"]}
    shown = {word for line in at_width(columns, filled_folder, "context", *ANN) for word in line.split()}
    assert handles <= shown


def test_the_beginning_of_an_id_is_enough_when_it_is_the_only_one(look):
    event = look.json("events", "list", *ANN)[0]["event"]
    assert look.json("events", "show", event[:-2], *ANN)["eventId"] == event
    record = look.json("records", "list", "--actor", "ann")[0]["record"]
    assert look.json("records", "show", record[:20])["record"] == record


def test_a_beginning_of_several_ids_or_of_none_is_answered(look):
    several = look("events", "show", "0", *ANN)
    assert (several.exit_code, "ids begin with '0'" in several.output) == (2, True)
    none = look("events", "show", "9", *ANN)
    assert (none.exit_code, "no event has an id" in none.output) == (2, True)
