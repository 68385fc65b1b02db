"""Reads the event log, newest first, no further back than asked."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from agentmem.clients.answers import NOT_OF_THE_SHAPE, ask
from agentmem.errors import HistoryUnavailableError
from agentmem.events.agents import UNNAMED, AgentEvents
from agentmem.events.codec import DecodedEvent, LoggedMessage, decode_event
from agentmem.events.position import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from agentmem.scope.address import SessionAddress

__all__ = ["PAGE_SIZE", "EventReader", "Page", "in_order"]

PAGE_SIZE = 100
"""Events a page; the service's maximum. Its default of 20 would take five times the calls."""

REPLACEMENT_PAGES = 10
"""Pages searched for what stands in the place of an event that is gone; an event that expired lies further back."""

_MAIN = "main"

_CHOSEN = "agentmem"
"""What a page token begins with behind which only one agent's events are asked for:
``agentmem|<event before which to begin>|<the service's token>``."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Page:
    """One page of events.

    Attributes:
        events: Decoded events of the main branch, newest first; may be empty.
        next_token: Where the next older page begins, or None at the end of the log.
    """

    events: tuple[DecodedEvent, ...]
    next_token: str | None


class EventReader:
    """Reads one session's events.

    Reads are unfiltered: the service filters after scanning, so a filtered read costs the whole past, and it may lag
    behind a write. Events of branches other than main are passed over here instead, and so are those of other agents,
    until they are most of a page: what lies behind it is then asked for by the agent's mark.

    Attributes:
        agents: Chooses one agent's events; None for those of all.
        is_agent: Whether an agent of this id is about to work in the session.
        whose: The agents of the events that were read, where they name one, of a reader for everyone.
    """

    def __init__(
        self,
        client: Any,
        address: SessionAddress,
        agent_id: str | None = None,
        *,
        everyone: bool = False,
        is_agent: bool = False,
        having: str | None = None,
    ) -> None:
        """Read through a boto3 ``bedrock-agentcore`` client.

        Args:
            client: The client.
            address: The session.
            agent_id: Of which agent; None for the session's main agent. One that the log does not know is taken for
                the main agent too, unless ``is_agent``.
            everyone: Read the events of all agents.
            is_agent: An agent of this id is about to work in the session.
            having: Read, with ``everyone``, only events with this metadata key.
        """
        self._having = having
        self.whose: dict[str, str] = {}
        self.agents = None if everyone else AgentEvents(agent_id)
        self.is_agent = is_agent
        self._client = client
        self._address = address
        self._session = address.parameters()
        self._told_unknown = False
        self._replaced: dict[str, str] = {}
        self._searched_to: int | None = None

    def pages(self, *, page_size: int = PAGE_SIZE) -> Iterator[list[DecodedEvent]]:
        """Yield pages of events, newest event first; each page costs one call, made when it is asked for.

        Args:
            page_size: Events a page, 1 to 100.

        Yields:
            Decoded events of the main branch; a page may be empty.

        Raises:
            HistoryUnavailableError: The service did not answer; nothing is known of the history.
        """
        token: str | None = None
        while True:
            page = self.page(token, page_size=page_size)
            yield list(page.events)
            token = page.next_token
            if not token:
                return

    def page(self, token: str | None = None, *, page_size: int = PAGE_SIZE, payloads: bool = True) -> Page:
        """Return one page of events, newest event first.

        Args:
            token: Where to go on, from the page before; None for the newest page.
            page_size: Events a page, 1 to 100.
            payloads: False to read only which events there are, which the service answers faster.

        Raises:
            HistoryUnavailableError: The service did not answer; nothing is known of the history.
        """
        agents = self.agents
        is_chosen = token is not None and token.startswith(_CHOSEN)
        if agents is not None and not payloads and token is None and agents.is_shared:
            token, is_chosen = f"{_CHOSEN}|", True
        below = ""
        more: dict[str, Any] = {"nextToken": token} if token else {}
        if self._having is not None:
            more["filter"] = {"eventMetadata": [{"left": {"metadataKey": self._having}, "operator": "EXISTS"}]}
        if is_chosen and token is not None and agents is not None:
            _, below, after = token.split("|", 2) if token.count("|") > 1 else (*token.split("|"), "")
            more = {"filter": agents.filter(), **({"nextToken": after} if after else {})}
        answer = self._call("list_events", "events", maxResults=page_size, includePayloads=payloads, **more)
        found = [event for event in answer["events"] if not isinstance(event, dict) or _on_main(event)]
        following = answer.get("nextToken") or None
        if agents is None:
            return Page(tuple(map(self._decode, found)), following)
        if not agents.is_known:
            self._learn(agents, found, is_all=following is None)
        mine = [event for event in found if not isinstance(event, dict) or agents.has(event)]
        if below:
            mine = [event for event in mine if Position(str(event["eventId"])) < Position(below)]
        agents.is_shared = agents.is_shared or len(mine) < len(found)
        if following is not None and is_chosen:
            following = f"{_CHOSEN}|{below}|{following}"
        elif following is not None and 2 * len(mine) < len(found):
            following = f"{_CHOSEN}|{found[-1]['eventId']}|"
        return Page(tuple(map(self._decode, mine)), following)

    def _learn(self, agents: AgentEvents, events: Sequence[Any], *, is_all: bool) -> None:
        """Find out whether an agent is the session's main one, from its newest events."""
        agents.learn([event for event in events if isinstance(event, dict)])
        if agents.own is None or self.is_agent or any(agents.has(event) for event in events):
            return
        if is_all or agents.agent_id == UNNAMED:
            agents.lead()
            return
        chosen = self._call("list_events", "events", maxResults=1, includePayloads=False, filter=agents.filter())
        if not chosen["events"]:
            agents.lead()

    def newest_event_id(self) -> str | None:
        """Return the id of the newest event of any branch, or None when there is no event; reads no payload.

        Raises:
            HistoryUnavailableError: The service did not answer; nothing is known of the history.
        """
        events = self._call("list_events", "events", maxResults=1, includePayloads=False)["events"]
        return str(events[0]["eventId"]) if events else None

    def newest(
        self, enough: Callable[[Sequence[DecodedEvent]], bool], *, max_pages: int | None = None
    ) -> list[DecodedEvent]:
        """Read back from the newest event until what was read is enough, such as for a budget or a number of turns.

        Args:
            enough: Asked after each page, with all events read so far, newest first.
            max_pages: Pages of 100 events to read at most; None for no limit.

        Returns:
            The events, newest first; ``in_order`` makes a history of them.

        Raises:
            HistoryUnavailableError: The service did not answer; nothing is known of the history.
        """
        events: list[DecodedEvent] = []
        for number, page in enumerate(self.pages(), start=1):
            events += page
            if number == max_pages or enough(events):
                break
        return events

    def get(self, event_id: str) -> DecodedEvent | None:
        """Return one event; of one that a redaction has replaced, what stands in its place.

        Returns:
            The event, or None when it is gone: expired or forgotten.

        Raises:
            HistoryUnavailableError: The service did not answer.
        """
        event = self._get(event_id)
        if event is None:
            replacement = self._replacement_of(event_id)
            event = None if replacement is None else self._get(replacement)
        return event

    def _get(self, event_id: str) -> DecodedEvent | None:
        try:
            return self._decode(self._call("get_event", "event", eventId=event_id)["event"])
        except HistoryUnavailableError as error:
            cause = error.__cause__
            if isinstance(cause, ClientError) and cause.response["Error"]["Code"] == "ResourceNotFoundException":
                return None
            raise

    def _replacement_of(self, event_id: str) -> str | None:
        """Find the event that replaced another; what was searched once is not searched again."""
        wanted = Position(event_id).milliseconds
        if event_id in self._replaced or wanted < 0:
            return self._replaced.get(event_id)
        if self._searched_to is not None and wanted >= self._searched_to:
            return None
        for number, page in enumerate(self.pages(), start=1):
            for event in page:
                self._replaced |= dict.fromkeys(event.replaces, event.event_id)
                self._searched_to = Position(event.event_id).milliseconds
            if number >= REPLACEMENT_PAGES or (self._searched_to or 0) < wanted:
                break
        if self._searched_to is None or self._searched_to >= wanted:
            self._searched_to = -1  # no further than this, and not again
        return self._replaced.get(event_id)

    def _call(self, operation: str, member: str, **parameters: Any) -> dict[str, Any]:
        try:
            answer = ask(self._client, operation, member, **self._session, **parameters)
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            raise HistoryUnavailableError(
                f"the history of {self._address} could not be read ({type(error).__name__}: {error}). It is not "
                "known to be empty, so nothing is restored; check the memory's status, region and permissions "
                "(bedrock-agentcore:ListEvents and GetEvent) and try again."
            ) from error
        return answer

    def _decode(self, event: dict[str, Any]) -> DecodedEvent:
        try:
            decoded = decode_event(event)
        except NOT_OF_THE_SHAPE as error:
            raise HistoryUnavailableError(
                f"an event of {self._address} is not of the service's shape ({type(error).__name__}: {error}), so the "
                "history is not known; check what answers in the service's place, such as a proxy"
            ) from error
        if self.agents is None and decoded.agent_id is not None:
            self.whose[decoded.event_id] = decoded.agent_id
        if decoded.unknown and not self._told_unknown:
            self._told_unknown = True
            _log.warning(
                "event_id=<%s>, unknown_items=<%d> | items in an unknown form are passed over; said once a reader",
                decoded.event_id,
                decoded.unknown,
            )
        return decoded


