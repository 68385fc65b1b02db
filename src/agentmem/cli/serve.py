"""Defines `agentmem serve`: serves the embedded AgentCore Memory over HTTP."""

from __future__ import annotations

import signal
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated, NoReturn

import typer

from agentmem.cli.configuration import DEFAULT_FOLDER, opening
from agentmem.cli.output import note

DEFAULT_PORT = 8765


def serve(  # noqa: PLR0917 - typer makes an option of each
    path: Annotated[
        str,
        typer.Option(
            "--path", "--local", help="The folder that holds it, or ':memory:' to keep nothing.", show_default=True
        ),
    ] = DEFAULT_FOLDER,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 for any free one.", min=0, max=65_535)] = DEFAULT_PORT,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="A further name it may be addressed by, such as a container's; '*' for any. May be repeated. "
            "localhost, the address it listens on and addresses written as numbers always are."
        ),
    ] = None,
    extraction_delay: Annotated[
        float, typer.Option(help="Seconds until long-term memories are made of an event; 10 to 90 on AWS.", min=0.0)
    ] = 0.0,
    activation_delay: Annotated[
        float,
        typer.Option(help="Seconds a new memory stays CREATING and a changed one UPDATING; minutes on AWS.", min=0.0),
    ] = 0.0,
    record_stream: Annotated[
        Path | None,
        typer.Option(
            help="Append what AWS would stream to Kinesis of changed records to this file, a line of JSON each."
        ),
    ] = None,
) -> None:
    """Serve the embedded AgentCore Memory over HTTP to every AWS client, in any language, until it is stopped.

    It prints the two environment variables that point the clients at it.

    Example: agentmem serve --path ./.agentmem --port 8765
    """
    from agentmem.clients.embedded import MEMORY, database_path
    from agentmem.errors import ConfigurationError
    from agentmem.local import LocalMemory
    from agentmem.support.extras import require

    require("the embedded memory over HTTP", "local", "starlette", "uvicorn")
    place = path if path == MEMORY else str(database_path(path))
    for number in (signal.SIGINT, signal.SIGTERM):
        # Both by name: a shell that starts a process in the background has it ignore SIGINT.
        signal.signal(number, _stop)
    with opening(place):
        opened = LocalMemory(
            place,
            extraction_delay=extraction_delay,
            activation_delay=activation_delay,
            stream_sink=record_stream,
        )
    with opened as memory:
        try:
            server = memory.serve(host, port, allowed_hosts=allow_host or ())
        except ValueError as error:
            raise ConfigurationError(f"--allow-host: {error}") from error
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {host}:{port} ({error.strerror or error}). Give another --port, or 0 for any free "
                "one, and an address of this machine as --host."
            ) from error
        try:
            note(f"The embedded AgentCore Memory in {place} is served at {server.url}. Stop it with Ctrl-C.")
            note("Clients need a region and sign with any keys: AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local")
            for name, value in server.env().items():
                print(f"export {name}={value}", flush=True)
            server.wait()
        except KeyboardInterrupt:
            note("Stopping.")
        finally:
            server.stop()


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt
