"""Reads the history of SWE-agent's trajectories (``*.traj``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentmem.replay.conversation import RecordedMessage, ReplayFormatError
from agentmem.replay.openai import from_openai

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping

NAME = "SWE-agent trajectory"


def looks_like_trajectory(value: Mapping[str, Any]) -> bool:
    """Tell whether an object is a trajectory: the history that the model was shown, with the agent's own marks."""
    history = value.get("history")
    if not isinstance(history, list):
        return False
    entries = [entry for entry in history if isinstance(entry, dict)]
    return isinstance(value.get("trajectory"), list) or any({"role", "agent"} <= entry.keys() for entry in entries)


def from_trajectory(value: Mapping[str, Any], line: int, repairs: Counter[str]) -> Iterator[RecordedMessage]:
    """Yield the messages of a trajectory's history, demonstrations included, as the model was shown them.

    Args:
        value: The trajectory.
        line: Its line, for errors.
        repairs: Counts the repairs.

    Raises:
        ReplayFormatError: An entry of the history is no message.
    """
    for index, entry in enumerate(value["history"]):
        if not isinstance(entry, dict) or "role" not in entry:
            raise ReplayFormatError(f"entry {index} of the history is no message with a role", line)
        try:
            yield from _messages(entry, line, repairs)
        except ReplayFormatError as error:
            raise ReplayFormatError(f"entry {index} of the history: {str(error).split(': ', 1)[1]}", line) from error


def _messages(entry: Mapping[str, Any], line: int, repairs: Counter[str]) -> Iterator[RecordedMessage]:
    ids = entry.get("tool_call_ids")
    if entry["role"] != "tool" or "tool_call_id" in entry or not isinstance(ids, list) or not ids:
        yield from_openai(entry, line, repairs)
        return
    # One observation answers all calls of the action before it.
    for call_id in ids:
        yield from_openai({**entry, "tool_call_id": call_id}, line, repairs)
