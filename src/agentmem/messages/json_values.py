"""Turns any value into one that JSON and UTF-8 can carry."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

__all__ = ["is_flat", "valid_json", "valid_text"]

_DEEPEST = 100
_MOST_BITS = 1023  # a whole number that a double, which many JSON readers make of it, can hold
_SMALL = 2**53
_TEXTUAL = (date, time, Decimal, Enum, PurePath, UUID)  # a datetime is a date
_SEQUENCES = (list, tuple, set, frozenset)


def valid_text(text: str) -> str:
    """Return a text with each lone surrogate replaced by U+FFFD: it has no form in UTF-8, which is what is sent."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def valid_json(value: Any, inside: tuple[int, ...] = ()) -> Any:
    """Return a value that the JSON of a request can hold.

    Args:
        value: Any value.
        inside: What it stands in, by identity.

    Returns:
        The same object when nothing of it has to change. Otherwise numbers that are none in JSON (NaN, infinities,
        whole numbers of more than 1,023 bits) are texts, as are keys, dates, decimals and the like; tuples and sets
        are lists; of anything else, and of what is nested more than 100 deep, there is a note.
    """
    if isinstance(value, str):
        return valid_text(value)
    if value is None or isinstance(value, (bool, int, float)):
        return _number(value)
    if not isinstance(value, (Mapping, *_SEQUENCES)):
        return _as_text(value)
    if len(inside) >= _DEEPEST or id(value) in inside:
        return "[nested too deeply to be shown]"
    inside = (*inside, id(value))
    return _mapping(value, inside) if isinstance(value, Mapping) else _sequence(value, inside)


def is_flat(value: dict[Any, Any]) -> bool:
    """Look quickly for an object that needs no change: what most tools are given, ASCII texts and numbers by name."""
    for key, item in value.items():
        kind = type(item)
        if type(key) is not str or not key.isascii():
            return False
        if not ((kind is str and item.isascii()) or (kind is int and -_SMALL < item < _SMALL) or kind is bool):
            return False
    return True


def _number(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(float(value))
    bits = value.bit_length() if isinstance(value, int) else 0
    return value if bits <= _MOST_BITS else f"[a whole number of {bits} bits]"


def _mapping(value: Mapping[Any, Any], inside: tuple[int, ...]) -> Any:
    changed = {valid_text(str(key)): valid_json(item, inside) for key, item in value.items()}
    # What has the same keys and the same values is the same; keys that were no text, or no valid one, are new objects.
    same = type(value) is dict and all(
        changed.get(key, changed) is item if isinstance(key, str) else False for key, item in value.items()
    )
    return value if same else changed


def _sequence(value: Any, inside: tuple[int, ...]) -> Any:
    changed = [valid_json(item, inside) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(changed, key=repr)  # a set has an order of its own in every process; the bytes must not
    same = type(value) is list and all(old is new for old, new in zip(value, changed, strict=True))
    return value if same else changed


def _as_text(value: Any) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"[{len(value):,} bytes]"
    # Of somebody's own class only the kind is told: its text may hold an address, which is another in every process.
    return valid_text(str(value)) if isinstance(value, _TEXTUAL) else f"[{type(value).__name__}]"
