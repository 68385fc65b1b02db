"""Runs a tool's blocking function in a thread that nothing waits for.

A thread cannot be stopped. A function that hangs in the default threads of an event loop holds up the end of the loop,
and so of the turn, and in the end that of the process. Here it hangs alone.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

P = ParamSpec("P")
T = TypeVar("T")


async def all_of(stream: Callable[[], AsyncGenerator[Any, None]]) -> list[Any]:
    """Run a tool's stream to its end in a daemon thread with an event loop of its own.

    Args:
        stream: Begins the stream.

    Returns:
        What it yielded.
    """
    ended: Future[list[Any]] = Future()
    context = contextvars.copy_context()  # the current span, for example

    def work() -> None:
        loop = asyncio.new_event_loop()
        loop.set_default_executor(_SameThread())
        try:
            yielded = loop.run_until_complete(_collected(stream))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the caller
            _settle(ended, error=error)
        else:
            _settle(ended, result=yielded)
        finally:
            loop.close()

    threading.Thread(target=context.run, args=(work,), name="agentmem-tool", daemon=True).start()
    return await asyncio.wrap_future(ended)


async def _collected(stream: Callable[[], AsyncGenerator[Any, None]]) -> list[Any]:
    return [event async for event in stream()]


def _settle(ended: Future[list[Any]], *, result: list[Any] | None = None, error: BaseException | None = None) -> None:
    """Set the outcome unless the caller has stopped to wait for it."""
    if not ended.set_running_or_notify_cancel():
        return
    if error is not None:
        ended.set_exception(error)
    else:
        ended.set_result(result or [])


class _SameThread(ThreadPoolExecutor):
    """Runs what it is given at once: the thread has nothing else to do."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        done: Future[T] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - a future carries any
            done.set_exception(error)
        return done
