"""Chooses the statements of a summary that stay when there is not room for all.

Requests that hold have a share of the room that nothing else may take; among them the surest stay. The rest of the room
goes to what says most that is not said already, be it a passage or a request that found no room in that share: each
word and value counts by its rarity among the candidates, once. That needs no list of words and works in any language.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from agentmem.checkpoints.summary import DONE, HELD, OPEN, TITLES, Statement, Summary
from agentmem.compaction.summary.entities import values_of, words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

HELD_SHARE = 0.4
"""Share of the room that only requests that hold may take."""

DONE_SHARE = 0.25
"""Share of the room that requests with their outcome may take before other passages compete for it."""

TOOL_SHARE = 0.15
"""Share of the room that tools take at most."""

_HALF_LIFE = 600.0
"""Newer statements after which the worth of one has halved."""


def fit(summary: Summary, max_tokens: int, count: Callable[[str], int]) -> Summary:
    """Leave out the least important statements of a summary until it fits.

    Args:
        summary: A summary of any size.
        max_tokens: What the rendered summary may take.
        count: Counts the tokens of a text.

    Returns:
        A summary whose rendering is within the limit, with what gave way counted; empty when nothing fits.
    """
    summary = replace(_without_repetition(summary), tools_in_full=len(summary.tools), tools_shown=len(summary.tools))
    if count(summary.render()) <= max_tokens:
        return summary
    summary = _with_fewer_tools(summary, int(TOOL_SHARE * max_tokens), count)
    bare = replace(summary, statements=(), gave_way=10_000, held_gave_way=1_000)
    selection = _Selection(count, max_tokens - count(bare.render()))
    selection.choose(summary.statements, int(HELD_SHARE * max_tokens))
    kept = selection.kept
    chosen = _with(summary, kept)
    # The parts were counted one by one; what the whole takes decides.
    while kept and count(chosen.render()) > max_tokens:
        kept.pop()
        chosen = _with(summary, kept)
    return _without_the_rest(chosen, max_tokens, count)


class _Selection:
    """Statements chosen so far, the most important first, and the tokens that are left."""

    def __init__(self, count: Callable[[str], int], room: int) -> None:
        self._count = count
        self._room = room
        self._costs: dict[int, int] = {}
        self._words: dict[int, frozenset[str]] = {}
        self._said: set[str] = set()
        self._titled: set[str] = set()
        self.kept: list[Statement] = []

    def choose(self, statements: Sequence[Statement], reserved: int) -> None:
        """Choose: surest requests that hold, what is open, the last request, answered ones, then what adds most."""
        self._costs = {one.order: self._count(f"- {one.line(dated=True)}\n") for one in statements}
        self._words = {one.order: words_of(f"{one.text} {one.outcome}") for one in statements}
        held = sorted((one for one in statements if one.section == HELD), key=lambda one: (-one.sure, -one.order))
        self._take(held, reserved)
        requests = [one for one in statements if one.section in (OPEN, DONE)]
        newest = max(requests, key=lambda one: one.order, default=None)
        first = [one for one in reversed(requests) if one.section == OPEN or one is newest]
        self._take(first, self._room)
        others = [one for one in statements if one.section != HELD and one not in first]
        done = [one for one in others if one.section == DONE]
        self._take(self._by_gain(done), int(DONE_SHARE * self._room))
        # What holds and found no room in its share is still worth more than most passages, but a flood of it is not.
        left = [one for one in (*held, *others) if one not in self.kept]
        self._take(self._by_gain(left), self._room)

    def _take(self, candidates: Iterable[Statement], most: int) -> None:
        """Take candidates in order, each that fits in what is left and in a share of it."""
        for one in candidates:
            cost = self._costs[one.order]
            if one.section not in self._titled:
                cost += self._count(f"{TITLES.get(one.section, one.section)}:\n")
            if cost > min(most, self._room):
                continue
            most -= cost
            self._room -= cost
            self._titled.add(one.section)
            self._said |= self._words[one.order]
            self.kept.append(one)

    def _by_gain(self, statements: Sequence[Statement]) -> Iterator[Statement]:
        """Give statements in the order of what each adds, for its cost, to those that are kept.

        What a statement adds only shrinks, so the best of a heap is best if it still is after it was weighed again.
        """
        frequency = Counter(word for one in statements for word in self._words[one.order])
        rarity = {word: math.log(1 + len(statements) / seen) for word, seen in frequency.items()}
        newest = max((one.order for one in statements), default=0)
        by_order = {one.order: one for one in statements}

        def gain(one: Statement) -> float:
            said = self._words[one.order]
            mass = sum(rarity[word] for word in said)
            new = sum(rarity[word] for word in said - self._said)
            recency = 0.5 ** ((newest - one.order) / _HALF_LIFE)
            fresh = new / mass if mass else 0.0
            return float(one.weight * recency * fresh * math.sqrt(new / self._costs[one.order]))

        heap = [(-gain(one), -one.order) for one in statements]
        heapq.heapify(heap)
        while heap:
            _, place = heapq.heappop(heap)
            one = by_order[-place]
            now = gain(one)
            if heap and now < -heap[0][0] - 1e-9:
                heapq.heappush(heap, (-now, place))
            elif now > 0:
                yield one


def _without_repetition(summary: Summary) -> Summary:
    """Leave out of the passages and answered requests those whose values and words all stand in a newer one."""
    seen: dict[tuple[str, frozenset[str]], int] = {}
    kept: list[Statement] = []
    for one in sorted(summary.statements, key=lambda one: -one.order):
        values = values_of(f"{one.text} {one.outcome}")
        if one.section in (HELD, OPEN):
            kept.append(one)
            continue
        key = (one.section, values or frozenset({" ".join(one.line().casefold().split())}))
        if key not in seen:
            seen[key] = one.order
            kept.append(one)
    gone = len(summary.statements) - len(kept)
    if not gone:
        return summary
    return replace(summary, statements=tuple(sorted(kept, key=lambda one: one.order)), gave_way=summary.gave_way + gone)


def _with(summary: Summary, kept: Sequence[Statement]) -> Summary:
    """Return the summary with these statements only, and the others counted."""
    orders = {one.order for one in kept}
    gone = [one for one in summary.statements if one.order not in orders]
    return replace(
        summary,
        statements=tuple(sorted(kept, key=lambda one: one.order)),
        gave_way=summary.gave_way + len(gone),
        held_gave_way=summary.held_gave_way + sum(one.section == HELD for one in gone),
    )


def _with_fewer_tools(summary: Summary, room: int, count: Callable[[str], int]) -> Summary:
    """Show as many tools as the room allows: all counters first, then the latest calls of those used last."""
    tools = len(summary.tools)
    bare = Summary(tools=summary.tools)
    shown = _most(tools, lambda n: count(replace(bare, tools_in_full=0, tools_shown=n).render()) <= room)
    full = _most(shown, lambda n: count(replace(bare, tools_in_full=n, tools_shown=shown).render()) <= room)
    return replace(summary, tools_in_full=full, tools_shown=shown)


def _most(limit: int, fits: Callable[[int], bool]) -> int:
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _without_the_rest(summary: Summary, max_tokens: int, count: Callable[[str], int]) -> Summary:
    """Take out tools, narrative and notes, in this order, while the summary is still too large."""
    for change in ({"tools_shown": 0}, {"narrative": ""}, {"notes": ()}, {"gave_way": 0, "held_gave_way": 0}):
        if count(summary.render()) <= max_tokens:
            break
        summary = replace(summary, **change)
    return summary
