"""For tests of agents with memory: a scripted model, an embedded service stepped by hand, a local DynamoDB.

The pytest plugin makes fixtures of them; docs/testing.md shows how. Names are loaded when they are used, because pytest
imports this package with the plugin in every project that has strands-agentmem installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

_MODULE_OF = {"LocalDynamoDB": "dynamodb", "SteppedMemory": "stepped_memory"}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF.get(name, 'scripted_model')}"), name)
    globals()[name] = value
    return value
