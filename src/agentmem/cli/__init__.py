"""Starts the command line, `agentmem`, and names its missing extra."""

from __future__ import annotations

import sys

from agentmem.support.extras import require
from agentmem.support.installation import other_distribution


def main() -> None:
    """Run the command line; an error of ours ends it with one message and exit status 1, a missing extra with 2."""
    if (found := other_distribution()) is not None:
        print(f"agentmem: {found}", file=sys.stderr)
    try:
        require("the command line", "cli", "typer", "rich")
    except ImportError as error:
        print(f"agentmem: {error}", file=sys.stderr)
        sys.exit(2)
    from agentmem.cli.app import run

    run()
