"""Stores checkpoints in the event log itself, in the event of their turn.

A checkpoint is one more item of a turn's event. Every event of ours also carries a pointer to the event that holds the
current checkpoint, so that the newest page tells where it is, however long ago it was made; and every checkpoint
points to the one before it. Recall must not read them all for the index, and a restore, which reads the newest page,
must not meet the whole index in each event of it. So a checkpoint carries, beside its own index, those of the few
versions before it (`_RECENT` characters) and points to an event that carries many (`_MERGED`). When the few grow over
their size, the next checkpoint takes them and the many together and becomes the event that the later ones point to.

The service has no conditional write, so two writers that race both write theirs: of what the newest events point to,
the checkpoint of the highest version stands, and of equal versions the later one. Each accounts for all events that its
maker had seen (``Checkpoint.seen``), so neither hides what the other one knows.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from agentmem.checkpoints.checkpoint_items import (
    CHECKPOINT,
    NO_POINTER,
    POINTER,
    IndexParts,
    Pointer,
    checkpoint_of,
    holder_of,
    newest_pointer,
    own_index,
    packed,
    read_carried,
    value_of,
)
from agentmem.checkpoints.version_rules import succeeds
from agentmem.clients.answers import ask
from agentmem.errors import CheckpointStoreError, HistoryUnavailableError
from agentmem.events.packed_entries import pack_entries, unpack_entries
from agentmem.events.reader import EventReader, event_id_of
from agentmem.events.serializer import agentmem_item
from agentmem.scope.address import SessionAddress

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

    from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey, IndexEntry
    from agentmem.events.agents import AgentEvents
    from agentmem.events.codec import DecodedEvent

_RECENT = 24_000  # characters of packed index that every checkpoint may carry of earlier ones: some 360 short messages
_MERGED = 600_000  # that one in a while carries: some 9,000 short messages; an event may have 10 MB
_RENEW_AFTER = timedelta(days=1)  # the shortest event expiry of the service is three days
_log = logging.getLogger(__name__)


class EventLogCheckpointStore:
    """A ``CheckpointStore`` over AgentCore events.

    The session manager does not call ``save`` for a turn: it adds ``items()`` to the turn's event, which makes turn
    and checkpoint one atomic write.
    """

    def __init__(self, client: Any) -> None:
        """Keep checkpoints through a boto3 ``bedrock-agentcore`` client."""
        self._client = client
        self._lock = threading.Lock()
        self._current: dict[CheckpointKey, Pointer] = {}
        self._aging: dict[CheckpointKey, dict[str, Any]] = {}
        self._offered: dict[CheckpointKey, dict[str, Any]] = {}
        self._held: dict[CheckpointKey, tuple[str, Mapping[str, Any]]] = {}
        self._large: dict[CheckpointKey, tuple[str, Mapping[str, Any]]] = {}
        self._marks: dict[CheckpointKey, Mapping[str, str]] = {}

    def mark(self, key: CheckpointKey, agents: AgentEvents | None) -> None:
        """Note how the events of an agent are marked, when it is not the session's main one."""
        if agents is not None and agents.own is not None:
            self._marks[key] = agents.marks()

    def items(self, key: CheckpointKey, checkpoint: Checkpoint | None) -> list[dict[str, Any]]:
        """Return what a turn's event carries: the checkpoint, when there is a new one, or else the pointer.

        Args:
            key: Whose.
            checkpoint: The new checkpoint; positions with an empty event id are in the event that will carry it.
        """
        current = self._current.get(key, NO_POINTER)
        if checkpoint is None:
            if key in self._aging:
                self._offered[key] = self._aging[key]
                return [agentmem_item(CHECKPOINT, self._aging[key])]
            place = {"event_id": current.event_id, "version": current.version}
            deleted = {"deleted": True} if current.is_final else {}
            return [agentmem_item(POINTER, {"agent_id": key.agent_id, **place, **deleted})]
        value = {
            "agent_id": key.agent_id,
            "previous": current.event_id,
            "checkpoint": packed(checkpoint),
            **self._merged(key, current.event_id),
        }
        self._offered[key] = value
        return [agentmem_item(CHECKPOINT, value)]

    def _merged(self, key: CheckpointKey, previous: str | None) -> dict[str, Any]:
        """Return the indexes of earlier versions that the next checkpoint carries, and where those before them are."""
        event_id, value = self._held.get(key, (None, {}))
        if previous is None or event_id != previous or _is_large(value):
            return {"before": previous}
        before = value.get("before")
        try:
            entries = _entries(value, previous, key)
            recent = pack_entries(entries)
            if len(recent) <= _RECENT or before is None:
                return {"merged": recent, "before": before}
            large = self._large_one(key, before)
            merged = None if large is None else pack_entries([*entries, *_entries(large, before, key)])
        except (CheckpointStoreError, HistoryUnavailableError, ValueError) as error:
            # The turn is worth more than the index; recall will say the same when it needs that part.
            _log.warning("session=<%s>, error=<%s> | index not carried on", key.session_id, error)
            return {"before": previous}
        if large is None or merged is None or len(merged) > _MERGED:
            return {"merged": recent, "before": before}
        return {"merged": merged, "before": large.get("before")}

    def _large_one(self, key: CheckpointKey, event_id: str) -> Mapping[str, Any] | None:
        """Return what the event with many earlier indexes carries: as this process wrote it, or in one call."""
        known, value = self._large.get(key, (None, None))
        if known == event_id:
            return value
        event = self._reader(key).get(event_id)
        return None if event is None else value_of(event, key.agent_id)

    def renews(self, key: CheckpointKey) -> bool:
        """Whether the next event changes what stands: it carries the current checkpoint anew, or says that it is gone.

        An event expires by its own age. A session that is used for longer than that without a compaction would lose
        its summary, so a checkpoint that is found more than a day old moves on with the session.
        """
        return key in self._aging or self._current.get(key, NO_POINTER).is_final

    def carried_by(self, key: CheckpointKey, event_id: str, checkpoint: Checkpoint | None = None) -> None:
        """Note that the service has acknowledged the event that carries the checkpoint.

        Args:
            key: Whose.
            event_id: The event.
            checkpoint: The new checkpoint; None when the current one was renewed, or said to be gone.
        """
        with self._lock:
            current = self._current.get(key, NO_POINTER)
            if checkpoint is None and current.is_final:
                self._current[key] = NO_POINTER  # once is enough; another writer's next one counts
                return
            version = current.version if checkpoint is None else checkpoint.version
            self._current[key] = Pointer(event_id, version)
            self._aging.pop(key, None)
            if key in self._offered:
                value = self._offered.pop(key)
                self._held[key] = (event_id, value)
                if _is_large(value):
                    self._large[key] = (event_id, value)

    def keep_place(self, key: CheckpointKey) -> None:
        """Do not renew what was read: the log has changed since, as by a redaction."""
        with self._lock:
            self._aging.pop(key, None)
            self._held.pop(key, None)
            self._large.pop(key, None)

    def moved(self, key: CheckpointKey, event_id: str, new_event_id: str) -> None:
        """Note that an event was written anew, which may be the one that carries the current checkpoint."""
        with self._lock:
            current = self._current.get(key, NO_POINTER)
            if current.event_id == event_id:
                self._current[key] = Pointer(new_event_id, current.version)
                self._held.pop(key, None)
            self._large.pop(key, None)

    def load(self, key: CheckpointKey) -> Checkpoint | None:
        """Return the current checkpoint; reads back only over pages whose events are not ours."""
        reader = self._reader(key)
        with _reading(key):
            return self.follow(key, *_read_pointer(reader, key.agent_id), reader.get)

    def follow(
        self,
        key: CheckpointKey,
        pointer: Pointer | None,
        events: Iterable[DecodedEvent],
        get: Callable[[str], DecodedEvent | None],
    ) -> Checkpoint | None:
        """Return the checkpoint that a pointer leads to, which is the current one from now on.

        Args:
            key: Whose.
            pointer: The pointer; None when no event knows of a checkpoint.
            events: Events that are read already, which may hold it.
            get: Reads one event by id.

        Raises:
            CheckpointStoreError: The checkpoint cannot be read.
        """
        event_id, holder = holder_of(pointer, events, get)
        value = None if holder is None else value_of(holder, key.agent_id)
        if event_id is not None and value is None:
            _log.warning(
                "session=<%s>, event_id=<%s> | the event with the checkpoint is gone, and its summary with it; "
                "the session goes on from the events that are left",
                key.session_id,
                event_id,
            )
        # Without its index, which nobody needs here and which may be that of a whole long past.
        found = (
            None if holder is None or value is None else checkpoint_of(value, holder.event_id, key, with_index=False)
        )
        with self._lock:
            self._aging.pop(key, None)
            self._held.pop(key, None)
            if holder is None or value is None or found is None:
                # Of one that is gone the next event says so, or what older events point to would stand for good.
                self._current[key] = NO_POINTER if event_id is None else Pointer(None, is_final=True)
                return None
            self._current[key] = Pointer(holder.event_id, found.version)
            self._held[key] = (holder.event_id, value)
            if datetime.now(UTC) - holder.at > _RENEW_AFTER:
                # In the event that will carry it next, it must name the one it was in.
                self._aging[key] = {**value, "checkpoint": packed(checkpoint_of(value, holder.event_id, key))}
        return found

    def overtaking(self, key: CheckpointKey, events: Sequence[DecodedEvent]) -> Checkpoint | None:
        """Return the checkpoint of another writer that stands in place of the current one now, or None.

        Args:
            key: Whose.
            events: The newest events of the log.

        Raises:
            CheckpointStoreError: The checkpoint cannot be read.
            HistoryUnavailableError: Its event could not be read.
        """
        pointer = newest_pointer(events, key.agent_id)
        if pointer is None or not self._current.get(key, NO_POINTER).is_overtaken_by(pointer):
            return None
        return self.follow(key, pointer, events, self._reader(key).get)

    def index_parts(
        self,
        events: Sequence[DecodedEvent],
        get: Callable[[str], DecodedEvent | None],
        key: CheckpointKey,
        known: Container[str],
    ) -> tuple[Checkpoint | None, IndexParts | None]:
        """Return the current checkpoint, and the index in as few parts as it is stored in.

        Args:
            events: The session's newest events, newest first.
            get: Reads one event by id.
            key: Whose.
            known: Ids of parts that are not wanted.

        Returns:
            The checkpoint without its index and the parts, newest first, read as they are asked for; None for both when
            there is no checkpoint or its part is known.
        """
        _, holder = holder_of(newest_pointer(events, key.agent_id), events, get, known)
        value = None if holder is None else value_of(holder, key.agent_id)
        if holder is None or value is None:
            return None, None
        return checkpoint_of(value, holder.event_id, key, with_index=False), IndexParts(holder, get, key, known)

    def save(self, key: CheckpointKey, checkpoint: Checkpoint) -> None:
        """Save a checkpoint in an event of its own.

        Raises:
            CheckpointConflictError: Another version is current; carries it as ``winner``.
        """
        if succeeds(key, self.load(key), checkpoint):
            self.append(key, checkpoint)

    def append(self, key: CheckpointKey, checkpoint: Checkpoint, *, at: datetime | None = None) -> None:
        """Save a checkpoint without asking what is there, for a writer that has just looked.

        Args:
            key: Whose.
            checkpoint: The next checkpoint.
            at: The event's time, to put a checkpoint of the past beside the events it is about; by default it becomes
                the newest event. Only a newest one is found without reading back.

        Raises:
            CheckpointStoreError: The event could not be written.
        """
        self.carried_by(key, self._write(key, self.items(key, checkpoint), at), checkpoint)

    def history(self, key: CheckpointKey, *, before: int | None = None) -> Iterator[Checkpoint]:
        """Yield the checkpoints, newest first, at one GetEvent each."""
        with _reading(key):
            self.load(key)
            reader = self._reader(key)
            event_id = self._current.get(key, NO_POINTER).event_id
            while event_id is not None:
                event = reader.get(event_id)
                found = None if event is None else read_carried(event, key)
                if found is None:
                    return
                checkpoint, event_id = found
                if before is None or checkpoint.version < before:
                    yield checkpoint

    def find(self, key: CheckpointKey, handle: str) -> IndexEntry | None:
        """Return the newest entry for a handle."""
        with _reading(key):
            reader = self._reader(key)
            _, holder = holder_of(*_read_pointer(reader, key.agent_id), reader.get)
            parts: Iterable[tuple[str, list[IndexEntry]]] = ()
            if holder is not None:
                parts = IndexParts(holder, reader.get, key, ())
            found = (entry for _, entries in parts for entry in entries if entry.handle == handle)
            return next(found, None)

    def delete(self, key: CheckpointKey) -> int:
        """Let the session continue without a checkpoint.

        The events stay, and with them what was saved in them: deleting the events is what removes it.
        """
        count = 0
        with _reading(key):
            reader = self._reader(key)
            pointer, _ = _read_pointer(reader, key.agent_id)
            event_id = None if pointer is None else pointer.event_id
            # What cannot be read can be deleted all the same.
            while isinstance(event_id, str) and (event := reader.get(event_id)) is not None:
                value = value_of(event, key.agent_id)
                count += value is not None
                event_id = None if value is None else value.get("previous")
        if count:
            with self._lock:
                self._current[key] = Pointer(None, is_final=True)
                self._aging.pop(key, None)
                self._held.pop(key, None)
            self.carried_by(key, self._write(key, self.items(key, None)))
        return count

    def _reader(self, key: CheckpointKey) -> EventReader:
        address = SessionAddress(key.memory_id, key.actor_id, key.session_id)
        return EventReader(self._client, address, key.agent_id)

    def _write(self, key: CheckpointKey, payload: Sequence[dict[str, Any]], at: datetime | None = None) -> str:
        address = SessionAddress(key.memory_id, key.actor_id, key.session_id)
        if at is None:
            at = datetime.now(UTC)
            with _reading(key):
                reader = self._reader(key)
                newest = next((event for page in reader.pages(page_size=1) for event in page), None)
                self.mark(key, reader.agents)
            if newest is not None:
                # The log is ordered by time to the millisecond; what is written last must also be read as the last.
                at = max(at, newest.at + timedelta(milliseconds=1))
        marks = {name: {"stringValue": value} for name, value in self._marks.get(key, {}).items()}
        options: dict[str, Any] = {"metadata": marks} if marks else {}
        try:
            answer = ask(
                self._client,
                "create_event",
                **address.parameters(),
                eventTimestamp=at,
                payload=list(payload),
                extractionMode="SKIP",
                **options,
            )
            return event_id_of(answer)
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            raise CheckpointStoreError(
                f"the checkpoint of {address} could not be saved in the event log ({type(error).__name__}: {error}); "
                "the session itself is untouched, try again"
            ) from error


