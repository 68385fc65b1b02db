"""Memory for Strands agents on Amazon Bedrock AgentCore.

Everything here is public and nothing else is promised. Names are loaded when they are used, so that importing the
package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentmem.compaction.manager import CompactingSessionManager
    from agentmem.compaction.recall import RecalledMessage
    from agentmem.config import (
        CompactionConfig,
        DynamoDBCheckpoints,
        EventLogCheckpoints,
        HookConfig,
        InMemoryCheckpoints,
        MemoryConfig,
        SqliteCheckpoints,
        WriteConfig,
    )
    from agentmem.control import ensure_memory, ensure_memory_async
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
    from agentmem.identity import actor_id_for, new_session_id
    from agentmem.local import LocalMemory
    from agentmem.namespaces import Namespace
    from agentmem.permissions import iam_policy
    from agentmem.retrieval import MemoryRecord
    from agentmem.runtime import SessionAgents
    from agentmem.session import MemorySession
    from agentmem.thinking import ThinkingFilter, strip_thinking
    from agentmem.waiting import wait_for_memories, wait_for_memories_async
    from agentmem.waiting.marks import Mark

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

__version__ = "0.1.0"

_MODULES = {
    "agentmem.compaction.manager": ("CompactingSessionManager",),
    "agentmem.compaction.recall": ("RecalledMessage",),
    "agentmem.config": (
        "CompactionConfig",
        "DynamoDBCheckpoints",
        "EventLogCheckpoints",
        "HookConfig",
        "InMemoryCheckpoints",
        "MemoryConfig",
        "SqliteCheckpoints",
        "WriteConfig",
    ),
    "agentmem.control": ("ensure_memory", "ensure_memory_async"),
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
    "agentmem.identity": ("actor_id_for", "new_session_id"),
    "agentmem.local": ("LocalMemory",),
    "agentmem.waiting.marks": ("Mark",),
    "agentmem.namespaces": ("Namespace",),
    "agentmem.permissions": ("iam_policy",),
    "agentmem.retrieval": ("MemoryRecord",),
    "agentmem.runtime": ("SessionAgents",),
    "agentmem.session": ("MemorySession",),
    "agentmem.thinking": ("ThinkingFilter", "strip_thinking"),
    "agentmem.waiting": ("wait_for_memories", "wait_for_memories_async"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
