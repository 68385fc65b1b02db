"""Reads an agent's answer from its bytes: `parse_stream` and its async twin."""

from __future__ import annotations

import contextlib
import logging
import re
from typing import TYPE_CHECKING, Any

from agentmem.streaming.events import DoneEvent, ErrorEvent, MetadataEvent, StreamEvent
from agentmem.streaming.interpreter import Interpreter
from agentmem.streaming.lines import MAX_LINE_BYTES, Lines, TooLong
from agentmem.streaming.records import Garbage, NamedText, Record, Records, decoded

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Iterator

    from agentmem.streaming.visible_text import TextForm

__all__ = ["StreamParser", "parse_stream", "parse_stream_async"]

_log = logging.getLogger(__name__)
_SSE_INSIDE = re.compile(r"(?:(?:event|id|retry): ?[^\n]*\n)*data: ?(?P<data>[^\n]*)\n\n\Z")


class StreamParser:
    """Reads one stream, piece by piece, for whoever has to drive the reading.

    Attributes:
        skipped: Lines that could not be read.
        ended: Whether the stream has said that it is at its end; what follows is not read.
    """

    def __init__(self, *, text: TextForm = "auto", max_line_bytes: int = MAX_LINE_BYTES) -> None:
        """Begin with nothing read; `parse_stream` describes the arguments."""
        self._lines = Lines(max_line_bytes)
        self._records = Records(max_line_bytes)
        self._interpreter = Interpreter(text)
        self._max_line_bytes = max_line_bytes
        self.skipped = 0
        self.ended = False

    def feed(self, piece: bytes | str) -> Iterator[StreamEvent]:
        """Take the next piece and yield the events it completes, `DoneEvent` never."""
        for line in self._lines.feed(piece.encode(errors="replace") if isinstance(piece, str) else piece):
            if not self.ended:
                for found in self._records.read(line):
                    yield from self._events(found)

    def close(self, error: ErrorEvent | None = None) -> Iterator[StreamEvent]:
        """Take the end of the stream and yield what it completes, `DoneEvent` last.

        Args:
            error: Why the stream ended before its time, if it did.
        """
        if not self.ended:
            skipped = self.skipped
            for line in self._lines.close():
                for found in self._records.read(line):
                    yield from self._events(found)
            for found in self._records.close():
                yield from self._events(found)
            if error is not None:
                self.skipped = skipped  # half a line is no garbage
        yield from self._interpreter.settle()
        if error is not None:
            yield error
        elif self._interpreter.in_message and not self.ended:
            yield ErrorEvent("The answer ended in the middle.", "IncompleteStream")
        if self.skipped:
            _log.warning("lines=<%d> | lines of an agent's stream could not be read and were skipped", self.skipped)
            yield MetadataEvent({"skippedLines": self.skipped})
        yield DoneEvent()

    def _events(self, found: Record | NamedText | Garbage | TooLong) -> Iterator[StreamEvent]:
        if self.ended:
            return
        if isinstance(found, TooLong):
            self.skipped += 1
            yield ErrorEvent(
                f"A part of the answer was larger than {self._max_line_bytes:,} bytes and was left out.", "LineTooLong"
            )
        elif isinstance(found, Garbage):
            self.skipped += 1
        elif isinstance(found, NamedText):
            yield from self._named_text(found)
        else:
            yield from self._value(found.value)

    def _value(self, value: Any) -> Iterator[StreamEvent]:
        if isinstance(value, list):  # an answer that was collected before it was sent
            for one in value:
                yield from self._item(one)
        else:
            yield from self._item(value)

    def _item(self, value: Any) -> Iterator[StreamEvent]:
        if self.ended:
            return
        if isinstance(value, str):
            inner = _within(value)
            if inner is None:
                yield from self._interpreter.read_text(value)
                return
            value = inner
        if isinstance(value, dict):
            for event in self._interpreter.read(value):
                if isinstance(event, DoneEvent):
                    self.ended = True
                    return
                yield event
        elif value is None:
            self.ended = True
        else:
            self.skipped += 1

    def _named_text(self, found: NamedText) -> Iterator[StreamEvent]:
        """Read an SSE event whose data is text: the guides' ``event: message``, ``data: Hello``."""
        if found.event == "message":
            yield from self._interpreter.read({"type": "message", "content": found.text})
        elif found.event == "error":
            yield from self._interpreter.read({"type": "error", "message": found.text})
        elif found.event == "done":
            self.ended = True
        else:
            self.skipped += 1


