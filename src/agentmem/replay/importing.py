"""Brings a recorded conversation into a session, as an agent would have written it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentmem.errors import AgentMemError
from agentmem.replay.run import Replay

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentmem.replay.conversation import Conversation
    from agentmem.replay.report import ReplayReport
    from agentmem.session import MemorySession


class SessionNotEmptyError(AgentMemError):
    """The session that a conversation is to be brought into holds events already."""


def check_empty(session: MemorySession) -> None:
    """Refuse a session that holds something: a history goes before everything else in its session.

    Args:
        session: The session.

    Raises:
        SessionNotEmptyError: It holds an event.
        ClientError: The service refused the call.
    """
    found = session.config.data_plane().list_events(
        memoryId=session.config.memory_id,
        actorId=session.actor_id,
        sessionId=session.session_id,
        maxResults=1,
        includePayloads=False,
    )
    if found["events"]:
        raise SessionNotEmptyError(
            f"session {session.session_id!r} of actor {session.actor_id!r} holds events already. Give a new one, or "
            "remove this one with `agentmem forget`; an import that was interrupted leaves a part of it."
        )


def import_conversation(
    conversation: Conversation, session: MemorySession, *, on_progress: Callable[[int], object] | None = None
) -> ReplayReport:
    """Write a conversation into an empty session.

    Every turn becomes an event of the moment of the import, through a real agent and its session manager: the session
    is compacted where the configuration says so, restores in an agent, and is recalled. Long-term memory is extracted
    from it as from any conversation.

    Args:
        conversation: The conversation.
        session: Where to; its configuration says how it is compacted.
        on_progress: Called after each turn with how many are done.

    Returns:
        The number of turns, messages and compactions, among other measures.

    Raises:
        SessionNotEmptyError: The session holds an event.
        UnsentMessagesError: The service did not take everything.
        CompactionError: A request cannot be made to fit.
    """
    check_empty(session)
    work = Replay(conversation, session.session_manager, on_progress=on_progress, recall=False)
    try:
        return work.run()
    finally:
        work.close()
