"""Counts API calls by operation."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import boto3


class ApiCalls:
    """Counts every API call of the clients made from a boto3 session after this was attached to it.

    A call that botocore retries counts once.

    Attributes:
        by_operation: How often each operation was called, such as `CreateEvent` or `GetItem`.
    """

    def __init__(self) -> None:
        """Start at zero."""
        self.by_operation: Counter[str] = Counter()

    def attach(self, session: boto3.Session) -> None:
        """Count the calls of this session's future clients.

        Args:
            session: The boto3 session.
        """
        session.events.register("before-call", self._count)

    @property
    def total(self) -> int:
        """All calls so far."""
        return self.by_operation.total()

    def _count(self, model: Any, **_: Any) -> None:
        self.by_operation[model.name] += 1
