"""Tells whose an event is when several agents keep one session's log.

The first agent of a session is its main agent. Its events are written as they always were, so that the plain SDK
session manager opens them. Events of every other agent carry its id in their metadata (`AGENT`) and their messages in
items that the SDK passes over. A reader of one agent's history passes over the others' events, and asks the service to
leave them out as soon as they are most of what it reads.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "AGENT",
    "AGENT_ID",
    "CALL",
    "GROUP",
    "KIND",
    "MAIN",
    "NODE",
    "RESERVED",
    "RUN",
    "TOOL",
    "UNNAMED",
    "AgentEvents",
    "agent_of",
    "agents_in",
    "kind_of",
    "tool_call_id",
]

AGENT_ID = "agentId"
"""Metadata key under which the SDK, and so we, keep the id of the agent that an event is of."""

AGENT = "agentmemAgent"
"""Metadata key of events that are not the main agent's: whose they are."""

MAIN = "agentmemMain"
"""Metadata key beside `AGENT`: the main agent of the session."""

CALL = "agentmemCall"
"""Metadata key of a sub-agent's events: the id of the parent's tool call."""

RUN = "agentmemRun"
"""Metadata key of events that carry the state of a graph or a swarm: its id."""

UNNAMED = "default"
"""The id Strands gives an agent that is given none. Who asks for it from outside means the session's main agent."""

KIND = "agentmemKind"
"""Metadata key that says that an agent is of a kind its id does not tell: ``voice`` for a bidirectional one."""

RESERVED = frozenset({AGENT, MAIN, CALL, RUN, KIND})

NODE, TOOL, GROUP = "node:", "tool:", "run:"
"""What the ids begin with of agents that are never a session's main one: nodes of a graph or a swarm, agents as tools,
and the graph or swarm itself."""


def tool_call_id(tool_use_id: str) -> str:
    """Return the id of a tool call as event metadata may hold it; one that the service would refuse is hashed."""
    if re.fullmatch(r"[\w.:=+@-]{1,80}", tool_use_id, re.ASCII):
        return tool_use_id
    return hashlib.sha256(tool_use_id.encode()).hexdigest()[:32]


def kind_of(agent_id: str) -> str:
    """Return what kind of agent keeps something under an id: ``agent``, ``node``, ``tool`` or ``run``."""
    return next((prefix[:-1] for prefix in (NODE, TOOL, GROUP) if agent_id.startswith(prefix)), "agent")


def metadata_of(event: Mapping[str, Any], key: str) -> str | None:
    """Return a value of an event's metadata, or None."""
    value = (event.get("metadata") or {}).get(key)
    found = value.get("stringValue") if isinstance(value, dict) else None
    return found if isinstance(found, str) and found else None


def agent_of(event: Mapping[str, Any]) -> str | None:
    """Return the agent that an event as the service lists it is marked as: None for the main agent."""
    return metadata_of(event, AGENT)


def agents_in(events: Iterable[Mapping[str, Any]]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the main agents and the other agents that events tell of, in this order."""
    mains: set[str] = set()
    others: set[str] = set()
    for event in events:
        marked = agent_of(event)
        named = metadata_of(event, AGENT_ID if marked is None else MAIN)
        if named is not None:
            mains.add(named)
        if marked is not None:
            others.add(marked)
    return frozenset(mains), frozenset(others)


class AgentEvents:
    """Chooses one agent's events among those of a session.

    Attributes:
        agent_id: Whose; None for the main agent's, whoever that is.
        own: What the agent's events are marked with: None for the main agent.
        main: The main agent, as far as it is known.
        is_known: Whether the log has told if it is the main agent.
        is_shared: Whether other agents' events were met.
    """

    def __init__(self, agent_id: str | None = None) -> None:
        """Choose an agent's events; of none, the main agent's."""
        self.agent_id = agent_id
        self.own: str | None = None
        self.main: str | None = None
        self.is_known = agent_id is None
        self.is_shared = False
        self._mains: frozenset[str] = frozenset()

    def learn(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Find out from the newest events which of the session's agents it is."""
        self._mains, _ = agents_in(events)
        self.is_known = True
        if self.agent_id is not None and kind_of(self.agent_id) != "agent":
            self.own, self.main = self.agent_id, min(self._mains, default=None)
        elif self.agent_id in self._mains or not self._mains:
            self.main = self.agent_id
        else:
            self.join(min(self._mains))

    def join(self, main: str) -> None:
        """Be another agent than the main one from now on."""
        self.own, self.main = self.agent_id, main
        self.is_known = True

    def lead(self) -> None:
        """Be the main agent after all: nothing in the log is of an agent of this id."""
        self.own, self._mains = None, frozenset()

    def has(self, event: Mapping[str, Any]) -> bool:
        """Whether an event is the agent's."""
        marked = agent_of(event)
        if marked != self.own:
            return False
        if marked is not None or self.agent_id not in self._mains:
            return True
        # Two agents that began a session at the same moment both took themselves for the main one.
        named = metadata_of(event, AGENT_ID)
        return named is None or named == self.agent_id

    def filter(self) -> dict[str, Any]:
        """Return the ListEvents filter that leaves only the agent's events."""
        left = {"left": {"metadataKey": AGENT}}
        if self.own is None:
            return {"eventMetadata": [{**left, "operator": "NOT_EXISTS"}]}
        right = {"right": {"metadataValue": {"stringValue": self.own}}}
        return {"eventMetadata": [{**left, "operator": "EQUALS_TO", **right}]}

    def marks(self) -> dict[str, str]:
        """Return the metadata of the agent's events; none while it is not known who asks."""
        if self.agent_id is None:
            return {}
        if self.own is None:
            return {AGENT_ID: self.agent_id}
        return {AGENT_ID: self.agent_id, AGENT: self.own, **({} if self.main is None else {MAIN: self.main})}
