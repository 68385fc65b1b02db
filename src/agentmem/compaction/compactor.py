"""Manages the model's view of one session and compacts it, without any network.

The compactor holds the state that relates the shown messages to the log: which of them stand before the boundary,
up to where they are shortened, and the checkpoint that is to say so durably. Messages are known by tracking id, so the
state survives whatever else edits ``agent.messages``.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from agentmem.checkpoints.checkpoint import Checkpoint, IndexEntry, Trigger
from agentmem.checkpoints.summary import Summary
from agentmem.compaction.pending_checkpoint import NOWHERE, Draft
from agentmem.compaction.pinned_messages import pinned_indices
from agentmem.compaction.policy import Limits, Plan, may_shorten_cycle, plan
from agentmem.compaction.previews import Previews
from agentmem.compaction.summary.exchanges import with_time
from agentmem.compaction.view_state import ViewState
from agentmem.drawing.figures import before_after, facts
from agentmem.drawing.notebook import card
from agentmem.events.pin_board import PinBoard
from agentmem.messages.cutting import RECALL_TOOL
from agentmem.messages.known import KnownMessages
from agentmem.messages.pinned import pinned_block
from agentmem.messages.summary_fence import FENCE_TOKENS, ShownSummaries, count_in_fence, summary_block
from agentmem.messages.tokens import Calibration, TokenCounter
from agentmem.messages.truncation import TruncationSettings, handle_of, hard_cut, names_of_tools, removed, shorten
from agentmem.messages.turns import is_own_message, says_nothing
from agentmem.recall.passages import index_entry, recalls_in
from agentmem.support import telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from strands.types.content import ContentBlock, Message

    from agentmem.checkpoints.restore import RestoredSession
    from agentmem.compaction.summary.summarizer import Summarizer
    from agentmem.events.pins import Pin
    from agentmem.events.position import Position

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compaction:
    """The result of one compaction, for inspection.

    Attributes:
        trigger: The reason for it.
        tokens_before: Tokens of the request before, as estimated.
        tokens_after: Tokens of the request after, as estimated.
        folded: Messages folded into the summary.
        shortened: Messages whose content was shortened.
        fits: Whether the request is under the threshold now.
    """

    trigger: Trigger
    tokens_before: int
    tokens_after: int
    folded: int
    shortened: int
    fits: bool

    def _repr_html_(self) -> str:
        """Draw the result in a notebook."""
        counts = {"trigger": self.trigger, "folded": self.folded, "shortened": self.shortened, "fits": self.fits}
        return card("Compaction", before_after(self.tokens_before, self.tokens_after), facts(counts))


class Compactor:
    """Decides, edits and keeps the state of the view. One for each agent.

    A compaction and the saving of its checkpoint may run in different threads.

    Attributes:
        checkpoint: The last checkpoint that is known to be saved.
        draft: The one that is still to be saved, or None.
        last: The last compaction, or None.
        calibration: The ratio between the model's tokens and ours.
        counter: Counts messages, each once.
        times: Seconds since the epoch at which each message was first seen, by tracking id.
        settings: How tool content is shortened.
        summaries: The blocks of the shown messages that are a summary.
        board: What is pinned.
        previews: Shortens large tool results that were answered.
    """

    def __init__(
        self,
        settings: TruncationSettings,
        summarizer: Summarizer,
        *,
        recall_tool: bool,
        outward: Callable[[Message], Message] = lambda message: message,
        board: PinBoard | None = None,
    ) -> None:
        """Start with nothing compacted.

        Args:
            settings: How tool content is shortened.
            summarizer: The object that makes the summaries.
            recall_tool: Whether the agent has the recall tool, which summaries then mention.
            outward: Redacts a message as the log has it: summaries and indexes leave the process too.
            board: The session's pins; None for none so far.
        """
        self._outward = outward
        self.board = PinBoard() if board is None else board
        self._pinned: tuple[tuple[Pin, ...], ContentBlock | None, int] = ((), None, 0)
        self.settings = settings
        self.previews = Previews(settings)
        self._summarizer = summarizer
        self._recall_tool = RECALL_TOOL if recall_tool else None
        self._view = ViewState()
        self._read: set[str] = set()
        self._ahead = KnownMessages()
        self.times: dict[str, float] = {}
        self.counter = TokenCounter()
        self._summary_tokens = 0
        self._lock = threading.RLock()
        self.checkpoint: Checkpoint | None = None
        self.draft: Draft | None = None
        self.last: Compaction | None = None
        self.calibration = Calibration()
        self.summaries = ShownSummaries()

    @property
    def current(self) -> Checkpoint | None:
        """The checkpoint of the present view, saved or not."""
        return self.draft.checkpoint if self.draft is not None else self.checkpoint

    @property
    def pinned_block(self) -> ContentBlock | None:
        """The block of pinned statements that stands in every request, or None."""
        return self._shown_pins()[1]

    @property
    def pinned_tokens(self) -> int:
        """Tokens of that block."""
        return self._shown_pins()[2]

    def _shown_pins(self) -> tuple[tuple[Pin, ...], ContentBlock | None, int]:
        statements = self.board.pins.statements
        if self._pinned[0] is not statements:
            block = pinned_block([one.text for one in statements])
            self._pinned = (statements, block, 0 if block is None else count_in_fence(block["text"]))
        return self._pinned

    def count(self, messages: Sequence[Message]) -> int:
        """Return the tokens of messages, uncalibrated; each message is counted once."""
        return self.counter.total(messages)

    def prepare(self, messages: Sequence[Message]) -> None:
        """Let the summarizer read messages in a thread, ahead of the compaction that will fold them."""
        if hasattr(self._summarizer, "prepare"):
            # A daemon: nobody waits for it at the end of the process.
            first_new = self._ahead.first_new(messages)
            self._ahead.keep(messages, first_new)
            arguments = (list(messages), first_new)
            threading.Thread(target=self._read_ahead, args=arguments, name="agentmem-judge", daemon=True).start()

    def _read_ahead(self, messages: Sequence[Message], first_new: int) -> None:
        added = messages[first_new:]
        new = [message for message in added if message["tracking_id"] not in self._read]
        names = {message["tracking_id"] for message in (added if first_new else messages)}
        self._read = self._read | names if first_new else names  # a compaction edits the list: it begins anew then
        self._summarizer.prepare([self._outward(self.summaries.without(message)) for message in new])  # type: ignore[attr-defined]

    def show(self, restored: RestoredSession) -> list[Message]:
        """Return the messages to show for a session that was read back, and take over its state.

        A message that was shortened is shortened to the same bytes again.
        """
        messages = [_without_usage(one.message) for one in restored.messages]
        checkpoint = restored.checkpoint
        self.board.replace(restored.pins)
        self.checkpoint, self.draft = checkpoint, None
        self._view = ViewState()
        if checkpoint is None:
            # To the budget they are new: none is known to be within the hard limit.
            self.previews.apply(messages, never=restored.pins.messages)
            return messages
        self.times = {one.message["tracking_id"]: one.at.timestamp() for one in restored.messages}
        self.calibration = Calibration(checkpoint.token_ratio)
        names = names_of_tools(messages)
        pinned = pinned_indices(messages)
        shown: list[Message] = []
        shortened: set[str] = set()
        for at, (one, message) in enumerate(zip(restored.messages, messages, strict=True)):
            # What was pinned once was not shortened then, and keeps its bytes.
            if at in pinned or message["tracking_id"] in restored.pins.messages:
                shown.append(message)
                continue
            handle = handle_of(message["tracking_id"])
            whole = _is_before(one.position, checkpoint.shortened_before)
            cycles = _is_before(one.position, checkpoint.cycles_shortened_before) and may_shorten_cycle(message, names)
            short = hard_cut(message, checkpoint.settings, handle=handle, tool_names=names)
            if whole or cycles:
                short = shorten(message, checkpoint.settings, handle=handle, tool_names=names)
                if removed(message, short):
                    shortened.add(message["tracking_id"])
            shown.append(short)
        self._view = ViewState.restored(restored, frozenset(shortened))
        self.previews.apply(shown, never=restored.pins.messages)
        return self._fenced(shown, checkpoint)

    def plan(
        self, messages: Sequence[Message], limits: Limits, *, fixed_tokens: int, force: bool = False
    ) -> tuple[Plan, list[Message]]:
        """Plan a compaction without doing it.

        Args:
            messages: The present messages of the agent, the summary included.
            limits: In calibrated tokens.
            fixed_tokens: Counted tokens of the system prompt and the tool specifications.
            force: Plan although the threshold is not reached.

        Returns:
            The plan, in counted tokens, and the messages it is about: those shown now without the summary.
        """
        # An empty answer is not in the log, so no checkpoint could name it; the model is not shown it either.
        messages = [message for message in messages if not says_nothing(message)]
        plain = [self.summaries.without(message) for message in messages]
        counted = fixed_tokens + self.count(messages)
        ratio = self.calibration.estimate(counted) / max(counted, 1)
        history = self._view.history(
            plain, fixed_tokens=fixed_tokens, summary_tokens=self.count(messages) - self.count(plain)
        )
        scaled = replace(
            limits,
            threshold=int(limits.threshold / ratio),
            target=int(limits.target / ratio),
            summary_tokens=limits.summary_tokens + FENCE_TOKENS,
        )
        return plan(history, scaled, self.settings, self.counter, force=force), plain

    def compact(
        self, messages: Sequence[Message], limits: Limits, *, fixed_tokens: int, trigger: Trigger, force: bool = False
    ) -> list[Message] | None:
        """Compact.

        Args:
            messages: The present messages of the agent, each with a ``tracking_id``.
            limits: In calibrated tokens.
            fixed_tokens: Counted tokens of the system prompt and the tool specifications.
            trigger: The reason for it.
            force: Compact although the threshold is not reached.

        Returns:
            The messages to show from now on, or None when nothing can be made smaller.
        """
        with self._lock:
            return self._compact(messages, limits, fixed_tokens, trigger, force=force)

    def _compact(
        self, messages: Sequence[Message], limits: Limits, fixed_tokens: int, trigger: Trigger, *, force: bool
    ) -> list[Message] | None:
        planned, plain = self.plan(messages, limits, fixed_tokens=fixed_tokens, force=force)
        changed = [
            (index, shown)
            for index, shown in zip(planned.kept, planned.messages, strict=True)
            if shown is not plain[index]
        ]
        if not planned.folded and not changed:
            return None
        folded = [plain[index] for index in planned.folded]
        self._summary_tokens = limits.summary_tokens
        summary = self._summary(folded, limits)
        kept = [_without_usage(message) for message in planned.messages]
        # A restore shortens what was a preview by the checkpoint too.
        covered = {index for index in planned.kept if index < planned.cycles_shortened}
        covered = {index for index in covered if self.previews.has(plain[index])} | {index for index, _ in changed}
        self._draft(planned, plain, [plain[index] for index in sorted(covered)], summary, trigger)
        shown = self._fenced(kept, cast("Checkpoint", self.current))
        before = self.calibration.estimate(fixed_tokens + self.count(messages))
        after = self.calibration.estimate(fixed_tokens + self.count(shown))
        draft = cast("Draft", self.draft)
        self.draft = replace(draft, checkpoint=replace(draft.checkpoint, tokens_before=before, tokens_after=after))
        self.last = Compaction(trigger, before, after, len(folded), len(changed), after < limits.threshold)
        self.counter.forget_all_but(shown)
        names = {message["tracking_id"] for message in shown}
        self.times = {name: at for name, at in self.times.items() if name in names}
        self.previews.keep_only(names)
        return shown

    def saved(self, checkpoint: Checkpoint, draft: Draft) -> None:
        """Note that a draft is durable now."""
        with self._lock:
            self.checkpoint = checkpoint.without_index()
            if self.draft is draft:
                self.draft = None
            elif self.draft is not None:
                # Another compaction came while this one was being saved: it is the next version, and its index needs
                # only what is not in this one's.
                self.draft = self.draft.without(draft.entries).after(checkpoint)

    def redacted(self, message: Message) -> None:
        """Take a message's redaction over into the checkpoint that is still to be saved."""
        name = message["tracking_id"]
        with self._lock:
            self.previews.redacted(message)
            if self.draft is not None and name in self.draft.entries:
                self.draft = replace(self.draft, entries={**self.draft.entries, **self._entries([message], [message])})

    def with_summary_again(self, messages: Sequence[Message]) -> list[Message]:
        """Return the messages with the summary in its place, should whatever edited them have taken it away."""
        kept = list(messages)
        if self.current is None or any(self.summaries.block_in(message) is not None for message in kept):
            return kept
        return self._fenced(kept, self.current)

    def include(self, draft: Draft, folded: Sequence[Message], shortened: Sequence[Message]) -> Draft:
        """Let a draft also account for messages that this agent never showed: another writer's.

        Args:
            draft: The draft that is about to be saved.
            folded: Messages before its boundary: they are indexed, and part of its summary.
            shortened: Messages after it that a restore will shorten: they are indexed.

        Returns:
            The draft to save instead.
        """
        with self._lock:
            new = self._entries([*folded, *shortened], [*folded, *shortened])
            included = self._including(draft, folded, new)
            if self.draft is draft:
                self.draft = included
            elif self.draft is not None:
                # A compaction came in between; what it summarized began from the summary before this.
                self.draft = self._including(self.draft, folded, new)
            return included

    def _entries(self, messages: Sequence[Message], among: Sequence[Message]) -> dict[str, IndexEntry]:
        """Return index entries without positions; which calls were recalls is told from the messages around them."""
        seen: set[str] = set()
        recalls = {one["tracking_id"]: recalls_in(one, seen) for one in among}
        found = {
            one["tracking_id"]: index_entry(
                self._outward(self.previews.original(one)), NOWHERE, recalls.get(one["tracking_id"], frozenset())
            )
            for one in messages
        }
        return {name: entry for name, entry in found.items() if entry is not None}

    def _including(self, draft: Draft, folded: Sequence[Message], entries: Mapping[str, IndexEntry]) -> Draft:
        checkpoint = draft.checkpoint
        if folded:
            said = [self._outward(message) for message in folded]
            checkpoint = replace(
                checkpoint,
                summary=self._summarizer.summarize(
                    checkpoint.summary, said, max_tokens=self._summary_tokens, count=count_in_fence
                ),
                folded_messages=checkpoint.folded_messages + len(folded),
            )
        return replace(draft, entries={**draft.entries, **entries}, checkpoint=checkpoint)

    def yield_to(self, winner: Checkpoint | None) -> None:
        """Continue behind what another writer saved first, or from the start when there is nothing any more.

        The draft stays what it is: its summary tells of everything before its boundary, the other writer's messages
        included, as the winner's does before the winner's.

        Args:
            winner: The saved checkpoint, or None.
        """
        with self._lock:
            self.checkpoint = None if winner is None else winner.without_index()
            if self.draft is not None:
                self.draft = self.draft.after(winner)

    def _summary(self, folded: Sequence[Message], limits: Limits) -> Summary:
        previous = None if self.current is None else self.current.summary
        if not folded:
            return previous if previous is not None else Summary()
        before = self.count(folded) + (0 if previous is None else count_in_fence(previous.render()))
        with (
            telemetry.timed("summarize.duration"),
            telemetry.span("summarize", folded=len(folded), tokens_before=before) as span,
        ):
            said = [with_time(self._outward(message), self.times.get(message["tracking_id"])) for message in folded]
            summary = self._summarizer.summarize(previous, said, max_tokens=limits.summary_tokens, count=count_in_fence)
            telemetry.describe(span, tokens_after=count_in_fence(summary.render()))
        return summary

    def _draft(
        self,
        planned: Plan,
        plain: Sequence[Message],
        shortened: Sequence[Message],
        summary: Summary,
        trigger: Trigger,
    ) -> None:
        ids = [message["tracking_id"] for message in plain]
        folded = [plain[index] for index in planned.folded]
        entries = dict(self.draft.entries) if self.draft is not None else {}
        new = [one for one in (*shortened, *folded) if one["tracking_id"] not in self._view.indexed | entries.keys()]
        entries |= self._entries(new, plain)
        self.previews.indexed(entries)
        self._view = self._view.following(planned, plain, shortened)
        base = self.current
        draft = Draft(
            boundary=ids[planned.boundary] if planned.boundary < len(ids) else ids[planned.kept[-1]],
            head=tuple(ids[index] for index in planned.head),
            shortened_before=self._view.shortened_before,
            cycles_shortened_before=self._view.cycles_shortened_before,
            entries=entries,
            checkpoint=Checkpoint(
                version=0,
                boundary=NOWHERE,
                settings=replace(self.settings, preview_above=None),
                summary=summary,
                folded_messages=(0 if base is None else base.folded_messages) + len(folded),
                token_ratio=round(self.calibration.ratio, 4),
                trigger=trigger,
                extra={} if self.checkpoint is None else self.checkpoint.extra,
            ),
        )
        self.draft = draft.after(self.checkpoint)

    def _fenced(self, messages: list[Message], checkpoint: Checkpoint) -> list[Message]:
        if not checkpoint.folded_messages:
            return messages
        block = summary_block(
            checkpoint.summary.render(), folded_messages=checkpoint.folded_messages, recall_tool=self._recall_tool
        )
        for index, message in enumerate(messages):
            if is_own_message(message):
                return [*messages[:index], self.summaries.put(message, block), *messages[index + 1 :]]
        _log.warning("folded_messages=<%d> | no message of the user left to carry the summary", len(messages))
        return messages


def _without_usage(message: Message) -> Message:
    """Drop the reported usage: of a message before a compaction it misleads Strands' own projection (FACTS.md)."""
    metadata = message.get("metadata")
    if not metadata or "usage" not in metadata:
        return message
    return cast("Message", {**message, "metadata": {key: metadata[key] for key in metadata if key != "usage"}})  # type: ignore[literal-required]


def _is_before(position: Position, limit: Position | None) -> bool:
    return limit is not None and position < limit
