"""Searches long-term memory: one namespace, or all of them at once within a time budget."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import zip_longest
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from agentmem.clients.answers import check_answer
from agentmem.drawing.figures import facts, one_line
from agentmem.drawing.markup import element
from agentmem.drawing.notebook import card
from agentmem.errors import ConfigurationError
from agentmem.events.serializer import valid_text
from agentmem.messages.fencing import record_element, statement_of, within_tokens
from agentmem.records.standing_out import CANDIDATES, standing_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Executor

    from agentmem.scope.namespaces import Namespace
    from agentmem.scope.scope import SessionScope

QUERY_LIMIT = 10_000
"""Most characters of a query (botocore: `SearchCriteriaSearchQueryString`)."""

LIST_PAGE = 100
"""Records a page, the service's maximum (botocore: `MaxResults`)."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MemoryRecord:
    """One long-term memory record.

    Attributes:
        text: Its content. Facts are sentences, preferences JSON (`context`, `preference`, `categories`), summaries
            XML-like topics.
        score: Relevance to the query, higher is better. The service does not document a scale, and scores of
            different searches or namespaces cannot be compared.
        namespace: Where it is filed, such as `/users/user123/facts/`.
        record_id: Its id.
        created_at: When it was made, UTC.
        metadata: Its metadata, plain values by key.
    """

    text: str
    score: float
    namespace: str
    record_id: str
    created_at: datetime
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __repr__(self) -> str:
        """Tell the score, the beginning of the text, and where it is."""
        return (
            f"MemoryRecord(score={self.score:.3f}, text={one_line(self.text)!r}, namespace={self.namespace!r}, "
            f"record_id={self.record_id!r})"
        )

    def _repr_html_(self) -> str:
        """Draw the record in a notebook."""
        told = {
            "score": f"{self.score:.3f}",
            "namespace": self.namespace,
            "made": f"{self.created_at:%Y-%m-%d %H:%M:%S %Z}",
            "id": self.record_id,
        }
        return card("Record", element("p", self.text, class_="am-said"), facts(told))


@dataclass(frozen=True)
class Retrieval:
    """The result of a search over all namespaces.

    Attributes:
        records: Each record once: the best of each namespace, in the order they are configured in, then the second
            best of each, and so on. Scores of different namespaces are not compared.
        failures: The errors, by the name of the namespace; a namespace that did not answer in time has a
            `TimeoutError`.
    """

    records: tuple[MemoryRecord, ...]
    failures: Mapping[str, BaseException]


def search(session: SessionScope, name: str, query: str, *, client: Any = None) -> list[MemoryRecord]:
    """Search the long-term memory of one namespace.

    Args:
        session: The session, which resolves the namespace.
        name: The namespace's configured name.
        query: The text to search for, 1 to 10,000 characters.
        client: The boto3 client to ask; None for the session's.

    Returns:
        The records of at least the namespace's `relevance_score`, if it has one, best first, at most its `top_k`.

    Raises:
        ConfigurationError: There is no namespace of that name, or the query is malformed.
        ClientError: The service refused the request.
        BotoCoreError: The service could not be reached.
        ResponseParserError: Its answer was broken.
    """
    if not isinstance(query, str) or not query.strip() or len(query) > QUERY_LIMIT:
        size = f"has {len(query):,}" if isinstance(query, str) else f"is {type(query).__name__}"
        raise ConfigurationError(f"query must be a text of 1 to {QUERY_LIMIT:,} characters, not blank; it {size}.")
    namespace = session.config.namespace(name)
    found = _best(session, namespace, query, namespace.top_k, client)
    return _relevant(found, namespace)[: namespace.top_k]


def list_records(session: SessionScope, name: str) -> list[MemoryRecord]:
    """List the long-term memory of one namespace, all of it.

    Args:
        session: The session, which resolves the namespace.
        name: The namespace's configured name.

    Returns:
        The records as the service lists them, scored 0.

    Raises:
        ConfigurationError: There is no namespace of that name.
        ClientError: The service refused the request.
        BotoCoreError: The service could not be reached.
        ResponseParserError: Its answer was broken.
    """
    place = session.namespace(name)
    pages = session.client.get_paginator("list_memory_records").paginate(
        memoryId=session.memory_id, namespace=place, maxResults=LIST_PAGE
    )
    records: list[MemoryRecord] = []
    for answer in pages:
        check_answer(answer, "list_memory_records", "memoryRecordSummaries")
        records += [record_of(summary, place) for summary in answer["memoryRecordSummaries"]]
    return records


