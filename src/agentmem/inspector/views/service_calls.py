"""Counts the calls of one view to the AWS services."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentmem.scope.scope import Configuration

__all__ = ["count_calls", "watch"]

_ID = "agentmem-inspector"
_current: ContextVar[dict[str, int] | None] = ContextVar("agentmem_inspector_calls", default=None)


def watch(config: Configuration) -> None:
    """Let the calls of a configuration's clients be counted, those made from its boto3 session later included."""
    for emitter in (
        config.boto_session().events,
        config.data_plane().meta.events,
        config.control_plane().meta.events,
    ):
        emitter.register("before-call", _note, unique_id=_ID)


@contextmanager
def count_calls() -> Iterator[dict[str, int]]:
    """Count the calls made inside, by operation; those of threads started with this context included."""
    counted: dict[str, int] = {}
    token = _current.set(counted)
    try:
        yield counted
    finally:
        _current.reset(token)


def _note(model: Any, **_: object) -> None:
    counted = _current.get()
    if counted is not None:
        counted[model.name] = counted.get(model.name, 0) + 1
