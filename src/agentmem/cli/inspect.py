"""Defines `agentmem inspect`: opens the inspector, a web page over a memory."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentmem.cli.configuration import (
    ConfigFile,
    Local,
    MemoryId,
    Region,
    find_configuration,
)
from agentmem.cli.output import note, progress

if TYPE_CHECKING:
    from agentmem.config import MemoryConfig

DEFAULT_PORT = 8766


def inspect(  # noqa: PLR0917 - typer makes an option of each
    demo: Annotated[
        bool, typer.Option("--demo", help="Show the demo's conversation, in a memory of this process only.")
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Allow the chat, pins and deleting; without it nothing is changed.")
    ] = False,
    port: Annotated[int, typer.Option(help="The port; 0 for any free one.", min=0, max=65_535)] = DEFAULT_PORT,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
    model: Annotated[
        str, typer.Option(help="The model of the chat, as for `agentmem chat`: 'offline' needs no account.")
    ] = "offline",
    base_url: Annotated[str | None, typer.Option(help="Where the API of ollama:NAME or openai:NAME is.")] = None,
    config_file: ConfigFile = None,
    local: Local = None,
    memory_id: MemoryId = None,
    region: Region = None,
) -> None:
    """Look into a memory with a browser: sessions, contexts, compactions, long-term memory; until Ctrl-C.

    It answers to this machine only, and only with the token in the printed address. It changes nothing unless --write
    is given; the demo's memory, which is gone with the process, may be written to.

    Example: agentmem inspect --demo
    """
    from agentmem.support.extras import require

    require("the inspector", "inspector", "starlette", "uvicorn", "sse_starlette")
    if demo:
        if config_file is not None or local is not None or memory_id is not None:
            raise typer.BadParameter("it has a memory of its own; leave the others out", param_hint="--demo")
        _inspect_demo(port, no_open, model, base_url)
        return
    config = find_configuration(config_file, local=local, memory_id=memory_id, region=region)
    _serve(config, port=port, no_open=no_open, model=model, base_url=base_url, writable=write)


def _inspect_demo(port: int, no_open: bool, model: str, base_url: str | None) -> None:
    from agentmem.cli.demo import filled_demo
    from agentmem.cli.demo_script import travel_tools
    from agentmem.local import LocalMemory

    with LocalMemory() as service:
        with progress("telling the demo's story"):
            config = filled_demo(service)
        _serve(
            config,
            port=port,
            no_open=no_open,
            model=model,
            base_url=base_url,
            writable=True,
            tools=travel_tools(),
            system_prompt="You plan journeys with the tools you have.",
        )


def _serve(
    config: MemoryConfig,
    *,
    port: int,
    no_open: bool,
    model: str,
    base_url: str | None,
    writable: bool,
    **agent_options: Any,
) -> None:
    from agentmem.cli.chat.providers import is_offline, open_model
    from agentmem.inspector.chat import ChatSettings
    from agentmem.inspector.server import InspectorServer

    region = config.region if config.local_path is None else None

    def opened(name: str) -> Any:
        return open_model(name, base_url=None if is_offline(name) else base_url, region=region)

    server = InspectorServer(config, ChatSettings(opened, model, **agent_options), port=port, writable=writable)
    server.run(partial(_announce, server.url, writable=writable, no_open=no_open))


def _announce(url: str, *, writable: bool, no_open: bool) -> None:
    mode = "It may change the memory." if writable else "It is read-only."
    note(f"The inspector answers to this machine at the address below. {mode} Stop it with Ctrl-C.")
    print(url, flush=True)
    if not no_open:
        import threading
        import webbrowser

        # A browser that takes its time must not hold up the server.
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
