"""What reads other people's data refuses by name or reads it: some inputs of each kind; `make soak` gives 10,000."""

from __future__ import annotations

import random

import pytest

from gears import examples
from proof.fuzz import TARGETS, fuzz

SEED = 20261128


@pytest.mark.counted
@pytest.mark.parametrize("target", TARGETS)
def test_no_input_breaks_what_reads_it(target):
    assert fuzz(target, SEED, examples(10_000)) == []


def test_an_input_can_be_made_again():
    made = [random.Random(f"{SEED} config 7").random() for _ in range(2)]
    assert made[0] == made[1]


def test_what_breaks_is_told_with_its_number(monkeypatch):
    def breaks(rng):
        assert rng.random() < 0.5

    monkeypatch.setitem(TARGETS, "config", breaks)
    broken = fuzz("config", SEED, 50)
    assert 0 < len(broken) < 50
    assert all(one.startswith(f"config, seed {SEED}, input ") for one in broken)
