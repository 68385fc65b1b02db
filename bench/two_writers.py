"""Runs random schedules of two live writers of one session and counts what was acknowledged and lost from view.

    python bench/two_writers.py                        # 200 schedules for each store and skew
    python bench/two_writers.py --write                # and write docs/reference/figures/two-writers.md
    python bench/two_writers.py --stores sqlite --skews 5 --schedules 20 --seed 7

Two agents take 4 to 14 turns, and at any call of a turn the other one may take a whole turn in between. The second
one's clock is off by the skew. After every turn each acknowledged message must be shown to whoever opens the session,
or be part of the summary; at the end, what is not shown must be found by its handle, of which some is asked for: by a
new agent and by the two writers. The tests run the same schedules, fewer of them, and ask for all. What is written is
written for the stores and skews that were measured; other rows of the page stay.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import logging
import os
import random
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "session_manager")]

from writer_schedules import random_schedule, run_schedule  # noqa: E402 - beside the tests

from agentmem.checkpoints.dynamodb.create import create_table  # noqa: E402
from agentmem.checkpoints.dynamodb.store import DynamoDBCheckpointStore  # noqa: E402
from agentmem.checkpoints.in_memory import InMemoryCheckpointStore  # noqa: E402
from agentmem.checkpoints.sqlite import SqliteCheckpointStore  # noqa: E402
from agentmem.testing import LocalDynamoDB  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIGURES = ROOT / "docs" / "reference" / "figures" / "two-writers.md"
STORES = ("event log", "DynamoDB", "SQLite", "in memory")
SKEWS = (0.0, -5.0, 5.0)
HANDLES = 5
"""Messages that are not shown and are asked for by their handles, of each of the three agents."""

HEAD = (
    "| checkpoints | skew | schedules | turns | messages acknowledged | of these not shown at the end | lost |",
    "| --- | --- | --- | --- | --- | --- | --- |",
)


@contextlib.contextmanager
def opened(store: str) -> Iterator[Callable[[], Any] | None]:
    """Yield what opens a store anew, as another process would; None for the event log."""
    if store == "event log":
        yield None
    elif store == "in memory":
        yield functools.partial(InMemoryCheckpointStore, uuid.uuid4().hex)
    elif store == "SQLite":
        with tempfile.TemporaryDirectory() as folder:
            yield functools.partial(SqliteCheckpointStore, Path(folder) / "checkpoints.db")
    else:
        with LocalDynamoDB() as dynamodb:
            create_table(dynamodb.client, "two-writers")
            yield lambda: DynamoDBCheckpointStore(dynamodb.client, "two-writers")


def measure(store: str, skew: float, schedules: int, seed: int) -> str:
    """Run schedules for one store and skew and return the row of the table."""
    turns = acknowledged = hidden = lost = 0
    began = time.monotonic()
    for number in range(schedules):
        # Each schedule by a seed of its own, so that one can be run again alone.
        schedule = random_schedule(random.Random(f"{seed} {number}"))  # noqa: S311
        try:
            with opened(store) as make_store:  # a table of its own: moto looks through a whole one at every query
                taken, stored, unseen = run_schedule(schedule, make_store, skew, looks=HANDLES)
        except Exception as error:  # noqa: BLE001 - counted, and printed with what it takes to repeat it
            lost += 1
            print(f"{store}, skew {skew:g}, seed '{seed} {number}': {type(error).__name__}: {error}: {schedule}")
            continue
        turns, acknowledged, hidden = turns + taken, acknowledged + stored, hidden + unseen
    row = f"| {store} | {skew:g} s | {schedules} | {turns:,} | {acknowledged:,} | {hidden:,} | {lost} |"
    print(row, f"({time.monotonic() - began:.0f} s)", flush=True)
    return row


def main() -> None:
    """Measure and print; with `--write` also write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedules", type=int, default=200, help="for each store and skew")
    parser.add_argument("--stores", nargs="+", default=STORES, choices=STORES)
    parser.add_argument("--skews", nargs="+", type=float, default=SKEWS, help="seconds")
    parser.add_argument("--seed", type=int, default=20261128)
    parser.add_argument("--write", action="store_true", help=f"write {FIGURES.relative_to(ROOT)}")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    os.environ["AWS_LAMBDA_FUNCTION_NAME"] = "two-writers"  # nothing is sent in the background
    print(f"seed {options.seed}")
    for store in options.stores:
        for skew in options.skews:
            row = measure(store, skew, options.schedules, options.seed)
            if options.write:
                write(row, options.seed)


def write(row: str, seed: int) -> None:
    """Put a row in its place on the page."""
    before = FIGURES.read_text(encoding="utf-8") if FIGURES.exists() else ""
    rows = {_cell(line): line for line in before.splitlines() if line.startswith("| ") and line not in HEAD}
    rows[_cell(row)] = row
    cells = [(store, f"{skew:g} s") for store in STORES for skew in SKEWS]
    table = [*HEAD, *(rows[cell] for cell in cells if cell in rows)]
    FIGURES.write_text(
        "# Two writers of one session\n\nWritten by `python bench/two_writers.py --write`, which says how it is "
        f"measured; seed {seed}. The last column counts schedules in which an acknowledged message was neither shown "
        "nor part of the summary, or in which one that is not shown was not found by its handle.\n\n"
        + "\n".join(table)
        + "\n",
        encoding="utf-8",
    )


def _cell(row: str) -> tuple[str, str]:
    store, skew = row.strip("| ").split(" | ")[:2]
    return store, skew


if __name__ == "__main__":
    main()
