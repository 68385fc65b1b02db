"""Defines the durable record of a compaction and the protocol of its stores."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from agentmem.checkpoints.summary import Summary
from agentmem.drawing.figures import before_after, facts
from agentmem.drawing.markup import element
from agentmem.drawing.notebook import card
from agentmem.errors import CheckpointStoreError
from agentmem.events.pins import Pins
from agentmem.events.position import Position
from agentmem.messages.truncation import TruncationSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from agentmem.events.codec import DecodedEvent

FORMAT = 1
"""The checkpoint format this version writes. A newer one is read as far as it is understood and kept whole."""

EVENTS_NAMED = 50
"""Events before its boundary that a checkpoint names as seen; a restore reads no further behind the boundary."""

Trigger = Literal["threshold", "overflow", "restore", "manual"]
"""Why a compaction ran: the token threshold, the model's refusal, a first opening, or a call of ``compact()``."""


@dataclass(frozen=True)
class CheckpointKey:
    """Whose checkpoint: one agent of one session of one actor in one memory."""

    memory_id: str
    actor_id: str
    session_id: str
    agent_id: str

    @property
    def partition(self) -> str:
        """``memory#actor#session``, the DynamoDB partition key. No id may contain ``#``, so it is unambiguous."""
        return f"{self.memory_id}#{self.actor_id}#{self.session_id}"


@dataclass(frozen=True)
class IndexedPassage:
    """What the index has of one passage of a message.

    Attributes:
        terms: Its distinct terms (`agentmem.meaning.terms`).
        unit: What a tool call and its result share; empty for other text.
    """

    terms: tuple[str, ...] = ()
    unit: str = ""


@dataclass(frozen=True)
class IndexEntry:
    """Where one message that was shortened or folded can be found again.

    Its time is that of its event, which an event id tells (`Position.milliseconds`).

    Attributes:
        handle: The message's handle, 12 hex digits (see ``truncation.handle_of``).
        position: Event and item of the original.
        role: ``user`` or ``assistant``.
        passages: Its passages in order, for recall by words.
        language: ISO 639-1 code of the language whose stems the terms are.
    """

    handle: str
    position: Position
    role: str
    passages: tuple[IndexedPassage, ...] = ()
    language: str = "en"

    def to_list(self) -> list[Any]:
        """Return the compact JSON form ``[handle, event_id, item, role, [[unit, term, ...], ...], language]``."""
        passages = [[one.unit, *one.terms] for one in self.passages]
        return [self.handle, self.position.event_id, self.position.item, self.role, passages, self.language]

    @classmethod
    def from_list(cls, value: Sequence[Any]) -> IndexEntry:
        """Read the JSON form; further elements of a future format are passed over.

        Before passages there was one list of terms a message.
        """
        handle, event_id, item, role, passages = value[:5]
        if passages and isinstance(passages[0], str):
            passages = [["", *passages]]
        indexed = tuple(IndexedPassage(tuple(map(str, terms)), str(unit)) for unit, *terms in passages)
        language = str(value[5]) if len(value) > 5 else "en"
        return cls(str(handle), Position(str(event_id), int(item)), str(role), indexed, language)


@dataclass(frozen=True)
class SeenEvents:
    """The newest events before a boundary that the maker of the checkpoint had seen.

    An event before the boundary that is not among them came late: its writer's clock was behind, or it was under way
    while the checkpoint was saved. No summary and no index has it, so it is shown.

    Attributes:
        since: From when on the list is complete, milliseconds since the epoch; older events all count as seen.
        event_ids: Ids of events with messages, in any order.
    """

    since: int
    event_ids: frozenset[str] = frozenset()

    @classmethod
    def before(cls, boundary: Position, event_ids: Iterable[str], since: int) -> SeenEvents:
        """Name the newest of the events before a boundary.

        Args:
            boundary: The boundary; with an empty event id all events are before it.
            event_ids: All events from ``since`` on that are known.
            since: Milliseconds since the epoch.
        """
        times = {event_id: Position(event_id).milliseconds for event_id in event_ids}
        named = [one for one in times if since <= times[one] and (not boundary.event_id or Position(one) < boundary)]
        if len(named) > EVENTS_NAMED:
            since = sorted((times[one] for one in named), reverse=True)[EVENTS_NAMED - 1] + 1
        return cls(since, frozenset(one for one in named if since <= times[one]))

    def has(self, event: DecodedEvent) -> bool:
        """Whether an event was seen, or one that it was written to replace."""
        is_older = Position(event.event_id).milliseconds < self.since
        return is_older or event.event_id in self.event_ids or not self.event_ids.isdisjoint(event.replaces)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"since": self.since, "event_ids": sorted(self.event_ids)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> SeenEvents:
        """Read the JSON form."""
        return cls(int(value["since"]), frozenset(map(str, value["event_ids"])))


