"""Turns the strategies in CreateMemory and UpdateMemory into those that GetMemory shows."""

from __future__ import annotations

import secrets
import string
from typing import TYPE_CHECKING, Any, Literal

from .errors import invalid, not_found
from .namespaces import BUILT_IN_VARIABLES, placeholders

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TYPES = {
    "semanticMemoryStrategy": "SEMANTIC",
    "summaryMemoryStrategy": "SUMMARIZATION",
    "userPreferenceMemoryStrategy": "USER_PREFERENCE",
    "episodicMemoryStrategy": "EPISODIC",
    "customMemoryStrategy": "CUSTOM",
}
OVERRIDES = {
    "semanticOverride": ("SEMANTIC_OVERRIDE", "semantic"),
    "summaryOverride": ("SUMMARY_OVERRIDE", "summary"),
    "userPreferenceOverride": ("USER_PREFERENCE_OVERRIDE", "userPreference"),
    "episodicOverride": ("EPISODIC_OVERRIDE", "episodic"),
}
# What AWS's documentation shows for strategies made without a template.
DEFAULT_TEMPLATE = "/strategies/{memoryStrategyId}/actors/{actorId}/"
DEFAULT_SESSION_TEMPLATE = "/strategies/{memoryStrategyId}/actors/{actorId}/sessions/{sessionId}/"

Kind = Literal["semantic", "preference", "summary", "reflection"]
KIND_OF_TYPE: dict[str, Kind] = {
    "SEMANTIC": "semantic",
    "SUMMARIZATION": "summary",
    "USER_PREFERENCE": "preference",
    "EPISODIC": "summary",
    "SEMANTIC_OVERRIDE": "semantic",
    "SUMMARY_OVERRIDE": "summary",
    "USER_PREFERENCE_OVERRIDE": "preference",
    "EPISODIC_OVERRIDE": "summary",
}


def kind_of(strategy: Mapping[str, Any]) -> Kind | None:
    """The kind of extraction: ``"semantic"``, ``"preference"`` or ``"summary"``.

    Custom overrides and episodic strategies are served by the nearest of the three (episodes as session summaries);
    None for self-managed ones, whose records the caller makes.
    """
    override = strategy.get("configuration", {}).get("type")
    if strategy["type"] == "CUSTOM":
        return KIND_OF_TYPE.get(override or "")
    return KIND_OF_TYPE[strategy["type"]]


def reflection_template(strategy: Mapping[str, Any]) -> str | None:
    """The namespace template of an episodic strategy's reflections, or None for a strategy without any."""
    reflection = strategy.get("configuration", {}).get("reflection", {})
    own = reflection.get("episodicReflectionConfiguration") or next(
        iter(reflection.get("customReflectionConfiguration", {}).values()), None
    )
    return str(own["namespaceTemplates"][0]) if own else None


def new_strategy(
    given: Mapping[str, Any],
    present: Sequence[Mapping[str, Any]],
    namespace_keys: Sequence[Mapping[str, Any]],
    now: float,
) -> dict[str, Any]:
    """A strategy as the control plane shows it, without its status.

    Args:
        given: A ``MemoryStrategyInput``: one member, named for the strategy's type.
        present: The strategies the memory has already.
        namespace_keys: The memory's own template variables.
        now: The service's clock.

    Raises:
        ServiceError: ``ValidationException`` for a name in use or a bad template.
    """
    [(member, settings)] = given.items()
    if any(strategy["name"] == settings["name"] for strategy in present):
        raise invalid(f"Strategy name {settings['name']} is in use", field=f"/memoryStrategies/{member}/name")
    strategy: dict[str, Any] = {
        "strategyId": f"{settings['name']}-{_suffix()}",
        "name": settings["name"],
        "type": TYPES[member],
        "createdAt": now,
        "updatedAt": now,
    }
    if "description" in settings:
        strategy["description"] = settings["description"]
    configuration = _configuration(settings)
    if configuration:
        strategy["configuration"] = configuration
    default = DEFAULT_SESSION_TEMPLATE if kind_of(strategy) == "summary" else DEFAULT_TEMPLATE
    _set_namespaces(strategy, settings, default, namespace_keys)
    _set_records(strategy, settings)
    return strategy


