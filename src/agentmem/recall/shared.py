"""Recalls across the agents of a session, and says who said what."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agentmem.checkpoints.checkpoint import CheckpointKey
from agentmem.checkpoints.in_memory import InMemoryCheckpointStore
from agentmem.events.reader import EventReader
from agentmem.recall.recall import SessionRecall

if TYPE_CHECKING:
    from datetime import datetime

    from agentmem.recall.recalled import RecalledMessage
    from agentmem.scope.address import SessionAddress

__all__ = ["SharedRecall"]


class SharedRecall:
    """Finds messages of all agents of one session.

    The indexes of checkpoints are each agent's own, so here the log itself is read, page by page and in as many calls
    as recall may make; what lies further back is said and is reached by asking again (`looked_back_to`).
    """

    def __init__(self, client: Any, address: SessionAddress) -> None:
        """Recall through a boto3 ``bedrock-agentcore`` client; nothing is read yet."""
        self._reader = EventReader(client, address, everyone=True)
        key = CheckpointKey(address.memory_id, address.actor_id, address.session_id, "")
        self._recall = SessionRecall(self._reader, InMemoryCheckpointStore(), key)

    @property
    def looked_back_to(self) -> datetime | None:
        """See `SessionRecall`."""
        return self._recall.looked_back_to

    @property
    def has_more(self) -> bool:
        """See `SessionRecall`."""
        return self._recall.has_more

    def by_handle(self, handle: str) -> RecalledMessage | None:
        """Return the message, or the one block, a handle names; see `SessionRecall.by_handle`."""
        found = self._recall.by_handle(handle)
        return None if found is None else self._told(found)

    def by_words(
        self, query: str, *, max_tokens: int = 2_000, asked: bool = False, explain: bool = False
    ) -> list[RecalledMessage]:
        """Return the messages that answer a question best; see `SessionRecall.by_words`."""
        found = self._recall.by_words(query, max_tokens=max_tokens, asked=asked, explain=explain)
        return [self._told(one) for one in found]

    def _told(self, one: RecalledMessage) -> RecalledMessage:
        return replace(one, agent=self._reader.whose.get(one.event_id, "the main agent"))
