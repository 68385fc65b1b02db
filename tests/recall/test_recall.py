"""Recall: whatever compaction takes away comes back as it was, by the handle that stands in its place or by words."""

from __future__ import annotations

import itertools
import json
import re
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from strands import Agent, tool

from agentmem.checkpoints.checkpoint import CheckpointKey
from agentmem.checkpoints.event_log import EventLogCheckpointStore
from agentmem.checkpoints.in_memory import InMemoryCheckpointStore
from agentmem.checkpoints.restore import read_session
from agentmem.compaction.budget import cut_oversized
from agentmem.compaction.compactor import Compactor
from agentmem.compaction.policy import Limits
from agentmem.compaction.summary.extractive import ExtractiveSummarizer
from agentmem.config import MemoryConfig
from agentmem.events.position import Position
from agentmem.events.reader import EventReader
from agentmem.events.serializer import encode_message
from agentmem.messages.cutting import RECALL_TOOL
from agentmem.messages.tokens import count_text
from agentmem.messages.truncation import TruncationSettings, handle_of, names_of_tools, numbered_blocks
from agentmem.messages.turns import without_recall
from agentmem.recall.recall import SessionRecall
from agentmem.recall.tool import recall_tool
from agentmem.scope.address import SessionAddress
from agentmem.session_manager.backfill import Backfill
from agentmem.testing import Reply, ScriptedModel, ToolCall
from gears import examples
from histories import histories
from sessions import Session
from summaries import without_summary

HANDLE = re.compile(rf'{RECALL_TOOL}\(handle="([0-9a-f]{{12}}\.\d+)"\)')


@pytest.fixture(scope="module")
def place():
    return Session()


@pytest.fixture
def session():
    return Session()


# --- everything removed comes back ------------------------------------------------------------------------------

limits = st.builds(
    lambda threshold, share, protected: Limits(threshold, int(threshold * share), protected, threshold // 5),
    st.sampled_from([300, 1_000, 3_000, 8_000]),
    st.floats(0.2, 0.8),
    st.integers(1, 3),
)
settings_ = st.builds(
    TruncationSettings,
    st.integers(0, 500),
    keep_media=st.booleans(),
    hard_tool_content_length=st.sampled_from([1_000, 100_000]),
)
_numbers = itertools.count()


@dataclass
class Line:
    """A history that is written, shown and compacted as it grows: a manager without the agent."""

    place: Session
    limits: Limits
    settings: TruncationSettings
    in_log: bool
    shown: list[Any] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)

    def __post_init__(self) -> None:
        number = next(_numbers)
        self.key = CheckpointKey(self.place.memory_id, "ann", f"line-{number}", "default")
        self.address = SessionAddress(self.place.memory_id, "ann", f"line-{number}")
        self.compactor = Compactor(self.settings, ExtractiveSummarizer(), recall_tool=True)
        self.store = EventLogCheckpointStore(self.place.data) if self.in_log else InMemoryCheckpointStore()
        self.began = time.time()

    def write(self, messages: list[Any]) -> None:
        items = [encode_message(message) for message in messages]
        payload = [item for item in items if item is not None]
        event = self.place.data.create_event(
            **self.address.parameters(), eventTimestamp=self.began + len(self.positions) / 1_000, payload=payload
        )["event"]
        stored = itertools.count()
        for message, item in zip(messages, items, strict=True):
            if item is not None:  # what says nothing is not in the log
                self.positions[message["tracking_id"]] = Position(event["eventId"], next(stored))

    def before_model(self) -> None:
        """What the manager does before a model call, and what becomes of its checkpoint."""
        cut_oversized(self.shown, self.compactor)
        before = self.compactor.count(self.shown)
        if before < self.limits.threshold:
            return
        shown = self.compactor.compact(self.shown, self.limits, fixed_tokens=0, trigger="threshold")
        if shown is None:
            return
        assert self.compactor.count(shown) <= before
        self.shown[:] = shown
        draft = self.compactor.draft
        assert draft is not None
        checkpoint = draft.placed(self.positions)
        assert checkpoint is not None
        self.store.save(self.key, checkpoint)
        self.compactor.saved(checkpoint, draft)

    def recall(self) -> SessionRecall:
        """Recall as another process has it: it knows nothing but what is stored."""
        reader = EventReader(self.place.data, self.address)
        return SessionRecall(reader, EventLogCheckpointStore(self.place.data) if self.in_log else self.store, self.key)


