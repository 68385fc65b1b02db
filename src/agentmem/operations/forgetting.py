"""Deletes every event, record, checkpoint and unsent message of one actor in one memory.

What is there is found first and counted, so that somebody can be asked; then it is deleted, and looked for again,
because an extraction that was under way may have written a record in between.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from agentmem.errors import AgentMemError
from agentmem.operations.inventory import Inventory
from agentmem.operations.session_agents import agents_of
from agentmem.scope.identity import validate_actor_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from agentmem.checkpoints.checkpoint import CheckpointKey
    from agentmem.config import MemoryConfig

PASSES = 3
"""How often it is deleted and looked again before something that keeps coming is reported."""

THREADS = 8
"""Calls at once; there is no operation that deletes more than one event."""

RECORD_BATCH = 100
"""Records a BatchDeleteMemoryRecords takes at the most."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Traces:
    """The stored data of an actor.

    Attributes:
        events: Event ids by session, sessions without events included.
        records: Record ids.
        checkpoints: Keys of the checkpoints outside the event log.
        unsent: Entries of the outbox.
        newest: Time of the newest event, UTC, or None.
        shared: Namespace templates without an actor; their records cannot be separated by actor.
        agents: The agents that events name, nodes and agents as tools included, each as ``session: agent``.
    """

    events: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    records: tuple[str, ...] = ()
    checkpoints: tuple[CheckpointKey, ...] = ()
    unsent: int = 0
    newest: datetime | None = None
    shared: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()

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
    """Finds and deletes the stored data of one actor. No agent of that actor may run at the same time."""

    def __init__(self, config: MemoryConfig, actor_id: str) -> None:
        """Name the actor; nothing is called yet.

        Args:
            config: The memory, and where its checkpoints and its outbox are.
            actor_id: The actor.

        Raises:
            ConfigurationError: There is no memory id.
            IdentityError: The actor id is malformed.
        """
        self._inventory = Inventory(config)
        self._config = config
        self._actor = validate_actor_id(actor_id, hierarchical=True)

    def find(self) -> Traces:
        """Find the stored data; only reads.

        Raises:
            ClientError: The service refused a call.
            BotoCoreError, ResponseParserError: It could not be reached, or its answer was none.
            CheckpointStoreError: The checkpoints could not be read.
        """
        events: dict[str, tuple[str, ...]] = {}
        times: list[datetime] = []
        agents: list[str] = []
        for session in self._inventory.sessions(self._actor):
            found = list(self._inventory.events(self._actor, session["sessionId"], payloads=False))
            events[session["sessionId"]] = tuple(event["eventId"] for event in found)
            agents += [f"{session['sessionId']}: {one.agent_id}" for one in agents_of(found)]
            times += [event["eventTimestamp"] for event in found]
        return Traces(
            events=events,
            records=tuple(record["memoryRecordId"] for record in self._inventory.records_of(self._actor)),
            checkpoints=tuple(self._inventory.checkpoints(self._actor)),
            unsent=self._outbox_count(),
            newest=max(times, default=None),
            shared=tuple(self._inventory.templates()[1]),
            agents=tuple(agents),
        )

    def forget(self, traces: Traces, *, on_progress: Callable[[int], object] = lambda _done: None) -> Traces:
        """Delete the given data, and data that appears during the deletion.

        Args:
            traces: The result of `find`.
            on_progress: Called with how many things have been deleted.

        Returns:
            What was deleted.

        Raises:
            AgentMemError: Something keeps coming back: the actor's agent is running.
            ClientError: The service refused a call; call again to go on.
            BotoCoreError, ResponseParserError: It could not be reached, or its answer was none.
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
                from agentmem.clients.embedded import drop_actor

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
            self._inventory.store().delete(key)
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
            self._inventory.client.delete_event(
                memoryId=self._config.memory_id, actorId=self._actor, sessionId=session_id, eventId=event_id
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            _log.debug("event_id=<%s> | it was gone already", event_id)

    def _delete_records(self, record_ids: Iterable[str]) -> None:
        answer = self._inventory.client.batch_delete_memory_records(
            memoryId=self._config.memory_id, records=[{"memoryRecordId": one} for one in record_ids]
        )
        if failed := answer.get("failedRecords"):
            # What is left is found, and tried, again by the next pass.
            _log.warning("failed=<%d>, first=<%s> | records could not be deleted", len(failed), failed[0])

    def _outbox_count(self) -> int:
        path = self._config.writes.outbox
        if path is None:
            return 0
        from pathlib import Path

        from agentmem.events.outbox import open_outbox

        if not Path(path).expanduser().exists():
            return 0
        return open_outbox(path).count_of(self._config.memory_id, self._actor)


def _together(one: Traces, other: Traces) -> Traces:
    return replace(
        one,
        events={name: one.events.get(name, ()) + other.events.get(name, ()) for name in {**one.events, **other.events}},
        records=one.records + other.records,
        checkpoints=one.checkpoints + other.checkpoints,
        unsent=one.unsent + other.unsent,
    )
