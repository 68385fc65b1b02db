"""Keeps what was sent of each stream for a while, so that a lost connection can go on where it broke."""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeAlias

from agentmem.errors import ConfigurationError
from agentmem.streaming.events import DoneEvent, ErrorEvent
from agentmem.streaming.sse_frames import cut_off, sse_encode

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from agentmem.streaming.sse_frames import Sendable

__all__ = ["ResumeBuffer"]

_log = logging.getLogger(__name__)
_Timer: TypeAlias = "asyncio.TimerHandle | None"


class ResumeBuffer:
    """Holds the streams that a server sends, each until a while after its end; give it to `sse_response`.

    Every event carries an id. A client that lost its connection asks again with the header ``Last-Event-ID`` and gets
    what followed, each event once. Meanwhile the turn goes on; one that nobody reads for `keep_seconds` is cancelled,
    as a turn is whose client goes away without a buffer.

    One for a process and an event loop: behind a load balancer the client has to come back to the same process.
    """

    def __init__(self, *, keep_seconds: float = 60.0, max_bytes: int = 1_000_000, max_streams: int = 1_000) -> None:
        """Hold nothing yet.

        Args:
            keep_seconds: How long a client may stay away, and how long a finished stream is kept.
            max_bytes: Most bytes kept of one stream; the oldest events go first. A client that missed more is told
                so by an `ErrorEvent`.
            max_streams: Most streams held. Of more, the oldest that nobody reads is let go, its turn cancelled.

        Raises:
            ConfigurationError: A number is not positive.
        """
        for name, value in (("keep_seconds", keep_seconds), ("max_bytes", max_bytes), ("max_streams", max_streams)):
            if value <= 0:
                raise ConfigurationError(f"{name} = {value!r}: give a positive number.")
        self._keep_seconds = keep_seconds
        self._max_bytes = max_bytes
        self._max_streams = max_streams
        self._streams: dict[str, _Held] = {}

    @property
    def streams(self) -> int:
        """How many streams are held."""
        return len(self._streams)

    def start(self, events: AsyncGenerator[Sendable, None], owner: str = "") -> AsyncGenerator[str, None]:
        """Run a stream in a task of its own and hold it.

        Args:
            events: The stream.
            owner: Whose it is; nobody else can resume it.

        Returns:
            Its frames, from the first.
        """
        held = _Held(owner, self._max_bytes)
        self._streams[held.id] = held
        self._let_go_surplus()
        held.task = asyncio.create_task(self._fill(held, events))
        return self._read(held, 0)

    def resume(self, last_event_id: str, owner: str = "") -> AsyncGenerator[str, None]:
        """Go on with a stream.

        Args:
            last_event_id: The id of the last event that arrived.
            owner: Who asks.

        Returns:
            The frames that follow. For a stream that is not held (any more), or is another's, an `ErrorEvent` and a
            `DoneEvent`: to begin the turn anew would be to ask the agent twice.
        """
        stream_id, _, number = last_event_id.rpartition("-")
        held = self._streams.get(stream_id)
        if held is None or held.owner != owner or not (number.isascii() and number.isdigit() and len(number) < 16):
            return _lost()
        return self._read(held, int(number))

    async def close(self) -> None:
        """Cancel the turns under way and wait for their end, as when the server stops."""
        tasks = [held.task for held in self._streams.values() if held.task is not None]
        for held in list(self._streams.values()):
            self._let_go(held)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fill(self, held: _Held, events: AsyncGenerator[Sendable, None]) -> None:
        try:
            async with aclosing(events):
                async for event in events:
                    held.add(event)
        except Exception as error:  # noqa: BLE001 - told in the stream, and logged
            _log.exception("stream=<%s> | a stream that is sent ended in an error", held.id)
            for event in cut_off(error):
                held.add(event)
        finally:
            held.end()
            if not held.readers:
                self._let_go_later(held)

    async def _read(self, held: _Held, number: int) -> AsyncGenerator[str, None]:
        held.readers += 1
        if held.timer is not None:
            held.timer.cancel()
        try:
            async for frame in held.frames_after(number):
                yield frame
        finally:
            held.readers -= 1
            if not held.readers:
                self._let_go_later(held)

    def _let_go_later(self, held: _Held) -> None:
        if held.timer is not None:
            held.timer.cancel()
        held.timer = asyncio.get_running_loop().call_later(self._keep_seconds, self._let_go, held)

    def _let_go(self, held: _Held) -> None:
        self._streams.pop(held.id, None)
        if held.timer is not None:
            held.timer.cancel()
        if held.task is not None:
            held.task.cancel()  # of a finished one this does nothing

    def _let_go_surplus(self) -> None:
        surplus = len(self._streams) - self._max_streams
        for held in list(self._streams.values()):
            if surplus <= 0:
                return
            if not held.readers and held.task is not None:
                self._let_go(held)
                surplus -= 1
        if surplus > 0:
            _log.warning(
                "streams=<%d>, max_streams=<%d> | more streams than wanted are being read",
                len(self._streams),
                self._max_streams,
            )


class _Held:
    """One stream: its last events, encoded and numbered from 1."""

    def __init__(self, owner: str, max_bytes: int) -> None:
        self.id = secrets.token_hex(16)
        self.owner = owner
        self.readers = 0
        self.timer: _Timer = None
        self.task: asyncio.Task[None] | None = None
        self._max_bytes = max_bytes
        self._frames: dict[int, str] = {}
        self._bytes = 0
        self._first, self._last = 1, 0
        self._ended = False
        self._news = asyncio.Event()

    def add(self, event: Sendable) -> None:
        """Keep an event, and no more than allowed; the newest always."""
        self._last += 1
        frame = sse_encode(event, event_id=f"{self.id}-{self._last}")
        self._frames[self._last] = frame
        self._bytes += len(frame)
        while self._bytes > self._max_bytes and self._first < self._last:
            self._bytes -= len(self._frames.pop(self._first))
            self._first += 1
        self._tell()

    def end(self) -> None:
        """Note that nothing follows."""
        self._ended = True
        self._tell()

    async def frames_after(self, number: int) -> AsyncGenerator[str, None]:
        """Yield the frames after one, as they come, to the end."""
        while True:
            if number < self._first - 1 or number > self._last:
                async for frame in _lost():
                    yield frame
                return
            if number < self._last:
                number += 1
                yield self._frames[number]
            elif self._ended:
                return
            else:
                await self._news.wait()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


async def _lost() -> AsyncGenerator[str, None]:
    yield sse_encode(ErrorEvent("The rest of this answer is not available any more.", "NotResumable"))
    yield sse_encode(DoneEvent())
