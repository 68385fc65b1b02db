"""What this process still has to send: tried again when the service may be back, and before the process ends.

A writer that holds unsent turns is kept here, so that they outlive the agent and the hook or session manager they came
from. One thread tries again when the writers' breakers let it. The end of the process is met in two places: at
interpreter exit, and on SIGTERM when its handler is still the default one and the first writer is made in the main
thread. SIGKILL cannot be met: that is what the outbox is for.
"""

from __future__ import annotations

import _thread
import atexit
import contextlib
import logging
import os
import signal
import threading
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

from agentmem.errors import UnsentMessagesError
from agentmem.events.outbox import close_outboxes
from agentmem.support.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentmem.events.writer import EventWriter
    from agentmem.scope.address import SessionAddress
    from agentmem.settings.sections import WriteConfig

__all__ = ["Finishing", "finish_with", "give_up", "is_lambda", "keep", "release", "retry", "waiting"]

WRITERS = 1_000
"""Writers with unsent turns that are kept at most; those that have waited longest are given up first."""

TERM_SECONDS = 8.0
"""Seconds SIGTERM may be held up for: less than the 10 that Docker grants, and the 30 of ECS and Kubernetes."""

_log = logging.getLogger(__name__)


class Finishing(Protocol):
    """What has more to hand to its writer before the process ends: the messages of a turn in progress."""

    def finish(self) -> None:
        """Hand it over."""
        ...


_waiting: dict[EventWriter, None] = {}
_failed: dict[EventWriter, float] = {}
_finishing: WeakSet[Any] = WeakSet()
_changed = threading.Condition()
_retrying = False
_handling = False


def is_lambda() -> bool:
    """Whether this process runs on AWS Lambda, which freezes it between calls, threads and all."""
    return "AWS_LAMBDA_FUNCTION_NAME" in os.environ


def finish_with(owner: Finishing) -> None:
    """Ask an object for what it still has before the process ends; it is kept weakly."""
    _finishing.add(owner)
    _handle_sigterm()


def keep(writer: EventWriter) -> None:
    """Keep a writer until it holds nothing any more."""
    given_up = None
    with _changed:
        if writer not in _waiting:
            _waiting[writer] = None
            if len(_waiting) > WRITERS:
                given_up = next(iter(_waiting))
                _let_go(given_up)
    if given_up is not None:
        given_up.abandon()


def release(writer: EventWriter) -> None:
    """Stop keeping a writer; the service has answered, so what others could not send is tried again."""
    with _changed:
        _let_go(writer)
        for other in _failed:
            _failed[other] = 0.0
        _changed.notify_all()


def waiting_writer(client: Any, address: SessionAddress, settings: WriteConfig) -> EventWriter | None:
    """Return the writer that still holds unsent turns of a session, for whoever opens it again in this process."""
    with _changed:
        found = next((writer for writer in _waiting if writer.serves(client, address, settings)), None)
    if found is not None:
        found.inherit()
    return found


def drop(writer: EventWriter) -> None:
    """Stop keeping a writer that has given up."""
    with _changed:
        _let_go(writer)


def retry(writer: EventWriter, *, at_once: bool = False) -> None:
    """Have what a writer could not send tried again by a thread, in order.

    Args:
        writer: The writer.
        at_once: Whether not to wait until its breaker may let it, or another writer succeeds.
    """
    global _retrying  # noqa: PLW0603 - one thread for the process is the point
    if is_lambda():
        return  # its threads do not run between calls; the next turn tries again
    with _changed:
        if writer not in _waiting:
            return
        _failed[writer] = monotonic() + (0.0 if at_once else writer.retry_seconds)
        _changed.notify_all()
        if not _retrying:
            threading.Thread(target=_retry, name="agentmem-retry", daemon=True).start()
            _retrying = True


def waiting() -> frozenset[EventWriter]:
    """Return the writers that hold unsent turns."""
    with _changed:
        return frozenset(_waiting)


def give_up(writers: Iterable[EventWriter]) -> None:
    """Drop what writers hold, because the service they write to is gone, as a test's is after the test."""
    gone = list(writers)
    with _changed:
        for writer in gone:
            _let_go(writer)
        _changed.notify_all()
    for writer in gone:
        writer.abandon()


def _let_go(writer: EventWriter) -> None:
    _waiting.pop(writer, None)
    _failed.pop(writer, None)


def _retry() -> None:
    while writers := _due():
        for writer in writers:
            with contextlib.suppress(Exception):  # logged where it happens; the others still have their turn
                writer.drain()


def _due() -> list[EventWriter]:
    """Wait until writers are due to be tried again; none means that there is nothing left to wait for."""
    global _retrying  # noqa: PLW0603
    with _changed:
        while _failed:
            now = monotonic()
            due = [writer for writer, at in _failed.items() if at <= now]
            if due:
                _failed.update({writer: now + writer.retry_seconds for writer in due})
                return due
            _changed.wait(min(_failed.values()) - now)
        _retrying = False
        return []


def _drain_everything() -> int:
    """Send what is left, in this thread; return how many messages could not be."""
    for owner in list(_finishing):
        try:
            owner.finish()
        except Exception:  # noqa: BLE001 - the others still have their turn
            _log.exception("a turn in progress could not be closed before the process ends")
    with _changed:
        writers = list(_waiting)
    for writer in writers:
        try:
            writer.drain(insist=True)
        except Exception:  # noqa: BLE001 - the others still have their turn
            _log.exception("unsent turns could not be sent before the process ends")
    return sum(writer.status.pending for writer in writers)


@atexit.register
def _at_exit() -> None:
    count = _drain_everything()
    kept = all(writer.has_outbox for writer in list(_waiting))
    close_outboxes()
    if count and not kept:
        raise UnsentMessagesError(
            f"{count} messages are not saved and are lost with this process. Configure WriteConfig(outbox=...) so "
            "that a later process sends them.",
            count,
        )
    if count:
        _log.warning("messages=<%d> | not saved; they wait in the outbox for the next process", count)


def _handle_sigterm() -> None:
    """Take SIGTERM over, if nobody has and Python lets this thread."""
    global _handling  # noqa: PLW0603
    if _handling or threading.current_thread() is not threading.main_thread() or is_lambda():
        return
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return  # the application's own handler decides; it can close() or exit, which runs the exit handler
    with contextlib.suppress(ValueError):  # not the main interpreter
        signal.signal(signal.SIGTERM, _on_sigterm)
        _handling = True


def _on_sigterm(number: int, frame: object) -> None:
    """Send what is left in a thread of its own, then die of the signal.

    The main thread goes on meanwhile: the lock that sending needs may be held by it. A second SIGTERM ends the process
    at once.
    """
    del frame
    signal.signal(number, signal.SIG_DFL)
    # Not threading.Thread: starting one takes a lock that the interrupted code may hold.
    _thread.start_new_thread(_end_by, (number,))


def _end_by(number: int) -> None:
    sending = threading.Thread(target=_drain_for_signal, name="agentmem-sigterm", daemon=True)
    sending.start()
    sending.join(TERM_SECONDS)
    os.kill(os.getpid(), number)


def _drain_for_signal() -> None:
    count = _drain_everything()
    if count:
        _log.error("messages=<%d> | not saved before SIGTERM ended the process", count)


def _after_fork() -> None:
    """Leave to the parent what is the parent's."""
    global _retrying, _handling, _changed  # noqa: PLW0603
    _waiting.clear()
    _failed.clear()
    _changed = threading.Condition()
    _retrying = False
    if _handling and signal.getsignal(signal.SIGTERM) is _on_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _handling = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