def changed_strategies(
    present: Sequence[Mapping[str, Any]],
    changes: Mapping[str, Any],
    namespace_keys: Sequence[Mapping[str, Any]],
    now: float,
) -> list[dict[str, Any]]:
    """Apply UpdateMemory's ``memoryStrategies``: deletions, then changes, then additions.

    Raises:
        ServiceError: ``ResourceNotFoundException`` for an unknown strategy id; as `new_strategy` otherwise.
    """
    strategies = {strategy["strategyId"]: dict(strategy) for strategy in present}
    for item in changes.get("deleteMemoryStrategies", []):
        if strategies.pop(item["memoryStrategyId"], None) is None:
            raise not_found(f"Strategy not found: {item['memoryStrategyId']}")
    for item in changes.get("modifyMemoryStrategies", []):
        strategy = strategies.get(item["memoryStrategyId"])
        if strategy is None:
            raise not_found(f"Strategy not found: {item['memoryStrategyId']}")
        if "description" in item:
            strategy["description"] = item["description"]
        if "configuration" in item:
            strategy["configuration"] = _merged_configuration(strategy.get("configuration", {}), item["configuration"])
        if "namespaceTemplates" in item or "namespaces" in item:
            _set_namespaces(strategy, item, DEFAULT_TEMPLATE, namespace_keys)
        _set_records(strategy, item)
        strategy["updatedAt"] = now
    found = list(strategies.values())
    for given in changes.get("addMemoryStrategies", []):
        found.append(new_strategy(given, found, namespace_keys, now))
    return found


def _set_namespaces(
    strategy: dict[str, Any],
    settings: Mapping[str, Any],
    default: str,
    namespace_keys: Sequence[Mapping[str, Any]],
) -> None:
    if "namespaces" in settings and "namespaceTemplates" in settings:
        raise invalid("Give namespaceTemplates or the older namespaces, not both", field="/namespaceTemplates")
    templates = settings.get("namespaceTemplates") or settings.get("namespaces") or [default]
    allowed = {*BUILT_IN_VARIABLES, *(entry["key"] for entry in namespace_keys)}
    for template in templates:
        unknown = [name for name in placeholders(template) if name not in allowed]
        if unknown:
            raise invalid(
                f"Namespace template {template} uses {{{unknown[0]}}}, which is neither built in nor a namespaceKey",
                field="/namespaceTemplates",
            )
    strategy["namespaces"] = strategy["namespaceTemplates"] = list(templates)


def _set_records(strategy: dict[str, Any], settings: Mapping[str, Any]) -> None:
    if "memoryRecordSchema" in settings:
        strategy["memoryRecordSchema"] = settings["memoryRecordSchema"]
    expiry = settings.get("recordExpirySpecification", {})
    if "recordExpiryDurationDays" in expiry:
        strategy["recordExpiryDurationDays"] = expiry["recordExpiryDurationDays"]
    elif expiry.get("action") == "REMOVE":
        strategy.pop("recordExpiryDurationDays", None)


def _configuration(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The ``StrategyConfiguration`` of a new strategy; empty for plain built-in ones."""
    if "reflectionConfiguration" in settings:
        return {"reflection": {"episodicReflectionConfiguration": _both_names(settings["reflectionConfiguration"])}}
    configuration = settings.get("configuration", {})
    if "selfManagedConfiguration" in configuration:
        return {"type": "SELF_MANAGED", "selfManagedConfiguration": _self_managed(configuration)}
    for member, (override, prefix) in OVERRIDES.items():
        if member in configuration:
            shown: dict[str, Any] = {"type": override}
            for step, given in configuration[member].items():
                custom = f"custom{step.capitalize()}Configuration"
                value = _both_names(given) if step == "reflection" else given
                shown[step] = {custom: {f"{prefix}{step.capitalize()}Override": value}}
            return shown
    return {}


def _self_managed(configuration: Mapping[str, Any]) -> dict[str, Any]:
    given = dict(configuration["selfManagedConfiguration"])
    # The defaults of a self-managed strategy in AWS's documentation.
    given.setdefault(
        "triggerConditions",
        [
            {"messageBasedTrigger": {"messageCount": 6}},
            {"tokenBasedTrigger": {"tokenCount": 5000}},
            {"timeBasedTrigger": {"idleSessionTimeout": 1800}},
        ],
    )
    given.setdefault("historicalContextWindowSize", 4)
    return given


def _both_names(reflection: Mapping[str, Any]) -> dict[str, Any]:
    """A reflection's namespaces under the new name and the older one, as the service shows them."""
    templates = reflection.get("namespaceTemplates") or reflection.get("namespaces") or [DEFAULT_TEMPLATE]
    return {**reflection, "namespaces": templates, "namespaceTemplates": templates}


def _merged_configuration(present: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(present)
    for step, value in change.items():
        if step == "selfManagedConfiguration":
            merged[step] = {**present.get(step, {}), **value}
            if "invocationConfiguration" in value:
                before = present.get(step, {}).get("invocationConfiguration", {})
                merged[step]["invocationConfiguration"] = {**before, **value["invocationConfiguration"]}
            continue
        merged[step] = value
        custom = f"custom{step.capitalize()}Configuration"
        if "type" not in merged and custom in value:
            [member] = value[custom]
            prefix = member.removesuffix(f"{step.capitalize()}Override")
            merged["type"] = next(override for override, name in OVERRIDES.values() if name == prefix)
    return merged


def _suffix() -> str:
    """The ten characters that AWS appends to a strategy's name to make its id."""
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(10))
