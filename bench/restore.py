"""Measures the opening of a session of 1,000 and of 10,000 messages, the first time and later ones, in one run.

    python bench/restore.py            # print the table
    python bench/restore.py --write    # and write docs/reference/figures/restore.md

A session comes about in one of two ways. Either its events were written by something that makes no checkpoints, and the
first opening folds the past; or an agent held it in turns of 20 messages and compacted it on the way. What counts is
that a later opening costs the same whatever lies behind. Openings of the two lengths take turns, so that what else the
machine does meets both.
"""

from __future__ import annotations

import argparse
import statistics
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from strands import Agent, tool

from agentmem import CompactionConfig, MemoryConfig
from agentmem.events.serializer import encode_message
from agentmem.replay.calls import ApiCalls
from agentmem.testing import Reply, ScriptedModel, ToolCall

FIGURES = Path(__file__).parent.parent / "docs" / "reference" / "figures" / "restore.md"
LENGTHS = (1_000, 10_000)
OPENINGS = 15
CALLS_A_TURN = 9
MESSAGES_A_TURN = 2 + 2 * CALLS_A_TURN
THRESHOLD = 4_000
MOST = 1.3
"""The times of the longer session's openings that the shorter one's may take."""


@tool
def look(query: str) -> str:
    """Look something up.

    Args:
        query: The thing.
    """
    return f"{query} lies in the harbour. " * 4


def _fill(config: MemoryConfig, session_id: str, messages: int) -> None:
    began = datetime.now(UTC) - timedelta(hours=5)
    for number in range(messages // 2):
        said: list[Any] = [
            {
                "role": role,
                "content": [{"text": f"{role} {number} talks about the harbour and item K-{number}. " * 4}],
                "tracking_id": str(uuid.uuid4()),
            }
            for role in ("user", "assistant")
        ]
        config.data_plane().create_event(
            memoryId=config.memory_id,
            actorId="ann",
            sessionId=session_id,
            eventTimestamp=began + timedelta(seconds=number),
            payload=[encode_message(message) for message in said],
        )


def _hold(config: MemoryConfig, session_id: str, messages: int) -> None:
    with config.bind("ann", session_id).session_manager() as manager:
        agent = Agent(model=ScriptedModel(), session_manager=manager, tools=[look], callback_handler=None)
        for turn in range(messages // MESSAGES_A_TURN):
            calls = [Reply(tool_calls=[ToolCall("look", {"query": f"K-{turn}-{at}"})]) for at in range(CALLS_A_TURN)]
            agent.model = ScriptedModel([*calls, Reply(f"Items K-{turn} lie in the harbour.")])
            agent(f"Where do items K-{turn} lie?")


def _opening(config: MemoryConfig, session_id: str) -> float:
    began = time.process_time()
    manager = config.bind("ann", session_id).session_manager()
    Agent(model=ScriptedModel(), session_manager=manager, tools=[look], callback_handler=None)
    return time.process_time() - began


def _measured(way: str) -> tuple[list[str], float]:
    """Return the rows of the table for one way, and the ratio of the two lengths."""
    config = MemoryConfig.local(path=":memory:", namespaces=(), compaction=CompactionConfig(token_threshold=THRESHOLD))
    calls = ApiCalls()
    calls.attach(config.boto_session())
    first: dict[int, str] = {}
    for messages in LENGTHS:
        if way == "the first opening":
            _fill(config, str(messages), messages)
            first[messages] = f"{_opening(config, str(messages)):.2f} s"
        else:
            _hold(config, str(messages), messages)
            first[messages] = "-"
    times: dict[int, list[float]] = {messages: [] for messages in LENGTHS}
    for _ in range(OPENINGS):
        for messages in LENGTHS:
            times[messages].append(_opening(config, str(messages)))
    rows = []
    for messages in LENGTHS:
        calls.by_operation.clear()
        _opening(config, str(messages))
        counted = ", ".join(f"{count} {name}" for name, count in sorted(calls.by_operation.items()))
        later = f"{statistics.median(times[messages]) * 1000:.1f} ms"
        rows.append(f"| {way} | {messages:,} | {first[messages]} | {later} | {counted} |")
        print(rows[-1], flush=True)
    shorter, longer = (statistics.median(times[messages]) for messages in LENGTHS)
    return rows, longer / shorter


def main() -> None:
    """Measure and print; with `--write` also write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {FIGURES.name}")
    options = parser.parse_args()
    rows: list[str] = []
    said: list[str] = []
    for way in ("the first opening", "the agent that held it"):
        measured, ratio = _measured(way)
        rows += measured
        said.append(f"Checkpoints by {way}: {LENGTHS[1]:,} messages cost {ratio:.2f} times what {LENGTHS[0]:,} do.")
        print(said[-1], flush=True)
        if options.write:
            write(rows, said)


def write(rows: list[str], said: list[str]) -> None:
    """Write the page, as far as it is measured."""
    head = (
        "| checkpoints made by | messages | first opening | later openings | API calls of one |",
        "| --- | --- | --- | --- | --- |",
    )
    FIGURES.write_text(
        "# Opening a long session\n\nWritten by `python bench/restore.py --write`.\n\nCPU time of one process, the "
        f"embedded service included; the median of {OPENINGS} openings. `token_threshold` is {THRESHOLD:,}. "
        f"The longer session may take {MOST} times as long.\n\n"
        + "\n".join((*head, *rows))
        + "\n\n"
        + "\n".join(f"- {line}" for line in said)
        + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
