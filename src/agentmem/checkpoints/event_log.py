"""Stores checkpoints in the event log itself, in the event of their turn.

A checkpoint is one more item of a turn's event. Every event of ours also carries a pointer to the event that holds the
current checkpoint, so that the newest page tells where it is, however long ago it was made; and every checkpoint
points to the one before it. For one writer at a time: two that race are told apart by version, but the service has no
conditional write to stop the second.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import threading
import zlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey, IndexEntry
from agentmem.checkpoints.version_rules import succeeds
from agentmem.errors import CheckpointStoreError, HistoryUnavailableError
from agentmem.events.position import Position
from agentmem.events.reader import EventReader
from agentmem.events.serializer import agentmem_item
from agentmem.scope.address import SessionAddress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from agentmem.events.codec import DecodedEvent

_CHECKPOINT = "checkpoint"
_POINTER = "pointer"
_LARGE_INDEX = 4_096
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
        self._current: dict[CheckpointKey, str | None] = {}
        self._aging: dict[CheckpointKey, dict[str, Any]] = {}

    def items(self, key: CheckpointKey, checkpoint: Checkpoint | None) -> list[dict[str, Any]]:
        """Return what a turn's event carries: the checkpoint, when there is a new one, or else the pointer.

        Args:
            key: Whose.
            checkpoint: The new checkpoint; positions with an empty event id are in the event that will carry it.
        """
        previous = self._current.get(key)
        if checkpoint is None:
            if key in self._aging:
                return [agentmem_item(_CHECKPOINT, self._aging[key])]
            return [agentmem_item(_POINTER, {"agent_id": key.agent_id, "event_id": previous})]
        value = {"agent_id": key.agent_id, "previous": previous, "checkpoint": _packed(checkpoint)}
        return [agentmem_item(_CHECKPOINT, value)]

    def renews(self, key: CheckpointKey) -> bool:
        """Whether the next event carries the current checkpoint anew, because the event that holds it grows old.

        An event expires by its own age. A session that is used for longer than that without a compaction would lose
        its summary, so a checkpoint that is found more than a day old moves on with the session.
        """
        return key in self._aging

    def carried_by(self, key: CheckpointKey, event_id: str) -> None:
        """Note that the service has acknowledged the event that carries the checkpoint, a new one or one renewed."""
        with self._lock:
            self._current[key] = event_id
            self._aging.pop(key, None)

    def keep_place(self, key: CheckpointKey) -> None:
        """Do not renew what was read: the log has changed since, as by a redaction."""
        with self._lock:
            self._aging.pop(key, None)

    def moved(self, key: CheckpointKey, event_id: str, new_event_id: str) -> None:
        """Note that an event was written anew, which may be the one that carries the current checkpoint."""
        with self._lock:
            if self._current.get(key) == event_id:
                self._current[key] = new_event_id

    def load(self, key: CheckpointKey) -> Checkpoint | None:
        """Return the current checkpoint; reads back only over events that are not ours."""
        reader = self._reader(key)
        with _reading(key):
            return self.load_from((event for page in reader.pages() for event in page), reader.get, key)

    def load_from(
        self,
        events: Iterable[DecodedEvent],
        get: Callable[[str], DecodedEvent | None],
        key: CheckpointKey,
    ) -> Checkpoint | None:
        """Return the current checkpoint from events that are being read anyway.

        Args:
            events: The session's events, newest first; taken from only until one tells where the checkpoint is.
            get: Reads one event by id.
            key: Whose.
        """
        current: tuple[str, Checkpoint] | None = None
        aging: dict[str, Any] | None = None
        for event in events:
            known, event_id = _pointer(event, key.agent_id)
            if not known:
                continue
            if event_id is not None:
                holder = event if event_id == event.event_id else get(event_id)
                found = None if holder is None else _carried(holder, key.agent_id)
                current = None if found is None else (event_id, found[0])
                if found is not None and holder is not None and datetime.now(UTC) - holder.at > _RENEW_AFTER:
                    checkpoint, previous = found
                    aging = {"agent_id": key.agent_id, "previous": previous, "checkpoint": _packed(checkpoint)}
                if found is None:
                    _log.warning(
                        "session=<%s>, event_id=<%s> | the event with the checkpoint is gone, and its summary with it; "
                        "the session goes on from the events that are left",
                        key.session_id,
                        event_id,
                    )
            break
        with self._lock:
            self._current[key] = None if current is None else current[0]
            self._aging.pop(key, None)
            if aging is not None:
                self._aging[key] = aging
        return None if current is None else current[1]

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
        self.carried_by(key, self._write(key, self.items(key, checkpoint), at))

    def history(self, key: CheckpointKey, *, before: int | None = None) -> Iterator[Checkpoint]:
        """Yield the checkpoints, newest first, at one GetEvent each."""
        with _reading(key):
            self.load(key)
            reader = self._reader(key)
            event_id = self._current.get(key)
            while event_id is not None:
                event = reader.get(event_id)
                found = None if event is None else _carried(event, key.agent_id)
                if found is None:
                    return
                checkpoint, event_id = found
                if before is None or checkpoint.version < before:
                    yield checkpoint

    def find(self, key: CheckpointKey, handle: str) -> IndexEntry | None:
        """Return the newest entry for a handle."""
        for checkpoint in self.history(key):
            for entry in checkpoint.index:
                if entry.handle == handle:
                    return entry
        return None

    def delete(self, key: CheckpointKey) -> int:
        """Let the session continue without a checkpoint.

        The events stay, and with them what was saved in them: deleting the events is what removes it.
        """
        count = sum(1 for _ in self.history(key))
        if count:
            with self._lock:
                self._current[key] = None
                self._aging.pop(key, None)
            self._write(key, self.items(key, None))
        return count

    def _reader(self, key: CheckpointKey) -> EventReader:
        return EventReader(self._client, SessionAddress(key.memory_id, key.actor_id, key.session_id))

    def _write(self, key: CheckpointKey, payload: Sequence[dict[str, Any]], at: datetime | None = None) -> str:
        address = SessionAddress(key.memory_id, key.actor_id, key.session_id)
        if at is None:
            at = datetime.now(UTC)
            with _reading(key):
                newest = next((event for page in self._reader(key).pages(page_size=1) for event in page), None)
            if newest is not None:
                # The log is ordered by time to the millisecond; what is written last must also be read as the last.
                at = max(at, newest.at + timedelta(milliseconds=1))
        try:
            answer = self._client.create_event(
                **address.parameters(), eventTimestamp=at, payload=list(payload), extractionMode="SKIP"
            )
        except (ClientError, BotoCoreError) as error:
            raise CheckpointStoreError(
                f"the checkpoint of {address} could not be saved in the event log ({type(error).__name__}: {error}); "
                "the session itself is untouched, try again"
            ) from error
        return str(answer["event"]["eventId"])


@contextlib.contextmanager
def _reading(key: CheckpointKey) -> Iterator[None]:
    """Turn a failed read of the log into the error every checkpoint store raises."""
    try:
        yield
    except HistoryUnavailableError as error:
        raise CheckpointStoreError(
            f"the checkpoint of session {key.session_id!r} could not be read from the event log: {error}"
        ) from error


def _pointer(event: DecodedEvent, agent_id: str) -> tuple[bool, str | None]:
    """Return whether an event knows where the checkpoint is, and the id of the event that holds it."""
    carried = event.ours.get(_CHECKPOINT)
    if carried is not None and carried.get("agent_id") == agent_id:
        return True, event.event_id
    pointer = event.ours.get(_POINTER)
    if pointer is not None and pointer.get("agent_id") == agent_id:
        return True, pointer.get("event_id")
    return False, None


def _carried(event: DecodedEvent, agent_id: str) -> tuple[Checkpoint, str | None] | None:
    """Return the checkpoint an event carries and the id of the event with the one before it."""
    value = event.ours.get(_CHECKPOINT)
    if value is None or value.get("agent_id") != agent_id:
        return None

    def placed(position: Position) -> Position:
        return position if position.event_id else Position(event.event_id, position.item)

    return _unpacked(value["checkpoint"]).map_positions(placed), value.get("previous")


def _packed(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the JSON form with the index compressed: it is most of a checkpoint, and every restore reads it."""
    return _compressed(checkpoint.to_dict())


