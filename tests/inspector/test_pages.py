"""Every page shows what the memory holds, escaped, and what a command line would say of the same session."""

from __future__ import annotations

import json
from html import unescape

import pytest
from looked_at import BASE, browser, calls_of, links, memory_of, read, text_of

from agentmem import MemoryConfig
from agentmem.cli.demo import THRESHOLD
from agentmem.errors import ConfigurationError
from agentmem.inspector.pages.routes import PAGES
from agentmem.inspector.views import compactions as compaction_views
from agentmem.inspector.views.context import read_context
from agentmem.inspector.views.place import Place
from agentmem.local import LocalMemory
from agentmem.messages.text import message_text
from agentmem.session_manager.session_view import SessionView
from agentmem.testing.sample_checkpoints import checkpoint, entry


@pytest.fixture(scope="module")
def page(demo):
    client = browser(demo.config)

    def get(path, place=demo.long, **parameters):
        answer = client.get(place.link(path, **parameters))
        assert answer.status_code == 200, answer.text
        return answer.text

    return get


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_a_heading_a_title_and_its_language(page, path):
    texts, tags = read(page(path))
    assert [tag for tag, _ in tags].count("h1") == 1
    assert ("html", {"lang": "en"}) in tags
    assert any("· agentmem" in text for text in texts)
    ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_actors_and_sessions_are_found_newest_first(page, demo):
    assert "/sessions?actor=ana" in links(page("/"), "href")
    found = browser(demo.config).get("/sessions?actor=ana").text
    sessions = [link for link in links(found, "href") if link.startswith("/session?")]
    # The chat's own tests may have begun newer sessions before.
    assert sessions.index(demo.long.link("/session")) < sessions.index(demo.facts.link("/session"))


def test_a_search_finds_a_session_by_a_part_of_its_id(demo):
    client = browser(demo.config)
    found = client.get("/sessions", params={"actor": "ana", "search": demo.facts.session_id[-6:].upper()}).text
    assert [link for link in links(found, "href") if link.startswith("/session?")] == [demo.facts.link("/session")]
    assert "No session has" in text_of(client.get("/sessions?actor=ana&search=nowhere").text)


def test_the_timeline_shows_every_message_and_folds_tool_calls(page, demo):
    text = text_of(page("/session"))
    assert "Where is the key of Casa Azul?" in text
    assert "calls search_hotels" in text
    assert "Search hotels in Porto for four nights." in text
    folded = [tag for tag, _ in read(page("/session"))[1]]
    assert folded.count("details") >= 18


def test_a_cut_message_comes_whole_on_a_click(page, demo):
    whole = next(link for link in links(page("/session"), "data-fetch") if link.startswith("/part/message"))
    timeline, message = text_of(page("/session")), text_of(browser(demo.config).get(whole).text)
    assert len(message) > 2_000
    assert message not in timeline


def test_the_context_counts_as_the_command_line_does(demo):
    view = SessionView(demo.config, demo.long.actor_id, demo.long.session_id, fixed_tokens=100)
    shown = read_context(demo.config, demo.long, fixed_tokens=100)
    assert shown.tokens == view.tokens
    messages = sum(one.tokens for one in view.shown())
    assert sum(shown.parts.values()) == 100 + view.pinned_tokens + view.summary_tokens + messages
    assert shown.threshold == THRESHOLD


def test_the_system_prompt_and_the_tools_are_estimated_from_the_last_report(demo):
    view = read_context(demo.config, demo.long)
    assert view.fixed_is_estimated
    assert 50 < view.parts["fixed"] < 1_000


def test_every_summary_line_leads_to_the_message_it_is_from(page, demo):
    originals = {link for link in links(page("/context"), "data-fetch") if link.startswith("/part/original")}
    assert len(originals) >= 3
    lines = [line for line in read_context(demo.config, demo.long).summary if line.handle]
    assert lines
    for line in lines:
        original = text_of(page("/part/original", handle=line.handle))
        quoted = line.text.partition(" → ")[0].removeprefix("user: ").removeprefix("assistant: ")
        assert quoted in original


def test_each_compaction_is_shown_before_and_after(page, demo):
    history = compaction_views.read_history(demo.config, demo.long)
    assert [one.version for one in history] == [2, 1]
    for one in history:
        text = text_of(page("/part/compaction", version=one.version))
        assert f"{one.tokens_before:,} tokens" in text
        assert f"{one.tokens_after:,} tokens" in text
        for line in one.summary.render().splitlines():
            assert line in text
    change = compaction_views.compare(history[0], history[1])
    assert len(change.folded) == change.newly_folded == history[0].folded_messages - history[1].folded_messages


