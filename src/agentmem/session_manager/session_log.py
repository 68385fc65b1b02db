"""One agent's session in the log: its unsent messages, where the sent ones stand, and when a checkpoint is saved.

The order of effects is what keeps a crash harmless: a turn's messages are acknowledged first, then the checkpoint
that names them is saved. In between, the older checkpoint stands, which is right, only longer.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from strands.types.session import Session, SessionType

from agentmem.checkpoints.event_log import EventLogCheckpointStore
from agentmem.checkpoints.version_rules import is_further_back
from agentmem.compaction.pending_checkpoint import NOWHERE
from agentmem.errors import CheckpointConflictError, CheckpointStoreError, HistoryUnavailableError
from agentmem.events.position import Position
from agentmem.events.redaction import Replacement
from agentmem.messages.tracking import identify
from agentmem.messages.truncation import handle_of
from agentmem.recall.passages import index_entries, index_entry
from agentmem.session_manager.concurrent_writers import OtherWriters
from agentmem.support.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from strands.types.content import Message

    from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey, CheckpointStore, IndexEntry
    from agentmem.checkpoints.restore import RestoredSession
    from agentmem.compaction.compactor import Compactor
    from agentmem.compaction.pending_checkpoint import Draft
    from agentmem.events.codec import LoggedMessage
    from agentmem.events.reader import EventReader
    from agentmem.events.serializer import Outward
    from agentmem.events.writer import EventWriter, OutgoingItem

__all__ = ["SessionLog"]

_log = logging.getLogger(__name__)


class SessionLog:
    """Collects a turn's messages, closes the turn, and makes the checkpoint durable behind it.

    Attributes:
        positions: Where the shown messages stand in the log, by tracking id.
    """

    def __init__(
        self,
        writer: EventWriter,
        store: CheckpointStore,
        key: CheckpointKey,
        compactor: Compactor,
        *,
        outward: Outward,
        reader: EventReader,
    ) -> None:
        """Log through a writer, with checkpoints in a store.

        Args:
            writer: The session's writer.
            store: Where its checkpoints go.
            key: Whose checkpoints.
            compactor: Whose drafts become checkpoints.
            outward: How messages are serialized.
            reader: The session's events, for what other writers put there.
        """
        self._outward = outward
        self._ready: dict[str, OutgoingItem] = {}
        self._writer = writer
        self._store = store
        self._key = key
        self._compactor = compactor
        self._others = OtherWriters(reader)
        self._pending: dict[str, Message] = {}
        self._state: str | None = None
        self._turn_began = monotonic()
        self._left_out: list[IndexEntry] = []
        self._sent: set[str] = set()
        self.positions: dict[str, Position] = {}

    @property
    def unsent(self) -> list[Message]:
        """The messages of the turn in progress, in order."""
        return list(self._pending.values())

    def resume(self, restored: RestoredSession) -> None:
        """Continue behind what was read from the log."""
        self.positions = {one.message["tracking_id"]: one.position for one in restored.messages}
        self._others.begin(restored)

    def leave_out(self, messages: Sequence[LoggedMessage]) -> None:
        """Take messages that were read from the log and are not shown: the checkpoint that passes them indexes them.

        Args:
            messages: Oldest first.
        """
        self._left_out = index_entries((self._outward.message(one.message), one.position) for one in messages)

    def begin_session(self, session_id: str) -> None:
        """Write the mark by which the plain SDK session manager knows that a session exists."""
        mark = {"blob": json.dumps(Session(session_id=session_id, session_type=SessionType.AGENT).to_dict())}
        self._writer.submit([], last=[mark], metadata={"stateType": "SESSION"})

    def add(self, message: Message) -> None:
        """Take a message into the turn in progress; one with the same tracking id replaces the earlier."""
        if not self._pending:
            self._turn_began = monotonic()
        self._pending[message["tracking_id"]] = message

    def accept(self) -> None:
        """Keep the messages of the turn so far in the outbox: the model has answered, nothing redacts them now."""
        new = [
            (name, self._outward.item(message))
            for name, message in list(self._pending.items())
            if name not in self._ready
        ]
        self._ready.update(new)
        self._writer.accept([item for _, item in new])

    def adopt(self, messages: Sequence[Message]) -> None:
        """Take in messages that got into ``agent.messages`` without an event, each before what follows it there."""
        identify(messages)
        unknown = {message["tracking_id"] for message in messages}.difference(self.positions, self._pending)
        if all(self._writer.has_taken(name) for name in unknown):
            return
        following = dict(self._pending)
        ordered: dict[str, Message] = {}
        for message in messages:
            name = message["tracking_id"]
            if name in following:
                ordered |= {name: following.pop(name)}
            elif not self._knows(message):
                ordered[name] = message
        self._pending = following | ordered

    def redact(self, message: Message) -> None:
        """Replace the content of a message.

        One that was not written yet never is in its first form. Of one that was, the event is replaced and the
        original deleted when the writer is drained next.
        """
        name = message["tracking_id"]
        self._compactor.redacted(message)
        if name in self._pending:
            # What the agent holds may be our shortened copy; the log gets the redacted content all the same.
            self._pending[name] = message
            if self._ready.pop(name, None) is not None:
                self.accept()
            return
        if isinstance(self._store, EventLogCheckpointStore):
            self._store.keep_place(self._key)  # what was read has the message's terms in its index
        item = self._outward.item(message)
        entry = index_entry(self._outward.message(message), NOWHERE)
        passages = () if entry is None else tuple(entry.to_list()[4])
        new = Replacement(name, tuple(item.payload_items), handle_of(name), passages)
        self._writer.redact(new, self.positions.get(name), self._replaced)

    def close_part(self, after_seconds: float) -> bool:
        """Close the turn as far as it is, if it has been going on for long enough; return whether it did.

        The newest message stays back when it is the user's or a tool's: the model call to come may redact it.
        """
        if not self._pending or monotonic() - self._turn_began < after_seconds:
            return False
        newest = next(reversed(self._pending))
        items = self._serialized(keep=newest if self._pending[newest]["role"] == "user" else None)
        if items:
            self._writer.submit(items, on_stored=self._stored)
        return bool(items)

    def close_turn(self, agent_id: str, state: Mapping[str, Any]) -> bool:
        """Close the turn: its messages, the checkpoint that is due, and the agent's state become one event.

        Args:
            agent_id: The agent.
            state: JSON form of its ``SessionAgent``.

        Returns:
            False when there was nothing to write.
        """
        comparable = json.dumps({key: state[key] for key in state if key not in ("created_at", "updated_at")})
        if not self._pending and self._compactor.draft is None and comparable == self._state:
            return False
        self._state = comparable
        blob = {"blob": json.dumps(self._outward.state(state))}
        carried: list[tuple[Checkpoint, Draft]] = []
        renewed: list[bool] = []

        # Both run when the event is sent, which may be later than now: what is due is what is due then.
        def tail(positions: Mapping[str, Position]) -> list[dict[str, Any]]:
            if not isinstance(self._store, EventLogCheckpointStore):
                return []
            draft = self._compactor.draft
            checkpoint = None if draft is None else self._placed(draft, {**self.positions, **positions})
            if draft is not None and checkpoint is not None:
                carried.append((checkpoint, draft))
            else:
                renewed.append(self._store.renews(self._key))
            return self._store.items(self._key, checkpoint)

        def stored(event_id: str) -> None:
            self._stored(event_id)
            if isinstance(self._store, EventLogCheckpointStore):
                if any(renewed):
                    self._store.carried_by(self._key, event_id)
                for checkpoint, draft in carried:
                    self._store.carried_by(self._key, event_id)
                    self._saved(checkpoint, draft)
            else:
                self._save()

        self._writer.submit(
            self._serialized(),
            tail=tail,
            last=[blob],
            metadata={"stateType": "AGENT", "agentId": agent_id},
            on_stored=stored,
        )
        return True

    def keep_positions(self, messages: Sequence[Message]) -> None:
        """Drop the positions of messages that nothing will ask for any more."""
        draft = self._compactor.draft
        wanted = {message.get("tracking_id", "") for message in messages}
        if draft is not None:
            wanted |= {draft.boundary, *draft.head, *draft.entries}
        self.positions = {name: position for name, position in self.positions.items() if name in wanted}

    def _knows(self, message: Message) -> bool:
        name = message["tracking_id"]
        if name in self._pending or name in self.positions:
            return True
        if self._writer.has_taken(name):
            self._sent.add(name)  # perhaps by an earlier owner of the writer
            return True
        return False

    def _serialized(self, keep: str | None = None) -> list[OutgoingItem]:
        taken = {name: message for name, message in list(self._pending.items()) if name != keep}
        items = [
            self._ready[name] if name in self._ready else self._outward.item(message) for name, message in taken.items()
        ]
        self._sent.update(taken)
        for name in taken:
            self._pending.pop(name, None)
            self._ready.pop(name, None)
        return items

    def _stored(self, event_id: str) -> None:
        """Take note of where the messages of a closed turn, or of a part of one, stand now."""
        stored = self._writer.positions_of(tuple(self._sent))
        self._sent -= stored.keys()
        self.positions.update(stored)
        self._others.note([event_id, *(position.event_id for position in stored.values())])

    def _replaced(self, event_id: str, new_event_id: str) -> None:
        """Follow an event that was written anew."""
        self.positions.update(self._writer.positions)
        self._others.note([new_event_id])
        for name, position in self.positions.items():
            if position.event_id == event_id:
                self.positions[name] = Position(new_event_id, position.item)
        if isinstance(self._store, EventLogCheckpointStore):
            self._store.moved(self._key, event_id, new_event_id)

    def _save(self) -> None:
        """Save the checkpoint that is due, behind whatever another writer saved first."""
        try:
            while self._compactor.draft is not None:
                if self._is_behind(self._compactor.draft):
                    # Another writer's checkpoint reaches further, and stands until this process makes the next one.
                    return
                draft = self._accounting_for_others(self._compactor.draft)
                checkpoint = self._placed(draft, self.positions)
                if checkpoint is None:
                    return
                try:
                    self._store.save(self._key, checkpoint)
                except CheckpointConflictError as conflict:
                    _log.info("session=<%s> | another writer saved a checkpoint first", self._key.session_id)
                    self._compactor.yield_to(conflict.winner)
                else:
                    self._saved(checkpoint, draft)
                    return
        except (CheckpointStoreError, HistoryUnavailableError) as error:
            # The draft stays and is saved with the next turn; until then the older checkpoint stands.
            _log.warning("session=<%s>, error=<%s> | checkpoint not saved yet", self._key.session_id, error)

    def _placed(self, draft: Draft, positions: Mapping[str, Position]) -> Checkpoint | None:
        checkpoint = draft.placed(positions)
        if checkpoint is None or not self._left_out:
            return checkpoint
        passed = [entry for entry in self._left_out if entry.position < checkpoint.boundary]
        return replace(checkpoint, index=(*checkpoint.index, *passed))

    def _saved(self, checkpoint: Checkpoint, draft: Draft) -> None:
        self._left_out = [entry for entry in self._left_out if not entry.position < checkpoint.boundary]
        self._compactor.saved(checkpoint, draft)

    def _is_behind(self, draft: Draft) -> bool:
        standing = self._compactor.checkpoint
        boundary = self.positions.get(draft.boundary)
        return standing is not None and boundary is not None and is_further_back(boundary, standing.boundary)

    def _accounting_for_others(self, draft: Draft) -> Draft:
        """Return a draft that also accounts for the messages of other writers that it moves past."""
        placed = draft.placed(self.positions)
        if placed is None:
            return draft
        limits = [placed.boundary, placed.shortened_before, placed.cycles_shortened_before]
        behind = self._others.behind(max(limit for limit in limits if limit is not None))
        if not behind:
            return draft
        self.positions.update({one.message["tracking_id"]: one.position for one in behind})
        folded = [one for one in behind if one.position < placed.boundary]
        shortened = [one for one in behind if not one.position < placed.boundary]
        _log.info(
            "session=<%s>, messages=<%d> | other writers' messages accounted for", self._key.session_id, len(behind)
        )
        draft = self._compactor.include(draft, [one.message for one in folded], [one.message for one in shortened])
        self._others.accounted(folded)
        return draft
