"""Sends events to a browser as Server-Sent Events, over sse-starlette."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import anyio

from agentmem.streaming.events import DoneEvent, ErrorEvent, json_text
from agentmem.streaming.extra import from_web_extra

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping

    from ag_ui.core import BaseEvent
    from sse_starlette import EventSourceResponse

    from agentmem.streaming.events import StreamEvent
    from agentmem.streaming.resume import ResumeBuffer

__all__ = ["RETRY_MILLISECONDS", "Sendable", "sse_encode", "sse_response"]

Sendable: TypeAlias = "StreamEvent | BaseEvent"
"""What can be sent: an event of ours or of AG-UI."""

RETRY_MILLISECONDS = 1_000
"""How long a client is told to wait before it comes back."""

_HEADERS = {
    # No copies, and no compression: a proxy would gather the events to compress them.
    "Cache-Control": "no-store, no-transform",
}


def sse_encode(event: Sendable, *, event_id: str | None = None) -> str:
    r"""Write an event as one frame of Server-Sent Events.

    The data is the event's JSON on one line, so any text arrives as it is: with newlines, with ``\r``, empty.

    Args:
        event: An event of this package, sent under its ``type`` as the SSE event's name; or one of AG-UI, which has
            no name on the wire.
        event_id: What the client says in ``Last-Event-ID`` to go on after this event.

    Returns:
        The frame, with the empty line that ends it.

    Raises:
        ConfigurationError: The extra ``web`` is not installed.
    """
    sse = from_web_extra("sse_starlette", "sse_encode")
    dump = getattr(event, "model_dump", None)
    if dump is not None:
        name, data = None, dump(by_alias=True)
    else:
        ours = cast("StreamEvent", event)
        name, data = ours.type, ours.to_dict()
    frame = sse.ServerSentEvent(json_text(data), event=name, id=event_id, sep="\n")
    return cast("str", frame.encode().decode())


def sse_response(
    events: AsyncIterable[Sendable] | Iterable[Sendable],
    *,
    buffer: ResumeBuffer | None = None,
    last_event_id: str | None = None,
    owner: str = "",
    heartbeat_seconds: float = 15.0,
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
        headers: Further headers.

    Returns:
        The response; ``text/event-stream``.

    Raises:
        ConfigurationError: The extra ``web`` is not installed.
    """
    sse = from_web_extra("sse_starlette", "sse_response")
    frames = _frames(events, buffer, last_event_id, owner)
    response = sse.EventSourceResponse(
        frames,
        sep="\n",
        ping=heartbeat_seconds,
        ping_message_factory=lambda: sse.ServerSentEvent(comment="keep-alive", sep="\n"),
        headers={**_HEADERS, **(headers or {})},
    )
    return cast("EventSourceResponse", response)


async def _frames(
    events: AsyncIterable[Sendable] | Iterable[Sendable],
    buffer: ResumeBuffer | None,
    last_event_id: str | None,
    owner: str,
) -> AsyncGenerator[bytes, None]:
    source = _generator(events)
    if buffer is None:
        frames = _encoded(source)
    else:
        yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
        if last_event_id:
            await source.aclose()
            frames = buffer.resume(last_event_id, owner)
        else:
            frames = buffer.start(source, owner)
    async with aclosing(frames):
        async for frame in frames:
            yield frame.encode()


async def _encoded(events: AsyncGenerator[Sendable, None]) -> AsyncGenerator[str, None]:
    """Yield the frames of a stream; whatever fails is told in it."""
    failed: Exception | None = None
    async with aclosing(events):
        try:
            async for event in events:
                yield sse_encode(event)
        except Exception as error:  # noqa: BLE001 - told in the stream, raised to the server's log after it
            failed = error
    if failed is not None:
        yield sse_encode(ErrorEvent("The answer could not be sent to its end.", type(failed).__name__))
        yield sse_encode(DoneEvent())
        raise failed


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
