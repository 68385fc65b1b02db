"""Reads conversations in ShareGPT's form: a list of turns, each with `from` and `value`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agentmem.replay.conversation import RecordedMessage, ReplayFormatError
from agentmem.replay.openai import tool_use

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping, Sequence

NAME = "ShareGPT conversations"

_ROLES = {
    "human": "user", "user": "user", "gpt": "assistant", "chatgpt": "assistant", "assistant": "assistant",
    "bing": "assistant", "bard": "assistant", "model": "assistant", "system": "system",
}  # fmt: skip
_CALLS, _RESULTS = frozenset({"function_call"}), frozenset({"observation", "tool", "function_response"})


def looks_like_sharegpt(turns: Any) -> bool:
    """Tell whether a list holds turns of ShareGPT's form."""
    return (
        isinstance(turns, list)
        and bool(turns)
        and all(isinstance(turn, dict) and {"from", "value"} <= turn.keys() for turn in turns)
    )


def from_sharegpt(turns: Sequence[Mapping[str, Any]], line: int, repairs: Counter[str]) -> Iterator[RecordedMessage]:
    """Yield the messages of one conversation.

    A call's turn (``function_call``) holds ``{"name": ..., "arguments": {...}}`` as text and has no id: the result that
    follows answers it.

    Args:
        turns: The turns.
        line: Their line, for errors.
        repairs: Counts the repairs.

    Raises:
        ReplayFormatError: An unknown speaker, or a call that is no JSON.
    """
    calls: list[str] = []
    count = 0
    for index, turn in enumerate(turns):
        speaker, value = str(turn["from"]).lower(), turn["value"]
        if not isinstance(value, str):
            raise ReplayFormatError(f"turn {index}: value must be a text, not {type(value).__name__}", line)
        if speaker in _CALLS:
            calls = []
            for call in _called(value, index, line):
                count += 1
                calls.append(f"call-{count}")
                yield RecordedMessage("assistant", [tool_use(calls[-1], call, repairs)], line, group=f"calls-{index}")
        elif speaker in _RESULTS:
            text = [{"text": value}] if value.strip() else []
            if calls:
                yield RecordedMessage("user", [{"toolResult": {"toolUseId": calls.pop(0), "content": text}}], line)
            else:
                repairs["results of tools without a call, kept as text"] += 1
                yield RecordedMessage("user", text, line)
        elif speaker in _ROLES:
            yield RecordedMessage(_ROLES[speaker], [{"text": value}] if value.strip() else [], line)
        else:
            known = ", ".join(sorted({*_ROLES, *_CALLS, *_RESULTS}))
            raise ReplayFormatError(f"turn {index}: unknown speaker {turn['from']!r}; it has one of {known}", line)


def _called(value: str, index: int, line: int) -> list[dict[str, Any]]:
    try:
        call = json.loads(value)
    except ValueError as error:
        raise ReplayFormatError(f"turn {index}: a function_call must hold JSON ({error})", line) from error
    calls = call if isinstance(call, list) else [call]
    if not all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in calls):
        raise ReplayFormatError(f"turn {index}: a function_call must hold a name and arguments", line)
    return calls
