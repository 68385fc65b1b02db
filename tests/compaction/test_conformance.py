"""Tests that bench/conformance.py measures; its figures are reported as they come, not held to a number."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from agentmem.meaning.loading import wait_until_ready

kit = pytest.importorskip("compaction_kit", reason="compaction-conformance-kit is not installed")
BENCH: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[2] / "bench" / "conformance.py"))


@pytest.mark.parametrize("corpus", ["seeded", "randomized", "generated"])
def test_every_budget_is_kept_and_the_larger_one_keeps_more(corpus: str) -> None:
    wait_until_ready(60)
    build, _ = BENCH["CORPORA"][corpus]
    small, large = (BENCH["measure"](build, (3,), budget) for budget in (0.10, 0.30))
    assert small["over_budget"] == large["over_budget"] == 0
    assert 0 < small["survival"] <= large["survival"]
