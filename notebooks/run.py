"""Execute the notebooks from top to bottom and store their outputs.

Run:

    python notebooks/run.py                    # all of them
    python notebooks/run.py 02_compaction      # one

Each runs in a kernel of this interpreter, in a temporary folder and without a network.
`tests/documentation/test_notebooks.py` executes them the same way and compares what comes out with what is stored.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

if TYPE_CHECKING:
    from nbformat import NotebookNode

FOLDER = Path(__file__).resolve().parent
DATA = Path(os.environ.get("AGENTMEM_DATA", FOLDER.parents[1] / "shared" / "data"))
"""Where the recorded conversations of `02_compaction` are; it runs on invented ones when they are not there."""

CELL_TIMEOUT = 120
"""Seconds one cell may take."""

OFFLINE = """
import ipaddress
import socket

_connect = socket.socket.connect


def _connect_here_only(self, address):
    if isinstance(address, tuple) and address[0] != "localhost" and not ipaddress.ip_address(address[0]).is_loopback:
        raise OSError(f"a notebook tried to reach {address[0]} over the network")
    return _connect(self, address)


socket.socket.connect = _connect_here_only
"""


class _ThisInterpreter(KernelSpecManager):
    """Knows one kernel: the interpreter that runs this, whatever is installed for the user."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name=kernel_name, language="python")


def notebooks() -> list[Path]:
    """Return the notebooks in their order."""
    return sorted(FOLDER.glob("[0-9]*.ipynb"))


def execute(path: Path) -> NotebookNode:
    """Execute a notebook; the file is only read.

    Args:
        path: The notebook.

    Returns:
        The notebook with the outputs of this run.

    Raises:
        CellExecutionError: A cell failed; the message shows the cell and its error.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    with tempfile.TemporaryDirectory() as temporary:
        home, work = Path(temporary, "home"), Path(temporary, "work")
        for folder in (home, work, home / "tmp"):
            folder.mkdir()
        shutil.copy(FOLDER / "pictures.py", work)
        invented = Path(temporary, "tests", "data")
        invented.mkdir(parents=True)
        shutil.copy(FOLDER.parent / "tests" / "data" / "workshop.jsonl", invented)
        (home / "sitecustomize.py").write_text(OFFLINE, encoding="utf-8")
        manager = AsyncKernelManager(kernel_spec_manager=_ThisInterpreter(), transport="ipc")
        manager.connection_file = manager.ip = str(home / "kernel")
        client = NotebookClient(
            notebook, km=manager, timeout=CELL_TIMEOUT, resources={"metadata": {"path": str(work)}}, record_timing=False
        )
        client.execute(env=_environment(home, path.stem), cleanup_kc=True)
    return _tidy(notebook)


def printed(notebook: NotebookNode) -> list[list[str]]:
    """Return what each code cell shows: its texts, and for a picture its type and description.

    Args:
        notebook: An executed notebook.

    Returns:
        One list a code cell; that of a cell tagged `volatile` is empty.
    """
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            volatile = "volatile" in cell.metadata.get("tags", ())
            found.append([] if volatile else [shown(output) for output in cell.outputs])
    return found


def shown(output: Any) -> str:
    """Return what one output shows, as text.

    Args:
        output: The output of a code cell.
    """
    if output.output_type == "stream":
        return str(output.text)
    if output.output_type == "error":
        return textwrap.shorten(f"{output.ename}: {output.evalue}", 200)
    if "image/png" in output.data:
        return f"image/png: {output.metadata.get('image/png', {}).get('alt', '')}"
    return str(output.data.get("text/plain", ""))


def main() -> None:
    """Execute what is named, or everything, and write it back."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="notebooks, without .ipynb; all of them unless given")
    options = parser.parse_args()
    paths = {path.stem: path for path in notebooks()}
    if unknown := set(options.names) - set(paths):
        parser.error(f"there is no notebook {', '.join(sorted(unknown))}; there are {', '.join(paths)}")
    for name in options.names or paths:
        if name == "02_compaction" and not DATA.is_dir():
            print("02_compaction: left as it is, for its stored outputs are of recorded conversations; see README.md.")
            continue
        nbformat.write(execute(paths[name]), paths[name])
        print(f"{name}: {paths[name].stat().st_size / 1000:.0f} kB")


def _environment(home: Path, name: str) -> dict[str, str]:
    """Return the environment of a kernel: nothing of this machine's AWS configuration or IPython profile."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AGENTMEM_", "BEDROCK_"))}
    if name == "02_compaction":  # in others a variable of this name would be taken for a misspelt field
        kept["AGENTMEM_DATA"] = str(DATA)
    paths = [str(home), *filter(None, [os.environ.get("PYTHONPATH")])]
    return kept | {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "IPYTHONDIR": str(home / "ipython"),
        "PYTHONPATH": os.pathsep.join(paths),
        "TMPDIR": str(home / "tmp"),
        # The programs that a notebook starts are this environment's.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }


def _tidy(notebook: NotebookNode) -> NotebookNode:
    """Leave out what differs from machine to machine, and join what was printed in pieces."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for number, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{number:02}"
        cell.metadata = nbformat.from_dict({"tags": cell.metadata.tags} if cell.metadata.get("tags") else {})
        if cell.cell_type == "code":
            outputs: list[NotebookNode] = []
            for output in cell.outputs:
                last = outputs[-1] if outputs else None
                if last is not None and output.output_type == "stream" and last.get("name") == output.name:
                    last.text += output.text
                else:
                    outputs.append(output)
            cell.outputs = outputs
    return notebook


if __name__ == "__main__":
    main()
