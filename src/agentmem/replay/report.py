"""Summarizes the measurements of a replay."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentmem.replay.recall_check import RecallCheck


@dataclass(frozen=True)
class RequestSize:
    """The size of one request.

    Attributes:
        tokens: As it was sent.
        uncompacted_tokens: As it would have been with the whole history.
        compacted: Whether a compaction came between this request and the one before.
        restored: Whether the agent was restored between this request and the one before.
    """

    tokens: int
    uncompacted_tokens: int
    compacted: bool
    restored: bool


@dataclass(frozen=True)
class Restore:
    """One restore of the session with fresh objects.

    Attributes:
        after_invocation: After how many calls of the agent it happened.
        api_calls: API calls it took, of any service.
        seconds: How long it took.
        messages: Messages the restored agent holds.
    """

    after_invocation: int
    api_calls: int
    seconds: float
    messages: int


@dataclass(frozen=True)
class ReplayReport:
    """The outcome of a replay.

    Attributes:
        requests: The size of every request, in order.
        invocations: How often the agent was called.
        messages: Messages in the recording.
        restores: Every restore.
        compactions: How often the manager compacted.
        api_calls: API calls by operation.
        seconds: How long the replay took.
        recall: What recall finds of all that is out of view at the end; None when nothing was compacted.
        details: Further facts for the report, such as file, format, threshold.
    """

    requests: tuple[RequestSize, ...]
    invocations: int
    messages: int
    restores: tuple[Restore, ...]
    compactions: int
    api_calls: Mapping[str, int]
    seconds: float
    details: Mapping[str, Any] = field(default_factory=dict)
    recall: RecallCheck | None = None

    @property
    def peak_request_tokens(self) -> int:
        """The largest request in tokens."""
        return max((request.tokens for request in self.requests), default=0)

    @property
    def peak_uncompacted_tokens(self) -> int:
        """The largest request in tokens had the whole history been sent."""
        return max((request.uncompacted_tokens for request in self.requests), default=0)

    @property
    def total_input_tokens(self) -> int:
        """Input tokens of all requests."""
        return sum(request.tokens for request in self.requests)

    @property
    def total_uncompacted_tokens(self) -> int:
        """Input tokens of all requests had the whole history been sent each time."""
        return sum(request.uncompacted_tokens for request in self.requests)

    def as_json(self) -> dict[str, Any]:
        """Return the report as one JSON object.

        Returns:
            The keys of `agentmem replay --json`; tokens are counts, `seconds` are floats.
        """
        return {
            **self.details,
            "invocations": self.invocations,
            "messages": self.messages,
            "requests": len(self.requests),
            "peak_request_tokens": self.peak_request_tokens,
            "peak_request_tokens_without_compaction": self.peak_uncompacted_tokens,
            "total_input_tokens": self.total_input_tokens,
            "total_input_tokens_without_compaction": self.total_uncompacted_tokens,
            "compactions": self.compactions,
            "restores": [
                {
                    "api_calls": restore.api_calls,
                    "seconds": round(restore.seconds, 4),
                    "after_invocation": restore.after_invocation,
                    "messages": restore.messages,
                }
                for restore in self.restores
            ],
            "recall": None if self.recall is None else asdict(self.recall),
            "api_calls": dict(sorted(self.api_calls.items())),
            "seconds": round(self.seconds, 2),
        }
