"""The way of a message stays short: what `bench/paths.py` counts, held to its limits."""

import runpy
from pathlib import Path

BENCH = runpy.run_path(str(Path(__file__).parent.parent / "bench" / "paths.py"))


def test_a_plain_turn_passes_few_functions_in_few_files():
    found = BENCH["turn"]().functions
    assert "events/writer.py" in found  # the tracer saw the turn being sent
    assert sum(map(len, found.values())) <= 70, found
    assert len(found) <= 15, list(found)


def test_a_recall_passes_few_functions_in_few_files():
    found = BENCH["recall"]().functions
    assert "recall/ranking.py" in found  # the tracer saw the answer being ranked
    assert sum(map(len, found.values())) <= 70, found
    assert len(found) <= 12, list(found)
