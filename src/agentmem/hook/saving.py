"""Saving the turns of a hook's agents: on the user's time or in the background, and what to do when it fails."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentmem.errors import UnsentMessagesError
from agentmem.events.writer_pool import HookStatus, SessionWriters
from agentmem.hook.pending_turn import PendingTurn
from agentmem.support.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentmem.events.writer import EventWriter
    from agentmem.hook.pending_turn import Text
    from agentmem.scope.scope import Configuration, SessionScope

__all__ = ["SavedAgent", "Saver"]


@dataclass
class SavedAgent:
    """What is saved of one agent; it must not refer to the agent.

    Attributes:
        session: Where it is saved.
        turn: What waits to be written.
        writer: The session's writer, once there was something to write.
    """

    session: SessionScope
    turn: PendingTurn
    writer: EventWriter | None = None


class Saver:
    """Writes what many agents of one hook have said. Safe to share between threads."""

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
        self._writers = SessionWriters(config.writes)
        self._background = Threads(1, "agentmem-save")
        self._withheld = 0

    @property
    def status(self) -> HookStatus:
        """Messages saved, pending and dropped over all agents; a text that could not be redacted was dropped."""
        status = self._writers.status
        return HookStatus(
            status.saved, status.pending, status.dropped + self._withheld, status.last_error, status.breaker
        )

    def adopt(self, session: SessionScope) -> SavedAgent:
        """Return what is to be saved of a new agent of a session: nothing yet."""
        turn = PendingTurn(
            self.outgoing, strip_thinking=self._config.hook.strip_thinking, follow=self._settings.flush == "message"
        )
        return SavedAgent(session, turn)

    def finish_with(self, owner: object) -> None:
        """Send what is left when the owner is collected."""
        self._writers.finish_with(owner)

    def begin(self, agent: SavedAgent) -> None:
        """Begin a turn."""
        agent.turn.begin()
        if agent.writer is not None:
            agent.writer.begin_turn()

    async def save(self, agent: SavedAgent, keep_last: int = 0) -> None:
        """Write what waits as one event, or have the background do it.

        Args:
            agent: Whose turn.
            keep_last: How many of the newest messages stay.

        Raises:
            UnsentMessagesError: It could not be written, and errors are to be raised; it stays queued.
        """
        texts = agent.turn.take(keep_last)
        if not texts:
            return
        # Not on the event loop: making the first client takes time, and so does the outbox.
        await asyncio.to_thread(self.submit, agent, texts)
        if self._settings.flush == "background":
            self._background.submit(self.drain, agent)
        elif not await asyncio.to_thread(self.drain, agent) and self._config.hook.on_error == "raise":
            raise self._unsent()

    def submit(self, agent: SavedAgent, texts: list[Text]) -> None:
        """Queue texts as one event."""
        items, withheld = agent.turn.items(texts)
        self._withheld += withheld
        writer = self.writer_of(agent)
        if items:
            writer.submit(items)

    def accept(self, agent: SavedAgent) -> None:
        """Keep the messages of the turn so far in the outbox: the model has answered, nothing redacts them now."""
        self.writer_of(agent).accept(agent.turn.accepted())

    def drain(self, agent: SavedAgent) -> bool:
        """Write what waits of an agent's session; return whether everything is acknowledged."""
        writer = self.writer_of(agent)
        done = self._writers.drain(agent.session, writer)
        agent.turn.stored(writer)
        if done and self._writers.unsent:
            self._background.submit(self._writers.drain_all)  # the service is back: the others' turn
        return done

    def follow_redactions(self, agent: SavedAgent) -> None:
        """Replace in the log what was saved at once and a guardrail has redacted since."""
        if agent.turn.follow_redactions(self.writer_of(agent)):
            self.drain(agent)

    def flush(self) -> bool:
        """Try to send what could not be sent before; with an outbox, also what ended processes left in it."""
        if self._settings.outbox is not None:
            self._writers.take_over(self._config.memory_id, self._config.data_plane())
        return self._writers.drain_all(insist=True)

    def close(self) -> None:
        """Send what is left and end the thread.

        Raises:
            UnsentMessagesError: Some messages are still unacknowledged; they stay queued.
        """
        self._background.shutdown()  # what was handed to it is tried first
        if not self._writers.drain_all(insist=True):
            raise self._unsent()

    def writer_of(self, agent: SavedAgent) -> EventWriter:
        """Return the writer of an agent's session."""
        if agent.writer is None:
            agent.writer = self._writers.writer(agent.session)
            if self._config.hook.restore == "off":
                agent.writer.look_first()  # another process may have written, with a clock ahead of this one's
        return agent.writer

    def outgoing(self, text: str) -> str:
        """Pass a text through the user's own redaction; what cannot be redacted does not leave the process."""
        if self._settings.redact is None or not text:
            return text
        try:
            return self._settings.redact(text)
        except Exception as error:  # noqa: BLE001 - the user's own function; the text must not leave unredacted
            self._failed("redact", error)
            return ""

    def _unsent(self) -> UnsentMessagesError:
        status = self._writers.status
        return UnsentMessagesError(
            f"{status.pending} messages of memory {self._config.memory_id!r} are not saved: {status.last_error}. They "
            "are still queued in this process and are sent with the next turn, or by close() when the service is back.",
            status.pending,
        )
