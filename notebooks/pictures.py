"""The pictures of the notebooks: one look, axes with units, a description for who cannot see them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import matplotlib as mpl
from IPython.display import Image, display
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, RED, GREY = "#2458a6", "#d9730d", "#2e8b57", "#c0392b", "#8a8f98"
"""Distinguishable also by lightness, on white."""

_LOOK = {
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that the pictures are the same everywhere
    "font.size": 9,
    "grid.color": "#e4e6ea",
    "legend.edgecolor": "white",
    "legend.framealpha": 1.0,
    "lines.linewidth": 2,
}
mpl.rcParams.update(_LOOK)
_WIDTH = 8.0
_DPI = 130


def panels(rows: int = 1, columns: int = 1, *, height: float = 3.0, **options: object) -> tuple[Figure, list[Axes]]:
    """Make a figure of panels side by side or one below the other.

    Args:
        rows: Panels from top to bottom.
        columns: Panels from left to right.
        height: Of the figure, in inches; it is 8 wide.
        **options: Further ones of `Figure.subplots`.

    Returns:
        The figure and its axes, row by row.
    """
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False, **options).flat)


def show(figure: Figure, alt: str) -> None:
    """Show a figure as a PNG in the notebook.

    Args:
        figure: The figure.
        alt: What it shows, in words.
    """
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_DPI, metadata={"Software": None})
    display(Image(file.getvalue(), width=int(_WIDTH * 100), alt=alt))


def arrivals(looks: Sequence[Mapping[str, Sequence[str]]], step: int, delay: int) -> Figure:
    """Draw what was there at each look: a time line of what came, and how much there was.

    Args:
        looks: For each look, what was there by name; `events` first, then the kinds of records.
        step: Seconds between looks.
        delay: Seconds from an event to its records, for the arrows.

    Returns:
        The figure.
    """
    figure, (above, below) = panels(2, height=4.6, sharex=True, height_ratios=[1, 1.2])
    seconds = [number * step for number in range(len(looks))]
    names = list(looks[0])
    for name, colour, lane in zip(names, (BLUE, ORANGE, GREEN, GREY), range(len(names), 0, -1), strict=True):
        before: Sequence[str] = ()
        for at, look in zip(seconds, looks, strict=True):
            more, changed = len(look[name]) - len(before), list(look[name]) != list(before)
            before = look[name]
            if changed:
                above.plot(at, lane, "o", markersize=7, color=colour, markerfacecolor=colour if more else "white")
                label = f"+{more}" if more else "rewritten"
                shift = (6, 5) if name == "events" else (6, -11)  # clear of the arrows
                above.annotate(label, (at, lane), shift, textcoords="offset points", color=colour)
            if changed and name == "events":
                style = {"arrowstyle": "->", "color": "#b8bcc4", "shrinkA": 5, "shrinkB": 6}
                above.annotate("", (at + delay, lane - 1), (at, lane), arrowprops=style)
        counts = [len(look[name]) for look in looks]
        below.step(seconds, counts, where="post", color=colour, label=name, zorder=2 + lane)
    above.set_yticks(range(1, len(names) + 1), reversed(names))
    above.set_ylim(0.3, len(names) + 0.6)
    above.set_title(f"What comes when: an event at once, its records {delay} seconds later")
    below.set_title("How much is there")
    below.set_xlabel("seconds since the first message, by the service's clock")
    below.set_ylabel("events or records (number)")
    below.legend(loc="upper left", ncols=len(names))
    below.set_ylim(0, max(len(texts) for texts in looks[-1].values()) + 2)
    return figure


def request_sizes(sizes: Mapping[str, Sequence[int]], *, limit: int, restart: int) -> Figure:
    """Draw the tokens of each request: all of them, and below without the first, at a larger scale.

    Args:
        sizes: Tokens by name; the first is what the others are compared with.
        limit: The limit in tokens.
        restart: The number of the request before which everything was thrown away and restored, from 0.

    Returns:
        The figure.
    """
    figure, axes = panels(2, height=5.4, sharex=True, height_ratios=[1, 1.3])
    styles = zip(sizes.items(), (GREY, ORANGE, GREEN, BLUE), strict=True)
    for number, ((name, tokens), colour) in enumerate(styles):
        for panel in axes if number else axes[:1]:
            panel.plot(range(1, len(tokens) + 1), tokens, color=colour, label=name, linewidth=1.5, zorder=2 + number)
    for panel in axes:
        panel.axhline(limit, color=RED, linewidth=1, linestyle="--")
        panel.axvline(restart + 0.5, color="black", linewidth=1, linestyle=":")
        panel.set_ylabel("tokens of the request")
        panel.yaxis.set_major_formatter("{x:,.0f}")
        panel.set_ylim(0)
    axes[0].set_title("All four")
    axes[1].set_title("Those that stay small, at a larger scale")
    axes[1].set_xlabel("request to the model (number)")
    axes[1].set_ylim(0, max(max(tokens) for tokens in list(sizes.values())[1:]) * 1.12)
    axes[0].annotate(
        "restart", (restart + 0.5, 0.93), (4, 0), xycoords=("data", "axes fraction"), textcoords="offset points"
    )
    axes[0].annotate(f"limit of {limit:,}", (1, limit), (0, 3), textcoords="offset points", color=RED)
    axes[0].legend(loc="upper left")
    return figure


def reach(counts: Mapping[str, Mapping[str, int]], title: str) -> Figure:
    """Draw a bar for each name, divided into its parts.

    Args:
        counts: The parts by name; the last part is what is missing.
        title: Of the picture.

    Returns:
        The figure.
    """
    figure, [panel] = panels(height=2.4)
    names = list(counts)[::-1]
    left = [0] * len(names)
    for part, colour in zip(counts[names[0]], (BLUE, "#8fb0de", "#e4e6ea"), strict=True):
        widths = [counts[name][part] for name in names]
        bars = panel.barh(names, widths, left=left, color=colour, label=part, height=0.62)
        shade = "white" if colour == BLUE else "black"
        panel.bar_label(bars, [str(width) if width else "" for width in widths], label_type="center", color=shade)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    panel.set_title(title)
    panel.set_xlabel("details (number)")
    panel.grid(visible=False)
    panel.set_xlim(0, max(left))
    panel.legend(loc="upper center", bbox_to_anchor=(0.45, -0.28), ncols=3)
    return figure


def waits(delays: Sequence[int], waited: Sequence[int], *, sleeps: Sequence[int]) -> Figure:
    """Draw how long was waited for extractions of different lengths, and what a fixed pause does instead.

    Args:
        delays: Seconds of extraction.
        waited: Seconds waited for each.
        sleeps: Fixed pauses to compare with, in seconds.

    Returns:
        The figure.
    """
    figure, [panel] = panels(height=3.3)
    panel.plot(delays, waited, "o-", color=BLUE, label="wait_for_memories")
    for pause, colour in zip(sleeps, (ORANGE, GREY), strict=False):
        panel.axhline(pause, color=colour, label=f"sleep({pause})")
    early = [(delay, pause) for pause in sleeps for delay in delays if delay > pause]
    panel.plot(*zip(*early, strict=True), "x", color=RED, markersize=9, markeredgewidth=2, label="looks too early")
    panel.set_title("What a wait costs")
    panel.set_xlabel("seconds that extraction took")
    panel.set_ylabel("seconds waited")
    panel.set_ylim(0, max(*waited, *sleeps) + 20)
    panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def calls(counted: Mapping[str, Mapping[str, int]]) -> Figure:
    """Draw how often each operation was called, in several places.

    Args:
        counted: Calls by operation, by place.

    Returns:
        The figure.
    """
    operations = list(dict.fromkeys(operation for counts in counted.values() for operation in counts))
    figure, [panel] = panels(height=0.9 + 0.55 * len(operations))
    height = 0.8 / len(counted)
    for number, ((place, counts), colour) in enumerate(zip(counted.items(), (GREY, BLUE, ORANGE), strict=False)):
        at = [row + (number - (len(counted) - 1) / 2) * height for row in range(len(operations))]
        bars = panel.barh(at, [counts.get(operation, 0) for operation in operations], height, color=colour, label=place)
        panel.bar_label(bars, [str(counts[name]) if name in counts else "" for name in operations], padding=3)
    panel.set_yticks(range(len(operations)), operations)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.invert_yaxis()
    panel.set_title("API calls of the same program")
    panel.set_xlabel("calls (number)")
    panel.grid(visible=False)
    panel.legend(loc="lower right")
    return figure
