"""Runs the long forms of the proofs one after the other, inside a time that is given.

    python bench/soak.py                    # an hour
    python bench/soak.py --seconds 600      # as much as that allows
    python bench/soak.py --write            # and write the pages of figures

Each prints its seed, with which it repeats. What does not fit into its share of the time is left out and said so; the
pages tell how much was run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

BENCH = Path(__file__).parent
FUZZ_SHARE, LOAD_SHARE, SCHEDULE_SHARE = 0.1, 0.1, 0.3
SECONDS_A_SCHEDULE = 1.0
"""Of one random schedule of two writers, on a slow machine; DynamoDB's take the longest."""
SECONDS_OF_INPUTS = 20.0
"""Of 10,000 inputs for each target of the fuzzer."""


def commands(seconds: float, seed: int) -> list[list[str]]:
    """Return the commands that fit into so many seconds."""
    schedules = max(int(seconds * SCHEDULE_SHARE / (4 * 5) / SECONDS_A_SCHEDULE), 1)
    inputs = max(int(10_000 * seconds * FUZZ_SHARE / SECONDS_OF_INPUTS), 100)
    skews = ["0", "0.05", "-0.05", "5", "-5"]
    load = str(max(min(seconds * LOAD_SHARE, 120), 20))
    return [
        ["fuzz.py", "--inputs", str(min(inputs, 100_000)), "--seed", str(seed)],
        ["load.py", "--seconds", load, "--seed", str(seed)],
        ["two_writers.py", "--schedules", str(min(schedules, 1_000)), "--seed", str(seed), "--skews", *skews],
        ["fault_matrix.py", "--seconds", str(seconds * 0.5), "--seed", str(seed)],
    ]


def main() -> None:
    """Run them; the exit status is 1 when one of them found something."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3_600, help="the time for all")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of all; printed by each")
    parser.add_argument("--write", action="store_true", help="write the pages of figures")
    options = parser.parse_args()
    failed = []
    for name, *arguments in commands(options.seconds, options.seed):
        command = [sys.executable, str(BENCH / name), *arguments, *(["--write"] if options.write else [])]
        print(f"\n$ python bench/{name} {' '.join(arguments)}", flush=True)
        if subprocess.run(command, check=False).returncode:  # noqa: S603 - our own
            failed.append(name)
    print(f"\n{'Something was found by ' + ', '.join(failed) if failed else 'Everything holds.'}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
