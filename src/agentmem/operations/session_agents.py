"""Lists the agents of a session: agents, nodes and runs of graphs and swarms, agents as tools, voice agents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentmem.events.agents import AGENT_ID, KIND, agent_of, kind_of, metadata_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

__all__ = ["SessionAgent", "agents_of"]


@dataclass(frozen=True)
class SessionAgent:
    """One agent of a session.

    Attributes:
        agent_id: Its id, as ``--agent`` takes it.
        kind: ``main agent``, ``agent``, ``node``, ``tool``, ``run`` or ``voice``.
        events: How many of the events that were looked at are its own.
        newest: The time of the newest of them.
    """

    agent_id: str
    kind: str
    events: int
    newest: datetime


def agents_of(events: Iterable[Mapping[str, Any]]) -> list[SessionAgent]:
    """Return the agents that events tell of, the main one first.

    Args:
        events: Events as the service lists them, newest first; payloads are not needed.
    """
    found: dict[str, SessionAgent] = {}
    for event in events:
        marked = agent_of(event)
        agent_id = marked or metadata_of(event, AGENT_ID)
        if agent_id is None:
            continue
        kind = metadata_of(event, KIND) or ("main agent" if marked is None else kind_of(agent_id))
        known = found.get(agent_id)
        if known is None:
            found[agent_id] = SessionAgent(agent_id, kind, 1, event["eventTimestamp"])
        else:
            kind = known.kind if known.kind != "main agent" else kind
            found[agent_id] = SessionAgent(agent_id, kind, known.events + 1, known.newest)
    return sorted(found.values(), key=lambda one: (one.kind != "main agent", one.kind, one.agent_id))
