"""Draws the state of a session manager for a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentmem.drawing.figures import before_after, facts
from agentmem.drawing.markup import element
from agentmem.drawing.notebook import card

if TYPE_CHECKING:
    from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig

    from agentmem.checkpoints.checkpoint import Checkpoint
    from agentmem.compaction.compactor import Compaction
    from agentmem.drawing.markup import Child
    from agentmem.events.send_queue import WriterStatus


def manager_card(
    config: AgentCoreMemoryConfig,
    status: WriterStatus,
    *,
    has_agent: bool,
    checkpoint: Checkpoint | None,
    last: Compaction | None,
) -> str:
    """Return the HTML of a manager's state.

    Args:
        config: Memory, actor and session.
        status: Its counts of saved and waiting messages.
        has_agent: Whether an agent was constructed with it.
        checkpoint: The last checkpoint, if any.
        last: The last compaction of this process, if any.
    """
    told: dict[str, Child] = {
        "memory": config.memory_id,
        "actor": config.actor_id,
        "session": config.session_id,
        "messages saved": status.saved,
        "pending": status.pending,
        "dropped": status.dropped,
    }
    if not has_agent:
        return card("Session manager", facts(told), element("p", "It has no agent yet."))
    told["folded messages"] = 0 if checkpoint is None else checkpoint.folded_messages
    drawn = None if last is None else before_after(last.tokens_before, last.tokens_after)
    return card("Session manager", facts(told), element("p", "The last compaction:") if drawn else None, drawn)
