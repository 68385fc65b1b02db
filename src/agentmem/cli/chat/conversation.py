"""Holds a conversation with memory and compaction, and reports its events for `agentmem chat`."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from agentmem.cli.output import shortened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from strands.agent.agent import Agent
    from strands.hooks import AfterModelCallEvent, BeforeModelCallEvent, MessageAddedEvent
    from strands.middleware.stages import InvokeModelContext
    from strands.models import Model

    from agentmem.compaction.compactor import Compaction
    from agentmem.recall.recall import RecalledMessage
    from agentmem.records.retrieval import MemoryRecord
    from agentmem.session import MemorySession
    from agentmem.session_manager.manager import CompactingSessionManager


@dataclass(frozen=True)
class Happening:
    """Something that happens in a conversation."""

    kind: ClassVar[str]

    def facts(self) -> dict[str, Any]:
        """Return it as plain values, its kind first."""
        return {"kind": self.kind} | {each.name: _plain(getattr(self, each.name)) for each in fields(self)}


@dataclass(frozen=True)
class Text(Happening):
    """The next piece of the answer, without thinking."""

    kind = "text"
    text: str


@dataclass(frozen=True)
class Retrieved(Happening):
    """Long-term memories the model is shown beside the user's message."""

    kind = "retrieved"
    records: tuple[MemoryRecord, ...]


@dataclass(frozen=True)
class ToolCalled(Happening):
    """The model called a tool."""

    kind = "tool"
    name: str
    input: Any


@dataclass(frozen=True)
class Compacted(Happening):
    """The context was compacted.

    Attributes:
        trigger: The reason for it: ``threshold``, ``overflow`` or ``manual``.
        tokens_before: Tokens of the request before, as estimated.
        tokens_after: And after.
        folded: Messages folded into the summary.
        shortened: Messages whose content was shortened.
        messages: The beginnings of the folded messages, oldest first.
    """

    kind = "compacted"
    trigger: str
    tokens_before: int
    tokens_after: int
    folded: int
    shortened: int
    messages: tuple[str, ...]


@dataclass(frozen=True)
class Status(Happening):
    """Where the conversation stands.

    Attributes:
        tokens: Tokens of the last request, as the model reported them; counted when it reported none or none was made.
        token_threshold: Tokens at which it is compacted.
        messages: Messages in view.
        folded: Messages folded into the summary, by the last checkpoint that is saved.
        saved: Messages saved since the conversation was opened.
        pending: Messages that are not saved yet.
        dropped: Messages given up.
        error: The message of the last failed attempt to save, or None.
    """

    kind = "status"
    tokens: int
    token_threshold: int
    messages: int
    folded: int
    saved: int
    pending: int
    dropped: int
    error: str | None


@dataclass(frozen=True)
class Turn(Status):
    """The end of a turn, and how the conversation stands then.

    Attributes:
        answer: The whole visible answer.
        requests: Model calls of the turn.
        stopped: Whether it was stopped before its end.
    """

    kind = "turn"
    answer: str
    requests: int
    stopped: bool


