"""Counts the functions and files of agentmem that a turn and a recall pass through.

    python bench/paths.py            # print the table
    python bench/paths.py --list     # and every function, by file, in the order of its first call

A tracer notes each call of a function of the package, in every thread. Left out are the embedded service and the
scripted model, which stand for AWS and for a model, comprehensions, which are no functions to a reader, and the judging
of sentences for the next summary, which follows in the background when the event is acknowledged. A move is a call
whose function is in another file than the function called before it in the same thread.

Three ways are measured, on agents that have taken a turn before, so that nothing is imported or set up on the way:

- a plain turn of a ``CompactingSessionManager`` with its checkpoints in the event log: from the user's prompt over the
  model's answer to the acknowledged event;
- the same turn with a ``MemoryHook`` instead, which searches no long-term memory;
- a recall by words over a session that was compacted, and the first one, which reads the log and the indexes.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import sys
import threading
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from strands import Agent

import agentmem
from agentmem import CompactionConfig, HookConfig, MemoryConfig
from agentmem.local import LocalMemory
from agentmem.testing import ScriptedModel

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

PACKAGE = f"{Path(agentmem.__file__).parent}/"
APART = (f"{PACKAGE}local/", f"{PACKAGE}testing/")
"""What stands for AWS and for the model."""

AFTERWARDS = ("Compactor.prepare", "Compactor._read_ahead")
"""Functions that begin the work after the acknowledgement."""


class Paths:
    """Notes the calls of the package's functions while it is entered."""

    def __init__(self) -> None:
        """Start with no call."""
        self.calls: dict[int, list[CodeType]] = defaultdict(list)

    def __enter__(self) -> Self:
        """Trace this thread and those that are started from now on."""
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        """Trace no more."""
        sys.setprofile(None)
        threading.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and _is_counted(code) and not _is_apart(frame):
            self.calls[threading.get_ident()].append(code)

    @property
    def functions(self) -> dict[str, list[str]]:
        """The functions called, by file, in the order of their first calls."""
        found: dict[str, list[str]] = {}
        for code in dict.fromkeys(code for calls in self.calls.values() for code in calls):
            found.setdefault(_file_of(code), []).append(code.co_qualname)
        return found

    @property
    def moves(self) -> int:
        """How often the call after a call is of another file."""
        files = [[_file_of(code) for code in calls] for calls in self.calls.values()]
        return sum(one != other for calls in files for one, other in itertools.pairwise(calls))


def _is_counted(code: CodeType) -> bool:
    is_ours = code.co_filename.startswith(PACKAGE) and not code.co_filename.startswith(APART)
    return is_ours and code.co_name not in ("<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>", "<module>")


def _is_apart(frame: FrameType | None) -> bool:
    """Whether the scripted model makes the call, to count the tokens it reports, or the call is made afterwards."""
    while frame is not None:
        if frame.f_code.co_filename.startswith(APART) or frame.f_code.co_qualname.startswith(AFTERWARDS):
            return True
        frame = frame.f_back
    return False


def _file_of(code: CodeType) -> str:
    return code.co_filename.removeprefix(PACKAGE)


def turn() -> Paths:
    """Trace a plain turn of a session manager."""
    with LocalMemory() as service:
        session = MemoryConfig.local(service, namespaces=()).bind("ann", "paths")
        model = ScriptedModel(["Hello.", "Fine."])
        agent = Agent(model=model, session_manager=session.session_manager(), callback_handler=None)
        agent("Hello?")
        with Paths() as paths:
            agent("How are you?")
        return paths


def turn_of_hook() -> Paths:
    """Trace a plain turn of a hook."""
    with LocalMemory() as service:
        config = MemoryConfig.local(service, namespaces=()).replace(hook=HookConfig(retrieve=False))
        model = ScriptedModel(["Hello.", "Fine."])
        agent = Agent(model=model, hooks=[config.bind("ann", "paths").hook()], callback_handler=None)
        agent("Hello?")
        with Paths() as paths:
            agent("How are you?")
        return paths


def recall(*, is_first: bool = False) -> Paths:
    """Trace a recall by words of something that was folded away."""
    with LocalMemory() as service:
        compaction = CompactionConfig(token_threshold=2_000)
        session = MemoryConfig.local(service, namespaces=()).replace(compaction=compaction).bind("ann", "paths")
        replies = [f"Answer {number}. {'word ' * 200}" for number in range(12)]
        manager = session.session_manager()
        agent = Agent(model=ScriptedModel(replies), session_manager=manager, callback_handler=None)
        agent("The booking reference is QX7.")
        for number in range(11):
            agent(f"Question {number}?")
        if not is_first:
            manager.recall.by_words("booking reference")
        with Paths() as paths:
            found = manager.recall.by_words("booking reference")
        if not any("QX7" in one.text for one in found):
            raise SystemExit("the recall found nothing, so its way was not measured")
        return paths


WAYS: dict[str, Callable[[], Paths]] = {
    "plain turn, session manager": turn,
    "plain turn, hook": turn_of_hook,
    "recall by words": recall,
    "first recall by words": functools.partial(recall, is_first=True),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="name every function")
    options = parser.parse_args()
    print(f"{'':28} functions  files  moves between files")
    for name, trace in WAYS.items():
        paths = trace()
        functions = paths.functions
        print(f"{name:28} {sum(map(len, functions.values())):9}  {len(functions):5}  {paths.moves:19}")
        if options.list:
            for file, names in functions.items():
                print(f"    {file:40} {', '.join(names)}")


if __name__ == "__main__":
    main()
