"""Defines `LocalMemory`: Amazon Bedrock AgentCore Memory inside the process."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from typing import TYPE_CHECKING, Any, Self

from .contract import ACCOUNT
from .delete_actor import drop_actor
from .embedding import Embedder, PackagedEmbedder, check_installed
from .extraction.extractor import Extractor, RuleExtractor
from .self_managed import Pipelines
from .service import Service
from .storage import Store
from .stream_delivery import StreamDelivery
from .transport import boto_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import boto3

    from .faults import Faults
    from .search import Ranking
    from .server import LocalServer

DEFAULT_REGION = "us-east-1"


_log = logging.getLogger(__name__)


class LocalMemory:
    """The embedded service: AgentCore Memory's two APIs over one SQLite database.

    Code that uses boto3 or any of the official clients runs on it unchanged. docs/reference/embedded-service.md
    says which behaviour is faithful to the live service and which is not known.

    Args:
        path: File of the database, shared by any number of processes, or ``":memory:"``.
        extraction_delay: Seconds, by the service's clock, from an event to the records made of it. On AWS it takes
            10 to 90 seconds.
        extractor: Makes long-term records; by rule, the user's own sentences, unless given (such as `ModelExtractor`).
        embedder: Makes vectors for search; the packaged model unless given.
        clock: Returns the time in epoch seconds; ``time.time`` unless given. Tests may step it instead of sleeping.
        activation_delay: Seconds a new memory resource stays in status CREATING, and a changed one in UPDATING.
        stream_sink: Where the changes of records go of memories with `streamDeliveryResources`, instead of to Kinesis:
            a callable that takes each event as a dict, or a file that gets each as a line of JSON.
        pipeline_sink: Where the jobs of self-managed strategies go, instead of to SNS and S3: a callable that takes a
            job's notification and its payload, or a folder for both.
        ranking: How search ranks: ``"hybrid"``, by shared ``"words"`` alone (which needs no embedder) or by
            ``"meaning"`` alone.

    Raises:
        ValueError: A negative delay, or a file of another format.
        MissingExtraError: The packages of the default embedder are not installed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = ":memory:",
        *,
        extraction_delay: float = 0.0,
        extractor: Extractor | None = None,
        embedder: Embedder | None = None,
        clock: Callable[[], float] | None = None,
        activation_delay: float = 0.0,
        stream_sink: Callable[[dict[str, Any]], object] | str | os.PathLike[str] | None = None,
        pipeline_sink: Callable[[dict[str, Any], dict[str, Any]], object] | str | os.PathLike[str] | None = None,
        ranking: Ranking = "hybrid",
    ) -> None:
        for name, value in (("extraction_delay", extraction_delay), ("activation_delay", activation_delay)):
            if value < 0:
                raise ValueError(f"{name} must not be negative, got {value}: give seconds, 0 for none")
        self.path = os.fspath(path)
        self._uses_package = (embedder is None and ranking != "words") or extractor is None
        if ranking != "words" and (embedder is None or isinstance(embedder, PackagedEmbedder)):
            check_installed()
        store, clock = Store(path), clock or _wall_clock
        if stream_sink is not None:
            store.stream_to(StreamDelivery(stream_sink, clock))
        if pipeline_sink is not None:
            store.run_pipelines(Pipelines(pipeline_sink))
        self._service = Service(
            store,
            clock=clock,
            extraction_delay=extraction_delay,
            activation_delay=activation_delay,
            extractor=extractor or RuleExtractor(),
            embedder=embedder or PackagedEmbedder(),
            ranking=ranking,
        )

    def boto_session(self, region: str = DEFAULT_REGION, account: str = ACCOUNT) -> boto3.Session:
        """A boto3 session whose AgentCore clients are answered in this process, without a socket.

        Args:
            region: Region of the session. A memory is found in the region it was made in, and in no other.
            account: AWS account of the session, twelve digits. A memory is found by the account that made it.

        Returns:
            A session that needs no AWS configuration for ``bedrock-agentcore`` and ``bedrock-agentcore-control``.
            Clients of other services are those of any boto3 session.

        Raises:
            ValueError: The account is not twelve digits.
        """
        if not re.fullmatch(r"[0-9]{12}", account):
            raise ValueError(f"account must be twelve digits, got {account!r}")
        return boto_session(self._service, region, account)

    def regions_of(self, name_or_id: str | None = None) -> list[str]:
        """The regions in which the default account has memories, sorted.

        Args:
            name_or_id: Count only the memory of this name or id; every one unless given.
        """
        with self._service.store.read() as connection:
            rows = connection.execute(
                "SELECT DISTINCT region FROM memories WHERE account = ? AND (? IS NULL OR ? IN (name, memory_id))"
                " ORDER BY region",
                (ACCOUNT, name_or_id, name_or_id),
            ).fetchall()
        return [row["region"] for row in rows]

    @property
    def faults(self) -> Faults:
        """Failures to inject into the service; see `Faults.inject`."""
        return self._service.faults

    def serve(self, host: str = "127.0.0.1", port: int = 0, *, allowed_hosts: Iterable[str] = ()) -> LocalServer:
        """Serve over HTTP, in a thread of this process, for anything that takes an endpoint URL.

        Extraction that is due is done in the background while it runs.

        Args:
            host: Address to listen on. The service asks for no credentials: others than loopback addresses are
                warned about.
            port: Port, 0 for any free one.
            allowed_hosts: Names under which it may be addressed besides ``localhost``, ``host`` and addresses written
                as numbers, such as a container's; ``"*"`` for any. Others are refused, so that no web page reaches it
                under a name of its own.

        Returns:
            The running server, a context manager with ``url`` and ``env()``.

        Raises:
            MissingExtraError: The packages of the extra ``local`` are not installed.
            OSError: The address cannot be listened on.
            ValueError: An allowed host is no host name.
        """
        from .server import LocalServer  # here: starlette and uvicorn come with an extra

        return LocalServer(self._service, host, port, allowed_hosts)

    def warm_up(self) -> None:
        """Begin to load the packaged sentence encoder in the background; otherwise whoever needs it first waits.

        It takes a second or two and is done once a process. Search embeds with it, and extraction by rule judges
        sentences with it; nothing happens when neither does.
        """
        if self._uses_package:
            from agentmem.meaning.loading import start_loading  # here: it imports Strands

            start_loading()

    def extract_due(self) -> int:
        """Extract everything that is due by the service's clock, in every memory; returns how many events it read.

        Nobody needs to call this: looking at records does the same for the memory that is looked at.
        """
        return self._service.engine.run_all_due(self._service.clock())

    def drop_actor(self, memory_id: str, actor_id: str) -> None:
        """Remove an actor with everything of it but its records, emptied sessions included.

        The service itself lists an emptied session for up to a day, and no operation removes it sooner. What was
        deleted of the actor, by this and before, is overwritten in the database's files.

        Args:
            memory_id: The memory's id or ARN.
            actor_id: The actor.
        """
        with self._service.store.write() as connection:
            drop_actor(connection, memory_id, actor_id)
        if not self._service.store.scrub():
            _log.warning(
                "path=<%s> | another process reads; deleted text stays in the log file until it ends", self.path
            )

    def close(self) -> None:
        """Close the database; calls after this fail."""
        self._service.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await asyncio.to_thread(self.close)


def _wall_clock() -> float:
    return time.time()  # looked up at each call, so that what replaces time.time in tests is honoured
