"""Provides pytest fixtures for tests of agents with memory; docs/how-to/test.md shows examples.

pytest loads this module in every project that has strands-agentmem installed, so it imports nothing until a fixture is
used.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strands import Agent

    from agentmem.config import MemoryConfig
    from agentmem.records.retrieval import MemoryRecord
    from agentmem.session import MemorySession
    from agentmem.testing import LocalDynamoDB, ScriptedModel, SteppedMemory

__all__ = [
    "SettledMemories",
    "agentmem_agent",
    "agentmem_config",
    "agentmem_dynamodb",
    "agentmem_local",
    "agentmem_model",
    "agentmem_session",
    "pytest_configure",
    "settled_memories",
]

MARKER = "agentmem"
ACTOR = "test-user"
REGION = "us-east-1"
DEFAULT_REPLY = "Noted."

RETRIEVE_TIMEOUT = 30.0
"""Seconds for a search in tests: a busy machine must not change what a test finds."""

_THREAD_SECONDS = 5.0
_SERVICE_OPTIONS = frozenset({"extraction_delay", "extractor", "embedder", "ranking"})
_SESSION_OPTIONS = frozenset({"actor_id", "session_id", "variables"})
_MODEL_OPTIONS = frozenset({"script"})
_AWS_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
_AWS_VARIABLES_UNSET = ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL")

_log = logging.getLogger(__name__)

pytest.register_assert_rewrite("agentmem.testing.conformance")  # so that a failure shows the values


class SettledMemories(Protocol):
    """The type of the fixture `settled_memories`."""

    def __call__(self, name: str | None = None, *, session: MemorySession | None = None) -> list[MemoryRecord]:
        """Move the service's clock until extraction is finished, and return the records.

        Args:
            name: The configured name of a namespace; None for all of them.
            session: Whose; the session of `agentmem_session` unless given.

        Returns:
            The records, oldest first.

        Raises:
            ExtractionFailedError: Extraction of something this session said has failed meanwhile.
            ConfigurationError: There is no namespace of that name.
        """


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of the marker, so that ``--strict-markers`` knows it."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(script=..., extraction_delay=..., extractor=..., embedder=..., ranking=..., actor_id=..., "
        "session_id=..., variables=..., **fields): how agentmem's fixtures are made; fields are MemoryConfig's.",
    )


@pytest.fixture
def agentmem_local(request: pytest.FixtureRequest) -> Iterator[SteppedMemory]:
    """A fresh embedded service in memory, whose extraction is stepped by hand: ``tick``, ``settle``, ``faults``."""
    from agentmem.events.writer_registry import registry
    from agentmem.support.threads import every_pool
    from agentmem.testing import SteppedMemory

    before, unsent_before, pools_before = set(threading.enumerate()), set(registry.waiting()), every_pool()
    memory = SteppedMemory(**_options(request, _SERVICE_OPTIONS))
    yield memory
    memory.faults.clear()
    # Left by an outage that the test made; nobody will send it, and nothing may try.
    registry.give_up(set(registry.waiting()) - unsent_before)
    for pool in every_pool() - pools_before:
        pool.shutdown(wait=False)  # a hook that nobody closed
    for thread in threading.enumerate():
        if thread not in before and thread.name.startswith("agentmem"):
            thread.join(_THREAD_SECONDS)
    memory.close()


@pytest.fixture
def agentmem_config(request: pytest.FixtureRequest, agentmem_local: SteppedMemory) -> MemoryConfig:
    """A `MemoryConfig` on `agentmem_local`, with the default namespaces unless the marker names others."""
    from agentmem.config import MemoryConfig
    from agentmem.settings.sections import HookConfig

    fields = {
        "region": REGION,
        "hook": HookConfig(retrieve_timeout=RETRIEVE_TIMEOUT),
        **_options(request, _SERVICE_OPTIONS | _SESSION_OPTIONS | _MODEL_OPTIONS, others=True),
    }
    agentmem_local.load()
    return MemoryConfig.local(agentmem_local, **fields)


@pytest.fixture
def agentmem_session(request: pytest.FixtureRequest, agentmem_config: MemoryConfig) -> MemorySession:
    """A `MemorySession` of `agentmem_config`: the actor ``test-user`` in a new session, unless the marker says else."""
    from agentmem.scope.identity import new_session_id

    options = {"actor_id": ACTOR, **_options(request, _SESSION_OPTIONS)}
    options.setdefault("session_id", new_session_id(options["actor_id"]))
    return agentmem_config.bind(**options)


@pytest.fixture
def agentmem_model(request: pytest.FixtureRequest) -> ScriptedModel:
    """A `ScriptedModel` that answers from the marker's script, then "Noted."; ``add`` puts more into the script."""
    from agentmem.messages.tokens import count_text
    from agentmem.testing import ScriptedModel

    with pytest.MonkeyPatch.context() as patch:
        # Loading its vocabulary, tiktoken leaves a copy in the temporary folder unless told not to.
        patch.setenv("TIKTOKEN_CACHE_DIR", "")
        count_text("once a process")
    return ScriptedModel(_options(request, _MODEL_OPTIONS).get("script", ()), default=DEFAULT_REPLY)


