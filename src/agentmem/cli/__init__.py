"""Starts the command line, `agentmem`, and names its missing extra."""

from __future__ import annotations

import sys
from importlib.util import find_spec

__all__ = ["main"]


def main() -> None:
    """Run the command line; every error of ours ends it with one message and exit status 1."""
    missing = [name for name in ("typer", "rich") if find_spec(name) is None]
    if missing:
        sys.exit(
            f"agentmem: the command line needs {' and '.join(missing)}. Install the extra: pip install 'agentmem[cli]'"
        )
    from agentmem.cli.app import run

    run()
