"""Plans a compaction: a pure function from a history and limits to a plan.

Three stages, each only as far as needed:

1. Tool content outside the protected turns is shortened.
2. The oldest unprotected turns are folded, whole, until the request is at the target.
3. Only if the protected turns alone do not fit: their completed tool cycles are shortened and then folded, oldest
   first, and then whole protected turns, oldest first. The current turn's own message and its last tool cycle stay.

A pinned message is never shortened nor folded, nor is the user's own message that it belongs to folded.

What holds for every plan: a message once shortened keeps its bytes until it is folded; nothing is folded whose summary
would take more room than it frees; planning again changes nothing.

Sizes are in tokens as ``count`` counts them. No I/O, no clock, no agent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agentmem.drawing.figures import before_after, facts
from agentmem.drawing.notebook import card
from agentmem.messages.truncation import TruncationSettings, handle_of, names_of_tools, shorten
from agentmem.messages.turns import (
    Cycle,
    Turn,
    cycles_of,
    has_reasoning,
    has_recall,
    is_tool_traffic,
    turns_of,
)

if TYPE_CHECKING:
    from strands.types.content import Message

Count = Callable[["Message"], int]


@dataclass(frozen=True)
class Limits:
    """When to compact, and how far.

    Attributes:
        threshold: Compact when the request has this many tokens.
        target: Fold until it has no more than this many.
        protected_turns: How many of the last turns, the current one included, stay as they are if they fit.
        summary_tokens: Tokens a summary may take in the request, its fence included: the room to leave for it.
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
        pinned: Indices of pinned messages, tool partners included.
    """

    messages: Sequence[Message]
    fixed_tokens: int = 0
    summary_tokens: int = 0
    head: int = 0
    shortened: int = 0
    cycles_shortened: int = 0
    pinned: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Plan:
    """The messages to show from now on. All indices are into ``History.messages``.

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

    def __repr__(self) -> str:
        """Tell the outcome and no message."""
        return (
            f"Plan(kept={len(self.kept)} messages, folded={len(self.folded)}, tokens_before={self.tokens_before}, "
            f"tokens_after={self.tokens_after}, fits={self.fits})"
        )

    def _repr_html_(self) -> str:
        """Draw the outcome in a notebook."""
        counts = {"kept": len(self.kept), "folded": len(self.folded), "fits under the threshold": self.fits}
        return card("Plan of a compaction", before_after(self.tokens_before, self.tokens_after), facts(counts))


def plan(history: History, limits: Limits, settings: TruncationSettings, count: Count, *, force: bool = False) -> Plan:
    """Plan a compaction.

    Args:
        history: The model's present view.
        limits: When and how far.
        settings: How to shorten.
        count: Tokens of one message.
        force: Compact although the threshold is not reached, by as much as if it were.

    Returns:
        A plan that keeps everything when nothing needs to change. It never keeps a tool use without its results, nor
        a result without its use; the first message it keeps is a user's own whenever there is one.
    """
    draft = _Draft(history, limits, settings, count)
    tokens_before = draft.total
    if force and not draft.is_over_threshold:
        draft.limits = _as_if_reached(limits, tokens_before)
    if draft.is_over_threshold or force:
        turns = turns_of(history.messages)
        # The current turn is never folded whole, however few turns are protected.
        older, protected = turns[: -max(limits.protected_turns, 1)], turns[-max(limits.protected_turns, 1) :]
        _shorten_turns(draft, older)  # stage one
        if draft.pays_to_fold(older):
            _fold(draft, older)  # stage two
        if draft.is_over_threshold:
            _reduce_protected(draft, older, protected)  # stage three
    return draft.finished(tokens_before)