def parse_stream(
    chunks: Iterable[bytes | str], *, text: TextForm = "auto", max_line_bytes: int = MAX_LINE_BYTES
) -> Generator[StreamEvent, None, None]:
    """Read what an agent answers into typed events.

    It reads what ``invoke_agent_runtime`` gives: NDJSON, Server-Sent Events or a single JSON value, in Bedrock's form,
    Strands', the guides' and this package's own (`Interpreter` has the table). Nothing in it is fatal: what cannot be
    read is skipped and counted (a `MetadataEvent` with ``skippedLines`` before the end), a failing source and an
    answer that breaks off end in an `ErrorEvent`.

    Args:
        chunks: The bytes in order, cut anywhere, inside a character too.
        text: Whether pieces of text continue those before (``"incremental"``) or repeat them (``"cumulative"``).
            With ``"auto"`` text of Bedrock's and Strands' form is incremental, and the second piece of any other
            decides.
        max_line_bytes: Most bytes of a line. A longer one is left out, with an `ErrorEvent`.

    Yields:
        The events as soon as their line is complete. The last is a `DoneEvent`, and there is no other.
    """
    parser = StreamParser(text=text, max_line_bytes=max_line_bytes)
    error: ErrorEvent | None = None
    try:
        for chunk in chunks:
            yield from parser.feed(chunk)
            if parser.ended:
                break
    except Exception as failure:  # noqa: BLE001 - told in the stream, and logged
        error = _broken_off(failure)
    finally:
        _close(chunks)
    yield from parser.close(error)


async def parse_stream_async(
    chunks: AsyncIterable[bytes | str], *, text: TextForm = "auto", max_line_bytes: int = MAX_LINE_BYTES
) -> AsyncGenerator[StreamEvent, None]:
    """Do what `parse_stream` does with bytes that are awaited.

    Args:
        chunks: The bytes in order, cut anywhere.
        text: Whether pieces of text continue those before or repeat them.
        max_line_bytes: Most bytes of a line.

    Yields:
        The events. The last is a `DoneEvent`, and there is no other.
    """
    parser = StreamParser(text=text, max_line_bytes=max_line_bytes)
    error: ErrorEvent | None = None
    try:
        async for chunk in chunks:
            for event in parser.feed(chunk):
                yield event
            if parser.ended:
                break
    except Exception as failure:  # noqa: BLE001 - told in the stream, and logged
        error = _broken_off(failure)
    finally:
        aclose = getattr(chunks, "aclose", None)
        if aclose is not None:
            await aclose()
    for event in parser.close(error):
        yield event


def _within(text: str) -> dict[str, Any] | None:
    """Return the object of an SSE frame inside a JSON string: AgentCore's SDK frames frames again (its issue 52)."""
    inner = _SSE_INSIDE.match(text)
    record = decoded(inner["data"]) if inner is not None else None
    return record.value if isinstance(record, Record) and isinstance(record.value, dict) else None


def _broken_off(failure: Exception) -> ErrorEvent:
    _log.warning("error=<%s> | an agent's stream broke off", type(failure).__name__)
    return ErrorEvent("The connection to the agent broke off.", type(failure).__name__)


def _close(chunks: object) -> None:
    """Close the source, so that a connection is not kept for what nobody reads."""
    close = getattr(chunks, "close", None)
    if close is not None:
        with contextlib.suppress(Exception):
            close()
