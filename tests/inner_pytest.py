"""What tests need that run pytest inside this process."""

from __future__ import annotations

from agentmem import MemoryConfig
from agentmem.local import LocalMemory

SETTINGS = """
[pytest]
asyncio_default_fixture_loop_scope = function
addopts = --strict-markers -p no:cacheprovider -p no:hypothesispytest
filterwarnings = ignore::DeprecationWarning
"""


def load_the_embedding_model():
    """Load the model and the search index that the inner runs use: pytester unloads what they load themselves."""
    with LocalMemory() as memory:
        assert MemoryConfig.local(memory).bind("ann", "s1").search("facts", "anything") == []