def _as_if_reached(limits: Limits, tokens: int) -> Limits:
    """Return the limits for a compaction that is asked for early: it goes as far as it would at a threshold there.

    What is protected fits and stays.
    """
    return replace(limits, threshold=tokens + 1, target=tokens * limits.target // limits.threshold)


def _shorten_turns(draft: _Draft, turns: Sequence[Turn]) -> None:
    """Shorten all of them at once: the next time there is nothing left to do, and their bytes stay as they are."""
    if not turns or draft.is_at_target:
        return
    for index in range(draft.shortened, turns[-1].end):
        draft.shorten(index)
    draft.shortened = max(draft.shortened, turns[-1].end)


def _fold(draft: _Draft, parts: Sequence[Turn | Cycle]) -> None:
    """Fold one after the other until the target is reached."""
    for part in parts:
        if draft.is_at_target:
            return
        draft.fold(part)


def _reduce_protected(draft: _Draft, older: Sequence[Turn], protected: Sequence[Turn]) -> None:
    """Reduce the protected turns, after what is left of the older ones: small turns that alone did not pay."""
    cycles = _completed_cycles(draft.messages, protected)
    _shorten_cycles(draft, cycles)
    recalls = [cycle for cycle in cycles if draft.holds_recall(cycle)]
    _fold(draft, [*older, *(cycle for cycle in cycles if cycle not in recalls)])
    # What the agent has just asked to see again goes only if nothing else is left to go.
    for cycle in recalls:
        if draft.is_over_threshold:
            draft.fold(cycle)
    if draft.is_over_threshold:
        _fold(draft, protected[:-1])
    draft.unfold_unless_it_paid()


def _completed_cycles(messages: Sequence[Message], turns: Sequence[Turn]) -> list[Cycle]:
    """Return the tool cycles of some last turns, but for the current one's last cycle, which the model is to answer."""
    cycles = [cycle for turn in turns for cycle in cycles_of(messages, turn)]
    if cycles and cycles[-1].start >= turns[-1].start:
        cycles.pop()
    return cycles


def _shorten_cycles(draft: _Draft, cycles: Sequence[Cycle]) -> None:
    for cycle in cycles:
        if draft.is_at_target:
            return
        for index in range(max(cycle.start, draft.cycles_shortened), cycle.end):
            if may_shorten_cycle(draft.messages[index], draft.tool_names):
                draft.shorten(index)
        draft.cycles_shortened = max(draft.cycles_shortened, cycle.end)


def may_shorten_cycle(message: Message, tool_names: Mapping[str, str]) -> bool:
    """Whether stage three may shorten a message.

    Tool traffic, but not what the agent has just recalled; and nothing with reasoning in it, which providers check in
    the turn in progress, and which stage one leaves out later: then the message would change a second time.

    Args:
        message: A message of a protected turn.
        tool_names: Tool use id to tool name.
    """
    return is_tool_traffic(message) and not has_recall(message, tool_names) and not has_reasoning(message)


def kept_with_pinned(messages: Sequence[Message], pinned: frozenset[int]) -> frozenset[int]:
    """Return what no fold takes: what is pinned, and the user's own messages of those turns, which it belongs to.

    Args:
        messages: A history, oldest first.
        pinned: Indices of its pinned messages, tool partners included.
    """
    if not pinned:
        return frozenset()
    turns = [turn for turn in turns_of(messages) if pinned & set(range(turn.start, turn.end))]
    return pinned.union(*(range(turn.start, turn.opening_end) for turn in turns))


class _Draft:
    """A plan in the making: the kept messages, their form, and their tokens."""

    def __init__(self, history: History, limits: Limits, settings: TruncationSettings, count: Count) -> None:
        self.messages = history.messages
        self.tool_names = names_of_tools(history.messages)
        self.shortened = history.shortened
        self.cycles_shortened = max(history.cycles_shortened, history.shortened)
        self._history = history
        self.limits = limits
        self._settings = settings
        self._count = count
        self._shown: list[Message | None] = list(history.messages)
        self._folded: dict[int, Message] = {}
        self._kept = kept_with_pinned(history.messages, history.pinned)
        self._sizes = [count(message) for message in history.messages]
        self._summary_tokens = history.summary_tokens
        self.total = history.fixed_tokens + history.summary_tokens + sum(self._sizes)

    @property
    def is_over_threshold(self) -> bool:
        return self.total >= self.limits.threshold

    @property
    def is_at_target(self) -> bool:
        return self.total <= self.limits.target

    def pays_to_fold(self, parts: Sequence[Turn | Cycle]) -> bool:
        """Whether folding all of them frees more than the summary would take up in their place."""
        indices = (index for part in parts for index in range(part.start, part.end) if index not in self._kept)
        return sum(self._sizes[index] for index in indices) > self._room_to_make

    def holds_recall(self, cycle: Cycle) -> bool:
        return any(has_recall(message, self.tool_names) for message in self.messages[cycle.start : cycle.end])

    def shorten(self, index: int) -> None:
        message = self._shown[index]
        if message is not None and index not in self._history.pinned:
            handle = handle_of(message["tracking_id"])
            self._show(index, shorten(message, self._settings, handle=handle, tool_names=self.tool_names))

    def fold(self, part: Turn | Cycle) -> None:
        indices = [index for index in range(part.start, part.end) if index not in self._kept]
        if not indices:
            return
        # From the first fold on there must be room for a summary, which may grow up to its limit.
        room = self._room_to_make
        self.total += room
        self._summary_tokens += room
        for index in indices:
            message = self._shown[index]
            if message is not None:
                self._folded[index] = message
                self._show(index, None)

    def unfold_unless_it_paid(self) -> None:
        """Take back every fold when the summary's room is no smaller than what they freed."""
        room = self._summary_tokens - self._history.summary_tokens
        if sum(map(self._count, self._folded.values())) > room:
            return
        for index, message in self._folded.items():
            self._show(index, message)
        self._folded.clear()
        self.total -= room
        self._summary_tokens -= room

    @property
    def _room_to_make(self) -> int:
        return max(self.limits.summary_tokens - self._summary_tokens, 0)

    def _show(self, index: int, message: Message | None) -> None:
        if message is self._shown[index]:
            return
        size = 0 if message is None else self._count(message)
        self.total += size - self._sizes[index]
        self._sizes[index], self._shown[index] = size, message

    def finished(self, tokens_before: int) -> Plan:
        boundary = len(self._shown)
        while boundary > self._history.head and self._shown[boundary - 1] is not None:
            boundary -= 1
        return Plan(
            kept=tuple(index for index, message in enumerate(self._shown) if message is not None),
            messages=tuple(message for message in self._shown if message is not None),
            boundary=boundary,
            shortened=self.shortened,
            cycles_shortened=max(self.cycles_shortened, self.shortened),
            tokens_before=tokens_before,
            tokens_after=self.total,
            fits=not self.is_over_threshold,
        )
