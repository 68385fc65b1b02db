"""Finds the messages of a history that are pinned with Strands' own means, tool partners included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strands.agent.conversation_manager.compression.pin_message import is_pinned

from agentmem.messages.tracking import has_pin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strands.types.content import Message


def pinned_indices(messages: Sequence[Message]) -> frozenset[int]:
    """Return the indices of pinned messages.

    Args:
        messages: A history, oldest first. A tool use whose result is pinned is pinned too, and the other way round.
    """
    if not any(map(has_pin, messages)):
        return frozenset()
    history = list(messages)
    return frozenset(at for at in range(len(history)) if is_pinned(history, at))
