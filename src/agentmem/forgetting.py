"""Forgetting a person: every event, record, checkpoint and unsent message of one actor in one memory.

What is there is found first and counted, so that somebody can be asked; then it is deleted, and looked for again,
because an extraction that was under way may have written a record in between.
"""

from __future__ import annotations

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from agentmem.errors import AgentMemError, ConfigurationError
from agentmem.events.reader import check_answer
from agentmem.identity import validate_actor_id
from agentmem.templates import PLACEHOLDER, normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from agentmem.compaction.checkpoint import CheckpointKey
    from agentmem.config import MemoryConfig

__all__ = ["Forgetting", "Traces"]

PASSES = 3
"""How often it is deleted and looked again before something that keeps coming is reported."""

THREADS = 8
"""Calls at once; there is no operation that deletes more than one event."""

RECORD_BATCH = 100
"""Records a BatchDeleteMemoryRecords takes at the most."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Traces:
    """What there is of an actor.

    Attributes:
        events: Event ids by session, sessions without events included.
        records: Record ids.
        checkpoints: Whose checkpoints are kept outside the event log.
        unsent: Entries of the outbox.
        newest: Time of the newest event, UTC, or None.
        shared: Namespace templates that name no actor; what was extracted into them cannot be told apart.
    """

    events: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    records: tuple[str, ...] = ()
    checkpoints: tuple[CheckpointKey, ...] = ()
    unsent: int = 0
    newest: datetime | None = None
    shared: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How much there is, by kind; ``checkpoints`` counts agents' sessions that have some."""
        return {
            "sessions": len(self.events),
            "events": sum(map(len, self.events.values())),
            "records": len(self.records),
            "checkpoints": len(self.checkpoints),
            "unsent": self.unsent,
        }

    @property
    def to_delete(self) -> int:
        """How many calls deleting it takes, about; 0 when only the names of emptied sessions are left."""
        return sum(count for kind, count in self.counts.items() if kind != "sessions")


