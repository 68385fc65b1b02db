"""Finds new records in a namespace by comparing it with a baseline."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from agentmem.errors import ConfigurationError
from agentmem.events.position import Position

Record: TypeAlias = dict[str, Any]
"""A `MemoryRecordSummary` as boto3 returns it."""

Match: TypeAlias = Literal["exact", "prefix", "path"]
"""How a namespace is matched: `exact`, or everything at and below it (`prefix` and `path` mean the same)."""


@dataclass(frozen=True)
class Mark:
    """The records of a memory at one moment, to recognize new ones later.

    Attributes:
        at: When it was taken, by the clock of this machine, UTC.
        memory_id: The memory.
        records: A fingerprint of every record by its id, for each place, which is (match, namespace).
        actor_id: The actor whose extraction jobs are watched, or None.
        session_id: The session whose extraction jobs are watched, or None.
        failed_jobs: Ids of the jobs that had failed by then; None when they could not be listed.
    """

    at: datetime
    memory_id: str
    records: Mapping[tuple[str, str], Mapping[str, str]] = field(repr=False)
    actor_id: str | None = None
    session_id: str | None = None
    failed_jobs: frozenset[str] | None = None

    def known(self, memory_id: str, namespace: str, match: Match) -> Mapping[str, str] | None:
        """Return the fingerprints of a namespace's records, or None when the mark does not cover it."""
        if memory_id != self.memory_id:
            return None
        return self.records.get(place_key(namespace, match))


Since: TypeAlias = datetime | Mapping[str, Any] | str | Mark
"""From when on a record is new: a time, an event (boto3's dictionary), an event id, or a mark."""


@dataclass
class Novelty:
    """Tells new records from known ones.

    A record is new when it was not there at the baseline, or when its `createdAt` or its content is another than
    then: consolidation may rewrite a record in place. A record that has gone is nothing new.

    With a mark the baseline is the mark's. With a time it is the first complete look at the namespace, and a record
    whose `createdAt` is not before that time is new even if it was there already. So clocks that disagree by a few
    seconds can mislead only about what was made just before the first look; a mark depends on no clock.

    Attributes:
        since: The time, or None for a mark's baseline.
        known: The baseline, or None as long as there is none.
        everything: Whether there is no baseline and every record counts.
    """

    since: datetime | None = None
    known: Mapping[str, str] | None = None
    everything: bool = False

    @classmethod
    def of(cls, since: Since | None, memory_id: str, namespace: str, match: Match) -> Novelty:
        """Make the comparison that `since` asks for.

        Raises:
            ConfigurationError: `since` is none of the things it can be, or a time without a time zone.
        """
        if since is None:
            return cls(everything=True)
        if isinstance(since, Mark):
            known = since.known(memory_id, namespace, match)
            return cls(since=None if known is not None else since.at, known=known)
        return cls(since=_time_of(since))

    def fresh(self, records: Iterable[Record], *, complete: bool) -> list[Record]:
        """Return the new ones among all records of the namespace.

        Args:
            records: The records of the namespace.
            complete: Whether these are all; only then they can become the baseline.
        """
        listed = list(records)
        if self.everything:
            return listed
        known = self.known
        if known is None:
            if complete:
                self.known = fingerprints(listed)
            return [record for record in listed if self._is_recent(record)]
        return [
            record
            for record in listed
            if known.get(str(record["memoryRecordId"])) != _fingerprint(record) or self._is_recent(record)
        ]

    def _is_recent(self, record: Record) -> bool:
        created = record.get("createdAt")
        if self.since is None or not isinstance(created, datetime):
            return False
        if created.tzinfo is None:
            created = created.replace(tzinfo=UTC)
        return created >= self.since


def fingerprints(records: Iterable[Record]) -> dict[str, str]:
    """Return a fingerprint of `createdAt` and content for each record id."""
    return {str(record["memoryRecordId"]): _fingerprint(record) for record in records}


def place_key(namespace: str, match: Match) -> tuple[str, str]:
    """Return the key of a namespace's records in a mark."""
    return ("exact" if match == "exact" else "path", namespace)


def place_parameters(namespace: str, match: Match) -> dict[str, str]:
    """Return the one of the service's two namespace parameters that `match` asks for."""
    return {"namespace": namespace} if match == "exact" else {"namespacePath": namespace}


def is_in_place(record: Record, namespace: str, match: Match) -> bool:
    """Whether a record is where it was searched; a path without its last slash would find a neighbour's too."""
    if match == "exact":
        return True
    path = namespace.rstrip("/")
    return any(name.rstrip("/") == path or name.startswith(f"{path}/") for name in record.get("namespaces") or [path])


def _fingerprint(record: Record) -> str:
    content = json.dumps(record.get("content"), sort_keys=True, default=str)
    digest = hashlib.blake2s(content.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    created = record.get("createdAt")
    return f"{created.timestamp() if isinstance(created, datetime) else created}/{digest}"


def _time_of(since: datetime | Mapping[str, Any] | str) -> datetime:
    if isinstance(since, datetime):
        if since.tzinfo is None:
            raise ConfigurationError(
                f"since = {since!r} has no time zone, so it could mean any of them. Give "
                "datetime.now(timezone.utc), or convert it with .astimezone()."
            )
        return since
    if isinstance(since, Mapping):
        event = since.get("event", since)
        stamp = event.get("eventTimestamp") if isinstance(event, Mapping) else None
        if isinstance(stamp, datetime):
            return stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
        since = str(event.get("eventId", "")) if isinstance(event, Mapping) else ""
    if isinstance(since, str):
        milliseconds = Position(since).milliseconds
        if milliseconds >= 0:
            return datetime.fromtimestamp(milliseconds / 1000, UTC)
    raise ConfigurationError(
        f"since = {since!r} is not a time. Give a datetime with a time zone, the event that create_event returned, "
        "an event id such as '0000001767225600000#a1b2c3d4', or a mark from memory.mark()."
    )
