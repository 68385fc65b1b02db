"""Checks namespace templates as text: the service's limits, one spelling, and the separation of actors.

Nothing here knows of strategies or settings; `agentmem.scope.namespaces` puts the two together.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agentmem.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TEMPLATE_PATTERN = r"[a-zA-Z0-9\-_\/]*(\{[a-zA-Z][a-zA-Z0-9]*\}[a-zA-Z0-9\-_\/]*)*"
"""Control plane shape `Namespace`: what a strategy's template may be."""

RESOLVED_PATTERN = r"[a-zA-Z0-9/*][a-zA-Z0-9-_/*]*(?::[a-zA-Z0-9-_/*]+)*[a-zA-Z0-9-_/*]*"
"""Data plane shape `Namespace`: what a search takes."""

VARIABLE_PATTERN = r"(?!memoryStrategyId$|actorId$|sessionId$)[a-z][a-z0-9]*"
VARIABLE_VALUE_PATTERN = r"[a-z0-9][a-z0-9-_]*"
"""Data plane shapes `NamespaceVariableName` (1 to 32 characters) and `NamespaceVariableValue` (1 to 64)."""

TEMPLATE_MAX = 512
RESOLVED_MAX = 1024
VARIABLES_MAX = 5
VARIABLE_NAME_MAX = 32
VARIABLE_VALUE_MAX = 64

_SERVICE_PLACEHOLDERS = frozenset({"actorId", "sessionId", "memoryStrategyId"})
_KNOWN = "{actorId}, {sessionId}, {memoryStrategyId}"
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def normalise(namespace: str) -> str:
    """Spell a namespace or template the one way: a slash in front, one between segments, one at the end.

    Args:
        namespace: A template or a resolved namespace.

    Returns:
        The same place in the one spelling; ``/`` for nothing but slashes.
    """
    inner = "/".join(segment for segment in namespace.split("/") if segment)
    return f"/{inner}/" if inner else "/"


def check_variables(declared: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """Hold the values of own template variables to what was declared and to the service's rules.

    Args:
        declared: The names the namespaces declare.
        given: The values by name.

    Returns:
        The values, in the declared order.

    Raises:
        ConfigurationError: A value is missing, not declared, or one the service would refuse.
    """
    for name in given:
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise ConfigurationError(
                f"variables[{name!r}]: no namespace declares it (declared: {known}). Remove it, or declare it with "
                f"Namespace(..., variables=({name!r},))."
            )
    for name in declared:
        if name not in given:
            raise ConfigurationError(
                f"variables[{name!r}] is missing. Give its value: bind(..., variables={{{name!r}: ...}})."
            )
        value = given[name]
        if (
            not isinstance(value, str)
            or len(value) > VARIABLE_VALUE_MAX
            or not re.fullmatch(VARIABLE_VALUE_PATTERN, value)
        ):
            raise ConfigurationError(
                f"variables[{name!r}] = {value!r}: AgentCore takes 1 to {VARIABLE_VALUE_MAX} lower-case letters, "
                "digits, '-' and '_', beginning with a letter or digit. Map the value to such a one."
            )
    return {name: given[name] for name in declared}


def check_variable_names(names: Sequence[str]) -> None:
    """Hold the names of own placeholders to the service's rules.

    Args:
        names: The declared names.

    Raises:
        ValueError: One is malformed, one of AgentCore's own, or declared twice.
    """
    for name in names:
        if len(name) > VARIABLE_NAME_MAX or not re.fullmatch(VARIABLE_PATTERN, name):
            raise ValueError(
                f"variables has {name!r}; a variable is 1 to {VARIABLE_NAME_MAX} lower-case letters and digits, "
                "beginning with a letter, and none of AgentCore's own"
            )
    if len(set(names)) < len(names):
        raise ValueError(f"variables = {tuple(names)!r} names one twice; name each once")


def check_template(
    field: str, given: str, variables: Sequence[str], *, shared: bool = False, as_registered: bool = False
) -> str:
    """Hold a template to the service's rules and to our own: no two actors meet in it.

    Args:
        field: The name of the field, for the message.
        given: The template as the user wrote it.
        variables: The own placeholders that are declared.
        shared: All actors are meant to share it, so it names no actor.
        as_registered: Keep its slashes as they are.

    Returns:
        The template in the one spelling.

    Raises:
        ValueError: The template is malformed; the message names the remedy.
    """
    if "*" in given:
        raise ValueError(f"{field} {given!r} holds '*'; AgentCore has no wildcards: end the template one segment up")
    if set(PLACEHOLDER.sub("", given)) & set("{}"):
        raise ValueError(f"{field} {given!r} has an unclosed or stray brace; write placeholders as {{name}}")
    for name in PLACEHOLDER.findall(given):
        if name not in _SERVICE_PLACEHOLDERS and name not in variables:
            raise ValueError(
                f"{field} {given!r} has the placeholder {{{name}}}, which is neither AgentCore's ({_KNOWN}) "
                f"nor declared; correct it, or declare it with variables=({name!r},)"
            )
    spelled = given if as_registered else normalise(given)
    if spelled == "/" or not given:
        raise ValueError(f"{field} {given!r} names no place; give at least one segment, such as '/users/{{actorId}}/'")
    if len(spelled) > TEMPLATE_MAX:
        raise ValueError(f"{field} has {len(spelled)} characters; AgentCore takes at most {TEMPLATE_MAX}: shorten it")
    if not re.fullmatch(TEMPLATE_PATTERN, spelled):
        raise ValueError(f"{field} {given!r} holds a character besides letters, digits, '-', '_' and '/'; remove it")
    _check_owner(field, spelled, shared=shared)
    return spelled


def _check_owner(field: str, template: str, *, shared: bool) -> None:
    """Refuse a template in which two actors could meet."""
    owned = [segment for segment in template.split("/") if "{actorId}" in segment]
    if not owned and not shared:
        raise ValueError(
            f"{field} {template!r} has no {{actorId}}, so all actors would share its records; add it, or say "
            "shared=True when they are meant to"
        )
    if owned and shared:
        raise ValueError(f"{field} {template!r} has {{actorId}} and cannot be shared; remove one of the two")
    for segment in owned:
        if len(PLACEHOLDER.findall(segment)) > 1:
            raise ValueError(
                f"{field} {template!r} puts another placeholder beside {{actorId}}, where 'a-b' and 'c' cannot be "
                "told from 'a' and 'b-c'; put a '/' between them"
            )


def can_meet(left: str, right: str) -> bool:
    """Tell whether two templates could bring two different actors to one namespace, or one above the other.

    Args:
        left: One template.
        right: The other.

    Returns:
        False when every pair of different actors is told apart; True when in doubt.
    """
    pairs = zip(normalise(left).strip("/").split("/"), normalise(right).strip("/").split("/"), strict=False)
    for one, other in pairs:
        if one == other and "{actorId}" in one:
            return False
        if not PLACEHOLDER.search(one) and not PLACEHOLDER.search(other) and one != other:
            return False
    return True