class Conversation:
    """An agent with a stored and compacted session and long-term memory; it reports every event.

    Attributes:
        session: The session of the conversation.
        agent: The agent.
    """

    def __init__(self, session: MemorySession, model: Model, *, system_prompt: str) -> None:
        """Open the session and restore its history.

        Raises:
            HistoryUnavailableError: The history could not be read.
            CheckpointStoreError: The checkpoint could not be read.
        """
        from strands import Agent
        from strands.hooks import AfterModelCallEvent, BeforeModelCallEvent, HookOrder, MessageAddedEvent
        from strands.middleware import InvokeModelStage

        self.session = session
        self._manager = session.session_manager()
        self._hook = session.hook()
        self.agent = Agent(
            model=model,
            system_prompt=system_prompt,
            session_manager=self._manager,
            hooks=[self._hook],
            callback_handler=None,
        )
        self._happened: deque[Happening] = deque()
        self._requests = 0
        self._request_tokens = 0
        self._retrieved: tuple[MemoryRecord, ...] = ()
        self._last: Compaction | None = None
        self._in_view = _in_view(self.agent, self._manager)
        # Around the session manager, which compacts last before the model.
        self.agent.add_hook(self._before_compaction, BeforeModelCallEvent, order=HookOrder.SDK_FIRST)
        self.agent.add_hook(self._before_model, BeforeModelCallEvent, order=HookOrder.SDK_LAST + 1)
        self.agent.add_hook(self._after_model, AfterModelCallEvent)
        self.agent.add_hook(self._on_message, MessageAddedEvent)
        self.agent.add_middleware(InvokeModelStage.Input, self._to_model)  # after the hook's, which retrieves

    async def say(self, text: str) -> AsyncIterator[Happening]:
        """Say something to the agent.

        Args:
            text: The user's message.

        Yields:
            What happens, as it happens; a `Turn` comes last.

        Raises:
            Exception: Whatever the model's provider raises. The conversation can go on.
        """
        from agentmem.messages.thinking import ThinkingFilter

        self._requests, self._retrieved = 0, ()
        visible = ThinkingFilter()
        answer: list[str] = []
        stop_reason = ""
        async for event in self.agent.stream_async(text):
            piece = ""
            if "data" in event:
                piece = visible.feed(event["data"])
            elif "contentBlockStop" in event.get("event", {}):
                piece, visible = visible.close(), ThinkingFilter()  # one filter for each text
            elif "result" in event:
                stop_reason = event["result"].stop_reason
            while self._happened:
                yield self._happened.popleft()
            if piece:
                answer.append(piece)
                yield Text(piece)
        self._note_compaction()
        while self._happened:
            yield self._happened.popleft()
        status = {each.name: getattr(self.status(), each.name) for each in fields(Status)}
        yield Turn(**status, answer="".join(answer), requests=self._requests, stopped=stop_reason == "cancelled")

    def stop(self) -> None:
        """Stop the answer under way at the next safe point; callable from anywhere."""
        self.agent.cancel()

    def status(self) -> Status:
        """Return how the conversation stands."""
        from agentmem.compaction.budget import Thresholds

        saving = self._manager.status
        checkpoint = self._manager.checkpoint
        return Status(
            tokens=self._request_tokens or self._counted(),
            token_threshold=Thresholds(self.session.config.compaction).limits(self.agent.model).threshold,
            messages=len(self.agent.messages),
            folded=0 if checkpoint is None else checkpoint.folded_messages,
            saved=saving.saved,
            pending=saving.pending,
            dropped=saving.dropped,
            error=saving.last_error,
        )

    def recall(self, words: str) -> list[RecalledMessage]:
        """Return the messages of this session that match some words, best first, folded messages included.

        Raises:
            HistoryUnavailableError: The events could not be read.
            CheckpointStoreError: The indexes could not be read.
        """
        return self._manager.recall.by_words(words)

    def memories(self, words: str = "") -> list[MemoryRecord]:
        """Return the long-term memories of the session's namespaces: those found for some words, or all.

        Raises:
            ClientError: The service refused a request.
        """
        from agentmem.records.retrieval import list_records

        names = [namespace.name for namespace in self.session.config.namespaces]
        if not words:
            return [record for name in names for record in list_records(self.session, name)]
        found = [record for name in names for record in self.session.search(name, words)]
        return sorted(found, key=lambda record: -record.score)

    def compact(self) -> Compacted | None:
        """Compact now; None when there is nothing to shorten or to fold.

        Raises:
            CheckpointStoreError: The checkpoint could not be saved.
        """
        self._in_view = _in_view(self.agent, self._manager)
        if self._manager.compact(self.agent) is None:
            return None
        self._note_compaction()
        self._request_tokens = 0
        done = self._happened.pop()
        return done if isinstance(done, Compacted) else None

    def close(self) -> None:
        """Save all unsaved messages, also those of an interrupted turn.

        Raises:
            UnsentMessagesError: Some messages are still unacknowledged.
        """
        from agentmem.runtime.shutdown import drain

        drain(self.agent)

    # ---- watching

    def _before_compaction(self, event: BeforeModelCallEvent) -> None:
        del event
        self._note_compaction()  # after a refusal of the model it was compacted already
        self._in_view = _in_view(self.agent, self._manager)

    def _before_model(self, event: BeforeModelCallEvent) -> None:
        del event
        self._note_compaction()

    def _to_model(self, context: InvokeModelContext) -> InvokeModelContext:
        retrieved = self._hook.retrieved(self.agent)
        if retrieved and retrieved is not self._retrieved:
            self._retrieved = retrieved
            self._happened.append(Retrieved(retrieved))
        return context

    def _after_model(self, event: AfterModelCallEvent) -> None:
        from agentmem.messages.tokens import prompt_tokens

        self._requests += 1
        if event.stop_response is not None:
            usage = event.stop_response.message.get("metadata", {}).get("usage", {})
            self._request_tokens = prompt_tokens(usage) or self._counted()

    def _on_message(self, event: MessageAddedEvent) -> None:
        for block in event.message["content"]:
            if "toolUse" in block:
                self._happened.append(ToolCalled(block["toolUse"]["name"], block["toolUse"]["input"]))

    def _note_compaction(self) -> None:
        done = self._manager.last_compaction
        if done is None or done is self._last:
            return
        self._last = done
        kept = _in_view(self.agent, self._manager)
        gone = tuple(text for tracking_id, text in self._in_view.items() if tracking_id not in kept)
        facts = {name: value for name, value in asdict(done).items() if name != "fits"}
        self._happened.append(Compacted(**facts, messages=gone))
        self._in_view = kept

    def _counted(self) -> int:
        from agentmem.messages.tokens import count_request

        tools = self.agent.tool_registry.get_all_tool_specs()
        return count_request(self.agent.messages, self.agent.system_prompt, tools)


def _in_view(agent: Agent, manager: CompactingSessionManager) -> dict[str, str]:
    """Return the beginnings of the messages the agent has in view, by tracking id."""
    from agentmem.messages.text import message_text

    return {
        message["tracking_id"]: f"{message['role']}: {shortened(message_text(manager.without_summary(message)), 60)}"
        for message in agent.messages
    }


def _plain(value: Any) -> Any:
    from agentmem.records.retrieval import MemoryRecord

    if isinstance(value, MemoryRecord):
        return {"text": value.text, "score": value.score, "namespace": value.namespace, "record": value.record_id}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
