"""Brings a recorded conversation into one form: alternating Strands messages, every tool call answered."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from agentmem.errors import AgentMemError
from agentmem.messages.json_values import valid_json, valid_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from strands.types.content import ContentBlock, Message
    from strands.types.tools import ToolResult, ToolUse

EMPTY_TEXT = "(empty)"
NO_RESULT_TEXT = "(no result was recorded)"
ASSISTANT_FIRST_TEXT = "(the assistant speaks first)"

_ALLOWED = {
    "user": frozenset({"text", "image", "document", "video", "audio", "guardContent", "cachePoint"}),
    # A model streams only these; a cache point is put there by a provider, not by a model.
    "assistant": frozenset({"text", "toolUse", "reasoningContent", "citationsContent"}),
}
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NOT_IN_NAME = re.compile(r"[^a-zA-Z0-9_-]+")


class ReplayFormatError(AgentMemError, ValueError):
    """A conversation file cannot be read.

    Attributes:
        line: The line's number, from 1; None when the file as a whole is at fault.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        """Put the line's number in front of the message."""
        super().__init__(message if line is None else f"line {line}: {message}")
        self.line = line


@dataclass(frozen=True)
class RecordedMessage:
    """One message of a file, in Strands' blocks, before the rules between messages are applied.

    Attributes:
        role: `user`, `assistant` or `system`.
        content: Content blocks; tool results stand in `user` messages.
        line: The line it comes from.
        group: Neighbouring messages of the assistant with one group are parts of one answer; None for a whole one.
    """

    role: str
    content: Sequence[Mapping[str, Any]]
    line: int
    group: str | None = None


@dataclass(frozen=True)
class Invocation:
    """The messages of one call of the agent.

    Attributes:
        prompt: The user's message.
        replies: The recorded assistant messages, in order; every one but the last calls tools.
        results: The recorded tool results by tool use id.
        ends_in_tools: The recording goes on with a user message (or ends) right after the last reply's tools.
    """

    prompt: Message
    replies: tuple[Message, ...]
    results: Mapping[str, ToolResult]
    ends_in_tools: bool


@dataclass(frozen=True)
class Conversation:
    """A whole recorded conversation.

    Attributes:
        system: The system prompt, or None.
        messages: Strands messages: a user's own messages, assistant messages, and tool results in messages of their
            own; tool use ids are unique in all of them.
        format: The recognized format of the file.
        parts: How many conversations the file held.
        repairs: Number of repairs that made it replayable, by kind.
    """

    system: str | None
    messages: tuple[Message, ...]
    format: str
    parts: int
    repairs: Mapping[str, int]

    def invocations(self) -> list[Invocation]:
        """Split the conversation into calls of the agent; a last user message without a reply is none."""
        found: list[Invocation] = []
        prompt: Message | None = None
        replies: list[Message] = []
        results: dict[str, ToolResult] = {}
        for message in (*self.messages, None):
            if message is None or is_prompt(message):
                if prompt is not None and replies:
                    ends_in_tools = bool(_tool_uses(replies[-1]))
                    found.append(Invocation(prompt, tuple(replies), results, ends_in_tools))
                prompt, replies, results = message, [], {}
            elif message["role"] == "assistant":
                replies.append(message)
            else:
                results.update({result["toolUseId"]: result for result in _tool_results(message["content"])})
        return found

    def unanswered(self) -> Message | None:
        """Return the last user message when the recording has no reply to it, else None."""
        return self.messages[-1] if is_prompt(self.messages[-1]) else None


@dataclass
class _Assembly:
    """The state of putting one conversation together."""

    messages: list[Message] = field(default_factory=list)
    repairs: Counter[str] = field(default_factory=Counter)
    awaited: dict[str, str] = field(default_factory=dict)
    """Recorded id to replayed id of the tool calls of the last assistant message that have no result yet."""
    answered: list[ContentBlock] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)

    def system_text(self, content: Sequence[Mapping[str, Any]]) -> str:
        """Join the text of a system message."""
        return "\n".join(block["text"] for block in content if isinstance(block.get("text"), str)).strip()

    def sendable(self, block: Mapping[str, Any]) -> dict[str, Any]:
        """Change what Python's JSON reader takes and a request cannot carry: NaN, infinities, lone surrogates."""
        changed = _sendable(block)
        if changed is not block:
            self.repairs["numbers or characters that a request cannot carry"] += 1
        return dict(changed)

    def user(self, content: list[ContentBlock], line: int) -> None:
        """Add a user message: its tool results answer the calls before it, the rest is the user's own."""
        for result in _tool_results(content):
            self._answer(result, line)
        own = self._only("user", [block for block in content if "toolResult" not in block])
        if own or not _tool_results(content):
            self.settle()
            self._append("user", self._without_blanks(own) or [{"text": EMPTY_TEXT}])

    def assistant(self, content: list[ContentBlock], line: int) -> None:
        """Add an assistant message; its tool calls get ids that are unique in the whole conversation."""
        self.settle()
        if not self.messages:
            self.repairs["placeholder before a conversation that the assistant begins"] += 1
            self._append("user", [{"text": ASSISTANT_FIRST_TEXT}])
        blocks: list[ContentBlock] = [
            {"toolUse": self._call(block["toolUse"], line)} if "toolUse" in block else block
            for block in self._without_blanks(self._only("assistant", content))
        ]
        if self.messages[-1]["role"] == "assistant":
            self.repairs["neighbouring assistant messages joined"] += 1
        self._append("assistant", blocks or [{"text": EMPTY_TEXT}])

    def settle(self) -> None:
        """Close the tool results of the last assistant message; calls without one are answered with an error."""
        for replayed in self.awaited.values():
            self.repairs["tool calls without a result"] += 1
            result = {"toolUseId": replayed, "status": "error", "content": [{"text": NO_RESULT_TEXT}]}
            self.answered.append({"toolResult": cast("ToolResult", result)})
        self.awaited = {}
        if self.answered:
            self.messages.append({"role": "user", "content": self.answered})
            self.answered = []

    def _append(self, role: str, content: list[ContentBlock]) -> None:
        last = self.messages[-1] if self.messages else None
        if last is not None and last["role"] == role and not _tool_results(last["content"]):
            last["content"] = [*last["content"], *content]
            return
        self.messages.append({"role": "user" if role == "user" else "assistant", "content": content})

    def _call(self, use: ToolUse, line: int) -> ToolUse:
        recorded = str(use.get("toolUseId") or "")
        name = _NOT_IN_NAME.sub("_", str(use.get("name") or ""))[:64]
        if not name:
            raise ReplayFormatError("a tool call has no name", line)
        if name != use["name"]:
            self.repairs["tool names changed to what a model may call"] += 1
        if recorded in self.awaited:
            raise ReplayFormatError(f"two tool calls of one message have the id {recorded!r}", line)
        replayed = recorded if _ID.fullmatch(recorded) else f"call-{sum(self.taken.values()) + 1}"
        while self.taken[replayed]:
            suffix = f"-{self.taken[replayed] + 1}"
            self.taken[replayed] += 1
            replayed = replayed[: 64 - len(suffix)] + suffix
        self.taken[replayed] += 1
        if replayed != recorded:
            self.repairs["tool call ids made unique"] += 1
        self.awaited[recorded] = replayed
        return {"toolUseId": replayed, "name": name, "input": use["input"]}

    def _answer(self, result: ToolResult, line: int) -> None:
        recorded = str(result.get("toolUseId") or "")
        if recorded not in self.awaited:
            calls = ", ".join(repr(call) for call in self.awaited) or "none"
            raise ReplayFormatError(
                f"a tool result answers the call {recorded!r}, but the calls that wait for a result are: {calls}", line
            )
        content = [item for item in result.get("content", []) if not _is_blank(item)]
        if not content:
            self.repairs["empty tool results filled in"] += 1
            content = [{"text": EMPTY_TEXT}]
        status = "error" if result.get("status") == "error" else "success"
        answer = {"toolUseId": self.awaited.pop(recorded), "status": status, "content": content}
        self.answered.append({"toolResult": cast("ToolResult", answer)})

    def _only(self, role: str, content: list[ContentBlock]) -> list[ContentBlock]:
        """Replace blocks that Converse refuses in a message of this role with a text that names them."""
        kept: list[ContentBlock] = []
        for block in content:
            kind = next(iter(block))
            if kind in _ALLOWED[role]:
                kept.append(block)
                continue
            self.repairs[f"{kind} blocks that Converse refuses in a message of the {role}"] += 1
            if kind != "cachePoint":
                kept.append({"text": f"[{kind}]"})
        return kept

    def _without_blanks(self, content: list[ContentBlock]) -> list[ContentBlock]:
        kept = [block for block in content if not _is_blank(block)]
        if not kept:
            self.repairs["empty messages filled in"] += 1
        return kept


