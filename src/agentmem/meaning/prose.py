"""Finds the prose in a text: paragraphs, headings and list items, without code, tables, logs and quoted lines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_QUOTED = re.compile(r"\s{0,3}>")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s+")
# "- ", "* ", "• ", "1. ", "2) ", "(a) ", and a task's box behind it.
_ITEM = re.compile(r"\s*(?:[-*+•‣▪◦●–—]|\(?\d{1,3}[.)）]|\(?[A-Za-z][)）])\s+(?:\[[ xX]\]\s+)?|\s*\d{1,3}、")
_INDENTED = re.compile(r"(?: {4}|\t)")
_RULE = re.compile(r"\s*[-=*_|:+ \t]{3,}\s*\Z")  # under a heading, between sections, below the head of a table
# A date and time, a bare time with seconds, or a level in brackets at the start: a log.
_LOG = re.compile(r"\s*\[?(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d|\d\d:\d\d:\d\d|[A-Z]{4,8}\]|[A-Z]{4,8}:? +\[)")
_STACK = re.compile(r'\s*(?:File ".*", line \d|at [\w$.<>]+\(|Traceback \()')
_CALL = re.compile(r"\s*[\w.]+\([^)]*\)\s*[;:{]?\s*\Z")
_OPERATOR = re.compile(r"==|!=|&&|\|\||=>|->|::|</|/>|\+=|\):|\s=\s|\$\{|\\n")
_PUNCTUATION = frozenset("{}[]()<>=;\\_|&*$@#%^~`\"'")
_ENDS = frozenset(";{}")
_LOOKED_AT = 400  # characters of a line that decide whether it is code
_WRAPPED = 60  # a line this long may go on in the next; a shorter one was ended on purpose
_TERMINATORS = frozenset(".!?:;。！？…।؟")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a text, from ``start`` up to and not including ``end``, in characters."""

    start: int
    end: int


def prose_spans(text: str, *, in_fence: bool = False) -> Iterator[Span]:
    """Find the prose, in order.

    Each list item, heading and paragraph is a span of its own, without its mark ("- ", "2. ", "## "). A line break ends
    a span, unless the line looks wrapped: it is long, has no full stop, and the next one begins with a small letter.

    Args:
        text: The text, of which each character is looked at a bounded number of times.
        in_fence: Whether the text begins inside a fenced code block.

    Yields:
        Spans without a leading or trailing blank, which do not overlap.
    """
    fence = "`~" if in_fence else ""
    open_span: Span | None = None
    after_blank = True
    in_code = False
    for line in _lines(text):
        shown = text[line.start : line.end]
        mark = _FENCE.match(shown)
        if mark and (not fence or mark[1][0] in fence):
            fence = "" if fence else mark[1][0]
            if open_span:
                yield open_span
            open_span, after_blank = None, False
            continue
        item = _ITEM.match(shown)
        # Indented lines are code only where a code block may begin: after a blank line, and not as a list's next level.
        in_code = bool(_INDENTED.match(shown)) and not item and (in_code or (after_blank and open_span is None))
        blank = not shown.strip()
        head = item or _HEADING.match(shown)
        if fence or blank or in_code or _not_prose(shown, head.end() if head else 0):
            if open_span:
                yield open_span
            open_span, after_blank = None, blank
            continue
        after_blank = False
        body = _trimmed(text, line.start + (head.end() if head else 0), line.end)
        if body is None:
            continue
        if open_span and not head and _goes_on(text, open_span, body):
            open_span = Span(open_span.start, body.end)
            continue
        if open_span:
            yield open_span
        open_span = body
    if open_span:
        yield open_span


def ends_in_fence(text: str) -> bool:
    """Tell whether a text ends inside a fenced code block that it does not close."""
    fence = ""
    for line in _lines(text):
        mark = _FENCE.match(text, line.start, line.end)
        if mark and (not fence or mark[1][0] == fence):
            fence = "" if fence else mark[1][0]
    return bool(fence)


def is_code(line: str) -> bool:
    """Tell whether a line is code, data or a log rather than prose, by its punctuation alone."""
    looked_at = line[:_LOOKED_AT].replace("**", "").replace("`", "").strip()  # emphasis is no code
    if _LOG.match(looked_at) or _STACK.match(looked_at):
        return True
    dense = [character for character in looked_at if not character.isspace()]
    share = sum(character in _PUNCTUATION for character in dense) / max(1, len(dense))
    if len(dense) >= 8 and share >= 0.2:
        return True
    if looked_at[-1:] in _ENDS and (share >= 0.05 or looked_at[-1:] == "{"):
        return True
    if looked_at[:1] in "{[" and looked_at[-1:] in "]},":
        return True
    return bool(_CALL.match(looked_at)) or (share >= 0.08 and bool(_OPERATOR.search(looked_at)))


def _not_prose(line: str, body_at: int) -> bool:
    """Whether a line, whose text behind its mark begins at ``body_at``, is none of a person's own sentences."""
    return bool(_QUOTED.match(line) or _RULE.match(line)) or _is_table_row(line) or is_code(line[body_at:])


def _is_table_row(line: str) -> bool:
    row = line.strip()
    return row.startswith("|") and row.endswith("|") and len(row) > 1


def _goes_on(text: str, before: Span, body: Span) -> bool:
    """Whether a line continues the one before it."""
    line_start = text.rfind("\n", before.start, before.end) + 1
    last_line = before.end - max(before.start, line_start)
    return last_line >= _WRAPPED and text[before.end - 1] not in _TERMINATORS and text[body.start].islower()


def _lines(text: str) -> Iterator[Span]:
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield Span(start, end)
        start = end + 1


def _trimmed(text: str, start: int, end: int) -> Span | None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end) if start < end else None
