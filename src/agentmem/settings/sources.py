"""Reads a configuration: arguments win over the environment, and the environment wins over a file."""

from __future__ import annotations

import difflib
import logging
import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentmem.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

PREFIX = "AGENTMEM_"
DELIMITER = "__"
MEMORY_ID_VARIABLE = "BEDROCK_AGENTCORE_MEMORY_ID"
"""The variable in which AgentCore Runtime and its starter toolkit hand over the memory's id."""

MODEL_ID_VARIABLE = "BEDROCK_MODEL_ID"
AGENT_SECTIONS = frozenset({"model", "guardrail"})
"""What `AgentSettings` has beyond a `MemoryConfig`, which is read from the same file and environment without them."""

REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
_NONE = "none"
_log = logging.getLogger(__name__)


def read_environment(model: type[BaseModel]) -> dict[str, Any]:
    """Read what the environment says about a configuration.

    ``AGENTMEM_<FIELD>`` sets a field and ``AGENTMEM_<SECTION>__<FIELD>`` a field of a section; lists and tables are
    JSON, and ``none`` is nothing. ``BEDROCK_AGENTCORE_MEMORY_ID`` and ``AWS_REGION`` or ``AWS_DEFAULT_REGION`` fill in
    what ``AGENTMEM_MEMORY_ID`` and ``AGENTMEM_REGION`` leave open, and ``BEDROCK_MODEL_ID`` the model of an agent.

    Args:
        model: The configuration's class.

    Returns:
        The values found, as nested dictionaries, not checked yet.

    Raises:
        ConfigurationError: A variable with our prefix is a misspelt field, or is not the JSON it has to be.
    """
    from pydantic import create_model
    from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsError

    fields = {name: field for name, field in model.model_fields.items() if not field.exclude}
    _refuse_unknown({**fields, **dict.fromkeys(sorted(AGENT_SECTIONS))})
    mirror: Any = create_model(
        "Environment",
        __base__=BaseSettings,
        **{name: (field.annotation, field) for name, field in fields.items()},  # type: ignore[call-overload]
    )
    source = EnvSettingsSource(
        mirror,
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        env_ignore_empty=True,
        env_parse_none_str=_NONE,
        case_sensitive=False,
    )
    try:
        found: dict[str, Any] = source()
    except SettingsError as error:
        field = next((name for name in fields if f'"{name}"' in str(error)), "?")
        raise ConfigurationError(
            f"The environment variable {PREFIX}{field.upper()} or one that begins so: {error}. Lists and tables are "
            "written as JSON."
        ) from error
    if memory_id := os.environ.get(MEMORY_ID_VARIABLE):
        found.setdefault("memory_id", memory_id)
    if region := environment_region():
        found.setdefault("region", region)
    if "model" in fields and (model_id := os.environ.get(MODEL_ID_VARIABLE)):
        found["model"] = stacked({"model_id": model_id}, _as_section(found.get("model", {})))
    return found


def environment_region() -> str | None:
    """Return the region the environment names: ``AWS_REGION``, which the runtimes of AWS set, or the default region."""
    return next((os.environ[name] for name in REGION_VARIABLES if os.environ.get(name)), None)


def read_toml(path: str | Path, model: type[BaseModel]) -> dict[str, Any]:
    """Read a configuration file.

    Args:
        path: A TOML file with the fields of a `MemoryConfig`; its sections are tables, its namespaces an array of
            tables.
        model: The configuration's class; a file may also hold the sections of an agent, which only `AgentSettings` has.

    Returns:
        The values found, as nested dictionaries, not checked yet.

    Raises:
        ConfigurationError: There is no such file, or it is not TOML.
    """
    file = Path(path).expanduser()
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"path = {str(path)!r}: there is no such file in {Path.cwd()}. Make one with `agentmem init`, or give its "
            "full path."
        ) from None
    except OSError as error:
        raise ConfigurationError(f"path = {str(path)!r}: it cannot be read ({error.strerror}). Mend that.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"path = {str(path)!r}: it is not TOML ({error}). Correct that line.") from error
    if "model" in values:
        values["model"] = _as_section(values["model"])
    others = AGENT_SECTIONS - model.model_fields.keys()
    return {name: value for name, value in values.items() if name not in others}


def stacked(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one source over another, section by section.

    Args:
        lower: What gives way.
        upper: What wins, field by field. A section of another `kind` replaces the lower one whole.

    Returns:
        Both together.
    """
    result = dict(lower)
    for name, value in upper.items():
        below = result.get(name)
        if (
            isinstance(value, dict)
            and isinstance(below, dict)
            and value.get("kind", below.get("kind")) == below.get("kind")
        ):
            result[name] = stacked(below, value)
        else:
            result[name] = value
    return result


def _as_section(model: Any) -> Any:
    """Return a model that is given by its id alone as a section, so that sources can be laid over it."""
    return {"model_id": model} if isinstance(model, str) else model


def _refuse_unknown(fields: Mapping[str, Any]) -> None:
    """Refuse what was meant for a field and is misspelt; other programs may have variables with our prefix."""
    for variable in os.environ:
        if not variable.upper().startswith(PREFIX):
            continue
        name, nested, _ = variable[len(PREFIX) :].lower().partition(DELIMITER)
        if name in fields:
            continue
        near = difflib.get_close_matches(name, fields, n=1)
        if not near and not nested:
            _log.warning("the environment variable %s sets no field of the configuration", variable)
            continue
        hint = f"did you mean {PREFIX}{near[0].upper()}?" if near else f"there are: {', '.join(fields)}."
        raise ConfigurationError(f"The environment variable {variable} sets nothing; {hint}")