class Forgetting:
    """Finds and deletes what there is of one actor. No agent of that actor may be running meanwhile."""

    def __init__(self, config: MemoryConfig, actor_id: str) -> None:
        """Name the actor; nothing is called yet.

        Args:
            config: The memory, and where its checkpoints and its outbox are.
            actor_id: The actor.

        Raises:
            ConfigurationError: There is no memory id.
            IdentityError: The actor id is malformed.
        """
        if not config.memory_id:
            raise ConfigurationError("memory_id is missing. Give the memory that is to forget the actor.")
        self._config = config
        self._actor = validate_actor_id(actor_id, hierarchical=True)
        self._client = config.data_plane()

    def find(self) -> Traces:
        """Find what there is; only reads.

        Raises:
            ClientError: The service refused a call.
            CheckpointStoreError: The checkpoints could not be read.
        """
        events: dict[str, tuple[str, ...]] = {}
        newest: datetime | None = None
        for session in self._pages("list_sessions", "sessionSummaries", actorId=self._actor):
            name = session["sessionId"]
            found = list(
                self._pages("list_events", "events", actorId=self._actor, sessionId=name, includePayloads=False)
            )
            events[name] = tuple(event["eventId"] for event in found)
            newest = max([event["eventTimestamp"] for event in found] + ([newest] if newest else []), default=None)
        templates, shared = self._templates()
        return Traces(
            events=events,
            records=tuple(self._records(templates)),
            checkpoints=tuple(self._checkpoints()),
            unsent=self._outbox_count(),
            newest=newest,
            shared=tuple(shared),
        )

    def forget(self, traces: Traces, *, on_progress: Callable[[int], object] = lambda _done: None) -> Traces:
        """Delete what was found, and what turns up while that is done.

        Args:
            traces: What `find` found.
            on_progress: Called with how many things have been deleted.

        Returns:
            What was deleted.

        Raises:
            AgentMemError: Something keeps coming back: the actor's agent is running.
            ClientError: The service refused a call; call again to go on.
            CheckpointStoreError: A checkpoint could not be deleted; call again to go on.
        """
        done = traces
        count = 0

        def deleted(more: int) -> None:
            nonlocal count
            count += more
            on_progress(count)

        for _ in range(PASSES):
            self._delete(traces, deleted)
            traces = self.find()
            if not traces.to_delete:
                from agentmem.embedded import drop_actor

                drop_actor(self._config.boto_session(), self._config.memory_id, self._actor)
                return done
            done = _together(done, traces)
        raise AgentMemError(
            f"actor {self._actor!r} in memory {self._config.memory_id!r}: {traces.counts} came back after {PASSES} "
            "passes. Stop the agents of this actor and run it again."
        )

    def _delete(self, traces: Traces, deleted: Callable[[int], None]) -> None:
        if traces.unsent:
            from agentmem.events.outbox import open_outbox

            open_outbox(str(self._config.writes.outbox)).forget(self._config.memory_id, self._actor)
            deleted(traces.unsent)
        for key in traces.checkpoints:
            self._store().delete(key)
            deleted(1)
        with ThreadPoolExecutor(THREADS, thread_name_prefix="agentmem-forget") as pool:
            events = ((session, event) for session, ids in traces.events.items() for event in ids)
            for _ in pool.map(lambda one: self._delete_event(*one), list(events)):
                deleted(1)
        for start in range(0, len(traces.records), RECORD_BATCH):
            batch = traces.records[start : start + RECORD_BATCH]
            self._delete_records(batch)
            deleted(len(batch))

    def _delete_event(self, session_id: str, event_id: str) -> None:
        try:
            self._client.delete_event(
                memoryId=self._config.memory_id, actorId=self._actor, sessionId=session_id, eventId=event_id
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            _log.debug("event_id=<%s> | it was gone already", event_id)

    def _delete_records(self, record_ids: Iterable[str]) -> None:
        answer = self._client.batch_delete_memory_records(
            memoryId=self._config.memory_id, records=[{"memoryRecordId": one} for one in record_ids]
        )
        if failed := answer.get("failedRecords"):
            # What is left is found, and tried, again by the next pass.
            _log.warning("failed=<%d>, first=<%s> | records could not be deleted", len(failed), failed[0])

    def _records(self, templates: Iterable[str]) -> Iterator[str]:
        """Yield the ids of the records in the actor's namespaces, each once."""
        # Actor ids may hold slashes: with 'ann/bob' about, not everything below '/users/ann/' is ann's.
        nested = any(other.startswith(f"{self._actor}/") for other in self._actors())
        patterns = [_pattern(template, self._actor) for template in templates]
        owned = [_owned(template, self._actor) for template in templates]
        seen: set[str] = set()
        for path in sorted({path for path, _ in owned}):
            for record in self._pages("list_memory_records", "memoryRecordSummaries", namespacePath=path):
                names = [normalise(name) for name in record["namespaces"]]
                exact = any(pattern.fullmatch(name) for pattern in patterns for name in names)
                below = any(whole and name.startswith(at) for at, whole in owned for name in names)
                if record["memoryRecordId"] not in seen and (exact or (below and not nested)):
                    seen.add(record["memoryRecordId"])
                    yield record["memoryRecordId"]

    def _templates(self) -> tuple[list[str], list[str]]:
        """Return the templates that name the actor, strategy ids filled in, and those that do not."""
        memory = self._config.control_plane().get_memory(memoryId=self._config.memory_id)["memory"]
        found = [
            template
            for namespace in self._config.namespaces
            for template in (namespace.template, namespace.reflection_template)
            if template is not None and "{memoryStrategyId}" not in template
        ]
        for strategy in memory.get("strategies", []):
            strategy_id = strategy["strategyId"]
            found += [template.replace("{memoryStrategyId}", strategy_id) for template in _registered(strategy)]
        spelled = sorted({normalise(template.replace("{userId}", "{actorId}")) for template in found})
        return (
            [template for template in spelled if "{actorId}" in template],
            [template for template in spelled if "{actorId}" not in template],
        )

    def _actors(self) -> Iterator[str]:
        for actor in self._pages("list_actors", "actorSummaries"):
            yield actor["actorId"]

    def _checkpoints(self) -> Iterable[CheckpointKey]:
        keys_of = getattr(self._store(), "keys_of", None)
        found: Iterable[CheckpointKey] = () if keys_of is None else keys_of(self._config.memory_id, self._actor)
        return found

    def _store(self) -> Any:
        """Open the checkpoint store; those in the event log go with their events."""
        from agentmem.compaction.stores import open_store

        config = self._config
        return open_store(
            config.checkpoints, boto_session=config.boto_session(), region=config.region, data_client=self._client
        )

    def _outbox_count(self) -> int:
        path = self._config.writes.outbox
        if path is None:
            return 0
        from pathlib import Path

        from agentmem.events.outbox import open_outbox

        if not Path(path).expanduser().exists():
            return 0
        return open_outbox(path).count_of(self._config.memory_id, self._actor)

    def _pages(self, operation: str, member: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        for page in self._client.get_paginator(operation).paginate(
            memoryId=self._config.memory_id, maxResults=100, **parameters
        ):
            check_answer(page, operation, member)
            yield from page[member]


def _registered(described: Mapping[str, Any]) -> list[str]:
    """Return the templates a strategy of a memory files records under, those of its reflections included."""
    found = [str(one) for one in described.get("namespaceTemplates") or described.get("namespaces") or ()]
    for part in described.values():
        if isinstance(part, dict):
            found += _registered(part)
    return found


def _owned(template: str, actor: str) -> tuple[str, bool]:
    """Return the path that holds an actor's records of a template, and whether it holds nobody else's."""
    kept: list[str] = []
    for segment in template.strip("/").split("/"):
        filled = segment.replace("{actorId}", actor)
        if PLACEHOLDER.search(filled):
            return normalise("/".join(kept)), False
        kept.append(filled)
        if "{actorId}" in segment:
            return normalise("/".join(kept)), True
    return normalise("/".join(kept)), False


def _pattern(template: str, actor: str) -> re.Pattern[str]:
    """Return what the namespaces of one actor look like; other placeholders stand for one segment or part of one."""
    parts = re.split(r"(\{[^{}]*\})", template)
    return re.compile(
        "".join(
            re.escape(actor) if part == "{actorId}" else "[^/]+" if PLACEHOLDER.fullmatch(part) else re.escape(part)
            for part in parts
        )
    )


def _together(one: Traces, other: Traces) -> Traces:
    return replace(
        one,
        events={name: one.events.get(name, ()) + other.events.get(name, ()) for name in {**one.events, **other.events}},
        records=one.records + other.records,
        checkpoints=one.checkpoints + other.checkpoints,
        unsent=one.unsent + other.unsent,
    )