def _stored(message: Any, names: dict[str, str]) -> Any:
    """A message without what is never recalled: blank texts, which the log does not keep, and recalls themselves."""
    content = [block for block in message["content"] if "text" not in block or block["text"].strip()]
    return without_recall({**message, "content": content}, names) if content else None


@settings(max_examples=examples(80), phases=[Phase.reuse, Phase.generate])
@given(histories(max_turns=5), limits, settings_, st.sampled_from([True, False, False, False]))
def test_every_byte_that_was_removed_is_recalled(place, messages, limits, settings, in_log):
    line = Line(place, limits, settings, in_log)
    written = 0
    for at, message in enumerate(messages):
        line.shown.append(message)
        if message["role"] == "user":
            line.write(messages[written : at + 1])
            written = at + 1
            line.before_model()
    recall, names = line.recall(), names_of_tools(messages)
    originals = {handle_of(message["tracking_id"]): message for message in messages}
    shown = {one["tracking_id"]: without_summary(one)["content"] for one in line.shown}
    for handle, message in originals.items():
        expected = _stored(message, names)
        if expected is not None and shown.get(message["tracking_id"]) != message["content"]:
            found = recall.by_handle(handle)
            assert found is not None, message
            assert list(found.content) == expected["content"]
    for named in set(
        HANDLE.findall(json.dumps(list(shown.values()), ensure_ascii=False, default=repr).replace('\\"', '"'))
    ):
        handle, number = named.split(".")
        found = recall.by_handle(named)
        assert found is not None
        assert found.content == (dict(numbered_blocks(originals[handle]))[int(number)],)


# --- what comes back, and how much of it ------------------------------------------------------------------------


def _opened(session, script, *, tools=(), **compaction):
    manager = session.manager(token_threshold=3_000, **compaction)
    return manager, session.agent(manager, ScriptedModel(script), tools=list(tools))


def _recall_of(agent, **given):
    """Let the agent call its recall tool once; returns the result as its model sees it."""
    agent.model = ScriptedModel([Reply(tool_calls=[ToolCall(RECALL_TOOL, given)]), "Thanks."])
    agent("One moment.")
    return agent.model.requests[-1].messages[-1]["content"][0]["toolResult"]["content"]


PNG = b"\x89PNG\r\n" + bytes(range(256)) * 8


def test_an_image_that_was_left_out_is_shown_again(session):
    @tool
    def camera() -> dict:
        """Take a picture."""
        image = {"image": {"format": "png", "source": {"bytes": PNG}}}
        return {"status": "success", "content": [{"text": "The east gate."}, image]}

    _, agent = _opened(session, [Reply(tool_calls=[ToolCall("camera")]), "A gate."], tools=[camera], protected_turns=1)
    agent("Show me the gate.")
    agent.model = ScriptedModel(["It is."])
    agent("word " * 4_000)
    [handle] = [found for found in HANDLE.findall(json.dumps(agent.messages).replace('\\"', '"')) if found[-1] == "0"]
    text, image = _recall_of(agent, handle=handle)
    assert "The east gate." in text["text"]
    assert image == {"image": {"format": "png", "source": {"bytes": PNG}}}


def test_a_long_original_comes_in_pages_that_make_up_the_whole(session):
    @tool
    def dump() -> str:
        """Dump everything."""
        return original

    original = "".join(f"line {number} of the dump\n" for number in range(1_500))
    _, agent = _opened(
        session, [Reply(tool_calls=[ToolCall("dump")]), "Long."], tools=[dump], max_tool_content_length=60
    )
    agent("Dump it.")
    agent.model = ScriptedModel(["Yes?"])
    agent("Hm.")
    handle = handle_of(agent.messages[2]["tracking_id"])
    pages, page = [], 1
    while True:
        text = _recall_of(agent, handle=handle, page=page)[0]["text"]
        body = text.split("\n", 1)[1]
        pages.append(re.sub(r"\n\[page \d+ of \d+; .*\]$", "", body))
        if f"page={page + 1})" not in text:
            break
        page += 1
    assert len(pages) == 3
    assert "".join(pages) == original
    assert "there is no page 9" in _recall_of(agent, handle=handle, page=9)[0]["text"]
    assert "no message with the handle" in _recall_of(agent, handle="0123456789ab")[0]["text"]


