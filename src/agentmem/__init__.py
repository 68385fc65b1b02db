"""Exports the public names: memory for Strands agents on Amazon Bedrock AgentCore.

Every name listed here is public and nothing else is promised. A name is loaded when it is first used, so importing the
package costs next to nothing. Type checkers read the same names in `__init__.pyi`.
"""

from agentmem.support.lazy_names import lazy_names

_NAMES = {
    "agentmem.agent": ("AgentSettings",),
    "agentmem.config": ("MemoryConfig",),
    "agentmem.deploy.permissions": ("iam_policy",),
    "agentmem.deploy.provisioning": ("ensure_memory", "ensure_memory_async"),
    "agentmem.deploy.template": ("cloudformation",),
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
        "MissingExtraError",
        "PinError",
        "UnsentMessagesError",
    ),
    "agentmem.events.pins": ("Pin",),
    "agentmem.hook.memory_hook": ("MemoryHook",),
    "agentmem.local.local_memory": ("LocalMemory",),
    "agentmem.messages.thinking": ("ThinkingFilter", "strip_thinking"),
    "agentmem.recall.recalled": ("RecalledMessage",),
    "agentmem.records.retrieval": ("MemoryRecord",),
    "agentmem.records.waiting.marks": ("Mark",),
    "agentmem.records.waiting.pushed": ("RecordEvent", "RecordStream"),
    "agentmem.records.waiting.wait": ("wait_for_memories", "wait_for_memories_async"),
    "agentmem.runtime.code_interpreter": ("code_interpreter",),
    "agentmem.runtime.resilient_tools": ("ResilientTools",),
    "agentmem.runtime.sessions": ("SessionAgents",),
    "agentmem.runtime.tool_policy": ("ToolPolicy",),
    "agentmem.scope.identity": ("actor_id_for", "new_session_id"),
    "agentmem.scope.namespaces": ("Namespace",),
    "agentmem.session": ("MemorySession",),
    "agentmem.session_manager.manager": ("CompactingSessionManager",),
    "agentmem.settings.model": ("GuardrailConfig", "ModelConfig"),
    "agentmem.settings.sections": (
        "CompactionConfig",
        "DynamoDBCheckpoints",
        "EventLogCheckpoints",
        "HookConfig",
        "InMemoryCheckpoints",
        "SqliteCheckpoints",
        "WriteConfig",
    ),
    "agentmem.support.version": ("__version__",),
}

__all__, _load, __dir__ = lazy_names(__name__, _NAMES)


def __getattr__(name: str) -> object:
    """Load a public name when it is first used (PEP 562), and warn if another distribution's files lie among ours."""
    if name in __all__:
        from agentmem.support.installation import warn_of_other_distribution

        warn_of_other_distribution()
    return _load(name)
