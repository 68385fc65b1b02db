"""Creates the memory resource if it is missing, and adds missing strategies; it never removes any."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from agentmem.errors import ConfigurationError, MemoryWaitTimeout
from agentmem.scope.namespaces import NAME_PATTERN
from agentmem.scope.templates import normalise
from agentmem.settings.sections import DynamoDBCheckpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agentmem.scope.namespaces import Namespace
    from agentmem.scope.scope import Configuration

EVENT_EXPIRY_DAYS = 90
"""How long events are kept unless told otherwise; the service takes 7 to 365 days."""

MAX_WAIT = 300.0
"""Seconds to wait for a memory to become ACTIVE; the guides say two to three minutes."""

POLL_INTERVAL = 2.0

ConfigT = TypeVar("ConfigT", bound="Configuration")
_log = logging.getLogger(__name__)


def ensure_memory(
    config: ConfigT,
    name: str,
    *,
    description: str | None = None,
    event_expiry_days: int = EVENT_EXPIRY_DAYS,
    options: Mapping[str, Any] | None = None,
    max_wait: float = MAX_WAIT,
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> ConfigT:
    """Make the memory of a configuration if it is missing, and wait until it can be used.

    A memory of that name that is there already gets the strategies and own placeholders it lacks. What it has beyond
    the configuration stays. Any number of processes may call this at once; one creates, the others wait.

    Args:
        config: The configuration; its `memory_id`, when it has one, must be of that name.
        name: The memory's name: a letter and up to 47 letters, digits and underscores.
        description: The purpose of a new memory.
        event_expiry_days: How long a new memory keeps events, 3 to 3,650 days.
        options: Further parameters of CreateMemory for a new memory, such as ``{"encryptionKeyArn": ...}``.
        max_wait: Seconds to wait for ACTIVE.
        sleep: Waits that many seconds.
        clock: Tells the seconds that passed.

    Returns:
        The configuration with the memory's id. A template that is registered with other slashes is taken over as it
        is, a namespace whose template asks for it gets its strategy's id, and checkpoints in DynamoDB learn how long
        the memory keeps events.

    Raises:
        ConfigurationError: The name is malformed, creating failed, or a strategy of the same name is of another kind
            or files its records elsewhere.
        MemoryWaitTimeout: The memory did not become ACTIVE in time.
        ClientError: The service refused a call, for want of permission for example.
        BotoCoreError, ResponseParserError: It could not be reached, or its answer was none.
    """
    if not isinstance(name, str) or not re.fullmatch(NAME_PATTERN, name):
        raise ConfigurationError(f"name = {name!r}: give a letter and up to 47 letters, digits and underscores.")
    if config.memory_id and _name_of(config.memory_id) != name:
        raise ConfigurationError(
            f"name = {name!r}: the configuration already is for memory {config.memory_id!r}. Leave memory_id out to "
            "make another, or give that one's name."
        )
    control = config.control_plane()
    request = {"name": name, "eventExpiryDuration": event_expiry_days, **_described(config), **(options or {})}
    if description is not None:
        request["description"] = description
    deadline = clock() + max_wait
    while True:
        memory = _obtained(control, config, request)
        if memory is not None and memory["status"] == "ACTIVE":
            lacking = _lacking(config, memory)
            if not lacking:
                return _adopted(config, memory)
            if _is_settled(memory) and _changed(control, memory["id"], lacking):
                continue
        if clock() >= deadline:
            raise MemoryWaitTimeout(
                f"Memory {memory['id'] if memory else name!r} was {memory['status'] if memory else 'missing'} after "
                f"{max_wait:g} s. Call ensure_memory() again to go on waiting.",
                elapsed=max_wait,
            )
        sleep(POLL_INTERVAL)


async def ensure_memory_async(config: ConfigT, name: str, **options: Any) -> ConfigT:
    """Run `ensure_memory` in a thread, so that the event loop continues.

    Args:
        config: The configuration.
        name: The memory's name.
        **options: As for `ensure_memory`.

    Returns:
        The configuration with the memory's id.

    Raises:
        ConfigurationError: As for `ensure_memory`.
        MemoryWaitTimeout: The memory did not become ACTIVE in time.
    """
    return await asyncio.to_thread(lambda: ensure_memory(config, name, **options))


def shortcomings(config: Configuration, memory: Mapping[str, Any]) -> list[str]:
    """Compare a memory with a configuration.

    Args:
        config: The configuration.
        memory: The memory as GetMemory returns it.

    Returns:
        What is wrong, a sentence each; nothing when an agent of this configuration can use the memory.
    """
    found = []
    present = {strategy["name"]: strategy for strategy in memory.get("strategies", [])}
    for namespace in config.namespaces:
        strategy = present.get(namespace.name)
        if strategy is None:
            found.append(f"It has no strategy {namespace.name!r}. Run `agentmem init`, or remove the namespace.")
            continue
        try:
            _check_same(namespace, strategy, memory["id"])
        except ConfigurationError as error:
            found.append(str(error))
        else:
            if not _is_active(strategy):
                found.append(f"Its strategy {namespace.name!r} is {strategy['status']}. Wait until it is ACTIVE.")
    keys = {entry["key"] for entry in memory.get("namespaceKeys", [])}
    found += [
        f"It does not know the placeholder {{{name}}}. Run `agentmem init`."
        for name in config.variables()
        if name not in keys
    ]
    return found


def _described(config: Configuration) -> dict[str, Any]:
    described: dict[str, Any] = {}
    if config.namespaces:
        described["memoryStrategies"] = config.strategies()
    if config.variables():
        described["namespaceKeys"] = [{"key": key} for key in config.variables()]
    return described


def _obtained(control: Any, config: Configuration, request: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the memory, made now if need be; None while one of its name is going or not listed yet."""
    memory_id = config.memory_id or _find(control, request["name"]) or _create(control, request)
    memory = _get(control, memory_id) if memory_id else None
    if memory is None and config.memory_id:
        raise ConfigurationError(
            f"memory_id = {memory_id!r}: there is no such memory in {config.region}. Leave memory_id out to make one."
        )
    if memory is not None and memory["status"] == "FAILED":
        reason = memory.get("failureReason", "no reason given")
        raise ConfigurationError(
            f"Memory {memory_id!r} could not be made: {reason}. Mend that, delete the memory and try again."
        )
    return memory