@dataclass(frozen=True)
class Checkpoint:
    """What the model is shown of a session, and what is needed to show the same again after a restart.

    Attributes:
        version: 1 for the first checkpoint of an agent's session, then one more each time.
        boundary: The first message that is kept; everything before it is folded into ``summary``.
        head: The user's own messages of the turn the boundary lies in, when it lies inside one; kept in front.
        shortened_before: Messages before this position are shown with shortened tool content; None: none are.
        cycles_shortened_before: Tool traffic from there to this position is shown shortened too (stage three).
        settings: How they were shortened, so that they are shortened to the same bytes again.
        folded_messages: How many messages are folded away in all, over every version.
        summary: The rolling summary of them.
        index: What this version (not an earlier one) shortened and folded, for recall.
        tokens_before: Tokens of the request before the compaction, as estimated.
        tokens_after: Tokens of the request after it, as estimated.
        token_ratio: Tokens the model reports for each token counted here, when this was saved.
        trigger: What started the compaction.
        created_at: When, in UTC.
        seen: Which events before the boundary its maker had seen; None: all of them, as far as is known.
        pins: What was pinned, as far as the maker knew: everything before the boundary, and perhaps later things.
        format: The format version of the writer.
        extra: Fields of a newer format, kept so that saving again does not lose them.
    """

    version: int
    boundary: Position
    settings: TruncationSettings
    summary: Summary
    head: tuple[Position, ...] = ()
    shortened_before: Position | None = None
    cycles_shortened_before: Position | None = None
    folded_messages: int = 0
    index: tuple[IndexEntry, ...] = ()
    tokens_before: int = 0
    tokens_after: int = 0
    token_ratio: float = 1.0
    trigger: Trigger = "threshold"
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    seen: SeenEvents | None = None
    pins: Pins = field(default_factory=Pins)
    format: int = FORMAT
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Tell everything but the settings, the summary and the index."""
        return (
            f"Checkpoint(version={self.version}, trigger={self.trigger!r}, folded_messages={self.folded_messages}, "
            f"tokens_before={self.tokens_before}, tokens_after={self.tokens_after}, boundary={self.boundary}, "
            f"created_at={self.created_at.isoformat(timespec='seconds')!r})"
        )

    def _repr_html_(self) -> str:
        """Draw the checkpoint with its summary in a notebook."""
        told = {
            "trigger": self.trigger,
            "folded messages": self.folded_messages,
            "saved": f"{self.created_at:%Y-%m-%d %H:%M:%S %Z}",
        }
        summary = self.summary.render()
        return card(
            f"Checkpoint, version {self.version}",
            before_after(self.tokens_before, self.tokens_after),
            facts(told),
            element("p", summary, class_="am-said") if summary else None,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, ``extra`` fields beside the known ones."""
        known: dict[str, Any] = {
            "format": self.format,
            "version": self.version,
            "boundary": _position_to_list(self.boundary),
            "head": [_position_to_list(position) for position in self.head],
            "shortened_before": _optional_to_list(self.shortened_before),
            "cycles_shortened_before": _optional_to_list(self.cycles_shortened_before),
            "settings": self.settings.to_dict(),
            "folded_messages": self.folded_messages,
            "summary": self.summary.to_dict(),
            "index": [entry.to_list() for entry in self.index],
            "tokens_before": self.tokens_before,
            "tokens_after": self.tokens_after,
            "token_ratio": self.token_ratio,
            "trigger": self.trigger,
            "created_at": self.created_at.isoformat(),
        }
        if self.seen is not None:
            known["seen"] = self.seen.to_dict()
        if self.pins:
            known["pins"] = self.pins.to_dict()
        return {**self.extra, **known}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Checkpoint:
        """Read the JSON form.

        Raises:
            CheckpointStoreError: When a field that every format has is missing or malformed.
        """
        try:
            return cls(
                format=int(value["format"]),
                version=int(value["version"]),
                boundary=_position_from_list(value["boundary"]),
                head=tuple(_position_from_list(position) for position in value.get("head", ())),
                shortened_before=_optional_from_list(value.get("shortened_before")),
                cycles_shortened_before=_optional_from_list(value.get("cycles_shortened_before")),
                settings=TruncationSettings.from_dict(value["settings"]),
                folded_messages=int(value["folded_messages"]),
                summary=Summary.from_dict(value["summary"]),
                index=tuple(IndexEntry.from_list(entry) for entry in value.get("index", ())),
                tokens_before=int(value.get("tokens_before", 0)),
                tokens_after=int(value.get("tokens_after", 0)),
                token_ratio=float(value.get("token_ratio", 1.0)),
                trigger=value.get("trigger", "threshold"),
                created_at=datetime.fromisoformat(value["created_at"]),
                seen=None if value.get("seen") is None else SeenEvents.from_dict(value["seen"]),
                pins=Pins.from_dict(value.get("pins") or {}),
                extra={key: item for key, item in value.items() if key not in _FIELDS},
            )
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            written_by = value.get("format", "?") if isinstance(value, dict) else "?"
            raise CheckpointStoreError(
                f"a field is missing or malformed ({type(error).__name__}: {error}); format {written_by} wrote it and "
                f"this version reads format {FORMAT}"
            ) from error

    def map_positions(self, change: Callable[[Position], Position]) -> Checkpoint:
        """Return the same checkpoint with every position in it replaced by ``change`` of it."""

        def optional(position: Position | None) -> Position | None:
            return None if position is None else change(position)

        seen = self.seen
        if seen is not None:
            seen = replace(seen, event_ids=frozenset(change(Position(one)).event_id for one in seen.event_ids))
        return replace(
            self,
            seen=seen,
            boundary=change(self.boundary),
            head=tuple(change(position) for position in self.head),
            shortened_before=optional(self.shortened_before),
            cycles_shortened_before=optional(self.cycles_shortened_before),
            index=tuple(replace(entry, position=change(entry.position)) for entry in self.index),
        )

    def carried_by(self, event_id: str) -> Checkpoint:
        """Return the same checkpoint with every position that had no event yet in the event that carries it."""
        return self.map_positions(lambda position: position if position.event_id else Position(event_id, position.item))

    def without_index(self) -> Checkpoint:
        """Return the same checkpoint with an empty index, which is all a restore needs."""
        return replace(self, index=())


