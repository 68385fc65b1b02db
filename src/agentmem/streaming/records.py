"""Finds the JSON values in lines of NDJSON or of Server-Sent Events, which it tells apart line by line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentmem.streaming.lines import TooLong

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Garbage", "NamedText", "Record", "Records", "decoded"]

_FIELD = re.compile(r"(data|event|id|retry)(?:: ?(.*))?\Z", re.DOTALL)
_END_MARK = "[DONE]"


@dataclass(frozen=True, slots=True)
class Record:
    """A JSON value that was found; None for the mark that ends the streams of some servers."""

    value: Any


@dataclass(frozen=True, slots=True)
class NamedText:
    """Text of an SSE event that is no JSON: some servers send the text as it is."""

    event: str
    text: str


@dataclass(frozen=True, slots=True)
class Garbage:
    """Something that could not be read."""


Found = Record | NamedText | Garbage | TooLong


class Records:
    """Reads lines.

    An SSE event ends at an empty line. One whose data is a JSON object on a single line is read at once: servers that
    leave the empty line out are then read as they send, and for the others it is the same.
    """

    def __init__(self, max_bytes: int) -> None:
        """Begin outside any event.

        Args:
            max_bytes: Most characters of an event's data lines together.
        """
        self._max_bytes = max_bytes
        self._data: list[str] = []
        self._size = 0
        self._event = ""

    def read(self, line: str | TooLong) -> Iterator[Found]:
        """Yield what a line completes."""
        if isinstance(line, TooLong):
            yield line
        elif not line or line.isspace():
            yield from self._dispatch()
            self._event = ""
        elif line.startswith(":"):
            return  # a comment, which keeps the connection alive
        elif (field := _FIELD.match(line)) is not None:
            yield from self._read_field(field[1], field[2] or "")
        else:
            yield from self._dispatch()
            yield from _found(line, "")

    def close(self) -> Iterator[Found]:
        """Yield what the end of the stream completes; the standard would drop it, but it may be the model's words."""
        yield from self._dispatch()

    def _read_field(self, name: str, value: str) -> Iterator[Found]:
        if name == "event":
            yield from self._dispatch()
            self._event = value
        elif name == "data":
            if not self._data and value.startswith("{") and isinstance(value_ := decoded(value), Record):
                yield value_
                return
            self._size += len(value)
            if self._size > self._max_bytes:
                self._data, self._size = [], 0
                yield TooLong()
                return
            self._data.append(value)

    def _dispatch(self) -> Iterator[Found]:
        if not self._data:
            return
        lines, self._data, self._size = self._data, [], 0
        together = _found("\n".join(lines), self._event)
        if len(lines) > 1 and isinstance(together[0], Garbage):
            # A server that writes one value a line and no empty lines.
            for line in lines:
                yield from _found(line, self._event)
        else:
            yield from together


def decoded(text: str) -> Record | Garbage:
    """Return the JSON value of a text."""
    try:
        return Record(json.loads(text))
    except (ValueError, RecursionError):
        return Garbage()


def _found(text: str, event: str) -> list[Found]:
    if text.strip() == _END_MARK:
        return [Record(None)]
    found = decoded(text)
    if isinstance(found, Garbage) and event:
        return [NamedText(event, text)]
    return [found]
