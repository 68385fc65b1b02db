"""Defines every error agentmem raises, under one root.

    AgentMemError
    ├── ConfigurationError (also ValueError)         a setting is missing, malformed or contradicts another
    ├── IdentityError (also ValueError)              an actor or session id that cannot be used
    ├── HistoryUnavailableError                      the session's events could not be read
    ├── CheckpointStoreError                         the checkpoint store could not be reached or understood
    ├── CheckpointConflictError                      another writer saved a checkpoint first
    ├── PinError                                     something cannot be pinned or unpinned
    ├── CompactionError (also Strands'               the context cannot be made to fit
    │     ContextWindowOverflowException)
    ├── MemoryWaitTimeout (also TimeoutError)        awaited records did not appear in time
    ├── ExtractionFailedError                        an extraction job failed
    ├── MissingExtraError (also ImportError)         a package that the part asked for needs is not installed
    └── UnsentMessagesError                          closing left messages unacknowledged

A message says what happened, to which memory, actor and session where there is one, and what to do next.
Errors never carry message text: a traceback ends up in logs that more people read than the conversation.
"""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING, Any

from strands.types.exceptions import ContextWindowOverflowException

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


__all__ = [
    "AgentMemError",
    "CheckpointConflictError",
    "CheckpointStoreError",
    "CompactionError",
    "ConfigurationError",
    "ExtractionFailedError",
    "HistoryUnavailableError",
    "IdentityError",
    "MemoryWaitTimeout",
    "MissingExtraError",
    "PinError",
    "UnsentMessagesError",
]

_DISTRIBUTION = "strands-agentmem"


class AgentMemError(Exception):
    """The root of everything agentmem raises on purpose."""


class ConfigurationError(AgentMemError, ValueError):
    """A setting is missing, malformed or contradicts another; the message names it, its value and the remedy."""


class IdentityError(AgentMemError, ValueError):
    """An actor or session id is missing or one that AgentCore Memory (or agentmem, for safety) refuses."""


class HistoryUnavailableError(AgentMemError):
    """The session's history could not be read, which is not the same as there being none.

    Raised instead of starting with an empty history, so that an agent never forgets in silence.
    """


class CheckpointStoreError(AgentMemError):
    """A checkpoint store could not be reached, or answered something that is no checkpoint."""


class CheckpointConflictError(AgentMemError):
    """Another writer saved a checkpoint first.

    Attributes:
        winner: The `Checkpoint` that is in the store now, to be adopted; None when the store could not tell.
    """

    def __init__(self, message: str, winner: Any = None) -> None:
        """Keep the winner beside the message."""
        super().__init__(message)
        self.winner = winner


class PinError(AgentMemError):
    """Something cannot be pinned or unpinned; the message says why, and with sizes what there is room for."""


class CompactionError(AgentMemError, ContextWindowOverflowException):
    """The context cannot be made to fit; says what is too big.

    It is also a Strands ``ContextWindowOverflowException``, so code that handles those handles this.

    Attributes:
        largest: Descriptions of the largest blocks that had to stay, largest first.
    """

    def __init__(self, message: str, largest: Sequence[str] = ()) -> None:
        """Keep the descriptions beside the message."""
        super().__init__(message)
        self.largest = tuple(largest)


class MemoryWaitTimeout(AgentMemError, TimeoutError):  # noqa: N818 - the name is part of the public API
    """The awaited long-term memories did not appear in time.

    Attributes:
        polls: How often the namespace was looked at.
        elapsed: Seconds waited.
        last_count: Matching records seen by the last poll that was answered.
        last_error: The last error a poll met and retried, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        polls: int = 0,
        elapsed: float = 0.0,
        last_count: int = 0,
        last_error: Exception | None = None,
    ) -> None:
        """Keep what was seen beside the message."""
        super().__init__(message)
        self.polls = polls
        self.elapsed = elapsed
        self.last_count = last_count
        self.last_error = last_error


class ExtractionFailedError(AgentMemError):
    """An extraction job failed, so the long-term memories it was to make will not come by themselves.

    Attributes:
        job: The job as the service lists it: `jobID`, `failureReason`, `strategyId`, `messages`, ...
    """

    def __init__(self, message: str, *, job: Mapping[str, Any]) -> None:
        """Keep the job beside the message."""
        super().__init__(message)
        self.job = dict(job)


class UnsentMessagesError(AgentMemError):
    """Closing left messages that the memory service has not acknowledged.

    Attributes:
        count: How many messages are unsent.
    """

    def __init__(self, message: str, count: int) -> None:
        """Keep the count beside the message."""
        super().__init__(message)
        self.count = count


class MissingExtraError(AgentMemError, ImportError):
    """A part was asked for whose packages are not installed; raised when it is made, not at its first use.

    Attributes:
        package: The package that could not be imported.
        extra: The extra that installs it; None for a package that every installation should have.
    """

    def __init__(self, part: str, package: str, extra: str | None, *, of: str = _DISTRIBUTION) -> None:
        """Say what is missing and how to install it.

        Args:
            part: What was asked for, such as ``"the command line"``.
            package: The package that could not be imported.
            extra: The extra that installs it; None for a dependency of every installation.
            of: The distribution that has the extra.
        """
        requirement = of if extra is None else f"{of}[{extra}]"
        source = _source() if of == _DISTRIBUTION else None
        super().__init__(
            f"{part} needs the package {package!r}, which is not installed. "
            f"{'Repair the installation' if extra is None else 'Install the extra'}: "
            f"pip install '{requirement}{'' if source is None else f' @ {source}'}'"
        )
        self.package = package
        self.extra = extra


def _source() -> str | None:
    """Return where this package was installed from, as pip takes it; None when that was an index, found by name.

    The name alone would not do for a package that came from somewhere else: an index may not have it.
    """
    try:
        recorded = distribution(_DISTRIBUTION).read_text("direct_url.json")
    except PackageNotFoundError:
        return None  # run from its sources
    if recorded is None:
        return None
    origin = json.loads(recorded)
    version_control = origin.get("vcs_info")
    return f"{version_control['vcs']}+{origin['url']}" if version_control else str(origin["url"])
