"""Measure what showing large tool results whole only once saves, for several sizes of `preview_above`.

    python bench/previews.py                        # the part of the data to choose a default on
    python bench/previews.py --part check           # the other part
    python bench/previews.py --write                # both, into docs/reference/figures/previews.md

Two workloads: one turn of 60 tool calls that read files of 200 to 6,000 tokens, and airline conversations as one
session. The part to choose on has files of one seed and conversations 0 to 14 of the data, the part to check on has
another seed and conversations 50 to 64. Tokens are of all requests together, as counted here.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strands import Agent, tool

from agentmem import CompactionConfig, LocalMemory, MemoryConfig
from agentmem.replay.formats import load_conversation
from agentmem.replay.run import Replay
from agentmem.testing import Reply, ScriptedModel, ToolCall

if TYPE_CHECKING:
    from agentmem.testing import ModelRequest

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "docs" / "reference" / "figures" / "previews.md"
THRESHOLD = 30_000
SIZES = (None, 3_000, 1_500, 750, 375)
PARTS = {"choose": (1, range(15)), "check": (2, range(50, 65))}
WORDS = "paper ink crate shelf order parcel lamp table invoice label carton pallet receipt".split()  # noqa: SIM905


def _config(service: LocalMemory, above: int | None) -> MemoryConfig:
    return MemoryConfig.local(service, compaction=CompactionConfig(token_threshold=THRESHOLD, preview_above=above))


def long_turn(above: int | None, seed: int) -> tuple[int, int]:
    """Read 60 files in one turn; return the tokens of all requests, and of the largest."""
    chosen = random.Random(seed)  # noqa: S311 - not for secrets
    files = [" ".join(chosen.choices(WORDS, k=chosen.choice((200, 800, 2_000, 6_000)))) for _ in range(60)]

    @tool
    def read(number: int) -> str:
        """Read a file."""
        return files[number]

    with LocalMemory() as service:
        manager = _config(service, above).bind("ann", "bench").session_manager()
        calls = [Reply(tool_calls=[ToolCall("read", {"number": number})]) for number in range(60)]
        model = ScriptedModel([*calls, "Done."])
        Agent(model=model, tools=[read], session_manager=manager, callback_handler=None)("Read all sixty files.")
        manager.close()
    sizes = [request.tokens for request in model.requests]
    return sum(sizes), max(sizes)


def airline(above: int | None, path: Path, lines: range) -> tuple[int, int]:
    """Replay conversations as one session, restored every fifth turn; return the same."""
    sizes: list[int] = []

    def seen(request: ModelRequest) -> None:
        sizes.append(request.tokens)

    text = path.read_text(encoding="utf-8").splitlines()
    with tempfile.TemporaryDirectory() as folder, LocalMemory() as service:
        part = Path(folder) / "part.jsonl"
        part.write_text("\n".join(text[line] for line in lines if json.loads(text[line])), encoding="utf-8")
        memory = _config(service, above).bind("ann", "bench")
        Replay(load_conversation(part), memory.session_manager, restart_every=5, on_request=seen).run()
    return sum(sizes), max(sizes)


def table(part: str, path: Path) -> str:
    """Measure one part of the data."""
    seed, lines = PARTS[part]
    rows: list[Any] = []
    first: list[int] = []
    for above in SIZES:
        measured = [long_turn(above, seed)]
        if path.exists():
            measured.append(airline(above, path, lines))
        first = first or [total for total, _ in measured]
        cells = [
            f"{total:,} ({total / whole:.2f}) | {largest:,}"
            for (total, largest), whole in zip(measured, first, strict=True)
        ]
        rows.append(f"| {'never' if above is None else f'{above:,}'} | {' | '.join(cells)} |")
        print(rows[-1], file=sys.stderr, flush=True)
    names = ["60 files in one turn", "airline"] if path.exists() else ["60 files in one turn"]
    head = " | ".join(f"{name}: tokens (against never) | largest request" for name in names)
    return "\n".join([f"| preview_above | {head} |", f"|{' ---: |' * (1 + 2 * len(names))}", *rows])


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, default="choose", help="which part of the data")
    parser.add_argument("--write", action="store_true", help=f"measure both parts and write {FIGURES.name}")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data/tau-airline-100.jsonl")
    options = parser.parse_args()
    if not options.data.exists():
        print(f"The airline workload is skipped: there is no {options.data}; give --data FILE.")
    if not options.write:
        print(table(options.part, options.data))
        return
    tables = {part: table(part, options.data) for part in PARTS}
    FIGURES.write_text(
        "# Large tool results shown once\n\nWritten by `python bench/previews.py --write`; its first lines explain the "
        f"workloads. `token_threshold` is {THRESHOLD:,}.\n\n## The part the default was chosen on\n\n"
        f"{tables['choose']}\n\n## The part it was checked on\n\n{tables['check']}\n",
        encoding="utf-8",
    )
    print(FIGURES.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
