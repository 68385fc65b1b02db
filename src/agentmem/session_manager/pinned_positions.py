"""Finds the pinned messages among messages of the log, which no summary stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentmem.compaction.pinned_messages import pinned_indices
from agentmem.compaction.policy import kept_with_pinned
from agentmem.messages.pinned import with_pin
from agentmem.messages.tracking import has_pin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentmem.events.codec import LoggedMessage
    from agentmem.events.position import Position


def positions_kept(messages: Sequence[LoggedMessage], changed: Mapping[str, bool]) -> set[Position]:
    """Return where pinned messages stand, and the user's own messages of their turns.

    Args:
        messages: Neighbouring messages, oldest first.
        changed: Whether a message is pinned, by tracking id, where that was changed after it was written.
    """
    said = [
        with_pin(one.message, pinned=changed.get(one.message["tracking_id"], has_pin(one.message))) for one in messages
    ]
    return {messages[at].position for at in kept_with_pinned(said, pinned_indices(said))}
