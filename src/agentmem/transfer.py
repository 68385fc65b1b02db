"""A memory as lines of JSON, and back: sessions, events, branches, records and checkpoints.

The first line describes the memory and the last one counts what is in between, so that a file that was cut off is
noticed. Every other line is a session, an event, a record or a checkpoint, in the order they are to be written in.

The service gives every event and record an id and a creation time of its own; they cannot be kept. Times of events
and records, order, metadata, branches and payloads are, and what refers to an event by its id (branches, checkpoints,
marks of ours in payloads) is made to refer to its copy. Records are found by the namespace templates of the memory's
strategies; one that was put elsewhere by hand is not found.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agentmem.compaction.checkpoint import Checkpoint, CheckpointKey
from agentmem.errors import AgentMemError, CheckpointConflictError
from agentmem.events.position import Position
from agentmem.inventory import Inventory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import TextIO

    from agentmem.config import MemoryConfig

__all__ = ["FORMAT", "Import", "TransferError", "export_lines"]

FORMAT = 1
"""The file format this version writes and reads."""

RECORD_BATCH = 100
"""Records a BatchCreateMemoryRecords takes at the most."""

_MARK = "agentmem"
_MESSAGE = "message"
_KINDS = ("session", "event", "record", "checkpoint")


class TransferError(AgentMemError):
    """A file of exported lines cannot be used, or not all of it."""


def export_lines(config: MemoryConfig, *, actor_id: str | None = None) -> Iterator[dict[str, Any]]:
    """Read a memory, or what there is of one actor, as JSON objects; one session's events are held at a time.

    Args:
        config: The memory, and where its checkpoints are.
        actor_id: Only this actor.

    Yields:
        The lines of a file, in order.

    Raises:
        ClientError: The service refused a call.
        CheckpointStoreError: The checkpoints could not be read.
    """
    inventory = Inventory(config)
    memory = inventory.memory()
    yield {
        "kind": "memory",
        "format": FORMAT,
        "memory_id": config.memory_id,
        "exported_at": datetime.now(UTC).isoformat(),
        "strategies": [{"id": one["strategyId"], "name": one["name"]} for one in memory.get("strategies", [])],
    }
    counts: Counter[str] = Counter()
    for line in _contents(inventory, actor_id):
        counts[line["kind"]] += 1
        yield line
    yield {"kind": "end", **{kind: counts[kind] for kind in _KINDS}}


def _contents(inventory: Inventory, actor_id: str | None) -> Iterator[dict[str, Any]]:
    for actor in [actor_id] if actor_id is not None else list(inventory.actors()):
        # Oldest first, so that written in this order they are listed in the old one.
        for session in reversed(list(inventory.sessions(actor))):
            whose = {"actor": actor, "session": session["sessionId"]}
            yield {"kind": "session", **whose, "created_at": session["createdAt"].astimezone(UTC).isoformat()}
            for event in reversed(list(inventory.events(actor, session["sessionId"]))):
                yield {"kind": "event", **whose, **_event_line(event)}
    records = inventory.records() if actor_id is None else inventory.records_of(actor_id)
    for record in reversed(list(records)):
        yield {"kind": "record", **_record_line(record)}
    store = inventory.store()
    for key in inventory.checkpoints(actor_id):
        for checkpoint in reversed(list(store.history(key))):
            whose = {"actor": key.actor_id, "session": key.session_id, "agent": key.agent_id}
            yield {"kind": "checkpoint", **whose, "checkpoint": checkpoint.to_dict()}


def _event_line(event: Mapping[str, Any]) -> dict[str, Any]:
    line = {"id": event["eventId"], "at": _milliseconds(event["eventTimestamp"]), "payload": event.get("payload", [])}
    return {**line, **{name: event[name] for name in ("branch", "metadata") if event.get(name)}}


def _record_line(record: Mapping[str, Any]) -> dict[str, Any]:
    at = record.get("timestamp") or record["createdAt"]
    line = {
        "id": record["memoryRecordId"],
        "at": _milliseconds(at),
        "namespaces": record["namespaces"],
        "strategy": record.get("memoryStrategyId", ""),
        "text": record["content"]["text"],
    }
    metadata = {name: _stamped(value) for name, value in record.get("metadata", {}).items()}
    return {**line, "metadata": metadata} if metadata else line


class Import:
    """Writes exported lines into a memory.

    What is done is noted in a progress file, so that an import that was interrupted goes on where it stopped; what was
    under way at that moment is told by its idempotency token.
    """

    def __init__(self, config: MemoryConfig, progress: TextIO, done: Iterable[str] = ()) -> None:
        """Prepare.

        Args:
            config: The memory to write to.
            progress: Open for appending; a line is added and flushed for each thing that was written.
            done: The lines it has already.
        """
        self._inventory = Inventory(config)
        self._config = config
        self._client = self._inventory.client
        self._progress = progress
        self._done: dict[str, str] = {}
        for line in done:
            if line.endswith("\n"):  # the last one may have been cut off
                key, value = json.loads(line)
                self._done[key] = value
        self._source = ""
        self._strategies: dict[str, str] = {}
        self._batch: list[dict[str, Any]] = []
        self._events: dict[tuple[str, str], dict[str, str]] = {}
        self._following: Counter[CheckpointKey] = Counter()
        self._counts: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()

    def run(self, lines: Iterable[str], *, on_line: Callable[[int], object] = lambda _number: None) -> dict[str, int]:
        """Write what the lines hold.

        Args:
            lines: The lines of a file that `export_lines` made.
            on_line: Called with the number of each line.

        Returns:
            How much there was, by kind; `left_out` counts what could not be written.

        Raises:
            TransferError: A line is malformed, or the file was cut off.
            ClientError: The service refused a call; run it again to go on.
            CheckpointStoreError: A checkpoint could not be saved; run it again to go on.
        """
        kind = ""
        for number, text in enumerate(lines, 1):
            line = _parsed(text, number)
            kind = line["kind"]
            if number == 1:
                self._begin(line)
            elif kind == "end":
                self._flush_records()
                self._check_end(line)
            else:
                self._counts[kind] += 1
                self._write(line, number)
            on_line(number)
        if kind != "end":
            raise TransferError(
                "the file has no last line: it was cut off. What was in it is written; export it again."
            )
        return {name: self._counts[name] for name in _KINDS}

    def _begin(self, line: Mapping[str, Any]) -> None:
        if line["kind"] != "memory" or line.get("format") != FORMAT:
            raise TransferError(
                f"line 1: it is not the beginning of an export of format {FORMAT} (kind {line['kind']!r}, format "
                f"{line.get('format')!r}). Give a file that `agentmem export` wrote, or upgrade agentmem."
            )
        self._source = line["memory_id"]
        here = {one["name"]: one["strategyId"] for one in self._inventory.memory().get("strategies", [])}
        self._strategies = {one["id"]: here.get(one["name"], "") for one in line["strategies"]}

    def _write(self, line: Mapping[str, Any], number: int) -> None:
        match line["kind"]:
            case "event":
                self._write_event(line)
            case "record":
                self._batch.append({**line, "number": number})
                if len(self._batch) == RECORD_BATCH:
                    self._flush_records()
            case "checkpoint":
                self._flush_records()
                self._write_checkpoint(line)

    def _write_event(self, line: Mapping[str, Any]) -> None:
        copies = self._events.setdefault((line["actor"], line["session"]), {})
        key = f"event {line['actor']} {line['session']} {line['id']}"
        if key in self._done:
            copies[line["id"]] = self._done[key]
            return
        request: dict[str, Any] = {
            "memoryId": self._config.memory_id,
            "actorId": line["actor"],
            "sessionId": line["session"],
            "eventTimestamp": _time(line["at"]),
            "payload": [_pointed(item, copies) for item in line["payload"]],
            "clientToken": self._token(key),
            # What was extracted is in the file already.
            "extractionMode": "SKIP",
        }
        if branch := line.get("branch"):
            root = branch.get("rootEventId")
            if root is not None and root not in copies:
                self.left_out["events of a branch whose root was deleted"] += 1
                return
            request["branch"] = {**branch, "rootEventId": copies[root]} if root is not None else branch
        if metadata := line.get("metadata"):
            request["metadata"] = metadata
        copies[line["id"]] = self._client.create_event(**request)["event"]["eventId"]
        self._note(key, copies[line["id"]])

    def _flush_records(self) -> None:
        batch, self._batch = self._batch, []
        batch = [one for one in batch if f"record {one['id']}" not in self._done]
        if not batch:
            return
        answer = self._client.batch_create_memory_records(
            memoryId=self._config.memory_id,
            records=[self._record(one, str(place)) for place, one in enumerate(batch)],
            clientToken=self._token(" ".join(one["id"] for one in batch)),
        )
        for one in answer["successfulRecords"]:
            self._note(f"record {batch[int(one['requestIdentifier'])]['id']}", one["memoryRecordId"])
        for one in answer["failedRecords"]:
            self.left_out[f"records: {one.get('errorMessage') or one.get('errorCode')}"] += 1

    def _record(self, line: Mapping[str, Any], identifier: str) -> dict[str, Any]:
        record: dict[str, Any] = {
            "requestIdentifier": identifier,
            "namespaces": [self._namespace(name) for name in line["namespaces"]],
            "content": {"text": line["text"]},
            "timestamp": _time(line["at"]),
        }
        if strategy := self._strategies.get(line["strategy"]):
            record["memoryStrategyId"] = strategy
        if "metadata" in line:
            record["metadata"] = {name: _unstamped(value) for name, value in line["metadata"].items()}
        return record

    def _namespace(self, name: str) -> str:
        """Put the strategy's id here in the place of its id there, where a namespace holds it."""
        return "/".join(self._strategies.get(segment) or segment for segment in name.split("/"))

    def _write_checkpoint(self, line: Mapping[str, Any]) -> None:
        key = CheckpointKey(self._config.memory_id, line["actor"], line["session"], line["agent"])
        self._following[key] += 1
        name = f"checkpoint {key.partition} {key.agent_id} {line['checkpoint'].get('version')}"
        if name in self._done:
            return
        copies = self._events.get((key.actor_id, key.session_id), {})

        def moved(position: Position) -> Position:
            return Position(copies.get(position.event_id, position.event_id), position.item)

        # The oldest versions may have expired; a store begins with 1.
        checkpoint = replace(
            Checkpoint.from_dict(line["checkpoint"]).map_positions(moved), version=self._following[key]
        )
        try:
            self._inventory.store().save(key, checkpoint)
        except CheckpointConflictError as error:
            raise TransferError(f"the session has other checkpoints already: {error}") from error
        self._note(name, "")

    def _check_end(self, line: Mapping[str, Any]) -> None:
        for kind in _KINDS:
            if line.get(kind) != self._counts[kind]:
                raise TransferError(
                    f"the file says it holds {line.get(kind)} lines of kind {kind!r} and has {self._counts[kind]}: "
                    "some are missing. Export it again."
                )

    def _token(self, key: str) -> str:
        return hashlib.sha256(f"{self._source} {self._config.memory_id} {key}".encode()).hexdigest()

    def _note(self, key: str, value: str) -> None:
        self._done[key] = value
        self._progress.write(json.dumps([key, value]) + "\n")
        self._progress.flush()


def _parsed(text: str, number: int) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError as error:
        raise TransferError(f"line {number}: not valid JSON ({error}). Export it again.") from error
    if not isinstance(line, dict) or line.get("kind") not in {"memory", "end", *_KINDS}:
        raise TransferError(f"line {number}: it is no line of an export.")
    return line


def _pointed(item: dict[str, Any], copies: Mapping[str, str]) -> dict[str, Any]:
    """Make what an item of ours says of events say it of their copies."""
    blob = item.get("blob")
    if not isinstance(blob, str) or not blob.startswith(f'{{"{_MARK}"'):
        return item
    value = json.loads(blob)
    if value[_MARK] == _MESSAGE:
        return item  # it holds what somebody said, and no event ids
    return {"blob": json.dumps(_moved(value, copies), separators=(",", ":"))}


def _moved(value: Any, copies: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _moved(item, copies) for name, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, copies) for item in value]
    return copies.get(value, value) if isinstance(value, str) else value


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000)


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC)


def _stamped(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: item.astimezone(UTC).isoformat() if isinstance(item, datetime) else item for name, item in value.items()
    }


def _unstamped(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: datetime.fromisoformat(item) if name == "dateTimeValue" else item for name, item in value.items()}
