"""Prints tables for people and JSON for programs."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

_PIPED_WIDTH = 10_000

_GAP, _READABLE = 2, 6
"""Columns between two columns of a table, and the width that each has at least, if its content is that wide."""

_WHOLE = frozenset({"actor", "agent", "event", "handle", "id", "record", "session", "version"})
"""Columns of ids and names that other commands take: they are neither wrapped nor shortened."""


def console() -> Console:
    """Return the console to print to; output for another program is never cut to a width."""
    from rich.console import Console

    made = Console(highlight=False, markup=False, soft_wrap=True)
    return made if made.is_terminal else Console(highlight=False, markup=False, soft_wrap=True, width=_PIPED_WIDTH)


def print_json(value: object) -> None:
    """Print a value as one line of JSON; times are ISO 8601."""
    print(json.dumps(value, default=_plain, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print rows under their headings.

    Args:
        columns: The headings; one that begins with ``#`` is of a column of numbers.
        rows: As many values each as there are columns.
        empty: The text to print when there are none.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    shown = [[_shown(value) for value in row] for row in rows]
    needed = 0
    for number, column in enumerate(columns):
        is_whole = column in _WHOLE  # however narrow the terminal, so that it can be copied
        table.add_column(
            column.lstrip("#"),
            justify="right" if column.startswith("#") else "left",
            overflow="fold",
            no_wrap=is_whole,
            min_width=max((len(row[number]) for row in shown), default=None) if is_whole else None,
        )
        longest = max((len(one) for one in (column.lstrip("#"), *(row[number] for row in shown))), default=0)
        needed += _GAP + (longest if is_whole else min(longest, _READABLE))
    for row in shown:
        table.add_row(*map(Text, row))
    made = console()
    if needed > made.width:  # rich would take the room from every column in turn, until some are gone
        table.width = needed
    made.print(table if table.row_count else empty)


def print_facts(facts: Mapping[str, object]) -> None:
    """Print names and values, one pair a line."""
    width = max((len(name) for name in facts), default=0) + 2
    for name, value in facts.items():
        print(f"{name:<{width}}{_shown(value)}")


def note(text: str) -> None:
    """Say something beside the output, on stderr."""
    print(text, file=sys.stderr)


def when(at: datetime | None) -> str:
    """Show a time to the second, in UTC."""
    from datetime import UTC

    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def shortened(text: str, length: int = 80) -> str:
    """Return a text on one line and no longer than that."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask, unless the answer was given with ``--yes``; no answer is no."""
    import typer

    return yes or typer.confirm(question, default=False, err=True)


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Callable[[int], object]]:
    """Show on a terminal's stderr, and nowhere else, how far something is.

    Args:
        label: The name of the work.
        total: How much there is to do, when that is known.

    Yields:
        A function to call with the finished amount.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _done: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    described = TextColumn("{task.description}")
    # How far an unknown amount is cannot be drawn, only that it goes on.
    columns = (SpinnerColumn(), described) if total is None else (described, BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task(label, total=total)
        if total is None:
            yield lambda done: bar.update(task, description=f"{label}: {done:,}")
        else:
            yield lambda done: bar.update(task, completed=done)


@contextmanager
def writable(file: Path) -> Iterator[None]:
    """Explain why a file cannot be written."""
    from agentmem.errors import ConfigurationError

    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"{file}: it cannot be written ({error.strerror or error}). Give a path that this user may write to."
        ) from error


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        from datetime import UTC

        return value.astimezone(UTC).isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
