"""Exports the public names: memory for Strands agents on Amazon Bedrock AgentCore.

Everything here is public and nothing else is promised. Names are loaded when they are used, so that importing the
package costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentmem.support.lazy import load_name
from agentmem.version import __version__

if TYPE_CHECKING:
    from agentmem.config import MemoryConfig
    from agentmem.deploy.permissions import iam_policy
    from agentmem.deploy.provisioning import ensure_memory, ensure_memory_async
    from agentmem.errors import (
        AgentMemError,
        CheckpointConflictError,
        CheckpointStoreError,
        CompactionError,
        ConfigurationError,
        ExtractionFailedError,
        HistoryUnavailableError,
        IdentityError,
        MemoryWaitTimeout,
        UnsentMessagesError,
    )
    from agentmem.hook import MemoryHook
    from agentmem.local import LocalMemory
    from agentmem.messages.thinking import ThinkingFilter, strip_thinking
    from agentmem.recall.recall import RecalledMessage
    from agentmem.records.retrieval import MemoryRecord
    from agentmem.records.waiting import wait_for_memories, wait_for_memories_async
    from agentmem.records.waiting.marks import Mark
    from agentmem.runtime.sessions import SessionAgents
    from agentmem.scope.identity import actor_id_for, new_session_id
    from agentmem.scope.namespaces import Namespace
    from agentmem.session import MemorySession
    from agentmem.session_manager.manager import CompactingSessionManager
    from agentmem.settings.sections import (
        CompactionConfig,
        DynamoDBCheckpoints,
        EventLogCheckpoints,
        HookConfig,
        InMemoryCheckpoints,
        SqliteCheckpoints,
        WriteConfig,
    )

__all__ = [
    "AgentMemError",
    "CheckpointConflictError",
    "CheckpointStoreError",
    "CompactingSessionManager",
    "CompactionConfig",
    "CompactionError",
    "ConfigurationError",
    "DynamoDBCheckpoints",
    "EventLogCheckpoints",
    "ExtractionFailedError",
    "HistoryUnavailableError",
    "HookConfig",
    "IdentityError",
    "InMemoryCheckpoints",
    "LocalMemory",
    "Mark",
    "MemoryConfig",
    "MemoryHook",
    "MemoryRecord",
    "MemorySession",
    "MemoryWaitTimeout",
    "Namespace",
    "RecalledMessage",
    "SessionAgents",
    "SqliteCheckpoints",
    "ThinkingFilter",
    "UnsentMessagesError",
    "WriteConfig",
    "__version__",
    "actor_id_for",
    "ensure_memory",
    "ensure_memory_async",
    "iam_policy",
    "new_session_id",
    "strip_thinking",
    "wait_for_memories",
    "wait_for_memories_async",
]


_MODULES = {
    "agentmem.session_manager.manager": ("CompactingSessionManager",),
    "agentmem.recall.recall": ("RecalledMessage",),
    "agentmem.config": ("MemoryConfig",),
    "agentmem.settings.sections": (
        "CompactionConfig",
        "DynamoDBCheckpoints",
        "EventLogCheckpoints",
        "HookConfig",
        "InMemoryCheckpoints",
        "SqliteCheckpoints",
        "WriteConfig",
    ),
    "agentmem.deploy.provisioning": ("ensure_memory", "ensure_memory_async"),
    "agentmem.errors": (
        "AgentMemError",
        "CheckpointConflictError",
        "CheckpointStoreError",
        "CompactionError",
        "ConfigurationError",
        "ExtractionFailedError",
        "HistoryUnavailableError",
        "IdentityError",
        "MemoryWaitTimeout",
        "UnsentMessagesError",
    ),
    "agentmem.hook": ("MemoryHook",),
    "agentmem.scope.identity": ("actor_id_for", "new_session_id"),
    "agentmem.local": ("LocalMemory",),
    "agentmem.records.waiting.marks": ("Mark",),
    "agentmem.scope.namespaces": ("Namespace",),
    "agentmem.deploy.permissions": ("iam_policy",),
    "agentmem.records.retrieval": ("MemoryRecord",),
    "agentmem.runtime.sessions": ("SessionAgents",),
    "agentmem.session": ("MemorySession",),
    "agentmem.messages.thinking": ("ThinkingFilter", "strip_thinking"),
    "agentmem.records.waiting": ("wait_for_memories", "wait_for_memories_async"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    return load_name(globals(), _MODULE_OF, name)


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
