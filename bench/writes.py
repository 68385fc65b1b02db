"""Measure the calls and the time that each way of writing adds to a turn with five tool calls.

    python bench/writes.py            # print the table
    python bench/writes.py --write    # and write docs/reference/figures/writes.md

The same agent on the embedded service, each call made to take 100 ms. Counted are the calls of the first turn and of
the second one; the time is what the second turn took longer than without any memory, the best of three runs each.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig
from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager
from strands import Agent, tool

from agentmem import HookConfig, MemoryConfig, WriteConfig
from agentmem.local import LocalMemory
from agentmem.testing import ScriptedModel, ToolCall

FIGURES = Path(__file__).parent.parent / "docs" / "reference" / "figures" / "writes.md"
CALL_SECONDS = 0.1
RUNS = 3
HEADS = ["written by", "CreateEvent, first turn", "CreateEvent, second turn", "other calls", "added to the turn"]


@tool
def look(number: int) -> str:
    """Look something up."""
    return f"{number} is blue"


def _sdk(session: Any, **options: Any) -> dict[str, Any]:
    config = AgentCoreMemoryConfig(
        memory_id=session.memory_id, actor_id="ann", session_id=session.session_id, **options
    )
    return {"session_manager": AgentCoreMemorySessionManager(config, boto_session=session.config.boto_session())}


def _batched(session: Any) -> dict[str, Any]:
    return _sdk(session, batch_size=100)


def _ours(session: Any) -> dict[str, Any]:
    return {"session_manager": session.session_manager()}


def _hook(session: Any) -> dict[str, Any]:
    return {"hooks": [session.hook()]}


WRITERS = {
    "SDK session manager": ("turn", _sdk),
    "SDK session manager, batch_size=100": ("turn", _batched),
    "session manager": ("turn", _ours),
    'session manager, flush="message"': ("message", _ours),
    'session manager, flush="background"': ("background", _ours),
    "hook": ("turn", _hook),
    'hook, flush="message"': ("message", _hook),
    'hook, flush="background"': ("background", _hook),
}


def turns(flush: str, make: Any) -> tuple[list[Counter[str]], float]:
    """Take two turns; return the calls of each, and the seconds of the second."""
    service = LocalMemory()
    config = MemoryConfig.local(service, namespaces=()).replace(
        hook=HookConfig(retrieve=False), writes=WriteConfig(flush=flush)
    )
    calls: Counter[str] = Counter()
    config.boto_session().events.register(
        "before-call.bedrock-agentcore.*", lambda model, **_: calls.update([model.name])
    )
    session = config.bind("ann", "s1")
    options = make(session)
    script = [*(ToolCall("look", {"number": number}) for number in range(5)), "Done."] * 2
    agent = Agent(model=ScriptedModel(script), tools=[look], callback_handler=None, **options)
    holder = next(iter(options.get("hooks", ())), options.get("session_manager"))
    close = holder.close if flush == "background" else lambda: None
    counted = []
    for _ in range(2):
        calls.clear()
        with service.faults.inject("latency", seconds=CALL_SECONDS):
            began = time.perf_counter()
            agent("Go.")
            took = time.perf_counter() - began
            close()
        counted.append(Counter(calls))
    return counted, took


def measure(flush: str, make: Any) -> list[str]:
    """Return a row of the table, without its name."""
    runs = [turns(flush, make) for _ in range(RUNS)]
    without = min(turns("turn", lambda _: {})[1] for _ in range(RUNS))
    (first, second), _ = runs[0]
    added = min(took for _, took in runs) - without
    others = sum(second.values()) - second["CreateEvent"]
    return [str(first["CreateEvent"]), str(second["CreateEvent"]), str(others), f"{max(added, 0) * 1000:.0f} ms"]


def main() -> None:
    """Measure every writer and print, or write, the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write docs/reference/figures/writes.md")
    arguments = parser.parse_args()
    rows = [HEADS, ["---"] * len(HEADS)] + [[name, *measure(*how)] for name, how in WRITERS.items()]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    print(table)
    if arguments.write:
        FIGURES.parent.mkdir(parents=True, exist_ok=True)
        FIGURES.write_text(
            "# Cost of writing a turn\n\n"
            "A turn with five tool calls (12 messages) on the embedded service, where each call takes "
            f"{CALL_SECONDS * 1000:.0f} ms. The last column\nis the time of the second turn minus the time without "
            f"memory, best of {RUNS} runs. Made by `python bench/writes.py --write`.\n\n" + table + "\n"
        )


if __name__ == "__main__":
    main()
