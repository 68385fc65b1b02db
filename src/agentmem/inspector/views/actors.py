"""Lists actors and sessions page by page, as the service pages them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentmem.clients.answers import check_answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from agentmem.config import MemoryConfig

__all__ = ["ActorPage", "SessionItem", "SessionPage", "list_actors", "list_sessions"]

PAGE_SIZE = 50
"""Actors or sessions a page."""

SEARCHED_PAGES = 10
"""Pages of 100 that one search reads at the most; it says where it stopped and can go on from there."""


@dataclass(frozen=True)
class ActorPage:
    """A page of actors.

    Attributes:
        actors: Their ids, in the service's order.
        next_token: Where the next page begins, or None.
        searched: How many actors were looked at.
    """

    actors: tuple[str, ...]
    next_token: str | None
    searched: int

    @property
    def found(self) -> int:
        """How many are on the page."""
        return len(self.actors)


@dataclass(frozen=True)
class SessionItem:
    """One session of an actor.

    Attributes:
        session_id: Its id.
        created_at: When it began, UTC.
    """

    session_id: str
    created_at: datetime


@dataclass(frozen=True)
class SessionPage:
    """A page of an actor's sessions.

    Attributes:
        sessions: The sessions, newest first within the page.
        next_token: Where the next page begins, or None.
        searched: How many sessions were looked at.
    """

    sessions: tuple[SessionItem, ...]
    next_token: str | None
    searched: int

    @property
    def found(self) -> int:
        """How many are on the page."""
        return len(self.sessions)


def list_actors(config: MemoryConfig, search: str = "", token: str | None = None) -> ActorPage:
    """List actors, or those whose id contains some text.

    Args:
        config: The memory.
        search: The text, whatever its case; empty for all.
        token: Where to go on.

    Returns:
        One page of the service, or with `search` the actors found on at most `SEARCHED_PAGES`.

    Raises:
        ClientError: The service refused a call.
    """
    found, token, searched = _read(
        config, "list_actors", "actorSummaries", search, token, name_of=lambda one: str(one["actorId"])
    )
    return ActorPage(tuple(str(one["actorId"]) for one in found), token, searched)


def list_sessions(config: MemoryConfig, actor_id: str, search: str = "", token: str | None = None) -> SessionPage:
    """List an actor's sessions, or those whose id contains some text.

    The service documents no order and the embedded one lists the newest first, so a page is put in that order here.

    Args:
        config: The memory.
        actor_id: The actor.
        search: The text, whatever its case; empty for all.
        token: Where to go on.

    Returns:
        One page of the service, or with `search` the sessions found on at most `SEARCHED_PAGES`.

    Raises:
        ClientError: The service refused a call.
    """
    found, token, searched = _read(
        config,
        "list_sessions",
        "sessionSummaries",
        search,
        token,
        name_of=lambda one: str(one["sessionId"]),
        actorId=actor_id,
    )
    sessions = [SessionItem(str(one["sessionId"]), one["createdAt"]) for one in found]
    return SessionPage(tuple(sorted(sessions, key=lambda one: one.created_at, reverse=True)), token, searched)


def _read(
    config: MemoryConfig,
    operation: str,
    member: str,
    search: str,
    token: str | None,
    *,
    name_of: Callable[[dict[str, Any]], str],
    **parameters: Any,
) -> tuple[list[dict[str, Any]], str | None, int]:
    """Read one page, or as many as a search takes; return what was found, where to go on, and how much was read."""
    wanted = search.casefold().strip()
    found: list[dict[str, Any]] = []
    searched = 0
    for _ in range(SEARCHED_PAGES if wanted else 1):
        more = {"nextToken": token} if token else {}
        size = 100 if wanted else PAGE_SIZE
        answer = getattr(config.data_plane(), operation)(
            memoryId=config.memory_id, maxResults=size, **parameters, **more
        )
        check_answer(answer, operation, member)
        searched += len(answer[member])
        found += [one for one in answer[member] if wanted in name_of(one).casefold()]
        token = answer.get("nextToken") or None
        if token is None or len(found) >= PAGE_SIZE:
            break
    return found, token, searched
