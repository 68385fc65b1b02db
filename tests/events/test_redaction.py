"""What a guardrail redacts: never sent when it was not written yet, replaced and gone when it was."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError
from strands import Agent

from agentmem import HookConfig, MemoryConfig
from agentmem.events.codec import decode_event
from agentmem.events.packed_entries import pack_entries, unpack_entries
from agentmem.events.position import Position
from agentmem.events.reader import EventReader, in_order
from agentmem.events.redaction import Replacement, replace_event
from agentmem.events.serializer import agentmem_item, check_redact, encode_message, replacement_mark
from agentmem.hook import MemoryHook
from agentmem.local import LocalMemory
from agentmem.messages.truncation import handle_of
from agentmem.settings.sections import CompactionConfig, InMemoryCheckpoints, SqliteCheckpoints, WriteConfig
from agentmem.testing import Reply, ScriptedModel, ToolCall
from guardrail import REDACTED, SECRET, Guarded
from sessions import Session, look


class Wire:
    """Everything that leaves the process through a boto3 session."""

    def __init__(self, boto):
        self.bodies = []
        boto.events.register("before-send.*", lambda request, **_: self.bodies.append(request.body))

    def __contains__(self, text):
        return any(text.encode() in (body or b"") for body in self.bodies)


@pytest.fixture
def session():
    return Session()


def events(session):
    return session.data.list_events(**session.address.parameters(), maxResults=100)["events"]


def log(session):
    return json.dumps(events(session), default=str)


def texts(agent):
    return [block["text"] for message in agent.messages for block in message["content"] if "text" in block]


def redact(manager, agent, index):
    """What Strands does: the message changes in place, and the session manager is told."""
    message = agent.messages[index]
    message["content"] = [{"text": REDACTED}]
    manager.redact_latest_message(message, agent)


# ---- before it was written


@pytest.mark.parametrize("writes", [{}, {"flush_interval_seconds": 0.001}, {"flush": "background"}], ids=str)
def test_what_was_not_written_yet_never_leaves_the_process(session, tmp_path, writes):
    wire = Wire(session.boto)
    box = tmp_path / "outbox.db"
    kept = []
    session.boto.events.register("before-send.*", lambda **_: kept.extend(one.read_bytes() for one in _files(box)))
    manager = session.manager(writes=WriteConfig(outbox=box, **writes), checkpoints=InMemoryCheckpoints())
    script = [Reply("Let me look.", [ToolCall("look", {"query": "x"})]), "I cannot help with that.", "Fine."]
    agent = session.agent(manager, Guarded(script))
    agent("hello")
    agent(f"my password is {SECRET}")
    manager.close()
    assert REDACTED in log(session)
    assert SECRET not in wire
    assert REDACTED in wire
    assert kept
    assert not any(SECRET.encode() in content for content in kept)
    assert REDACTED in texts(session.agent())


def _files(box):
    return list(box.parent.glob(f"{box.name}*"))


def test_a_tool_result_that_is_redacted_keeps_its_place_and_never_leaves(session):
    from strands import tool

    @tool
    def leak() -> str:
        """Leak."""
        return f"the password is {SECRET}"

    wire = Wire(session.boto)
    manager = session.manager(writes=WriteConfig(flush_interval_seconds=0.001))
    agent = session.agent(manager, Guarded([Reply(tool_calls=[ToolCall("leak")]), "No."]), tools=[leak])
    agent("go")
    assert SECRET not in wire
    assert REDACTED in wire
    results = [block for message in session.agent().messages for block in message["content"] if "toolResult" in block]
    assert [result["toolResult"]["content"] for result in results] == [[{"text": REDACTED}]]


def test_a_hook_never_sends_what_was_redacted(tmp_path):
    service = LocalMemory()
    config = MemoryConfig.local(service, namespaces=())
    wire = Wire(config.boto_session())
    config = config.replace(
        hook=HookConfig(retrieve=False), writes=WriteConfig(outbox=tmp_path / "box.db", flush_interval_seconds=0.001)
    )
    session = config.bind("ann", "s1")
    Agent(model=Guarded(["No."]), hooks=[session.hook()], callback_handler=None)(f"my password is {SECRET}")
    assert SECRET not in wire
    assert REDACTED in wire


def test_a_checkpoint_that_is_still_to_be_saved_is_indexed_anew(session):
    store = InMemoryCheckpoints()
    manager = session.manager(token_threshold=4_000, checkpoints=store)
    agent = session.agent(manager, [])
    for number in range(8):
        agent.model = ScriptedModel([f"Item {number} is blue."])
        agent(f"What about item {number}? My code is {SECRET}-{number}. " + "word " * 300)
    with session.memory.faults.inject("server_error", "CreateEvent"):
        agent.model = ScriptedModel(["Yes."])
        agent("Is that all? " + "word " * 3_000)
        draft = manager._compactor.draft
        assert draft is not None
        name = next(name for name, entry in draft.entries.items() if entry.role == "user")
        assert any(SECRET.casefold() in term for term in draft.entries[name].passages[0].terms)
        message = {"role": "user", "content": [{"text": REDACTED}], "tracking_id": name}
        manager.redact_latest_message(message, agent)
        [passage] = manager._compactor.draft.entries[name].passages
    assert "guardrail" in passage.terms
    assert not any(SECRET.casefold() in term for term in passage.terms)


@pytest.mark.parametrize("writes", [{}, {"flush_interval_seconds": 0.001}, {"flush": "background"}], ids=str)
@pytest.mark.parametrize("kind", ["hook", "manager"])
def test_no_file_ever_holds_what_was_redacted_before_it_was_written(tmp_path, kind, writes):
    """The log, the outbox and the checkpoints with their indexes are looked through byte by byte, at every call."""
    service = LocalMemory(tmp_path / "memory.db")
    config = MemoryConfig.local(service, namespaces=()).replace(
        hook=HookConfig(retrieve=False),
        writes=WriteConfig(outbox=tmp_path / "outbox.db", **writes),
        checkpoints=SqliteCheckpoints(path=tmp_path / "checkpoints.db"),
        compaction=CompactionConfig(token_threshold=3_000),
    )
    seen = []
    config.boto_session().events.register("before-send.*", lambda **_: seen.append(_bytes_of(tmp_path)))
    session = config.bind("ann", "s1")
    holder = session.hook() if kind == "hook" else session.session_manager()
    options = {"hooks": [holder]} if kind == "hook" else {"session_manager": holder}
    agent = Agent(model=Guarded([]), tools=[look], callback_handler=None, **options)
    for number in range(8):
        agent.model = Guarded(
            [Reply("Let me look.", [ToolCall("look", {"query": "x"})]), f"No. ({number}) " + "word " * 400]
        )
        agent(f"For the record {number}: the password is {SECRET}-{number}")
    holder.close()
    seen.append(_bytes_of(tmp_path))
    assert len(seen) >= 8
    assert not any(SECRET.encode() in content for content in seen)
    assert REDACTED.encode() in seen[-1]
    if kind == "manager":
        assert holder.checkpoint.folded_messages > 0
        assert (tmp_path / "checkpoints.db").exists()
        found = holder.recall.by_words(f"removed by the guardrail: {SECRET}")
        assert REDACTED in [one.text for one in found]
        assert not any(SECRET in one.text for one in found)


def _bytes_of(folder):
    return b"".join(one.read_bytes() for one in sorted(folder.iterdir()) if one.is_file())


# ---- after it was written


def test_what_was_written_is_replaced_and_the_original_deleted(session):
    deleted = []
    session.boto.events.register(
        "provide-client-params.bedrock-agentcore.DeleteEvent", lambda params, **_: deleted.append(params["eventId"])
    )
    manager = session.manager(writes=WriteConfig(flush="message"))
    agent = session.agent(manager, Guarded(["I cannot help with that."]))
    agent(f"my password is {SECRET}")
    assert SECRET not in log(session)
    [original] = deleted
    with pytest.raises(ClientError, match="ResourceNotFound"):
        session.data.get_event(**session.address.parameters(), eventId=original)
    again = session.manager()
    assert texts(session.agent(again)) == [REDACTED, "I cannot help with that."]
    assert all(SECRET not in one.text for one in again.recall.by_words(f"password {SECRET}"))


def test_time_and_items_of_the_replacement_are_those_of_the_original(session):
    manager = session.manager()
    agent = session.agent(manager, [Reply("Looking.", [ToolCall("look", {"query": "x"})]), "Done."])
    agent(f"my password is {SECRET}")
    before = decode_event(events(session)[0])
    redact(manager, agent, 0)
    after = decode_event(events(session)[0])
    assert after.event_id != before.event_id
    assert after.at == before.at
    assert [one.position.item for one in after.messages] == [one.position.item for one in before.messages]
    assert after.messages[1:] == tuple(
        type(one)(one.message, Position(after.event_id, one.position.item), one.at, one.origin)
        for one in before.messages[1:]
    )
    assert after.agent_state == before.agent_state
    assert after.replaces == {before.event_id}


@pytest.mark.parametrize("store", [None, "sqlite"])
def test_an_event_that_carries_the_checkpoint_keeps_carrying_it(session, tmp_path, store):
    checkpoints = SqliteCheckpoints(path=tmp_path / "c.db") if store else None
    manager = session.manager(token_threshold=4_000, checkpoints=checkpoints)
    agent = session.agent(manager, [])
    for number in range(12):
        agent.model = ScriptedModel([Reply(tool_calls=[ToolCall("look", {"query": f"item {number}"})]), "It is blue."])
        agent(f"What about item {number}? My code is {SECRET}-{number}.")
    checkpoint = manager.checkpoint
    index = next(at for at, message in reversed(list(enumerate(agent.messages))) if SECRET in json.dumps(message))
    redact(manager, agent, index)
    assert f"{SECRET}-11" not in log(session)

    again = session.manager(token_threshold=4_000, checkpoints=checkpoints)
    restored = session.agent(again)
    assert again.checkpoint.version == checkpoint.version
    assert [m["content"] for m in restored.messages] == [m["content"] for m in agent.messages]
    found = again.recall.by_words(f"My code is {SECRET}-0.")
    assert f"What about item 0? My code is {SECRET}-0." in [one.text for one in found]
    # And life goes on from there.
    for number in range(12, 20):
        restored.model = ScriptedModel([f"Item {number} is green. " * 60])
        restored(f"And item {number}?")
    assert again.checkpoint.version > checkpoint.version
    assert f"{SECRET}-11" not in log(session)
    assert not any(f"{SECRET}-11" in one.text for one in again.recall.by_words(f"My code is {SECRET}-11."))


def test_after_its_replacement_a_checkpoint_costs_no_more_to_find(session):
    manager = session.manager(token_threshold=4_000)
    agent = session.agent(manager, [])
    for number in range(12):
        agent.model = ScriptedModel(["It is blue."])
        agent(f"What about item {number}? " + "word " * 400)
        carrying = decode_event(events(session)[0])
        if "checkpoint" in carrying.ours:
            break
    name = next(one.message["tracking_id"] for one in carrying.messages if one.message["role"] == "user")
    manager.redact_latest_message({"role": "user", "content": [{"text": REDACTED}], "tracking_id": name}, agent)
    agent.model = ScriptedModel(["Fine."])
    agent("And now?")
    session.calls.clear()
    again = session.manager(token_threshold=4_000)
    session.agent(again)
    assert again.checkpoint is not None
    assert (session.calls["ListEvents"], session.calls["GetEvent"]) == (1, 0)


@pytest.mark.parametrize("others", [1, 400], ids=["as it is", "compressed"])
def test_a_replaced_event_s_own_index_has_the_terms_of_what_it_holds_now(session, others):
    name = "6f1de9bd-9a3c-4a94-8c4e-0b0f3a3f2d5e"
    message = {"role": "user", "content": [{"text": SECRET}], "tracking_id": name}
    other = [[f"{number:012x}", "", 1, "user", [["", "other"]], "en"] for number in range(others)]
    entries = [[handle_of(name), "", 0, "user", [["", SECRET]], "en"], *other]
    carried = {"agent_id": "a", "checkpoint": {"index": pack_entries(entries)}, "merged": pack_entries(entries)}
    made = session.data.create_event(
        **session.address.parameters(),
        eventTimestamp=datetime.now(UTC),
        payload=[encode_message(message), agentmem_item("checkpoint", carried)],
    )["event"]["eventId"]
    redacted = (encode_message({**message, "content": [{"text": REDACTED}]}),)
    new = Replacement(name, redacted, handle_of(name), (["", "removed"],))
    replace_event(session.data, session.address, Position(made), new, {})
    found = decode_event(events(session)[0]).ours["checkpoint"]
    for index in (found["checkpoint"]["index"], found["merged"]):
        assert [entry[4] for entry in unpack_entries(index)] == [[["", "removed"]], *[[["", "other"]]] * others]
    assert SECRET not in log(session)


@pytest.mark.parametrize("flush", ["turn", "message"])
def test_outbox_and_checkpoints_hold_nothing_of_what_was_replaced(session, tmp_path, flush):
    """As Strands does it: the newest message is what a guardrail redacts, before anything of it is folded."""
    writes = WriteConfig(outbox=tmp_path / "outbox.db", flush=flush)
    checkpoints = SqliteCheckpoints(path=tmp_path / "checkpoints.db")
    manager = session.manager(token_threshold=3_000, protected_turns=1, writes=writes, checkpoints=checkpoints)
    agent = session.agent(manager, [])
    for number in range(8):
        agent.model = ScriptedModel([f"Noted. ({number}) " + "word " * 500])
        agent(f"For the record {number}: the password is {SECRET}-{number}")
        redact(manager, agent, -2)
    manager.close()
    assert manager.checkpoint.folded_messages > 4
    assert SECRET not in log(session)
    assert SECRET.encode() not in _bytes_of(tmp_path)
    assert b"guardrail" in _bytes_of(tmp_path)  # the index holds the words of what stands there now
    again = session.manager(token_threshold=3_000, writes=writes, checkpoints=checkpoints)
    assert SECRET not in json.dumps(session.agent(again).messages)
    assert not any(SECRET in one.text for one in again.recall.by_words(f"the password is {SECRET}"))


def test_the_next_summary_does_not_hold_what_was_redacted(session):
    manager = session.manager(token_threshold=2_000, protected_turns=1)
    agent = session.agent(manager, ["Noted."])
    agent(f"Never forget: the password is {SECRET}.")
    redact(manager, agent, 0)
    for number in range(6):
        agent.model = ScriptedModel(["Fine."])
        agent(f"Remark {number}. " + "word " * 400)
    assert manager.checkpoint.folded_messages >= 2
    assert SECRET not in json.dumps(manager.checkpoint.to_dict(), default=str) + json.dumps(agent.messages)
    assert SECRET not in log(session)


def test_a_handle_from_before_the_replacement_still_leads_to_its_neighbours(session):
    manager = session.manager(token_threshold=4_000)
    agent = session.agent(manager, [Reply(tool_calls=[ToolCall("look", {"query": "sky"})]), "Done."])
    agent(f"my password is {SECRET}")
    original = events(session)[0]["eventId"]
    redact(manager, agent, 0)
    event = EventReader(session.data, session.address).get(original)
    assert [one.message["role"] for one in event.messages] == ["user", "assistant", "user", "assistant"]
    assert SECRET not in str(event.messages)
    reader = EventReader(session.data, session.address)
    assert reader.get("0000000000000000001#00000001") is None
    calls = session.calls["ListEvents"]
    assert reader.get("0000000000000000002#00000002") is None
    assert session.calls["ListEvents"] == calls  # what was searched once is not searched again


def test_until_the_original_is_deleted_the_replacement_is_what_is_read(session):
    manager = session.manager()
    agent = session.agent(manager, ["Hello."])
    agent(f"my password is {SECRET}")
    with session.memory.faults.inject("server_error", "DeleteEvent"):
        redact(manager, agent, 0)
        assert len(events(session)) == 3  # session mark, original, replacement
        assert texts(session.agent()) == [REDACTED, "Hello."]
    manager.close()
    assert SECRET not in log(session)
    assert len(events(session)) == 2


@pytest.mark.parametrize("suffixes", ["ab", "ba"])
def test_the_digits_behind_the_time_decide_nothing(suffixes):
    """On AWS nobody knows which of two events of one millisecond has the higher id."""
    original, replacement = (f"0000001756147154000#{suffix}" for suffix in suffixes)
    assert Position(original, 1) <= Position(replacement, 1)
    assert not Position(original, 1) < Position(replacement, 1)
    name = "6f1de9bd-9a3c-4a94-8c4e-0b0f3a3f2d5e"
    first, second = (
        encode_message({"role": "user", "content": [{"text": text}], "tracking_id": name})
        for text in (SECRET, REDACTED)
    )
    found = [
        decode_event({"eventId": original, "payload": [first]}),
        decode_event({"eventId": replacement, "payload": [second, replacement_mark(frozenset({original}))]}),
    ]
    for order in (found, found[::-1]):
        assert [one.message["content"] for one in in_order(order)] == [[{"text": REDACTED}]]


def test_what_waits_unsent_is_redacted_where_it_waits(session):
    wire = Wire(session.boto)
    manager = session.manager(writes=WriteConfig(breaker_failures=1))
    agent = session.agent(manager, ["Hello.", "Again."])
    with session.memory.faults.inject("server_error", "CreateEvent"):
        agent("first")  # opens the breaker
        agent(f"my password is {SECRET}")
        redact(manager, agent, 2)
    manager._writer._breaker.succeeded()
    manager.close()
    assert SECRET not in wire
    assert REDACTED in wire
    assert texts(session.agent()) == ["first", "Hello.", REDACTED, "Again."]


def test_what_was_tried_and_not_acknowledged_is_replaced_once_it_is(session):
    manager = session.manager()
    agent = session.agent(manager, ["Hello."])
    with session.memory.faults.inject("lost_response", "CreateEvent"):
        agent(f"my password is {SECRET}")
        redact(manager, agent, 0)
    manager.close()
    assert SECRET not in log(session)
    assert texts(session.agent()) == [REDACTED, "Hello."]


def test_a_clean_event_is_replaced_with_what_it_says(session):
    manager = session.manager(writes=WriteConfig(event_format="clean"))
    agent = session.agent(manager, [Reply("Looking.", [ToolCall("look", {"query": "x"})]), "Done."])
    agent(f"my password is {SECRET}")
    redact(manager, agent, 0)
    assert SECRET not in log(session)
    said = [item["conversational"]["content"]["text"] for item in events(session)[0]["payload"] if "blob" not in item]
    assert said == [REDACTED, "Looking.", "Done."]
    assert texts(session.agent()) == [REDACTED, "Looking.", "Done."]


def test_a_hook_that_saves_each_message_at_once_replaces_what_was_redacted():
    service = LocalMemory()
    config = MemoryConfig.local(service, namespaces=()).replace(
        hook=HookConfig(retrieve=False), writes=WriteConfig(flush="message")
    )
    session = config.bind("ann", "s1")
    hook = MemoryHook(session=session)
    agent = Agent(model=Guarded(["No.", "Yes."]), hooks=[hook], callback_handler=None)
    agent(f"my password is {SECRET}")
    agent("and now?")
    listed = session.client.list_events(memoryId=session.memory_id, actorId="ann", sessionId="s1")["events"]
    said = [
        item["conversational"]["content"]["text"]
        for event in listed[::-1]
        for item in event["payload"]
        if "conversational" in item
    ]
    assert said == [REDACTED, "No.", "and now?", "Yes."]
    again = Agent(model=ScriptedModel(), hooks=[session.hook()], callback_handler=None)
    assert REDACTED in again.system_prompt
    assert SECRET not in again.system_prompt


assert look  # the tool sessions.py gives every agent


def test_a_redact_that_fails_on_the_sample_is_told_without_what_it_says(caplog):
    def fails(text):
        raise ValueError(f"cannot read {SECRET}")

    check_redact(fails)
    assert "ValueError" in caplog.text
    assert SECRET not in caplog.text
