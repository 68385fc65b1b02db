"""What an answer holds: passages of several messages, more when asked again, and what it costs to get them."""

from __future__ import annotations

import itertools

import pytest
from strands import tool

from agentmem.checkpoints.checkpoint import CheckpointKey
from agentmem.checkpoints.event_log import EventLogCheckpointStore
from agentmem.checkpoints.restore import read_session
from agentmem.compaction.summary.extractive import ExtractiveSummarizer
from agentmem.config import MemoryConfig
from agentmem.events.codec import decode_event
from agentmem.events.reader import EventReader
from agentmem.events.serializer import agentmem_item, encode_message
from agentmem.messages.cutting import RECALL_TOOL
from agentmem.messages.tokens import count_text
from agentmem.messages.truncation import TruncationSettings
from agentmem.operations.forgetting import Forgetting
from agentmem.recall.recall import SessionRecall
from agentmem.recall.seen import ORIGINAL_BYTES
from agentmem.session_manager.backfill import Backfill
from agentmem.testing import Reply, ScriptedModel, ToolCall
from sessions import Session

START = 1_700_000_000


@pytest.fixture
def session():
    return Session()


def write(session, *texts, start=0):
    for number, text in enumerate(texts, start=start):
        role = "assistant" if number % 2 else "user"
        message = {"role": role, "content": [{"text": text}], "tracking_id": f"t-{number}"}
        session.data.create_event(
            **session.address.parameters(), eventTimestamp=START + number, payload=[encode_message(message)]
        )


def recall_of(session, store=None):
    key = CheckpointKey(session.memory_id, "ann", session.address.session_id, "default")
    reader = EventReader(session.data, session.address)
    return SessionRecall(reader, store or EventLogCheckpointStore(session.data), key)


def folded(session, pages_a_checkpoint=100):
    """Fold the whole session, a checkpoint for each page of events."""
    key = CheckpointKey(session.memory_id, "ann", session.address.session_id, "default")
    reader, store = EventReader(session.data, session.address), EventLogCheckpointStore(session.data)
    unread = read_session(reader, store, key, enough=lambda events: len(events) >= pages_a_checkpoint)
    Backfill(reader, store, key, TruncationSettings(), ExtractiveSummarizer(), 500, max_events=50_000).fold(unread)


def filler(number):
    return f"Entry {number}: the shelf holds paper, ink and string, nothing else of note."


# --- what is in an answer


def test_a_question_with_several_parts_gets_several_parts(session):
    texts = [filler(number) for number in range(60)]
    texts[5], texts[31], texts[50] = (
        "The harbour opens at nine.",
        "The museum charges twelve euros.",
        "Our guide in Bergen is called Solveig.",
    )
    write(session, *texts)
    found = recall_of(session).by_words("When does the harbour open, what does the museum charge, who is our guide?")
    said = [one.text for one in found]
    assert {texts[5], texts[31], texts[50]} <= set(said[:6])


def test_a_large_message_is_cut_to_its_best_passage_wherever_it_ranks(session):
    rows = [f"row {number}: paper and ink, nothing else of note in it" for number in range(900)]
    rows[700] = "row 700: the observatory key hangs behind the third lamp"
    write(session, "The observatory key? I asked about the observatory key.", "\n".join(rows), *map(filler, range(20)))
    found = recall_of(session).by_words("where is the observatory key?", max_tokens=400)
    assert any("behind the third lamp" in one.text for one in found)
    assert sum(count_text(one.text) for one in found) <= 400
    [large] = [one for one in found if "third lamp" in one.text]
    assert f'recall_session(handle="{large.handle}")' in large.text
    assert len(large.content[0]["text"]) > 30_000


def test_neighbouring_passages_come_as_one_text_and_distant_ones_with_a_gap(session):
    rows = [f"row {number}: paper and ink, nothing else of note in it" for number in range(60)]
    rows[10] = "row 10: the lantern was sold to Inger"
    rows[50] = "row 50: the lantern was bought back"
    write(session, "\n".join(rows), *map(filler, range(5)))
    [found] = [one for one in recall_of(session).by_words("lantern", max_tokens=500) if "lantern" in one.text]
    assert found.text.index("sold to Inger") < found.text.index("[…]") < found.text.index("bought back")


@pytest.mark.parametrize("budget", [12, 40, 100, 300, 1_000, 4_000])
def test_an_answer_keeps_its_budget_and_is_word_for_word(session, budget):
    texts = [
        f"Note {number} of the lighthouse keeper: " + "the lamp was lit at dusk. " * (number % 40)
        for number in range(40)
    ]
    write(session, *texts)
    found = recall_of(session).by_words("what did the lighthouse keeper note?", max_tokens=budget)
    assert found
    assert sum(count_text(one.text) for one in found) <= budget
    for one in found:
        for part in one.text.split("\n[a part of")[0].split("\n[…]\n"):
            assert any(part in text for text in texts)


