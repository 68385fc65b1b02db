"""Cuts a stream of bytes into lines, whatever pieces it comes in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_LINE_BYTES", "Lines", "TooLong"]

MAX_LINE_BYTES = 10_000_000
"""Most bytes of a line. Runtime takes payloads of 100 MB, but nothing that is shown as it comes is so long."""

_END = re.compile(rb"\r\n|\r|\n")


class TooLong:
    """Stands in a stream of lines for one that was longer than allowed."""


class Lines:
    r"""Cuts bytes at ``\n``, ``\r`` and ``\r\n``, as Server-Sent Events ask; JSON text holds none of these.

    Bytes are decoded line by line, so a character cut in two comes together again. What is no UTF-8 becomes U+FFFD.
    The work is linear in the bytes for pieces of any size.
    """

    def __init__(self, max_bytes: int = MAX_LINE_BYTES) -> None:
        """Begin with no line.

        Args:
            max_bytes: Most bytes of a line; of a longer one nothing is kept.
        """
        self._max_bytes = max_bytes
        self._parts: list[bytes] = []
        self._held = 0
        self._too_long = False
        self._after_return = False  # a line ended with \r, whose \n may be the next byte
        self._first = True

    def feed(self, piece: bytes) -> Iterator[str | TooLong]:
        """Take the next bytes, and yield the lines that are complete, without their ends."""
        if not piece:
            return
        start = 1 if self._after_return and piece.startswith(b"\n") else 0
        self._after_return = piece.endswith(b"\r")
        for end in _END.finditer(piece, start):
            self._hold(piece[start : end.start()])
            yield self._line()
            start = end.end()
        if start < len(piece):
            self._hold(piece[start:])

    def close(self) -> Iterator[str | TooLong]:
        """Yield the last line, if it was not ended."""
        if self._parts or self._too_long:
            yield self._line()

    def _hold(self, part: bytes) -> None:
        self._held += len(part)
        if self._held > self._max_bytes:
            self._too_long = True
            self._parts.clear()
        elif part:
            self._parts.append(part)

    def _line(self) -> str | TooLong:
        too_long, line = self._too_long, b"".join(self._parts)
        self._parts.clear()
        self._held, self._too_long = 0, False
        if self._first:
            self._first = False
            line = line.removeprefix(b"\xef\xbb\xbf")  # a byte order mark, which the standard says to drop
        return TooLong() if too_long else line.decode(errors="replace")
