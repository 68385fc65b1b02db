"""Collects the tool calls of a stream, each told once, and the names that go with their results."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agentmem.streaming.events import ToolResultEvent, ToolUseEvent
from agentmem.streaming.visible_text import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentmem.streaming.events import StreamEvent

__all__ = ["ToolCalls"]


class ToolCalls:
    """Knows the tool calls of one stream by their ids."""

    def __init__(self) -> None:
        """Begin with none."""
        self._names: dict[str, str] = {}
        self._answered: set[str] = set()
        self._passed_on: set[tuple[str, str, str]] = set()
        self._open: dict[str, Any] | None = None  # its input comes in pieces of JSON
        self._parts: list[str] = []
        self._growing: Mapping[str, Any] | None = None  # its input comes again and again, longer each time

    def begin(self, call: Mapping[str, Any]) -> None:
        """Open the call of a content block."""
        self._open, self._parts = dict(call), []

    def extend(self, delta: Mapping[str, Any]) -> None:
        """Add a piece of the open call's input; some models tell id and name only here."""
        if self._open is None:
            self._open, self._parts = {}, []
        for key in ("toolUseId", "name"):
            if key in delta:
                self._open.setdefault(key, delta[key])
        piece = delta.get("input", "")
        if isinstance(piece, str):
            self._parts.append(piece)

    def end(self) -> Sequence[StreamEvent]:
        """Close the call of a content block, if one is open."""
        if self._open is None:
            return NOTHING
        call, self._open = self._open, None
        return self.whole({**call, "input": "".join(self._parts)})

    def grow(self, call: Mapping[str, Any]) -> Sequence[StreamEvent]:
        """Take a call whose input is not complete yet; the one before it, if another, is."""
        before = self._growing
        told = self.settle() if before is not None and before.get("toolUseId") != call.get("toolUseId") else NOTHING
        self._growing = call
        return told

    def settle(self) -> Sequence[StreamEvent]:
        """Tell of the call that was growing: it has come to its end."""
        call, self._growing = self._growing, None
        return self.whole(call) if call is not None else NOTHING

    def whole(self, call: Mapping[str, Any]) -> Sequence[StreamEvent]:
        """Tell of a complete call, unless it was told before."""
        name, use_id = call.get("name"), call.get("toolUseId")
        if not isinstance(name, str) or not isinstance(use_id, str) or use_id in self._names:
            return NOTHING
        self._names[use_id] = name
        if self._growing is not None and self._growing.get("toolUseId") == use_id:
            self._growing = None
        return (ToolUseEvent(name, _decoded(call.get("input")), use_id),)

    def result(self, result: Mapping[str, Any]) -> Sequence[StreamEvent]:
        """Tell of a call's result, unless it was told before."""
        use_id = result.get("toolUseId")
        if not isinstance(use_id, str) or use_id in self._answered:
            return NOTHING
        self._answered.add(use_id)
        name = self._names.get(use_id) or result.get("name") or ""
        return (ToolResultEvent(str(name), result.get("content"), use_id, str(result.get("status") or "success")),)

    def note(self, event: ToolUseEvent | ToolResultEvent) -> Sequence[StreamEvent]:
        """Pass on an event that another server made, unless it says the same once more."""
        key = (event.type, event.tool_use_id, event.status)
        if event.tool_use_id and key in self._passed_on:
            return NOTHING
        self._passed_on.add(key)
        if isinstance(event, ToolUseEvent):
            self._names.setdefault(event.tool_use_id, event.tool_name)
        else:
            self._answered.add(event.tool_use_id)
        return (event,)


def _decoded(given: Any) -> dict[str, Any]:
    """Return a tool's input as an object; what cannot be read is empty, as for Strands itself."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            return {}
    return given if isinstance(given, dict) else {}
