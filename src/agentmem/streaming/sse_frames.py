"""Writes events as frames of Server-Sent Events."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

from agentmem.streaming.events import DoneEvent, ErrorEvent, json_text
from agentmem.streaming.extra import from_web_extra

if TYPE_CHECKING:
    from ag_ui.core import BaseEvent

    from agentmem.streaming.events import StreamEvent

__all__ = ["Sendable", "cut_off", "sse_encode"]

Sendable: TypeAlias = "StreamEvent | BaseEvent"
"""What can be sent: an event of ours or of AG-UI."""


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
        MissingExtraError: The extra ``web`` is not installed.
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


def cut_off(error: Exception) -> tuple[ErrorEvent, DoneEvent]:
    """Return the events that end a stream whose source has failed."""
    return ErrorEvent("The answer could not be sent to its end.", type(error).__name__), DoneEvent()
