"""The way of a message stays short: what `bench/paths.py` counts, held to its limits."""

import runpy
from pathlib import Path

MOST_FUNCTIONS, MOST_FILES = 70, 15


def test_a_plain_turn_passes_few_functions_in_few_files():
    bench = runpy.run_path(str(Path(__file__).parent.parent / "bench" / "paths.py"))
    found = bench["turn"]().functions
    assert "events/writer.py" in found  # the tracer saw the turn being sent
    assert sum(map(len, found.values())) <= MOST_FUNCTIONS, found
    assert len(found) <= MOST_FILES, list(found)
