"""Reads a session back: the checkpoint, and the log only as far as the checkpoint needs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentmem.checkpoints.event_log import EventLogCheckpointStore
from agentmem.errors import IdentityError
from agentmem.events.position import Position
from agentmem.events.reader import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from strands.types.content import Message

    from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey, CheckpointStore
    from agentmem.events.codec import DecodedEvent, LoggedMessage
    from agentmem.events.reader import EventReader

_PARALLEL = 4


@dataclass(frozen=True)
class RestoredSession:
    """The session, as far as it was read.

    Attributes:
        messages: The kept messages as they stand in the log, oldest first, those of the checkpoint's head in front.
        checkpoint: The current checkpoint without its index, or None.
        agent_state: JSON form of the newest ``SessionAgent`` of this agent, or None.
        newest_event_id: Id of the newest event, or None when the session has no events.
        unread: Where the part of the log begins that was not read although no checkpoint describes it, as a page
            token; None when there is no such part.
    """

    messages: tuple[LoggedMessage, ...]
    checkpoint: Checkpoint | None
    agent_state: Mapping[str, Any] | None
    newest_event_id: str | None
    unread: str | None = None


class _Tail:
    """Reads the log backwards, page by page, and keeps the pages."""

    def __init__(self, reader: EventReader) -> None:
        self._reader = reader
        self.events: list[DecodedEvent] = []
        self.token: str | None = None
        self.at_end = False

    def more(self) -> bool:
        """Read one page; return whether there was one."""
        if self.at_end:
            return False
        page = self._reader.page(self.token)
        self.events.extend(page.events)
        self.token, self.at_end = page.next_token, page.next_token is None
        return True

    def arriving(self, enough: Callable[[Sequence[DecodedEvent]], bool]) -> Iterator[DecodedEvent]:
        """Yield events, reading on only when they run out and are not enough."""
        seen = 0
        while seen < len(self.events) or (not enough(self.events) and self.more()):
            if seen < len(self.events):
                yield self.events[seen]
                seen += 1


def read_session(
    reader: EventReader,
    store: CheckpointStore,
    key: CheckpointKey,
    *,
    enough: Callable[[Sequence[DecodedEvent]], bool] = lambda _events: False,
) -> RestoredSession:
    """Read a session's tail.

    The newest page of events and the checkpoint are asked for at once; further pages only until the boundary.

    Args:
        reader: The session's events.
        store: Where its checkpoints are.
        key: The key of the checkpoint.
        enough: Of a session whose events say nothing of a checkpoint, whether those read so far are more than can be
            shown anyway; what lies before them is then left ``unread``.

    Returns:
        The session, as far as it was read; a session without events has no messages and no ``newest_event_id``.

    Raises:
        HistoryUnavailableError: The events could not be read.
        CheckpointStoreError: The checkpoint could not be read.
        IdentityError: The session belongs to an agent of another ``agent_id``.
    """
    tail = _Tail(reader)
    if isinstance(store, EventLogCheckpointStore):
        checkpoint = store.load_from(tail.arriving(enough), reader.get, key)
    else:
        with ThreadPoolExecutor(1, thread_name_prefix="agentmem-restore") as pool:
            loading = pool.submit(store.load, key)
            tail.more()
            checkpoint = loading.result()
    if checkpoint is None:
        while not enough(tail.events) and tail.more():
            pass
    else:
        boundary = checkpoint.boundary.milliseconds
        while not (tail.events and Position(tail.events[-1].event_id).milliseconds < boundary) and tail.more():
            pass
    _refuse_other_agents(tail.events, key)
    messages = in_order(tail.events)
    if checkpoint is not None:
        messages = _from_boundary(messages, checkpoint, reader)
    return RestoredSession(
        messages=tuple(messages),
        checkpoint=None if checkpoint is None else checkpoint.without_index(),
        agent_state=next((event.agent_state for event in tail.events if _is_state_of(event, key.agent_id)), None),
        newest_event_id=tail.events[0].event_id if tail.events else None,
        unread=tail.token if checkpoint is None else None,
    )


def more_than(tokens: int, count: Callable[[Sequence[Message]], int]) -> Callable[[Sequence[DecodedEvent]], bool]:
    """Return whether events hold as many tokens as can be shown, for ``read_session``.

    Args:
        tokens: So many.
        count: Tokens of messages.
    """

    def enough(events: Sequence[DecodedEvent]) -> bool:
        return count([one.message for event in events for one in event.messages]) >= tokens

    return enough


def _from_boundary(messages: list[LoggedMessage], checkpoint: Checkpoint, reader: EventReader) -> list[LoggedMessage]:
    """Return the head and everything from the boundary on; an expired boundary event leaves what came after it."""
    tail = [logged for logged in messages if checkpoint.boundary <= logged.position]
    at = {logged.position: logged for logged in messages}
    missing = sorted({position.event_id for position in checkpoint.head if position not in at})
    for event in _fetched(missing, reader):
        at.update({logged.position: logged for logged in event.messages} if event is not None else {})
    return [*(at[position] for position in checkpoint.head if position in at), *tail]


def _fetched(event_ids: Sequence[str], reader: EventReader) -> list[DecodedEvent | None]:
    if len(event_ids) <= 1:
        return [reader.get(event_id) for event_id in event_ids]
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="agentmem-restore") as pool:
        return list(pool.map(reader.get, event_ids))


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