def _compressed(value: Mapping[str, Any]) -> dict[str, Any]:
    index = json.dumps(value.get("index", []), separators=(",", ":"))
    if len(index) <= _LARGE_INDEX:
        return dict(value)
    return {**value, "index": base64.b64encode(zlib.compress(index.encode("utf-8", "surrogatepass"))).decode()}


def with_index_read(carried: Mapping[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """Change what an event carries of a checkpoint, whose index may be compressed.

    Args:
        carried: The value of an event's item, as JSON.
        change: Is given the value with the index readable, and returns it changed.

    Returns:
        The changed value, in the form to store.

    Raises:
        CheckpointStoreError: The index cannot be unpacked.
    """
    changed = change({**carried, "checkpoint": _with_entries(carried["checkpoint"])})
    return {**changed, "checkpoint": _compressed(changed["checkpoint"])}


def _unpacked(value: Mapping[str, Any]) -> Checkpoint:
    return Checkpoint.from_dict(_with_entries(value))


def _with_entries(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the JSON form of a checkpoint with its index as entries."""
    index = value.get("index")
    if not isinstance(index, str):
        return value
    try:
        entries = json.loads(zlib.decompress(base64.b64decode(index)).decode("utf-8", "surrogatepass"))
    except (ValueError, zlib.error) as error:
        raise CheckpointStoreError(
            f"the index of checkpoint {value.get('version')} cannot be unpacked: {error}"
        ) from error
    return {**value, "index": entries}
