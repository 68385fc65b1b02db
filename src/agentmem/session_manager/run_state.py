"""Reads and writes the states of graphs and swarms in a session's log."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agentmem.errors import HistoryUnavailableError
from agentmem.events.agents import RUN
from agentmem.events.reader import EventReader
from agentmem.events.serializer import agentmem_item
from agentmem.events.size_limits import SMALL_ITEM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agentmem.events.codec import DecodedEvent
    from agentmem.scope.address import SessionAddress

__all__ = ["RunState", "read_run", "run_item", "runs_in"]

STATES = "runs"
"""Kind of the payload item that holds states."""


@dataclass(frozen=True)
class RunState:
    """How far a graph or a swarm has come.

    Attributes:
        run_id: Its id (``Graph(id=...)``).
        kind: ``graph`` or ``swarm``.
        status: As Strands says it: ``executing``, ``completed``, ``failed`` or ``interrupted``.
        done: The nodes that were done, in order; one that was visited twice stands there twice.
        following: The nodes with which it goes on; empty when it is finished.
        results: What each node answered last, as Strands serializes it, by node.
    """

    run_id: str
    kind: str
    status: str
    done: tuple[str, ...] = ()
    following: tuple[str, ...] = ()
    results: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_finished(self) -> bool:
        """Whether no node is left to do."""
        return not self.following

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> RunState:
        """Read what Strands serializes of a graph or a swarm."""
        return cls(
            str(state.get("id")),
            str(state.get("type")),
            str(state.get("status")),
            tuple(state.get("execution_order") or state.get("node_history") or ()),
            tuple(state.get("next_nodes_to_execute") or ()),
            state.get("node_results") or {},
        )


def run_item(states: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Encode states, by the id of their graph or swarm, as one payload item; large ones are compressed."""
    text = json.dumps(states)
    if len(text) <= SMALL_ITEM:
        return agentmem_item(STATES, {"states": states})
    return agentmem_item(STATES, {"packed": base64.b64encode(zlib.compress(text.encode())).decode()})


def runs_in(event: DecodedEvent) -> Mapping[str, Any]:
    """Return the states that an event carries, by id.

    Raises:
        HistoryUnavailableError: They cannot be read.
    """
    item = event.ours.get(STATES, {})
    try:
        if "packed" in item:
            item = {"states": json.loads(zlib.decompress(base64.b64decode(item["packed"])))}
        return dict(item.get("states") or {})
    except (TypeError, ValueError, zlib.error) as error:
        raise HistoryUnavailableError(
            f"the state of a graph or a swarm in event {event.event_id} cannot be read ({type(error).__name__}: "
            f"{error}); another version of agentmem may have written it"
        ) from error


def read_run(client: Any, address: SessionAddress, run_id: str) -> Mapping[str, Any] | None:
    """Return the newest stored state of a graph or a swarm, or None.

    Only events that carry such states are asked for, behind the newest page, which a filtered read may lag behind.

    Args:
        client: The boto3 client.
        address: The session.
        run_id: The id of the graph or swarm.

    Raises:
        HistoryUnavailableError: The events could not be read.
    """
    newest = EventReader(client, address, everyone=True).page(page_size=20)
    found = _newest(newest.events, run_id)
    if found is not None or newest.next_token is None:
        return found
    reader = EventReader(client, address, everyone=True, having=RUN)
    return next((state for page in reader.pages() if (state := _newest(page, run_id)) is not None), None)


def _newest(events: Iterable[DecodedEvent], run_id: str) -> Mapping[str, Any] | None:
    return next((states[run_id] for event in events if run_id in (states := runs_in(event))), None)
