"""Sends unsent turns before the process ends: at interpreter exit, and on SIGTERM.

SIGTERM is met when its handler is still the default one and the first hook or session manager is made in the main
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
from agentmem.events.writer_registry import is_lambda, registry

if TYPE_CHECKING:
    from agentmem.events.writer_registry import WriterRegistry

__all__ = ["ExitHandlers", "exit_handlers"]

TERM_SECONDS = 8.0
"""Seconds SIGTERM may be held up for: less than the 10 that Docker grants, and the 30 of ECS and Kubernetes."""

_log = logging.getLogger(__name__)


class Finishing(Protocol):
    """Has more to hand to its writer before the process ends: the messages of a turn in progress."""

    def finish(self) -> None:
        """Hand it over."""
        ...


class ExitHandlers:
    """Closes the turns in progress and sends what a registry's writers hold, when the process is about to end."""

    def __init__(self, writers: WriterRegistry) -> None:
        """Send what these writers hold; nothing is handled before ``at_exit`` is registered or ``finish`` is called."""
        self._registry = writers
        self._in_progress: WeakSet[Any] = WeakSet()
        self._handles_sigterm = False

    def finish(self, owner: Finishing) -> None:
        """Ask an object for what it still has before the process ends; it is kept weakly."""
        self._in_progress.add(owner)
        is_main = threading.current_thread() is threading.main_thread()
        if self._handles_sigterm or not is_main or is_lambda():
            return
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            return  # the application's own handler decides; it can close() or exit, which runs the exit handler
        with contextlib.suppress(ValueError):  # not the main interpreter
            signal.signal(signal.SIGTERM, self._on_sigterm)
            self._handles_sigterm = True

    def at_exit(self) -> None:
        """Send what is left when the interpreter exits.

        Raises:
            UnsentMessagesError: Messages are lost with the process; the interpreter prints it.
        """
        count = self._send_everything()
        is_kept = all(writer.has_outbox for writer in self._registry.waiting())
        close_outboxes()
        if count and not is_kept:
            raise UnsentMessagesError(
                f"{count} messages are not saved and are lost with this process. Configure WriteConfig(outbox=...) so "
                "that a later process sends them.",
                count,
            )
        if count:
            _log.warning("messages=<%d> | not saved; they wait in the outbox for the next process", count)

    def leave_to_parent(self) -> None:
        """Let SIGTERM end a process that was forked off, as it would without the parent's handler."""
        if self._handles_sigterm and signal.getsignal(signal.SIGTERM) == self._on_sigterm:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._handles_sigterm = False

    def _send_everything(self) -> int:
        """Send what is left, in this thread; return how many messages could not be sent."""
        for owner in list(self._in_progress):
            try:
                owner.finish()
            except Exception:  # noqa: BLE001 - the others still have their turn
                _log.exception("a turn in progress could not be closed before the process ends")
        return self._registry.drain()

    def _on_sigterm(self, number: int, frame: object) -> None:
        """Send what is left in a thread of its own, then die of the signal.

        The main thread goes on meanwhile: the lock that sending needs may be held by it. A second SIGTERM ends the
        process at once.
        """
        del frame
        signal.signal(number, signal.SIG_DFL)
        # Not threading.Thread: starting one takes a lock that the interrupted code may hold.
        _thread.start_new_thread(self._end_by, (number,))

    def _end_by(self, number: int) -> None:
        sending = threading.Thread(target=self._send_for_signal, name="agentmem-sigterm", daemon=True)
        sending.start()
        sending.join(TERM_SECONDS)
        os.kill(os.getpid(), number)

    def _send_for_signal(self) -> None:
        count = self._send_everything()
        if count:
            _log.error("messages=<%d> | not saved before SIGTERM ended the process", count)


exit_handlers = ExitHandlers(registry)
"""The handlers of this process."""

atexit.register(exit_handlers.at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=exit_handlers.leave_to_parent)
