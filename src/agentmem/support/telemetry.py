"""Records spans and metrics through OpenTelemetry's API.

The API comes with Strands and does nothing until an application sets up an SDK and an exporter, so nobody is made to
export anything. No span or metric carries message text or an actor's id.

| span | attributes |
|---|---|
| ``agentmem.compact`` | ``agentmem.trigger``, the fields of ``Compaction`` (``agentmem.tokens_before`` and so on) |
| ``agentmem.summarize`` | ``agentmem.folded``; ``.tokens_before`` of all that is summarized, ``.tokens_after`` |
| ``agentmem.restore`` | ``agentmem.messages``, ``.has_checkpoint``; its ``.tokens_before``, ``.tokens_after`` |
| ``agentmem.recall`` | ``agentmem.by`` (``handle`` or ``words``), ``.found``, ``.tokens`` of what was found |
| ``agentmem.tool`` | ``agentmem.tool``, ``.step`` (which call of the invocation), ``.attempt``, both from 1 |

| metric | unit | what |
|---|---|---|
| ``agentmem.compactions`` | ``{compaction}`` | counter, by ``agentmem.trigger`` |
| ``agentmem.compaction.tokens_before``, ``.tokens_after``, ``.tokens_removed`` | ``{token}`` | histograms, estimated |
| ``agentmem.restore.duration``, ``agentmem.summarize.duration`` | ``s`` | histograms |
| ``agentmem.recall.duration`` | ``s`` | histogram, by ``agentmem.by`` |
| ``agentmem.quotes.verified``, ``.dropped`` | ``{quote}`` | counters of a summarizing model's quotes |
| ``agentmem.recalls`` | ``{recall}`` | counter, by ``agentmem.by`` |
| ``agentmem.messages.saved``, ``.dropped`` | ``{message}`` | counters |
| ``agentmem.events.failed`` | ``{attempt}`` | counter of attempts to write that the service did not take |
| ``agentmem.degraded`` | ``{operation}`` | counter, by ``agentmem.operation``: what the hook went on without |
| ``agentmem.tools.failed`` | ``{call}`` | counter of calls `ResilientTools` gave up, by ``agentmem.reason`` |
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, trace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.trace import Span

__all__ = ["count", "counter", "describe", "record", "span", "timed"]

_NAME = "agentmem"
_tracer = trace.get_tracer(_NAME)
_meter = metrics.get_meter(_NAME)

_COUNTERS = {
    name: _meter.create_counter(name, unit=unit, description=description)
    for name, unit, description in (
        ("agentmem.compactions", "{compaction}", "Compactions carried out"),
        ("agentmem.quotes.verified", "{quote}", "Quotes of a summarizing model that stand in the message they name"),
        ("agentmem.quotes.dropped", "{quote}", "Quotes of a summarizing model that do not"),
        ("agentmem.recalls", "{recall}", "Recalls of folded messages"),
        ("agentmem.messages.saved", "{message}", "Messages the service has acknowledged"),
        ("agentmem.messages.dropped", "{message}", "Messages given up: refused for good, or a full queue"),
        ("agentmem.events.failed", "{attempt}", "Attempts to write an event that the service did not take"),
        ("agentmem.degraded", "{operation}", "Restoring, retrieval or redaction that the hook went on without"),
        ("agentmem.tools.failed", "{call}", "Calls of tools that were given up, and the model told"),
    )
}
_HISTOGRAMS = {
    name: _meter.create_histogram(name, unit=unit, description=description)
    for name, unit, description in (
        ("agentmem.compaction.tokens_before", "{token}", "Tokens of the request before a compaction, as estimated"),
        ("agentmem.compaction.tokens_after", "{token}", "Tokens of the request after it, as estimated"),
        ("agentmem.compaction.tokens_removed", "{token}", "Tokens a compaction took off the request, as estimated"),
        ("agentmem.restore.duration", "s", "Time to read a session back"),
        ("agentmem.summarize.duration", "s", "Time to summarize what was folded, a model's narrative included"),
        ("agentmem.recall.duration", "s", "Time to find folded messages again"),
    )
}


@contextlib.contextmanager
def span(name: str, **attributes: str | float | bool) -> Iterator[Span]:
    """Run a block in a span; an exception is recorded on it and goes on.

    Args:
        name: The span's name without ``agentmem.``.
        attributes: Its attributes without ``agentmem.``.
    """
    with _tracer.start_as_current_span(f"{_NAME}.{name}", attributes=_named(attributes)) as started:
        yield started


def describe(started: Span, **attributes: str | float | bool) -> None:
    """Add attributes that are known only at the end of a span."""
    started.set_attributes(_named(attributes))


def counter(name: str) -> metrics.Counter:
    """Return a counter to add to without attributes; its name is given without ``agentmem.``."""
    return _COUNTERS[f"{_NAME}.{name}"]


def count(name: str, amount: int = 1, **attributes: str | float | bool) -> None:
    """Add to a counter; its name is given without ``agentmem.``."""
    _COUNTERS[f"{_NAME}.{name}"].add(amount, _named(attributes))


def record(name: str, value: float, **attributes: str | float | bool) -> None:
    """Record a value in a histogram; its name is given without ``agentmem.``."""
    _HISTOGRAMS[f"{_NAME}.{name}"].record(value, _named(attributes))


@contextlib.contextmanager
def timed(name: str, **attributes: str | float | bool) -> Iterator[None]:
    """Record how many seconds a block takes."""
    began = time.monotonic()
    try:
        yield
    finally:
        record(name, time.monotonic() - began, **attributes)


def _named(attributes: dict[str, Any]) -> dict[str, Any]:
    return {f"{_NAME}.{name}": value for name, value in attributes.items()}
