"""Reads a recorded conversation from a file or a folder, whichever program wrote it.

Each form is recognized by its own structure (`TAKEN` names them all). A file holds one JSON value, or one a line: a
message or a whole conversation. Forms of chat messages may be mixed in one file; the other forms may not.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentmem.errors import ConfigurationError
from agentmem.replay import claude_code, langchain, responses, sharegpt, strands_sessions, swe_agent
from agentmem.replay.anthropic import from_anthropic, looks_like_anthropic
from agentmem.replay.conversation import Conversation, RecordedMessage, ReplayFormatError, assemble
from agentmem.replay.converse import from_converse, unwrapped
from agentmem.replay.openai import from_openai, looks_like_openai

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

TAKEN = (
    "messages of Strands (or Converse), OpenAI and Anthropic, items of OpenAI's Responses API, LangChain messages, "
    "ShareGPT conversations, Claude Code sessions, SWE-agent trajectories, and folders of Strands' FileSessionManager"
)
"""What is read, in words."""

_CONVERSE = "Strands/Converse messages"
_OPENAI, _ANTHROPIC, _EITHER = "OpenAI chat messages", "Anthropic messages", "OpenAI chat or Anthropic messages"
_MIXABLE = frozenset({_CONVERSE, _OPENAI, _ANTHROPIC, _EITHER})
_ROLLOUT = frozenset({"timestamp", "type", "payload"})
"""Fields of a line of Codex's files, whose response_item lines hold items of the Responses API."""


def load_conversation(path: str | Path) -> Conversation:
    """Read a conversation; several conversations in a file are one session in file order.

    Args:
        path: A file in UTF-8 of one JSON value or one a line, or a folder of Strands' FileSessionManager.

    Returns:
        The conversation, ready to be replayed.

    Raises:
        ConfigurationError: There is no such file, or it cannot be read.
        ReplayFormatError: A line is broken or of no known form; the message begins with its number.
    """
    place = Path(path)
    try:
        if place.is_dir():
            return _read_folder(place)
        data = place.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"The conversation {str(path)!r} cannot be read ({error.strerror}). Name a file, or a session's folder."
        ) from error
    return read_lines([data] if _is_one_value(data) else data.splitlines())


def read_lines(lines: Iterable[bytes | str]) -> Conversation:
    """Read a conversation from the lines of a JSONL file.

    Args:
        lines: One JSON value each; blank lines are skipped.

    Returns:
        The conversation, ready to be replayed.

    Raises:
        ReplayFormatError: A line is broken or of no known form; the message begins with its number.
    """
    reading = _Reading()
    messages = [message for number, line in enumerate(lines, 1) for message in reading.line(line, number)]
    messages += reading.claude.end()
    if not messages:
        raise ReplayFormatError(
            f"there is no message of a user or an assistant in it ({reading.describe()})"
            if reading.kinds
            else f"the file is empty; it must hold JSON. Taken are {TAKEN}"
        )
    return assemble(messages, format=reading.describe(), parts=max(reading.wholes, 1), repairs=reading.repairs)


def _read_folder(folder: Path) -> Conversation:
    files = strands_sessions.message_files(folder)
    reading = _Reading()
    prompt = strands_sessions.system_prompt(files)
    messages = list(reading.system(prompt, 0))
    for file in files:
        try:
            messages += reading.line(b" ".join(file.read_bytes().splitlines()), 1)
        except ReplayFormatError as error:
            raise ReplayFormatError(f"{file.name}: {error}") from error
    return assemble(messages, format=strands_sessions.NAME, parts=1, repairs=reading.repairs)