def assemble(messages: Iterable[RecordedMessage], *, format: str, parts: int, repairs: Counter[str]) -> Conversation:  # noqa: A002
    """Apply the rules between messages.

    Neighbouring user messages become one; the first system message is the system prompt and later, different ones are
    left out and counted; tool use ids that repeat or that Converse refuses are replaced; a call without a result gets
    an error result; blank texts are dropped.

    Args:
        messages: The file's messages in order, those of several conversations one after the other.
        format: The recognized format of the file.
        parts: How many conversations it held.
        repairs: Number of repairs from reading the file, by kind.

    Returns:
        The conversation.

    Raises:
        ReplayFormatError: A tool result answers no call, a call has no name, or there is no message.
    """
    assembly = _Assembly(repairs=repairs)
    system: str | None = None
    for message in _results_first(_whole_answers(messages), repairs):
        content = [cast("ContentBlock", assembly.sendable(block)) for block in message.content]
        if message.role == "system":
            text = assembly.system_text(content)
            if system is None:
                system = text or None
            elif text != system:
                assembly.repairs["further system prompts left out"] += 1
        elif message.role == "user":
            assembly.user(content, message.line)
        else:
            assembly.assistant(content, message.line)
    assembly.settle()
    if not assembly.messages:
        raise ReplayFormatError("the file holds no message of a user or an assistant")
    return Conversation(system, tuple(assembly.messages), format, parts, dict(assembly.repairs))


