"""Waits until long-term memories have been extracted.

Extraction takes 10 to 90 seconds, and a namespace is rarely empty, so the question is what is *new* in it. The logic is
in `agentmem.records.waiting.polling` and `agentmem.records.waiting.marks`; here are the two ways to run it.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, Unpack, runtime_checkable

from botocore.exceptions import BotoCoreError, ClientError

from agentmem.errors import ConfigurationError
from agentmem.records.waiting.marks import (
    Mark,
    Match,
    Novelty,
    Record,
    Since,
    fingerprints,
    is_in_place,
    place_key,
    place_parameters,
)
from agentmem.records.waiting.options import WaitOptions, with_defaults
from agentmem.records.waiting.pausing import pause, pause_async
from agentmem.records.waiting.polling import (
    JOB_PAGES,
    PAGE_SIZE,
    Call,
    JobScope,
    Pause,
    Question,
    Step,
    Wait,
    WaitProgress,
)

QUERY_LIMIT = 10_000
"""Most characters of a query (botocore: `SearchCriteriaSearchQueryString`)."""


@runtime_checkable
class BoundSession(Protocol):
    """The part of a `MemorySession` that waiting needs."""

    @property
    def memory_id(self) -> str:
        """Id of the memory."""

    @property
    def actor_id(self) -> str:
        """The actor."""

    @property
    def session_id(self) -> str:
        """The session."""

    @property
    def client(self) -> Any:
        """A boto3 `bedrock-agentcore` client."""

    def namespace(self, name: str) -> str:
        """Resolve the name of a configured namespace."""


def wait_for_memories(  # noqa: PLR0917 - the signature people know from the SDK
    memory_client: Any,
    memory_id: str | None,
    namespace: str,
    query: str | None = None,
    max_wait: float = 60.0,
    poll_interval: float = 5.0,
    **options: Unpack[WaitOptions],
) -> list[Record]:
    """Wait until there are long-term memory records, or new ones, in a namespace.

    Throttling (with longer and longer pauses), the service's own failures, timeouts and lost connections are tried
    again; every other error is raised at once. `max_wait` is exceeded by one call at most, which is as long as the
    client's timeouts and retries allow; when that happens, records found late may come unranked.

    Args:
        memory_client: A `MemoryClient`, a boto3 `bedrock-agentcore` client, or a `MemorySession`.
        memory_id: Id of the memory; None with a session, which has its own.
        namespace: The resolved namespace, such as `/users/user123/facts/`; with a session also a configured name.
        query: The text to search for; the records come best first, at most `top_k` (or `min_count`, if more). None
            lists the namespace, and all records count.
        max_wait: Seconds to wait, 0 or more; 0 looks once, at everything.
        poll_interval: Seconds between polls, above 0.
        **options: `top_k`, `since`, `min_count`, `until`, `match`, `raise_on_timeout`, `on_poll`, `sleep`, `stream` and
            `clock`;
            see `WaitOptions`.

    Returns:
        The records as boto3 returns them (`memoryRecordId`, `content`, `createdAt`, `score` with a query, ...). Empty
        when the time was up: returned records always satisfy the wait.

    Raises:
        MemoryWaitTimeout: The time was up, and `raise_on_timeout` was set.
        ExtractionFailedError: An extraction job for this namespace failed. Only looked at when the jobs can be told
            from others: with an event, a mark of a session, or a session.
        ConfigurationError: An argument is malformed.
        ClientError: The service refused the request (access, validation, no such memory).
    """
    chosen = with_defaults(options, "wait_for_memories", sleep=time.sleep)
    question, client = _prepare(
        memory_client, memory_id, namespace, chosen, query=query, max_wait=max_wait, poll_interval=poll_interval
    )
    on_poll, sleep, stream = chosen["on_poll"], chosen["sleep"], chosen["stream"]
    if stream is not None:
        sleep = stream.sleeper(question.memory_id, question.namespace, question.match)
    steps = Wait(question, chosen["clock"]).run()
    try:
        step = next(steps)
        while True:
            try:
                answer = _perform(step, client, memory_client, on_poll, sleep)
            except Exception as error:  # noqa: BLE001 - the steps decide what it means
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        found: list[Record] = end.value
        return found
    finally:
        steps.close()


async def wait_for_memories_async(  # noqa: PLR0917 - the signature people know from the SDK
    memory_client: Any,
    memory_id: str | None,
    namespace: str,
    query: str | None = None,
    max_wait: float = 60.0,
    poll_interval: float = 5.0,
    **options: Unpack[WaitOptions],
) -> list[Record]:
    """Wait as `wait_for_memories` does, without blocking the event loop.

    Calls to the service run in a thread. Cancelling takes effect at once; a call under way ends by itself.

    Args:
        memory_client: See `wait_for_memories`, also for all that follow.
        memory_id: Id of the memory.
        namespace: The namespace.
        query: The text to search for.
        max_wait: Seconds to wait.
        poll_interval: Seconds between polls.
        **options: See `WaitOptions`.

    Returns:
        The records; empty when the time was up.

    Raises:
        MemoryWaitTimeout: The time was up, and `raise_on_timeout` was set.
        ExtractionFailedError: An extraction job for this namespace failed.
        ConfigurationError: An argument is malformed.
        ClientError: The service refused the request.
    """
    chosen = with_defaults(options, "wait_for_memories_async", sleep=asyncio.sleep)
    question, client = _prepare(
        memory_client, memory_id, namespace, chosen, query=query, max_wait=max_wait, poll_interval=poll_interval
    )
    on_poll, sleep, stream = chosen["on_poll"], chosen["sleep"], chosen["stream"]
    if stream is not None:
        sleep = stream.sleeper_async(question.memory_id, question.namespace, question.match)
    steps = Wait(question, chosen["clock"]).run()
    try:
        step = next(steps)
        while True:
            try:
                if isinstance(step, Pause):
                    answer = await pause_async(client, sleep, step.seconds)
                elif isinstance(step, Call):
                    answer = await asyncio.to_thread(_perform, step, client, memory_client, None, time.sleep)
                else:
                    answer = on_poll(step) if on_poll is not None else None
                    if inspect.isawaitable(answer):
                        answer = await answer
            except Exception as error:  # noqa: BLE001 - the steps decide what it means
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        found: list[Record] = end.value
        return found
    finally:
        steps.close()


def take_mark(
    memory_client: Any,
    memory_id: str | None,
    namespaces: Sequence[str],
    *,
    match: Match = "exact",
    actor_id: str | None = None,
    session_id: str | None = None,
) -> Mark:
    """Note the present records of namespaces, to wait later for new ones.

    Every page of every namespace is read, so take it of the namespaces you will wait for.

    Args:
        memory_client: A `MemoryClient`, a boto3 `bedrock-agentcore` client, or a `MemorySession`.
        memory_id: Id of the memory; None with a session.
        namespaces: The resolved namespaces; with a session also configured names.
        match: `exact`, or `path` (`prefix`) for everything at and below each of them.
        actor_id: The actor whose failed extraction jobs end a wait; by default the session's.
        session_id: And of which session.

    Returns:
        The mark, for `wait_for_memories(..., since=mark)`.

    Raises:
        ConfigurationError: An argument is malformed.
        ClientError: The service refused a request.
        BotoCoreError: The service could not be reached.
    """
    client, session = _data_client(memory_client), _session_of(memory_client)
    memory = _memory_id(memory_id, session)
    if session is not None:
        actor_id, session_id = actor_id or session.actor_id, session_id or session.session_id
    records: dict[tuple[str, str], Mapping[str, str]] = {}
    for name in namespaces:
        namespace = _checked_namespace(name, session)
        listed: list[Record] = []
        parameters = {"memoryId": memory, "maxResults": PAGE_SIZE, **place_parameters(namespace, _checked_match(match))}
        while True:
            answer = client.list_memory_records(**parameters)
            listed += answer["memoryRecordSummaries"]
            if not answer.get("nextToken"):
                break
            parameters["nextToken"] = answer["nextToken"]
        records[place_key(namespace, match)] = fingerprints(r for r in listed if is_in_place(r, namespace, match))
    failed = _failed_jobs(client, memory, actor_id, session_id) if actor_id and session_id else None
    return Mark(datetime.now(UTC), memory, records, actor_id, session_id, failed)


def _perform(
    step: Step,
    client: Any,
    memory_client: Any,
    on_poll: Callable[[WaitProgress], object] | None,
    sleep: Callable[[float], object],
) -> Any:
    match step:
        case Call(operation, parameters, plane):
            owner = client if plane == "data" else memory_client.gmcp_client
            return getattr(owner, operation)(**parameters)
        case Pause(seconds):
            return pause(client, sleep, seconds)
        case progress:
            return on_poll(progress) if on_poll is not None else None


def _prepare(
    memory_client: Any,
    memory_id: str | None,
    namespace: str,
    options: WaitOptions,
    *,
    query: object,
    max_wait: float,
    poll_interval: float,
) -> tuple[Question, Any]:
    client, session = _data_client(memory_client), _session_of(memory_client)
    memory = _memory_id(memory_id, session)
    namespace = _checked_namespace(namespace, session)
    top_k, since, min_count = options["top_k"], options["since"], options["min_count"]
    match = _checked_match(options["match"])
    text = _checked_query(query)
    _number("max_wait", max_wait, max_wait >= 0, "0 or more seconds")
    _number("poll_interval", poll_interval, poll_interval > 0, "more than 0 seconds")
    _number("top_k", top_k, 1 <= top_k <= PAGE_SIZE, f"1 to {PAGE_SIZE}, the service's limit")
    most = PAGE_SIZE if text is not None and since is None else math.inf
    _number(
        "min_count", min_count, 1 <= min_count <= most, f"1 or more (at most {PAGE_SIZE} for a query without since)"
    )
    novelty = Novelty.of(since, memory, namespace, match)
    question = Question(
        memory, namespace, text, float(max_wait), float(poll_interval), top_k, min_count, options["until"], match,
        options["raise_on_timeout"], novelty, _job_scope(since, novelty, session),
        has_control=hasattr(memory_client, "gmcp_client"),
    )  # fmt: skip
    return question, client


def _job_scope(since: Since | None, novelty: Novelty, session: BoundSession | None) -> JobScope:
    """Tell this wait's extraction jobs from others by what is known of it."""
    actor_id = session.actor_id if session is not None else None
    session_id = session.session_id if session is not None else None
    if isinstance(since, Mark):
        return JobScope(None, since.actor_id or actor_id, since.session_id or session_id, since.failed_jobs, since.at)
    if isinstance(since, Mapping):
        event = since.get("event", since)
        return JobScope(event.get("eventId"), event.get("actorId"), event.get("sessionId"))
    if isinstance(since, str):
        return JobScope(since, actor_id, session_id)
    return JobScope(None, actor_id, session_id, None, novelty.since)


