"""Reads a recorded conversation from a JSONL file.

Messages of Strands (and Converse), of OpenAI's chat API and of Anthropic's Messages API are recognized, each by its own
structure, so that a file may even mix them: one message a line, also in the record that Strands' session files wrap it
in, or one whole conversation a line (an object with `messages`, or a list of messages).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentmem.errors import ConfigurationError
from agentmem.replay.anthropic import from_anthropic, looks_like_anthropic
from agentmem.replay.conversation import Conversation, RecordedMessage, ReplayFormatError, assemble
from agentmem.replay.openai import from_openai, looks_like_openai

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_OPENAI, _ANTHROPIC, _EITHER = "OpenAI chat messages", "Anthropic messages", "OpenAI chat or Anthropic messages"

_MEDIA = ("image", "document", "video", "audio")
_KNOWN_BLOCKS = frozenset(
    {"text", "toolUse", "toolResult", "reasoningContent", "citationsContent", "guardContent", "cachePoint", *_MEDIA}
)


def load_conversation(path: str | Path) -> Conversation:
    """Read a conversation file; several conversations in it are one session in file order.

    Args:
        path: A JSONL file in UTF-8.

    Returns:
        The conversation, ready to be replayed.

    Raises:
        ConfigurationError: There is no such file, or it cannot be read.
        ReplayFormatError: A line is broken; the message begins with its number.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"The conversation file {str(path)!r} cannot be read ({error.strerror}). Name a JSONL file."
        ) from error
    return read_lines(data.splitlines())


def read_lines(lines: Iterable[bytes | str]) -> Conversation:
    """Read a conversation from the lines of a JSONL file.

    Args:
        lines: One JSON value each; blank lines are skipped.

    Returns:
        The conversation, ready to be replayed.

    Raises:
        ReplayFormatError: A line is broken; the message begins with its number.
    """
    reading = _Reading()
    messages = [message for number, line in enumerate(lines, 1) for message in reading.line(line, number)]
    if not messages:
        raise ReplayFormatError("the file is empty; it must hold one JSON object a line")
    return assemble(messages, format=reading.describe(), parts=max(reading.wholes, 1), repairs=reading.repairs)


@dataclass
class _Reading:
    """The state of reading the file."""

    repairs: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    wholes: int = 0
    singles: int = 0

    def describe(self) -> str:
        """Name the format."""
        kinds = set(self.kinds)
        if kinds & {_OPENAI, _ANTHROPIC}:
            kinds.discard(_EITHER)
        if len(kinds) > 1:
            kind = f"{' and '.join(sorted(kinds))}, mixed"
        else:
            kind = next(iter(kinds), "Strands/Converse messages")
        if self.wholes and self.singles:
            return kind
        return f"{kind}, one {'conversation' if self.wholes else 'message'} a line"

    def line(self, line: bytes | str, number: int) -> Iterator[RecordedMessage]:
        """Yield the messages of one line."""
        value = _parse(line, number)
        if value is None:
            return
        if isinstance(value, dict) and "messages" in value:
            self.wholes += 1
            yield from self._system(value.get("system"), number)
            value = value["messages"]
            if not isinstance(value, list):
                raise ReplayFormatError(f"messages must be a list, not {type(value).__name__}", number)
        elif isinstance(value, list):
            self.wholes += 1
        else:
            self.singles += 1
            yield self._message(_unwrapped(value), number, "")
            return
        for index, message in enumerate(value):
            yield self._message(_unwrapped(message), number, f"message {index}: ")

    def _system(self, system: Any, number: int) -> Iterator[RecordedMessage]:
        if isinstance(system, str):
            yield RecordedMessage("system", [{"text": system}], number)
        elif isinstance(system, list):
            yield RecordedMessage("system", [block for block in system if isinstance(block, dict)], number)
        elif system is not None:
            raise ReplayFormatError(f"system must be a text or a list of blocks, not {type(system).__name__}", number)

    def _message(self, message: Any, number: int, where: str) -> RecordedMessage:
        if not isinstance(message, dict):
            raise ReplayFormatError(f"{where}a message must be an object, not {type(message).__name__}", number)
        if "role" not in message:
            raise ReplayFormatError(
                f"{where}there is neither role nor messages, only {', '.join(sorted(map(str, message))) or 'nothing'}; "
                "expected a message of Strands, OpenAI or Anthropic, or an object with messages",
                number,
            )
        try:
            if looks_like_anthropic(message):
                self.kinds[_ANTHROPIC] += 1
                return from_anthropic(message, number, self.repairs)
            if looks_like_openai(message):
                self.kinds[_EITHER if _is_plain(message) else _OPENAI] += 1
                return from_openai(message, number, self.repairs)
            self.kinds["Strands/Converse messages"] += 1
            return _from_converse(message, number)
        except ReplayFormatError as error:
            if not where:
                raise
            raise ReplayFormatError(where + str(error).split(": ", 1)[1], number) from error


