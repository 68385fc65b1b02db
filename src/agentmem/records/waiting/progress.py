"""Shows the progress of a wait in one line, in a terminal or a notebook.

with WaitingLine() as line:
    memory.wait_for_memories("facts", on_poll=line)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from agentmem.support.extras import require

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from agentmem.records.waiting.polling import WaitProgress


def describe(progress: WaitProgress) -> str:
    """Return the state of a wait, such as ``0 of 1 there, poll 3``, and the error of its last poll."""
    text = f"{progress.count:,} of {progress.min_count:,} there, poll {progress.polls:,}"
    return text if progress.error is None else f"{text}, tried again after {type(progress.error).__name__}"


class WaitingLine:
    """A progress line for ``on_poll=``; a context manager, which takes the line away at the end.

    In a terminal it is rich's, on stderr, with the time running between polls. In a notebook it is one line of output
    that is updated with each poll and stays. Where there is neither, nothing is shown.

    Args:
        label: The name of the awaited records.
        console: Where to show it; rich's own for stderr unless given.

    Raises:
        MissingExtraError: rich is not installed.
    """

    def __init__(self, label: str = "waiting for memories", *, console: Console | None = None) -> None:
        """Show nothing yet."""
        require("the progress line", "cli", "rich")
        from rich.console import Console

        self._label = label
        self._console = Console(stderr=True) if console is None else console
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._output: Any = None

    def __call__(self, progress: WaitProgress) -> None:
        """Show the result of a poll.

        Args:
            progress: The result of the poll.
        """
        if self._console.is_jupyter:
            self._show_in_notebook(progress)
        elif self._console.is_terminal:
            self._show_in_terminal(progress)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _show_in_terminal(self, progress: WaitProgress) -> None:
        if self._progress is None:
            from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            self._progress = Progress(
                SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(20), TimeElapsedColumn(),
                TextColumn("of {task.total:.0f} s, {task.fields[found]}", markup=False), console=self._console,
                transient=True,
            )  # fmt: skip
            self._task = self._progress.add_task(self._label, total=progress.max_wait, found="")
            self._progress.start()
        assert self._task is not None  # noqa: S101 - set with the progress
        self._progress.update(self._task, completed=progress.elapsed, found=describe(progress))

    def _show_in_notebook(self, progress: WaitProgress) -> None:
        # Not rich's own: in notebooks that needs ipywidgets.
        display = import_module("IPython.display").display
        state = "done" if progress.done else f"{progress.elapsed:.0f} of {progress.max_wait:.0f} s"
        line = {"text/plain": f"{self._label}: {state}, {describe(progress)}"}
        if self._output is None:
            self._output = display(line, raw=True, display_id=True)
        else:
            self._output.update(line, raw=True)