def _failed_jobs(client: Any, memory_id: str, actor_id: str, session_id: str) -> frozenset[str] | None:
    """Return the ids of the jobs that have failed already, or None when they cannot be listed."""
    parameters = {"memoryId": memory_id, **JobScope(None, actor_id, session_id).parameters()}
    found: set[str] = set()
    try:
        for _page in range(JOB_PAGES):
            answer = client.list_memory_extraction_jobs(**parameters)
            found |= {str(job["jobID"]) for job in answer.get("jobs") or ()}
            if not answer.get("nextToken"):
                break
            parameters["nextToken"] = answer["nextToken"]
    except (ClientError, BotoCoreError):
        return None  # the mark's time tells later jobs from earlier ones instead
    return frozenset(found)


def _data_client(memory_client: Any) -> Any:
    """Find the boto3 client: `MemoryClient` and `MemorySession` each carry one."""
    for name in ("gmdp_client", "client"):
        found = getattr(memory_client, name, None)
        if callable(getattr(found, "list_memory_records", None)):
            return found
    if callable(getattr(memory_client, "list_memory_records", None)):
        return memory_client
    raise ConfigurationError(
        f"memory_client = <{type(memory_client).__name__}>: a bedrock_agentcore MemoryClient, a boto3 client of "
        "'bedrock-agentcore' or a MemorySession is needed."
    )


