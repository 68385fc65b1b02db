"""Reading back what the model is to be shown: the checkpoint and the log's tail, and no more of the past than that."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentmem.compaction.stores.event_log import EventLogCheckpointStore
from agentmem.errors import IdentityError
from agentmem.events.reader import in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agentmem.compaction.checkpoint import Checkpoint, CheckpointKey, CheckpointStore
    from agentmem.events.codec import DecodedEvent, LoggedMessage
    from agentmem.events.reader import EventReader

__all__ = ["MAX_EVENTS", "RestoredSession", "read_session"]

MAX_EVENTS = 5_000
"""How far back, in events, a session without a checkpoint is read when it is opened for the first time."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RestoredSession:
    """What was read.

    Attributes:
        messages: The kept messages as they stand in the log, oldest first, those of the checkpoint's head in front.
        checkpoint: The current checkpoint, or None.
        agent_state: JSON form of the newest ``SessionAgent`` of this agent, or None.
        newest_event_id: Id of the newest event, or None when the session has no events.
        complete: Whether nothing before the first message was left unread, or everything before it is in the
            checkpoint.
    """

    messages: tuple[LoggedMessage, ...]
    checkpoint: Checkpoint | None
    agent_state: Mapping[str, Any] | None
    newest_event_id: str | None
    complete: bool


def read_session(
    reader: EventReader, store: CheckpointStore, key: CheckpointKey, *, max_events: int = MAX_EVENTS
) -> RestoredSession:
    """Read a session's tail.

    The newest page of events and the checkpoint are asked for at once; further pages only until the boundary.

    Args:
        reader: The session's events.
        store: Where its checkpoints are.
        key: Whose checkpoint.
        max_events: How many events to read at most when there is no checkpoint.

    Returns:
        What was read; a session without events has no messages and no ``newest_event_id``.

    Raises:
        HistoryUnavailableError: The events could not be read.
        CheckpointStoreError: The checkpoint could not be read.
        IdentityError: The session belongs to an agent of another ``agent_id``.
    """
    events: list[DecodedEvent] = []
    pages = reader.pages()

    def remembered() -> Iterator[DecodedEvent]:
        for page in pages:
            events.extend(page)
            yield from page

    if isinstance(store, EventLogCheckpointStore):
        arriving = remembered()
        checkpoint = store.load_from(arriving, reader.get, key)
    else:
        with ThreadPoolExecutor(1, thread_name_prefix="agentmem-restore") as pool:
            loading = pool.submit(store.load, key)
            events.extend(next(pages, []))
            checkpoint = loading.result()
    complete = _read_on(events, pages, checkpoint, max_events)
    _refuse_other_agents(events, key)
    messages = in_order(events)
    if checkpoint is not None:
        messages = _from_boundary(messages, checkpoint, reader)
    return RestoredSession(
        messages=tuple(messages),
        checkpoint=checkpoint,
        agent_state=next((event.agent_state for event in events if _is_state_of(event, key.agent_id)), None),
        newest_event_id=events[0].event_id if events else None,
        complete=complete,
    )


def _read_on(
    events: list[DecodedEvent], pages: Iterator[list[DecodedEvent]], checkpoint: Checkpoint | None, max_events: int
) -> bool:
    """Read further pages into ``events`` until the boundary, or the limit; return whether the reading is complete."""
    boundary = None if checkpoint is None else checkpoint.boundary.milliseconds
    while True:
        if boundary is not None and events and _milliseconds(events[-1]) < boundary:
            return True
        if boundary is None and len(events) >= max_events:
            _log.warning("events=<%d> | session has no checkpoint and more events than are read", len(events))
            return False
        page = next(pages, None)
        if page is None:
            return True
        events.extend(page)


def _from_boundary(messages: list[LoggedMessage], checkpoint: Checkpoint, reader: EventReader) -> list[LoggedMessage]:
    """Return the head and everything from the boundary on; an expired boundary event leaves what came after it."""
    tail = [logged for logged in messages if checkpoint.boundary <= logged.position]
    at = {logged.position: logged for logged in messages}
    head: list[LoggedMessage] = []
    fetched: dict[str, DecodedEvent | None] = {}
    for position in checkpoint.head:
        if position not in at:
            if position.event_id not in fetched:
                fetched[position.event_id] = reader.get(position.event_id)
            event = fetched[position.event_id]
            at.update({logged.position: logged for logged in event.messages} if event is not None else {})
        if position in at:
            head.append(at[position])
    return [*head, *tail]


def _refuse_other_agents(events: list[DecodedEvent], key: CheckpointKey) -> None:
    others = {event.agent_id for event in events if event.agent_state is not None and event.agent_id is not None}
    if others and key.agent_id not in others:
        raise IdentityError(
            f"session {key.session_id!r} of actor {key.actor_id!r} belongs to agent_id {min(others)!r}, and this "
            f"agent's agent_id is {key.agent_id!r}; one session holds one agent. Give the agent that agent_id, or "
            "another session."
        )


def _is_state_of(event: DecodedEvent, agent_id: str) -> bool:
    return event.agent_state is not None and event.agent_id == agent_id


def _milliseconds(event: DecodedEvent) -> int:
    return int(event.event_id.partition("#")[0]) if event.event_id[:1].isdigit() else -1
