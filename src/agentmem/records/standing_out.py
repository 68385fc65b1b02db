"""Finds how many of the best records of a search stand out from the rest, whatever scale their scores are on.

The service documents no scale, and on a live store all scores lay between 0.36 and 0.50, so that no score means
"related". What can be compared are the gaps between neighbouring scores of one search in one namespace: moving or
squeezing all scores alike changes nothing here.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CANDIDATES = 20
"""Records asked for, so that the best ones can be compared with a rest."""

CLEAR_GAP = 6.0
"""A gap is clear when it is this many times as large as the other gaps are on average. Chosen on 16 facts and 28
questions written for that, which no figure is measured on: the largest gap of each question about a fact was clear, and
that of every second other question was not."""

FEWEST_COMPARED = 5
"""With fewer records there is no rest to stand out from."""

UNCLEAR = 1
"""Records shown when none stands out."""


def standing_out(scores: Sequence[float], limit: int) -> int:
    """Count the records to show.

    Args:
        scores: Scores of one search in one namespace, best first.
        limit: Most records to show.

    Returns:
        At most `limit`. Up to the largest gap in the better half, if it is clear; one if it is not; `limit` if there
        are too few records to tell, or all have the same score.
    """
    count = len(scores)
    if count < FEWEST_COMPARED or scores[0] == scores[-1]:
        return min(limit, count)
    gaps = [before - after for before, after in pairwise(scores)]
    cut = max(range(count // 2), key=gaps.__getitem__)
    others = (sum(gaps) - gaps[cut]) / (len(gaps) - 1)
    return min(limit, cut + 1 if gaps[cut] >= CLEAR_GAP * others else UNCLEAR)
