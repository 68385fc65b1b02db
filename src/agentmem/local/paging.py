"""Makes and reads opaque page tokens."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import TYPE_CHECKING, Any

from .errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PAGE = 20


def _query_mark(operation: str, params: Mapping[str, Any]) -> int:
    """A number that tells one query from another, so that a token is not used with a different one."""
    query = {
        name: value for name, value in params.items() if name not in ("nextToken", "maxResults", "includePayloads")
    }
    return zlib.crc32(json.dumps([operation, query], sort_keys=True).encode())


def encode(operation: str, params: Mapping[str, Any], key: list[Any]) -> str:
    """The token of the page after `key` (the sort key of the last row shown)."""
    return base64.urlsafe_b64encode(json.dumps([_query_mark(operation, params), key]).encode()).decode()


def decode(operation: str, params: Mapping[str, Any], default: list[Any]) -> list[Any]:
    """The sort key in a request's ``nextToken``; `default` when there is none.

    Raises:
        ServiceError: ``ValidationException`` for a token that is not one of ours or belongs to another query.
    """
    token = params.get("nextToken")
    if not token:
        return default
    try:
        mark, key = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, binascii.Error, TypeError):
        mark, key = None, []
    if mark != _query_mark(operation, params) or len(key) != len(default):
        raise ServiceError(
            "ValidationException",
            "nextToken is not a token of this query",
            reason="FieldValidationFailed",
            fields=(("/nextToken", "Invalid page token"),),
        )
    return list(key)