def _unwrapped(value: Any) -> Any:
    """Take a message out of the record in which Strands' session managers write it (``SessionMessage``)."""
    if not isinstance(value, dict) or "role" in value or "message_id" not in value:
        return value
    redacted = value.get("redact_message")
    return redacted if isinstance(redacted, dict) else value.get("message", value)


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


def _from_converse(message: Mapping[str, Any], number: int) -> RecordedMessage:
    role = message["role"]
    if role not in ("user", "assistant", "system"):
        raise ReplayFormatError(f"unknown role {role!r}; a Strands message has user or assistant", number)
    blocks = [_block(block, index, number) for index, block in enumerate(message["content"])]
    wrong = "toolResult" if role == "assistant" else "toolUse"
    if any(wrong in block for block in blocks):
        raise ReplayFormatError(f"{wrong} in a message of the {role}", number)
    return RecordedMessage(role, blocks, number)


def _block(block: Any, index: int, number: int) -> dict[str, Any]:
    if not isinstance(block, dict):
        raise ReplayFormatError(f"content block {index} must be an object, not {type(block).__name__}", number)
    kind = next((name for name in block if name in _KNOWN_BLOCKS), None)
    if kind is None:
        raise ReplayFormatError(
            f"content block {index} is of no known kind: {', '.join(sorted(map(str, block))) or 'empty'}", number
        )
    value = block[kind]
    if kind == "text" and not isinstance(value, str):
        raise ReplayFormatError(f"content block {index}: text must be a text, not {type(value).__name__}", number)
    if kind in ("toolUse", "toolResult") and not isinstance(value, dict):
        raise ReplayFormatError(f"content block {index}: {kind} must be an object", number)
    if kind == "toolUse" and not isinstance(value.get("input", {}), dict):
        raise ReplayFormatError(f"content block {index}: the input of a toolUse must be an object", number)
    if kind == "toolUse":
        value = {**value, "input": value.get("input", {})}
    if kind == "toolResult":
        items = value.get("content", [])
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ReplayFormatError(f"content block {index}: the content of a toolResult must be a list", number)
        value = {**value, "content": [{key: _media(key, item[key], number) for key in item} for item in items]}
    return {kind: _media(kind, value, number)}


def _media(kind: str, value: Any, number: int) -> Any:
    """Bring the bytes of an image, document or video back from the base64 that JSON carries them in."""
    if kind not in _MEDIA or not isinstance(value, dict) or not isinstance(value.get("source"), dict):
        return value
    data = value["source"].get("bytes")
    if isinstance(data, dict) and data.get("__bytes_encoded__"):
        data = data.get("data")
    if not isinstance(data, str):
        return value
    try:
        decoded = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ReplayFormatError(f"the bytes of a {kind} are not valid base64 ({error})", number) from error
    return {**value, "source": {**value["source"], "bytes": decoded}}