def test_of_a_text_too_long_for_the_answer_the_passage_in_question_is_returned(session):
    manager, agent = _opened(session, ["Noted."])
    rows = [f"Row {number}: the shelf holds paper and ink." for number in range(600)]
    rows[377] = "Row 377: the spare key of the observatory hangs behind the third lamp."
    agent("\n".join(rows))
    [found] = manager.recall.by_words("where is the spare key of the observatory?", max_tokens=300)
    assert "hangs behind the third lamp" in found.text
    assert f'handle="{found.handle}"' in found.text
    assert count_text(found.text) <= 300


@pytest.mark.parametrize(
    "block",
    [
        {"guardContent": {"text": {"text": "The vault opens at nine."}}},
        {"toolResult": {"toolUseId": "x", "content": [{"json": {"vault": "opens at nine"}}]}},
    ],
)
def test_text_in_blocks_of_every_kind_is_found_by_its_words(session, block):
    manager, agent = _opened(session, ["Noted."])
    use = {"role": "assistant", "content": [{"toolUse": {"toolUseId": "x", "name": "look", "input": {}}}]}
    agent.messages += [{"role": "user", "content": [{"text": "Hello."}]}, use, {"role": "user", "content": [block]}]
    agent("Thanks.")
    found = manager.recall.by_words("when does the vault open?")
    assert "opens at nine" in found[0].text


def test_beside_another_tool_a_recall_is_not_recalled(session):
    @tool
    def weather(city: str) -> str:
        """Tell the weather."""
        return f"It rains in {city}."

    manager, agent = _opened(session, ["Noted."], tools=[weather])
    agent("My locker is number 7741.")
    both = [ToolCall(RECALL_TOOL, {"query": "number of my locker"}), ToolCall("weather", {"city": "Bergen"})]
    agent.model = ScriptedModel([Reply(tool_calls=both), "7741, and rain.", *["Go on."] * 8])
    agent("My locker's number, and the weather in Bergen?")
    for _ in range(8):
        agent("word " * 500)
    restarted, _ = _opened(session, [], tools=[weather])
    for recall in (manager.recall, restarted.recall):
        found = recall.by_words("weather Bergen rains", max_tokens=4_000)
        assert any(one.text == "It rains in Bergen." for one in found)
        assert not [one for one in found if "UTC, handle" in one.text]


# --- forty codes, planted elsewhere and otherwise ---------------------------------------------------------------

NAMES = ("ASH", "BAY", "COD", "DEW", "ELM", "FIR", "GUM", "HAY")
CODES = [f"{NAMES[at % 8]}-{7919 * (at + 3) % 10_000:04d}" for at in range(40)]


def _noise(number: int) -> str:
    """About 600 tokens with identifiers, dates and amounts of their own."""
    rows = (f"| {number * 31 + row} | SKU-{number}{row:02d}X | 2031-0{row % 9 + 1}-1{row % 9}" for row in range(20))
    return "\n".join(f"{row} | ${at * 7}.{number:02d} | ok |" for at, row in enumerate(rows))


def _planted(where: str, number: int, code: str) -> tuple[str, Any]:
    """The user's message and the tool's result of one turn."""
    said = f"Please check shelf {number}."
    match where:
        case "in front of the message":
            return f"Approval code for turn {number}: {code}. {said}", _noise(number)
        case "in the middle of a result":
            half = _noise(number).splitlines()
            note = f"note: approval code of turn {number} is {code}"
            return said, "\n".join([*half[:10], note, *half[10:]])
        case "where only the user names the turn":
            return f"This is turn {number}. {said}", f"{_noise(number)}\nApproval code: {code}"
        case "at the end of a result":
            return said, f"{_noise(number)}\nThe approval code of turn {number} is {code}."
        case _:
            return said, {"rows": _noise(number).splitlines(), "turn": number, "approval_code": code}


