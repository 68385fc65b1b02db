"""Turns JSON values into DynamoDB attribute values and back without loss.

Plain JSON becomes DynamoDB's own types, by boto3's serializer, so a table can be read by eye and queried. Two escapes
keep the rest: a JSON value that DynamoDB cannot hold is stored as its text under ``$json``, and an attribute that JSON
cannot hold (sets, binary) is read as its wire form under ``$attribute`` and written back as it was.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_JSON = "$json"
_ATTRIBUTE = "$attribute"

_DEEPEST = 24
"""Levels stored as DynamoDB's own types; DynamoDB takes 32, those of the item around them included."""

_SMALLEST, _LARGEST = 1e-130, 9.9e125
"""The magnitudes of DynamoDB's numbers; boto3 lets a little more through."""

_to_wire: Callable[[Any], Any] = TypeSerializer().serialize
_from_wire: Callable[[Any], Any] = TypeDeserializer().deserialize


def to_attribute(value: Any) -> dict[str, Any]:
    """Return a JSON value as a DynamoDB attribute value.

    Args:
        value: Anything ``json.dumps`` takes, or what ``from_attribute`` returned.

    Raises:
        TypeError: The value is not JSON.
    """
    text = json.dumps(value)
    try:
        if isinstance(value, dict) and set(value) == {_ATTRIBUTE}:
            foreign: dict[str, Any] = json.loads(json.dumps(value[_ATTRIBUTE]), object_hook=_with_bytes)
            if from_attribute(foreign) == value:
                return foreign
        elif _fits(value):
            attribute: dict[str, Any] = _to_wire(json.loads(text, parse_float=Decimal))
            return attribute
    except (AttributeError, DecimalException, TypeError, ValueError):
        pass  # a number, a text or an attribute that DynamoDB refuses
    return {"M": {_JSON: {"S": text}}}


def from_attribute(attribute: Mapping[str, Any]) -> Any:
    """Return a DynamoDB attribute value as a JSON value; ``to_attribute`` of it is the same attribute again."""
    content = _from_wire(attribute)
    try:
        value = json.loads(json.dumps(content, default=_number))
        if isinstance(value, dict) and set(value) == {_JSON}:
            value = json.loads(value[_JSON])
        # Compared as Python values: DynamoDB has its own way to write a number.
        if _from_wire(to_attribute(value)) == content:
            return value
    except (TypeError, ValueError):
        pass  # no JSON, or somebody else's attribute that only looks like ours
    return {_ATTRIBUTE: json.loads(json.dumps(attribute, default=lambda data: b64encode(data).decode()))}


def _fits(value: Any, depth: int = 0) -> bool:
    """Return whether DynamoDB's own types can hold a value; whether a number has too many digits, boto3 tells."""
    match value:
        case float():
            return value == 0 or _SMALLEST <= abs(value) <= _LARGEST
        case str():
            value.encode()  # a lone surrogate is a ValueError
            return True
        case dict():
            inside = [*value, *value.values()]
            return (
                depth < _DEEPEST and set(value) != {_JSON} and all(value) and all(_fits(i, depth + 1) for i in inside)
            )
        case list() | tuple():
            return depth < _DEEPEST and all(_fits(item, depth + 1) for item in value)
        case _:
            return True


def _number(value: object) -> int | float:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} is not JSON")
    text = str(value)
    return int(text) if text.lstrip("-").isdigit() else float(text)


def _with_bytes(attribute: dict[str, Any]) -> dict[str, Any]:
    """Decode binary data; in a wire form only ``B`` and ``BS`` stand directly before texts of it."""
    match attribute:
        case {"B": str(text)} if len(attribute) == 1:
            return {"B": b64decode(text, validate=True)}
        case {"BS": [str(), *_] as texts} if len(attribute) == 1:
            return {"BS": [b64decode(text, validate=True) for text in texts]}
        case _:
            return attribute
