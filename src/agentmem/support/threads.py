"""Starts threads when there is work and ends them when there is none."""

from __future__ import annotations

import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class Threads(Executor):
    """A pool of threads that end with their work: the next call starts new ones.

    So nothing has to be closed for its threads' sake, and thousands of idle owners hold none.

    Args:
        most: Threads at once.
        name: The prefix of their names.
    """

    def __init__(self, most: int, name: str) -> None:
        """Start nothing yet."""
        self._most = most
        self._name = name
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._under_way = 0
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
                self._pool, self._under_way = ThreadPoolExecutor(self._most, thread_name_prefix=self._name), 0
            pool = self._pool
            future = pool.submit(fn, *args, **kwargs)
            self._under_way += 1
        future.add_done_callback(lambda _: self._done(pool))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads after the submitted work; later work starts new ones.

        Args:
            wait: Whether to return only then.
            cancel_futures: Whether to drop work that no thread has begun.
        """
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait, cancel_futures=cancel_futures)

    def _done(self, pool: ThreadPoolExecutor) -> None:
        """Let the threads go with the last of the work."""
        with self._lock:
            if pool is not self._pool:
                return
            self._under_way -= 1
            if self._under_way:
                return
            self._pool = None
        pool.shutdown(wait=False)


def every_pool() -> frozenset[Threads]:
    """Return the pools of this process that are still in use."""
    return frozenset(_every)


_every: WeakSet[Threads] = WeakSet()
