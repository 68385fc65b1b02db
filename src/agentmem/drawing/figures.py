"""Draws facts, tables, token bars and differences of texts."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from agentmem.drawing.markup import Child, Markup, element, fragment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["BarPart", "before_after", "chip", "difference", "facts", "legend", "one_line", "table", "token_bar"]

_BAR_WIDTH = 1_000
_CONTEXT_LINES = 3


@dataclass(frozen=True)
class BarPart:
    """One part of a token bar.

    Attributes:
        name: Its name in the legend.
        tokens: Its length.
        kind: The style class that gives its colour: ``fixed``, ``summary``, ``pinned``, ``head``, ``shortened``,
            ``whole``, ``protected``, ``before``, ``after`` or ``free``.
        note: A further remark for the legend, or empty.
    """

    name: str
    tokens: int
    kind: str
    note: str = ""


def facts(values: Mapping[str, Child]) -> Markup:
    """Draw names and values as a list of definitions."""
    return element(
        "dl",
        [element("div", element("dt", name), element("dd", _shown(value))) for name, value in values.items()],
        class_="am-facts",
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[Child]], *, empty: str, caption: str) -> Markup:
    """Draw rows under their headings.

    Args:
        columns: The headings; one that begins with ``#`` is of a column of numbers.
        rows: As many cells each as there are columns.
        empty: The text to draw when there are none.
        caption: What the table lists, for who cannot see it.
    """
    numeric = [column.startswith("#") for column in columns]
    head = element("tr", [element("th", column.lstrip("#"), scope="col") for column in columns])
    body = [
        element(
            "tr",
            [
                element("td", _shown(cell), class_="am-number" if is_number else None)
                for cell, is_number in zip(row, numeric, strict=True)
            ],
        )
        for row in rows
    ]
    if not body:
        return element("p", empty, class_="am-empty")
    drawn = element("table", element("caption", caption), element("thead", head), element("tbody", body))
    # The region scrolls by itself when it must, so that the page never does; with the keyboard too.
    return element("div", drawn, class_="am-table", tabindex=0, role="region", aria_label=caption)


def token_bar(parts: Sequence[BarPart], *, limit: int | None = None, label: str, scale: int | None = None) -> Markup:
    """Draw a bar of parts in proportion to their tokens.

    Args:
        parts: The parts from left to right; empty ones are left out.
        limit: A limit in tokens, drawn as a line.
        label: What the bar is of.
        scale: Tokens of the whole width; None for what is needed, the limit included.

    Returns:
        An SVG that stretches to the width it is given.
    """
    total = sum(part.tokens for part in parts)
    width = scale or max(total, limit or 0, 1)
    drawn: list[Markup] = []
    x = 0.0
    for part in parts:
        length = _BAR_WIDTH * part.tokens / width
        if part.tokens > 0:
            title = element("title", f"{part.name}: {part.tokens:,} tokens")
            drawn.append(
                element("rect", title, x=f"{x:.1f}", y=0, width=f"{length:.1f}", height=20, class_=f"am-{part.kind}")
            )
        x += length
    if limit is not None:
        at = f"{min(_BAR_WIDTH * limit / width, _BAR_WIDTH - 1):.1f}"
        drawn.append(element("line", x1=at, x2=at, y1=0, y2=20, class_="am-limit"))
    listed = ", ".join(f"{part.name} {part.tokens:,}" for part in parts if part.tokens)
    at_most = "" if limit is None else f"; limit {limit:,}"
    return element(
        "svg",
        drawn,
        class_="am-bar",
        viewBox=f"0 0 {_BAR_WIDTH} 20",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{label}: {total:,} tokens ({listed or 'empty'}{at_most})",
    )


def before_after(before: int, after: int, *, limit: int | None = None) -> Markup:
    """Draw the size of a request before and after a compaction, at one scale.

    Args:
        before: Tokens before.
        after: Tokens after.
        limit: The threshold in tokens, drawn as a line.
    """
    scale = max(before, after, limit or 0, 1)
    return fragment(
        element("p", element("b", "Before"), f" {before:,} tokens"),
        token_bar([BarPart("before", before, "before")], label="Request before", scale=scale, limit=limit),
        element("p", element("b", "After"), f" {after:,} tokens"),
        token_bar([BarPart("after", after, "after")], label="Request after", scale=scale, limit=limit),
    )


def legend(parts: Sequence[BarPart]) -> Markup:
    """Draw the names and tokens of a bar's parts."""
    return element(
        "ul",
        [
            element(
                "li",
                element("span", class_=f"am-swatch am-{part.kind}", aria_hidden="true"),
                element("span", part.name),
                element("b", f"{part.tokens:,}"),
                element("small", part.note) if part.note else None,
            )
            for part in parts
        ],
        class_="am-legend",
    )


def chip(text: str, kind: str = "plain") -> Markup:
    """Draw a short word in a frame.

    Args:
        text: The word.
        kind: ``plain``, ``good``, ``bad`` or ``warn``.
    """
    return element("span", text, class_=f"am-chip am-chip-{kind}")


def difference(before: Sequence[str], after: Sequence[str]) -> Markup:
    """Draw the difference of two texts line by line; long stretches that are equal are left out.

    Args:
        before: Lines of the one.
        after: Lines of the other.
    """
    lines = list(_compared(before, after))
    if not lines:
        return element("p", "There is no difference.", class_="am-empty")
    return element("ol", lines, class_="am-diff")


def one_line(text: str, length: int = 120) -> str:
    """Return a text on one line and no longer than that."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def _compared(before: Sequence[str], after: Sequence[str]) -> Iterator[Markup]:
    matcher = SequenceMatcher(a=list(before), b=list(after), autojunk=False)
    changed = False
    blocks: list[Markup] = []
    for tag, start, end, start_after, end_after in matcher.get_opcodes():
        if tag == "equal":
            blocks += _equal(before[start:end])
            continue
        changed = True
        blocks += [_line("−", "del", line) for line in before[start:end]]
        blocks += [_line("+", "ins", line) for line in after[start_after:end_after]]
    if changed:
        yield from blocks


def _equal(lines: Sequence[str]) -> Iterator[Markup]:
    if len(lines) <= 2 * _CONTEXT_LINES + 1:
        yield from (_line(" ", "span", line) for line in lines)
        return
    yield from (_line(" ", "span", line) for line in lines[:_CONTEXT_LINES])
    hidden = len(lines) - 2 * _CONTEXT_LINES
    yield element("li", f"… {hidden} lines stay as they are", class_="am-skipped")
    yield from (_line(" ", "span", line) for line in lines[-_CONTEXT_LINES:])


def _line(sign: str, tag: str, text: str) -> Markup:
    return element("li", element("span", sign, class_="am-sign"), element(tag, text or " "), class_=f"am-{tag}")


def _shown(value: Child) -> Child:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return fragment(value)
