"""Counts what 200 agents with a session manager and a hook leave behind in one process.

    python bench/resources.py            # print the table
    python bench/resources.py --write    # and write docs/reference/figures/resources.md

Each agent takes a turn in a session of its own and is closed and dropped, as behind a web server. The memory is served
over HTTP by a second process, so that sockets are real.
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from strands import Agent

from agentmem import HookConfig, MemoryConfig, ensure_memory
from agentmem.testing import ScriptedModel

if TYPE_CHECKING:
    from collections.abc import Iterator

FIGURES = Path(__file__).parent.parent / "docs" / "reference" / "figures" / "resources.md"
AGENTS = (5, 25, 50, 100, 200)
ENDPOINTS = ("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL")
SERVER = """
import sys
from agentmem import LocalMemory
server = LocalMemory().serve(host="127.0.0.1", port=0)
print(server.url, flush=True)
sys.stdin.read()
"""


@contextmanager
def served() -> Iterator[str]:
    """Serve an embedded memory from a process of its own; yields its address."""
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        if process.stdout is None or process.stdin is None:
            raise SystemExit("the server has no pipes")
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def held() -> tuple[int, int, int, float]:
    """Return the clients, the open files (sockets are files), the threads and the resident megabytes."""
    gc.collect()
    clients = sum(type(one).__module__ == "botocore.client" for one in gc.get_objects())
    files = len(list(Path("/proc/self/fd").iterdir()))
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return clients, files, threading.active_count(), pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def work(config: MemoryConfig, number: int) -> None:
    """Let one agent take a turn, and drop it."""
    with config.bind("ann", f"s-{number}").session_manager() as manager, config.bind("ann", "x").hook() as hook:
        model = ScriptedModel(["Yes."])
        Agent(model=model, session_manager=manager, hooks=[hook], callback_handler=None)("Hello, is anybody there?")


def main() -> None:
    """Count and print; with `--write` also write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {FIGURES.name}")
    options = parser.parse_args()
    lines = ["| agents so far | clients | open files | threads | resident MB |", "| --- | --- | --- | --- | --- |"]
    with served() as url:
        os.environ.update(dict.fromkeys(ENDPOINTS, url))
        os.environ.update(AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing")  # noqa: S106 - nobody's
        config = ensure_memory(MemoryConfig(region="us-west-2", hook=HookConfig(retrieve_timeout=10)), name="resources")
        done = 0
        for agents in AGENTS:
            for number in range(done, agents):
                work(config, number)
            done = agents
            clients, files, threads, megabytes = held()
            lines.append(f"| {agents} | {clients} | {files} | {threads} | {megabytes:.0f} |")
            print(lines[-1], flush=True)
    if options.write:
        FIGURES.write_text(
            "# Clients, sockets and threads\n\nWritten by `python bench/resources.py --write`: agents with a session "
            "manager and a hook, one after the other, each dropped after its turn.\n\n" + "\n".join(lines) + "\n",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
