"""How long the event loop is kept from its work, apart from what a busy machine does to everything."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time

STEP = 0.01


@contextlib.asynccontextmanager
async def loop_lags():
    """Watch the running loop; the list that is yielded holds its delays in seconds, one for each step, at the end.

    A thread that does nothing else is watched at the same time. What delays both is the machine, and is taken off.
    """
    lags, of_loop, of_machine = [], [], []
    done = threading.Event()

    def watch_machine() -> None:
        while not done.is_set():
            began = time.perf_counter()
            time.sleep(STEP)
            of_machine.append((began, time.perf_counter()))

    async def watch_loop() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(STEP)
            of_loop.append((began, time.perf_counter()))

    thread = threading.Thread(target=watch_machine, daemon=True)
    thread.start()
    watcher = asyncio.create_task(watch_loop())
    await asyncio.sleep(2 * STEP)  # it has begun before what is watched does
    try:
        yield lags
        await asyncio.sleep(2 * STEP)  # and ends after it
    finally:
        watcher.cancel()
        done.set()
        thread.join()
    for began, ended in of_loop:
        machine = (late - early - STEP for early, late in of_machine if early < ended and late > began)
        lags.append(ended - began - STEP - max(machine, default=0.0))
