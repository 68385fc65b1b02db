"""Deciding what to shorten and what to fold: a pure function from a history and limits to a plan.

Three stages, each only as far as needed:

1. Tool content outside the protected turns is shortened.
2. The oldest unprotected turns are folded, whole, until the request is at the target.
3. Only if the protected turns alone do not fit: their completed tool cycles are shortened and then folded, oldest
   first, and then whole protected turns, oldest first. The current turn's own message and its last tool cycle stay.

Sizes are in tokens as ``count`` counts them. No I/O, no clock, no agent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentmem.compaction.truncation import TruncationSettings, handle_of, names_of_tools, shorten
from agentmem.compaction.turns import Cycle, Turn, cycles_of, is_recall, is_tool_traffic, turns_of

if TYPE_CHECKING:
    from strands.types.content import Message

__all__ = ["History", "Limits", "Plan", "may_shorten_cycle", "plan"]

Count = Callable[["Message"], int]


@dataclass(frozen=True)
class Limits:
    """When to compact, and how far.

    Attributes:
        threshold: Compact when the request has this many tokens.
        target: Fold until it has no more than this many.
        protected_turns: How many of the last turns, the current one included, stay as they are if they fit.
        summary_tokens: Tokens a summary may have, the room to leave for it.
    """

    threshold: int
    target: int
    protected_turns: int
    summary_tokens: int


@dataclass(frozen=True)
class History:
    """A history as the model is shown it now, without the summary.

    Attributes:
        messages: Oldest first, each with a ``tracking_id``.
        fixed_tokens: Tokens of the system prompt and the tool specifications.
        summary_tokens: Tokens of the present summary.
        head: How many of the first messages stand before the boundary, kept from a turn that was partly folded.
        shortened: Messages before this index have been shortened already.
        cycles_shortened: Tool traffic before this index has been shortened already.
    """

    messages: Sequence[Message]
    fixed_tokens: int = 0
    summary_tokens: int = 0
    head: int = 0
    shortened: int = 0
    cycles_shortened: int = 0


@dataclass(frozen=True)
class Plan:
    """What to show from now on. All indices are into ``History.messages``.

    Attributes:
        kept: Indices of the messages that stay, ascending.
        messages: Those messages, in the form to show.
        boundary: Every message from this index on stays; those of ``kept`` before it are the head.
        shortened: Messages before this index are shortened.
        cycles_shortened: Tool traffic before this index is shortened.
        tokens_before: Tokens of the request as it is.
        tokens_after: Tokens of the request as planned, with room for a full summary when anything is folded.
        fits: Whether ``tokens_after`` is under the threshold.
    """

    kept: tuple[int, ...]
    messages: tuple[Message, ...]
    boundary: int
    shortened: int
    cycles_shortened: int
    tokens_before: int
    tokens_after: int
    fits: bool

    @property
    def folded(self) -> tuple[int, ...]:
        """Indices of the messages to fold, ascending."""
        kept = set(self.kept)
        last = self.kept[-1] if self.kept else -1
        return tuple(index for index in range(last + 1) if index not in kept)

    @property
    def head(self) -> tuple[int, ...]:
        """Indices of the messages that stay although they stand before the boundary."""
        return tuple(index for index in self.kept if index < self.boundary)


def plan(history: History, limits: Limits, settings: TruncationSettings, count: Count, *, force: bool = False) -> Plan:
    """Plan a compaction.

    Args:
        history: What the model is shown now.
        limits: When and how far.
        settings: How to shorten.
        count: Tokens of one message.
        force: Compact although the threshold is not reached.

    Returns:
        A plan that keeps everything when nothing needs to change. It never keeps a tool use without its results, nor
        a result without its use; the first message it keeps is a user's own whenever there is one.
    """
    draft = _Draft(history, settings, count)
    tokens_before = draft.total
    if draft.total >= limits.threshold or force:
        turns = turns_of(history.messages)
        # The current turn is never folded whole, however few turns are protected.
        wall = max(min(len(turns) - limits.protected_turns, len(turns) - 1), 0)
        _shorten_unprotected(draft, turns[:wall], limits)
        _fold_turns(draft, turns[:wall], limits)
        if draft.total >= limits.threshold:
            _reduce_protected(draft, turns[wall:], limits)
    return draft.finished(tokens_before, limits)


def _shorten_unprotected(draft: _Draft, turns: Sequence[Turn], limits: Limits) -> None:
    if not turns or draft.total <= limits.target:
        return
    for index in range(draft.shortened, turns[-1].end):
        draft.shorten(index)
    draft.shortened = max(draft.shortened, turns[-1].end)


def _fold_turns(draft: _Draft, turns: Sequence[Turn], limits: Limits) -> None:
    for turn in turns:
        if draft.total <= limits.target:
            return
        draft.fold(turn.start, turn.end, limits)


def _reduce_protected(draft: _Draft, turns: Sequence[Turn], limits: Limits) -> None:
    cycles = [cycle for turn in turns for cycle in cycles_of(draft.messages, turn)]
    if turns and cycles and cycles[-1].start >= turns[-1].start:
        cycles.pop()
    _shorten_cycles(draft, cycles, limits)
    _fold_cycles(draft, cycles, limits)
    if draft.total >= limits.threshold:
        _fold_turns(draft, turns[:-1], limits)


def _shorten_cycles(draft: _Draft, cycles: Sequence[Cycle], limits: Limits) -> None:
    for cycle in cycles:
        if draft.total <= limits.target:
            return
        for index in range(max(cycle.start, draft.cycles_shortened), cycle.end):
            draft.shorten(index, keep_reasoning=True)
        draft.cycles_shortened = max(draft.cycles_shortened, cycle.end)


def _fold_cycles(draft: _Draft, cycles: Sequence[Cycle], limits: Limits) -> None:
    recalls = [cycle for cycle in cycles if draft.holds_recall(cycle)]
    for cycle in cycles:
        if draft.total <= limits.target:
            return
        if cycle not in recalls:
            draft.fold(cycle.start, cycle.end, limits)
    # What the agent has just asked to see again goes only if nothing else is left to go.
    for cycle in recalls:
        if draft.total >= limits.threshold:
            draft.fold(cycle.start, cycle.end, limits)


def may_shorten_cycle(message: Message, tool_names: Mapping[str, str]) -> bool:
    """Whether stage three may shorten a message: tool traffic, but not what the agent has just recalled.

    Args:
        message: A message of a protected turn.
        tool_names: Tool use id to tool name.
    """
    return is_tool_traffic(message) and not is_recall(message, tool_names)


class _Draft:
    """A plan in the making: what is kept, in which form, and how many tokens that is."""

    def __init__(self, history: History, settings: TruncationSettings, count: Count) -> None:
        self.messages = history.messages
        self.shortened = history.shortened
        self.cycles_shortened = max(history.cycles_shortened, history.shortened)
        self._history = history
        self._settings = settings
        self._count = count
        self._tool_names = names_of_tools(history.messages)
        self._shown: list[Message | None] = list(history.messages)
        self._sizes = [count(message) for message in history.messages]
        self._summary_tokens = history.summary_tokens
        self.total = history.fixed_tokens + history.summary_tokens + sum(self._sizes)

    def shorten(self, index: int, *, keep_reasoning: bool = False) -> None:
        message = self._shown[index]
        if message is None or (keep_reasoning and not may_shorten_cycle(message, self._tool_names)):
            return
        handle = handle_of(message["tracking_id"])
        short = shorten(
            message, self._settings, handle=handle, tool_names=self._tool_names, keep_reasoning=keep_reasoning
        )
        if short is not message:
            self._resize(index, short)

    def holds_recall(self, cycle: Cycle) -> bool:
        return any(is_recall(self.messages[index], self._tool_names) for index in range(cycle.start, cycle.end))

    def fold(self, start: int, end: int, limits: Limits) -> None:
        # From the first fold on there must be room for a summary, which may grow up to its limit.
        room = max(limits.summary_tokens, self._summary_tokens)
        self.total += room - self._summary_tokens
        self._summary_tokens = room
        for index in range(start, end):
            self._resize(index, None)

    def _resize(self, index: int, message: Message | None) -> None:
        size = 0 if message is None else self._count(message)
        self.total += size - self._sizes[index]
        self._sizes[index], self._shown[index] = size, message

    def finished(self, tokens_before: int, limits: Limits) -> Plan:
        kept = tuple(index for index, message in enumerate(self._shown) if message is not None)
        boundary = len(self._shown)
        while boundary > self._history.head and self._shown[boundary - 1] is not None:
            boundary -= 1
        return Plan(
            kept=kept,
            messages=tuple(message for message in self._shown if message is not None),
            boundary=boundary,
            shortened=self.shortened,
            cycles_shortened=max(self.cycles_shortened, self.shortened),
            tokens_before=tokens_before,
            tokens_after=self.total,
            fits=self.total < limits.threshold,
        )
