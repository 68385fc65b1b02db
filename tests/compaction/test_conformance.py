"""The figures of bench/conformance.py, on a few seeds of their own."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

kit = pytest.importorskip("compaction_kit", reason="compaction-conformance-kit is not installed")
BENCH: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[2] / "bench" / "conformance.py"))
SEEDS = (3, 31)


@pytest.mark.parametrize("corpus", ["seeded", "randomized", "generated"])
def test_at_30_percent_nothing_is_lost_in_five_rounds(corpus: str) -> None:
    build, _ = BENCH["CORPORA"][corpus]
    result = BENCH["measure"](build, SEEDS, 0.30)
    assert result["survival"] == 1.0
    assert set(result["worst"].values()) == {"SILENT"}
    assert result["cliffs"] == result["over_budget"] == 0


@pytest.mark.parametrize("corpus", ["seeded", "randomized", "generated"])
@pytest.mark.parametrize(("budget", "share"), [(0.20, 0.95), (0.10, 0.60)])
def test_under_tighter_budgets_most_survives(corpus: str, budget: float, share: float) -> None:
    build, _ = BENCH["CORPORA"][corpus]
    result = BENCH["measure"](build, SEEDS, budget)
    assert result["survival"] >= share
    assert result["over_budget"] == 0


def test_updates_in_other_words_are_resolved() -> None:
    from compaction_kit.benchmark import run_budget_benchmark

    compactor = BENCH["ExtractiveCompactor"]
    [entry] = run_budget_benchmark({"ours": compactor}, budgets=(0.20,), seeds=SEEDS, rounds=5)["entries"]
    assert entry["semantic"]["resolved_rate"] == 1.0
    assert entry["semantic"]["distinct_pair_rate"] == 1.0
    assert entry["budget_compliant"]
