"""Makes checkpoints to store: plain ones, large ones, and any at all with hypothesis."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from agentmem.checkpoints.checkpoint import Checkpoint, IndexedPassage, IndexEntry, SeenEvents
from agentmem.checkpoints.summary import Statement, Summary, ToolNote
from agentmem.events.pins import Pin, Pins
from agentmem.events.position import Position
from agentmem.messages.truncation import TruncationSettings

START = 1_790_000_000_000
"""Milliseconds since the epoch of the first sample event."""


def position(number: int, item: int = 0, suffix: str = "0a1b2c3d") -> Position:
    """Return the position of a sample event."""
    return Position(f"{START + number:019d}#{suffix}", item)


def entry(number: int, *terms: str) -> IndexEntry:
    """Return the index entry of a sample event's message."""
    return IndexEntry(f"{number:012x}", position(number), "user", (IndexedPassage(terms),))


def checkpoint(version: int, **fields: Any) -> Checkpoint:
    """Return a checkpoint whose boundary moves on with its version."""
    defaults: dict[str, Any] = {
        "boundary": position(version * 10),
        "settings": TruncationSettings(exclude_tools=frozenset({"calculator"})),
        "summary": Summary(narrative=f"The story up to version {version}.", messages=version * 4),
        "index": (entry(version, "seat", "14C"),),
        "created_at": datetime(2026, 11, 3, 12, 0, version % 60, 123456, tzinfo=UTC),
    }
    return Checkpoint(version=version, **{**defaults, **fields})


def large_index(entries: int, seed: int = 7) -> tuple[IndexEntry, ...]:
    """Return index entries that hardly compress: about 45 bytes each when they are."""
    rng = random.Random(seed)  # noqa: S311 - made-up content, not secrets
    return tuple(
        IndexEntry(
            f"{rng.getrandbits(48):012x}",
            Position(f"{START + number:019d}#{rng.getrandbits(32):08x}", number % 7),
            rng.choice(("user", "assistant")),
            (IndexedPassage(tuple(f"{rng.getrandbits(64):016x}" for _ in range(4)), f"{number % 7:08x}"),),
        )
        for number in range(entries)
    )


def large_text(characters: int, seed: int = 7) -> str:
    """Return text that hardly compresses."""
    rng = random.Random(seed)  # noqa: S311 - made-up content, not secrets
    return "".join(chr(rng.randrange(0x4E00, 0x9FA5)) for _ in range(characters))


def plain(value: Checkpoint | None) -> Any:
    """Return a checkpoint the way it reads after a trip through JSON."""
    return None if value is None else json.loads(json.dumps(value.to_dict()))


_text = st.text(max_size=20)
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | _text
    | st.text(alphabet=st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=12,
)
_positions = st.builds(
    lambda ms, suffix, item: Position(f"{ms:019d}#{suffix:08x}", item),
    st.integers(1_000_000_000_000, 9_999_999_999_999),
    st.integers(0, 2**32 - 1),
    st.integers(0, 99),
)
_counts = st.integers(0, 10**9)
_known = frozenset({*checkpoint(1).to_dict(), "seen", "pins"})
_summaries = st.builds(
    Summary,
    statements=st.lists(
        st.builds(
            Statement,
            _text,
            st.sampled_from(["facts", "goals"]),
            _counts,
            by=st.sampled_from(["user", "assistant"]),
            kind=_text,
            sure=st.floats(0, 1),
            weight=st.floats(0, 2),
            source=_text,
            at=_text,
            outcome=_text,
        ),
        max_size=3,
    ).map(tuple),
    tools=st.lists(st.builds(ToolNote, _text, _counts, _counts, _text, _counts), max_size=2).map(tuple),
    narrative=st.text(max_size=2_000),
    notes=st.lists(_text, max_size=2, unique=True).map(tuple),
    messages=_counts,
)
_entries = st.builds(
    IndexEntry,
    st.from_regex(r"[0-9a-f]{12}", fullmatch=True),
    _positions,
    st.sampled_from(["user", "assistant"]),
    st.lists(st.builds(IndexedPassage, st.lists(_text, max_size=4).map(tuple), _text), max_size=2).map(tuple),
    _text,
)

_pins = st.builds(Pin, _text, _text, st.datetimes(timezones=st.just(UTC)), st.sampled_from(["application", "agent"]))

checkpoints = st.builds(
    Checkpoint,
    version=st.just(1),
    boundary=_positions,
    head=st.lists(_positions, max_size=3).map(tuple),
    shortened_before=st.none() | _positions,
    cycles_shortened_before=st.none() | _positions,
    settings=st.builds(
        TruncationSettings,
        max_tool_content_length=_counts,
        keep_media=st.booleans(),
        exclude_tools=st.frozensets(_text, max_size=3),
        hard_tool_content_length=_counts,
    ),
    folded_messages=_counts,
    summary=_summaries,
    index=st.lists(_entries, max_size=20).map(tuple),
    tokens_before=_counts,
    tokens_after=_counts,
    token_ratio=st.floats(0.01, 100.0),
    trigger=st.sampled_from(["threshold", "overflow", "restore", "manual"]),
    created_at=st.datetimes(timezones=st.just(UTC)),
    seen=st.none() | st.builds(SeenEvents, _counts, st.frozensets(_positions.map(lambda at: at.event_id), max_size=3)),
    pins=st.builds(Pins, st.lists(_pins, max_size=2).map(tuple), st.dictionaries(_text, st.booleans(), max_size=2)),
    format=st.integers(1, 3),
    extra=st.dictionaries(_text.filter(lambda name: name not in _known), _json, max_size=4),
)
"""Any first checkpoint of an agent's session."""
