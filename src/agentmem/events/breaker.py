"""Stops asking a service for a while after enough failures in a row: a circuit breaker."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentmem.settings.sections import WriteConfig

__all__ = ["BreakerState", "CircuitBreaker", "breaker_of"]

BreakerState = Literal["closed", "open", "half-open"]


class CircuitBreaker:
    """Counts failures in a row and says whether to try.

    Closed, it lets everything through. After ``failures`` in a row it opens for ``reset_seconds``; then it is half
    open and lets one probe through, whose outcome closes or opens it again. Safe to share between threads.

    Attributes:
        failures: Failures in a row; with none it is closed, and need be asked and told nothing.
    """

    def __init__(self, failures: int, reset_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Start closed.

        Args:
            failures: Failures in a row that open it, at least 1.
            reset_seconds: Seconds it stays open.
            clock: Seconds, never going back.
        """
        self._limit = failures
        self._reset_seconds = reset_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self.failures = 0
        self._opened_at: float | None = None
        self._probing = False

    @property
    def state(self) -> BreakerState:
        """What a call to ``allow`` would meet now."""
        if self._opened_at is None:
            return "closed"
        return "half-open" if self._clock() - self._opened_at >= self._reset_seconds else "open"

    def allow(self) -> bool:
        """Whether to try; while half open only the first caller is told yes."""
        with self._lock:
            state = self.state
            if state == "half-open" and not self._probing:
                self._probing = True
                return True
            return state == "closed"

    def succeeded(self) -> None:
        """Note a success: closes it."""
        with self._lock:
            self.failures, self._opened_at, self._probing = 0, None, False

    def failed(self) -> None:
        """Note a failure: opens it when it was the last allowed in a row, or the probe."""
        with self._lock:
            self.failures += 1
            if self._probing or self.failures >= self._limit:
                self._opened_at, self._probing = self._clock(), False


_of_clients: WeakKeyDictionary[Any, dict[tuple[int, float], CircuitBreaker]] = WeakKeyDictionary()
_lock = threading.Lock()


def breaker_of(client: Any, settings: WriteConfig) -> CircuitBreaker:
    """Return the breaker that everyone who writes through a client with these settings shares.

    An outage is the service's and not a session's: it must not cost every session its own first five turns.

    Args:
        client: The boto3 client.
        settings: How many failures open it, and for how long.
    """
    with _lock:
        known = _of_clients.setdefault(client, {})
        key = settings.breaker_failures, settings.breaker_reset_seconds
        return known.setdefault(key, CircuitBreaker(*key))
