"""Draws the request sizes of a replay, with and without compaction, as SVG or as a self-contained page.

The colours are middle tones on a transparent ground, so that one file reads well on a light and on a dark page.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentmem.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from agentmem.replay.report import ReplayReport

_WIDTH = 960
_LEFT, _RIGHT = 64, 24
_PLOT_WIDTH = _WIDTH - _LEFT - _RIGHT
_UPPER = (124, 240)
_LOWER = (432, 190)
_HEIGHT = 696

_STYLE = """
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; fill: #7d8590; }
.title { font-size: 19px; font-weight: 600; }
.sub { font-size: 13px; }
.panel { font-size: 13px; font-weight: 600; }
.tick { font-size: 11.5px; }
.axis { stroke: #7d8590; stroke-opacity: .55; }
.grid { stroke: #7d8590; stroke-opacity: .18; }
.full { stroke: #d9822b; fill: none; stroke-width: 1.8; }
.fullarea { fill: #d9822b; fill-opacity: .12; }
.kept { stroke: #3b8eea; fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.keptarea { fill: #3b8eea; fill-opacity: .22; }
.limit { stroke: #d1495b; stroke-width: 1.3; stroke-dasharray: 6 4; fill: none; }
.limittext { fill: #d1495b; }
.pass { fill: #8957e5; }
.restore { stroke: #2da44e; stroke-width: 1.2; }
"""


@dataclass(frozen=True)
class _Panel:
    """One plot: its place and the ends of its axes."""

    top: int
    height: int
    requests: int
    limit: float

    def x(self, index: float) -> float:
        """Return the horizontal place of a request, counted from 0."""
        return _LEFT + _PLOT_WIDTH * (index / max(self.requests - 1, 1))

    def y(self, tokens: float) -> float:
        """Return the vertical place of a number of tokens."""
        return self.top + self.height * (1 - tokens / self.limit)

    @property
    def bottom(self) -> int:
        """The vertical place of zero."""
        return self.top + self.height


def draw(report: ReplayReport) -> str:
    """Draw the picture.

    The upper plot compares the requests as they were sent with what they would have been with the whole history; the
    lower one shows only those sent, with the threshold, every compaction and every restore.

    Args:
        report: The report of a replay.

    Returns:
        An SVG document of 960 by 696 pixels.
    """
    sent = [request.tokens for request in report.requests]
    whole = [request.uncompacted_tokens for request in report.requests]
    threshold = report.details.get("token_threshold")
    limit = threshold if isinstance(threshold, int) else None
    upper = _Panel(*_UPPER, len(sent), _nice(max([*whole, *sent, limit or 0, 1])))
    lower = _Panel(*_LOWER, len(sent), _nice(max([*sent, limit or 0, 1]) * 1.04))
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
            f'height="{_HEIGHT}" role="img" aria-label="{html.escape(_summary(report))}">'
        ),
        f"<style>{_STYLE}</style>",
        _text(_LEFT - 44, 28, "Size of each request to the model", "title"),
        _text(_LEFT - 44, 50, _summary(report), "sub"),
        *_legend(limit),
        *_axes(upper, "tokens"),
        *_series(upper, whole, "full", "fullarea"),
        *_series(upper, sent, "kept", "keptarea"),
        _text(_LEFT, upper.top - 12, "with and without compaction", "panel"),
        *_axes(lower, "tokens"),
        *_series(lower, sent, "kept", "keptarea"),
        *_limit(lower, limit),
        *_marks(lower, report),
        _text(_LEFT, lower.top - 12, "with compaction, enlarged", "panel"),
        _text(_LEFT + _PLOT_WIDTH / 2, _HEIGHT - 20, "request to the model, in order", "tick", "middle"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def page(report: ReplayReport) -> str:
    """Make a self-contained HTML page of the picture and the numbers.

    Args:
        report: The report of a replay.

    Returns:
        An HTML document that loads nothing.
    """
    rows = "\n".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in facts(report)
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>agentmem replay</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ max-width: 980px; margin: 2rem auto; padding: 0 1rem; font-family: system-ui, sans-serif; }}
svg {{ width: 100%; height: auto; }}
table {{ border-collapse: collapse; margin: 1.5rem 0 1.5rem 1.2rem; font-size: .9rem; }}
th, td {{ text-align: left; padding: .25rem 1.5rem .25rem 0; border-bottom: 1px solid #7d859040; }}
th {{ font-weight: 500; color: #7d8590; }}
td {{ font-variant-numeric: tabular-nums; }}
</style>
</head>
<body>
{draw(report)}
<table>
{rows}
</table>
</body>
</html>
"""


def write_picture(report: ReplayReport, path: Path) -> None:
    """Write the picture to a file.

    Args:
        report: The report of a replay.
        path: A file that ends in `.html` or `.svg`; its folder is made when needed.

    Raises:
        ConfigurationError: Another ending.
    """
    check_picture_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(draw(report) if path.suffix.lower() == ".svg" else page(report), encoding="utf-8")


def check_picture_path(path: Path) -> None:
    """Check the ending of a picture's path.

    Args:
        path: Where the picture is to be written.

    Raises:
        ConfigurationError: It ends neither in `.html` nor in `.svg`.
    """
    if path.suffix.lower() not in (".html", ".htm", ".svg"):
        raise ConfigurationError(
            f"The picture {str(path)!r} cannot be written: it is made as .html or .svg. Choose one of these endings; "
            "any browser turns it into a PNG."
        )


def _summary(report: ReplayReport) -> str:
    saved = 1 - report.total_input_tokens / max(report.total_uncompacted_tokens, 1)
    return (
        f"{len(report.requests):,} requests; the largest has {_short(report.peak_request_tokens)} tokens instead of "
        f"{_short(report.peak_uncompacted_tokens)}; input tokens in total {_short(report.total_input_tokens)} instead "
        f"of {_short(report.total_uncompacted_tokens)} ({abs(saved):.0%} {'less' if saved >= 0 else 'more'})"
    )


def facts(report: ReplayReport) -> Iterable[tuple[str, str]]:
    """Name the results of a replay, for a table.

    Args:
        report: The report of a replay.

    Yields:
        Name and value.
    """
    details = report.details
    if details.get("file"):
        yield "conversation", str(details["file"]).replace("\\", "/").rsplit("/", 1)[-1]
    for key, name in (("format", "format"), ("token_threshold", "token threshold")):
        if details.get(key) is not None:
            value = details[key]
            yield name, f"{value:,}" if isinstance(value, int) else str(value)
    if details.get("checkpoints"):
        yield "checkpoints", str(details["checkpoints"])
    yield "calls of the agent", f"{report.invocations:,}"
    yield "requests to the model", f"{len(report.requests):,}"
    yield "largest request", f"{report.peak_request_tokens:,} tokens"
    yield "largest request without compaction", f"{report.peak_uncompacted_tokens:,} tokens"
    yield "input tokens in total", f"{report.total_input_tokens:,}"
    yield "input tokens in total without compaction", f"{report.total_uncompacted_tokens:,}"
    yield "compactions", f"{report.compactions:,}"
    if report.restores:
        most = max(restore.api_calls for restore in report.restores)
        slowest = max(restore.seconds for restore in report.restores)
        yield "restores", f"{len(report.restores):,}, each at most {most} API calls and {slowest * 1000:,.0f} ms"


def _legend(limit: int | None) -> Iterable[str]:
    x = _LEFT - 44.0
    for kind, label in (
        ("full", "whole history"),
        ("kept", "with compaction"),
        *((("limit", "threshold"),) if limit else ()),
        ("pass", "compaction"),
        ("restore", "restored with fresh objects"),
    ):
        if kind == "pass":
            yield _triangle(x + 10, 76)
        elif kind == "restore":
            yield f'<line class="restore" x1="{x + 10}" y1="66" x2="{x + 10}" y2="76"/>'
        else:
            yield f'<line class="{kind}" x1="{x}" y1="71" x2="{x + 20}" y2="71" style="stroke-width:2.4"/>'
        yield _text(x + 28, 75, label, "tick")
        x += 28 + 7 * len(label) + 22


def _axes(panel: _Panel, unit: str) -> Iterable[str]:
    right = _LEFT + _PLOT_WIDTH
    for tokens in _ticks(panel.limit, 5):
        y = panel.y(tokens)
        yield f'<line class="{"axis" if tokens == 0 else "grid"}" x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>'
        yield _text(_LEFT - 8, y + 4, _short(tokens), "tick", "end")
    yield _text(_LEFT - 8, panel.top - 12, unit, "tick", "end")
    for index in _ticks(panel.requests, 8):
        if 0 < index <= panel.requests:
            x = panel.x(index - 1)
            yield f'<line class="axis" x1="{x:.1f}" y1="{panel.bottom}" x2="{x:.1f}" y2="{panel.bottom + 5}"/>'
            yield _text(x, panel.bottom + 19, f"{index:,.0f}", "tick", "middle")


def _series(panel: _Panel, values: Sequence[int], line: str, area: str) -> Iterable[str]:
    points = [(panel.x(index), panel.y(value)) for index, value in _thin(values)]
    if not points:
        return
    path = "M" + " L".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<path class="{area}" d="{path} L{points[-1][0]:.1f},{panel.bottom} L{points[0][0]:.1f},{panel.bottom} Z"/>'
    yield f'<path class="{line}" d="{path}"/>'


def _limit(panel: _Panel, limit: int | None) -> Iterable[str]:
    if limit is None:
        return
    y = panel.y(limit)
    right = _LEFT + _PLOT_WIDTH
    yield f'<line class="limit" x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>'
    yield (
        f'<text class="tick limittext" x="{right}" y="{y - 6:.1f}" text-anchor="end">threshold {limit:,} tokens</text>'
    )


def _marks(panel: _Panel, report: ReplayReport) -> Iterable[str]:
    for index, request in enumerate(report.requests):
        x = panel.x(index)
        if request.restored:
            yield (
                f'<line class="restore" x1="{x:.1f}" y1="{panel.bottom + 26}" x2="{x:.1f}" y2="{panel.bottom + 34}">'
                f"<title>restored before request {index + 1:,}</title></line>"
            )
        if request.compacted:
            yield _triangle(x, panel.bottom - 1, f"compacted before request {index + 1:,}")


def _triangle(x: float, y: float, title: str = "") -> str:
    points = f"{x - 4.5:.1f},{y:.1f} {x + 4.5:.1f},{y:.1f} {x:.1f},{y - 8:.1f}"
    return f'<polygon class="pass" points="{points}"><title>{html.escape(title)}</title></polygon>'


def _text(x: float, y: float, text: str, css: str, anchor: str = "start") -> str:
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _thin(values: Sequence[int]) -> list[tuple[int, int]]:
    """Keep the first, the largest and the smallest value of each pixel's worth, so that no peak is lost."""
    step = max(1, math.ceil(len(values) / (_PLOT_WIDTH * 2)))
    if step == 1:
        return list(enumerate(values))
    kept: set[int] = {0, len(values) - 1}
    for start in range(0, len(values), step):
        chunk = range(start, min(start + step, len(values)))
        value: Callable[[int], int] = values.__getitem__
        kept |= {start, max(chunk, key=value), min(chunk, key=value)}
    return [(index, values[index]) for index in sorted(kept)]


def _step(limit: float, count: int) -> float:
    """Return a round distance (1, 2, 2.5 or 5 times a power of ten) that divides `limit` into about `count`."""
    rough = max(limit, 1) / count
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)


def _nice(largest: float) -> float:
    half = _step(largest, 5) / 2
    return math.ceil(largest / half) * half


def _ticks(limit: float, count: int) -> list[float]:
    step = max(_step(limit, count), 1)
    return [number * step for number in range(int(limit / step + 1e-9) + 1)]


def _short(number: float) -> str:
    for size, suffix in ((1_000_000, " M"), (1_000, "k")):
        if number >= size:
            value = number / size
            return f"{value:.{0 if value >= 100 or value == int(value) else 1}f}{suffix}"
    return f"{number:,.0f}"
