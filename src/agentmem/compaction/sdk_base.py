"""What CompactingSessionManager is to the SDK: one of its session managers, without its way of starting up."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager
from strands.types.session import Session, SessionMessage, SessionType

from agentmem.clients import memory_client
from agentmem.errors import ConfigurationError
from agentmem.events.address import SessionAddress
from agentmem.events.reader import EventReader, in_order

if TYPE_CHECKING:
    import boto3
    from bedrock_agentcore.memory import MemoryClient
    from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig

__all__ = ["SdkSessionManager"]


class SdkSessionManager(AgentCoreMemorySessionManager):
    """The SDK's session manager with its constructor replaced and what does not apply refused by name.

    The base class's constructor makes four boto3 clients and reads the session with filtered calls, which cost the
    past and may lag. Nothing of it is run; what the inherited methods rely on is set here.
    """

    def __init__(
        self, config: AgentCoreMemoryConfig, client: Any, boto_session: boto3.Session, region_name: str | None
    ) -> None:
        """Take over a session without a call.

        Args:
            config: The SDK's configuration of it.
            client: The ``bedrock-agentcore`` client to read with.
            boto_session: Where further clients come from.
            region_name: AWS region; None for the boto session's.
        """
        self.config = config
        self.persistence_mode = config.persistence_mode
        self.session_id = config.session_id
        self.session_repository = self
        self.session = Session(session_id=config.session_id, session_type=SessionType.AGENT)
        self.has_existing_agent = False
        self._timestamp_lock = threading.Lock()
        self._last_timestamp = None
        self._agent_created_at_cache = {}
        self._boto_session = boto_session
        self._region_name = region_name
        self._address = SessionAddress(config.memory_id, config.actor_id, config.session_id)
        self._reader = EventReader(client, self._address)

    @property
    def memory_client(self) -> MemoryClient:
        """The SDK's client over the same boto session; the inherited methods use it, ours do not."""
        return memory_client(self._boto_session, self._region_name)

    @memory_client.setter
    def memory_client(self, client: MemoryClient) -> None:
        del client
        raise ConfigurationError("memory_client cannot be replaced; give boto_session= another boto3 session instead")

    def list_messages(
        self, session_id: str, agent_id: str, limit: int | None = None, offset: int = 0, **_: Any
    ) -> list[SessionMessage]:
        """Return messages of the whole session, oldest first, folded ones included.

        Raises:
            HistoryUnavailableError: The history could not be read.
        """
        del session_id, agent_id
        logged = in_order(event for page in self._reader.pages() for event in page)
        chosen = logged[offset : None if limit is None else offset + limit]
        return [SessionMessage(one.message, index, created_at=one.at.isoformat()) for index, one in enumerate(chosen)]

    def sync_agent(self, agent: Any, **_: Any) -> None:
        """Do nothing: the agent's state is written with the turn."""

    def initialize_multi_agent(self, source: Any, **_: Any) -> None:
        """Refuse: a graph or swarm has no one history to compact.

        Raises:
            ConfigurationError: Always.
        """
        raise ConfigurationError(
            f"CompactingSessionManager keeps one agent's session, and {type(source).__name__} is a multi-agent system; "
            "give its agents session managers of their own"
        )

    sync_multi_agent = initialize_multi_agent
