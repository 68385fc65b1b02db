"""Streams a wait for new long-term memories: each look, and the records it found."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from agentmem.errors import AgentMemError
from agentmem.streaming.events import DoneEvent, ErrorEvent, MetadataEvent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from agentmem.records.waiting.polling import WaitProgress
    from agentmem.session import MemorySession
    from agentmem.streaming.events import StreamEvent

__all__ = ["stream_wait"]

MAX_WAIT = 120.0
"""Seconds to wait; an extraction takes 10 to 90."""


async def stream_wait(
    memory: MemorySession, name: str, *, max_wait: float = MAX_WAIT, poll_interval: float = 1.0
) -> AsyncGenerator[StreamEvent, None]:
    """Wait for a new record in a namespace and yield what happens.

    Args:
        memory: The session, whose present records are not new.
        name: The namespace's configured name.
        max_wait: Seconds to wait.
        poll_interval: Seconds between looks.

    Yields:
        A `MetadataEvent` for each look (``elapsed``, ``count``, ``polls``) and one with the new ``records``; an
        `ErrorEvent` when it could not be looked; a `DoneEvent`.
    """
    told: asyncio.Queue[StreamEvent | None] = asyncio.Queue()

    def look(progress: WaitProgress) -> None:
        told.put_nowait(MetadataEvent({"elapsed": progress.elapsed, "count": progress.count, "polls": progress.polls}))

    async def wait() -> None:
        try:
            mark = await memory.mark_async([name])
            found = await memory.wait_for_memories_async(
                name, max_wait=max_wait, poll_interval=poll_interval, since=mark, on_poll=look
            )
            told.put_nowait(MetadataEvent({"records": [_record(one) for one in found]}))
        except AgentMemError as error:
            told.put_nowait(ErrorEvent(str(error), type(error).__name__))
        except Exception as error:  # noqa: BLE001 - told in the stream
            told.put_nowait(ErrorEvent("The namespace could not be looked at.", type(error).__name__))
        finally:
            told.put_nowait(None)

    task = asyncio.create_task(wait())
    try:
        while (event := await told.get()) is not None:
            yield event
        yield DoneEvent()
    finally:
        task.cancel()


def _record(record: Any) -> dict[str, str]:
    return {"record_id": str(record["memoryRecordId"]), "text": str((record.get("content") or {}).get("text", ""))}
