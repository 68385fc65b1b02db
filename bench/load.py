"""Puts load on a server: 200 sessions, 8 threads, 2 minutes over HTTP; errors, times, and what grows.

    python bench/load.py                           # print the table
    python bench/load.py --write                   # and write docs/reference/figures/load.md
    python bench/load.py --seconds 20 --sessions 20 --threads 4

The server is a process of its own with a file, as `agentmem serve` is. Every turn opens its session anew, as a
container that has just been started does: session manager, hook and agent, a turn with a tool call, and closes them
again. Which session is next is drawn. Counted are the errors, the wall time of a turn, and, in client and server,
sockets, threads and resident memory; the slope of memory is that of a line through the samples after the first quarter.
Sessions are compacted on the way, so that they do not grow.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strands import Agent, tool

from agentmem import CompactionConfig, HookConfig, MemoryConfig, Namespace, ensure_memory
from agentmem.testing import Reply, ScriptedModel, ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator

FIGURES = Path(__file__).parent.parent / "docs" / "reference" / "figures" / "load.md"
ENDPOINTS = ("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL")
SAMPLE_SECONDS = 2.0
SERVER = """
import sys
from agentmem import LocalMemory
server = LocalMemory(sys.argv[1]).serve(host="127.0.0.1", port=0)
print(server.url, flush=True)
sys.stdin.read()
"""


@tool
def look(query: str) -> str:
    """Look something up.

    Args:
        query: What.
    """
    return f"{query} is blue. " * 30


@contextmanager
def served(folder: str) -> Iterator[tuple[str, int]]:
    """Serve an embedded memory in a file from a process of its own; yields its address and the process's number."""
    command = [sys.executable, "-c", SERVER, f"{folder}/memory.db"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        if process.stdout is None or process.stdin is None:
            raise SystemExit("the server has no pipes")
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.stdin.close()


def held(process: int) -> tuple[int, int, float]:
    """Return the open files (sockets are files), the threads and the resident kilobytes of a process."""
    there = Path(f"/proc/{process}")
    pages = int((there / "statm").read_text(encoding="ascii").split()[1])
    return (
        len(list((there / "fd").iterdir())),
        len(list((there / "task").iterdir())),
        pages * os.sysconf("SC_PAGE_SIZE") / 1_000,
    )


class Load:
    """The threads that take turns, and what they saw."""

    def __init__(self, config: MemoryConfig, sessions: int, seed: int) -> None:
        """Prepare; `sessions` is how many there are."""
        self.seconds: list[float] = []
        self.errors: Counter[str] = Counter()
        self.over = threading.Event()
        self._config, self._sessions, self._seed = config, sessions, seed
        self._locks = [threading.Lock() for _ in range(sessions)]

    def work(self, thread: int) -> None:
        """Take turns until it is over."""
        chance = random.Random(f"{self._seed} {thread}")  # noqa: S311 - an order, not secrets
        while not self.over.is_set():
            number = chance.randrange(self._sessions)
            if not self._locks[number].acquire(blocking=False):
                continue  # one container has a session at a time; AgentCore Runtime sees to it
            try:
                began = time.perf_counter()
                self._turn(number)
                self.seconds.append(time.perf_counter() - began)
            except Exception as error:  # noqa: BLE001 - every one counts
                self.errors[f"{type(error).__name__}: {error}"[:200]] += 1
            finally:
                self._locks[number].release()

    def _turn(self, number: int) -> None:
        bound = self._config.bind(f"actor-{number % 20}", f"s-{number}")
        with bound.session_manager() as manager, bound.hook() as hook:
            model = ScriptedModel([Reply(tool_calls=[ToolCall("look", {"query": "the sea"})]), "The sea is blue."])
            agent = Agent(model=model, session_manager=manager, hooks=[hook], tools=[look], callback_handler=None)
            if str(agent(f"What colour has the sea in session {number}?")) != "The sea is blue.\n":
                raise AssertionError("answered wrongly")
            status = manager.status
            if status.pending or status.dropped:
                raise AssertionError(f"not saved: {status.last_error}")


def slope(samples: list[tuple[int, float]]) -> float:
    """Return how much a line through points rises, a unit."""
    x, y = zip(*samples, strict=True)
    return statistics.linear_regression(x, y).slope


def main() -> None:
    """Run and print; with `--write` also write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {FIGURES.name}")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder, served(folder) as (url, server):
        os.environ.update(dict.fromkeys(ENDPOINTS, url))
        os.environ.update(AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing")  # noqa: S106 - nobody's
        config = ensure_memory(
            MemoryConfig(
                region="us-west-2",
                namespaces=(Namespace.semantic("facts", "/users/{actorId}/"),),
                hook=HookConfig(retrieve_timeout=30),
                compaction=CompactionConfig(token_threshold=2_000),
            ),
            name="load",
        )
        load = Load(config, options.sessions, options.seed)
        threads = [threading.Thread(target=load.work, args=(number,)) for number in range(options.threads)]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        samples: list[tuple[float, int, tuple[Any, ...], tuple[Any, ...]]] = []
        while time.monotonic() - began < options.seconds:
            time.sleep(min(SAMPLE_SECONDS, options.seconds / 10))
            gc.collect()
            samples.append((time.monotonic() - began, len(load.seconds), held(os.getpid()), held(server)))
        load.over.set()
        for thread in threads:
            thread.join()
    report(load, samples, options)


def report(load: Load, samples: list[Any], options: argparse.Namespace) -> None:
    """Print what was seen, and write it."""
    warm = [one for one in samples if one[0] > options.seconds / 4]
    quantiles = statistics.quantiles(load.seconds, n=100)
    rows = []
    for name, at in (("client", 2), ("server", 3)):
        first, last = warm[0][at], warm[-1][at]
        rise = slope([(one[1], one[at][2]) for one in warm])
        rows.append(
            f"| {name} | {first[0]} to {last[0]} | {first[1]} to {last[1]} | "
            f"{first[2] / 1_000:.0f} to {last[2] / 1_000:.0f} MB | {rise * 1_000:+.0f} bytes |"
        )
    lines = [
        (
            f"{len(load.seconds):,} turns in {options.seconds:.0f} s, {options.sessions} sessions, {options.threads} "
            f"threads; **{sum(load.errors.values())} errors**. A turn, its session opened and closed: median "
            f"{quantiles[49]:.2f} s, 99th percentile {quantiles[98]:.2f} s, with both processes on one machine. "
            f"Seed {options.seed}."
        ),
        "",
        "| process | open files | threads | resident | rise of memory a turn |",
        "| --- | --- | --- | --- | --- |",
        *rows,
        "",
        *(f"- {count} × {error}" for error, count in load.errors.most_common()),
    ]
    print("\n".join(lines))
    if options.write:
        FIGURES.write_text(
            "# Under load\n\nWritten by `python bench/load.py --write`; from the first quarter of the time on.\n"
            "\n" + "\n".join(lines).rstrip() + "\n",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
