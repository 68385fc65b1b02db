"""Merging newly folded messages into a summary: new statements in, superseded ones out."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agentmem.checkpoints.summary import (
    CONSTRAINTS,
    DECISIONS,
    DIGEST,
    FACTS,
    GOALS,
    INSTRUCTIONS,
    PREFERENCES,
    Statement,
    Summary,
    ToolNote,
)
from agentmem.compaction.summary.classify import classify
from agentmem.compaction.summary.entities import MANNER, STATE, UNITS, find_values
from agentmem.compaction.summary.sentences import split
from agentmem.compaction.summary.updates import Frame, conflict, frame_of, replacement_in, substitute
from agentmem.messages.cutting import RECALL_TOOL
from agentmem.messages.text import call_text, clip, result_text, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strands.types.content import Message

# Statements compared with a new one: the newest that share a concept with it. Keeps the work linear.
_CANDIDATES = 60
# Two candidates this close in likeness make it unclear which of them is meant.
_UNCLEAR = 0.05
_LAST_CALL = 160
# What the assistant confirms in the user's own figures is there already.
_ECHO = 0.4
_ASSISTANT_MAY_UPDATE = frozenset({FACTS, GOALS, DECISIONS, DIGEST})
_LIKE = {
    CONSTRAINTS: "rule",
    INSTRUCTIONS: "rule",
    PREFERENCES: "rule",
    GOALS: "state",
    DECISIONS: "state",
    FACTS: "state",
}


def collect(previous: Summary, folded: Sequence[Message]) -> Summary:
    """Add what the folded messages say to a summary, without regard to its size.

    Args:
        previous: The summary so far.
        folded: The newly folded messages, oldest first; never changed.

    Returns:
        A summary in which every value that was updated shows only its latest state.
    """
    pool = _Pool(previous.statements)
    tools = {note.name: note for note in previous.tools}
    names: dict[str, tuple[str, Any]] = {}
    turn = max((s.turn for s in previous.statements), default=0)
    for message in folded:
        turn += 1
        by = "assistant" if message.get("role") == "assistant" else "user"
        if by == "user":
            pool.last_told.clear()
        blocks: Sequence[Any] = message.get("content") or ()
        for block in blocks:
            if not isinstance(block, dict):
                continue
            text = text_of(block)
            if text:
                _read(pool, text, by, turn)
            elif isinstance(block.get("toolUse"), dict):
                use = block["toolUse"]
                names[str(use.get("toolUseId"))] = (str(use.get("name")), use.get("input"))
            elif isinstance(block.get("toolResult"), dict):
                _note_tool(tools, names, block["toolResult"], pool.next_order)
    return replace(
        previous,
        statements=tuple(pool.statements()),
        tools=tuple(tools[name] for name in sorted(tools)),
        messages=previous.messages + len(folded),
    )


def _read(pool: _Pool, text: str, by: str, turn: int) -> None:
    digested = False
    for sentence in split(text):
        values = find_values(sentence.text)
        frame = frame_of(sentence.text, values)
        section, weight = classify(sentence, by, values, len(frame.concepts) + len(values))
        if by == "user":
            pool.last_told.update(value.norm for value in values)
        if weight <= 0 or (section == DIGEST and digested and not sentence.item):
            continue
        if by == "assistant" and values and pool.last_told.issuperset(value.norm for value in values):
            weight = round(weight * _ECHO, 2)
        # Of small talk the first sentence is enough to remember what it was about.
        digested = digested or section == DIGEST
        pool.add(Statement(sentence.text, section, pool.next_order, turn, by, weight), frame)


def _note_tool(tools: dict[str, ToolNote], names: dict[str, tuple[str, Any]], result: Any, order: int) -> None:
    name, given = names.get(str(result.get("toolUseId")), ("", None))
    if not name or name == RECALL_TOOL:
        return
    old = tools.get(name, ToolNote(name, 0))
    failed = result.get("status") == "error"
    call = clip(call_text(given), _LAST_CALL // 2)
    last = f"{call} → {'failed: ' if failed else ''}{clip(result_text(result.get('content')), _LAST_CALL // 2)}"
    tools[name] = ToolNote(name, old.calls + 1, old.failures + failed, last, order)


class _Pool:
    """Statements by order, with an index from concept to those about it.

    Attributes:
        last_told: The values in the user's last message.
        next_order: The order of the next statement.
    """

    def __init__(self, statements: Sequence[Statement]) -> None:
        self._items: dict[int, tuple[Statement, Frame]] = {}
        self._by_text: dict[str, int] = {}
        self._by_concept: defaultdict[str, list[int]] = defaultdict(list)
        self.last_told: set[str] = set()
        self.next_order = 1
        for statement in statements:
            self._put(replace(statement, order=max(statement.order, self.next_order)), frame_of(statement.text))

    def statements(self) -> list[Statement]:
        """Return what is there, oldest first."""
        return [statement for statement, _ in sorted(self._items.values(), key=lambda item: item[0].order)]

    def add(self, statement: Statement, frame: Frame) -> None:
        """Add a statement; drop the ones it repeats or replaces."""
        known = self._by_text.get(_normal(statement.text))
        if known is not None:
            old = self._items[known][0]
            self._drop(known)
            statement = replace(
                statement,
                section=old.section if old.weight > statement.weight else statement.section,
                weight=max(old.weight, statement.weight),
                by="user" if "user" in (old.by, statement.by) else "assistant",
            )
            self._put(statement, frame)
            return
        if self._corrects(statement, frame):
            return
        target = self._replaced(statement, frame)
        if target is not None:
            old, old_frame = self._items[target]
            self._drop(target)
            statement = _heir(statement, old)
            merged = _merged(statement, frame, old, old_frame)
            if merged is not None:
                statement, frame = merged, frame_of(merged.text)
        self._put(statement, frame)

    def _put(self, statement: Statement, frame: Frame) -> None:
        self._items[statement.order] = (statement, frame)
        self._by_text[_normal(statement.text)] = statement.order
        for concept in frame.concepts:
            self._by_concept[concept].append(statement.order)
        self.next_order = statement.order + 1

    def _drop(self, order: int) -> None:
        statement, _ = self._items.pop(order)
        self._by_text.pop(_normal(statement.text), None)

    def _candidates(self, frame: Frame, turn: int) -> list[int]:
        orders = {o for concept in frame.concepts for o in self._by_concept[concept][-_CANDIDATES:] if o in self._items}
        # Sentences of one message do not contradict each other.
        return [o for o in sorted(orders, reverse=True)[:_CANDIDATES] if self._items[o][0].turn != turn]

    def _replaced(self, statement: Statement, frame: Frame) -> int | None:
        """Find the statement that the new one replaces; None when there is none or it is unclear which."""
        if "?" in statement.text or not (frame.values or frame.change or frame.lifts):
            return None
        scored = []
        for order in self._candidates(frame, statement.turn):
            old, old_frame = self._items[order]
            if DIGEST in (statement.section, old.section):
                continue
            if statement.by == "assistant" and not (frame.change and old.section in _ASSISTANT_MAY_UPDATE):
                continue
            like = _LIKE.get(statement.section, "state") == _LIKE.get(old.section, "state")
            wish = like and _LIKE.get(old.section) == "rule"
            score = conflict(frame, old_frame, same_section=like, open_choice=wish)
            if score:
                scored.append((score, order))
        if not scored:
            return None
        best, order = max(scored)
        rivals = [o for score, o in scored if o != order and best - score < _UNCLEAR]
        concepts = self._items[order][1].concepts.keys()
        return None if any(self._items[o][1].concepts.keys() != concepts for o in rivals) else order

    def _corrects(self, statement: Statement, frame: Frame) -> bool:
        """Carry out an explicit correction ("42, not 40") in the statement it speaks of."""
        named = None if "?" in statement.text else replacement_in(statement.text)
        if named is None:
            return False
        old_value, new_value = named
        rest = statement.text.replace(old_value, " ")
        own = frame_of(rest.replace(new_value, " ") if new_value else rest).concepts.keys()
        orders = self._candidates(frame, statement.turn) if own else sorted(self._items, reverse=True)[:_CANDIDATES]
        for order in orders:
            old, old_frame = self._items[order]
            if old.turn == statement.turn or (own and not own & old_frame.concepts.keys()):
                continue
            text = substitute(old.text, old_value, new_value)
            if text is not None and not new_value:
                self._drop(order)
                return False
            # A sentence that has both values contrasts them already.
            if text is not None and new_value.casefold() not in old.text.casefold():
                self._drop(order)
                corrected = _heir(replace(statement, text=text), old)
                self._put(corrected, frame_of(text))
                return own <= old_frame.concepts.keys()
        return False


def _normal(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".!")


def _heir(new: Statement, old: Statement) -> Statement:
    """Let a statement that replaces a weightier one take its place and standing."""
    if old.weight <= new.weight:
        return new
    return replace(new, section=old.section if old.section in _LIKE else new.section, weight=old.weight)


def _merged(new: Statement, frame: Frame, old: Statement, old_frame: Frame) -> Statement | None:
    """Keep what else an updated sentence said: "moved to 14:00" leaves "at 14:00 in room 4B"."""
    light = {MANNER, UNITS, STATE}
    shared = (frame.families & old_frame.families) - light
    stale = [v for v in old_frame.values if v.family in shared]
    fresh = [v for v in frame.values if v.family in shared]
    others = {v.norm for v in old_frame.values if v.family not in shared | light} - {v.norm for v in frame.values}
    if len(stale) != 1 or len(fresh) != 1 or not others or not frame.concepts.keys() <= old_frame.concepts.keys():
        return None
    text = substitute(old.text, stale[0].text, fresh[0].text)
    return None if text is None else replace(new, text=text)
