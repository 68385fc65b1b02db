"""The notebooks run from top to bottom, and what is stored in them is what comes out."""

from __future__ import annotations

import difflib
import importlib.util
import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="`make test-all` installs what runs notebooks")

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = (
    "01_short_and_long_term_memory",
    "02_compaction",
    "03_waiting_and_testing",
    "04_from_laptop_to_aws",
    "05_many_agents",
)
MOST_BYTES = 400_000
MACHINE_PATH = re.compile(
    r"(?<![\w.:/])(/(tmp|home|root|work|var|usr|opt|private|Users)/|[A-Z]:\\)|site-packages|\.venv/"
)
FAILURE = re.compile(r"Traceback \(most recent call last\)")


@pytest.fixture(scope="module")
def run():
    """notebooks/run.py, the way outputs are made and stored."""
    spec = importlib.util.spec_from_file_location("notebooks_run", FOLDER / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stored(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_these_are_all_the_notebooks(run):
    assert [path.stem for path in run.notebooks()] == list(NAMES)


def lines(printed):
    """What is printed, line by line, each cell with its number."""
    return [
        line
        for number, texts in enumerate(printed, 1)
        for line in (f"In [{number}]", *(line for text in texts for line in text.splitlines()))
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_and_says_what_is_stored(run, name):
    notebook = run.execute(FOLDER / f"{name}.ipynb")
    fresh, kept = run.printed(notebook), run.printed(stored(name))
    assert any(texts for texts in fresh)
    if name == "02_compaction" and not run.DATA.is_dir():
        pytest.skip(f"it ran, on invented conversations; its stored outputs are of others: {run.DATA} is not there")
    difference = list(difflib.unified_diff(lines(kept), lines(fresh), "stored", "now", lineterm="", n=1))
    assert not difference, "\n".join(
        [f"If this is as it should be, store it with `python notebooks/run.py {name}`.", *difference]
    )


@pytest.mark.parametrize("name", NAMES)
def test_what_is_stored_has_run_in_order_without_a_failure(name):
    cells = code(stored(name))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [
        cell.source for cell in cells if "print(" in cell.source and not cell.outputs and "def " not in cell.source
    ]
    for cell in cells:
        assert {output.output_type for output in cell.outputs} <= {"stream", "display_data", "execute_result"}
        assert not [output.text for output in cell.outputs if output.get("name") == "stderr"]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_begins_with_what_its_reader_will_know_and_how_long_it_takes(name):
    first = stored(name).cells[0]
    assert first.cell_type == "markdown"
    assert re.match(r"# [^\n]+\n\nAt the end of this notebook you will know\n\n- ", first.source)
    assert re.search(r"\bruns in about \d+ seconds\b", first.source)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_stored_is_small_and_says_nothing_of_the_machine_it_ran_on(run, name):
    path = FOLDER / f"{name}.ipynb"
    assert path.stat().st_size < MOST_BYTES
    assert set(stored(name).metadata) == {"kernelspec", "language_info"}
    texts = [text for cell in code(stored(name)) for output in cell.outputs for text in [run.shown(output)]]
    assert [text for text in texts if MACHINE_PATH.search(text)] == []
    assert [text for text in texts if FAILURE.search(text)] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_notebook_has_a_picture_that_is_described(name):
    pictures = [
        output for cell in code(stored(name)) for output in cell.outputs if "image/png" in output.get("data", {})
    ]
    assert pictures
    assert all(len(picture.metadata["image/png"]["alt"]) > 40 for picture in pictures)