def _session_of(memory_client: Any) -> BoundSession | None:
    if hasattr(memory_client, "gmdp_client") or hasattr(memory_client, "meta"):
        return None  # asking a MemoryClient for more would send it looking among its operations
    return memory_client if isinstance(memory_client, BoundSession) else None


def _memory_id(memory_id: str | None, session: BoundSession | None) -> str:
    found = memory_id or (session.memory_id if session is not None else None)
    if not found:
        raise ConfigurationError("memory_id is missing. Give the id of the memory, such as 'support_bot-a1b2c3d4e5'.")
    return found


def _checked_match(match: Match) -> Match:
    if match not in {"exact", "prefix", "path"}:
        raise ConfigurationError(f"match = {match!r}: give 'exact', or 'path' (or 'prefix') for all below a namespace.")
    return match


def _checked_query(query: object) -> str | None:
    if query is None:
        return None
    if isinstance(query, str) and query.strip() and len(query) <= QUERY_LIMIT:
        return query
    given = f"one of {len(query):,} characters" if isinstance(query, str) else type(query).__name__
    raise ConfigurationError(
        f"query must be None or a text of 1 to {QUERY_LIMIT:,} characters that is not blank, and not {given}."
    )


def _checked_namespace(namespace: object, session: BoundSession | None) -> str:
    if not isinstance(namespace, str) or not namespace.strip():
        raise ConfigurationError(f"namespace = {namespace!r}: give a namespace such as '/users/user123/facts/'.")
    if session is not None and "/" not in namespace:
        return session.namespace(namespace)
    if "*" in namespace:
        raise ConfigurationError(
            f"namespace = {namespace!r}: AgentCore takes no wildcards. Give the part before it and match='path'."
        )
    if "{" in namespace or "}" in namespace:
        raise ConfigurationError(
            f"namespace = {namespace!r} holds a placeholder. Give the resolved namespace, such as "
            "'/users/user123/facts/', or use a MemorySession, which resolves the names of its namespaces."
        )
    return namespace


def _number(name: str, value: float, fits: bool, allowed: str) -> None:
    if isinstance(value, bool) or not math.isfinite(value) or not fits:
        raise ConfigurationError(f"{name} = {value!r}: give {allowed}.")
