"""The fault matrix: every call the package makes, and everything that can happen to a call.

    python bench/fault_matrix.py --seconds 600    # as many cells as that allows, drawn with a seed
    python bench/fault_matrix.py --write          # all of them, and docs/reference/figures/fault-matrix.md
    python bench/fault_matrix.py --lives hook --kinds "reset after" denied
    python bench/fault_matrix.py --cell "forget | reset after | call 3"    # one cell again

Each life (tests/proof/lives.py) is lived once without a fault, to record its calls, and then once for each of them and
each kind of fault. Afterwards, with services that work, it is held to what it was told: nothing acknowledged is lost,
doubled, out of order, or neither shown nor recalled; every request was valid; the boundaries of checkpoints rise;
nobody opened a session without its history unless an error said so; every turn was answered; no error was a raw one; no
log line, error or `repr` holds what was said.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests")]

from dynamodb import serving  # noqa: E402
from proof.lives import LIVES  # noqa: E402
from proof.matrix import Cell, Result, Services, cells  # noqa: E402
from proof.wire import KINDS, Strike  # noqa: E402

FIGURES = ROOT / "docs" / "reference" / "figures" / "fault-matrix.md"


def _cell(text: str) -> Cell:
    life, kind, call = text.split(" | ")
    return Cell(life, Strike(kind, int(call.removeprefix("call "))))


def run(chosen: list[Cell], services: Services, seconds: float | None) -> list[Result]:
    """Run cells until the time is over; print what does not hold."""
    results: list[Result] = []
    began = time.monotonic()
    for number, cell in enumerate(chosen, start=1):
        if seconds is not None and time.monotonic() - began > seconds:
            break
        results.append(services.run(cell))
        if results[-1].problems:
            print(f"{cell}: {results[-1].operation}: {'; '.join(results[-1].problems)}", flush=True)
        if number % 250 == 0:
            print(f"{number:,} of {len(chosen):,} cells, {time.monotonic() - began:.0f} s", flush=True)
    return results


def page(results: list[Result], total: int, seed: int, calls: int) -> str:
    """Return the page with the table."""
    held: Counter[tuple[str, str]] = Counter()
    struck: Counter[tuple[str, str]] = Counter()
    for one in results:
        if one.operation is not None:
            where = one.cell.life, one.cell.strike.kind
            struck[where] += 1
            held[where] += not one.problems
    operations = Counter(one.operation for one in results if one.operation is not None)
    missed = sum(one.operation is None for one in results)
    broken = [one for one in results if one.problems]
    kinds = [kind for kind in KINDS if any((life, kind) in struck for life in LIVES)]
    rows = [
        f"| {life} | " + " | ".join(f"{held[life, kind]}/{struck[life, kind]}" for kind in kinds) + " |"
        for life in LIVES
        if any((life, kind) in struck for kind in kinds)
    ]
    lines = [
        "# Fault matrix",
        "",
        f"Written by `python bench/fault_matrix.py --write` on {datetime.now(UTC):%d %B %Y}, seed {seed}.",
        "",
        (
            f"{sum(held.values()):,} of {sum(struck.values()):,} cells hold. A cell is one life in which one kind of "
            f"thing happens to one call; the lives make {calls:,} calls, which are recorded, not listed. "
            f"{len(results):,} of {total:,} cells were run; in {missed:,} the life made fewer calls this time than "
            "when they were recorded (a background flush joins turns): nothing was struck, so they are not counted."
        ),
        "",
        "| life | " + " | ".join(kinds) + " |",
        "| --- |" + " --- |" * len(kinds),
        *rows,
        "",
        "Struck: " + ", ".join(f"{count:,} {name}" for name, count in sorted(operations.items())) + ".",
        "",
        "## What does not hold",
        "",
        *([f"- `{one.cell}` ({one.operation}): {'; '.join(one.problems)}" for one in broken] or ["Nothing."]),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run and print; with `--write` also write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {FIGURES.name}")
    parser.add_argument("--seconds", type=float, help="stop after so long")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the order of the cells")
    parser.add_argument("--lives", nargs="+", default=[""], help="only lives whose names begin so")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--cell", type=_cell, help="only this cell")
    options = parser.parse_args()
    logging.getLogger("strands").setLevel(logging.CRITICAL + 1)
    print(f"seed {options.seed}", flush=True)
    with serving() as url, Services(url) as services:
        lives = [life for life in LIVES if life.startswith(tuple(options.lives))]
        every = [options.cell] if options.cell else list(cells(services, lives, options.kinds))
        random.Random(options.seed).shuffle(every)  # noqa: S311 - an order, not secrets
        results = run(every, services, options.seconds)
        calls = sum(len(services.calls_of(life)) for life in lives)
    text = page(results, len(every), options.seed, calls)
    print(text)
    if options.write:
        FIGURES.write_text(text, encoding="utf-8")
    sys.exit(any(one.problems for one in results))


if __name__ == "__main__":
    main()
