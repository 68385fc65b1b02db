"""Records of a search are judged by rank and by the gaps between them, on whatever scale their scores are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem.records.standing_out import standing_out

TAIL = [0.20, 0.19, 0.17, 0.16, 0.15, 0.14, 0.12, 0.11]
BANDS = [(0.0, 1.0), (0.356, 0.496), (0.01, 0.02), (0.95, 0.951), (-3.0, 40.0)]
SCORES = st.lists(st.integers(0, 1_000), min_size=1, max_size=20).map(lambda values: sorted(values, reverse=True))


def squeezed(scores, band):
    low, high = band
    return [low + (high - low) * score for score in scores]


@pytest.mark.parametrize("band", BANDS)
@pytest.mark.parametrize(
    ("scores", "shown"),
    [
        ([0.9, *TAIL], 1),
        ([0.9, 0.85, *TAIL], 2),
        ([0.9, 0.85, 0.8, 0.78, *TAIL], 3),  # all four stand out, and no more than three are wanted
        (TAIL, 1),  # none stands out
        ([0.8, 0.79, 0.78, 0.77, 0.76, 0.75, 0.74, 0.1], 1),  # an outlier at the end says nothing of the beginning
        ([0.9, 0.2, 0.1], 3),  # too few to tell
        ([0.5] * 8, 3),  # no scores to speak of: the service's order stands
        ([0.7], 1),
        ([], 0),
    ],
)
def test_what_stands_out_is_shown_wherever_the_scores_lie(scores, shown, band):
    assert standing_out(squeezed(scores, band), 3) == shown


@given(SCORES, st.integers(1, 10), st.integers(-500, 500), st.integers(1, 50))
def test_moving_and_stretching_all_scores_alike_changes_nothing(scores, limit, moved, stretched):
    shown = standing_out(scores, limit)
    assert standing_out([moved + stretched * score for score in scores], limit) == shown
    assert 1 <= shown <= min(limit, len(scores))