def _entries(value: Mapping[str, Any], event_id: str, key: CheckpointKey) -> list[Any]:
    """Return the index that a checkpoint's event carries, its own and the earlier ones, in the form to store."""
    return [*(entry.to_list() for entry in own_index(value, event_id, key)), *unpack_entries(value.get("merged"))]


def _is_large(value: Mapping[str, Any]) -> bool:
    """Whether a checkpoint carries more earlier indexes than every one may, so that later ones point to it."""
    merged = value.get("merged")
    return isinstance(merged, str) and len(merged) > _RECENT


@contextlib.contextmanager
def _reading(key: CheckpointKey) -> Iterator[None]:
    """Turn a failed read of the log into the error every checkpoint store raises."""
    try:
        yield
    except HistoryUnavailableError as error:
        raise CheckpointStoreError(
            f"the checkpoint of session {key.session_id!r} could not be read from the event log: {error}"
        ) from error


def _read_pointer(reader: EventReader, agent_id: str) -> tuple[Pointer | None, Sequence[DecodedEvent]]:
    """Read back until events tell which checkpoint stands; return that and the last page that was read."""
    pointer: Pointer | None = None
    page: Sequence[DecodedEvent] = ()
    for page in reader.pages():
        pointer = newest_pointer(page, agent_id, pointer)
        if pointer is not None and (pointer.event_id is not None or pointer.is_final):
            break
    return pointer, page