def _name_of(memory_id: str) -> str:
    return memory_id.rpartition("/")[2].rpartition("-")[0]


def _find(control: Any, name: str) -> str | None:
    for page in control.get_paginator("list_memories").paginate(PaginationConfig={"PageSize": 100}):
        for memory in page["memories"]:
            # The summary has no name, but an id is the name, a hyphen and ten characters, and a name has no hyphen.
            if _name_of(memory["id"]) == name and memory.get("status") != "DELETING":
                return str(memory["id"])
    return None


def _create(control: Any, request: Mapping[str, Any]) -> str | None:
    """Return the new memory's id, or None when another one of the name is there: being made or being deleted."""
    try:
        return str(control.create_memory(**request)["memory"]["id"])
    except ClientError as error:
        # The service words the loser of a race as a validation error; there is no code of its own for it.
        if _code(error) in {"ValidationException", "ConflictException"} and "exist" in str(error).lower():
            return None
        raise


def _get(control: Any, memory_id: str) -> dict[str, Any] | None:
    try:
        memory: dict[str, Any] = control.get_memory(memoryId=memory_id)["memory"]
    except ClientError as error:
        if _code(error) == "ResourceNotFoundException":
            return None
        raise
    return memory if memory["status"] != "DELETING" else None


def _lacking(config: Configuration, memory: Mapping[str, Any]) -> dict[str, Any]:
    """Return what UpdateMemory has to add; strategies that are being added already count as lacking until then."""
    present = {strategy["name"]: strategy for strategy in memory.get("strategies", [])}
    for namespace in config.namespaces:
        if namespace.name in present:
            _check_same(namespace, present[namespace.name], memory["id"])
    missing = [one for one in config.namespaces if not _is_active(present.get(one.name))]
    keys = [entry["key"] for entry in memory.get("namespaceKeys", [])]
    more = [key for key in config.variables() if key not in keys]
    change: dict[str, Any] = {}
    if missing:
        change["memoryStrategies"] = {"addMemoryStrategies": [one.strategy() for one in missing]}
    if more:
        # This parameter replaces the whole list, rules of validation and all.
        change["namespaceKeys"] = [*memory.get("namespaceKeys", []), *({"key": key} for key in more)]
    return change


