"""A turn of an agent as typed events: from the agent, to a browser, and back from the wire.

| for | there is |
|---|---|
| an agent in this process | `stream_turn` |
| an agent on AgentCore Runtime | `invoke_stream`, `invoke_stream_async` |
| bytes from anywhere | `parse_stream`, `parse_stream_async` |
| a browser | `sse_response`, `sse_encode`, `ResumeBuffer`; `RECEIVE_JS`, the module that reads it there |
| an AG-UI front end | `ag_ui_events` |

Sending needs the extra ``web``; nothing of it is imported before it is used.
"""

from __future__ import annotations

from pathlib import Path

from agentmem.streaming.ag_ui import ag_ui_events
from agentmem.streaming.events import (
    DoneEvent,
    ErrorEvent,
    GuardrailEvent,
    MessageEvent,
    MetadataEvent,
    StreamEvent,
    ToolResultEvent,
    ToolUseEvent,
    event_from_dict,
)
from agentmem.streaming.invoke import invoke_stream, invoke_stream_async
from agentmem.streaming.parser import parse_stream, parse_stream_async
from agentmem.streaming.resume import ResumeBuffer
from agentmem.streaming.sse import sse_response
from agentmem.streaming.sse_frames import sse_encode
from agentmem.streaming.turn import stream_turn

__all__ = [
    "RECEIVE_JS",
    "DoneEvent",
    "ErrorEvent",
    "GuardrailEvent",
    "MessageEvent",
    "MetadataEvent",
    "ResumeBuffer",
    "StreamEvent",
    "ToolResultEvent",
    "ToolUseEvent",
    "ag_ui_events",
    "event_from_dict",
    "invoke_stream",
    "invoke_stream_async",
    "parse_stream",
    "parse_stream_async",
    "sse_encode",
    "sse_response",
    "stream_turn",
]

RECEIVE_JS = Path(__file__).with_name("receive.js")
"""The ES module with which a page reads what `sse_response` sends; serve this file."""
