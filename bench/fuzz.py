"""Fuzzes what reads other people's data: 10,000 inputs a target, each made from the seed and its number.

    python bench/fuzz.py                                          # print the table
    python bench/fuzz.py --write                                  # and write docs/reference/figures/fuzz.md
    python bench/fuzz.py --targets config --seed 7 --first 4120 --inputs 1    # one input again

The targets and what must hold for each are in tests/proof/fuzz.py.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests")]

from proof.fuzz import TARGETS, fuzz  # noqa: E402

FIGURES = ROOT / "docs" / "reference" / "figures" / "fuzz.md"


def main() -> None:
    """Run and print; with `--write` also write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {FIGURES.name}")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--inputs", type=int, default=10_000, help="for each target")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    print(f"seed {options.seed}", flush=True)
    rows, broken = [], []
    for target in options.targets:
        found = fuzz(target, options.seed, options.inputs, options.first)
        broken += found
        rows.append(f"| {target} | {options.inputs:,} | {len(found):,} |")
        print(rows[-1], *found[:20], sep="\n", flush=True)
    if options.write:
        head = [
            "# Fuzzing",
            "",
            f"Written by `python bench/fuzz.py --write`, seed {options.seed}.",
            "",
            "An input is a good one of its kind, changed in one to four places.",
            "",
            "| target | inputs | broke something |",
            "| --- | --- | --- |",
        ]
        FIGURES.write_text("\n".join([*head, *rows, *([""] if broken else []), *broken]) + "\n", encoding="utf-8")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
