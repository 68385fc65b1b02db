"""Keeps one agent's session in the log: closes its turns, has them sent, and notes where their messages stand.

The order of effects is what keeps a crash harmless: a turn's messages are acknowledged first, then the checkpoint
that names them is saved. In between, the older checkpoint stands, which is right, only longer.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from strands.types.session import Session, SessionType

from agentmem.checkpoints.event_log import EventLogCheckpointStore
from agentmem.compaction.pending_checkpoint import NOWHERE
from agentmem.errors import CheckpointStoreError, HistoryUnavailableError
from agentmem.events.batch import positions_of
from agentmem.events.pins import message_change, pins_item
from agentmem.events.position import Position
from agentmem.events.redaction import Replacement
from agentmem.events.send_queue import QueuedTurn
from agentmem.events.size_limits import SMALL_ITEM, as_json, fitting_state
from agentmem.events.turn_buffer import TurnBuffer
from agentmem.messages.tracking import has_pin, identify
from agentmem.messages.truncation import handle_of
from agentmem.recall.passages import index_entries, index_entry
from agentmem.session_manager.checkpoint_saver import CheckpointSaver
from agentmem.session_manager.concurrent_writers import OtherWriters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from strands.types.content import Message

    from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey, CheckpointStore
    from agentmem.checkpoints.restore import RestoredSession
    from agentmem.compaction.compactor import Compactor
    from agentmem.compaction.pending_checkpoint import Draft
    from agentmem.events.codec import LoggedMessage
    from agentmem.events.reader import EventReader
    from agentmem.events.send_queue import Job
    from agentmem.events.serializer import Serializer
    from agentmem.events.writer import EventWriter

__all__ = ["SessionLog"]

_SPARE_POSITIONS = 100
"""Of messages that are not shown any more; those of a compaction go at once."""

_log = logging.getLogger(__name__)


@dataclass
class RidingCheckpoint:
    """The checkpoint that rides in the last event of a turn (`EventLogCheckpoints`).

    It is made when that event is about to be sent, which may be later than the turn was closed: the draft that is due
    then is the one that is carried.

    Attributes:
        store: Where checkpoints are kept in the log.
        saver: Has the draft that is due.
        others: Knows the newest event.
        writer: Writes behind that.
        unsettled: Returns where messages stand that are stored, and of which the saver does not know it yet.
        draft: The draft that was carried, if one was due.
        checkpoint: The checkpoint that was made of it.
        is_carried: Whether the event carries a checkpoint: that one, or the current one anew.
    """

    store: EventLogCheckpointStore
    saver: CheckpointSaver
    others: OtherWriters
    writer: EventWriter
    unsettled: Callable[[], dict[str, Position]]
    draft: Draft | None = None
    checkpoint: Checkpoint | None = None
    is_carried: bool = False

    def items(self, stored: Mapping[str, Position], places: Mapping[str, int | None]) -> list[dict[str, Any]]:
        """Return the checkpoint that is due, or where the current one is, as payload items.

        When the service answers, but not with the log, the turn is written without a checkpoint.

        Raises:
            HistoryUnavailableError: The service does not answer, and would not take the turn either.
        """
        self.draft = self.checkpoint = None
        if self.saver.compactor.draft is not None:
            self._make({**self.unsettled(), **stored, **positions_of(places, "")})
        self.is_carried = self.checkpoint is not None or self.store.renews(self.saver.key)
        return self.store.items(self.saver.key, self.checkpoint)

    def _make(self, positions: Mapping[str, Position]) -> None:
        """Make the checkpoint that is due, if one is, and account for other writers."""
        try:
            due = self.saver.due(positions)
        except (CheckpointStoreError, HistoryUnavailableError) as error:
            if not isinstance(error, CheckpointStoreError) and not isinstance(error.__cause__, ClientError):
                raise
            _log.warning("session=<%s>, error=<%s> | checkpoint not saved yet", self.saver.key.session_id, error)
            return
        if self.others.newest_event_id is not None:
            self.writer.start_after(self.others.newest_event_id)
        if due is not None:
            self.draft, self.checkpoint = due


class SessionLog:
    """Collects a turn's messages, closes the turn, and makes the checkpoint durable behind it.

    Attributes:
        turn: The messages of the turn in progress.
        positions: Where the shown messages stand in the log, by tracking id.
    """

    def __init__(
        self,
        writer: EventWriter,
        store: CheckpointStore,
        key: CheckpointKey,
        compactor: Compactor,
        *,
        serializer: Serializer,
        reader: EventReader,
    ) -> None:
        """Log through a writer, with checkpoints in a store.

        Args:
            writer: The session's writer.
            store: Where its checkpoints go.
            key: Whose checkpoints.
            compactor: Whose drafts become checkpoints.
            serializer: How messages are serialized.
            reader: The session's events, for what other writers put there.
        """
        self._serializer = serializer
        self._writer = writer
        self._store = store
        self._key = key
        self._compactor = compactor
        self._others = OtherWriters(reader)
        self._state: str | None = None
        self._pinned: set[str] = set()
        self._submitted: deque[Job] = deque()
        self._settling = threading.Lock()
        self._awaited: list[str] = []  # shown, and still to be sent for an agent before this one
        self._closed: list[str] = []  # no part of the turn any more, and perhaps not acknowledged yet
        self.turn = TurnBuffer(serializer.item)
        self.positions: dict[str, Position] = {}
        self._saver = CheckpointSaver(store, key, compactor, self._others, self.positions)

    def resume(self, restored: RestoredSession) -> None:
        """Continue behind what was read from the log."""
        self.positions.update({one.message["tracking_id"]: one.position for one in restored.messages})
        self._pinned = {one.message["tracking_id"] for one in restored.messages if has_pin(one.message)}
        self._others.begin(restored)

    def leave_out(self, messages: Sequence[LoggedMessage]) -> None:
        """Take messages that were read from the log and are not shown: the checkpoint that passes them indexes them.

        Args:
            messages: Oldest first.
        """
        self._saver.left_out = index_entries((self._serializer.message(one.message), one.position) for one in messages)

    def begin_session(self, session_id: str) -> None:
        """Write the mark by which the plain SDK session manager knows that a session exists."""
        mark = {"blob": json.dumps(Session(session_id=session_id, session_type=SessionType.AGENT).to_dict())}
        self._writer.submit([], last=[mark], metadata={"stateType": "SESSION", **self._serializer.marks})

    # ---- the turn in progress

    def accept(self) -> None:
        """Keep the messages of the turn so far in the outbox: the model has answered, nothing redacts them now."""
        self._writer.accept(self.turn.accept())

    def adopt(self, messages: Sequence[Message], first_new: int = 0) -> None:
        """Take in messages that got into ``agent.messages`` without an event, each before what follows it there.

        Args:
            messages: The history.
            first_new: Messages before this index were there the last time.
        """
        new_messages = messages[first_new:]
        if not all(message.get("tracking_id") for message in new_messages):
            identify(new_messages)
        # Of those before, what the service has not acknowledged may have to be written again.
        self._closed = [name for name in self._closed if name not in self.positions]
        names = dict.fromkeys([*self._closed, *self._awaited, *(message["tracking_id"] for message in new_messages)])
        unknown = [name for name in names if name not in self.positions and name not in self.turn]
        if not unknown:
            self._awaited = []
            return
        stored = self._writer.positions(unknown)  # perhaps by another agent of this session in this process
        if stored:
            self.positions.update(stored)
            self._saver.own_events.extend({position.event_id for position in stored.values()})
        new = {name for name in unknown if not self._writer.has_taken(name)}
        self._closed = [name for name in self._closed if name not in new]
        self._awaited = [name for name in unknown if name not in stored and name not in new]
        if new:
            self.turn.insert(messages, new)

    def redact(self, message: Message) -> None:
        """Replace the content of a message.

        One that was not written yet never is in its first form. Of one that was, the event is replaced and the
        original deleted when the log is drained next.
        """
        name = message["tracking_id"]
        self._compactor.redacted(message)
        if name in self.turn:
            # What the agent holds may be our shortened copy; the log gets the redacted content all the same.
            if self.turn.replace(message):
                self.accept()
            return
        if isinstance(self._store, EventLogCheckpointStore):
            self._store.keep_place(self._key)  # what was read has the message's terms in its index
        entry = index_entry(self._serializer.message(message), NOWHERE)
        passages = () if entry is None else tuple(entry.to_list()[4])
        new = Replacement(name, tuple(self._serializer.item(message).payload_items), handle_of(name), passages)
        at = self.positions.get(name)
        job = self._writer.redact(new, at if at is not None and at.is_stored else None, owner=self)
        if job is not None:
            self._submitted.append(job)

    def write(self, message: Message) -> None:
        """Close a message that is no part of the turn in progress as an event of its own."""
        turn = self._writer.submit([self._serializer.item(message)], owner=self)
        if turn is not None:
            self._submitted.append(turn)

    # ---- closing it

    def close_part(self, after_seconds: float) -> bool:
        """Close the turn as far as it is, if it has been going on for long enough; return whether it did.

        The newest message stays back when it is the user's or a tool's: the model call to come may redact it.
        """
        if self.turn.seconds < after_seconds:
            return False
        before = list(self.turn.messages)
        items = self.turn.take(keep_last=1 if self.turn.ends_with_user else 0)
        self._closed += [name for name in before if name not in self.turn]
        if not items:
            return False
        part = self._writer.submit(items, owner=self)
        if part is not None:
            self._submitted.append(part)
        return True

    def close_turn(
        self,
        agent_id: str,
        state: Mapping[str, Any],
        shown: Sequence[Message],
        *,
        beside: Sequence[dict[str, Any]] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Close the turn: its messages, the checkpoint that is due, and the agent's state become one event.

        Args:
            agent_id: The agent.
            state: JSON form of its ``SessionAgent``, but for what an application put there.
            shown: Its messages; positions of others are forgotten.
            beside: Payload items that are written with the turn or not at all.
            metadata: More metadata of the event that carries them.
        """
        lasting = {key: state[key] for key in state if key not in ("created_at", "updated_at")}
        try:
            comparable = json.dumps(lasting)
        except (TypeError, ValueError, RecursionError):  # an interrupt's reason may be anything
            state, comparable = as_json(state), json.dumps(as_json(lasting))
        pinned = {message["tracking_id"] for message in shown if message.get("metadata") and has_pin(message)}
        pins = self._changed_pins(pinned, shown) if pinned or self._pinned else []
        self._closed += self.turn.messages
        items, draft = self.turn.take(), self._compactor.draft
        if not items and draft is None and not pins and not beside and comparable == self._state:
            return
        self._state = comparable
        checkpoint = None
        if isinstance(self._store, EventLogCheckpointStore):
            checkpoint = RidingCheckpoint(self._store, self._saver, self._others, self._writer, self._unsettled)
        stored = json.dumps(self._serializer.state(state))
        if len(stored) > SMALL_ITEM:
            stored = self._fitting(stored)
        turn = self._writer.submit(
            items,
            checkpoint=checkpoint,
            # The plain SDK session manager takes the last item for the agent's state.
            last=[*([pins_item(pins)] if pins else []), *beside, {"blob": stored}],
            metadata={"stateType": "AGENT", **self._serializer.marks, **(metadata or {}), "agentId": agent_id},
            owner=self,
        )
        if turn is not None:
            self._submitted.append(turn)
        if draft is None and len(self.positions) <= len(shown) + _SPARE_POSITIONS:
            return
        wanted = {message.get("tracking_id", "") for message in shown}
        if draft is not None:
            wanted |= {draft.boundary, *draft.head, *draft.entries}
        for name in self.positions.keys() - wanted:
            del self.positions[name]

    def _changed_pins(self, pinned: set[str], shown: Sequence[Message]) -> list[dict[str, Any]]:
        """Return the changes of pins that Strands' own means have made to messages since the last time."""
        gone = self._pinned & {message["tracking_id"] for message in shown} - pinned
        changes = [message_change(name, pinned=True) for name in sorted(pinned - self._pinned)]
        changes += [message_change(name, pinned=False) for name in sorted(gone)]
        self._pinned = pinned
        self._compactor.board.change(changes)
        return changes

    def _fitting(self, state: str) -> str:
        """Leave out of a large state what does not fit an event, and tell of it."""
        kept, left_out = fitting_state(json.loads(state))
        if left_out:
            self._writer.note_loss(
                f"of the state of {self._key.agent_id!r} these are too large for an event and not stored: "
                f"{', '.join(left_out)}; keep them elsewhere and their names in the state"
            )
        return json.dumps(kept)

    # ---- sending

    def drain(self, seconds: float | None = None, *, insist: bool = False) -> bool:
        """Send what the writer holds, and save the checkpoint that is due behind each turn.

        Args:
            seconds: See ``EventWriter.sent``.
            insist: See there.

        Returns:
            Whether everything is acknowledged.
        """
        self._settle(wait=False)  # another agent of the session may have had it sent
        for _ in self._writer.sent(seconds, insist=insist):
            self._settle()
        return self._writer.is_idle

    def _unsettled(self) -> dict[str, Position]:
        """Return where messages stand that are stored, but were not taken note of yet."""
        found = self._writer.positions(self._awaited)
        for job in list(self._submitted):
            if isinstance(job, QueuedTurn):
                found.update(job.positions)
        return found

    def _settle(self, *, wait: bool = True) -> None:
        """Take note of the turns and redactions that are done since the last time, unless another thread does."""
        if not self._submitted or not self._settling.acquire(blocking=wait):
            return
        try:
            while self._submitted and self._submitted[0].is_done:
                job = self._submitted.popleft()
                if not isinstance(job, QueuedTurn):
                    if job.replaced is not None:
                        self._note_replaced(*job.replaced)
                    continue
                self.positions.update(job.positions)
                self._saver.own_events.extend(job.event_ids)
                if not isinstance(self._store, EventLogCheckpointStore):
                    self._saver.save()
                    if self._others.newest_event_id is not None:
                        self._writer.start_after(self._others.newest_event_id)
                elif isinstance(job.checkpoint, RidingCheckpoint) and job.checkpoint.is_carried and job.event_ids:
                    self._store.carried_by(self._key, job.event_ids[-1], job.checkpoint.checkpoint)
                    if job.checkpoint.checkpoint is not None and job.checkpoint.draft is not None:
                        self._saver.saved(job.checkpoint.checkpoint.carried_by(job.event_ids[-1]), job.checkpoint.draft)
        finally:
            self._settling.release()

    def _note_replaced(self, event_id: str, new_event_id: str) -> None:
        """Follow an event that was written anew."""
        self._saver.own_events.append(new_event_id)
        for name, position in list(self.positions.items()):
            if position.event_id == event_id:
                self.positions[name] = Position(new_event_id, position.item)
        if isinstance(self._store, EventLogCheckpointStore):
            self._store.moved(self._key, event_id, new_event_id)
