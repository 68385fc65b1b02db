"""Provides an embedded service whose extraction waits until a test moves the clock."""

from __future__ import annotations

import contextlib
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from agentmem.local import LocalMemory
from agentmem.meaning.loading import EncoderUnavailableError, wait_until_ready
from agentmem.records.waiting.pausing import PAUSE_EVENT

if TYPE_CHECKING:
    import os

    import boto3

    from agentmem.local import Embedder, Extractor
    from agentmem.local.search import Ranking

DEFAULT_REGION = "us-east-1"
DEFAULT_ACCOUNT = "000000000000"

DEFAULT_DELAY = 60.0
"""Seconds of extraction; on AWS it takes 10 to 90."""

MOST_IDLE = 3


class SteppedMemory(LocalMemory):
    """An embedded service that extracts when its clock is moved, by a test or by a wait.

    Its dates are ``time.time()``'s, which freezegun may hold still. While freezegun does, moving the service's clock
    moves the frozen time, and the other way round. Otherwise the world's time cannot be moved; then what waits to be
    extracted comes nearer instead, so that no record is ever dated later than what is written after it.

    Code that waits for memories without choosing how to sleep does not sleep on this service: each of its pauses
    moves the clock.

    Args:
        path: File of the database, or ``":memory:"``.
        extraction_delay: Seconds, by the service's clock, from an event to the records made of it.
        extractor: Makes the records; by rule unless given.
        embedder: Makes vectors for search; the packaged model unless given.
        ranking: How search ranks; see `LocalMemory`.

    Raises:
        ValueError: A negative delay, or a file of another format.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = ":memory:",
        *,
        extraction_delay: float = DEFAULT_DELAY,
        extractor: Extractor | None = None,
        embedder: Embedder | None = None,
        ranking: Ranking = "hybrid",
    ) -> None:
        """Open it; nothing has been written yet."""
        self._own_embedder = embedder if ranking != "words" else None
        super().__init__(
            path, extraction_delay=extraction_delay, extractor=extractor, embedder=embedder, ranking=ranking
        )

    def load(self) -> None:
        """Load the models now, once a process, so that it is not the first search or extraction that takes so long.

        Where the packaged encoder cannot be loaded nothing happens here; whoever needs it is told then.
        """
        if self._uses_package:
            with contextlib.suppress(EncoderUnavailableError):
                wait_until_ready()
        if self._own_embedder is not None:
            self._own_embedder.encode(["once a process"])

    @property
    def now(self) -> datetime:
        """The service's time, UTC."""
        return datetime.fromtimestamp(time.time(), UTC)

    @property
    def pending(self) -> int:
        """How many events are still to be extracted."""
        with self._service.store.read() as connection:
            return int(connection.execute("SELECT count(*) FROM pending").fetchone()[0])

    def tick(self, seconds: float | timedelta = 1.0) -> int:
        """Let time pass and extract all due events.

        Args:
            seconds: How much, 0 or more.

        Returns:
            How many events were extracted.

        Raises:
            ValueError: The time is negative.
        """
        step = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
        if step < 0:
            raise ValueError(f"seconds must not be negative, got {step}: time does not go back")
        if not _move_frozen_time(step):
            self._bring_nearer(step)
        return self.extract_due()

    def settle(self) -> int:
        """Let time pass until everything written so far has been extracted, whether it worked or failed.

        Returns:
            How many events were extracted.

        Raises:
            RuntimeError: Another process has begun to extract something and has not finished.
        """
        done = idle = 0
        while (due := self._last_due()) is not None:
            # Frozen time has whole microseconds, so the first step may end just before.
            extracted = self.tick(max(due - time.time(), 0.0) + idle * 1e-6)
            idle = 0 if extracted else idle + 1
            if idle > MOST_IDLE:
                raise RuntimeError(f"{self.pending} events in {self.path} are being extracted by another process")
            done += extracted
        return done

    def boto_session(self, region: str = DEFAULT_REGION, account: str = DEFAULT_ACCOUNT) -> boto3.Session:
        """A boto3 session as `LocalMemory.boto_session` makes it, on whose clients waiting moves the clock.

        Args:
            region: Region of the session.
            account: AWS account of the session.

        Returns:
            The session.
        """
        session = super().boto_session(region, account)
        session.events.register(PAUSE_EVENT, cast("Any", self._pass_time))
        return session

    def _pass_time(self, seconds: float, **_: Any) -> bool:
        self.tick(seconds)
        return True

    def _last_due(self) -> float | None:
        with self._service.store.read() as connection:
            due: float | None = connection.execute("SELECT max(due_at) FROM pending").fetchone()[0]
        return due

    def _bring_nearer(self, seconds: float) -> None:
        now = time.time()
        with self._service.store.write() as connection:
            connection.execute("UPDATE pending SET due_at = max(due_at - ?, ?) WHERE due_at > ?", (seconds, now, now))


def _move_frozen_time(seconds: float) -> bool:
    """Move the time that freezegun holds, if it does.

    Returns:
        Whether it does.
    """
    frozen = getattr(sys.modules.get("freezegun.api"), "freeze_factories", None)
    if not frozen:
        return False
    frozen[-1].tick(timedelta(seconds=seconds))
    return True
