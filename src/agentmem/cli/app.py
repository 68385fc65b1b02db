"""Registers the commands, and imports each only when it runs."""

from __future__ import annotations

import sys
from inspect import cleandoc
from typing import Annotated

import typer

from agentmem.cli.chat.command import chat
from agentmem.cli.checkpoints import checkpoints
from agentmem.cli.context import compact, context
from agentmem.cli.demo import demo
from agentmem.cli.doctor import doctor
from agentmem.cli.errors import explained
from agentmem.cli.events import events
from agentmem.cli.forget import forget
from agentmem.cli.init import init
from agentmem.cli.inspect import inspect
from agentmem.cli.pins import pins
from agentmem.cli.policy import policy
from agentmem.cli.recall import recall
from agentmem.cli.records import records
from agentmem.cli.replay import replay
from agentmem.cli.serve import serve
from agentmem.cli.sessions import sessions
from agentmem.cli.shapes import SHAPES, described
from agentmem.cli.template import template
from agentmem.cli.transfer import export, import_
from agentmem.cli.wait import wait

app = typer.Typer(
    name="agentmem",
    help="Memory for Strands agents on Amazon Bedrock AgentCore: save, compact, wait, and run all of it locally.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo)
app.command("replay")(replay)
app.command("chat")(chat)
app.command("serve")(serve)
app.command("inspect")(inspect)
app.command("init")(init)
app.command("doctor")(doctor)
app.command("sessions")(sessions)
app.add_typer(events, name="events")
app.add_typer(records, name="records")
app.command("recall")(recall)
app.add_typer(pins, name="pins")
app.command("context")(context)
app.command("compact")(compact)
app.command("iam-policy")(policy)
app.command("template")(template)
app.command("wait")(wait)
app.command("forget")(forget)
app.command("export")(export)
app.command("import")(import_)
app.add_typer(checkpoints, name="checkpoints")


def _write_help() -> None:
    """Let the terminal's width decide where a paragraph of help breaks, and say what ``--json`` prints."""
    groups = [("", app), *((f"{group.name} ", group.typer_instance) for group in app.registered_groups)]
    for prefix, group in groups:
        for command in group.registered_commands if group is not None else ():
            paragraphs = cleandoc(getattr(command.callback, "__doc__", None) or "").split("\n\n")
            if (shape := SHAPES.get(f"{prefix}{command.name}")) is not None:
                paragraphs.insert(-1, f"With --json: {described(shape)}.")  # before the example
            command.help = "\n\n".join(" ".join(paragraph.splitlines()) for paragraph in paragraphs)


_write_help()


def _version(asked: bool) -> None:
    if asked:
        from agentmem.support.version import __version__

        print(f"agentmem {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def run() -> None:
    """Run the command line."""
    try:
        app()
    except Exception as error:
        message = explained(error)
        if message is None:
            raise
        print(f"agentmem: {message}", file=sys.stderr)
        sys.exit(2 if isinstance(error, ImportError) else 1)
