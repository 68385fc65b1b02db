"""Names one log: a session of one actor in one memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SessionAddress:
    """The three ids every event operation takes.

    Attributes:
        memory_id: Id (or ARN) of the AgentCore Memory resource.
        actor_id: The actor.
        session_id: The session.
    """

    memory_id: str
    actor_id: str
    session_id: str

    def parameters(self) -> dict[str, str]:
        """Return the ids as boto3 parameters."""
        return {"memoryId": self.memory_id, "actorId": self.actor_id, "sessionId": self.session_id}

    def __str__(self) -> str:
        """Name the session the way error messages do."""
        return f"session {self.session_id!r} of actor {self.actor_id!r} in memory {self.memory_id!r}"