def test_what_stays_in_view_is_told_from_what_was_folded():
    folded, head, boundary, later = (entry(number) for number in range(4))
    found = compaction_views.compare(
        checkpoint(1, boundary=boundary.position, head=(head.position,), index=(later, folded, boundary, head)), None
    )
    assert found.folded == (folded,)
    assert found.shortened == (head, boundary, later)


def test_a_dry_run_is_what_a_compaction_with_these_settings_would_do(page, demo):
    compaction = demo.config.compaction.replace(protected_turns=1)
    view = SessionView(demo.config.replace(compaction=compaction), demo.long.actor_id, demo.long.session_id)
    planned = view.plan()
    run = compaction_views.dry_run(demo.config, demo.long, {"protected_turns": "1"})
    assert run.outcome == planned
    assert run.counts["folded"] == planned.folded
    assert run.counts["shortened"] == planned.shortened
    assert f"{planned.tokens_after:,} tokens" in text_of(page("/part/dry-run", protected_turns=1))
    assert len(compaction_views.read_history(demo.config, demo.long)) == 2  # nothing was written


def test_a_setting_that_is_none_is_explained(demo):
    answer = browser(demo.config).get(demo.long.link("/part/dry-run", token_threshold="many"))
    assert answer.status_code == 400
    assert "token_threshold" in text_of(answer.text)


def test_a_search_shows_every_score_and_a_threshold(page, demo):
    found = page("/long-term", demo.facts, namespace="facts", query="Where does Marta live?")
    scores = [float(score) for score in links(found, "data-score")]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 3
    assert "Porto" in text_of(found)
    assert links(found, "data-threshold") == ["found"]


def test_a_failed_extraction_job_is_shown_at_its_event():
    service = LocalMemory(extractor=_fails, extraction_delay=0.0)
    config = MemoryConfig.local(service)
    place = Place("ann", "s-1")
    created = config.data_plane().create_event(
        memoryId=config.memory_id,
        actorId="ann",
        sessionId="s-1",
        eventTimestamp=1_800_000_000,
        payload=[{"conversational": {"role": "USER", "content": {"text": "I live in Porto."}}}],
    )
    jobs = browser(config).get(place.link("/part/jobs")).text
    assert created["event"]["eventId"] in links(jobs, "data-failed-event")
    timeline = browser(config).get(place.link("/session")).text
    assert created["event"]["eventId"] in links(timeline, "data-event")


def _fails(*_args, **_options):
    raise ValueError("no")


def test_request_sizes_are_those_the_model_reported(page):
    text = text_of(page("/part/sizes"))
    assert "requests20" in text
    labels = links(page("/part/sizes"), "aria-label")
    assert any("20 requests to the model" in label and "2 compactions" in label for label in labels)


def test_text_of_a_memory_is_never_markup():
    nasty = """<script>alert(1)</script><img src=x onerror=alert(1)>"'&amp;"""
    service = LocalMemory(extraction_delay=10_000.0)
    config = MemoryConfig.local(service)
    message = {
        "role": "assistant",
        "content": [
            {"text": nasty},
            {"toolUse": {"toolUseId": "t1", "name": nasty, "input": {nasty: nasty}}},
            {
                "toolResult": {
                    "toolUseId": "t1",
                    "status": "error",
                    "content": [{"text": nasty}, {"json": {"a": nasty}}],
                }
            },
            {"reasoningContent": {"reasoningText": {"text": nasty}}},
            {nasty: {}},
        ],
        "tracking_id": nasty,
    }
    config.data_plane().create_event(
        memoryId=config.memory_id,
        actorId="ann",
        sessionId="s-1",
        eventTimestamp=1_800_000_000,
        payload=[
            {
                "conversational": {
                    "role": "ASSISTANT",
                    "content": {"text": json.dumps({"message": message, "message_id": 0})},
                }
            }
        ],
    )
    config.data_plane().batch_create_memory_records(
        memoryId=config.memory_id,
        records=[
            {
                "requestIdentifier": "r1",
                "namespaces": ["/users/ann/facts/"],
                "content": {"text": nasty},
                "timestamp": 1_800_000_000,
            }
        ],
    )
    client = browser(config, writable=True)
    place = Place("ann", "s-1")
    for path in PAGES:
        html = client.get(place.link(path, query=nasty, search=nasty, namespace="facts")).text
        tags = [tag for tag, _ in read(html)[1]]
        assert "img" not in tags
        assert all(attrs.get("src", "").startswith("/static/") for tag, attrs in read(html)[1] if tag == "script")
    html = client.get(place.link("/session")).text
    assert nasty in "".join(read(html)[0])
    assert unescape(unescape(html)).count("<script>alert(1)") >= 3


