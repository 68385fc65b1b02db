"""Writes single messages for callers of the SDK's session manager, outside of the agent's own turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from agentmem.errors import ConfigurationError
from agentmem.messages.tracking import identify
from agentmem.session_manager.sdk_base import SdkSessionManager

if TYPE_CHECKING:
    from strands.types.content import Message
    from strands.types.session import SessionMessage

    from agentmem.events.writer import EventWriter
    from agentmem.session_manager.session_log import SessionLog


class SdkMessages(SdkSessionManager):
    """The part of the SDK's surface that writes messages one by one."""

    _writer: EventWriter
    _log: SessionLog
    _agent_id: str | None
    _invoking: bool

    def append_message(self, message: Message, agent: Any, **_: Any) -> None:
        """Take a message into the turn in progress; it is written when the turn is closed."""
        del agent
        identify([message])
        self._log.turn.add(message)

    def create_message(  # type: ignore[override]  # as the SDK's manager; Strands' own returns nothing
        self, session_id: str, agent_id: str, session_message: SessionMessage, **_: Any
    ) -> dict[str, Any] | None:
        """Write one message at once, outside of ``agent.messages``.

        Returns:
            ``{"eventId": ...}`` of its event; None when it is not acknowledged yet, or has nothing to store.

        Raises:
            ConfigurationError: No agent has this manager, or another session or agent is meant.
        """
        self._check_mine(session_id, agent_id)
        message = session_message.to_message()
        identify([message])
        self._log.write(message)
        self._log.drain()
        position = self._log.positions.get(message["tracking_id"])
        return None if position is None else {"eventId": position.event_id}

    def update_message(self, session_id: str, agent_id: str, session_message: SessionMessage, **_: Any) -> None:
        """Replace a message: in the turn in progress, or in the log, where the original is deleted.

        Args:
            session_id: The session.
            agent_id: The agent.
            session_message: The new content. It names the message by its ``tracking_id``, or else by its number in
                ``list_messages``.

        Raises:
            ConfigurationError: No agent has this manager, or another session or agent is meant, or there is no such
                message.
            HistoryUnavailableError: The history could not be read.
        """
        self._check_mine(session_id, agent_id)
        message = session_message.to_message()
        if not message.get("tracking_id"):
            known = self.read_message(session_id, agent_id, session_message.message_id)
            if known is None:
                raise ConfigurationError(
                    f"{self._address} has no message {session_message.message_id}; give the new content the "
                    "tracking_id of the message that it replaces"
                )
            message = cast("Message", {**message, "tracking_id": known.message["tracking_id"]})
        self._log.redact(message)
        if not self._invoking:
            self._log.drain()

    def pending_message_count(self) -> int:
        """Return how many messages are not acknowledged yet, those of the turn in progress included."""
        return self._writer.status.pending + (len(self._log.turn) if self._agent_id is not None else 0)

    def pending_agent_state_count(self) -> int:
        """Return 0: an agent's state is written with its turn and waits in no buffer of its own."""
        return 0

    def _check_mine(self, session_id: str, agent_id: str) -> None:
        if self._agent_id is None:
            raise ConfigurationError(f"no agent has this session manager of {self._address} yet; construct one with it")
        if (session_id, agent_id) != (self.session_id, self._agent_id):
            raise ConfigurationError(
                f"this session manager serves agent_id {self._agent_id!r} in {self._address}, not agent_id "
                f"{agent_id!r} in session {session_id!r}"
            )