@pytest.fixture
def agentmem_agent(
    agentmem_session: MemorySession, agentmem_local: SteppedMemory, agentmem_model: ScriptedModel
) -> Iterator[Agent]:
    """A Strands agent with `agentmem_model`, the session manager and the hook."""
    from strands import Agent

    from agentmem.errors import UnsentMessagesError
    from agentmem.runtime.shutdown import drain

    agent = Agent(
        model=agentmem_model,
        session_manager=agentmem_session.session_manager(),
        hooks=[agentmem_session.hook()],
        callback_handler=None,
    )
    yield agent
    agentmem_local.faults.clear()
    try:
        drain(agent)
    except UnsentMessagesError as error:  # after an outage that the test itself made
        _log.warning("error=<%s> | the test ends with unsent messages", error)


@pytest.fixture
def settled_memories(agentmem_local: SteppedMemory, agentmem_session: MemorySession) -> SettledMemories:
    """A function that moves the service's clock until extraction is done and returns the records."""

    def settle(name: str | None = None, *, session: MemorySession | None = None) -> list[MemoryRecord]:
        from agentmem.records.retrieval import list_records

        session = agentmem_session if session is None else session
        known = [job["jobID"] for job in _failed_jobs(session)]
        agentmem_local.settle()
        failed = [job for job in _failed_jobs(session) if job["jobID"] not in known]
        if failed:
            raise _extraction_failed(session, failed[0])
        names = [namespace.name for namespace in session.config.namespaces] if name is None else [name]
        records = [record for one in names for record in list_records(session, one)]
        return sorted(records, key=lambda record: record.created_at)

    return settle


@pytest.fixture
def agentmem_dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalDynamoDB]:
    """An empty DynamoDB API over HTTP; while it runs, boto3 clients made for DynamoDB without an address use it."""
    import boto3

    from agentmem.errors import MissingExtraError
    from agentmem.testing import LocalDynamoDB

    try:
        server = LocalDynamoDB(REGION)
    except MissingExtraError as error:
        pytest.fail(f"agentmem_dynamodb: {error}", pytrace=False)
    with server, monkeypatch.context() as patch:
        for name in _AWS_VARIABLES_UNSET:
            patch.delenv(name, raising=False)
        for name, value in {**_AWS_VARIABLES, "AWS_ENDPOINT_URL_DYNAMODB": server.endpoint_url}.items():
            patch.setenv(name, value)
        # boto3.client() would go on with the keys and region it was first used with.
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        yield server


def _options(request: pytest.FixtureRequest, names: frozenset[str], *, others: bool = False) -> dict[str, Any]:
    """Return the marker's options of these names, or all others; a marker nearer to the test wins."""
    given: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers(MARKER))):
        if marker.args:
            raise pytest.UsageError(f"@pytest.mark.{MARKER} takes options by name only, not {marker.args!r}")
        given |= marker.kwargs
    return {name: value for name, value in given.items() if (name in names) is not others}


def _failed_jobs(session: MemorySession) -> list[dict[str, Any]]:
    pages = session.client.get_paginator("list_memory_extraction_jobs").paginate(
        memoryId=session.memory_id,
        filter={"status": "FAILED", "actorId": session.actor_id, "sessionId": session.session_id},
    )
    return [job for page in pages for job in page["jobs"]]


def _extraction_failed(session: MemorySession, job: dict[str, Any]) -> Exception:
    from agentmem.errors import ExtractionFailedError

    return ExtractionFailedError(
        f"extraction job {job['jobID']!r} of actor {session.actor_id!r}, session {session.session_id!r} in memory "
        f"{session.memory_id!r} failed: {job.get('failureReason') or 'no reason given'}.",
        job=job,
    )
