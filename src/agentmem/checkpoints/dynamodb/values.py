"""Turns JSON values into DynamoDB attribute values and back without loss.

Plain JSON becomes DynamoDB's own types (S, N, BOOL, NULL, L, M), so a table can be read by eye and queried. Two escapes
keep the rest: a JSON value DynamoDB cannot hold is stored as its text under ``$json``, and an attribute JSON has no
form for (sets, binary) is handed out as the wire form under ``$attribute`` and written back as it was.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["from_attribute", "to_attribute"]

_JSON = "$json"
_ATTRIBUTE = "$attribute"

_DEEPEST = 24
"""Levels stored natively; DynamoDB takes 32 and the escapes need room below."""

_LONGEST_INTEGER = 10**38
"""DynamoDB numbers have 38 significant digits."""

_SMALLEST, _LARGEST = 1e-130, 9.9e125
"""The magnitudes DynamoDB takes."""


def to_attribute(value: Any) -> dict[str, Any]:
    """Return a JSON value as a DynamoDB attribute value.

    Args:
        value: Anything ``json.dumps`` takes, or what ``from_attribute`` returned.

    Raises:
        TypeError: The value is not JSON.
    """
    if isinstance(value, dict) and set(value) == {_ATTRIBUTE}:
        try:
            return _bytes_from_text(value[_ATTRIBUTE])
        except (TypeError, ValueError, AttributeError, binascii.Error):
            return _as_json(value)
    return _native(value, 0)


def from_attribute(attribute: Mapping[str, Any]) -> Any:
    """Return a DynamoDB attribute value as a JSON value; ``to_attribute`` of it is the same attribute again."""
    value = _plain(attribute)
    if _equal(to_attribute(value), attribute):
        return value
    return {_ATTRIBUTE: _bytes_to_text(attribute)}


def _native(value: Any, depth: int) -> dict[str, Any]:  # noqa: PLR0911 - one for each type
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value} if _is_utf8(value) else _as_json(value)
        case int():
            return {"N": str(value)} if abs(value) < _LONGEST_INTEGER else _as_json(value)
        case float():
            fits = value == 0 or (math.isfinite(value) and _SMALLEST <= abs(value) <= _LARGEST)
            return {"N": repr(value)} if fits else _as_json(value)
        case list() | tuple():
            return {"L": [_native(item, depth + 1) for item in value]} if depth < _DEEPEST else _as_json(value)
        case dict():
            plain = depth < _DEEPEST and all(isinstance(name, str) and name and _is_utf8(name) for name in value)
            if not plain or set(value) in ({_JSON}, {_ATTRIBUTE}):
                return _as_json(value)
            return {"M": {name: _native(item, depth + 1) for name, item in value.items()}}
        case _:
            raise TypeError(f"a checkpoint field holds a {type(value).__name__}, which is not a JSON value")


def _as_json(value: Any) -> dict[str, Any]:
    return {"M": {_JSON: {"S": json.dumps(value)}}}


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain(attribute: Mapping[str, Any]) -> Any:  # noqa: PLR0911 - one for each type
    ((kind, value),) = attribute.items()
    match kind:
        case "S" | "BOOL":
            return value
        case "NULL":
            return None
        case "N":
            return _number(value)
        case "L":
            return [_plain(item) for item in value]
        case "M":
            if set(value) == {_JSON} and set(value[_JSON]) == {"S"}:
                # An attribute of somebody else's may look the same without being JSON.
                with contextlib.suppress(ValueError):
                    return json.loads(value[_JSON]["S"])
            return {name: _plain(item) for name, item in value.items()}
        case _:
            return None  # not JSON; from_attribute sees that it does not come back the same


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _equal(one: Any, other: Any) -> bool:
    """Compare attribute values; DynamoDB writes numbers its own way, so N is compared as a number."""
    if isinstance(one, dict) and isinstance(other, dict):
        if set(one) != set(other):
            return False
        if set(one) == {"N"} and isinstance(one["N"], str) and isinstance(other["N"], str):
            return Decimal(one["N"]) == Decimal(other["N"])
        return all(_equal(item, other[name]) for name, item in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_equal(*pair) for pair in zip(one, other, strict=True))
    return bool(one == other)


def _bytes_to_text(attribute: Mapping[str, Any]) -> dict[str, Any]:
    ((kind, value),) = attribute.items()
    match kind:
        case "B":
            return {"B": base64.b64encode(value).decode()}
        case "BS":
            return {"BS": [base64.b64encode(item).decode() for item in value]}
        case "L":
            return {"L": [_bytes_to_text(item) for item in value]}
        case "M":
            return {"M": {name: _bytes_to_text(item) for name, item in value.items()}}
        case _:
            return {kind: value}


def _bytes_from_text(attribute: Mapping[str, Any]) -> dict[str, Any]:
    ((kind, value),) = attribute.items()
    match kind:
        case "B":
            return {"B": base64.b64decode(value, validate=True)}
        case "BS":
            return {"BS": [base64.b64decode(item, validate=True) for item in value]}
        case "L":
            return {"L": [_bytes_from_text(item) for item in value]}
        case "M":
            return {"M": {name: _bytes_from_text(item) for name, item in value.items()}}
        case "S" | "N" | "BOOL" | "NULL" | "SS" | "NS":
            return {kind: value}
        case _:
            raise ValueError(f"no DynamoDB type {kind!r}")
