"""Makes messages fit an event: parts that JSON cannot hold or that are too large become notes of what was there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

from strands.types.session import encode_bytes_values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["MAX_ITEM_BYTES", "SMALL_ITEM", "as_json", "fitting_state", "fitting_text", "is_too_large", "within_limit"]

MAX_ITEM_BYTES = 4_000_000
"""Most bytes of one message in an event, as it is sent; a larger one has its largest parts replaced. Below the 5 MB an
event of ours may have, which is half of what the service takes."""

SMALL_ITEM = MAX_ITEM_BYTES // 12
"""Most characters of a blob that is surely not too large: JSON inside a JSON string, with up to twelve bytes each."""

_KEPT = 500
"""Characters kept of a text that is too large; a part below twice as many is never replaced."""

_TEXTUAL = (date, time, Decimal, Enum, PurePath, UUID)
"""What says the same as text; a `datetime` is a `date`."""


def as_json(value: Any) -> Any:
    """Return a value in its JSON form: bytes as Strands encodes them, what has no such form as a note.

    A tool may return anything, and what one of its results cannot be written as must not cost the turn.

    Args:
        value: Any value.

    Returns:
        A value that `json.dumps` takes; dates, decimals and the like are text.
    """
    try:
        encoded = encode_bytes_values(value)
        json.dumps(encoded)
    except (TypeError, ValueError, RecursionError):
        return _noted(value, ())
    return encoded


def fitting_text(text: str) -> str:
    """Return the beginning of a text that is too large for an event, and a note of how large it was."""
    return text[:_KEPT] + f"[{len(text):,} characters were too large for the event log and are not stored]"


def fitting_state(state: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """Return an agent's stored state that fits an event beside the turn's messages.

    Args:
        state: JSON form of a Strands ``SessionAgent``.

    Returns:
        The state, with a note in place of its largest values where it is too large; and what those were called.
    """
    if not is_too_large({"blob": json.dumps(state)}):
        return state, []
    kept: dict[str, Any] = {key: dict(value) if isinstance(value, Mapping) else value for key, value in state.items()}
    parts = [(part, name) for part in ("state", "_internal_state") for name in kept.get(part) or ()]
    sizes = {(part, name): len(json.dumps(kept[part][name])) for part, name in parts}
    replaced = []
    for part, name in sorted(sizes, key=lambda one: -sizes[one]):
        kept[part][name] = f"[{sizes[part, name]:,} characters were too large for the event log and are not stored]"
        if part == "_internal_state":
            del kept[part][name]  # Strands reads it, and would not understand a note
        replaced.append(str(name))
        if not is_too_large({"blob": json.dumps(kept)}):
            break
    return kept, replaced


def is_too_large(item: Mapping[str, Any]) -> bool:
    """Whether a payload item takes more bytes than one message may, as it is sent."""
    return len(item.get("blob", "")) > SMALL_ITEM and len(json.dumps(item)) > MAX_ITEM_BYTES


def within_limit(stored: dict[str, Any], encode: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """Encode a message, its largest parts replaced by a note of what was there until its item fits an event.

    Args:
        stored: The message in its JSON form; see ``as_json``.
        encode: Makes the payload item.

    Returns:
        The payload item.
    """
    item = encode(stored)
    if not is_too_large(item):
        return item
    bounded = json.loads(json.dumps(stored))
    while True:
        parts = sorted(_strings(bounded["content"]), key=lambda part: -len(part[2]))
        if not parts or len(parts[0][2]) < 2 * _KEPT:
            return item
        owner, key, text = parts[0]
        if isinstance(owner, dict) and owner.get("__bytes_encoded__"):
            bounded["content"] = _without_bytes(bounded["content"], owner)
        else:
            owner[key] = fitting_text(text)
        item = encode(bounded)
        if not is_too_large(item):
            return item


def _noted(value: Any, inside: tuple[int, ...]) -> Any:
    """Return a value with a note in place of everything that JSON has no form for."""
    if isinstance(value, _TEXTUAL):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return encode_bytes_values(value)
    if id(value) in inside or len(inside) > 100:
        return "[nested too deeply to be stored]"
    inside = (*inside, id(value))
    if isinstance(value, Mapping):
        return {str(key): _noted(item, inside) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_noted(item, inside) for item in value]
    return f"[{type(value).__name__}: has no form in JSON and is not stored]"


def _without_bytes(content: list[Any], encoded: dict[str, Any]) -> list[Any]:
    """Replace the block that holds some bytes by a text that says what was there."""
    blocks = []
    for block in content:
        if not any(owner is encoded for owner, _, _ in _strings(block)):
            blocks.append(block)
        elif isinstance(block.get("toolResult"), dict):
            result = {**block["toolResult"], "content": _without_bytes(block["toolResult"]["content"], encoded)}
            blocks.append({"toolResult": result})
        else:
            size = len(encoded["data"]) * 3 // 4  # base64
            kind = next(iter(block))
            blocks.append({"text": f"[{kind}: {size:,} bytes were too large for the event log and are not stored]"})
    return blocks


def _strings(value: Any) -> list[tuple[Any, Any, str]]:
    found: list[tuple[Any, Any, str]] = []
    items: Sequence[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, item in items:
        if isinstance(item, str):
            found.append((value, key, item))
        else:
            found.extend(_strings(item))
    return found
