"""The line that says how a wait is going."""

from __future__ import annotations

import builtins
import io
import sys
import threading
import types

import pytest
from rich.console import Console

from agentmem.errors import MissingExtraError
from agentmem.records.waiting.polling import WaitProgress
from agentmem.records.waiting.progress import WaitingLine, describe


def progress(polls=1, *, elapsed=0.0, count=0, error=None, done=False):
    return WaitProgress(polls, elapsed, 60.0, count, 2, error, done)


def test_it_says_what_is_there_and_what_went_wrong():
    assert describe(progress(3, count=1)) == "1 of 2 there, poll 3"
    assert describe(progress(error=TimeoutError())) == "0 of 2 there, poll 1, tried again after TimeoutError"


def test_in_a_terminal_it_is_updated_and_taken_away():
    before = set(threading.enumerate())
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=120)
    with WaitingLine("facts [of Ann]", console=console) as line:
        line(progress())
        line(progress(2, elapsed=5, count=1))
    assert "facts [of Ann]" in written.getvalue()
    assert "1 of 2 there, poll 2" in written.getvalue()
    assert written.getvalue().rstrip("\r").endswith("\x1b[2K")  # the line is erased
    for thread in set(threading.enumerate()) - before:
        thread.join(1)
        assert not thread.is_alive()


def test_where_there_is_no_terminal_nothing_is_shown():
    written = io.StringIO()
    with WaitingLine(console=Console(file=written, force_terminal=False)) as line:
        line(progress())
    assert written.getvalue() == ""


def test_in_a_notebook_one_line_of_output_is_updated(monkeypatch):
    shown = []

    class Handle:
        def update(self, data, *, raw):
            shown[-1] = data["text/plain"]

    def display(data, *, raw, display_id):
        shown.append(data["text/plain"])
        return Handle()

    class ZMQInteractiveShell:
        """What rich takes for a notebook's shell."""

    module = types.ModuleType("IPython.display")
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(builtins, "get_ipython", ZMQInteractiveShell, raising=False)
    with WaitingLine("facts") as line:
        line(progress())
        assert shown == ["facts: 0 of 60 s, 0 of 2 there, poll 1"]
        line(progress(2, elapsed=5, count=2, done=True))
    assert shown == ["facts: done, 2 of 2 there, poll 2"]


def test_without_rich_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'strands-agentmem\[cli\]"):
        WaitingLine()
