"""Finds the memory of a command from four options that all commands share."""

from __future__ import annotations

import functools
import inspect
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, get_type_hints

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agentmem.config import MemoryConfig

DEFAULT_FILE = Path("agentmem.toml")
DEFAULT_FOLDER = "./.agentmem"
LOCAL_NAME = "agentmem"
"""What an embedded memory is called unless told otherwise, as by `MemoryConfig.local`."""

Actor = Annotated[str, typer.Option(help="The actor.")]
Session = Annotated[str, typer.Option(help="The session.")]
Agent = Annotated[str, typer.Option(help="The agent's id, when it was given one.")]
Variables = Annotated[
    list[str] | None, typer.Option("--variable", help="NAME=VALUE of a namespace's own placeholder; repeatable.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help=f"The configuration file; without it, {DEFAULT_FILE} if it is there."),
]
Local = Annotated[
    str | None, typer.Option("--local", help="Use the embedded memory in this folder, not AWS.", metavar="PATH")
]
MemoryId = Annotated[str | None, typer.Option("--memory-id", help="The memory, when it is not the configured one.")]
Region = Annotated[str | None, typer.Option("--region", help="Its AWS region, when it is not the configured one.")]

_OPTIONS: dict[str, Any] = {"config_file": ConfigFile, "local": Local, "memory_id": MemoryId, "region": Region}
_Rest = ParamSpec("_Rest")


def configured(
    command: Callable[Concatenate[MemoryConfig, _Rest], None], *, making: bool = False
) -> Callable[..., None]:
    """Give a command the options that say which memory it is about.

    Args:
        command: Takes the configuration first, by the name ``config``, and its own arguments and options after it.
        making: Make the embedded memory when it is missing.

    Returns:
        The signature for typer: it takes ``--config``, ``--local``, ``--memory-id`` and ``--region`` instead.
    """

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        file, *where = [options.pop(name) for name in _OPTIONS]
        named = dict(zip(("local", "memory_id", "region"), where, strict=True))
        config = find_configuration(file, **named, making=making)
        command(config, *arguments, **options)

    # typer reads the signature; the configuration's own type is not imported before a command runs.
    hints = get_type_hints(command, localns={"MemoryConfig": object}, include_extras=True)
    own = [
        parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(command).parameters.items()
        if name != "config"
    ]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in _OPTIONS.items()
    ]
    run.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *shared)}
    return run


def find_configuration(
    file: Path | None = None,
    *,
    local: str | None = None,
    memory_id: str | None = None,
    region: str | None = None,
    making: bool = False,
) -> MemoryConfig:
    """Find the configuration of a memory that is there. Nothing is created unless asked, and never on AWS.

    Args:
        file: The configuration file; None for ``agentmem.toml`` where there is one.
        local: The folder of an embedded memory, which then wins over the memory of the file and the environment.
        memory_id: The memory's id.
        region: Its region.
        making: Make the embedded memory when it is missing.

    Returns:
        The configuration, with a memory id.

    Raises:
        ConfigurationError: A value is malformed, or there is no memory.
    """
    from agentmem.config import MemoryConfig
    from agentmem.errors import ConfigurationError

    values = read_values(file, local=local, memory_id=memory_id, region=region)
    if values.get("local_path"):
        return _embedded(values, region, making=making)
    if not values.get("memory_id"):
        raise ConfigurationError(
            "no memory is configured. Give --memory-id ID, --local PATH or --config FILE, set "
            "BEDROCK_AGENTCORE_MEMORY_ID, or make a memory and its file with `agentmem init`."
        )
    return MemoryConfig(**values)


def parsed_variables(given: Sequence[str] | None) -> dict[str, str]:
    """Return the values of namespaces' own placeholders by name, as given with ``--variable``."""
    pairs = [pair.partition("=") for pair in given or ()]
    if malformed := [name for name, equals, _ in pairs if not equals]:
        raise typer.BadParameter(f"{malformed[0]!r} is not NAME=VALUE", param_hint="--variable")
    return {name: value for name, _, value in pairs}


@contextmanager
def opening(place: str) -> Iterator[None]:
    """Explain why the embedded memory at a place cannot be opened."""
    import sqlite3

    from agentmem.errors import ConfigurationError

    try:
        yield
    except ConfigurationError:
        raise
    except (OSError, ValueError, sqlite3.Error) as error:
        raise ConfigurationError(
            f"local_path = {place!r}: the embedded memory cannot be opened ({error}). Give a folder of its own that "
            "this user may write to."
        ) from error


def read_values(
    file: Path | None = None,
    *,
    local: str | None = None,
    memory_id: str | None = None,
    region: str | None = None,
    default_file: bool = True,
) -> dict[str, Any]:
    """Read the options, the environment and the file, in this order of precedence, without checks.

    Args:
        file: As for `find_configuration`, and the rest too.
        local: The folder of an embedded memory.
        memory_id: The memory's id.
        region: Its region.
        default_file: Whether ``agentmem.toml`` is read when no file is given.

    Returns:
        Fields of a `MemoryConfig`.

    Raises:
        ConfigurationError: The file cannot be read, or a variable of the environment names no field.
    """
    from agentmem.config import MemoryConfig
    from agentmem.settings.sources import read_environment, read_toml, stacked

    if file is None and default_file and DEFAULT_FILE.exists():
        file = DEFAULT_FILE
    values = stacked({} if file is None else read_toml(file, MemoryConfig), read_environment(MemoryConfig))
    if local is not None:
        # Another place: the id of a memory elsewhere says nothing about it.
        values = {name: value for name, value in values.items() if name != "memory_id"} | {"local_path": local}
    given = {"memory_id": memory_id, "region": region}
    return values | {name: value for name, value in given.items() if value is not None}


def _embedded(values: dict[str, Any], region: str | None, *, making: bool) -> MemoryConfig:
    """Open the embedded memory: the one of the id, the one called ``agentmem``, or the only one.

    A region that no option gave is a wish: it does not hide a memory that is in another one.
    """
    from agentmem.clients.embedded import MEMORY, database_path, open_session
    from agentmem.config import MemoryConfig
    from agentmem.errors import ConfigurationError

    place = values["local_path"]
    if making and not values.get("memory_id") and (place == MEMORY or not database_path(place).exists()):
        with opening(place):
            return MemoryConfig.local(place, **{name: value for name, value in values.items() if name != "local_path"})
    if place == MEMORY or not database_path(place).exists():
        raise ConfigurationError(
            f"local_path = {place!r}: there is no embedded memory. Give the folder of one, or make one with "
            f"`agentmem init --local {DEFAULT_FOLDER}`."
        )
    with opening(place):
        # Kept until the configuration has opened the same service, so that it is not opened twice.
        session = open_session(place, region, memory=values.get("memory_id"), default=values.get("region"))[1]
        config = MemoryConfig(**{**values, "region": session.region_name})
        config.boto_session()
    if config.memory_id:
        return config
    pages = config.control_plane().get_paginator("list_memories").paginate()
    found = sorted(memory["id"] for page in pages for memory in page["memories"])
    if not found:
        raise ConfigurationError(
            f"local_path = {place!r}: there is no memory in it yet. Make one with `agentmem init --local {place}`."
        )
    named = [memory_id for memory_id in found if memory_id.rpartition("-")[0] == LOCAL_NAME]
    if len(found) > 1 and not named:
        raise ConfigurationError(
            f"local_path = {place!r}: there are {len(found)} memories in it ({', '.join(found)}). Choose one with "
            "--memory-id."
        )
    return config.replace(memory_id=named[0] if named else found[0])