def test_pages_without_content_say_so():
    memory = memory_of(events=0, namespaces=())
    client = browser(memory.config)
    assert "There is no actor yet." in text_of(client.get("/").text)
    for path, said in [
        ("/session", "has no events"),
        ("/context", "has no events"),
        ("/compactions", "was not compacted yet"),
        ("/long-term", "has no namespaces"),
    ]:
        assert said in text_of(client.get(memory.place.link(path)).text)


@pytest.mark.parametrize("path", ["/session", "/context", "/compactions", "/long-term", "/chat"])
def test_a_malformed_id_is_an_explained_error_and_no_crash(demo, path):
    answer = browser(demo.config).get(Place("-bad actor", "s").link(path))
    assert answer.status_code == 400
    assert "actor" in text_of(answer.text)


def test_a_refusal_of_the_service_is_shown_and_not_taken_for_an_empty_memory():
    memory = memory_of()
    memory.config.control_plane().delete_memory(memoryId=memory.config.memory_id)
    answer = browser(memory.config).get(memory.place.link("/session"))
    assert answer.status_code in {400, 502}
    assert "no events" not in answer.text


def test_a_page_says_how_many_calls_it_made(page):
    assert calls_of(page("/")) == 1
    assert calls_of(page("/session")) == 1
    assert calls_of(page("/context")) == 1


def test_checkpoints_in_another_process_are_explained_and_the_timeline_still_draws(demo):
    from agentmem import InMemoryCheckpoints

    config = demo.config.replace(checkpoints=InMemoryCheckpoints())
    client = browser(config)
    assert client.get(demo.long.link("/compactions")).status_code == 400
    assert client.get(demo.long.link("/part/sizes")).status_code == 200
    with pytest.raises(ConfigurationError):
        compaction_views.read_history(config, demo.long)


def test_a_record_is_deleted_only_through_the_form_that_asks(demo):
    memory = memory_of(events=0)
    client, config = browser(memory.config, writable=True), memory.config
    config.data_plane().batch_create_memory_records(
        memoryId=config.memory_id,
        records=[
            {
                "requestIdentifier": "r1",
                "namespaces": ["/users/ann/facts/"],
                "content": {"text": "Ann lives in Porto."},
                "timestamp": 1_800_000_000,
            }
        ],
    )
    shown = client.get(memory.place.link("/long-term", namespace="facts")).text
    [form] = [attrs for tag, attrs in read(shown)[1] if attrs.get("data-do") == "/do/delete-record"]
    assert form["data-ask"]
    [record] = [attrs["value"] for _, attrs in read(shown)[1] if attrs.get("name") == "record"]
    answer = client.post("/do/delete-record", json={"record": record}, headers={"Origin": BASE})
    assert answer.status_code == 200
    assert "There is no record here yet." in client.get(memory.place.link("/long-term", namespace="facts")).text


def test_forgetting_counts_first_and_then_deletes():
    memory = memory_of()
    client = browser(memory.config, writable=True)
    counted = client.post("/do/forget/count", json={"actor": "ann"}, headers={"Origin": BASE}).json()["message"]
    assert "3 events" in counted
    assert "user said" in client.get(memory.place.link("/session")).text
    client.post("/do/forget", json={"actor": "ann"}, headers={"Origin": BASE})
    assert "no events" in client.get(memory.place.link("/session")).text


def test_the_texts_of_the_demo_are_those_of_the_log(page, demo):
    view = SessionView(demo.config, demo.long.actor_id, demo.long.session_id)
    shown = text_of(page("/context"))
    for one in view.shown():
        first = message_text(one.message).splitlines()[0][:60]
        assert first.partition("(")[0][:20] in shown


def test_a_statement_is_pinned_shown_to_the_model_and_unpinned():
    memory = memory_of(session="pins")
    client = browser(memory.config, writable=True)
    bound = memory.config.bind("ann", "pins")
    given = {"actor": "ann", "session": "pins"}
    answer = client.post("/do/pin", json={**given, "text": "Never call <Ann> by phone."}, headers={"Origin": BASE})
    assert answer.json()["message"] == "The statement is pinned."
    [pin] = bound.pins()
    context = client.get(memory.place.link("/context")).text
    assert "Never call <Ann> by phone." in text_of(context)
    assert read_context(memory.config, memory.place).parts["pinned"] > 5
    forms = [attrs for _, attrs in read(context)[1] if attrs.get("data-do") in {"/do/pin", "/do/unpin"}]
    assert len(forms) == 2
    assert all(form["data-ask"] for form in forms)
    assert "Never call <Ann> by phone." in text_of(browser(memory.config).get(memory.place.link("/context")).text)
    refused = client.post("/do/pin", json={**given, "text": " "}, headers={"Origin": BASE})
    assert refused.status_code == 400
    client.post("/do/unpin", json={**given, "pin": pin.pin_id}, headers={"Origin": BASE})
    assert bound.pins() == ()
