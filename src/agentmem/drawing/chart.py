"""Draws the sizes of requests over a session as SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentmem.drawing.markup import Markup, element

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["RequestPoint", "request_chart"]

_WIDTH, _HEIGHT = 960, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 16, 30
_PLOT_WIDTH, _PLOT_HEIGHT = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_MOST_POINTS = 2 * _PLOT_WIDTH


@dataclass(frozen=True)
class RequestPoint:
    """One request to the model.

    Attributes:
        tokens: Its size.
        stored: Tokens of the whole history at that moment; None when that is not known.
        compacted: Whether the context was compacted just before it.
        label: Remark for the point, such as its time.
    """

    tokens: int
    stored: int | None = None
    compacted: bool = False
    label: str = ""


def request_chart(points: Sequence[RequestPoint], *, limit: int | None = None) -> Markup:
    """Draw the size of each request, beside the size of the whole history.

    Args:
        points: The requests, oldest first.
        limit: The threshold in tokens, drawn as a line.

    Returns:
        An SVG of 960 by 240 units, without styles of its own.
    """
    shown = _thin(points)
    stored = [(index, point.stored) for index, point in shown if point.stored is not None]
    top = _nice(max([point.tokens for point in points] + [size for _, size in stored] + [limit or 0, 1]))
    last = max(len(points) - 1, 1)

    def at(index: int, tokens: float) -> str:
        return f"{_LEFT + _PLOT_WIDTH * index / last:.1f},{_TOP + _PLOT_HEIGHT * (1 - tokens / top):.1f}"

    drawn = list(_axes(top, len(points)))
    if stored:
        drawn.append(element("polyline", points=" ".join(at(*pair) for pair in stored), class_="am-line-stored"))
    line = " ".join(at(index, point.tokens) for index, point in shown)
    if len(points) == 1:
        line += f" {_LEFT + _PLOT_WIDTH},{line.partition(',')[2]}"
    drawn.append(element("polyline", points=line, class_="am-line-sent"))
    if limit is not None:
        y = _TOP + _PLOT_HEIGHT * (1 - limit / top)
        drawn.append(element("line", x1=_LEFT, x2=_LEFT + _PLOT_WIDTH, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="am-limit"))
    drawn += [_mark(index, last, point) for index, point in enumerate(points) if point.compacted]
    return element(
        "svg",
        drawn,
        class_="am-chart",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=_described(points, limit),
    )


def _described(points: Sequence[RequestPoint], limit: int | None) -> str:
    if not points:
        return "There is no request."
    sizes = [point.tokens for point in points]
    compactions = sum(point.compacted for point in points)
    at_most = "" if limit is None else f", threshold {limit:,}"
    return (
        f"Sizes of {len(points):,} requests to the model: {sizes[0]:,} tokens first, {max(sizes):,} at most, "
        f"{sizes[-1]:,} last; {compactions} compactions{at_most}."
    )


def _axes(top: float, requests: int) -> list[Markup]:
    drawn = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = _TOP + _PLOT_HEIGHT * (1 - share)
        drawn += [
            element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="am-grid"),
            element("text", _short(top * share), x=_LEFT - 8, y=f"{y + 4:.1f}", class_="am-tick-y"),
        ]
    drawn.append(
        element("text", f"request to the model, 1 to {requests:,}", x=_WIDTH / 2, y=_HEIGHT - 8, class_="am-tick-x")
    )
    return drawn


def _mark(index: int, last: int, point: RequestPoint) -> Markup:
    x, y = _LEFT + _PLOT_WIDTH * index / last, _TOP + _PLOT_HEIGHT
    title = f"compacted before request {index + 1:,}: {point.tokens:,} tokens {point.label}".rstrip()
    return element(
        "polygon",
        element("title", title),
        points=f"{x - 5:.1f},{y:.1f} {x + 5:.1f},{y:.1f} {x:.1f},{y - 9:.1f}",
        class_="am-mark",
    )


def _thin(points: Sequence[RequestPoint]) -> list[tuple[int, RequestPoint]]:
    """Keep the first, the largest and the smallest of each pixel's worth, so that no peak is lost."""
    step = math.ceil(len(points) / _MOST_POINTS)
    if step <= 1:
        return list(enumerate(points))
    kept = {0, len(points) - 1}
    for start in range(0, len(points), step):
        chunk = range(start, min(start + step, len(points)))
        kept |= {max(chunk, key=lambda at: points[at].tokens), min(chunk, key=lambda at: points[at].tokens)}
    return [(index, points[index]) for index in sorted(kept)]


def _nice(largest: float) -> float:
    power = 10.0 ** math.floor(math.log10(max(largest, 1)))
    return next(factor * power for factor in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if factor * power >= largest)


def _short(number: float) -> str:
    for size, suffix in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.3g}{suffix}"
    return f"{number:,.0f}"
