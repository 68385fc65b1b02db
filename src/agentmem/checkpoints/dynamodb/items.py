"""Turns checkpoints into DynamoDB items and back, without any call.

| pk | sk | holds |
|---|---|---|
| ``memory#actor#session`` | ``agent#<id>`` | the current checkpoint, without its index |
| | ``agent#<id>#v<8 digits>`` | one version, with its index |
| | ``spill#<id>#v<8 digits>#<token>#<4 digits>`` | a piece of what would not fit into one of the others |

Attributes are the fields of ``Checkpoint.to_dict`` under their own names, except that a position is two of them
(``boundary_event_id``, ``boundary_item``), and that ``summary`` and ``index`` are JSON text: a string when small,
zlib-compressed when large, in spilled items when even that is too large. ``boundary_order`` is the boundary in a form
that DynamoDB can compare.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey, IndexEntry
from agentmem.checkpoints.dynamodb.values import from_attribute, to_attribute
from agentmem.checkpoints.version_rules import describe
from agentmem.errors import CheckpointStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agentmem.events.position import Position

Item = dict[str, Any]
"""A DynamoDB item: attribute names to attribute values."""

_ITEM_LIMIT = 380_000
"""Bytes an item may take here; DynamoDB takes 400 KB (409,600) and the size is estimated."""

_PIECE = 350_000
"""Bytes of one spilled piece."""

_SMALL = 1_024
"""Characters of JSON text above which it is compressed; DynamoDB charges writes by the KB."""

_POSITIONS = ("boundary", "shortened_before", "cycles_shortened_before")
_PACKED = ("summary", "index", "extra")

_RESERVED = frozenset(
    {"", "pk", "sk", "expires_at", "boundary_order", "spilled", "extra"}
    | {f"{name}_{part}" for name in _POSITIONS for part in ("event_id", "item")}
)
"""Attribute names with a meaning of their own; extra fields so named go into the attribute ``extra``."""


@dataclass(frozen=True)
class Items:
    """What one save writes.

    Attributes:
        current: The current checkpoint.
        version: The same version with its index.
        spilled: Pieces that ``current`` and ``version`` refer to.
    """

    current: Item
    version: Item
    spilled: tuple[Item, ...]


def key_of(item: Mapping[str, Any]) -> CheckpointKey:
    """Return whose item it is, from its primary key."""
    memory_id, actor_id, session_id = item["pk"]["S"].split("#")
    agent = item["sk"]["S"].split("#")[1]
    return CheckpointKey(memory_id, actor_id, session_id, agent.replace("%23", "#").replace("%25", "%"))


def current_key(key: CheckpointKey) -> Item:
    """Return the primary key of the current checkpoint."""
    return _primary(key, f"agent#{_agent(key)}")


def version_prefix(key: CheckpointKey) -> str:
    """Return what the sort keys of the versions begin with; 8 digits follow."""
    return f"agent#{_agent(key)}#v"


def spill_prefix(key: CheckpointKey) -> str:
    """Return what the sort keys of the spilled pieces begin with."""
    return f"spill#{_agent(key)}#v"


def boundary_order(position: Position) -> str:
    """Return a text that orders as positions do; see ``succession.is_further_back``."""
    if position.milliseconds < 0:
        return f"-{position.item:06d}#{position.event_id.encode('utf-8', 'surrogatepass').hex()}"
    return f"{position.milliseconds:024d}#{position.item:06d}"


def to_items(key: CheckpointKey, checkpoint: Checkpoint, *, expires_at: int | None, token: str) -> Items:
    """Return the items that hold a checkpoint.

    Args:
        key: Whose.
        checkpoint: What to hold.
        expires_at: Epoch seconds for the TTL attribute; None for no expiry.
        token: Unique to this save, so that two writers of one version never share spilled pieces.
    """
    attributes, packed = _attributes(checkpoint)
    if _size(attributes) > _ITEM_LIMIT // 2:
        attributes, packed = _attributes(checkpoint, bundle_extra=True)
    if expires_at is not None:
        attributes["expires_at"] = {"N": str(expires_at)}
    spilled: dict[str, list[str]] = {}
    pieces: list[Item] = []
    while _size(attributes) + sum(map(_size_of, packed.values())) > _ITEM_LIMIT:
        name = max(packed, key=lambda candidate: _size_of(packed[candidate]), default=None)
        if name is None or _size_of(packed[name]) <= _SMALL:
            raise CheckpointStoreError(
                f"checkpoint version {checkpoint.version} of {describe(key)} is too large for DynamoDB items even "
                "without its summary and index; fewer names in exclude_tools make it smaller."
            )
        made = _pieces(key, checkpoint.version, packed.pop(name), expires_at, f"{token}{name[0]}")
        pieces += made
        spilled[name] = [item["sk"]["S"] for item in made]
    version = {
        **_primary(key, f"{version_prefix(key)}{checkpoint.version:08d}"),
        **attributes,
        **packed,
        **_spilled(spilled),
    }
    without_index = {name: keys for name, keys in spilled.items() if name != "index"}
    current = {
        **current_key(key),
        **attributes,
        **{name: value for name, value in packed.items() if name != "index"},
        **_spilled(without_index),
    }
    return Items(current, version, tuple(pieces))


def from_item(item: Mapping[str, Any], read_pieces: Callable[[Sequence[str]], bytes]) -> Checkpoint:
    """Read a checkpoint from its item.

    Args:
        item: The current checkpoint's item or a version's, or the ``index`` and ``spilled`` attributes of one.
        read_pieces: Returns the joined data of the spilled items of these sort keys.

    Raises:
        CheckpointStoreError: The item is not a checkpoint.
    """
    try:
        value = {name: from_attribute(attribute) for name, attribute in item.items() if name not in _OWN}
        for name in _POSITIONS:
            if f"{name}_event_id" in item:
                value[name] = [item[f"{name}_event_id"]["S"], int(item[f"{name}_item"]["N"])]
        for name in _PACKED:
            content = _unpack(item, name, read_pieces)
            if content is not None:
                value.update(content if name == "extra" else {name: content})
    except _MALFORMED as error:
        raise _unreadable(item, error) from error
    return Checkpoint.from_dict(value)


def index_of(item: Mapping[str, Any], read_pieces: Callable[[Sequence[str]], bytes]) -> tuple[IndexEntry, ...]:
    """Read only the index of a version's item; ``from_item`` says the rest."""
    try:
        return tuple(IndexEntry.from_list(entry) for entry in _unpack(item, "index", read_pieces) or ())
    except _MALFORMED as error:
        raise _unreadable(item, error) from error


