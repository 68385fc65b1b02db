"""Threads that are started when there is work and can be ended when there is none."""

from __future__ import annotations

import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Threads", "every_pool"]

P = ParamSpec("P")
T = TypeVar("T")


class Threads(Executor):
    """A pool of threads that may be shut down and used on: the next call starts new ones.

    Args:
        most: Threads at once.
        name: What their names begin with.
    """

    def __init__(self, most: int, name: str) -> None:
        """Start nothing yet."""
        self._most = most
        self._name = name
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        _every.add(self)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a function in one of the threads.

        Args:
            fn: The function.
            *args: Its arguments.
            **kwargs: And by name.

        Returns:
            Its future.
        """
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._most, thread_name_prefix=self._name)
            return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads when they have done what was submitted.

        Args:
            wait: Whether to return only then.
            cancel_futures: Whether to drop what no thread has begun.
        """
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait, cancel_futures=cancel_futures)


def every_pool() -> frozenset[Threads]:
    """Return the pools of this process that are still in use."""
    return frozenset(_every)


_every: WeakSet[Threads] = WeakSet()