# --- asked again


def test_the_same_question_again_returns_the_next_passages_until_all_were_returned(session):
    texts = [f"Visit {number}: the ferry to Askøy was late by {number + 10} minutes again." for number in range(30)]
    write(session, *texts)
    recall = recall_of(session)
    rounds = []
    for _ in range(30):
        rounds.append([one.text for one in recall.by_words("how late was the ferry to Askøy?", max_tokens=120)])
        if not recall.has_more:
            break
    returned = list(itertools.chain(*rounds))
    assert len(rounds) > 3
    assert sorted(returned) == sorted(texts)  # each once
    assert [one.text for one in recall.by_words("how late was the ferry to Askøy?", max_tokens=120)] == rounds[0]


def test_another_question_in_between_begins_anew(session):
    write(session, *(f"Visit {number}: the ferry was late." for number in range(40)))
    recall = recall_of(session)
    first = recall.by_words("was the ferry late?", max_tokens=100)
    recall.by_words("and the train?", max_tokens=100)
    assert recall.by_words("was the ferry late?", max_tokens=100) == first


def test_a_bound_session_goes_on_too_and_says_why(tmp_path):
    config = MemoryConfig.local(tmp_path)
    memory = config.bind("ann", "s-1")
    for number in range(30):
        memory.client.create_event(
            **memory.event_options(),
            memoryId=memory.memory_id,
            actorId="ann",
            sessionId="s-1",
            eventTimestamp=START + number,
            payload=[encode_message({"role": "user", "content": [{"text": f"Visit {number}: the ferry was late."}]})],
        )
    first, second = (memory.recall("was the ferry late?", max_tokens=60, explain=True) for _ in range(2))
    assert not {one.text for one in first} & {one.text for one in second}
    assert all("has " in why for one in first for why in one.why)
    assert all(one.why == () for one in config.bind("ann", "s-1").recall("was the ferry late?"))


def test_the_tool_tells_the_model_how_to_get_more_and_lists_by_time(session):
    @tool
    def nothing() -> str:
        """Do nothing."""
        return "nothing"

    # More than the two thousand tokens of the tool's answer.
    texts = [
        f"Visit {number}: the ferry to Askøy was late by {number + 10} minutes, once more." for number in range(150)
    ]
    write(session, *texts)
    script = [Reply(tool_calls=[ToolCall("recall_session", {"query": "how late was the ferry?"})]), "Late."]
    agent = session.agent(session.manager(), ScriptedModel(script), tools=[nothing])
    agent("How late was it?")
    said = agent.model.requests[-1].messages[-1]["content"][0]["toolResult"]["content"][0]["text"]
    assert "the same query again returns the next ones" in said
    numbers = [int(line.split(":")[0].removeprefix("Visit ")) for line in said.splitlines() if line.startswith("Visit")]
    assert numbers == sorted(numbers)
    assert len(numbers) > 50


# --- in the running turn


@pytest.mark.parametrize(
    ("token_threshold", "said_of_it"), [(12_000, "characters left out"), (6_000, "<conversation_summary")]
)
def test_what_a_long_turn_shortened_or_folded_is_found_in_that_turn_and_after_a_restart(
    session, token_threshold, said_of_it
):
    codes = [f"KITE-{7_919 * (number + 3) % 100_000:05d}" for number in range(20)]

    @tool
    def read_file(path: str) -> str:
        """Read a file.

        Args:
            path: Its path.
        """
        number = int(path.split("_")[1].split(".", maxsplit=1)[0])
        rows = [f"shelf {row * 7 + number}, box {row}: {row % 9} of {row * 3}" for row in range(120)]
        rows.insert(60 + number, f"release code: {codes[number]}")
        return "\n".join(rows)

    asked = []

    @tool
    def look_back() -> str:
        """Ask for every code."""
        asked.append(found_by(manager.recall))
        return "done"

    def found_by(recall):
        questions = (f"what is the release code in report_{number}.txt?" for number in range(20))
        answers = (recall.by_words(question, max_tokens=1_000) for question in questions)
        return [code for code, answer in zip(codes, answers, strict=True) if any(code in one.text for one in answer)]

    manager = session.manager(token_threshold=token_threshold)
    calls = [Reply(tool_calls=[ToolCall("read_file", {"path": f"/data/report_{number}.txt"})]) for number in range(20)]
    script = ScriptedModel([*calls, Reply(tool_calls=[ToolCall("look_back")]), "Done."])
    agent = session.agent(manager, script, tools=[read_file, look_back])
    agent("Read all the reports.")
    assert said_of_it in str(agent.messages)
    assert asked == [codes]
    assert found_by(recall_of(session)) == codes
    again = session.manager(token_threshold=token_threshold)
    session.agent(again, tools=[read_file])
    assert found_by(again.recall) == codes


