"""How long the event loop is kept from its work."""

from __future__ import annotations

import asyncio
import contextlib
import time


@contextlib.asynccontextmanager
async def loop_lags():
    """Watch the running loop; yields the list of its delays in seconds, which grows every hundredth of a second."""
    lags = []

    async def watch() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.01)
            lags.append(time.perf_counter() - began - 0.01)

    watcher = asyncio.create_task(watch())
    await asyncio.sleep(0.02)  # it has begun before what is watched does
    try:
        yield lags
    finally:
        watcher.cancel()
