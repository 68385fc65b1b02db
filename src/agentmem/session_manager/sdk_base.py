"""Adapts the SDK's session manager: no calls when it is made, and clear refusals of what does not apply."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager
from botocore.exceptions import ClientError
from strands.types.session import SessionMessage

from agentmem.clients.boto import memory_client
from agentmem.clients.strands_compat import legacy_agent_actor, set_up_without_calls
from agentmem.errors import ConfigurationError, HistoryUnavailableError
from agentmem.events.reader import EventReader, in_order
from agentmem.scope.address import SessionAddress

if TYPE_CHECKING:
    from collections.abc import Mapping

    import boto3
    from bedrock_agentcore.memory import MemoryClient
    from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig

    from agentmem.checkpoints.restore import RestoredSession

_log = logging.getLogger(__name__)


class SdkSessionManager(AgentCoreMemorySessionManager):
    """The SDK's session manager with its constructor replaced and what does not apply refused by name.

    The base class's constructor, which makes clients and calls, is not run; `strands_compat.set_up_without_calls` sets
    what the inherited methods rely on.
    """

    reads_plain_text = True
    """Whether a `MemoryHook` may save plain text into the same session; it would empty the SDK manager's history."""

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
        set_up_without_calls(self, config)
        self._boto_session = boto_session
        self._region_name = region_name
        self._address = SessionAddress(config.memory_id, config.actor_id, config.session_id)
        self._client = client
        self._reader = EventReader(client, self._address)
        """Reads the session's main agent until an agent is given."""

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

    def read_message(self, session_id: str, agent_id: str, message_id: int, **_: Any) -> SessionMessage | None:
        """Return one message of the session by its number in ``list_messages``, or None.

        Raises:
            HistoryUnavailableError: The history could not be read.
        """
        return next(iter(self.list_messages(session_id, agent_id, limit=1, offset=message_id)), None)

    def _state_of(self, restored: RestoredSession, agent_id: str) -> Mapping[str, Any] | None:
        """Return the agent's stored state: the session's, or what an older version of the SDK put under an own actor.

        Only a session in the SDK's form that holds no state at all is looked up there.
        """
        is_legacy = (
            restored.agent_state is None
            and restored.checkpoint is None
            and any(one.origin in ("sdk", "openai") for one in restored.messages)
        )
        if not is_legacy:
            return restored.agent_state
        address = SessionAddress(self._address.memory_id, legacy_agent_actor(agent_id), self._address.session_id)
        try:
            page = EventReader(self._client, address).page(page_size=1)
        except HistoryUnavailableError as error:
            cause = error.__cause__
            codes = ("AccessDeniedException", "ValidationException")  # not ours to read; no actor can have that id
            if not isinstance(cause, ClientError) or cause.response["Error"]["Code"] not in codes:
                raise
            _log.info("session=<%s>, error=<%s> | no state of an older SDK can be read", self._address, cause)
            return None
        return page.events[0].agent_state if page.events else None


def conversation_state(stored: Mapping[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return the conversation manager's state to store with a session that was restored.

    It keeps the form that it has, so that whoever could open the session before still can: Strands refuses a state of
    another conversation manager than the agent's. Nothing counts as removed, because the log has everything.

    Args:
        stored: The stored ``SessionAgent`` in its JSON form.
        own: The state to store when none is there.
    """
    found = stored.get("conversation_manager_state")
    if not found or "__name__" not in found:
        return own
    summary = {"summary_message": None} if "summary_message" in found else {}
    return {**found, **summary, "removed_message_count": 0}
