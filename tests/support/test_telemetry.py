"""Spans and metrics carry figures and never words."""

from __future__ import annotations

from collections import Counter

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from strands import Agent

from agentmem import MemoryConfig, WriteConfig
from agentmem.compaction.summary.extractive import ExtractiveSummarizer
from agentmem.compaction.summary.judge import Judge
from agentmem.compaction.summary.model_summarizer import ModelSummarizer
from agentmem.messages.truncation import handle_of
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


def _named(spans, name):
    return [span for span in spans if span.name == f"agentmem.{name}"]


def test_a_summary_and_a_restore_tell_tokens_before_and_after(talked):
    spans, _ = talked
    made = _named(spans, "summarize")[-1].attributes
    assert made["agentmem.folded"] > 0
    assert made["agentmem.tokens_before"] > made["agentmem.tokens_after"] > 0
    restored = _named(spans, "restore")[-1].attributes
    assert restored["agentmem.has_checkpoint"]
    assert restored["agentmem.tokens_before"] > restored["agentmem.tokens_after"] > 0
    assert restored["agentmem.messages"] > 0


def test_a_recall_tells_how_much_it_gave_back(talked):
    recall = _named(talked[0], "recall")[-1].attributes
    assert recall["agentmem.by"] == "words"
    assert recall["agentmem.found"] > 0
    assert 0 < recall["agentmem.tokens"] <= 2_000


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("compactions", {"agentmem.trigger": "threshold"}),
        ("recalls", {"agentmem.by": "words"}),
        ("recall.duration", {"agentmem.by": "words"}),
        ("compaction.tokens_before", {}),
        ("compaction.tokens_after", {}),
        ("compaction.tokens_removed", {}),
        ("restore.duration", {}),
        ("summarize.duration", {}),
    ],
)
def test_metrics_are_counted(talked, name, attributes):
    points = talked[1][f"agentmem.{name}"].data.data_points
    [point] = [point for point in points if dict(point.attributes) == attributes]
    assert (point.value if hasattr(point, "value") else point.count) >= 1


def test_tokens_before_and_after_a_compaction_are_measured(talked):
    before, after, removed = (
        talked[1][f"agentmem.compaction.tokens_{name}"].data.data_points[0] for name in ("before", "after", "removed")
    )
    assert before.sum - after.sum == removed.sum > 0


def test_quotes_of_a_model_are_counted_by_whether_they_were_found(exported):
    message = {"role": "user", "content": [{"text": "Never open gate 1."}], "tracking_id": "a"}
    right = {"number": 1, "kind": "bound", "text": "Never open", "message": handle_of("a"), "said_by": "user"}
    quotes = [right, {**right, "text": "Open gate 1."}, {**right, "said_by": "assistant"}]
    model = ScriptedModel([ToolCall("ConversationSummary", {"narrative": "A gate.", "quotes": quotes})])
    ModelSummarizer(model, ExtractiveSummarizer(Judge(None))).summarize(None, [message], max_tokens=500, count=len)
    metrics_read = exported[1].get_metrics_data().resource_metrics
    counted = {
        metric.name: [getattr(point, "value", None) for point in metric.data.data_points]
        for resource in metrics_read
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert (counted["agentmem.quotes.verified"], counted["agentmem.quotes.dropped"]) == ([1], [2])


def test_no_span_carries_text_or_the_actor(talked):
    spans, named = talked
    everything = str([dict(span.attributes) for span in spans]) + str(named)
    assert "secret" not in everything
    assert "somebody-private" not in everything


def test_an_outage_is_counted_by_what_it_cost(exported):
    session = Session(actor="somebody-private")
    config = MemoryConfig(
        memory_id=session.memory_id,
        region="us-west-2",
        namespaces=(),
        boto_session=session.boto,
        writes=WriteConfig(queue_limit=1),
    )
    before = _totals(exported)
    with session.memory.faults.inject("access_denied", "*"):
        hook = config.bind("somebody-private", "s-1").hook()
        agent = Agent(model=ScriptedModel(default="Yes."), hooks=[hook], callback_handler=None)
        agent("secret 1")
        agent("secret 2")
    agent("secret 3")
    assert (hook.status.saved, hook.status.dropped) == (2, 4)
    assert _totals(exported) - before == {
        "agentmem.messages.saved": 2,
        "agentmem.messages.dropped": 4,
        "agentmem.events.failed": 2,
        "agentmem.degraded, restore": 1,
    }


def _totals(exported):
    """Every counter by its name and attribute."""
    data = exported[1].get_metrics_data()
    metrics_ = [one for resource in data.resource_metrics for scope in resource.scope_metrics for one in scope.metrics]
    return Counter(
        {
            ", ".join([one.name, *point.attributes.values()]): point.value
            for one in metrics_
            for point in one.data.data_points
            if hasattr(point, "value") and one.name.startswith("agentmem.")
        }
    )
