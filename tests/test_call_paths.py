"""The way of a message stays short: what `bench/paths.py` counts, held to its limits."""

import runpy
from pathlib import Path

BENCH = runpy.run_path(str(Path(__file__).parent.parent / "bench" / "paths.py"))


def test_a_plain_turn_passes_few_functions_in_few_files():
    found = BENCH["turn"]().functions
    assert "events/writer.py" in found  # the tracer saw the turn being sent
    # Several agents on one log, answers held to their shape and looking at what is new only made it longer again: 70
    # functions in 15 files is what it should be.
    assert sum(map(len, found.values())) <= 82, found
    assert len(found) <= 20, list(found)


def test_a_recall_passes_few_functions_in_few_files():
    found = BENCH["recall"]().functions
    assert "recall/ranking.py" in found  # the tracer saw the answer being ranked
    assert sum(map(len, found.values())) <= 70, found
    assert len(found) <= 13, list(found)  # 12 is what it should be
