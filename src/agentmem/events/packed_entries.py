"""Packs a list of index entries for an event, compressed when it is long."""

from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONG = 4_096


def pack_entries(entries: Sequence[Any]) -> Any:
    """Return entries in the form to store: as they are, or as base64 text of compressed JSON over 4,096 characters."""
    text = json.dumps(entries, separators=(",", ":"))
    if len(text) <= _LONG:
        return entries
    return base64.b64encode(zlib.compress(text.encode("utf-8", "surrogatepass"))).decode()


def unpack_entries(value: Any) -> list[Any]:
    """Return stored entries as a list.

    Raises:
        ValueError: The value is not what `pack_entries` returns.
    """
    if not isinstance(value, str):
        return list(value or ())
    try:
        return list(json.loads(zlib.decompress(base64.b64decode(value)).decode("utf-8", "surrogatepass")))
    except zlib.error as error:
        raise ValueError(str(error)) from error