def event_id_of(answer: Mapping[str, Any]) -> str:
    """Return the id of the event that an answer of CreateEvent tells of.

    Raises:
        ResponseParserError: It tells of none.
    """
    event = answer.get("event") if isinstance(answer, dict) else None
    event_id = event.get("eventId") if isinstance(event, dict) else None
    if not isinstance(event_id, str) or not event_id:
        raise ResponseParserError("the answer of create_event has no 'eventId'")
    return event_id


def in_order(events: Iterable[DecodedEvent]) -> list[LoggedMessage]:
    """Return the messages of events given newest first, oldest first and each once.

    What was written twice keeps the place of its first writing and the content of its last. An event that another one
    replaces is left out, should it still be there.
    """
    events = list(events)
    replaced = frozenset[str]().union(*(event.replaces for event in events))
    newest: dict[str, LoggedMessage] = {}
    for event in events:
        if event.event_id in replaced:
            continue
        for logged in reversed(event.messages):
            tracking_id = logged.message["tracking_id"]
            known = newest.pop(tracking_id, None)
            if known is not None:
                logged = LoggedMessage(known.message, logged.position, logged.at, known.origin)  # noqa: PLW2901
            newest[tracking_id] = logged
    return list(reversed(newest.values()))


def _on_main(event: dict[str, Any]) -> bool:
    return bool((event.get("branch") or {}).get("name", _MAIN) == _MAIN)
