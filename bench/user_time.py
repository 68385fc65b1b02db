"""Measure what judging by meaning costs on a user's time: a compaction, and the way to the first model call.

    python bench/user_time.py                # prints the tables
    python bench/user_time.py --write        # and writes docs/reference/figures/user-time.md
    python bench/user_time.py --locomo FILE  # the conversation to compact

CPU time is that of the thread that compacts, or of the process without the thread that loads the encoder. Between turns
the bench waits until the sentences of the turn are judged, as they are while a person reads an answer.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from held import cut, joined
from strands import Agent
from summary import DATA, ROOT, dialogues

from agentmem import CompactionConfig, MemoryConfig
from agentmem.meaning.loading import wait_until_ready
from agentmem.testing import ScriptedModel

if TYPE_CHECKING:
    from collections.abc import Sequence

FIGURES = ROOT / "docs" / "reference" / "figures" / "user-time.md"
REPEATS = 7

_FIRST_CALL = """
import json, os, sys, threading, time
began = time.process_time()
import agentmem
imported = time.process_time() - began
from strands import Agent
from agentmem.testing import ScriptedModel
config = agentmem.MemoryConfig.local(
    ":memory:",
    namespaces=(),
    compaction=agentmem.CompactionConfig(encoder=None if sys.argv[1] == "off" else "packaged"),
)
model = ScriptedModel(["Hello."])
answer = model.answer
def timed(request):
    spent = time.process_time() - began
    loading = 0.0
    for thread in threading.enumerate():
        if thread.name == "agentmem-meaning":
            with open(f"/proc/self/task/{thread.native_id}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            loading = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    print(json.dumps({"imported": imported, "spent": spent - loading, "loading": loading}))
    return answer(request)
model.answer = timed
Agent(model=model, session_manager=config.bind("ann", "s-1").session_manager(), callback_handler=None)("Hello?")
os._exit(0)
"""

_MEMORY = """
import resource, numpy
def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6
before = held()
from agentmem.meaning.loading import wait_until_ready
wait_until_ready()
print(held() - before)
"""


def first_call() -> list[str]:
    """Start a process again and again, with the encoder and without."""
    found: dict[str, list[dict[str, float]]] = {"on": [], "off": []}
    for _ in range(REPEATS):
        for state, times in found.items():
            times.append(json.loads(_output(_FIRST_CALL, state).splitlines()[-1]))
    lines = ["| CPU time, median of 7 processes | encoder on | encoder off | more |", "|---|---:|---:|---:|"]
    for name, key in (("`import agentmem`", "imported"), ("from the start to the first model call", "spent")):
        on, off = (statistics.median(one[key] for one in found[state]) for state in ("on", "off"))
        lines.append(f"| {name} | {on * 1_000:,.0f} ms | {off * 1_000:,.0f} ms | {on / off - 1:+.1%} |")
    loading = statistics.median(one["loading"] for one in found["on"])
    lines.append(f"| of the thread that loads the encoder, by then | {loading * 1_000:,.0f} ms | | |")
    memory = float(_output(_MEMORY))
    return [*lines, "", f"The loaded encoder, classifier and names of languages take {memory:,.0f} MB over numpy's."]


def _output(program: str, *arguments: str) -> str:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - a program of ours


def compactions(messages: Sequence[dict[str, Any]], encoder: str | None) -> list[float]:
    """Return the CPU seconds of each compaction of a chat."""
    config = MemoryConfig.local(
        ":memory:", namespaces=(), compaction=CompactionConfig(token_threshold=6_000, encoder=encoder)
    )
    manager = config.bind("ann", "s-1").session_manager()
    agent = Agent(model=ScriptedModel([]), session_manager=manager, callback_handler=None)
    seconds: list[float] = []
    compactor = manager._compactor  # noqa: SLF001 - the bench measures what it does
    compact = compactor.compact

    def timed(*arguments: Any, **options: Any) -> Any:
        began = time.thread_time()
        made = compact(*arguments, **options)
        seconds.append(time.thread_time() - began)
        return made

    compactor.compact = timed
    for user, answer in zip(messages[::2], messages[1::2], strict=False):
        agent.model = ScriptedModel([answer["content"][0]["text"]])
        agent(user["content"][0]["text"])
        for thread in threading.enumerate():
            if thread.name == "agentmem-judge":
                thread.join()
    return seconds


def main() -> None:
    """Measure and print; with `--write` also write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--locomo", type=Path, default=DATA / "locomo-5.json")
    parser.add_argument("--write", action="store_true", help=f"write {FIGURES.name}")
    options = parser.parse_args()
    lines = ["# What judging costs on a user's time", "", "Written by `python bench/user_time.py --write`.", ""]
    if options.locomo.exists():
        wait_until_ready()
        talk = joined(dialogues(options.locomo)[2])
        messages = cut(talk if talk[0]["role"] == "user" else talk[1:], 14_000)
        on, off = compactions(messages, "packaged"), compactions(messages, None)
        lines += ["| a compaction at 6,000 tokens, CPU | encoder on | encoder off |", "|---|---:|---:|"]
        for name, of in (("median", statistics.median), ("largest", max)):
            lines.append(f"| {name} | {of(on) * 1_000:.0f} ms | {of(off) * 1_000:.0f} ms |")
        lines += [f"| compactions | {len(on)} | {len(off)} |", ""]
    lines += first_call()
    text = "\n".join(lines) + "\n"
    print(text)
    if options.write:
        FIGURES.write_text(text, encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)  # no thread of a session is waited for


if __name__ == "__main__":
    main()
