"""Pauses between polls, also with a frozen clock or a test's embedded service.

Who pauses with the default asks the client first: a handler of the event `PAUSE_EVENT` on its boto3 session may let
the time pass instead, as the service of `agentmem.testing` does.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from typing import TYPE_CHECKING, Any

from botocore.hooks import BaseEventHooks

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE_EVENT = "agentmem-pause"
"""Emitted on a client with `seconds`; a handler that let them pass answers True."""

_BLOCKING, _AWAITING = time.sleep, asyncio.sleep


def pause(client: Any, sleep: Callable[[float], object], seconds: float) -> object:
    """Pause as asked for, or let the client's service pass the time when the default was asked for.

    Args:
        client: The boto3 client that is polled.
        sleep: How to pause, in seconds.
        seconds: How long.

    Returns:
        What `sleep` returned.
    """
    if sleep is not _BLOCKING:
        return sleep(seconds)
    if not _passed(client, seconds):
        time.sleep(seconds)
    return None


async def pause_async(client: Any, sleep: Callable[[float], object], seconds: float) -> object:
    """Pause like `pause`, without blocking the event loop.

    Args:
        client: The boto3 client that is polled.
        sleep: How to pause; may be a coroutine function or not.
        seconds: How long.

    Returns:
        What `sleep` returned.
    """
    if sleep is not _AWAITING:
        slept = sleep(seconds)
        return await slept if inspect.isawaitable(slept) else slept
    if _passed(client, seconds):
        await asyncio.sleep(0)
    elif inspect.isbuiltin(time.monotonic):
        await asyncio.sleep(seconds)
    else:
        # freezegun holds the event loop's clock still, and with it every asyncio.sleep.
        await _real_sleep(seconds)
    return None


def _passed(client: Any, seconds: float) -> bool:
    events = getattr(getattr(client, "meta", None), "events", None)
    if not isinstance(events, BaseEventHooks):
        return False
    return any(answer for _handler, answer in events.emit(PAUSE_EVENT, seconds=seconds))


async def _real_sleep(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not over.done():
            over.set_result(None)

    timer = threading.Timer(seconds, lambda: loop.call_soon_threadsafe(wake))
    timer.daemon = True
    timer.start()
    try:
        await over
    finally:
        timer.cancel()
