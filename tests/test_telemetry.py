"""Spans and metrics carry figures and never words."""

from __future__ import annotations

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agentmem.testing import Reply, ScriptedModel, ToolCall
from sessions import Session


@pytest.fixture(scope="module")
def exported():
    """The process has one provider of each kind; whoever came first keeps it, so both are only added to."""
    spans, readings = InMemorySpanExporter(), InMemoryMetricReader()
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(spans))
    metrics.set_meter_provider(MeterProvider([readings]))
    return spans, readings


@pytest.fixture(scope="module")
def talked(exported):
    session = Session(actor="somebody-private")
    manager = session.manager(token_threshold=3_000)
    agent = session.agent(manager)
    for number in range(6):
        look = Reply(tool_calls=[ToolCall("look", {"query": f"item {number}"})])
        agent.model = ScriptedModel([look, "It is blue."])
        agent(f"What about the secret item {number}?")
    manager.recall.by_words("secret item 1")
    session.agent(session.manager())
    spans, readings = exported
    found = [span for span in spans.get_finished_spans() if span.name.startswith("agentmem.")]
    data = readings.get_metrics_data()
    named = {
        metric.name: metric
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    return found, named


def test_a_compaction_is_a_span_with_tokens_before_and_after(talked):
    spans, _ = talked
    (first, *_) = [span for span in spans if span.name == "agentmem.compact"]
    assert first.attributes["agentmem.tokens_before"] > first.attributes["agentmem.tokens_after"]
    assert first.attributes["agentmem.trigger"] == "threshold"


@pytest.mark.parametrize("name", ["compact", "summarize", "restore", "recall"])
def test_each_kind_of_work_has_its_span(talked, name):
    assert f"agentmem.{name}" in {span.name for span in talked[0]}


def test_metrics_are_counted(talked):
    _, named = talked
    assert {
        "agentmem.compactions",
        "agentmem.recalls",
        "agentmem.compaction.tokens_removed",
        "agentmem.restore.duration",
    } <= named.keys()


def test_no_span_carries_text_or_the_actor(talked):
    spans, named = talked
    everything = str([dict(span.attributes) for span in spans]) + str(named)
    assert "secret" not in everything
    assert "somebody-private" not in everything
