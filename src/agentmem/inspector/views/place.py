"""Names the part of a memory that a page is about: an agent's session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from agentmem.events.reader import EventReader
from agentmem.scope.address import SessionAddress
from agentmem.scope.identity import validate_actor_id, validate_session_id
from agentmem.session_manager.session_view import DEFAULT_AGENT

if TYPE_CHECKING:
    from agentmem.config import MemoryConfig

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """An agent's session of an actor.

    Attributes:
        actor_id: The actor.
        session_id: The session.
        agent_id: The agent, when it was given an id.
    """

    actor_id: str
    session_id: str
    agent_id: str = DEFAULT_AGENT

    def link(self, path: str, **parameters: object) -> str:
        """Return the address of a page about it.

        Args:
            path: The page, such as ``/context``.
            **parameters: Further parameters; None leaves one out.
        """
        agent = {} if self.agent_id == DEFAULT_AGENT else {"agent": self.agent_id}
        given = {"actor": self.actor_id, "session": self.session_id, **agent, **parameters}
        return f"{path}?{urlencode({name: value for name, value in given.items() if value is not None})}"

    def actor_link(self) -> str:
        """Return the address of the page of the actor's sessions."""
        return f"/sessions?{urlencode({'actor': self.actor_id})}"

    def reader(self, config: MemoryConfig) -> EventReader:
        """Return a reader of its events.

        Raises:
            IdentityError: An id is malformed.
        """
        validate_actor_id(self.actor_id, hierarchical=True)
        validate_session_id(self.session_id)
        address = SessionAddress(config.memory_id, self.actor_id, self.session_id)
        return EventReader(config.data_plane(), address, self.agent_id)
