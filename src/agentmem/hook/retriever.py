"""Searches long-term memory on the user's last message, and gives up on a service that keeps failing."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from botocore.config import Config

from agentmem.clients import boto as clients
from agentmem.errors import AgentMemError
from agentmem.events.breaker import BreakerState, CircuitBreaker
from agentmem.meaning.loading import ready_classifier
from agentmem.records.retrieval import chosen, retrieve
from agentmem.support.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentmem.records.retrieval import MemoryRecord
    from agentmem.scope.scope import SessionScope
    from agentmem.settings.sections import HookConfig, WriteConfig

__all__ = ["Recollector"]

SEARCHES = 16
"""Searches under way at once, over all agents of a hook."""

LONGEST_SMALL_TALK = 200
"""Characters of a message that may be small talk; longer ones are searched for without being judged."""

JUDGING_SECONDS = 0.2
"""Seconds to wait at most for the judgement of a message; it takes a millisecond or two unless the encoder is busy."""

_log = logging.getLogger(__name__)


class Recollector:
    """Finds what long-term memory holds on a text, for many agents of one hook. Safe to share between threads."""

    def __init__(self, settings: HookConfig, writes: WriteConfig, failed: Callable[[str, Exception], None]) -> None:
        """Search as the settings say.

        Args:
            settings: The time and the tokens a search may take.
            writes: The settings of the circuit breaker, which searching has one of its own of.
            failed: Told of each namespace that could not be searched: the operation, and the error. It may raise.
        """
        self._settings = settings
        self._failed = failed
        self._threads = Threads(SEARCHES, "agentmem-search")
        self._breaker = CircuitBreaker(writes.breaker_failures, writes.breaker_reset_seconds)
        # A search that hangs holds its thread no longer than it is waited for.
        self._options = Config(
            connect_timeout=settings.retrieve_timeout,
            read_timeout=settings.retrieve_timeout,
            retries={"mode": "standard", "total_max_attempts": 1},
        )

    @property
    def breaker(self) -> BreakerState:
        """State of the circuit breaker of searching."""
        return self._breaker.state

    async def recollect(self, session: SessionScope, query: str) -> tuple[MemoryRecord, ...]:
        """Search all namespaces of a session at once.

        Args:
            session: The session.
            query: What to search for, already redacted.

        Returns:
            The records that were found in time, stand out and fit into the token budget, best first; none for small
            talk, thanks and confirmations, which are not searched for.
        """
        config = session.config
        if not query.strip() or not config.namespaces or await self._is_small_talk(query):
            return ()
        if not self._breaker.allow():
            return ()
        try:
            found = await retrieve(
                session,
                query,
                seconds=self._settings.retrieve_timeout,
                executor=self._threads,
                client=lambda: clients.data_plane(config.boto_session(), config.region, self._options),
            )
        except BaseException:
            self._breaker.failed()  # cancelled: the probe of a half-open breaker must not stay out for ever
            raise
        if len(found.failures) < len(config.namespaces):
            self._breaker.succeeded()  # one namespace that is wrong must not silence the others
        else:
            self._breaker.failed()
        for name, error in found.failures.items():
            self._failed("retrieve", AgentMemError(f"namespace {name!r} could not be searched: {error}"))
        return tuple(chosen(found.records, self._settings.retrieve_max_tokens))

    async def _is_small_talk(self, query: str) -> bool:
        """Whether a message is nothing worth a search; false also when that cannot be told at once."""
        classifier = ready_classifier()
        if classifier is None or len(query) > LONGEST_SMALL_TALK:
            return False
        judging = asyncio.get_running_loop().run_in_executor(self._threads, classifier.is_small_talk, query)
        try:
            return await asyncio.wait_for(judging, JUDGING_SECONDS)
        except TimeoutError:
            _log.debug("seconds=<%s> | a message was not judged in time; it is searched for", JUDGING_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not take the agent down
            _log.warning("error=<%s> | a message could not be judged; it is searched for", type(error).__name__)
        return False

    def close(self) -> None:
        """End the threads when their searches are over; it can be used on."""
        self._threads.shutdown(wait=False)
