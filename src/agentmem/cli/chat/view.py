"""Shows a conversation as text for people or as JSON lines for programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.text import Text as Styled

from agentmem.cli.chat.conversation import Compacted, Retrieved, Status, Text, ToolCalled, Turn
from agentmem.cli.output import console, note, print_json, shortened, when

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.status import Status as Spinner

    from agentmem.cli.chat.conversation import Conversation, Happening
    from agentmem.recall.recall import RecalledMessage
    from agentmem.records.retrieval import MemoryRecord

_FOLDED_SHOWN = 3


class TextView:
    """Shows a conversation on a terminal, or as plain text where it is read by something else."""

    def __init__(self) -> None:
        """Print to stdout, errors to stderr."""
        self._console = console()
        self._spinner: Spinner | None = None
        self._in_answer = False

    def opened(self, conversation: Conversation) -> None:
        """Name the actor, the session and the state of the conversation."""
        session, status = conversation.session, conversation.status()
        self._aside(f"actor {session.actor_id}, session {session.session_id}, memory {session.memory_id}")
        if status.messages:
            folded = f", {status.folded:,} older ones folded into a summary" if status.folded else ""
            self._aside(f"restored: {_counted(status.messages, 'message')} in view{folded}")
        if self._console.is_terminal:
            self._aside("/help shows the commands, Ctrl-D ends.")

    def said(self, text: str) -> None:
        """Wait for the answer; where nobody types, show what was said."""
        if self._console.is_terminal and sys.stdin.isatty():
            self._spinner = self._console.status("waiting for the model")
            self._spinner.start()
        else:
            self._console.print(Styled(f"you: {text}"))

    def happened(self, happening: Happening) -> None:
        """Show the answer as it comes, and what happens in between."""
        self._end_waiting()
        match happening:
            case Text(text=text):
                self._write(text)
            case Retrieved(records=records):
                self._aside(f"retrieved: {_counted(len(records), 'long-term memory', 'long-term memories')}")
                self._records(records)
            case ToolCalled(name=name, input=given):
                arguments = given.items() if isinstance(given, dict) else ()
                self._aside(f"tool: {name}({', '.join(f'{key}={value!r}' for key, value in arguments)})")
            case Compacted():
                self._compaction(happening)
            case Turn():
                self._end_answer()
                if happening.stopped:
                    self._aside("stopped")
                calls = _counted(happening.requests, "model call")
                self._aside(f"{_size(happening)} in {calls}; {_saving(happening)}")

    def helped(self, commands: dict[str, str]) -> None:
        """List the commands."""
        for command, text in commands.items():
            self._aside(f"{command:<11}{text}")

    def status(self, status: Status) -> None:
        """Show the size of the request and the number of saved messages."""
        self._aside(_size(status))
        self._aside(f"{_counted(status.messages, 'message')} in view, {status.folded:,} folded into the summary")
        self._aside(_saving(status))

    def recalled(self, words: str, found: Sequence[RecalledMessage]) -> None:
        """Show messages of the session, whole."""
        if not found:
            self._aside(f"nothing in this session matches {words!r}")
        for one in found:
            self._aside(f"{one.role}, {when(one.at)}, event {one.event_id or 'not written yet'}:")
            self._console.print(Styled(one.text))

    def memories(self, words: str, found: Sequence[MemoryRecord]) -> None:
        """Show long-term memories, a line each."""
        if not found:
            self._aside(f"no long-term memory matches {words!r}" if words else "there are no long-term memories yet")
        self._records(found, scored=bool(words))

    def compacted(self, done: Compacted | None) -> None:
        """Show the folded and shortened messages."""
        if done is None:
            self._aside("there is nothing to shorten or to fold")
        else:
            self._compaction(done)

    def failed(self, message: str) -> None:
        """Show an error on stderr."""
        self._end_waiting()
        self._end_answer()
        note(f"agentmem: {message}")

    def closed(self, status: Status) -> None:
        """Say that everything is saved."""
        self._end_waiting()
        self._end_answer()
        self._aside(f"ended; {_saving(status)}")

    def _compaction(self, done: Compacted) -> None:
        self._aside(
            f"compacted ({done.trigger}): {done.tokens_before:,} -> {done.tokens_after:,} tokens, "
            f"{_counted(done.folded, 'message')} folded, {done.shortened:,} shortened"
        )
        for text in done.messages[:_FOLDED_SHOWN]:
            self._aside(f"  folded: {text}")
        if (more := len(done.messages) - _FOLDED_SHOWN) > 0:
            self._aside(f"  and {_counted(more, 'more message')}")

    def _records(self, records: Iterable[MemoryRecord], *, scored: bool = True) -> None:
        for record in records:
            score = f"{record.score:.2f} " if scored else ""
            self._aside(f"  {score}{record.namespace} {shortened(record.text, 100)}")

    def _write(self, text: str) -> None:
        if not self._in_answer:
            self._in_answer = True
            self._console.print(Styled("agent: "), end="")
        self._console.print(Styled(text), end="")

    def _aside(self, text: str) -> None:
        self._end_answer()
        self._console.print(Styled(f"  [{text}]" if not text.startswith(" ") else f"  {text}", style="dim"))

    def _end_answer(self) -> None:
        if self._in_answer:
            self._in_answer = False
            self._console.print()

    def _end_waiting(self) -> None:
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None


class JsonView:
    """Shows a conversation as one JSON object a line; ``kind`` tells which."""

    def opened(self, conversation: Conversation) -> None:
        """Print actor, session, memory and status."""
        session = conversation.session
        whose = {"actor": session.actor_id, "session": session.session_id, "memory": session.memory_id}
        self._print("opened", {**whose, **_without_kind(conversation.status())})

    def said(self, text: str) -> None:
        """Print the user's message."""
        self._print("user", {"text": text})

    def happened(self, happening: Happening) -> None:
        """Print it."""
        self._print(happening.kind, _without_kind(happening))

    def helped(self, commands: dict[str, str]) -> None:
        """Print the commands."""
        self._print("help", {"commands": commands})

    def status(self, status: Status) -> None:
        """Print the status."""
        self._print("status", _without_kind(status))

    def recalled(self, words: str, found: Sequence[RecalledMessage]) -> None:
        """Print the messages whole."""
        messages = [{"role": one.role, "text": one.text, "event": one.event_id, "at": one.at} for one in found]
        self._print("recalled", {"words": words, "messages": messages})

    def memories(self, words: str, found: Sequence[MemoryRecord]) -> None:
        """Print the records whole."""
        self._print("memories", {"words": words, **_without_kind(Retrieved(tuple(found)))})

    def compacted(self, done: Compacted | None) -> None:
        """Print what was done; nothing but the kind when there was nothing to do."""
        self._print("compacted", {} if done is None else _without_kind(done))

    def failed(self, message: str) -> None:
        """Print an error."""
        self._print("error", {"message": message})

    def closed(self, status: Status) -> None:
        """Print the last status."""
        self._print("closed", _without_kind(status))

    def _print(self, kind: str, facts: dict[str, Any]) -> None:
        print_json({"kind": kind, **facts})
        sys.stdout.flush()


def _without_kind(happening: Happening) -> dict[str, Any]:
    return {name: value for name, value in happening.facts().items() if name != "kind"}


def _size(status: Status) -> str:
    share = status.tokens / status.token_threshold
    return f"{status.tokens:,} of {status.token_threshold:,} tokens ({share:.0%})"


def _saving(status: Status) -> str:
    parts = [f"{_counted(status.saved, 'message')} saved", f"{status.pending:,} pending"]
    parts += [f"{status.dropped:,} dropped"] if status.dropped else []
    parts += [f"last error: {status.error}"] if status.error else []
    return ", ".join(parts)


def _counted(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
