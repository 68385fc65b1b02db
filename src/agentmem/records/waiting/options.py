"""Lists the options that every way to wait for long-term memories takes, and their defaults."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypedDict, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentmem.records.waiting.marks import Match, Record, Since
    from agentmem.records.waiting.polling import WaitProgress
    from agentmem.records.waiting.pushed import RecordStream


class WaitOptions(TypedDict, total=False):
    """The options of `wait_for_memories`, of its async twin and of the two methods of `MemorySession`, by name."""

    top_k: int
    """Most records returned for a query, 1 to 100; 3 by default."""
    since: Since | None
    """From when on a record is new: a datetime with a time zone, an event as `create_event` returns it, an event id,
    or a `Mark`, which is the exact way. A record rewritten since is new too, one deleted is not. For a time or an event
    the service's clock is compared with the one that made it. None, the default, counts whatever is there; for a
    session it means its last event or, when there is none, the moment it was bound."""
    min_count: int
    """How many records are enough, 1 or more; 1 by default."""
    until: Callable[[list[Record]], object] | None
    """Says whether the records are what is waited for, in addition to their number."""
    match: Match
    """`exact`, the default, or `path` (`prefix` is the same) for the namespace and everything below it."""
    raise_on_timeout: bool
    """Whether to raise `MemoryWaitTimeout` when the time is up; False by default."""
    on_poll: Callable[[WaitProgress], object] | None
    """Called after every poll; with the async twins it may be a coroutine function."""
    sleep: Callable[[float], object]
    """How to pause, in seconds; a test may move a frozen clock instead. With the async twins it may be a coroutine
    function. The default lets the embedded service of `agentmem.testing` pass the time without sleeping."""
    stream: RecordStream | None
    """Ends a pause as soon as a record arrives in the namespace, by the memory's record stream; not with `sleep`."""
    clock: Callable[[], float]
    """Seconds, never going back. It may stand still: pauses count as they were asked for."""


def with_defaults(options: WaitOptions, caller: str, *, sleep: Callable[[float], object]) -> WaitOptions:
    """Return all options, those that were not given with their defaults.

    Args:
        options: What was given.
        caller: The function it was given to, for the error.
        sleep: How it pauses unless told.

    Raises:
        TypeError: There is no option of a name.
    """
    defaults: WaitOptions = {
        "top_k": 3,
        "since": None,
        "min_count": 1,
        "until": None,
        "match": "exact",
        "raise_on_timeout": False,
        "on_poll": None,
        "sleep": sleep,
        "stream": None,
        "clock": time.monotonic,
    }
    for name in options:
        if name not in defaults:
            raise TypeError(f"{caller}() got an unexpected keyword argument {name!r}")
    if options.get("stream") is not None and "sleep" in options:
        raise TypeError(f"{caller}() takes stream or sleep, not both")
    return cast("WaitOptions", {**defaults, **cast("dict[str, Any]", options)})
