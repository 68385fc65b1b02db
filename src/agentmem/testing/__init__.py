"""For tests of agents with memory: a scripted model, an embedded service stepped by hand, a local DynamoDB.

The pytest plugin makes fixtures of them; docs/how-to/test.md shows how.
"""

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
