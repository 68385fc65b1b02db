"""Writes `agentmem.toml`, or adds missing settings to an existing file."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

from agentmem.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from agentmem.config import MemoryConfig


def new_file(config: MemoryConfig, place: Mapping[str, str]) -> str:
    """Return the text of a configuration file: where the memory is, its namespaces and its checkpoints.

    Args:
        config: The configuration.
        place: The fields that say where it is, such as ``memory_id`` and ``region``.
    """
    parts = [_lines(place)]
    parts += [f"[[namespaces]]\n{_lines(_given(namespace))}" for namespace in config.namespaces]
    if not config.namespaces:
        parts[0] += "namespaces = []\n"
    if config.checkpoints.kind != "event_log":
        parts.append(f"[checkpoints]\n{_lines(_given(config.checkpoints))}")
    return "\n".join(parts)


def complete(text: str, file: Path, place: Mapping[str, str], checkpoints: Mapping[str, Any] | None) -> str:
    """Return the text of a configuration file with what it lacks; its own lines and comments stay as they are.

    Args:
        text: The file's text, TOML.
        file: Its path, for the message.
        place: The fields that say where the memory is.
        checkpoints: The fields of its section ``[checkpoints]``, or None to leave that alone.

    Raises:
        ConfigurationError: The file says something else of the memory or the checkpoints.
    """
    there = tomllib.loads(text)
    wanted: dict[str, Any] = dict(place) if checkpoints is None else {**place, "checkpoints": dict(checkpoints)}
    for name, value in wanted.items():
        if there.get(name, value) != value:
            raise ConfigurationError(
                f"{file}: it says {name} = {there[name]!r}, and that would become {value!r}. Change it by hand, or "
                "name another file with --config."
            )
    lacking = {name: value for name, value in place.items() if name not in there}
    if lacking:
        # In front: behind the first table, a field would belong to that table.
        text = f"{_lines(lacking)}{text}"
    if checkpoints is not None and "checkpoints" not in there:
        text = f"{text.rstrip()}\n\n[checkpoints]\n{_lines(checkpoints)}"
    return text


def _given(settings: Any) -> dict[str, Any]:
    """Return the fields that were given, `kind` included, in their order."""
    found: dict[str, Any] = settings.model_dump(mode="json", exclude_none=True)
    return {name: value for name, value in found.items() if name == "kind" or name in settings.model_fields_set}


def _lines(fields: Mapping[str, Any]) -> str:
    return "".join(f"{name} = {_value(value)}\n" for name, value in fields.items())


def _value(value: Any) -> str:
    if isinstance(value, str):
        # A JSON string is a TOML string, except that TOML refuses U+007F as it is.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_value(str(name))} = {_value(item)}" for name, item in value.items()) + "}"
    return "[" + ", ".join(map(_value, value)) + "]"