def _is_settled(memory: Mapping[str, Any]) -> bool:
    return all(_is_active(strategy) for strategy in memory.get("strategies", []))


def _is_active(strategy: Mapping[str, Any] | None) -> bool:
    return strategy is not None and strategy.get("status", "ACTIVE") == "ACTIVE"


def _changed(control: Any, memory_id: str, change: Mapping[str, Any]) -> bool:
    """Change the memory; tell whether it was this process that did, and not another one just now."""
    try:
        control.update_memory(memoryId=memory_id, **change)
    except ClientError as error:
        exists = _code(error) == "ValidationException" and "exist" in str(error).lower()
        if _code(error) not in {"ConflictException", "RetryableConflictException"} and not exists:
            raise
        _log.info("memory %s is being changed by another process; looking again", memory_id)
        return False
    return True


def _check_same(namespace: Namespace, strategy: Mapping[str, Any], memory_id: str) -> None:
    if strategy.get("status") == "FAILED":
        raise ConfigurationError(
            f"Memory {memory_id!r}: its strategy {namespace.name!r} has failed. Remove the strategy and try again."
        )
    template = _registered(strategy)
    if normalise(template) != normalise(namespace.template):
        raise ConfigurationError(
            f"Memory {memory_id!r} files the records of {namespace.name!r} under {template!r}, and the configuration "
            f"looks for them under {namespace.template!r}. Use the registered template, or another name."
        )
    kind = _KIND_OF_TYPE.get(strategy.get("type", ""))
    if kind is not None and kind != namespace.kind:
        raise ConfigurationError(
            f"Memory {memory_id!r} has {namespace.name!r} as a {kind} strategy, and the configuration as a "
            f"{namespace.kind} one. Use Namespace.{kind}, or another name."
        )


def _adopted(config: ConfigT, memory: Mapping[str, Any]) -> ConfigT:
    """Return the configuration with the memory's id and what the memory decided about its strategies."""
    present = {strategy["name"]: strategy for strategy in memory.get("strategies", [])}
    namespaces = []
    for namespace in config.namespaces:
        strategy = present[namespace.name]
        changes: dict[str, Any] = {}
        if (template := _registered(strategy)) != namespace.template:
            changes |= {"template": template, "as_registered": True}
        if "{memoryStrategyId}" in template and namespace.strategy_id is None:
            changes["strategy_id"] = strategy["strategyId"]
        namespaces.append(namespace.replace(**changes) if changes else namespace)
    checkpoints = config.checkpoints
    if isinstance(checkpoints, DynamoDBCheckpoints):
        checkpoints = checkpoints.replace(event_expiry_days=memory["eventExpiryDuration"])
    return config.replace(memory_id=memory["id"], namespaces=tuple(namespaces), checkpoints=checkpoints)


def _registered(strategy: Mapping[str, Any]) -> str:
    templates = strategy.get("namespaceTemplates") or strategy.get("namespaces") or [""]
    return str(templates[0])


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


_KIND_OF_TYPE = {
    "SEMANTIC": "semantic",
    "SUMMARIZATION": "summary",
    "USER_PREFERENCE": "user_preference",
    "EPISODIC": "episodic",
    "CUSTOM": "custom",
}
"""The control plane's `MemoryStrategyType` in our words."""
