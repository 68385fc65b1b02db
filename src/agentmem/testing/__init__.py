"""Exports the tools for tests of agents with memory: models, an embedded service with a movable clock, DynamoDB.

The pytest plugin makes fixtures of them; docs/how-to/test.md shows how.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentmem.support.lazy import load_name

if TYPE_CHECKING:
    from agentmem.testing.dynamodb import LocalDynamoDB
    from agentmem.testing.scripted_model import (
        ModelRequest,
        Overflow,
        Reply,
        ScriptedModel,
        ScriptExhaustedError,
        ScriptItem,
        Throttle,
        ToolCall,
    )
    from agentmem.testing.stepped_memory import SteppedMemory

__all__ = [
    "LocalDynamoDB",
    "ModelRequest",
    "Overflow",
    "Reply",
    "ScriptExhaustedError",
    "ScriptItem",
    "ScriptedModel",
    "SteppedMemory",
    "Throttle",
    "ToolCall",
]

# The pytest plugin lies in this package and is loaded by every test run, so nothing heavy is imported before its use.
_MODULE_OF = dict.fromkeys(__all__, "agentmem.testing.scripted_model") | {
    "LocalDynamoDB": "agentmem.testing.dynamodb",
    "SteppedMemory": "agentmem.testing.stepped_memory",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    return load_name(globals(), _MODULE_OF, name)