def spilled_keys(item: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the sort keys of the spilled pieces by the attribute they belong to."""
    if "spilled" not in item:
        return {}
    return {name: [entry["S"] for entry in keys["L"]] for name, keys in item["spilled"]["M"].items()}


_OWN = _RESERVED | set(_PACKED)
_MALFORMED = (AttributeError, KeyError, TypeError, ValueError, zlib.error)


def _unpack(item: Mapping[str, Any], name: str, read_pieces: Callable[[Sequence[str]], bytes]) -> Any:
    """Return the JSON value of a packed attribute, or None when the item has none."""
    pieces = spilled_keys(item).get(name)
    if pieces is not None:
        return json.loads(zlib.decompress(read_pieces(pieces)))
    attribute = item.get(name)
    if attribute is None:
        return None
    return json.loads(zlib.decompress(attribute["B"]) if "B" in attribute else attribute["S"])


def _unreadable(item: Mapping[str, Any], error: Exception) -> CheckpointStoreError:
    whose, which = (item.get(name, {}).get("S", "?") for name in ("pk", "sk"))
    return CheckpointStoreError(f"the item {which!r} of {whose!r} is malformed ({type(error).__name__}: {error})")


def _attributes(checkpoint: Checkpoint, *, bundle_extra: bool = False) -> tuple[Item, Item]:
    """Return the plain attributes and the packed ones; ``extra`` is packed when it cannot stand on its own."""
    value = checkpoint.to_dict()
    summary, index = value.pop("summary"), value.pop("index")
    attributes: Item = {"boundary_order": {"S": boundary_order(checkpoint.boundary)}}
    for name in _POSITIONS:
        position = value.pop(name)
        if position is not None:
            attributes[f"{name}_event_id"] = {"S": position[0]}
            attributes[f"{name}_item"] = {"N": str(position[1])}
    extra = {}
    for name, content in value.items():
        if name in checkpoint.extra and (bundle_extra or name in _RESERVED or not _is_attribute_name(name)):
            extra[name] = content
        else:
            attributes[name] = to_attribute(content)
    packed = {"summary": _pack(summary), "index": _pack(index)}
    if extra:
        packed["extra"] = _pack(extra)
    return attributes, packed


def _is_attribute_name(name: str) -> bool:
    try:
        return len(name.encode()) <= 255
    except UnicodeEncodeError:
        return False


def _pack(value: Any) -> Item:
    text = json.dumps(value, separators=(",", ":"))
    return {"S": text} if len(text) <= _SMALL else {"B": zlib.compress(text.encode(), 6)}


def _pieces(key: CheckpointKey, version: int, attribute: Item, expires_at: int | None, token: str) -> list[Item]:
    data = attribute["B"] if "B" in attribute else zlib.compress(attribute["S"].encode())
    expiry = {} if expires_at is None else {"expires_at": {"N": str(expires_at)}}
    return [
        {
            **_primary(key, f"{spill_prefix(key)}{version:08d}#{token}#{number:04d}"),
            "data": {"B": data[start : start + _PIECE]},
            **expiry,
        }
        for number, start in enumerate(range(0, len(data), _PIECE))
    ]


def _spilled(keys: Mapping[str, Sequence[str]]) -> Item:
    if not keys:
        return {}
    return {"spilled": {"M": {name: {"L": [{"S": entry} for entry in entries]} for name, entries in keys.items()}}}


def _primary(key: CheckpointKey, sort: str) -> Item:
    return {"pk": {"S": key.partition}, "sk": {"S": sort}}


def _agent(key: CheckpointKey) -> str:
    # An agent id is free text; its "#" must not read as a separator, or agent "a" would see versions of "a#v1".
    return key.agent_id.replace("%", "%25").replace("#", "%23")


def _size(attributes: Mapping[str, Any]) -> int:
    return sum(len(name.encode("utf-8", "surrogatepass")) + _size_of(value) for name, value in attributes.items())


def _size_of(attribute: Mapping[str, Any]) -> int:
    """Estimate an attribute value's bytes from above."""
    ((kind, value),) = attribute.items()
    match kind:
        case "S" | "N":
            return len(value.encode("utf-8", "surrogatepass")) + 3
        case "B":
            return len(value) + 3
        case "L":
            return 3 + sum(1 + _size_of(entry) for entry in value)
        case "M":
            return 3 + sum(4 + len(name.encode()) + _size_of(entry) for name, entry in value.items())
        case "SS" | "NS" | "BS":
            return 3 + sum(3 + len(entry) * 4 for entry in value)
        case _:
            return 4
