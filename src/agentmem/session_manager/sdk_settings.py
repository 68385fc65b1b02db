"""Translates the settings a session manager is given: the SDK's own, and ours in one object or loose.

| setting | here |
|---|---|
| ``batch_size`` | a turn is one write already; any size is accepted and changes nothing |
| ``flush_interval_seconds`` | ``WriteConfig.flush_interval_seconds``, unless ``writes=`` is given |
| ``default_metadata`` | ``WriteConfig.metadata``, unless ``writes=`` is given |
| ``metadata_provider`` | refused: an event is frozen before it is sent, and a retry must not change it |
| ``filter_restored_tool_context`` | tool traffic is left out of what is restored |
| ``persistence_mode=NONE`` | nothing is written; compaction and recall work on what this process holds |
| ``async_mode`` | callbacks never block the event loop, with it or without |
| ``retrieval_config``, ``context_tag`` | refused: a ``MemoryHook`` beside the manager retrieves, editing nothing |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig

from agentmem.errors import ConfigurationError
from agentmem.messages.truncation import TruncationSettings
from agentmem.settings.sections import CompactionConfig, WriteConfig

if TYPE_CHECKING:
    from strands.types.content import Message


def compaction_settings(compaction: CompactionConfig | None, **loose: Any) -> CompactionConfig:
    """Return the settings of compaction, from one object or from loose values.

    Args:
        compaction: All of them in one, or None.
        loose: Single ones; None for those not given.

    Raises:
        ConfigurationError: Both were given, or a value is out of range.
    """
    given = {name: value for name, value in loose.items() if value is not None}
    if compaction is None:
        return CompactionConfig(**given)
    if given:
        raise ConfigurationError(
            f"compaction= and {', '.join(f'{name}=' for name in given)} were both given; put every setting into "
            "CompactionConfig, or leave compaction= out"
        )
    return compaction


def truncation_settings(compaction: CompactionConfig) -> TruncationSettings:
    """Return how tool content is shortened, from the settings of compaction."""
    return TruncationSettings(
        max_tool_content_length=compaction.max_tool_content_length,
        keep_media=compaction.keep_media,
        exclude_tools=frozenset(compaction.exclude_tools),
        hard_tool_content_length=compaction.hard_tool_content_length,
        # What is shortened must be within reach.
        preview_above=compaction.preview_above if compaction.recall_tool else None,
    )


def write_settings(config: AgentCoreMemoryConfig, writes: WriteConfig | None) -> WriteConfig:
    """Return how to write, from the SDK's settings and ours.

    Args:
        config: The SDK's settings.
        writes: Ours, which win; None when none were given.

    Raises:
        ConfigurationError: A setting of the SDK's that has no meaning here; the message names what does the same.
    """
    default_tag = AgentCoreMemoryConfig.model_fields["context_tag"].default
    if config.retrieval_config or config.context_tag != default_tag:
        name = "retrieval_config" if config.retrieval_config else "context_tag"
        raise ConfigurationError(
            f"{name} is for retrieval that edits the user's message, which CompactingSessionManager does not do; leave "
            "it out and give the agent hooks=[MemoryHook(config)] beside the session manager: there it only retrieves"
        )
    if config.metadata_provider is not None:
        raise ConfigurationError(
            "metadata_provider cannot be used: an event is frozen before its first attempt so that a retry is never "
            "stored twice. Give WriteConfig(metadata={...}) or default_metadata instead."
        )
    if writes is not None:
        return writes
    given: dict[str, Any] = {}
    if config.flush_interval_seconds is not None:
        given["flush_interval_seconds"] = config.flush_interval_seconds
    if config.default_metadata:
        given["metadata"] = {key: value["stringValue"] for key, value in config.default_metadata.items()}
    return WriteConfig(**given)


def without_tool_traffic(messages: list[Message]) -> list[Message]:
    """Leave tool uses and results out of restored messages; messages that were nothing else are dropped."""
    kept: list[Message] = []
    for message in messages:
        content = [block for block in message["content"] if "toolUse" not in block and "toolResult" not in block]
        if len(content) == len(message["content"]):
            kept.append(message)
        elif content:
            kept.append({**message, "content": content})
    return kept
