"""Lists and searches long-term memory, reads failed extraction jobs, and waits for new records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from agentmem.clients.answers import check_answer
from agentmem.records.retrieval import MemoryRecord, record_of, search

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentmem.config import MemoryConfig
    from agentmem.inspector.views.place import Place

__all__ = ["Job", "NamespaceItem", "RecordPage", "list_jobs", "list_page", "namespaces_of", "search_records"]

PAGE_SIZE = 50
SEARCHED = 50
"""Records a search shows at most; the service takes 100."""


@dataclass(frozen=True)
class NamespaceItem:
    """A configured namespace of an actor and a session.

    Attributes:
        name: Its configured name.
        path: The namespace.
        kind: The kind of strategy that fills it.
        relevance_score: The least score an agent's search takes, or None.
    """

    name: str
    path: str
    kind: str
    relevance_score: float | None


@dataclass(frozen=True)
class RecordPage:
    """A page of records.

    Attributes:
        records: The records.
        next_token: Where the next page begins, or None.
    """

    records: tuple[MemoryRecord, ...]
    next_token: str | None


@dataclass(frozen=True)
class Job:
    """A failed extraction job.

    Attributes:
        job_id: Its id.
        reason: Why it failed.
        strategy_id: The strategy.
        event_ids: The events it was about.
    """

    job_id: str
    reason: str
    strategy_id: str
    event_ids: tuple[str, ...]


def namespaces_of(
    config: MemoryConfig, place: Place, variables: Mapping[str, str] | None = None
) -> list[NamespaceItem]:
    """Return the configured namespaces, filled in for an actor and a session; no call.

    Raises:
        IdentityError: An id is malformed.
        ConfigurationError: A variable is missing.
    """
    bound = config.bind(place.actor_id, place.session_id, variables)
    return [
        NamespaceItem(one.name, bound.namespace(one.name), str(one.kind), one.relevance_score)
        for one in config.namespaces
    ]


def list_page(
    config: MemoryConfig, place: Place, name: str, token: str | None, variables: Mapping[str, str] | None = None
) -> RecordPage:
    """List a page of the records of one namespace; one call.

    Raises:
        ConfigurationError: There is no namespace of that name.
        ClientError: The service refused the call.
    """
    path = config.bind(place.actor_id, place.session_id, variables).namespace(name)
    more = {"nextToken": token} if token else {}
    answer = config.data_plane().list_memory_records(
        memoryId=config.memory_id, namespace=path, maxResults=PAGE_SIZE, **more
    )
    check_answer(answer, "list_memory_records", "memoryRecordSummaries")
    return RecordPage(
        tuple(record_of(summary, path) for summary in answer["memoryRecordSummaries"]), answer.get("nextToken") or None
    )


def search_records(
    config: MemoryConfig, place: Place, name: str, query: str, variables: Mapping[str, str] | None = None
) -> list[MemoryRecord]:
    """Search one namespace and return what is found however low it scores, best first; one call.

    Raises:
        ConfigurationError: There is no namespace of that name, or the query is malformed.
        ClientError: The service refused the call.
    """
    plain = config.namespace(name).replace(relevance_score=None, top_k=SEARCHED)
    others = tuple(plain if one.name == name else one for one in config.namespaces)
    return search(config.replace(namespaces=others).bind(place.actor_id, place.session_id, variables), name, query)


def list_jobs(config: MemoryConfig, place: Place) -> list[Job] | None:
    """List the failed extraction jobs of a session; None when the service does not tell. One call.

    The service tells of failed jobs only, never of those under way or done.
    """
    try:
        answer: dict[str, Any] = config.data_plane().list_memory_extraction_jobs(
            memoryId=config.memory_id,
            maxResults=50,
            filter={"actorId": place.actor_id, "sessionId": place.session_id, "status": "FAILED"},
        )
        check_answer(answer, "list_memory_extraction_jobs", "jobs")
    except ClientError:
        return None
    return [
        Job(
            job_id=str(job.get("jobID", "")),
            reason=str(job.get("failureReason") or "no reason given"),
            strategy_id=str(job.get("strategyId", "")),
            event_ids=tuple(
                str(one["eventId"]) for one in (job.get("messages") or {}).get("messagesList") or () if "eventId" in one
            ),
        )
        for job in answer["jobs"]
    ]
