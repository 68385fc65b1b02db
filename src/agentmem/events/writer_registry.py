"""Keeps every writer of this process that holds unsent turns, and has it tried again until it holds none.

So unsent turns outlive the agent and the hook or session manager that they came from.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Protocol

from agentmem.support.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentmem.events.send_queue import WriterStatus

__all__ = ["Drains", "Writer", "WriterRegistry", "is_lambda", "registry"]

WRITERS = 1_000
"""Writers with unsent turns that are kept at most; those that have waited longest are given up first."""

_log = logging.getLogger(__name__)


class Drains(Protocol):
    """Sends what a writer holds: the writer itself, or its owner, who has something to do after each turn."""

    def drain(self, seconds: float | None = None, *, insist: bool = False) -> bool:
        """Send what is queued; see ``EventWriter.drain``."""
        ...


class Writer(Drains, Protocol):
    """A writer as the registry knows it; see ``EventWriter``."""

    retry_seconds: float
    has_outbox: bool

    @property
    def status(self) -> WriterStatus:
        """Counts of messages."""
        ...

    def abandon(self) -> None:
        """Give up what is queued."""
        ...


def is_lambda() -> bool:
    """Whether this process runs on AWS Lambda, which freezes it between calls, threads and all."""
    return "AWS_LAMBDA_FUNCTION_NAME" in os.environ


class WriterRegistry:
    """The writers with unsent turns of one process. Safe to share between threads."""

    def __init__(self) -> None:
        """Start with none."""
        self._changed = threading.Condition()
        self._kept: dict[Writer, Drains] = {}
        self._retry_at: dict[Writer, float] = {}
        self._is_retrying = False

    def keep(self, writer: Writer, owner: Drains | None = None) -> None:
        """Keep a writer until it holds nothing any more.

        Args:
            writer: The writer.
            owner: Sends what the writer holds, in place of the writer, and is kept with it.
        """
        longest = None
        with self._changed:
            self._kept[writer] = owner or self._kept.get(writer, writer)
            if len(self._kept) > WRITERS:
                longest = next(iter(self._kept))
        if longest is not None:
            self.give_up([longest])

    def release(self, writer: Writer) -> None:
        """Stop keeping a writer; the service has answered, so what others could not send is tried again."""
        with self._changed:
            self._kept.pop(writer, None)
            self._retry_at.pop(writer, None)
            if self._retry_at:
                self._retry_at = dict.fromkeys(self._retry_at, 0.0)
                self._changed.notify_all()

    def give_up(self, writers: Iterable[Writer]) -> None:
        """Drop what writers hold: too many wait, or their service is gone, as a test's is after the test."""
        gone = list(writers)
        with self._changed:
            for writer in gone:
                self._kept.pop(writer, None)
                self._retry_at.pop(writer, None)
            self._changed.notify_all()
        for writer in gone:
            writer.abandon()

    def retry(self, writer: Writer, *, at_once: bool = False) -> None:
        """Have what a writer could not send tried again by a thread, in order.

        Args:
            writer: The writer.
            at_once: Whether not to wait until its breaker may let it, or another writer succeeds.
        """
        if is_lambda():
            return  # its threads do not run between calls; the next turn tries again
        with self._changed:
            if writer not in self._kept:
                return
            self._retry_at[writer] = monotonic() + (0.0 if at_once else writer.retry_seconds)
            self._changed.notify_all()
            if not self._is_retrying:
                threading.Thread(target=self._retry, name="agentmem-retry", daemon=True).start()
                self._is_retrying = True

    def waiting(self) -> list[Writer]:
        """Return the writers that hold unsent turns, those that have waited longest first."""
        with self._changed:
            return list(self._kept)

    def drain(self) -> int:
        """Send what every writer holds, in this thread, for there may be no later.

        Returns:
            How many messages could not be sent.
        """
        with self._changed:
            kept = dict(self._kept)
        for owner in kept.values():
            self._try(owner, insist=True)
        return sum(writer.status.pending for writer in kept)

    def leave_to_parent(self) -> None:
        """Forget everything in a process that was forked off: it is the parent's, and so is who holds the lock."""
        self._changed = threading.Condition()
        self._kept.clear()
        self._retry_at.clear()
        self._is_retrying = False

    def _retry(self) -> None:
        while owners := self._due():
            for owner in owners:
                self._try(owner)

    def _try(self, owner: Drains, *, insist: bool = False) -> None:
        try:
            owner.drain(insist=insist)
        except Exception:  # noqa: BLE001 - the others still have their turn
            _log.exception("unsent turns could not be sent; they stay queued")

    def _due(self) -> list[Drains]:
        """Wait until writers are due to be tried again; none means that there is nothing left to wait for."""
        with self._changed:
            while self._retry_at:
                now = monotonic()
                due = [writer for writer, at in self._retry_at.items() if at <= now]
                if due:
                    self._retry_at.update({writer: now + writer.retry_seconds for writer in due})
                    return [self._kept[writer] for writer in due]
                self._changed.wait(min(self._retry_at.values()) - now)
            self._is_retrying = False
            return []


registry = WriterRegistry()
"""The registry of this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=registry.leave_to_parent)
