"""Writes and reads preference records in the service's JSON form."""

from __future__ import annotations

import json

CONTEXT = "The user said this in a conversation."
"""How a preference found by rule is known."""

CATEGORIES = ("general",)
"""The categories of a preference found by rule. Naming them takes a model; cosines with names of categories point
wrong too often ("I am vegetarian." is nearest to pets)."""


def preference_record(sentence: str) -> str:
    """The record of a preference: JSON with ``context``, ``preference`` (the sentence itself) and ``categories``."""
    return json.dumps({"context": CONTEXT, "preference": sentence, "categories": list(CATEGORIES)}, ensure_ascii=False)


def preference_in(record: str) -> str | None:
    """The preference that a record in this form holds, or None for other text."""
    if not record.startswith("{"):
        return None
    try:
        value = json.loads(record)
    except (ValueError, RecursionError):  # a sentence that begins with a brace
        return None
    preference = value.get("preference") if isinstance(value, dict) else None
    return preference if isinstance(preference, str) else None
