"""Reads a session back: the checkpoint, and the log only as far as the checkpoint needs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from agentmem.checkpoints.checkpoint import SeenEvents
from agentmem.checkpoints.checkpoint_items import newest_pointer
from agentmem.checkpoints.event_log import EventLogCheckpointStore
from agentmem.errors import IdentityError
from agentmem.events.pins import Pins, changes_in, holds_pins_only
from agentmem.events.position import Position
from agentmem.events.reader import PAGE_SIZE, in_order
from agentmem.messages.pinned import with_pin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from strands.types.content import Message

    from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey, CheckpointStore
    from agentmem.checkpoints.checkpoint_items import Pointer
    from agentmem.events.codec import DecodedEvent, LoggedMessage
    from agentmem.events.reader import EventReader

_PARALLEL = 4

_FIRST_PAGE = 20
"""Events asked for first. What is shown of a compacted session is mostly in its last few turns, and what an opening
costs is the size of what it reads; what lies further back is read in pages of 100."""


@dataclass(frozen=True)
class RestoredSession:
    """The session, as far as it was read.

    Attributes:
        messages: The kept messages as they stand in the log, oldest first; in front those that stand before the
            boundary: the ones that the checkpoint does not account for, and its head.
        checkpoint: The current checkpoint without its index, or None.
        agent_state: JSON form of the newest ``SessionAgent`` of this agent, or None.
        newest_event_id: Id of the newest event, or None when the session has no events.
        unread: Where the part of the log begins that was not read although no checkpoint describes it, as a page
            token; None when there is no such part.
        seen: The events that were read, and from when on they are all there are.
        pins: What is pinned, as far as the session was read; pinned messages carry Strands' mark of it.
        is_new: Whether nothing was ever said in it: it has no events, or only pins.
    """

    messages: tuple[LoggedMessage, ...]
    checkpoint: Checkpoint | None
    agent_state: Mapping[str, Any] | None
    newest_event_id: str | None
    unread: str | None = None
    seen: SeenEvents = field(default_factory=lambda: SeenEvents(-1))
    pins: Pins = field(default_factory=Pins)
    is_new: bool = False


class _Tail:
    """Reads the log backwards, page by page, and keeps the pages."""

    def __init__(self, reader: EventReader) -> None:
        self._reader = reader
        self.events: list[DecodedEvent] = []
        self.listed: list[DecodedEvent] = []
        self.token: str | None = None
        self.at_end = False
        self._may_list = True

    def more(self) -> bool:
        """Read one page; return whether there was one."""
        if self.at_end:
            return False
        page = self._reader.page(self.token, page_size=PAGE_SIZE if self.token else _FIRST_PAGE)
        self.events.extend(page.events)
        self.token, self.at_end = page.next_token, page.next_token is None
        return True

    @property
    def oldest(self) -> int:
        """The time of the oldest event that was read, in milliseconds since the epoch; -1 for none."""
        return Position(self.events[-1].event_id).milliseconds if self.events else -1

    def has_read_to(self, since: int) -> bool:
        """Whether every event from a time on, in milliseconds since the epoch, is read."""
        return self.at_end or (bool(self.events) and self.oldest < since)

    def read_back_to(self, checkpoint: Checkpoint) -> bool:
        """Read one page more if the checkpoint needs it; return False when everything that it needs is read."""
        if self.has_read_to(checkpoint.boundary.milliseconds):
            since = _since(checkpoint)
            if self.has_read_to(since) or self._lists_nothing_new(since, checkpoint):
                return False
        return self.more()

    def _lists_nothing_new(self, since: int, checkpoint: Checkpoint) -> bool:
        """Ask, once, which events there are from a time on; return whether the checkpoint accounts for all of them.

        Of those there is then nothing to read. Their ids are kept in `listed`.
        """
        if not self._may_list or not self.events or checkpoint.seen is None:
            return False
        self._may_list = False
        page = self._reader.page(payloads=False)
        read = [event.event_id for event in page.events]
        if self.events[-1].event_id not in read:
            return False
        older = page.events[read.index(self.events[-1].event_id) + 1 :]
        reaches = page.next_token is None or (older and Position(older[-1].event_id).milliseconds < since)
        shown = {position.event_id for position in checkpoint.head}
        if not reaches or not all(checkpoint.seen.has(one) and one.event_id not in shown for one in older):
            return False
        self.listed.extend(older)
        return True


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
        checkpoint = _read_to_logged_checkpoint(tail, reader, store, key, enough)
    else:
        with ThreadPoolExecutor(1, thread_name_prefix="agentmem-restore") as pool:
            loading = pool.submit(store.load, key)
            tail.more()
            checkpoint = loading.result()
        while checkpoint is not None and tail.read_back_to(checkpoint):
            pass
    if checkpoint is None:
        while not enough(tail.events) and tail.more():
            pass
    joined = _refuse_other_agents(tail.events, key, reader)
    if joined:
        return read_session(reader, store, key, enough=enough)
    if isinstance(store, EventLogCheckpointStore):
        store.mark(key, reader.agents)
    messages = in_order(tail.events)
    if checkpoint is not None:
        messages = _shown(messages, tail.events, checkpoint, reader)
    since = _since(checkpoint) if checkpoint is not None else -1 if tail.at_end else tail.oldest
    pins = (Pins() if checkpoint is None else checkpoint.pins).after(changes_in(tail.events))
    return RestoredSession(
        messages=tuple(_with_pins(messages, pins)),
        checkpoint=None if checkpoint is None else checkpoint.without_index(),
        agent_state=next((event.agent_state for event in tail.events if _is_state_of(event, key.agent_id)), None),
        newest_event_id=tail.events[0].event_id if tail.events else None,
        unread=tail.token if checkpoint is None else None,
        seen=SeenEvents(
            since,
            frozenset(
                event.event_id
                for event in (*tail.events, *tail.listed)
                if since <= Position(event.event_id).milliseconds
            ),
        ),
        pins=pins,
        is_new=checkpoint is None and tail.at_end and all(map(holds_pins_only, tail.events)),
    )


def _with_pins(messages: Sequence[LoggedMessage], pins: Pins) -> list[LoggedMessage]:
    """Set or take away the pins of messages that were written before theirs was changed."""
    changed = pins.messages
    return [
        replace(one, message=with_pin(one.message, pinned=changed[one.message["tracking_id"]]))
        if one.message["tracking_id"] in changed
        else one
        for one in messages
    ]


def _read_to_logged_checkpoint(
    tail: _Tail,
    reader: EventReader,
    store: EventLogCheckpointStore,
    key: CheckpointKey,
    enough: Callable[[Sequence[DecodedEvent]], bool],
) -> Checkpoint | None:
    """Read back to the checkpoint in the log and to where it begins; what is read on the way may know a newer one."""
    pointer: Pointer | None = None
    followed: Pointer | None = None
    checkpoint: Checkpoint | None = None
    looked_at = 0
    while True:
        pointer = newest_pointer(tail.events[looked_at:], key.agent_id, pointer)
        looked_at = len(tail.events)
        if pointer is not None and pointer.event_id is not None and (followed is None or _differ(pointer, followed)):
            followed, checkpoint = pointer, store.follow(key, pointer, tail.events, reader.get)
        if checkpoint is not None:
            if not tail.read_back_to(checkpoint):
                return checkpoint
            continue
        is_answered = followed is not None or (pointer is not None and pointer.is_final)
        if is_answered or enough(tail.events) or not tail.more():
            break
    if followed is None:
        store.follow(key, None, (), reader.get)
    return None


def _differ(one: Pointer, other: Pointer) -> bool:
    return (one.event_id, one.version) != (other.event_id, other.version)


def _since(checkpoint: Checkpoint) -> int:
    """Return the time of the oldest event that has to be read with a checkpoint, in milliseconds since the epoch."""
    boundary = checkpoint.boundary.milliseconds
    return boundary if checkpoint.seen is None else min(boundary, checkpoint.seen.since)


def more_than(tokens: int, count: Callable[[Sequence[Message]], int]) -> Callable[[Sequence[DecodedEvent]], bool]:
    """Return whether events hold as many tokens as can be shown, for ``read_session``.

    Args:
        tokens: So many.
        count: Tokens of messages.
    """

    def enough(events: Sequence[DecodedEvent]) -> bool:
        return count([one.message for event in events for one in event.messages]) >= tokens

    return enough


def _shown(
    messages: list[LoggedMessage], events: Sequence[DecodedEvent], checkpoint: Checkpoint, reader: EventReader
) -> list[LoggedMessage]:
    """Return what the checkpoint does not account for, its head, and everything from its boundary on.

    An expired boundary event leaves what came after it.
    """
    tail = [logged for logged in messages if checkpoint.boundary <= logged.position]
    at = {logged.position: logged for logged in messages}
    late: list[LoggedMessage] = []
    if checkpoint.seen is not None:
        holder = checkpoint.boundary.event_id  # its maker knew what else was in it, though perhaps not yet its id
        unseen = {
            event.event_id
            for event in events
            if not checkpoint.seen.has(event) and holder != event.event_id and holder not in event.replaces
        }
        kept = set(checkpoint.head)
        late = [
            one
            for one in messages
            if one.position < checkpoint.boundary and one.position.event_id in unseen and one.position not in kept
        ]
    missing = sorted({position.event_id for position in checkpoint.head if position not in at})
    for event in _fetched(missing, reader):
        at.update({logged.position: logged for logged in event.messages} if event is not None else {})
    return [*late, *(at[position] for position in checkpoint.head if position in at), *tail]


def _fetched(event_ids: Sequence[str], reader: EventReader) -> list[DecodedEvent | None]:
    if len(event_ids) <= 1:
        return [reader.get(event_id) for event_id in event_ids]
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="agentmem-restore") as pool:
        return list(pool.map(reader.get, event_ids))


def _refuse_other_agents(events: list[DecodedEvent], key: CheckpointKey, reader: EventReader) -> bool:
    """Return whether the session turned out to be another agent's, which this one has now joined."""
    if reader.agents is not None and reader.agents.own is not None:
        return False
    others = {event.agent_id for event in events if event.agent_state is not None and event.agent_id is not None}
    if not others or key.agent_id in others:
        return False
    if reader.agents is not None and reader.is_agent:
        reader.agents.join(min(others))
        return True
    raise IdentityError(
        f"session {key.session_id!r} of actor {key.actor_id!r} belongs to agent_id {min(others)!r}, and holds "
        f"nothing of an agent_id {key.agent_id!r}; `agentmem sessions` lists the agents of each session"
    )


def _is_state_of(event: DecodedEvent, agent_id: str) -> bool:
    return event.agent_state is not None and event.agent_id == agent_id
