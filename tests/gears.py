"""The two gears of the tests: `make test` tries some examples of each property, `make test-all` the full count.

A count that stands beside a property is its full count; hypothesis's default, 100, is that of the others.
"""

from __future__ import annotations

from hypothesis import settings

QUICK, THOROUGH = "quick", "thorough"
_SHARE = 10
_LEAST = 5

# A busy machine makes single examples slow; that is no failure of the property.
settings.register_profile(THOROUGH, deadline=None)
settings.register_profile(QUICK, deadline=None, max_examples=20)


def thorough():
    """Say whether this is the gear of `make test-all` (`--hypothesis-profile thorough`)."""
    return settings.get_current_profile_name() == THOROUGH


def examples(full):
    """Return how many examples of a property are tried in this gear, of so many in full."""
    return full if thorough() else max(full // _SHARE, min(full, _LEAST))