_FIELDS = frozenset(item.name for item in fields(Checkpoint)) - {"extra"}


def _position_to_list(position: Position) -> list[Any]:
    return [position.event_id, position.item]


def _optional_to_list(position: Position | None) -> list[Any] | None:
    return None if position is None else _position_to_list(position)


def _optional_from_list(value: Sequence[Any] | None) -> Position | None:
    return None if value is None else _position_from_list(value)


def _position_from_list(value: Sequence[Any]) -> Position:
    return Position(str(value[0]), int(value[1]))


@runtime_checkable
class CheckpointStore(Protocol):
    """A place that keeps checkpoints. ``agentmem.testing.conformance`` tests any of them.

    Every method raises ``CheckpointStoreError`` when the place cannot be reached.
    """

    def load(self, key: CheckpointKey) -> Checkpoint | None:
        """Return the current checkpoint, its own index included or empty, or None when there is none."""
        ...

    def save(self, key: CheckpointKey, checkpoint: Checkpoint) -> None:
        """Make ``checkpoint`` the current one, if its version is the next and its boundary is not further back.

        Raises:
            CheckpointConflictError: Another version is current; carries it as ``winner``.
        """
        ...

    def history(self, key: CheckpointKey, *, before: int | None = None) -> Iterator[Checkpoint]:
        """Yield the checkpoints with their indexes, newest first, only versions below ``before`` when given."""
        ...

    def find(self, key: CheckpointKey, handle: str) -> IndexEntry | None:
        """Return the entry for a message handle from whichever version holds it, or None."""
        ...

    def delete(self, key: CheckpointKey) -> int:
        """Delete every checkpoint of the key; return how many there were."""
        ...
