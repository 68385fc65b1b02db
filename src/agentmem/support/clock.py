"""Provides two clocks: monotonic seconds for deadlines, and a date that a test may freeze.

freezegun freezes `time.monotonic` too, for some callers and not for others, by how deep they stand in a thread. A
deadline made by one and looked at by the other would be over at once, or never.
"""

from __future__ import annotations

import functools
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_FREEZEGUN = "freezegun.api"

# A partial, where freezegun does not look for functions to replace. Imported while time is frozen, it has to be asked.
monotonic = functools.partial[float](getattr(sys.modules.get(_FREEZEGUN), "real_monotonic", time.monotonic))
"""Return seconds that never go back and never stand still."""


def now() -> float:
    """Return epoch seconds, looked up at each call, so that what replaces `time.time` in a test is honoured."""
    return time.time()


def unfrozen(clock: Callable[[], float]) -> Callable[[], float]:
    """Return `monotonic` for Python's own clock, frozen or not, and any other clock as it is."""
    frozen = getattr(sys.modules.get(_FREEZEGUN), "fake_monotonic", None)
    return monotonic if clock is monotonic.func or (frozen is not None and clock is frozen) else clock
