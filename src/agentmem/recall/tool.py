"""Makes the tool that reads folded messages back for an agent."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Protocol

from strands import tool

from agentmem.errors import AgentMemError
from agentmem.messages.cutting import RECALL_TOOL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from strands.agent.agent import Agent
    from strands.types.tools import AgentTool

    from agentmem.recall.recall import RecalledMessage

__all__ = ["recall_tool", "register_recall_tool"]

PAGE = 12_000
"""Characters of a long original that one call returns: some 3,000 tokens, far from filling any model's window."""

_SHOWABLE = ("image", "document", "video")
_WORDS_TOKENS = 2_000
_log = logging.getLogger(__name__)


class Recalls(Protocol):
    """What the tool asks; see `SessionRecall`."""

    @property
    def looked_back_to(self) -> datetime | None:
        """Where the last recall by words stopped."""
        ...

    @property
    def has_more(self) -> bool:
        """Whether more passages match."""
        ...

    def by_handle(self, handle: str) -> RecalledMessage | None:
        """Return what a handle names."""
        ...

    def by_words(self, query: str, *, max_tokens: int, asked: bool) -> list[RecalledMessage]:
        """Return what answers a question."""
        ...


class OpenRecall:
    """Asks the recall of whichever conversation is open when it is asked."""

    def __init__(self, current: Callable[[], Recalls]) -> None:
        """Ask what ``current`` returns."""
        self._current = current

    @property
    def looked_back_to(self) -> datetime | None:
        """See `SessionRecall`."""
        return self._current().looked_back_to

    @property
    def has_more(self) -> bool:
        """See `SessionRecall`."""
        return self._current().has_more

    def by_handle(self, handle: str) -> RecalledMessage | None:
        """See `SessionRecall.by_handle`."""
        return self._current().by_handle(handle)

    def by_words(self, query: str, *, max_tokens: int, asked: bool) -> list[RecalledMessage]:
        """See `SessionRecall.by_words`."""
        return self._current().by_words(query, max_tokens=max_tokens, asked=asked)


def recall_tool(recall: Recalls) -> AgentTool:
    """Return the tool over one session's recall."""

    @tool(name=RECALL_TOOL)
    async def recall_session(query: str = "", handle: str = "", page: int = 1) -> Any:
        """Read earlier messages of this conversation, word for word.

        Use it when a tool result or a message was shortened and names a handle, or when something said earlier in
        this conversation is needed exactly and is not in view.

        Args:
            query: A question, or words of the answer. The same query again returns the next passages.
                Leave empty when a handle is given.
            handle: The handle a shortened text names, such as 3fa9c1d20b7e.0.
            page: Which page of a long original to read, from 1.
        """
        try:
            if handle:
                found = await asyncio.to_thread(recall.by_handle, handle)
                return _page(found, handle, page)
            if query:
                found_by_words = await asyncio.to_thread(recall.by_words, query, max_tokens=_WORDS_TOKENS, asked=True)
                return _listed(found_by_words, query, recall.looked_back_to, has_more=recall.has_more)
        except AgentMemError as error:
            _log.warning("error=<%s> | recall failed", error)
            return "Earlier messages cannot be read just now. Try again later, or ask the user."
        return "Give a query or a handle."

    return recall_session


def shared_recall_tool(recall: Recalls, shared: Recalls) -> AgentTool:
    """Return the tool over one agent's recall and the whole session's."""
    own: Any = recall_tool(recall)
    whole: Any = recall_tool(shared)

    @tool(name=RECALL_TOOL)
    async def recall_session(query: str = "", handle: str = "", page: int = 1, scope: str = "agent") -> Any:
        """Read earlier messages, word for word: of this conversation, or of every agent of the session.

        Use it when a tool result or a message was shortened and names a handle, or when something said earlier is
        needed exactly and is not in view.

        Args:
            query: A question, or words of the answer. The same query again returns the next passages.
                Leave empty when a handle is given.
            handle: The handle a shortened text names, such as 3fa9c1d20b7e.0.
            page: Which page of a long original to read, from 1.
            scope: "agent" for this conversation, "session" for what the other agents of the session said too.
        """
        return await (whole if scope == "session" else own)(query=query, handle=handle, page=page)

    return recall_session


def register_recall_tool(agent: Agent, recall: Recalls, shared: Recalls | None = None) -> bool:
    """Give an agent the tool, unless it has one of that name; return whether it did.

    Args:
        agent: The agent.
        recall: Recall over its own history.
        shared: Recall over the whole session, if it may look there.
    """
    if RECALL_TOOL in agent.tool_registry.registry:
        _log.warning("tool_name=<%s> | the agent has a tool of this name already, recall is not offered", RECALL_TOOL)
        return False
    agent.tool_registry.register_tool(recall_tool(recall) if shared is None else shared_recall_tool(recall, shared))
    return True


def _page(found: RecalledMessage | None, handle: str, page: int) -> str | dict[str, Any]:
    if found is None:
        return f"There is no message with the handle {handle} in this session, or it has expired."
    pages = max(-(-len(found.text) // PAGE), 1)
    if not 1 <= page <= pages:
        return f"The original has {pages} page(s); there is no page {page}."
    text = found.text[(page - 1) * PAGE : page * PAGE]
    more = f'\n[page {page} of {pages}; recall_session(handle="{handle}", page={page + 1}) returns the next]'
    text = f"{_origin(found)}\n{text}{more if page < pages else ''}"
    media = list(_media(found.content)) if page == 1 else []
    return {"status": "success", "content": [{"text": text}, *media]} if media else text


def _media(content: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the media of a message that a tool result may hold, those inside its tool results included."""
    for block in content:
        if "toolResult" in block:
            yield from _media(block["toolResult"].get("content") or ())
        elif any(kind in block for kind in _SHOWABLE):
            yield block


def _listed(found: list[RecalledMessage], query: str, looked_back_to: datetime | None, *, has_more: bool) -> str:
    """Write an answer in the order in which it was said, so that a later line overrides an earlier one."""
    notes = []
    if has_more:
        notes.append("[There are more passages like these; the same query again returns the next ones.]")
    if looked_back_to:
        notes.append(
            f"[Looked back to {looked_back_to:%Y-%m-%d %H:%M} UTC and no further; asking again looks further back.]"
        )
    if not found:
        return "\n\n".join([f"Nothing in the earlier part of this conversation matches {query!r}.", *notes])
    said = sorted(enumerate(found), key=lambda numbered: (not numbered[1].event_id, numbered[1].at, numbered[0]))
    return "\n\n".join([*(f"{_origin(one)}\n{one.text}" for _, one in said), *notes])


def _origin(one: RecalledMessage) -> str:
    whose = f" of {one.agent}" if one.agent else ""
    return f"[{one.role}{whose}, {one.at:%Y-%m-%d %H:%M} UTC, handle {one.handle}]"
