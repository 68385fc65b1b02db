"""Reads the lines of Claude Code's session files (``~/.claude/projects/*/*.jsonl``), and of its stream of JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentmem.replay.anthropic import from_anthropic
from agentmem.replay.conversation import RecordedMessage, ReplayFormatError
from agentmem.replay.openai import from_openai

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping

NAME = "Claude Code session"

_MARKS = frozenset({"sessionId", "parentUuid", "leafUuid", "isSnapshotUpdate", "isSidechain", "session_id"})


def is_claude_code(value: Mapping[str, Any]) -> bool:
    """Tell whether a line is one of such a file: a kind of line, and what only these files have beside it."""
    return isinstance(value.get("type"), str) and "role" not in value and not _MARKS.isdisjoint(value)


class ClaudeCodeReader:
    """Reads the lines of one file in order.

    A line is a message when it holds one; titles, snapshots and other notes of the program are passed over. One answer
    of the model is spread over lines with one message id, and becomes one message again. What a sub-agent did in
    between is left out, as the main conversation never held it; a file of a sub-agent alone is read whole.

    Args:
        repairs: Counts what is left out.
    """

    def __init__(self, repairs: Counter[str]) -> None:
        self._repairs = repairs
        self._seen: set[str] = set()
        self._calls: set[str] = set()
        self._aside: list[tuple[Mapping[str, Any], int]] = []
        self._main = False

    def line(self, value: Mapping[str, Any], number: int) -> Iterator[RecordedMessage]:
        """Yield the message of a line, if it holds one of the main conversation.

        Raises:
            ReplayFormatError: A block without what it must hold.
        """
        message = value.get("message")
        if value["type"] not in ("user", "assistant") or not isinstance(message, dict):
            return
        if value.get("isSidechain") is True or value.get("parent_tool_use_id"):
            self._aside.append((value, number))
            return
        self._main = True
        yield from self._message(value, number)

    def end(self) -> Iterator[RecordedMessage]:
        """Yield what a file of a sub-agent alone held."""
        if self._main:
            if self._aside:
                self._repairs["messages of sub-agents left out"] += len(self._aside)
            return
        for value, number in self._aside:
            yield from self._message(value, number)

    def _message(self, value: Mapping[str, Any], number: int) -> Iterator[RecordedMessage]:
        message = value["message"]
        if value.get("isApiErrorMessage") is True:
            self._repairs["notes of failed calls left out"] += 1
            return
        if isinstance(unique := value.get("uuid"), str):
            if unique in self._seen:
                self._repairs["repeated lines left out"] += 1
                return
            self._seen.add(unique)
        read = from_anthropic if isinstance(message.get("content"), list) else from_openai
        if message.get("role") not in ("user", "assistant"):
            raise ReplayFormatError(f"unknown role {message.get('role')!r} in a Claude Code message", number)
        found = read(message, number, self._repairs)
        content = [block for block in found.content if self._is_paired(block)]
        if content:
            yield RecordedMessage(found.role, content, number, group=str(message.get("id") or "") or None)

    def _is_paired(self, block: Mapping[str, Any]) -> bool:
        """Take note of a call; of a result say whether its call is in the file, which may begin in between."""
        if "toolUse" in block:
            self._calls.add(block["toolUse"]["toolUseId"])
        if "toolResult" in block and block["toolResult"]["toolUseId"] not in self._calls:
            self._repairs["tool results whose call is not in the file left out"] += 1
            return False
        return True
