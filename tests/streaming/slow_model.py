"""A scripted model that takes its time between deltas, and tells when it gave each."""

from __future__ import annotations

import asyncio
import time

from agentmem.testing import ScriptedModel


class SlowModel(ScriptedModel):
    """Waits before each event; `given` holds the deltas and when they were given, by ``time.monotonic``."""

    def __init__(self, script=(), *, seconds=0.01, **options):
        super().__init__(script, **options)
        self.seconds = seconds
        self.given = []
        self.ended = []

    async def stream(self, *args, **kwargs):
        try:
            async for event in super().stream(*args, **kwargs):
                await asyncio.sleep(self.seconds)
                text = event.get("contentBlockDelta", {}).get("delta", {}).get("text")
                if text:
                    self.given.append((text, time.monotonic()))
                yield event
        finally:
            self.ended.append(True)