def _is_one_value(data: bytes) -> bool:
    """Whether a file is one JSON value over several lines."""
    first = next((line for line in data.splitlines() if line.strip()), b"")
    try:
        json.loads(first.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        try:
            json.loads(data.removeprefix(b"\xef\xbb\xbf"))
        except ValueError:
            return False
        return True
    return False


@dataclass
class _Reading:
    """The state of reading the file."""

    repairs: Counter[str] = field(default_factory=Counter)
    kinds: dict[str, int] = field(default_factory=dict)
    """The line at which each form was met first."""
    wholes: int = 0
    singles: int = 0

    def __post_init__(self) -> None:
        self.claude = claude_code.ClaudeCodeReader(self.repairs)

    def describe(self) -> str:
        """Name the format."""
        kinds = set(self.kinds)
        if kinds - {_EITHER, _CONVERSE}:
            kinds.discard(_EITHER)
        mixed = f"{' and '.join(sorted(kinds))}, mixed"
        kind = mixed if len(kinds) > 1 else next(iter(kinds), _CONVERSE)
        if kind == claude_code.NAME or (self.wholes and self.singles):
            return kind
        return f"{kind}, one {'conversation' if self.wholes else 'message'} a line"

    def line(self, line: bytes | str, number: int) -> Iterator[RecordedMessage]:
        """Yield the messages of one line."""
        value = _parse(line, number)
        if value is None:
            return
        yield from self._value(value, number)

    def _value(self, value: Any, number: int) -> Iterator[RecordedMessage]:
        if isinstance(value, list):
            yield from self._list(value, number)
        elif not isinstance(value, dict):
            yield from self._single(value, number)
        elif claude_code.is_claude_code(value):
            self._met(claude_code.NAME, number)
            yield from self.claude.line(value, number)
        elif value.keys() >= _ROLLOUT and isinstance(value["payload"], dict):
            self._met(responses.NAME, number)
            if value["type"] == "response_item":
                yield from self._single(value["payload"], number)
        elif swe_agent.looks_like_trajectory(value):
            self.wholes += 1
            self._met(swe_agent.NAME, number)
            yield from swe_agent.from_trajectory(value, number, self.repairs)
        elif (name := _whole(value)) is not None:
            yield from self._conversation(value, value[name], number)
        else:
            yield from self._single(value, number)

    def _list(self, values: list[Any], number: int) -> Iterator[RecordedMessage]:
        if values and all(isinstance(value, list) or _whole(value) is not None for value in values):
            for value in values:
                yield from self._value(value, number)
        else:
            yield from self._conversation({}, values, number)

    def _conversation(self, around: Mapping[str, Any], messages: Any, number: int) -> Iterator[RecordedMessage]:
        self.wholes += 1
        yield from self.system(around.get("system", around.get("instructions")), number)
        if isinstance(messages, str):  # the input of a request to the Responses API
            messages = [{"role": "user", "content": messages}]
        if not isinstance(messages, list):
            raise ReplayFormatError(f"messages must be a list, not {type(messages).__name__}", number)
        if sharegpt.looks_like_sharegpt(messages):
            self._met(sharegpt.NAME, number)
            yield from sharegpt.from_sharegpt(messages, number, self.repairs)
            return
        for index, message in enumerate(messages):
            yield from self._message(unwrapped(message), number, f"message {index}: ")

    def _single(self, value: Any, number: int) -> Iterator[RecordedMessage]:
        self.singles += 1
        yield from self._message(unwrapped(value), number, "")

    def system(self, system: Any, number: int) -> Iterator[RecordedMessage]:
        """Yield a conversation's system prompt, if it has one."""
        if isinstance(system, str):
            yield RecordedMessage("system", [{"text": system}], number)
        elif isinstance(system, list):
            yield RecordedMessage("system", [block for block in system if isinstance(block, dict)], number)
        elif system is not None:
            raise ReplayFormatError(f"system must be a text or a list of blocks, not {type(system).__name__}", number)

    def _message(self, message: Any, number: int, where: str) -> Iterator[RecordedMessage]:
        if not isinstance(message, dict):
            raise ReplayFormatError(f"{where}a message must be an object, not {type(message).__name__}", number)
        try:
            found = self._read(message, number)
        except ReplayFormatError as error:
            if not where:
                raise
            raise ReplayFormatError(where + str(error).split(": ", 1)[1], number) from error
        if found is not None:
            yield found

    def _read(self, message: Mapping[str, Any], number: int) -> RecordedMessage | None:
        if responses.looks_like_responses(message):
            self._met(responses.NAME, number)
            return responses.from_responses(message, number, self.repairs)
        if langchain.looks_like_langchain(message):
            self._met(langchain.NAME, number)
            return langchain.from_langchain(message, number, self.repairs)
        if "role" not in message:
            raise ReplayFormatError(_unknown(message), number)
        if looks_like_anthropic(message):
            self._met(_ANTHROPIC, number)
            return from_anthropic(message, number, self.repairs)
        if looks_like_openai(message):
            self._met(_EITHER if _is_plain(message) else _OPENAI, number)
            return from_openai(message, number, self.repairs)
        self._met(_CONVERSE, number)
        return from_converse(message, number)

    def _met(self, kind: str, number: int) -> None:
        """Take note of a form, and refuse a file of two that no one program writes together."""
        if kind not in self.kinds:
            self.kinds[kind] = number
            apart = [other for other in self.kinds if other not in (kind, _EITHER)]
            if kind != _EITHER and apart and not _MIXABLE.issuperset({kind, *apart}):
                raise ReplayFormatError(
                    f"this is of {kind}, and line {self.kinds[apart[0]]} of {apart[0]}; a file must be of one form. "
                    f"Taken are {TAKEN}",
                    number,
                )


def _whole(value: Any) -> str | None:
    """Return the field that holds the messages of a whole conversation, or None when a value is none."""
    if not isinstance(value, dict) or "role" in value:
        return None
    if "messages" in value:
        return "messages"
    if isinstance(value.get("conversations"), list):
        return "conversations"
    if value.get("object") == "response" and isinstance(value.get("output"), list):
        return "output"
    if isinstance(value.get("input"), list) and ("model" in value or "instructions" in value):
        return "input"
    return None


def _unknown(value: Mapping[str, Any]) -> str:
    """Say what a value looks like, and what is taken."""
    fields = ", ".join(sorted(map(str, value))) or "nothing"
    if value.get("kind") == "memory" and "format" in value:
        return (
            "it is a whole memory that `agentmem export` wrote, not a conversation; `agentmem import` takes it without "
            "--actor and --session"
        )
    if value.get("type") in ("session", "SESSION") or {"session_id", "session_type"} <= value.keys():
        return f"it is a description of a session ({fields}), not a message. Give the folder that holds it"
    return f"there is neither role nor messages, only {fields}; it is none of what is taken: {TAKEN}"


def _is_plain(message: Mapping[str, Any]) -> bool:
    """Whether a message has the form that OpenAI's and Anthropic's share."""
    content = message.get("content")
    texts = isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content)
    return (
        message["role"] in ("user", "assistant") and "tool_calls" not in message and (isinstance(content, str) or texts)
    )


def _parse(line: bytes | str, number: int) -> Any:
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8") if isinstance(line, bytes) else line
    except UnicodeDecodeError as error:
        raise ReplayFormatError(f"not UTF-8 ({error.reason} at byte {error.start})", number) from error
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise ReplayFormatError(
            f"not valid JSON ({error}); the file must hold one JSON object a line", number
        ) from error
