"""Saves the turns of a hook's agents: on the user's time or in the background."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from agentmem.errors import UnsentMessagesError
from agentmem.events.batch import OutgoingItem
from agentmem.events.breaker import CircuitBreaker
from agentmem.events.outbox import open_outbox
from agentmem.events.redaction import Replacement
from agentmem.events.send_queue import Tally, WriterStatus
from agentmem.events.serializer import check_redact, encode_text
from agentmem.events.turn_buffer import PATIENCE, TurnBuffer
from agentmem.events.writer import EventWriter, check_flush
from agentmem.events.writer_registry import is_lambda, registry
from agentmem.messages.text import plain_text
from agentmem.scope.address import SessionAddress
from agentmem.support.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from strands.types.content import Message

    from agentmem.scope.scope import Configuration, SessionScope

__all__ = ["HookStatus", "SavedAgent", "Saver"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HookStatus(WriterStatus):
    """Counts of the messages a hook was given, over all its agents, and the state of its service.

    ``last_error`` is the last error in saving, restoring or retrieving; ``breaker`` is the circuit breaker of writing
    or, when that is closed, of retrieval.
    """


@dataclass
class SavedAgent:
    """One agent as the saver knows it; it must not refer to the agent.

    Attributes:
        session: Where it is saved.
        turn: Its messages that wait to be written.
        writer: The session's writer, once there was something to write.
        sent: With ``flush="message"``, the turn's messages that were written and may be redacted yet, by tracking id,
            with the text that was written.
    """

    session: SessionScope
    turn: TurnBuffer
    writer: EventWriter | None = None
    sent: dict[str, tuple[Message, str]] = field(default_factory=dict)


class Saver:
    """Writes the turns of many agents of one hook. Safe to share between threads.

    The agents of a session share a writer, which lives as long as an agent uses it or it holds unsent messages; so an
    outage costs a process that makes an agent for each request nothing but time. The writers share one circuit breaker,
    because they share the service. At most ``queue_limit`` sessions wait, with as many turns each; with an outbox, as
    many as the disk has room for.
    """

    def __init__(self, config: Configuration, failed: Callable[[str, Exception], None]) -> None:
        """Write as a configuration says.

        Args:
            config: The configuration.
            failed: Told of what could not be redacted: the operation, and the error.

        Raises:
            ConfigurationError: The outbox cannot be used, or the settings do not fit where this runs.
        """
        self._config = config
        self._settings = config.writes
        self._failed = failed
        check_flush(config.writes)
        check_redact(config.writes.redact)
        if config.writes.outbox is not None:
            open_outbox(config.writes.outbox)
        self._lock = threading.Lock()
        self._writers: WeakValueDictionary[SessionAddress, EventWriter] = WeakValueDictionary()
        self._breaker = CircuitBreaker(config.writes.breaker_failures, config.writes.breaker_reset_seconds)
        self._tally = Tally()
        self._background = Threads(1, "agentmem-save")
        self._withheld = self._told_dropped = 0

    @property
    def status(self) -> HookStatus:
        """Messages saved, pending and dropped over all agents; a text that could not be redacted was dropped."""
        pending = sum(writer.status.pending for writer in _unsent(self._writers))
        tally = self._tally
        dropped = tally.dropped + self._withheld
        return HookStatus(tally.saved, pending, dropped, tally.loss or tally.last_error, self._breaker.state)

    def forget_loss(self) -> None:
        """Note that somebody was told what is not stored."""
        self._tally.loss = None

    def adopt(self, session: SessionScope) -> SavedAgent:
        """Return what is to be saved of a new agent of a session: nothing yet."""
        return SavedAgent(session, TurnBuffer(self._item_of))

    def finish_with(self, owner: object) -> None:
        """Send what is left when the owner is collected; the end of the process has its own way (`exit_handlers`)."""
        # Not a method of this object, which refers to the owner.
        weakref.finalize(owner, _retry_at_once, self._writers).atexit = False

    def begin(self, agent: SavedAgent) -> None:
        """Begin a turn: nothing redacts the messages of the last one any more."""
        agent.sent.clear()
        agent.turn.patience = PATIENCE

    async def save(self, agent: SavedAgent, keep_last: int = 0) -> None:
        """Write what waits as one event, or have the background do it.

        Args:
            agent: Whose turn.
            keep_last: How many of the newest messages stay.

        Raises:
            UnsentMessagesError: It could not be written, and errors are to be raised; it stays queued.
        """
        if len(agent.turn) <= keep_last:
            return
        # Not on the event loop: making the first client takes time, and so does the outbox.
        if not await asyncio.to_thread(self.submit, agent, keep_last):
            return
        if self._settings.flush == "background":
            self._background.submit(self.drain, agent)
        elif not await asyncio.to_thread(self.drain, agent) and self._config.hook.on_error == "raise":
            raise self._unsent_messages()

    def submit(self, agent: SavedAgent, keep_last: int = 0) -> bool:
        """Queue what waits as one event; return whether there was anything.

        Args:
            agent: Whose turn.
            keep_last: How many of the newest messages stay.
        """
        if self._settings.flush == "message":
            sent = list(agent.turn.messages.values())[: len(agent.turn) - keep_last]
            agent.sent |= {message["tracking_id"]: (message, self._text_of(message)) for message in sent}
        taken = agent.turn.take(keep_last)
        items = [item for item in taken if item.payload is not None]
        self._withheld += len(taken) - len(items)
        if items:
            self.writer_of(agent).submit(items)
        return bool(items)

    def accept(self, agent: SavedAgent) -> None:
        """Keep the messages of the turn so far in the outbox: the model has answered, nothing redacts them now."""
        self.writer_of(agent).accept([item for item in agent.turn.accept() if item.payload is not None])

    def drain(self, agent: SavedAgent) -> bool:
        """Write what waits of an agent's session; return whether everything is acknowledged."""
        done = self.writer_of(agent).drain(agent.turn.patience)
        if not done:
            agent.turn.patience = PATIENCE if is_lambda() else 0
            registry.give_up(_unsent(self._writers)[: -self._settings.queue_limit])
        return done

    def follow_redactions(self, agent: SavedAgent) -> None:
        """Replace in the log what was saved at once and a guardrail has redacted since."""
        changed = {
            name: (message, text)
            for name, (message, before) in agent.sent.items()
            if (text := self._text_of(message)) != before
        }
        if not changed:
            return
        agent.sent |= changed
        writer = self.writer_of(agent)
        for name, (message, _) in changed.items():
            item = self._item_of(message)
            writer.redact(Replacement(name, () if item is None else tuple(item.payload_items)))
        self.drain(agent)

    def flush(self) -> bool:
        """Try to send what could not be sent before; with an outbox, also what ended processes left in it."""
        self._take_over()
        return self._drain_all()

    def close(self) -> None:
        """Send what is left and end the thread.

        Raises:
            UnsentMessagesError: Some messages are still unacknowledged; they stay queued. Or some were given up since
                the last time.
        """
        self._background.shutdown()  # what was handed to it is tried first
        if not self._drain_all():
            raise self._unsent_messages()
        dropped = self._tally.dropped
        count, self._told_dropped = dropped - self._told_dropped, dropped
        if count > 0:
            reason = self.status.last_error or "the log says why"
            raise UnsentMessagesError(
                f"{count} messages of memory {self._config.memory_id!r} were given up and are not saved: {reason}. "
                "Correct what the service refuses, or raise WriteConfig(queue_limit=...); the agents still have them "
                "in agent.messages.",
                count,
            )

    def writer_of(self, agent: SavedAgent) -> EventWriter:
        """Return the writer of an agent's session."""
        if agent.writer is None:
            session = agent.session
            address = SessionAddress(session.memory_id, session.actor_id, session.session_id)
            agent.writer = self._writer(address, session.client, session.event_options())
            if self._config.hook.restore == "off":
                agent.writer.look_first()  # another process may have written, with a clock ahead of this one's
        return agent.writer

    def outgoing(self, text: str) -> str:
        """Pass a text through the user's own redaction; what cannot be redacted does not leave the process."""
        if self._settings.redact is None or not text:
            return text
        try:
            redacted: object = self._settings.redact(text)
            if not isinstance(redacted, str):
                raise TypeError(f"it returned {type(redacted).__name__} and no text")  # noqa: TRY301 - told as any other
        except Exception as error:  # noqa: BLE001 - the user's own function; the text must not leave unredacted
            self._failed("redact", error)
            return ""
        return redacted

    # ---- inside

    def _text_of(self, message: Message) -> str:
        strip = self._config.hook.strip_thinking
        return plain_text(message["content"], message["role"], without_thinking=strip)

    def _item_of(self, message: Message) -> OutgoingItem | None:
        """Serialize a message: None for one without text, and one without payload for a text that must not leave."""
        text = self._text_of(message)
        if not text:
            return None
        outgoing = self.outgoing(text)
        payload = encode_text(outgoing, message["role"]) if outgoing.strip() else None
        return OutgoingItem(message["tracking_id"], payload)

    def _writer(self, address: SessionAddress, client: Any, options: Mapping[str, Any]) -> EventWriter:
        with self._lock:
            found = self._writers.get(address)
            if found is None:
                found = EventWriter(
                    client, address, self._settings, options=options, breaker=self._breaker, tally=self._tally
                )
                self._writers[address] = found
                found.recover()
            return found

    def _drain_all(self) -> bool:
        """Send what any session's writer still holds, as long as the service answers, for there may be no later."""
        done = True
        for writer in _unsent(self._writers):
            done = writer.drain(insist=True) and done
            if self._breaker.state == "open":
                break
        return done

    def _take_over(self) -> None:
        """Take over what processes that have ended left in the outbox, of any session of the memory."""
        path = self._settings.outbox
        try:
            left = [] if path is None else open_outbox(path).left_behind(self._config.memory_id)
        except sqlite3.Error as error:
            _log.error("error=<%s: %s> | the outbox could not be read", type(error).__name__, error)
            return
        for address in left:
            self._writer(address, self._config.data_plane(), {}).recover()

    def _unsent_messages(self) -> UnsentMessagesError:
        status = self.status
        return UnsentMessagesError(
            f"{status.pending} messages of memory {self._config.memory_id!r} are not saved: {status.last_error}. They "
            "are still queued in this process and are sent with the next turn, or by close() when the service is back.",
            status.pending,
        )


def _unsent(writers: WeakValueDictionary[SessionAddress, EventWriter]) -> list[EventWriter]:
    """Return those of some writers that hold messages, longest unsent first."""
    own = {ref() for ref in writers.valuerefs()}
    return [writer for writer in registry.waiting() if isinstance(writer, EventWriter) and writer in own]


def _retry_at_once(writers: WeakValueDictionary[SessionAddress, EventWriter]) -> None:
    for writer in _unsent(writers):
        registry.retry(writer, at_once=True)
