"""Writing the event log: one turn at a time, in order, each exactly once.

A turn waits in the buffer until it is closed, because a guardrail may still redact a message. Closing serializes it
into one event, or several when it is large, and puts it at the end of a queue; draining sends the queue in order and
stops at the first event that the service does not take, so that nothing overtakes anything. An event's request is
frozen before its first attempt and its ``clientToken`` is a hash of it: a retry cannot be stored twice.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from agentmem.errors import UnsentMessagesError
from agentmem.events.breaker import CircuitBreaker
from agentmem.events.position import Position
from agentmem.events.reader import check_answer

if TYPE_CHECKING:
    from agentmem.config import WriteConfig
    from agentmem.events.address import SessionAddress

__all__ = ["EventWriter", "OutgoingItem", "WriterStatus"]

MAX_ITEMS = 100
"""Most payload items of one event (botocore's model of the service: ``PayloadTypeList``)."""

MAX_BYTES = 5_000_000
"""Most bytes of one event's payload; the service takes 10 MB, and what is left is room for encoding."""

_REFUSED = frozenset({"ValidationException", "InvalidInputException", "RequestEntityTooLargeException"})
_log = logging.getLogger(__name__)

Tail = Callable[[Mapping[str, Position]], Sequence[dict[str, Any]]]
"""Makes the last items of a turn's last event from where its messages are stored; an empty event id is that event."""


@dataclass(frozen=True)
class OutgoingItem:
    """One serialized message.

    Attributes:
        tracking_id: The message's tracking id.
        payload: The payload item, or None when the message has nothing to store.
        conversational: Whether it holds text that extraction should see.
    """

    tracking_id: str
    payload: dict[str, Any] | None
    conversational: bool = True


@dataclass(frozen=True)
class WriterStatus:
    """What has become of what was written.

    Attributes:
        saved: Messages acknowledged by the service.
        pending: Messages in closed turns that are not acknowledged yet.
        dropped: Messages given up: the queue was full, or the service refused them for good.
        last_error: What the last failed attempt said, or None after a success.
        breaker: State of the circuit breaker.
    """

    saved: int
    pending: int
    dropped: int
    last_error: str | None
    breaker: Literal["closed", "open", "half-open"]


@dataclass
class _Event:
    items: list[OutgoingItem]
    request: dict[str, Any] | None = None

    @property
    def messages(self) -> int:
        return len(self.items)


@dataclass
class _Turn:
    events: deque[_Event]
    tail: Tail
    metadata: Mapping[str, str]
    on_stored: Callable[[str], None]
    positions: dict[str, Position] = field(default_factory=dict)
    last_event_id: str = ""

    @property
    def messages(self) -> int:
        return sum(event.messages for event in self.events)


class EventWriter:
    """Writes one session's events."""

    def __init__(
        self,
        client: Any,
        address: SessionAddress,
        settings: WriteConfig,
        *,
        options: Mapping[str, Any] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Write through a boto3 ``bedrock-agentcore`` client.

        Args:
            client: The client; its own retries are the transient errors' first answer.
            address: The session.
            settings: Queue limit, breaker and metadata.
            options: What every CreateEvent carries besides; see ``MemorySession.event_options``.
            now: Seconds since the epoch.
        """
        self._options = dict(options or {})
        self._client = client
        self._address = address
        self._settings = settings
        self._now = now
        self._queue: deque[_Turn] = deque()
        self._state = threading.Lock()
        self._sending = threading.Lock()
        self._breaker = CircuitBreaker(settings.breaker_failures, settings.breaker_reset_seconds)
        self._last_ms = 0
        self._saved = self._dropped = 0
        self._last_error: str | None = None
        self._given_up: set[str] = set()
        self._positions: dict[str, Position] = {}

    def start_after(self, event_id: str) -> None:
        """Make every later event's time later than that of an event already in the log."""
        with self._state:
            self._last_ms = max(self._last_ms, Position(event_id).milliseconds)

    def take_positions(self) -> dict[str, Position]:
        """Return where messages have been stored since the last call, by tracking id."""
        with self._state:
            taken, self._positions = self._positions, {}
            return taken

    def submit(
        self,
        items: Sequence[OutgoingItem],
        *,
        tail: Tail = lambda _positions: (),
        metadata: Mapping[str, str] | None = None,
        on_stored: Callable[[str], None] = lambda _event_id: None,
    ) -> None:
        """Put a closed turn at the end of the queue. Nothing is sent until ``drain``.

        Args:
            items: The turn's messages, serialized, in order.
            tail: Makes what follows the messages in the turn's last event.
            metadata: Event metadata of that event; every event carries the configured metadata.
            on_stored: Called once with the id of its last event, when the whole turn is acknowledged.
        """
        turn = _Turn(_split(items), tail, metadata or {}, on_stored)
        with self._state:
            self._queue.append(turn)
            overflow = [self._queue.popleft() for _ in range(len(self._queue) - self._settings.queue_limit)]
            for lost in overflow:
                for event in lost.events:
                    self._note_lost(event)
        if overflow:
            _log.error(
                "session=<%s>, turns=<%d>, queue_limit=<%d> | queue of unsent turns is full, oldest turns dropped",
                self._address,
                len(overflow),
                self._settings.queue_limit,
            )

    def drain(self) -> bool:
        """Send what is queued, in order, until it is empty or the service fails.

        Never raises for the service's sake: what it does not take stays queued, what it refuses for good is dropped
        with an error in the log.

        Returns:
            Whether the queue is empty now.
        """
        with self._sending:
            while self._queue:
                if not self._breaker.allow():
                    return False
                turn = self._queue[0]
                if not self._send(turn):
                    return False
                if not turn.events:
                    with self._state:
                        # A full queue may have dropped this very turn while it was on its way.
                        if self._queue and self._queue[0] is turn:
                            self._queue.popleft()
                    turn.on_stored(turn.last_event_id)
            return True

    def close(self) -> None:
        """Send what is left.

        Raises:
            UnsentMessagesError: Some messages are still unacknowledged; they stay queued, so ``drain`` may be tried
                again.
        """
        if not self.drain():
            count = self.status.pending
            raise UnsentMessagesError(
                f"{count} messages of {self._address} are not saved: {self._last_error or 'the service is failing'}. "
                "They are still queued in this process; call close() again when the service is back, or configure "
                "WriteConfig(outbox=...) so that a later process sends them.",
                count,
            )

    @property
    def status(self) -> WriterStatus:
        """Counts of messages, the last error, and the breaker's state."""
        with self._state:
            pending = sum(turn.messages for turn in self._queue)
            return WriterStatus(self._saved, pending, self._dropped, self._last_error, self._breaker.state)

    def has_taken(self, tracking_id: str) -> bool:
        """Whether a message was submitted and is not acknowledged: it is queued, or it was given up."""
        with self._state:
            return tracking_id in self._given_up or any(
                item.tracking_id == tracking_id for turn in self._queue for event in turn.events for item in event.items
            )

    def _send(self, turn: _Turn) -> bool:
        event = turn.events[0]
        if event.request is None:
            event.request = self._freeze(turn, event)
        try:
            answer = self._client.create_event(**event.request)
            check_answer(answer, "create_event", "event")
        except (ClientError, BotoCoreError, ResponseParserError, OSError) as error:
            self._last_error = f"{type(error).__name__}: {error}"
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
            if code in _REFUSED:
                self._give_up(turn, code)
                return True
            self._breaker.failed()
            _log.warning(
                "session=<%s>, error=<%s> | event not saved, kept for the next attempt", self._address, self._last_error
            )
            return False
        self._breaker.succeeded()
        self._last_error = None
        event_id = answer["event"]["eventId"]
        stored = {
            item.tracking_id: Position(event_id, index)
            for index, item in enumerate(kept for kept in event.items if kept.payload is not None)
        }
        turn.positions.update(stored)
        turn.last_event_id = event_id
        with self._state:
            self._positions.update(stored)
            self._saved += len(event.items)
            turn.events.popleft()
        return True

    def _give_up(self, turn: _Turn, code: str) -> None:
        self._breaker.succeeded()  # the service answered: it is this event that is wrong
        with self._state:
            event = turn.events.popleft()
            self._note_lost(event)
        _log.error(
            "session=<%s>, messages=<%d>, code=<%s> | the service refuses these messages, they are not saved",
            self._address,
            event.messages,
            code,
        )

    def _note_lost(self, event: _Event) -> None:
        self._dropped += event.messages
        self._given_up.update(item.tracking_id for item in event.items)

    def _freeze(self, turn: _Turn, event: _Event) -> dict[str, Any]:
        last = len(turn.events) == 1
        kept = [item for item in event.items if item.payload is not None]
        payload = [item.payload for item in kept]
        metadata = dict(self._settings.metadata)
        if last:
            # The id of the event being made is not known yet: an empty one stands for it.
            here = {item.tracking_id: Position("", index) for index, item in enumerate(kept)}
            payload += turn.tail(turn.positions | here)
            metadata |= turn.metadata
        request: dict[str, Any] = {
            **self._address.parameters(),
            **self._options,
            "eventTimestamp": self._timestamp(),
            "payload": payload,
        }
        if metadata:
            request["metadata"] = {key: {"stringValue": value} for key, value in metadata.items()}
        if not any(item.conversational for item in event.items):
            request["extractionMode"] = "SKIP"
        frozen = json.dumps(request, sort_keys=True, default=str)
        request["clientToken"] = hashlib.sha256(frozen.encode("utf-8", "surrogatepass")).hexdigest()
        return request

    def _timestamp(self) -> datetime:
        with self._state:
            self._last_ms = max(int(self._now() * 1000), self._last_ms + 1)
            return datetime.fromtimestamp(self._last_ms / 1000, UTC)


def _split(items: Sequence[OutgoingItem]) -> deque[_Event]:
    """Divide a turn's messages over as few events as the limits allow; at least one, which may hold only a tail."""
    room_for_tail = 3
    events = deque([_Event([])])
    size = count = 0
    for item in items:
        length = len(json.dumps(item.payload)) if item.payload is not None else 0
        if events[-1].items and (size + length > MAX_BYTES or count >= MAX_ITEMS - room_for_tail):
            events.append(_Event([]))
            size = count = 0
        events[-1].items.append(item)
        size += length
        count += item.payload is not None
    return events
