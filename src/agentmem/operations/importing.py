"""Writes exported lines into a memory, and continues after an interruption.

The service gives every event and record an id and a creation time of its own; they cannot be kept, and `Import.ids`
tells which became which. Times of events and records, order, metadata, branches and payloads are kept, and what refers
to an event by its id (branches, checkpoints, marks of ours in payloads) is made to refer to its copy.

Further limits of the service's API: an event's term begins anew; a record that expires is given a term in whole days,
31 at the least, so it may outlive the original by two days or up to a month; a session without events cannot be made.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey
from agentmem.checkpoints.checkpoint_items import with_index_read
from agentmem.errors import CheckpointConflictError
from agentmem.events.position import Position
from agentmem.operations.inventory import Inventory
from agentmem.operations.transfer import FORMAT, KINDS, TransferError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import TextIO

    from agentmem.config import MemoryConfig

RECORD_BATCH = 100
"""Records a BatchCreateMemoryRecords takes at the most."""

LEAST_DAYS = 31
"""The shortest term a record may be given (botocore: `RecordExpiryDurationDays`)."""

_DAY = 86_400_000
_MARK = "agentmem"
_MESSAGE, _CHECKPOINT = "message", "checkpoint"


class Import:
    """Writes exported lines into a memory.

    What is done is noted in a progress file, so that an import that was interrupted goes on where it stopped; what was
    under way at that moment is told by its idempotency token.

    Attributes:
        left_out: Number of lines that could not be written, by reason.
        changed: Number of lines that were written with a change, by kind of change.
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
        self._now = 0
        self._strategies: dict[str, str] = {}
        self._batch: list[dict[str, Any]] = []
        self._events: dict[tuple[str, str], dict[str, str]] = {}
        self._following: Counter[CheckpointKey] = Counter()
        self._counts: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.changed: Counter[str] = Counter()

    def run(self, lines: Iterable[str], *, on_line: Callable[[int], object] = lambda _number: None) -> dict[str, int]:
        """Write the content of the lines.

        Args:
            lines: The lines of a file that `export_lines` made.
            on_line: Called with the number of each line.

        Returns:
            How much there was, by kind; `left_out` counts what could not be written.

        Raises:
            TransferError: A line is malformed, or the file was cut off.
            ClientError: The service refused a call; run it again to go on.
            BotoCoreError, ResponseParserError: It could not be reached, or its answer was none.
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
                self._write(line)
            on_line(number)
        if kind != "end":
            raise TransferError(
                "the file has no last line: it was cut off. What was in it is written; export it again."
            )
        return {name: self._counts[name] for name in KINDS}

    def ids(self) -> Iterator[dict[str, str]]:
        """Yield which event and which record became which: ``kind``, ``id`` and ``new_id``, events with their session.

        What was left out is not among them.
        """
        for key, new_id in self._done.items():
            match key.split(" "):
                case ["event", actor, session, event_id]:
                    yield {"kind": "event", "actor": actor, "session": session, "id": event_id, "new_id": new_id}
                case ["record", record_id]:
                    yield {"kind": "record", "id": record_id, "new_id": new_id}

    def _begin(self, line: Mapping[str, Any]) -> None:
        if line["kind"] != "memory" or line.get("format") != FORMAT:
            raise TransferError(
                f"line 1: it is not the beginning of an export of format {FORMAT} (kind {line['kind']!r}, format "
                f"{line.get('format')!r}). Give a file that `agentmem export` wrote, or upgrade agentmem."
            )
        self._source = line["memory_id"]
        self._now = round(datetime.now(UTC).timestamp() * 1_000)
        strategies = self._inventory.memory().get("strategies", [])
        here = {one["name"]: one["strategyId"] for one in strategies}
        self._strategies = {one["id"]: here.get(one["name"], "") for one in line["strategies"]}

    def _write(self, line: Mapping[str, Any]) -> None:
        match line["kind"]:
            case "event":
                self._write_event(line)
            case "record":
                self._take_record(line)
            case "checkpoint":
                self._flush_records()
                self._write_checkpoint(line)

    # ---- events

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

    # ---- records

    def _take_record(self, line: Mapping[str, Any]) -> None:
        """Put a record into the batch; a batch has one term, and the order is kept."""
        if self._batch and (len(self._batch) == RECORD_BATCH or _last_day(self._batch[0]) != _last_day(line)):
            self._flush_records()
        self._batch.append(dict(line))

    def _flush_records(self) -> None:
        batch, self._batch = self._batch, []
        missing = [place for place, one in enumerate(batch) if self._is_missing(one)]
        if not missing:
            return
        days = self._days(batch[0])
        answer = self._client.batch_create_memory_records(
            memoryId=self._config.memory_id,
            records=[self._record(batch[place], str(place)) for place in missing],
            # Of the whole batch: one that was noted only in part is the same request to the service.
            clientToken=self._token(" ".join(one["id"] for one in batch)),
            **({} if days is None else {"recordExpirySpecification": {"recordExpiryDurationDays": days}}),
        )
        made = {int(one["requestIdentifier"]): one["memoryRecordId"] for one in answer["successfulRecords"]}
        for place in missing:
            if place in made:
                self._account(batch[place])
                self._note(f"record {batch[place]['id']}", made[place])
        for one in answer["failedRecords"]:
            self.left_out[f"records: {one.get('errorMessage') or one.get('errorCode')}"] += 1

    def _is_missing(self, line: Mapping[str, Any]) -> bool:
        if line.get("expires_at", math.inf) <= self._now:
            self.changed["records not written, which have expired since they were exported"] += 1
            return False
        return f"record {line['id']}" not in self._done

    def _days(self, line: Mapping[str, Any]) -> int | None:
        """Return the term to give a record, from the import on, so that it does not expire before the original."""
        last_day = _last_day(line)
        return None if last_day is None else max(math.ceil(((last_day + 1) * _DAY - self._now) / _DAY), LEAST_DAYS)

    def _account(self, line: Mapping[str, Any]) -> None:
        """Count a record that could not be made the same."""
        if line["strategy"] and not self._strategy(line):
            self.changed["records without their strategy, which this memory does not have"] += 1
        if line.get("expires_at", math.inf) < self._now + (LEAST_DAYS - 1) * _DAY:
            self.changed[f"records that are kept longer: the service's shortest term is {LEAST_DAYS} days"] += 1

    def _strategy(self, line: Mapping[str, Any]) -> str:
        return self._strategies.get(line["strategy"], "")

    def _record(self, line: Mapping[str, Any], identifier: str) -> dict[str, Any]:
        record: dict[str, Any] = {
            "requestIdentifier": identifier,
            "namespaces": [self._namespace(name) for name in line["namespaces"]],
            "content": {"text": line["text"]},
            "timestamp": _time(line["at"]),
        }
        if strategy := self._strategy(line):
            record["memoryStrategyId"] = strategy
        if "metadata" in line:
            record["metadata"] = {name: _unstamped(value) for name, value in line["metadata"].items()}
        return record

    def _namespace(self, name: str) -> str:
        """Put the strategy's id here in the place of its id there, where a namespace holds it."""
        return "/".join(self._strategies.get(segment) or segment for segment in name.split("/"))

    # ---- checkpoints

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

    # ---- inside

    def _check_end(self, line: Mapping[str, Any]) -> None:
        for kind in KINDS:
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
    if not isinstance(line, dict) or line.get("kind") not in {"memory", "end", *KINDS}:
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
    if value[_MARK] == _CHECKPOINT:
        moved = with_index_read(value, lambda read: _moved(read, copies))
    else:
        moved = _moved(value, copies)
    return {"blob": json.dumps(moved, separators=(",", ":"))}


def _moved(value: Any, copies: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _moved(item, copies) for name, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, copies) for item in value]
    return copies.get(value, value) if isinstance(value, str) else value


def _last_day(line: Mapping[str, Any]) -> int | None:
    """Return the day on which a record expires, counted from 1970, or None; the same whenever it is asked."""
    return line["expires_at"] // _DAY if "expires_at" in line else None


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC)


def _unstamped(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: datetime.fromisoformat(item) if name == "dateTimeValue" else item for name, item in value.items()}
