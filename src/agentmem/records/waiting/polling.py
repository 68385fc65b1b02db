"""Decides about each poll of a wait, without any I/O.

`Wait.run` is a generator: it yields what is to be done next (a call to the service, a pause, a progress report) and is
sent the outcome. `agentmem.records.waiting` drives it, once with blocking calls and once with awaited ones.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError

from agentmem.clients.answers import check_answer
from agentmem.errors import ExtractionFailedError, MemoryWaitTimeout
from agentmem.events.position import Position
from agentmem.records.waiting.marks import Match, Novelty, Record, is_in_place, place_parameters
from agentmem.records.waiting.pushed import Slept
from agentmem.support.clock import unfrozen

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from datetime import datetime

PAGE_SIZE = 100
"""Records a page and a search, the service's maximum (botocore: `MaxResults`, `SearchCriteriaTopKInteger`)."""

JOB_PAGES = 10
"""Pages of failed jobs looked at in one poll; they are kept by the service, and a wait must not read them all."""

LONGEST_PAUSE = 60.0
"""Seconds between polls at most while the service throttles, unless `poll_interval` is longer."""

_THROTTLES = frozenset(
    {
        "ThrottledException",
        "ThrottlingException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "ServiceQuotaExceededException",
        "SlowDown",
    }
)
_PASSING = frozenset({"ServiceException", "InternalServerException", "RetryableConflictException", "RequestTimeout"})
_NETWORK = (
    HTTPClientError,
    BotoConnectionError,
    IncompleteReadError,
    ResponseParserError,
    ConnectionError,
    TimeoutError,
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """A call to make; the answer, or the exception, is sent back."""

    operation: str
    parameters: Mapping[str, Any]
    plane: Literal["data", "control"] = "data"


@dataclass(frozen=True)
class Pause:
    """A pause to make, in seconds."""

    seconds: float


@dataclass(frozen=True)
class WaitProgress:
    """The result of one poll.

    Attributes:
        polls: How many polls there were, this one included.
        elapsed: Seconds waited so far.
        max_wait: Seconds to wait at most.
        count: Matching records; of the last answered poll when this one was not.
        min_count: How many are enough.
        error: The error of this poll, which is tried again, or None.
        done: Whether the wait is over because there are enough.
    """

    polls: int
    elapsed: float
    max_wait: float
    count: int
    min_count: int
    error: Exception | None
    done: bool


Step: TypeAlias = Call | Pause | WaitProgress


@dataclass(frozen=True)
class JobScope:
    """Which failed extraction jobs concern a wait.

    Attributes:
        event_id: Jobs over this event; or else
        actor_id: jobs of this actor
        session_id: and this session,
        known: that had not failed before
        since: and, when that is not known, are over an event that is not older than this.
    """

    event_id: str | None = None
    actor_id: str | None = None
    session_id: str | None = None
    known: frozenset[str] | None = None
    since: datetime | None = None

    @property
    def is_known(self) -> bool:
        """Whether enough is known to tell the wait's own jobs from others."""
        of_session = self.actor_id is not None and self.session_id is not None
        return self.event_id is not None or (of_session and (self.known is not None or self.since is not None))

    def parameters(self) -> dict[str, Any]:
        """Return the service's filter."""
        ids = {"actorId": self.actor_id, "sessionId": self.session_id}
        return {"filter": {"status": "FAILED", **{name: value for name, value in ids.items() if value is not None}}}

    def concerns(self, job: Mapping[str, Any]) -> bool:
        """Whether a failed job is one this wait is about."""
        if self.known is not None and job.get("jobID") in self.known:
            return False
        events = [str(message.get("eventId")) for message in job.get("messages", {}).get("messagesList") or ()]
        if self.event_id is not None:
            return self.event_id in events
        if self.known is not None or self.since is None:
            return True
        return any(Position(event).milliseconds >= self.since.timestamp() * 1000 for event in events)


@dataclass(frozen=True)
class Question:
    """The goal of a wait; `agentmem.records.waiting.wait_for_memories` documents the fields."""

    memory_id: str
    namespace: str
    query: str | None
    max_wait: float
    poll_interval: float
    top_k: int
    min_count: int
    until: Callable[[list[Record]], object] | None
    match: Match
    raise_on_timeout: bool
    novelty: Novelty
    jobs: JobScope = field(default_factory=JobScope)
    has_control: bool = False


class Wait:
    """One wait, step by step."""

    def __init__(self, question: Question, clock: Callable[[], float]) -> None:
        """Begin at the clock's present time.

        Args:
            question: The goal of the wait.
            clock: Seconds; it may stand still.
        """
        self._question = question
        self._clock = unfrozen(clock)
        self._start = self._clock()
        self._slept = 0.0
        self._polls = self._count = self._throttled = 0
        self._look_calls = 0
        self._look_seconds = 0.0
        self._is_last = False
        self._last_error: Exception | None = None
        self._strategies: set[str] = set()
        self._watching = question.jobs.is_known

    @property
    def elapsed(self) -> float:
        """Seconds waited: by the clock or by the sum of the pauses, the larger one."""
        return max(self._clock() - self._start, self._slept)

    @property
    def _is_over(self) -> bool:
        return self._question.max_wait - self.elapsed <= 1e-9

    @property
    def _is_late(self) -> bool:
        """Whether no further call may begin; a look begun when the time is just up is still finished."""
        return self._question.max_wait > 0 and self.elapsed - self._question.max_wait > 1e-9

    def run(self) -> Generator[Step, Any, list[Record]]:
        """Poll until there is enough or the time is up.

        Yields:
            The next step.

        Returns:
            The records found; empty when the time was up.

        Raises:
            MemoryWaitTimeout: The time was up and that is to be raised.
            ExtractionFailedError: An extraction job this wait depends on failed.
            Exception: The service refused a call in a way that waiting cannot change.
        """
        question = self._question
        while True:
            self._polls += 1
            self._look_calls = 0
            began = self.elapsed
            found: list[Record] = []
            error: Exception | None = None
            try:
                found = yield from self._look()
            except Exception as problem:
                if not is_transient(problem):
                    problem.add_note(f"while waiting for memories in {question.namespace!r} of {question.memory_id!r}")
                    raise
                error = self._last_error = problem
                self._throttled = self._throttled + 1 if _is_throttle(problem) else 0
            else:
                self._count, self._throttled = len(found), 0
            # A look of one call may be begun when the time is up; one of several needs its time before that.
            self._look_seconds = self.elapsed - began if self._look_calls > 1 else 0.0
            done = error is None and self._is_enough(found)
            yield self._progress(error, done=done)
            if done:
                return found
            if not self._is_over and not self._is_last:
                yield from self._watch_jobs()
            if self._is_over or self._is_last:
                return self._give_up()
            yield from self._pause()

    def _look(self) -> Generator[Step, Any, list[Record]]:
        """Poll once.

        Returns:
            The records that count, best first when there is a query.
        """
        question = self._question
        shown = max(question.top_k, question.min_count)
        if question.query is not None and question.novelty.everything:
            found, _complete = yield from self._search(min(shown, PAGE_SIZE))
            return found[:shown]
        listed, complete = yield from self._pages("list_memory_records", {"maxResults": PAGE_SIZE})
        fresh = question.novelty.fresh(listed, complete=complete)
        if question.query is None or len(fresh) < question.min_count:
            return fresh
        if self._is_late:
            return fresh[:shown]
        ranked, all_ranked = yield from self._search(PAGE_SIZE)
        wanted = {record["memoryRecordId"]: record for record in fresh}
        found = [record for record in ranked if wanted.pop(record["memoryRecordId"], None) is not None]
        if not all_ranked or len(ranked) >= PAGE_SIZE:
            found += wanted.values()  # beyond what a search can return, so it says nothing against them
        return found[:shown]

    def _search(self, top_k: int) -> Generator[Step, Any, tuple[list[Record], bool]]:
        criteria = {"searchQuery": self._question.query, "topK": top_k}
        parameters = {"searchCriteria": criteria, "maxResults": PAGE_SIZE}
        return (yield from self._pages("retrieve_memory_records", parameters))

    def _pages(self, operation: str, parameters: dict[str, Any]) -> Generator[Step, Any, tuple[list[Record], bool]]:
        """Read all pages, or as many as there is time for.

        Returns:
            The records, and whether these are all.
        """
        question = self._question
        parameters |= {"memoryId": question.memory_id, **place_parameters(question.namespace, question.match)}
        records: list[Record] = []
        while True:
            self._look_calls += 1
            answer = yield Call(operation, parameters)
            check_answer(answer, operation, "memoryRecordSummaries")
            page = answer["memoryRecordSummaries"]
            records += [record for record in page if is_in_place(record, question.namespace, question.match)]
            self._strategies |= {record["memoryStrategyId"] for record in page if record.get("memoryStrategyId")}
            token = answer.get("nextToken")
            if not token or self._is_late:
                return records, not token
            parameters = {**parameters, "nextToken": token}

    def _is_enough(self, found: list[Record]) -> bool:
        question = self._question
        return len(found) >= question.min_count and (question.until is None or bool(question.until(found)))

    def _pause(self) -> Generator[Step, Any, None]:
        interval = self._question.poll_interval
        if self._throttled:
            interval = min(interval * 2 ** min(self._throttled, 30), max(interval, LONGEST_PAUSE))
        left = max(self._question.max_wait - self.elapsed - self._look_seconds, 0.0)
        seconds = min(interval, left)
        self._is_last = left <= interval
        slept = yield Pause(seconds)
        if isinstance(slept, Slept):  # woken before the time was up, perhaps
            self._slept += slept
            self._is_last = self._is_last and slept >= seconds
        else:
            self._slept += seconds

    def _watch_jobs(self) -> Generator[Step, Any, None]:
        """End the wait when an extraction job it depends on has failed."""
        if not self._watching:
            return
        parameters = {"memoryId": self._question.memory_id, **self._question.jobs.parameters()}
        for _page in range(JOB_PAGES):
            try:
                answer = yield Call("list_memory_extraction_jobs", parameters)
            except Exception as problem:  # noqa: BLE001 - the wait itself does not depend on this
                if not is_transient(problem):
                    self._watching = False
                    _log.warning("error=<%s> | failed extraction jobs cannot be listed, a wait ends in time", problem)
                return
            for job in answer.get("jobs") or ():
                if self._question.jobs.concerns(job) and (yield from self._fills_namespace(job)):
                    raise _job_failed(self._question, job)
            if not answer.get("nextToken") or self._is_over:
                return
            parameters = {**parameters, "nextToken": answer["nextToken"]}

    def _fills_namespace(self, job: Mapping[str, Any]) -> Generator[Step, Any, bool]:
        """Whether a job's strategy writes where this wait looks; an unknown strategy might."""
        strategy = job.get("strategyId")
        if not strategy or self._question.match != "exact":
            return True
        if not self._strategies and self._question.has_control:
            try:
                answer = yield Call("get_memory", {"memoryId": self._question.memory_id}, "control")
            except Exception as problem:  # noqa: BLE001 - the job has failed all the same
                _log.warning("error=<%s> | the memory's strategies are unknown, any failed job counts", problem)
            else:
                self._strategies |= _strategies_of(answer.get("memory", {}), self._question.namespace)
        return not self._strategies or strategy in self._strategies

    def _progress(self, error: Exception | None, *, done: bool) -> WaitProgress:
        question = self._question
        return WaitProgress(self._polls, self.elapsed, question.max_wait, self._count, question.min_count, error, done)

    def _give_up(self) -> list[Record]:
        question = self._question
        kind = "records" if question.novelty.everything else "new records"
        slash = "" if question.namespace.endswith("/") else f" Is it {question.namespace + '/'!r} perhaps?"
        message = (
            f"{self._count} of {question.min_count} {kind} in namespace {question.namespace!r} of memory "
            f"{question.memory_id!r} after {self.elapsed:.1f} s and {self._polls} polls"
            f"{'' if self._last_error is None else f'; last error: {self._last_error}'}. Extraction takes 10 to 90 s: "
            f"wait longer, or check the namespace and that the memory has a strategy for it.{slash}"
        )
        if question.raise_on_timeout:
            raise MemoryWaitTimeout(
                message,
                polls=self._polls,
                elapsed=self.elapsed,
                last_count=self._count,
                last_error=self._last_error,
            )
        _log.warning("%s", message)
        return []


def is_transient(error: Exception) -> bool:
    """Whether the same call may succeed later: throttling, the service's own failures, and the network's."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = error.response.get("Error", {}).get("Code", "")
        return _is_throttle(error) or code in _PASSING or status >= 500
    return isinstance(error, _NETWORK)


def _is_throttle(error: Exception) -> bool:
    if not isinstance(error, ClientError):
        return False
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error.response.get("Error", {}).get("Code", "") in _THROTTLES or status == 429


def _job_failed(question: Question, job: Mapping[str, Any]) -> ExtractionFailedError:
    return ExtractionFailedError(
        f"extraction job {job.get('jobID')!r} for namespace {question.namespace!r} of memory {question.memory_id!r} "
        f"failed: {job.get('failureReason') or 'no reason given'}. Nothing will come of these events until the job is "
        "run again (StartMemoryExtractionJob).",
        job=dict(job),
    )


def _strategies_of(memory: Mapping[str, Any], namespace: str) -> set[str]:
    """Return the ids of the strategies whose template the namespace could be made of."""
    found = set()
    for strategy in memory.get("strategies") or ():
        for template in strategy.get("namespaceTemplates") or strategy.get("namespaces") or ():
            literal = (re.escape(part) for part in re.split(r"\{[^{}]*\}", template.strip("/")))
            if re.fullmatch(".+".join(literal), namespace.strip("/")):
                found.add(str(strategy["strategyId"]))
    return found
