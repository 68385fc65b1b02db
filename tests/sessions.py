"""A session on an embedded memory, with its calls counted."""

from __future__ import annotations

from collections import Counter

from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig
from botocore.config import Config
from strands import Agent, tool

from agentmem.local import LocalMemory
from agentmem.scope.address import SessionAddress
from agentmem.session_manager.manager import CompactingSessionManager
from agentmem.testing import ScriptedModel

REGION = "us-west-2"
ONE_ATTEMPT = Config(retries={"total_max_attempts": 1})
"""Failures are seen at once: botocore's retries sleep in between, and these tests are about what comes after them."""


@tool
def look(query: str) -> str:
    """Look something up.

    Args:
        query: What.
    """
    return f"{query} is blue. " * 150


class Session:
    """One session of one actor, and what is needed to open it again and again."""

    def __init__(self, actor="ann", session="s-1", memory=None, memory_id=None):
        self.memory = memory or LocalMemory()
        self.boto = self.memory.boto_session(REGION)
        self.calls = Counter()
        self.boto.events.register("before-call.bedrock-agentcore.*", lambda model, **_: self.calls.update([model.name]))
        control = self.boto.client("bedrock-agentcore-control")
        self.memory_id = memory_id or control.create_memory(name="test", eventExpiryDuration=30)["memory"]["id"]
        self.address = SessionAddress(self.memory_id, actor, session)
        self.data = self.boto.client("bedrock-agentcore", config=ONE_ATTEMPT)

    @property
    def sdk_config(self):
        return AgentCoreMemoryConfig(
            memory_id=self.memory_id, actor_id=self.address.actor_id, session_id=self.address.session_id
        )

    def manager(self, **settings):
        return CompactingSessionManager(
            self.sdk_config, REGION, boto_session=self.boto, boto_client_config=ONE_ATTEMPT, **settings
        )

    def agent(self, manager=None, script=(), **settings):
        model = script if isinstance(script, ScriptedModel) else ScriptedModel(list(script))
        return Agent(
            model=model,
            session_manager=manager or self.manager(),
            tools=settings.pop("tools", [look]),
            callback_handler=None,
            **settings,
        )


def events(session):
    """The newest hundred events of a session, oldest first."""
    return session.data.list_events(**session.address.parameters(), maxResults=100)["events"][::-1]


def texts(messages):
    """What messages say, block by block."""
    return [block["text"] for message in messages for block in message["content"] if "text" in block]
