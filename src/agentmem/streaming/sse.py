"""Sends events to a browser as Server-Sent Events, over sse-starlette."""

from __future__ import annotations

import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

import anyio

from agentmem.streaming.extra import from_web_extra
from agentmem.streaming.sse_frames import cut_off, sse_encode

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping

    from sse_starlette import EventSourceResponse

    from agentmem.streaming.resume import ResumeBuffer
    from agentmem.streaming.sse_frames import Sendable

__all__ = ["sse_response"]

_log = logging.getLogger(__name__)
_HEADERS = {
    # No copies, and no compression: a proxy would gather the events to compress them.
    "Cache-Control": "no-store, no-transform",
}


def sse_response(
    events: AsyncIterable[Sendable] | Iterable[Sendable],
    *,
    buffer: ResumeBuffer | None = None,
    last_event_id: str | None = None,
    owner: str = "",
    heartbeat_seconds: float = 15.0,
    retry_milliseconds: int = 1_000,
    headers: Mapping[str, str] | None = None,
) -> EventSourceResponse:
    """Answer a request with a stream of events, in Starlette and FastAPI alike.

    The headers keep proxies and nginx from gathering the events, and a comment keeps the connection alive while the
    agent thinks. When the client goes away `events` is closed, which cancels a `stream_turn`; with a `buffer` only
    after the client has stayed away for the buffer's `keep_seconds`.

    Args:
        events: The events: of `stream_turn`, `parse_stream`, `invoke_stream` or `ag_ui_events`. A plain iterable is
            read in a thread.
        buffer: Makes the stream resumable. Without one events carry no ids, so that no client tries.
        last_event_id: The request's header ``Last-Event-ID``. With a buffer and an id the stream of that id goes on,
            and `events` is closed unread: the agent is not asked again.
        owner: Whose stream it is, such as the actor id; only the same owner can resume it.
        heartbeat_seconds: Seconds of silence after which a comment is sent; 0 for none.
        retry_milliseconds: How long a client is told to wait before it comes back; only with a buffer.
        headers: Further headers.

    Returns:
        The response; ``text/event-stream``.

    Raises:
        MissingExtraError: The extra ``web`` is not installed.
    """
    sse = from_web_extra("sse_starlette", "sse_response")
    source = _generator(events)
    frames = (
        _encoded(source)
        if buffer is None
        else _resumable(source, buffer, last_event_id, owner, retry_milliseconds=retry_milliseconds)
    )
    response = sse.EventSourceResponse(
        _as_bytes(frames),
        sep="\n",
        ping=heartbeat_seconds,
        ping_message_factory=lambda: sse.ServerSentEvent(comment="keep-alive", sep="\n"),
        headers={**_HEADERS, **(headers or {})},
    )
    return cast("EventSourceResponse", response)


async def _as_bytes(frames: AsyncGenerator[str, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(frames):
        async for frame in frames:
            yield frame.encode()


async def _resumable(
    events: AsyncGenerator[Sendable, None],
    buffer: ResumeBuffer,
    last_event_id: str | None,
    owner: str,
    *,
    retry_milliseconds: int,
) -> AsyncGenerator[str, None]:
    """Yield the frames of a stream that the buffer holds, a new one or one that goes on."""
    yield f"retry: {retry_milliseconds}\n\n"
    if last_event_id:
        await events.aclose()
        frames = buffer.resume(last_event_id, owner)
    else:
        frames = buffer.start(events, owner)
    async with aclosing(frames):
        async for frame in frames:
            yield frame


async def _encoded(events: AsyncGenerator[Sendable, None]) -> AsyncGenerator[str, None]:
    """Yield the frames of a stream; whatever fails is told in it, for an answer that breaks off tells nothing."""
    try:
        async with aclosing(events):
            async for event in events:
                yield sse_encode(event)
    except Exception as error:  # noqa: BLE001 - told in the stream, and logged
        _log.exception("a stream that is sent ended in an error")
        for event in cut_off(error):
            yield sse_encode(event)


def _generator(events: AsyncIterable[Any] | Iterable[Any]) -> AsyncGenerator[Any, None]:
    if hasattr(events, "aclose"):
        return cast("AsyncGenerator[Any, None]", events)
    return _iterated(events)


async def _iterated(events: AsyncIterable[Any] | Iterable[Any]) -> AsyncGenerator[Any, None]:
    if hasattr(events, "__aiter__"):
        async for event in events:
            yield event
        return
    concurrency = from_web_extra("starlette.concurrency", "sse_response")
    try:
        async for event in concurrency.iterate_in_threadpool(events):
            yield event
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            with anyio.CancelScope(shield=True):
                await concurrency.run_in_threadpool(close)