# --- calls, memory, forgetting


@pytest.mark.parametrize(("events", "most"), [(250, 6), (500, 6)])
def test_a_first_question_makes_few_calls_and_the_next_one(session, events, most):
    write(session, *(f"Locker {number} has code Z{number * 37 % 1000:03d}." for number in range(events)))
    folded(session)
    recall = recall_of(session)
    for number in (events // 2, 3, events - 1):
        before = session.calls.copy()
        found = recall.by_words(f"Which code has locker {number}?", max_tokens=1_000)
        assert f"Locker {number} has code" in found[0].text
        assert (session.calls - before).total() <= most
    before = session.calls.copy()
    recall.by_words("Which code has locker 3?", max_tokens=100)
    assert (session.calls - before).total() == 1


def test_of_an_original_read_for_its_index_entry_what_was_recalled_is_left_out(session):
    uses = [{"toolUse": {"toolUseId": name, "name": name, "input": {}}} for name in (RECALL_TOOL, "weather")]
    texts = {RECALL_TOOL: "It rained in Oslo, as was said before.", "weather": "It rains in Bergen."}
    results = [
        {"toolResult": {"toolUseId": name, "status": "success", "content": [{"text": text}]}}
        for name, text in texts.items()
    ]
    messages = [{"role": "assistant", "content": uses}, {"role": "user", "content": results}]
    payload = [encode_message({**message, "tracking_id": f"r-{at}"}) for at, message in enumerate(messages)]
    session.data.create_event(**session.address.parameters(), eventTimestamp=START, payload=payload)
    write(session, *map(filler, range(1, 260)), start=1)
    folded(session)
    found = recall_of(session).by_words("does it rain?", max_tokens=30)
    assert [one.text for one in found if one.role == "user"] == ["It rains in Bergen."]


def test_new_events_of_another_process_are_found_with_the_next_question(session):
    write(session, *map(filler, range(30)))
    recall = recall_of(session)
    assert not [one for one in recall.by_words("zeppelin") if "zeppelin" in one.text]
    write(session, *map(filler, range(30, 60)), "The zeppelin lands at noon.", start=30)
    assert "The zeppelin lands at noon." in [one.text for one in recall.by_words("when does the zeppelin land?")]


def test_what_is_kept_is_bounded(session):
    text = "The captain wrote: " + "wind from the north, sea calm. " * 3_000
    write(session, *(f"{number} {text}" for number in range(70)))
    recall = recall_of(session)
    assert "captain" in recall.by_words("what did the captain write?")[0].text
    assert recall._seen._originals_size <= ORIGINAL_BYTES
    assert len(recall._seen._originals) < 70


def test_what_was_forgotten_is_not_kept(tmp_path):
    config = MemoryConfig.local(tmp_path)
    memory = config.bind("ann", "s-1")
    write_to = Session.__new__(Session)
    write_to.data, write_to.address = memory.client, _address(memory)
    write(write_to, "The zeppelin lands at noon.")
    assert memory.recall("zeppelin")
    forgetting = Forgetting(config, "ann")
    forgetting.forget(forgetting.find())
    assert memory.recall("zeppelin") == []


def _address(memory):
    from agentmem.scope.address import SessionAddress

    return SessionAddress(memory.memory_id, memory.actor_id, memory.session_id)


# --- the index in the event log


def test_the_index_of_many_checkpoints_is_read_in_few_calls_and_whole(session):
    write(session, *(f"Locker {number} has code Z{number * 37 % 1000:03d}." for number in range(700)))
    folded(session)
    key = CheckpointKey(session.memory_id, "ann", "s-1", "default")
    reader, store = EventReader(session.data, session.address), EventLogCheckpointStore(session.data)
    _, parts = store.index_parts(reader.page().events, reader.get, key, ())
    read = [entry.handle for _, entries in parts for entry in entries]
    kept = [entry.handle for checkpoint in store.history(key) for entry in checkpoint.index]
    assert len(read) == len(set(read)) >= 500
    assert sorted(read) == sorted(kept)


def test_a_restore_does_not_read_the_index(session):
    write(session, *map(filler, range(400)))
    folded(session)
    page = session.data.list_events(**session.address.parameters(), maxResults=1)["events"]
    carried = decode_event(page[0]).ours["checkpoint"]
    broken = {**carried, "checkpoint": {**carried["checkpoint"], "index": "broken"}, "merged": "broken"}
    session.data.create_event(
        **session.address.parameters(),
        eventTimestamp=page[0]["eventTimestamp"],
        payload=[agentmem_item("checkpoint", {name: part for name, part in broken.items() if name != "agentmem"})],
    )
    session.data.delete_event(**session.address.parameters(), eventId=page[0]["eventId"])
    agent = session.agent(session.manager())
    assert agent.messages