async def retrieve(
    session: SessionScope,
    query: str,
    *,
    seconds: float,
    executor: Executor,
    client: Callable[[], Any] | None = None,
) -> Retrieval:
    """Search every namespace of a session at once, and keep of each what stands out.

    Of a namespace with a `relevance_score` that decides instead.

    The SDK's `AgentCoreMemoryStore` asks the same of the service, but in the event loop's own threads: a call that
    hangs would then delay the end of `asyncio.run`, and with it the agent's answer, beyond any time budget.

    Args:
        session: The session.
        query: The text to search for; it is cut off at the service's limit.
        seconds: The time for all namespaces together. Late results are left out; their threads end with their calls.
        executor: Where the calls run.
        client: Gives the boto3 client to ask, in a thread of the executor; None for the session's.

    Returns:
        The records that were found in time.
    """
    names = [namespace.name for namespace in session.config.namespaces]
    if not names:
        return Retrieval((), MappingProxyType({}))
    loop = asyncio.get_running_loop()
    text = query[:QUERY_LIMIT]
    tasks = {name: loop.run_in_executor(executor, _search, session, name, text, client) for name in names}
    try:
        await asyncio.wait(tasks.values(), timeout=seconds)
    except asyncio.CancelledError:
        for task in tasks.values():
            task.cancel()
        raise
    found: list[list[MemoryRecord]] = []
    failures: dict[str, BaseException] = {}
    for name, task in tasks.items():
        if not task.done():
            task.cancel()
            failures[name] = TimeoutError(f"no answer within {seconds} s")
        elif (error := task.exception()) is not None:
            failures[name] = error
        else:
            found.append(task.result())
    for name, error in failures.items():
        _log.warning("namespace=<%s>, error=<%s: %s> | not searched", name, type(error).__name__, error)
    return Retrieval(tuple(_merged(found)), failures)


def chosen(records: Sequence[MemoryRecord], max_tokens: int) -> list[MemoryRecord]:
    """Return the best records whose rendering, fence included, takes at most this many tokens."""
    return within_tokens(records, max_tokens, record_element, skip=True)


def _search(session: SessionScope, name: str, query: str, client: Callable[[], Any] | None) -> list[MemoryRecord]:
    namespace = session.config.namespace(name)
    wanted = namespace.top_k if namespace.relevance_score is not None else max(namespace.top_k, CANDIDATES)
    found = _best(session, namespace, query, wanted, None if client is None else client())
    if namespace.relevance_score is not None:
        return _relevant(found, namespace)[: namespace.top_k]
    return found[: standing_out([record.score for record in found], namespace.top_k)]


def _best(session: SessionScope, namespace: Namespace, query: str, count: int, client: Any) -> list[MemoryRecord]:
    """The best records of a namespace for a query, best first."""
    place = session.namespace(namespace.name)
    criteria: dict[str, Any] = {"searchQuery": valid_text(query), "topK": count}
    if namespace.strategy_id is not None:
        criteria["memoryStrategyId"] = namespace.strategy_id
    answer = (session.client if client is None else client).retrieve_memory_records(
        memoryId=session.memory_id, namespace=place, searchCriteria=criteria, maxResults=count
    )
    check_answer(answer, "retrieve_memory_records", "memoryRecordSummaries")
    found = [record_of(summary, place) for summary in answer["memoryRecordSummaries"]]
    return sorted(found, key=lambda record: -record.score)  # stable: equals stay as the service ranks them


def _relevant(records: list[MemoryRecord], namespace: Namespace) -> list[MemoryRecord]:
    least = namespace.relevance_score
    return records if least is None else [record for record in records if record.score >= least]


def _merged(found: Iterable[Sequence[MemoryRecord]]) -> list[MemoryRecord]:
    """Put the records of several namespaces into one order, by rank; of those that say the same, the first stays."""
    ids: set[str] = set()
    said: set[str] = set()
    merged = []
    for rank in zip_longest(*found):
        for record in rank:
            if record is None:
                continue
            says = " ".join(statement_of(record.text)[0].casefold().split())
            if record.record_id not in ids and says not in said:
                merged.append(record)
            ids.add(record.record_id)
            said.add(says)
    return merged


def record_of(summary: Mapping[str, Any], place: str) -> MemoryRecord:
    """Return a record of an answer of the service.

    Args:
        summary: The record as boto3 returns it.
        place: The namespace that was asked for, should it name none.
    """
    created = summary.get("createdAt")
    metadata = {key: next(iter(value.values()), None) for key, value in (summary.get("metadata") or {}).items()}
    return MemoryRecord(
        text=str((summary.get("content") or {}).get("text", "")),
        score=float(summary.get("score") or 0.0),
        namespace=next(iter(summary.get("namespaces") or ()), place),
        record_id=str(summary["memoryRecordId"]),
        created_at=created.astimezone(UTC) if isinstance(created, datetime) else datetime.fromtimestamp(0, UTC),
        metadata=MappingProxyType(metadata),
    )
