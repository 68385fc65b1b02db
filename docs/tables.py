"""Tables of the documentation that come from the code: a page says ``<!-- table: KIND NAME -->`` where one belongs."""  # noqa: INP001 - mkdocs loads it by its path

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic.fields import FieldInfo

_MARKER = re.compile(r"^<!-- table: (\w+) ?(.*?) -->$", re.MULTILINE)
_CODE = re.compile(r"(?<!\w)('[^' ]+'|\b[\w.]+\([^) ]*\)|\b[a-z]+(?:_[a-z]+)+\b|\{\w+\}|<\w+>)(?!\w)")

_WHERE = {"--config", "--local", "--memory-id", "--region"}
"""What every command about a memory takes."""


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the tables where a page asks for them; mkdocs calls this for every page.

    Args:
        markdown: The page.

    Returns:
        The page with its tables.
    """
    kinds = {"settings": _settings, "variables": _variables, "commands": _commands}
    return _MARKER.sub(lambda found: kinds[found[1]](found[2]), markdown)


def _settings(name: str) -> str:
    """Return the fields of a section, with what its errors call the remedy."""
    import agentmem

    fields = getattr(agentmem, name).model_fields
    rows = [
        (f"`{field.alias or key}`", _default(field), _remedy(field.description or ""))
        for key, field in fields.items()
        if key != "kind"
    ]
    kind = fields["kind"].default if "kind" in fields else None
    note = f"In a file or the environment, `kind = {kind!r}`.".replace("'", '"') if kind else ""
    if not rows:
        return f"It has no settings. {note}"
    return f"{note}\n\n{_table(('setting', 'default', 'what to give'), rows)}"


def _variables(_name: str) -> str:
    """Return every environment variable that sets a field."""
    import agentmem

    rows = []
    sections = {
        "compaction": agentmem.CompactionConfig,
        "hook": agentmem.HookConfig,
        "writes": agentmem.WriteConfig,
        "model": agentmem.ModelConfig,
        "guardrail": agentmem.GuardrailConfig,
    }
    for key, field in agentmem.AgentSettings.model_fields.items():
        if field.exclude:
            continue
        if key in sections:
            rows += [
                (f"`AGENTMEM_{key.upper()}__{inner.upper()}`", _default(one))
                for inner, one in sections[key].model_fields.items()
                if inner != "redact"  # a function has no place in the environment
            ]
        else:
            rows.append((f"`AGENTMEM_{key.upper()}`", _default(field)))
    return _table(("variable", "default"), rows)


def _commands(_name: str) -> str:
    """Return the commands with their arguments and options, as ``--help`` has them."""
    import typer

    from agentmem.cli.app import app

    parts = []
    for path, command in _walk(typer.main.get_command(app), ("agentmem",)):
        text, _, example = (command.help or "").partition("Example: ")
        text, _, shape = text.partition("With --json: ")
        taken = [f"{{{one.name}}}" for one in command.params if _is_argument(one)]
        parts.append(f"## {' '.join(path[1:])}\n\n{' '.join(text.split())}\n")
        parts.append(
            f'```text title="usage and example"\n{" ".join([*path, *taken])} [OPTIONS]\n{example.strip()}\n```\n'
        )
        if shape:
            parts.append(f'```text title="with --json"\n{_broken(shape.strip().removesuffix("."))}\n```\n')
        shared = _WHERE if {opt for one in command.params for opt in one.opts} >= _WHERE else set()
        own = [one for one in command.params if one.name != "help" and not shared & set(one.opts)]
        rows = [(_option(one), _shown(one), _remedy(one.help or "")) for one in own]
        parts.append(_table(("option", "default", "what it does"), rows))
        if shared:
            parts.append("And the options that [say which memory](#which-memory).\n")
    return "\n".join(parts)


def _walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from _walk(inner, (*path, name))
    else:
        yield path, command


def _broken(shape: str) -> str:
    """Break the line of a shape where a reader would, so that no page has to be scrolled sideways."""
    return "\n".join(
        textwrap.fill(line, 88, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        for line in shape.replace("; ", ";\n").splitlines()
    )


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _option(parameter: Any) -> str:
    name = f"`{parameter.name if _is_argument(parameter) else ', '.join(parameter.opts)}`"
    return f"{name} (required)" if parameter.required else name


def _shown(parameter: Any) -> str:
    default = parameter.default
    return "" if default in (None, False, ()) or callable(default) else f"`{default}`"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        made = field.default_factory()  # type: ignore[call-arg]
        return f"`{made!r}`" if isinstance(made, dict) else f"`{type(made).__name__}()`"
    if isinstance(field.default, tuple) and field.default and not isinstance(field.default[0], str):
        return "preferences, facts, summaries"
    return f"`{field.default!r}`"


def _remedy(description: str) -> str:
    text = description.removeprefix("Give ")
    return _CODE.sub(r"`\1`", text[:1].upper() + text[1:]).replace("|", "\\|")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"
