"""Turns metadata filters of events and of records into SQL conditions.

A condition on a key that the row does not have is false, but for ``NOT_EXISTS``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .errors import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

WITHOUT_VALUE = ("EXISTS", "NOT_EXISTS")
COMPARISONS = {
    "GREATER_THAN": ">",
    "GREATER_THAN_OR_EQUALS": ">=",
    "LESS_THAN": "<",
    "LESS_THAN_OR_EQUALS": "<=",
}


def event_filter_clause(expression: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The SQL condition of one ``EventMetadataFilterExpression``.

    Raises:
        ServiceError: ``ValidationException`` when the right side is missing or not wanted.
    """
    path = _json_path(expression["left"]["metadataKey"])
    operator = expression["operator"]
    right = _right_side(expression, "/filter/eventMetadata")
    if right is None:
        return f"json_extract(metadata, ?) IS {'NOT ' if operator == 'EXISTS' else ''}NULL", [path]
    return "json_extract(metadata, ?) = ?", [path, right["stringValue"]]


def _right_side(expression: Mapping[str, Any], path: str) -> Mapping[str, Any] | None:
    operator = expression["operator"]
    right = expression.get("right")
    if operator in WITHOUT_VALUE:
        if right is not None:
            raise invalid(f"Operator {operator} takes no right side", field=f"{path}/right")
        return None
    if right is None:
        raise invalid(f"Operator {operator} needs a right side", field=f"{path}/right")
    value: Mapping[str, Any] = right["metadataValue"]
    return value


def _json_path(key: str) -> str:
    return f'$."{key}"'  # the model's pattern for keys admits no quote


def record_filter_clause(expression: Mapping[str, Any], types: Mapping[str, str]) -> tuple[str, list[Any]]:
    """The SQL condition of one ``MemoryMetadataFilterExpression``.

    Args:
        expression: The expression.
        types: The memory's indexed keys and their types; only these can be filtered by.

    Raises:
        ServiceError: ``ValidationException`` for a key that is not indexed, an operator that does not go with the
            value, or a right side that is missing or not wanted.
    """
    key, operator = expression["left"]["metadataKey"], expression["operator"]
    if key not in types:
        raise invalid(f"Metadata key {key} is not an indexed key of the memory", field="/metadataFilters")
    path = _json_path(key)
    right = _right_side(expression, "/metadataFilters")
    if right is None:
        return f"json_extract(metadata, ?) IS {'NOT ' if operator == 'EXISTS' else ''}NULL", [path]
    [(kind, value)] = right.items()
    if operator == "EQUALS_TO":
        if kind == "stringListValue":
            return "json_extract(metadata, ?) = json(?)", [f"{path}.{kind}", _json_text(value)]
        return "json_extract(metadata, ?) = ?", [f"{path}.{kind}", value]
    if operator == "CONTAINS":
        return _contains(path, kind, value)
    if operator in ("BEFORE", "AFTER"):
        if kind != "dateTimeValue":
            raise invalid(f"Operator {operator} needs a dateTimeValue", field="/metadataFilters")
        return f"json_extract(metadata, ?) {'<' if operator == 'BEFORE' else '>'} ?", [f"{path}.dateTimeValue", value]
    if kind != "numberValue":
        raise invalid(f"Operator {operator} needs a numberValue", field="/metadataFilters")
    return f"json_extract(metadata, ?) {COMPARISONS[operator]} ?", [f"{path}.numberValue", value]


def _contains(path: str, kind: str, value: Any) -> tuple[str, list[Any]]:
    """``CONTAINS``: a string list that holds the value, or a string that holds it as a part."""
    if kind not in ("stringValue", "stringListValue"):
        raise invalid("Operator CONTAINS needs a stringValue or a stringListValue", field="/metadataFilters")
    wanted = [value] if kind == "stringValue" else value
    conditions, values = [], []
    for item in wanted:
        conditions.append(
            "(EXISTS (SELECT 1 FROM json_each(metadata, ?) WHERE json_each.value = ?)"
            " OR instr(json_extract(metadata, ?), ?) > 0)"
        )
        values.extend([f"{path}.stringListValue", item, f"{path}.stringValue", item])
    return " AND ".join(conditions), values


def _json_text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
