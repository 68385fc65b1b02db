"""Defines `agentmem chat`: a conversation in the terminal with memory and compaction."""

from __future__ import annotations

import functools
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from agentmem.cli.configuration import Variables, configured, parsed_variables
from agentmem.cli.output import progress

if TYPE_CHECKING:
    from agentmem.config import MemoryConfig

DEFAULT_ACTOR = "me"
SYSTEM_PROMPT = "You are a helpful assistant."

EMBEDDED_RETRIEVE_TIMEOUT = 30.0
"""Seconds for a retrieval from an embedded memory, which loads its embedding model at the first one."""


@functools.partial(configured, making=True)
def chat(  # noqa: PLR0917 - typer makes an option of each
    config: MemoryConfig,
    model: Annotated[
        str,
        typer.Option(
            help="A model id on Bedrock, 'ollama:NAME', or 'openai:NAME' for an OpenAI-compatible API; 'offline' "
            "needs none and answers by quoting what it is given.",
        ),
    ] = "offline",
    base_url: Annotated[
        str | None,
        typer.Option(help="Where the API of ollama:NAME or openai:NAME is, such as http://127.0.0.1:8000/v1."),
    ] = None,
    actor: Annotated[str, typer.Option(help="Who talks: long-term memory is this actor's.")] = DEFAULT_ACTOR,
    session: Annotated[str | None, typer.Option(help="The session to go on with; without it, a new one.")] = None,
    system: Annotated[str, typer.Option(help="The system prompt.")] = SYSTEM_PROMPT,
    token_threshold: Annotated[
        int | None, typer.Option(help="Compact at this many tokens; without it, as configured.", min=1_000)
    ] = None,
    context_window: Annotated[
        int | None, typer.Option(help="The model's window in tokens, when Strands does not know it.", min=1_000)
    ] = None,
    variable: Variables = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Talk to an agent whose session is kept and compacted, and see what memory does.

    After each turn it shows the size of the request against the threshold, what was retrieved from long-term memory,
    what was compacted, and what is saved. Inside, /help shows the commands. An embedded memory is made when it is
    missing. With stdin from a file or a pipe each line is a message; then the exit status is 1 when a turn failed.

    Example: agentmem chat --local ./.agentmem --actor ana --model ollama:llama3.2
    """
    from agentmem.cli.chat.conversation import Conversation
    from agentmem.cli.chat.loop import Chat
    from agentmem.cli.chat.providers import is_offline, open_model
    from agentmem.cli.chat.view import JsonView, TextView
    from agentmem.cli.errors import explained
    from agentmem.scope.identity import new_session_id

    # Of an embedded memory, the region is only a name.
    region = config.region if config.local_path is None else None
    with progress("opening the session"):
        opened = open_model(model, base_url=base_url, region=region, context_window=context_window)
        bound = _settings(config, token_threshold).bind(
            actor, session or new_session_id(actor), parsed_variables(variable)
        )
        conversation = Conversation(bound, opened, system_prompt=system)
    interactive = sys.stdin.isatty() and not as_json
    running = Chat(
        conversation,
        JsonView() if as_json else TextView(),
        _typed if interactive else _read,
        explain=lambda error: explained(error) or f"{type(error).__name__}: {error}",
        ends_when_stopped=not interactive,
    )
    running.run()
    if not as_json:
        given = {"local": config.local_path, "model": None if is_offline(model) else model, "base-url": base_url}
        again = "".join(f" --{name} {value}" for name, value in given.items() if value is not None)
        print(f"  [go on with: agentmem chat{again} --actor {actor} --session {conversation.session.session_id}]")
    if running.failures and not interactive:
        raise typer.Exit(1)


def _settings(config: MemoryConfig, token_threshold: int | None) -> MemoryConfig:
    if token_threshold is not None:
        config = config.replace(compaction=config.compaction.replace(token_threshold=token_threshold))
    if config.local_path is not None and "retrieve_timeout" not in config.hook.model_fields_set:
        config = config.replace(hook=config.hook.replace(retrieve_timeout=EMBEDDED_RETRIEVE_TIMEOUT))
    return config


def _typed() -> str | None:
    """Ask for a line, with history and editing where the platform has them."""
    with suppress(ImportError):
        import readline  # noqa: F401 - importing it is what makes input() edit
    try:
        return input("you: ")
    except EOFError:
        print()
        return None
    except KeyboardInterrupt:
        print()
        raise


def _read() -> str | None:
    return sys.stdin.readline() or None
