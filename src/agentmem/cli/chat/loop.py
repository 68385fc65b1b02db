"""Reads lines in `agentmem chat`, runs its commands, and saves everything at the end."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agentmem.cli.chat.conversation import Turn
from agentmem.cli.output import progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from agentmem.cli.chat.conversation import Conversation
    from agentmem.cli.chat.view import JsonView, TextView

_log = logging.getLogger(__name__)

COMMANDS = {
    "/help": "Show these commands.",
    "/status": "Show the size of the request, what is saved and what is pending.",
    "/recall": "WORDS: find what was said in this session, word for word, folded messages included.",
    "/memories": "[WORDS]: search long-term memory, or list all of it.",
    "/compact": "Compact now, whatever the size.",
    "/quit": "Save and end, as Ctrl-D and Ctrl-C do; Ctrl-C during an answer stops the answer first.",
}


class Chat:
    """Runs a conversation until its lines end.

    Attributes:
        failures: How many turns and commands have failed.
    """

    def __init__(
        self,
        conversation: Conversation,
        view: TextView | JsonView,
        next_line: Callable[[], str | None],
        *,
        explain: Callable[[BaseException], str],
        ends_when_stopped: bool = True,
    ) -> None:
        """Prepare; nothing is said yet.

        Args:
            conversation: The conversation.
            view: Where it is shown.
            next_line: Returns the user's next line; None when there are no more.
            explain: Turns an error into a message.
            ends_when_stopped: Whether stopping an answer ends the conversation too, as where nobody types.
        """
        self._conversation = conversation
        self._view = view
        self._next_line = next_line
        self._explain = explain
        self._ends_when_stopped = ends_when_stopped
        self._answering = False
        self._stopped = False
        self._ended = False
        self.failures = 0

    def run(self) -> None:
        """Talk until the lines end, ``/quit`` is said or a signal comes, and save everything.

        Raises:
            UnsentMessagesError: Some messages could not be saved.
        """
        with self._signals():
            try:
                self._view.opened(self._conversation)
                with asyncio.Runner() as runner:
                    while not self._ended and (line := self._next_line()) is not None:
                        self._take(line.strip(), runner)
            except KeyboardInterrupt:
                pass  # a wish to end, like the end of the input
            with progress("saving"):
                self._conversation.close()
            self._view.closed(self._conversation.status())

    def _take(self, line: str, runner: asyncio.Runner) -> None:
        if not line:
            return
        try:
            if line.startswith("/") and not line.startswith("//"):
                self._obey(*line.partition(" ")[::2])
            else:
                runner.run(self._answer(line.removeprefix("/")))
        except Exception as error:  # noqa: BLE001 - whatever a provider raises: told, counted, and the chat goes on
            _log.debug("turn or command failed", exc_info=True)
            self._refuse(self._explain(error))

    async def _answer(self, text: str) -> None:
        self._view.said(text)
        self._answering, self._stopped = True, False
        try:
            async for happening in self._conversation.say(text):
                self._view.happened(happening)
                if isinstance(happening, Turn) and happening.stopped and self._ends_when_stopped:
                    self._ended = True
        finally:
            self._answering = False

    def _obey(self, command: str, words: str) -> None:
        words = words.strip()
        match command:
            case "/help":
                self._view.helped(COMMANDS)
            case "/status":
                self._view.status(self._conversation.status())
            case "/recall" if not words:
                self._refuse("say what to look for: /recall WORDS")
            case "/recall":
                self._view.recalled(words, self._conversation.recall(words))
            case "/memories":
                self._view.memories(words, self._conversation.memories(words))
            case "/compact":
                self._view.compacted(self._conversation.compact())
            case "/quit":
                self._ended = True
            case _:
                self._refuse(
                    f"there is no command {command}; /help shows those there are. To say something that begins with "
                    "a slash, begin with two."
                )

    def _refuse(self, message: str) -> None:
        self.failures += 1
        self._view.failed(message)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Take Ctrl-C and the wish to terminate as the end of the answer under way, or of the conversation."""
        before = {number: signal.signal(number, self._signalled) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            self._ended = True
        if self._answering and not self._stopped:
            self._stopped = True
            self._conversation.stop()
            return
        raise KeyboardInterrupt  # at the prompt, or the model does not come to a safe point