def _whole_answers(messages: Iterable[RecordedMessage]) -> Iterator[RecordedMessage]:
    """Join the parts of each answer."""
    parts: list[RecordedMessage] = []
    for message in (*messages, None):
        if parts and (message is None or message.role != "assistant" or message.group != parts[0].group):
            yield replace(parts[0], content=[block for part in parts for block in part.content])
            parts = []
        if message is not None and message.role == "assistant" and message.group is not None:
            parts.append(message)
        elif message is not None:
            yield message


def _results_first(messages: Iterable[RecordedMessage], repairs: Counter[str]) -> Iterator[RecordedMessage]:
    """Bring tool results before what a user said meanwhile: nothing may stand between a call and its result."""
    said: list[RecordedMessage] = []
    for message in messages:
        if message.role == "user" and not any("toolResult" in block for block in message.content):
            said.append(message)
            continue
        if message.role == "user" and said:
            repairs["messages of the user moved behind the results of tools that ran"] += len(said)
        else:
            yield from said
            said = []
        yield message
    yield from said


def is_prompt(message: Message) -> bool:
    """Tell whether this is a user's own message, not a message of tool results."""
    return message["role"] == "user" and not _tool_results(message["content"])


def _tool_results(content: Iterable[ContentBlock]) -> list[ToolResult]:
    return [block["toolResult"] for block in content if "toolResult" in block]


def _tool_uses(message: Message) -> list[ToolUse]:
    return [block["toolUse"] for block in message["content"] if "toolUse" in block]


def _sendable(block: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the block itself when nothing of it has to change."""
    changed = {kind: _sendable_value(kind, value) for kind, value in block.items()}
    return block if all(changed[kind] is value for kind, value in block.items()) else changed


def _sendable_value(kind: str, value: Any) -> Any:
    if kind == "text":
        return valid_text(value) if isinstance(value, str) else value
    if kind in ("json", "input"):
        return valid_json(value)
    if kind in ("toolUse", "reasoningContent", "reasoningText", "toolResult") and isinstance(value, dict):
        return _sendable(value)
    if kind == "content" and isinstance(value, list):
        items = [_sendable(item) if isinstance(item, dict) else item for item in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    return value


def _is_blank(block: Mapping[str, Any]) -> bool:
    return "text" in block and not str(block["text"] or "").strip()