@pytest.mark.parametrize(
    "where",
    [
        pytest.param("in front of the message", marks=pytest.mark.slow),
        "in the middle of a result",
        pytest.param("at the end of a result", marks=pytest.mark.slow),
        "where only the user names the turn",
        "in a JSON result",
    ],
)
def test_forty_codes_are_found_wherever_they_were_planted(session, where):
    @tool
    def look(shelf: int) -> dict:
        """Look at a shelf."""
        result = _planted(where, shelf, CODES[shelf - 1])[1]
        return {"status": "success", "content": [{"text": result} if isinstance(result, str) else {"json": result}]}

    manager = session.manager(token_threshold=8_000)
    agent = session.agent(manager, tools=[look])
    for number in range(1, 41):
        agent.model = ScriptedModel([Reply(tool_calls=[ToolCall("look", {"shelf": number})]), "Checked."])
        agent(_planted(where, number, CODES[number - 1])[0])
    in_view = json.dumps(agent.messages)
    missing = []
    for number, code in enumerate(CODES, start=1):
        found = manager.recall.by_words(f"what was the approval code of turn {number}?", max_tokens=1_000)
        assert sum(count_text(one.text) for one in found) <= 1_000
        if code not in in_view and not any(code in one.text for one in found):
            missing.append(number)
    assert manager.checkpoint.version > 1
    assert missing == []


def test_a_session_recalls_by_handle_too():
    memory = MemoryConfig.local(":memory:").bind(actor_id="ann", session_id="s-1")
    agent = Agent(model=ScriptedModel(["Noted."]), session_manager=memory.session_manager(), callback_handler=None)
    agent("My locker is number 7741.")
    handle = handle_of(agent.messages[0]["tracking_id"])
    for asked in (handle, f"{handle}.0"):
        assert [one.text for one in memory.recall(asked)] == ["My locker is number 7741."]
    assert memory.recall("0123456789ab") == []
    assert memory.recall("number of my locker")[0].text == "My locker is number 7741."


# --- what no index has ------------------------------------------------------------------------------------------


def _write_log_book(session, entries: int) -> None:
    for number in range(entries):
        text = "The lighthouse key lies in the blue drawer." if not number else f"Entry {number} of the log book."
        role = "assistant" if number % 2 else "user"
        message = {"role": role, "content": [{"text": text}], "tracking_id": f"t-{number}"}
        session.data.create_event(
            **session.address.parameters(), eventTimestamp=1_700_000_000 + number, payload=[encode_message(message)]
        )


def test_a_past_that_nobody_read_is_looked_through_a_step_at_a_time(session):
    _write_log_book(session, 650)
    key = CheckpointKey(session.memory_id, "ann", "s-1", "default")
    reader, store = EventReader(session.data, session.address), InMemoryCheckpointStore()
    unread = read_session(reader, store, key, enough=lambda events: len(events) >= 100)
    Backfill(reader, store, key, TruncationSettings(), ExtractiveSummarizer(), 500, max_events=200).fold(unread)
    recall = SessionRecall(SmallPages(session.data, session.address), store, key)
    question = "where is the lighthouse key?"
    stops = []
    while not recall.by_words(question):
        stops.append(recall.looked_back_to)
        assert len(stops) < 20
    assert stops == sorted(stops, reverse=True)
    assert len(stops) > 1
    assert recall.by_words(question)[0].text == "The lighthouse key lies in the blue drawer."
    assert recall.looked_back_to is None


def test_the_tool_says_how_far_it_looked(session):
    _write_log_book(session, 450)
    key = CheckpointKey(session.memory_id, "ann", "s-1", "default")
    recall = SessionRecall(SmallPages(session.data, session.address), InMemoryCheckpointStore("nothing"), key)
    agent = Agent(model=ScriptedModel([]), tools=[recall_tool(recall)], callback_handler=None)
    [said] = _recall_of(agent, query="entry of the lighthouse")
    assert "[Looked back to 2023-11-14 22:15 UTC and no further; asking again looks further back.]" in said["text"]


class SmallPages(EventReader):
    """Fifty events a page at the most, as the service may answer with fewer than it was asked for."""

    def page(self, token=None, *, page_size=50, payloads=True):
        return super().page(token, page_size=min(page_size, 50), payloads=payloads)
