"""Relates the messages of an agent to the log by tracking id, so that edits of the messages do no harm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentmem.compaction.pinned_messages import pinned_indices
from agentmem.compaction.policy import History

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strands.types.content import Message

    from agentmem.checkpoints.restore import RestoredSession
    from agentmem.compaction.policy import Plan
    from agentmem.events.position import Position


@dataclass(frozen=True)
class ViewState:
    """Which of the shown messages stand before the boundary, and which are shortened.

    Attributes:
        head: Messages before the boundary.
        shortened_before: The first message that is not shortened; None: none is.
        cycles_shortened_before: The first message from which on no tool traffic is shortened.
        indexed: Shown messages that a checkpoint's index has already.
    """

    head: frozenset[str] = frozenset()
    shortened_before: str | None = None
    cycles_shortened_before: str | None = None
    indexed: frozenset[str] = frozenset()

    @classmethod
    def restored(cls, restored: RestoredSession, shortened: frozenset[str]) -> ViewState:
        """Return the state of a session that was read back.

        Args:
            restored: The session, as far as it was read.
            shortened: The messages of it that are shown shortened.
        """
        checkpoint = restored.checkpoint
        if checkpoint is None:
            return cls()

        def first_from(position: Position | None) -> str | None:
            if position is None:
                return None
            return next((one.message["tracking_id"] for one in restored.messages if position <= one.position), None)

        return cls(
            frozenset(one.message["tracking_id"] for one in restored.messages if one.position < checkpoint.boundary),
            first_from(checkpoint.shortened_before),
            first_from(checkpoint.cycles_shortened_before),
            shortened,
        )

    def following(self, planned: Plan, plain: Sequence[Message], shortened: Sequence[Message]) -> ViewState:
        """Return the state once a plan is carried out.

        Args:
            planned: The plan.
            plain: The messages it is about.
            shortened: Those of them that it shortens.
        """
        ids = [message["tracking_id"] for message in plain]

        def first_kept(start: int) -> str | None:
            return next((ids[index] for index in planned.kept if index >= start), None) if start else None

        indexed = self.indexed | {message["tracking_id"] for message in shortened}
        return ViewState(
            frozenset(ids[index] for index in planned.head),
            first_kept(planned.shortened),
            first_kept(planned.cycles_shortened),
            indexed & {ids[index] for index in planned.kept},
        )

    def history(self, plain: Sequence[Message], *, fixed_tokens: int, summary_tokens: int) -> History:
        """Return shown messages as the policy takes them.

        Args:
            plain: The messages, without the summary.
            fixed_tokens: Tokens of the system prompt and the tool specifications.
            summary_tokens: Tokens of the present summary.
        """

        def index_of(tracking_id: str | None) -> int:
            if tracking_id is None:
                return 0
            return next((at for at, message in enumerate(plain) if message.get("tracking_id") == tracking_id), 0)

        return History(
            messages=plain,
            fixed_tokens=fixed_tokens,
            summary_tokens=summary_tokens,
            head=sum(1 for message in plain if message.get("tracking_id") in self.head),
            shortened=index_of(self.shortened_before),
            cycles_shortened=index_of(self.cycles_shortened_before),
            pinned=pinned_indices(plain),
        )
