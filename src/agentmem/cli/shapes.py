"""Defines the shape of what each command prints with ``--json``, which ``--help`` and the reference show.

A shape is the name of a kind of value, a dictionary for an object (a name with ``?`` is not always there), a list of
one shape for a list of any length, or one of the two classes below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

TEXT, TIME, INTEGER, NUMBER, BOOLEAN, JSON = "text", "time", "integer", "number", "boolean", "JSON"
POSITION = "event id and item"
NULL = " or null"
"""Behind a kind of value that may be missing. A time is ISO 8601 in UTC; JSON is anything."""


@dataclass(frozen=True)
class Named:
    """An object whose names are not known beforehand, with values of one shape."""

    values: Any


@dataclass(frozen=True)
class Lines:
    """One object a line; ``kind`` tells which of these it is."""

    kinds: dict[str, dict[str, Any]]


_EVENT = {"event": TEXT, "time": TIME, "branch": TEXT, "metadata": Named(TEXT + NULL), "holds": TEXT, "text": TEXT}
_RECORD = {
    "record": TEXT, "namespace": TEXT, "strategy": TEXT, "created_at": TIME, "metadata": Named(JSON), "text": TEXT,
    "score?": NUMBER,
}  # fmt: skip
_PIN = {"id": TEXT, "text": TEXT, "at": TIME, "by": TEXT}
_OUTCOME = {
    "tokens_before?": INTEGER, "tokens_after?": INTEGER, "folded?": INTEGER, "shortened?": INTEGER, "fits?": BOOLEAN,
}  # fmt: skip
_CHECKPOINT = {
    "format": INTEGER, "version": INTEGER, "boundary": POSITION, "head": [POSITION],
    "shortened_before": POSITION + NULL, "cycles_shortened_before": POSITION + NULL, "settings": Named(JSON),
    "folded_messages": INTEGER, "tokens_before": INTEGER, "tokens_after": INTEGER, "token_ratio": NUMBER,
    "trigger": TEXT, "created_at": TIME, "seen?": JSON, "pins?": JSON,
}  # fmt: skip
_TRANSFERRED = {"session": INTEGER, "event": INTEGER, "record": INTEGER, "checkpoint": INTEGER}
_STATUS = {
    "tokens": INTEGER, "token_threshold": INTEGER, "messages": INTEGER, "folded": INTEGER, "saved": INTEGER,
    "pending": INTEGER, "dropped": INTEGER, "error": TEXT + NULL,
}  # fmt: skip
_RECORDS = [{"text": TEXT, "score": NUMBER, "namespace": TEXT, "record": TEXT}]

SHAPES: dict[str, Any] = {
    "chat": Lines(
        {
            "opened": {"actor": TEXT, "session": TEXT, "memory": TEXT, **_STATUS},
            "user": {"text": TEXT},
            "text": {"text": TEXT},
            "retrieved": {"records": _RECORDS},
            "tool": {"name": TEXT, "input": JSON},
            "compacted": {
                "trigger?": TEXT, "tokens_before?": INTEGER, "tokens_after?": INTEGER, "folded?": INTEGER,
                "shortened?": INTEGER, "messages?": [TEXT],
            },
            "turn": {**_STATUS, "answer": TEXT, "requests": INTEGER, "stopped": BOOLEAN},
            "status": _STATUS,
            "recalled": {"words": TEXT, "messages": [{"role": TEXT, "text": TEXT, "event": TEXT + NULL, "at": TIME}]},
            "memories": {"words": TEXT, "records": _RECORDS},
            "help": {"commands": Named(TEXT)},
            "error": {"message": TEXT},
            "closed": _STATUS,
        }
    ),
    "checkpoints create-table": {"table": TEXT, "region": TEXT, "created": BOOLEAN},
    "checkpoints delete": {"deleted": INTEGER},
    "checkpoints list": [{**_CHECKPOINT, "indexed_messages": INTEGER}],
    "checkpoints show": {**_CHECKPOINT, "summary": JSON, "index": JSON},
    "compact": {"done": BOOLEAN, "checkpoint_version": INTEGER + NULL, **_OUTCOME},
    "context": {
        "tokens": INTEGER, "token_ratio": NUMBER, "token_threshold": INTEGER, "parts": Named(INTEGER),
        "checkpoint_version": INTEGER + NULL, "folded_messages": INTEGER, "unread": BOOLEAN, "pins": [TEXT],
        "summary": TEXT,
        "messages": [{"handle": TEXT, "role": TEXT, "part": TEXT, "tokens": INTEGER, "content": JSON}],
    },
    "doctor": [{"check": TEXT, "status": TEXT, "detail": TEXT}],
    "events list": [_EVENT],
    "events show": {
        "memoryId": TEXT, "actorId": TEXT, "sessionId": TEXT, "eventId": TEXT, "eventTimestamp": TIME, "payload": JSON,
        "branch?": JSON, "metadata?": JSON, "extractionMode?": TEXT, "extractionConfig?": JSON,
    },
    "export": _TRANSFERRED,
    "forget": {
        "deleted": BOOLEAN, "sessions": INTEGER, "events": INTEGER, "records": INTEGER, "checkpoints": INTEGER,
        "unsent": INTEGER,
    },
    "import": {**_TRANSFERRED, "left_out": INTEGER},
    "init": {
        "memory_id": TEXT, "region": TEXT, "strategies": [TEXT], "table": TEXT + NULL, "table_created": BOOLEAN + NULL,
        "file": TEXT, "file_written": BOOLEAN,
    },
    "pins add": _PIN,
    "pins list": [_PIN],
    "pins remove": {"removed": TEXT},
    "recall": [{"handle": TEXT, "event_id": TEXT, "at": TIME, "role": TEXT, "text": TEXT, "why?": [TEXT]}],
    "records list": [_RECORD],
    "records search": [_RECORD],
    "records show": _RECORD,
    "replay": {
        "file": TEXT, "format": TEXT, "conversations": INTEGER, "repairs": Named(INTEGER), "token_threshold": INTEGER,
        "protected_turns": INTEGER, "checkpoints": TEXT, "invocations": INTEGER, "messages": INTEGER,
        "requests": INTEGER, "peak_request_tokens": INTEGER, "peak_request_tokens_without_compaction": INTEGER,
        "total_input_tokens": INTEGER, "total_input_tokens_without_compaction": INTEGER, "compactions": INTEGER,
        "restores": [{"api_calls": INTEGER, "seconds": NUMBER, "after_invocation": INTEGER, "messages": INTEGER}],
        "recall": Named(INTEGER), "api_calls": Named(INTEGER), "seconds": NUMBER,
    },
    "sessions": [{"actor": TEXT, "session": TEXT, "created_at": TIME}],
    "wait": [_RECORD],
}  # fmt: skip
"""What each command that takes ``--json`` prints with it, by the command's name. These are promises: names and kinds
stay; a name may come."""


def described(shape: Any) -> str:
    """Return a shape in words, such as ``a list of {actor: text, session: text, created_at: time}``.

    Args:
        shape: A value of `SHAPES`, or a part of one.

    Returns:
        One line.
    """
    if isinstance(shape, Lines):
        kinds = "; ".join(described({"kind": f'"{kind}"', **fields}) for kind, fields in shape.kinds.items())
        return f"one object a line: {kinds}"
    if isinstance(shape, Named):
        return f"{{NAME: {described(shape.values)}}}"
    if isinstance(shape, dict):
        return f"{{{', '.join(f'{name}: {described(inner)}' for name, inner in shape.items())}}}"
    return f"a list of {described(shape[0])}" if isinstance(shape, list) else str(shape)
