"""Which statements stay when there is not room for all: the firmest first, and among equals the newest."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from agentmem.checkpoints.summary import (
    CONSTRAINTS,
    DECISIONS,
    DIGEST,
    FACTS,
    GOALS,
    INSTRUCTIONS,
    PREFERENCES,
    TITLES,
    Statement,
    Summary,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agentmem.checkpoints.summary import ToolNote

# After how many newer statements the weight of one has halved: rules age slowly, chatter fast.
_HALF_LIFE = {
    INSTRUCTIONS: 400.0,
    CONSTRAINTS: 300.0,
    PREFERENCES: 300.0,
    DECISIONS: 120.0,
    GOALS: 80.0,
    FACTS: 120.0,
    DIGEST: 15.0,
}
# Headings give way to statements when they would take more than this share of the room.
_TITLE_SHARE = 0.05
# Sentences taken or left together at the most.
_PASSAGE = 3
# A statement this long costs its full price; shorter ones are relatively cheap, longer ones dear.
_USUAL_LENGTH = 80.0


def fit(summary: Summary, max_tokens: int, count: Callable[[str], int]) -> Summary:
    """Drop the least important parts of a summary until it fits.

    Args:
        summary: A summary of any size.
        max_tokens: What the rendered summary may take.
        count: Counts the tokens of a text.

    Returns:
        A summary whose rendering is within the limit; empty when nothing fits.
    """
    for headings in (True, False):
        summary = replace(summary, headings=headings)
        if count(summary.render()) <= max_tokens:
            return summary
    summary = replace(summary, headings=True)
    titles = {s.section: count(f"{TITLES.get(s.section, s.section)}:\n") for s in summary.statements}
    if sum(titles.values()) > _TITLE_SHARE * max_tokens:
        summary = replace(summary, headings=False)
        titles = dict.fromkeys(titles, 0)
    bare = replace(summary, statements=(), tools=())
    used = count(bare.render()) if not bare.empty else 0
    tools = _tools_for(summary, max_tokens // 6, count)
    used += sum(count(f"- {note.line()}\n") for note in tools)
    kept: list[Statement] = []
    sections: set[str] = set()
    groups = _ranked(_grouped(summary.statements))
    # Whole passages first; what then is left of the room goes to single sentences of those that were too long.
    for group in [*groups, *([s] for g in groups if len(g) > 1 for s in g)]:
        section = group[0].section
        title = 0 if section in sections else titles[section]
        cost = count(f"- {' '.join(s.text for s in group)}\n") + title
        if used + cost <= max_tokens + 1 and group[0] not in kept:
            kept.extend(group)
            sections.add(section)
            used += cost
    chosen = replace(
        summary,
        statements=tuple(sorted(kept, key=lambda s: s.order)),
        tools=tools,
    )
    # The parts were counted one by one; what the whole takes decides.
    while kept and count(chosen.render()) > max_tokens:
        kept.pop()
        chosen = replace(chosen, statements=tuple(sorted(kept, key=lambda s: s.order)))
    while count(chosen.render()) > max_tokens and (chosen.tools or chosen.narrative or chosen.notes):
        if chosen.tools:
            chosen = replace(chosen, tools=chosen.tools[1:])
        elif chosen.narrative:
            chosen = replace(chosen, narrative="")
        else:
            chosen = replace(chosen, notes=())
    titled = replace(chosen, headings=True)
    return titled if count(titled.render()) <= max_tokens else chosen


def _tools_for(summary: Summary, room: int, count: Callable[[str], int]) -> tuple[ToolNote, ...]:
    """Choose the tools used last; what the user said comes first, so they get a small share of the room."""
    kept = set()
    for note in sorted(summary.tools, key=lambda t: -t.order):
        cost = count(f"- {note.line()}\n")
        if cost <= room:
            kept.add(note.name)
            room -= cost
    return tuple(note for note in summary.tools if note.name in kept)


def _grouped(statements: Sequence[Statement]) -> list[list[Statement]]:
    """Put sentences together that stood together: the second is often of little use without the first."""
    groups: list[list[Statement]] = []
    for statement in sorted(statements, key=lambda s: s.order):
        last = groups[-1][-1] if groups else None
        if last and (last.turn, last.section, last.order + 1) == (statement.turn, statement.section, statement.order):
            groups[-1].append(statement)
        else:
            groups.append([statement])
    return [group[at : at + _PASSAGE] for group in groups for at in range(0, len(group), _PASSAGE)]


def _ranked(groups: Sequence[list[Statement]]) -> list[list[Statement]]:
    """Order passages by worth; each further one of a section is worth a little less, so that all sections stay."""
    newest = max((g[-1].order for g in groups), default=0)
    worths = [_worth(group, newest) for group in groups]
    seen: Counter[str] = Counter()
    final: dict[int, float] = {}
    for at in sorted(range(len(groups)), key=lambda i: (-worths[i], -i)):
        section = groups[at][0].section
        final[at] = worths[at] / (1 + seen[section] / 10)
        seen[section] += 1
    return [groups[at] for at in sorted(final, key=lambda i: (-final[i], -i))]


def _worth(group: list[Statement], newest: int) -> float:
    age = newest - group[-1].order
    recency = 0.5 ** (age / _HALF_LIFE.get(group[0].section, 120.0))
    length = (max(sum(len(s.text) for s in group), 30) / _USUAL_LENGTH) ** 0.5
    return float(max(s.weight for s in group) * recency / length)
