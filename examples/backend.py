"""Where the examples run: on AWS as far as it is configured, otherwise on this machine, without account or network.

Set BEDROCK_AGENTCORE_MEMORY_ID and AWS_REGION for AgentCore Memory, and BEDROCK_MODEL_ID for a model on Bedrock. Your
own program would not need this file: it has one configuration and one model.
"""

import os
from typing import Any

from strands.models import BedrockModel, Model

from agentmem import MemoryConfig, Namespace
from agentmem.testing import OfflineModel

NAMESPACES = (
    Namespace.user_preference("preferences", "/users/{actorId}/preferences/"),
    Namespace.semantic("facts", "/users/{actorId}/facts/"),
)


def open_memory(path: str = ":memory:", **settings: Any) -> MemoryConfig:
    """Return the configuration of a memory on AWS, or of an embedded one at `path`."""
    if os.environ.keys() & {"BEDROCK_AGENTCORE_MEMORY_ID", "AGENTMEM_LOCAL_PATH"}:
        return MemoryConfig.from_env(namespaces=NAMESPACES, **settings)
    return MemoryConfig.local(path, namespaces=NAMESPACES, **settings)


def open_model() -> Model:
    """Return a model on Bedrock, or a stand-in that can only quote the request it is given.

    So whatever the stand-in knows, memory has put into its request.
    """
    if model_id := os.environ.get("BEDROCK_MODEL_ID"):
        return BedrockModel(model_id=model_id)
    return OfflineModel()
