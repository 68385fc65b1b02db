"""Checks and normalises request members by the constraints in botocore's service model.

`compile_shape` turns a model shape, once, into a function that walks a value of that shape. The function returns the
value with unknown members dropped (as the service's own JSON protocol does) and appends what is wrong to a list.
The texts of the service's messages are not published; these follow the wording of AWS's server framework.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

LATEST_TIMESTAMP = 253_402_300_799.0  # 9999-12-31T23:59:59Z: the last second Python's and Java's clients can read


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a request.

    Attributes:
        path: JSON pointer of the member, such as ``/filter/branch/name``.
        message: The problem, without the path.
        unreadable: True when the value has the wrong JSON type (the service's ``CannotParse``).
    """

    path: str
    message: str
    unreadable: bool = False


Check = Callable[[Any, str, list[Problem]], Any]


def compile_shape(shape: Shape, known: dict[str, Check] | None = None) -> Check:
    """Build the check of one shape.

    Args:
        shape: A shape of botocore's model.
        known: Checks already built, by shape name; shared by all shapes of one service.

    Returns:
        ``check(value, path, problems)``, which returns the value normalised.
    """
    known = {} if known is None else known
    if shape.name in known:
        return known[shape.name]
    # A placeholder first, so that a shape which contains itself finds something to call.
    known[shape.name] = lambda value, path, problems: known[shape.name](value, path, problems)  # noqa: PLW0108
    known[shape.name] = _build(shape, known)
    return known[shape.name]


def _build(shape: Shape, known: dict[str, Check]) -> Check:
    check: Check | None = None
    if isinstance(shape, StructureShape):
        check = _document if shape.is_document_type else _structure(shape, known)
    elif isinstance(shape, ListShape):
        check = _list(shape, known)
    elif isinstance(shape, MapShape):
        check = _map(shape, known)
    elif isinstance(shape, StringShape):
        check = _string(shape)
    elif shape.type_name in ("integer", "long", "double", "float"):
        check = _number(shape, whole=shape.type_name in ("integer", "long"))
    else:
        check = {"boolean": _boolean, "timestamp": _timestamp}.get(shape.type_name)
    if check is None:
        raise NotImplementedError(f"the service model has a shape of an unexpected type: {shape.name}")
    return check


def _document(value: Any, _path: str, _problems: list[Problem]) -> Any:
    return value


def _structure(shape: StructureShape, known: dict[str, Check]) -> Check:
    members = [(name, compile_shape(member, known)) for name, member in shape.members.items()]
    required = frozenset(shape.required_members)
    union = shape.is_tagged_union

    def check(value: Any, path: str, problems: list[Problem]) -> Any:
        if type(value) is not dict:
            problems.append(Problem(path, "Expected a structure", unreadable=True))
            return value
        found: dict[str, Any] = {}
        for name, member in members:
            item = value.get(name)
            if item is not None:
                found[name] = member(item, f"{path}/{name}", problems)
            elif name in required:
                problems.append(Problem(f"{path}/{name}", "Member must not be null"))
        if union and len(found) != 1:
            problems.append(Problem(path, f"Exactly one member of the union must be set, found {len(found)}"))
        return found

    return check


def _list(shape: ListShape, known: dict[str, Check]) -> Check:
    member = compile_shape(shape.member, known)
    length = _length(shape)

    def check(value: Any, path: str, problems: list[Problem]) -> Any:
        if type(value) is not list:
            problems.append(Problem(path, "Expected a list", unreadable=True))
            return value
        length(len(value), path, problems)
        if any(item is None for item in value):
            problems.append(Problem(path, "Members of a list must not be null"))
            return value
        return [member(item, f"{path}/{index}", problems) for index, item in enumerate(value)]

    return check


def _map(shape: MapShape, known: dict[str, Check]) -> Check:
    key_check, value_check = compile_shape(shape.key, known), compile_shape(shape.value, known)
    length = _length(shape)

    def check(value: Any, path: str, problems: list[Problem]) -> Any:
        if type(value) is not dict:
            problems.append(Problem(path, "Expected a map", unreadable=True))
            return value
        length(len(value), path, problems)
        found = {}
        for key, item in value.items():
            key_check(key, f"{path}/{key}", problems)
            if item is None:
                problems.append(Problem(f"{path}/{key}", "Values of a map must not be null"))
            else:
                found[key] = value_check(item, f"{path}/{key}", problems)
        return found

    return check


def _string(shape: StringShape) -> Check:
    length, enum = _length(shape), shape.enum
    longest = shape.metadata.get("max")
    pattern = shape.metadata.get("pattern")
    # The model's patterns are meant for the whole string: botocore's copy of the model has lost their anchors.
    compiled = re.compile(pattern) if pattern else None
    choices = ", ".join(enum)

    def check(value: Any, path: str, problems: list[Problem]) -> Any:
        if type(value) is not str:
            problems.append(Problem(path, "Expected a string", unreadable=True))
            return value
        length(len(value), path, problems)
        if enum and value not in enum:
            problems.append(Problem(path, f"Member must satisfy enum value set: [{choices}]"))
        # Matching an over-long string could take quadratic time, and it is refused anyway.
        if compiled and (longest is None or len(value) <= longest) and not compiled.fullmatch(value):
            problems.append(Problem(path, f"Member must satisfy regular expression pattern: {pattern}"))
        return value

    return check


def _number(shape: Shape, *, whole: bool) -> Check:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")

    def check(value: Any, path: str, problems: list[Problem]) -> Any:
        if type(value) not in ((int,) if whole else (int, float)) or not math.isfinite(value):
            problems.append(Problem(path, "Expected an integer" if whole else "Expected a number", unreadable=True))
        elif low is not None and value < low:
            problems.append(Problem(path, f"Member must be greater than or equal to {low}"))
        elif high is not None and value > high:
            problems.append(Problem(path, f"Member must be less than or equal to {high}"))
        return value

    return check


def _boolean(value: Any, path: str, problems: list[Problem]) -> Any:
    if type(value) is not bool:
        problems.append(Problem(path, "Expected a boolean", unreadable=True))
    return value


def _timestamp(value: Any, path: str, problems: list[Problem]) -> Any:
    """Epoch seconds (the protocol's form) or ISO 8601, returned as float epoch seconds."""
    if type(value) is str:
        try:
            value = datetime.fromisoformat(value).timestamp()
        except ValueError:
            value = None
    if type(value) not in (int, float) or not math.isfinite(value):
        problems.append(Problem(path, "Expected a timestamp in epoch seconds", unreadable=True))
        return 0.0
    if not 0 <= value <= LATEST_TIMESTAMP:
        problems.append(Problem(path, "Timestamp is out of range"))
    return value


def _length(shape: Shape) -> Callable[[int, str, list[Problem]], None]:
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max", math.inf)
    rule = f"between {low} and {high}, inclusive" if high != math.inf else f"greater than or equal to {low}"

    def check(length: int, path: str, problems: list[Problem]) -> None:
        if not low <= length <= high:
            problems.append(Problem(path, f"Member must have length {rule}"))

    return check
