"""Puts verified quotes in their place among the statements of a summary."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from unicodedata import normalize

from agentmem.checkpoints.summary import HELD, OPEN, QUOTED, TOLD, Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentmem.checkpoints.summary import Summary
    from agentmem.compaction.summary.quotes import Standing

MOST_OPEN = 10
"""Open tasks by a model's word; an older one is no longer called open, as the model may never close it."""


def with_quotes(summary: Summary, standing: Sequence[Standing], places: Mapping[str, int]) -> Summary:
    """Put quotes into a summary.

    Args:
        summary: The summary of the same messages without them, of any size.
        standing: The last summary's statements as the quotes leave them, and the quotes.
        places: Place of each newly folded message, by handle.

    Returns:
        The summary in which a quote stands once: where the summary had its sentence already, or else where it was said.
        What a later quote replaces is left out, and counted among what gave way.
    """
    statements = list(summary.statements)
    for one in standing:
        if one.before is not None:
            left = [] if one.replaced else [one.statement]
            statements = [now for old in statements for now in (left if old == one.before else [old])]
        elif one.replaced:
            statements = _without(statements, one.statement)
    for one in sorted(standing, key=lambda one: one.place):
        if one.before is None and not one.replaced:
            statements = _with(statements, one, places)
    statements.sort(key=lambda one: one.order)
    older = [one for one in statements if one.section == OPEN and one.kind == QUOTED][:-MOST_OPEN]
    statements = [replace(one, section=TOLD) if one in older else one for one in statements]
    replaced = sum(one.replaced for one in standing)
    return replace(summary, statements=tuple(statements), gave_way=summary.gave_way + replaced)


def _with(statements: list[Statement], one: Standing, places: Mapping[str, int]) -> list[Statement]:
    quote = one.statement
    around = [old for old in statements if old.section in (HELD, quote.section) and _is_part(quote, old)]
    if quote.section != HELD and any(old.section == HELD for old in around):
        return statements  # what is to hold stays so, whatever else it is said to be
    within = [old for old in statements if _is_part(old, quote) or _is_said_again(old, quote)]
    same = {id(old): old for old in (*around, *within)}
    here = [old for old in same.values() if old.source == quote.source]
    rest = _without([old for old in statements if id(old) not in same], quote)
    if here:
        whole = max((old.text for old in around), key=len, default=quote.text)
        newest = max(here, key=lambda old: old.order)
        agreed = quote.section == HELD and any(old.section == HELD for old in here)
        outcome = quote.outcome or ("" if quote.section == HELD else newest.outcome)
        sure = 1.0 if agreed else quote.sure
        return [*rest, replace(quote, text=whole, order=newest.order, outcome=outcome, sure=sure)]
    later = [old.order for old in rest if places.get(old.source, -1) > one.place[0]]
    order = min(later, default=max((old.order for old in rest), default=-1) + 1)
    moved = [replace(old, order=old.order + 1) if old.order >= order else old for old in rest]
    return [*moved, replace(quote, order=order)]


def _without(statements: Sequence[Statement], quote: Statement) -> list[Statement]:
    """Leave out what stands within a quote; a passage that was told and has more than the quote keeps the rest."""
    left: list[Statement] = []
    for old in statements:
        if _is_part(old, quote):
            continue
        if old.section == TOLD and old.source == quote.source and quote.text in old.text:
            left.append(
                replace(old, text=" … ".join(part.strip() for part in old.text.split(quote.text) if part.strip()))
            )
        else:
            left.append(old)
    return left


def _is_part(one: Statement, other: Statement) -> bool:
    """Whether a statement stands within another of the same message."""
    return one.source == other.source and one.by == other.by and _written(one.text) in _written(other.text)


def _is_said_again(one: Statement, quote: Statement) -> bool:
    return one.section == quote.section and _written(one.text) == _written(quote.text)


def _written(text: str) -> str:
    return " ".join(normalize("NFC", text).casefold().split())
