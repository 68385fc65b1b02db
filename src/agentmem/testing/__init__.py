"""Exports the tools for tests of agents with memory: models, an embedded service with a movable clock, DynamoDB.

The pytest plugin makes fixtures of them; docs/testing.md shows how. pytest loads this package in every project that has
agentmem installed, so a name is loaded when it is first used. Type checkers read the same names in `__init__.pyi`.
"""

from agentmem.support.lazy_names import lazy_names

_NAMES = {
    "agentmem.testing.dynamodb": ("LocalDynamoDB",),
    "agentmem.testing.model_base": ("ModelRequest",),
    "agentmem.testing.offline_model": ("OfflineModel",),
    "agentmem.testing.scripted_model": (
        "Overflow",
        "Reply",
        "ScriptExhaustedError",
        "ScriptItem",
        "ScriptedModel",
        "Throttle",
        "ToolCall",
    ),
    "agentmem.testing.stepped_memory": ("SteppedMemory",),
}

__all__, __getattr__, __dir__ = lazy_names(__name__, _NAMES)
