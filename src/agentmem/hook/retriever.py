"""Searches long-term memory on the user's last message, and gives up on a service that keeps failing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.config import Config

from agentmem.clients import boto as clients
from agentmem.errors import AgentMemError
from agentmem.events.breaker import BreakerState, CircuitBreaker
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
            What was found in time and fits into the token budget, best first.
        """
        config = session.config
        if not query.strip() or not config.namespaces or not self._breaker.allow():
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

    def close(self) -> None:
        """End the threads when their searches are over; it can be used on."""
        self._threads.shutdown(wait=False)
