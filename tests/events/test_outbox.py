"""What is accepted outlives the process: the outbox through real writers, agents, processes and signals."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import uuid

import pytest
from strands import Agent

from agentmem import HookConfig, MemoryConfig
from agentmem.errors import ConfigurationError
from agentmem.events.batch import OutgoingItem
from agentmem.events.outbox import Outbox, open_outbox
from agentmem.events.reader import EventReader, in_order
from agentmem.events.serializer import encode_message, encode_text
from agentmem.events.writer import EventWriter
from agentmem.events.writer_registry import registry
from agentmem.local import LocalMemory
from agentmem.scope.address import SessionAddress
from agentmem.settings.sections import WriteConfig
from agentmem.testing import ScriptedModel
from sessions import Session


@pytest.fixture
def session():
    return Session()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outbox.db"


def item(text):
    name = str(uuid.uuid4())
    message = {"role": "user", "content": [{"text": text}], "tracking_id": name}
    return OutgoingItem(name, encode_message(message))


def plain(text):
    return OutgoingItem(str(uuid.uuid4()), encode_text(text, "user"))


def writer(session, path, **settings):
    return EventWriter(session.data, session.address, WriteConfig(outbox=path, **settings))


def texts(session):
    reader = EventReader(session.data, session.address)
    logged = in_order(event for page in reader.pages() for event in page)
    return [one.message["content"][0]["text"] for one in logged]


def rows(path):
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT kind, at, body FROM entries ORDER BY seq").fetchall()


def orphan(path, one):
    """Let a writer's entries in the file look like those of a process that has ended, and nobody send them."""
    one.queue._jobs.clear()
    registry.release(one)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE entries SET owner = 'gone'")


# ---- what is kept, and when


def test_a_turn_is_in_the_file_from_its_closing_to_its_acknowledgement(session, path):
    one = writer(session, path)
    one.submit([item("hello")])
    assert [(kind, at) for kind, at, _ in rows(path)] == [("event", None)]
    with session.memory.faults.inject("server_error", "CreateEvent"):
        assert not one.drain()
    [(_, at, body)] = rows(path)
    assert at is not None  # frozen before its first attempt
    assert "hello" in body
    assert one.drain()
    assert rows(path) == []


def test_accepted_messages_of_a_turn_in_progress_are_kept_and_become_the_turn(session, path):
    one = writer(session, path)
    first, second = item("first"), item("second")
    one.accept([first, second])
    assert [kind for kind, *_ in rows(path)] == ["message", "message"]
    one.submit([first, second])
    assert [kind for kind, *_ in rows(path)] == ["event"]
    one.drain()
    assert texts(session) == ["first", "second"]


def test_nothing_of_an_acknowledged_turn_stays_in_the_file(session, path):
    one = writer(session, path)
    one.submit([item("a very particular secret")])
    one.drain()
    for file in path.parent.glob("outbox.db*"):
        assert b"particular" not in file.read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_only_the_owner_may_read_the_file(session, path):
    writer(session, path)
    assert path.stat().st_mode & 0o077 == 0


def test_a_file_of_something_else_is_refused(session, path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (x)")
    with pytest.raises(ConfigurationError, match=r"outbox = .*something else"):
        writer(session, path)


def test_an_outbox_that_breaks_costs_no_turn(session, path, caplog):
    one = writer(session, path)
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE entries")
    one.submit([item("hello")])
    assert one.drain()
    assert texts(session) == ["hello"]
    assert "the outbox failed" in caplog.text


# ---- taken over


def test_what_a_process_left_is_sent_by_the_next_in_order_and_before_its_own(session, path):
    box = Outbox(path)
    for number in range(3):
        places = [(str(number), 0)]
        box.keep_events(session.address, [(places, {"payload": [item(f"left {number}").payload]})], set())
    box.keep_messages(session.address, [item("in progress")], set())
    box.close()
    after = writer(session, path)
    after.recover()
    after.submit([item("own")])
    assert after.drain()
    assert texts(session) == ["left 0", "left 1", "left 2", "in progress", "own"]
    assert rows(path) == []


def test_what_another_living_process_waits_with_is_left_to_it(session, path):
    other = Outbox(path)
    other.keep_events(session.address, [([("a", 0)], {"payload": [item("theirs").payload]})], set())
    one = writer(session, path)
    one.recover()
    assert one.status.pending == 0
    other.close()
    one.recover()
    assert one.drain()
    assert texts(session) == ["theirs"]


@pytest.mark.parametrize("make", [item, plain], ids=["sdk", "text"])
def test_a_turn_that_was_stored_before_the_process_ended_is_not_stored_again(session, path, make):
    one = writer(session, path)
    one.submit([make("stored"), make("too")])
    with session.memory.faults.inject("lost_response", "CreateEvent"):
        assert not one.drain()
    orphan(path, one)
    after = writer(session, path)
    after.recover()
    after.submit([make("next")])
    before = session.calls["CreateEvent"]
    assert after.drain()
    assert session.calls["CreateEvent"] == before + 1
    assert texts(session) == ["stored", "too", "next"]


def test_the_same_request_is_repeated_when_nobody_has_written_since(session, path):
    requests = []
    session.data.meta.events.register(
        "provide-client-params.bedrock-agentcore.CreateEvent", lambda params, **_: requests.append(params)
    )
    one = writer(session, path)
    one.submit([item("hello")])
    with session.memory.faults.inject("server_error", "CreateEvent"):
        one.drain()
    orphan(path, one)
    after = writer(session, path)
    after.recover()
    assert after.drain()
    assert requests[0] == requests[1]


def test_what_would_land_behind_the_newest_event_is_stamped_anew_and_brings_no_old_state(session, path):
    state = {"blob": json.dumps({"agent_id": "default", "state": {"old": 1}})}
    one = writer(session, path)
    one.submit([item("late")], last=[state], metadata={"stateType": "AGENT", "agentId": "default"})
    with session.memory.faults.inject("server_error", "CreateEvent"):
        one.drain()
    orphan(path, one)
    meanwhile = EventWriter(session.data, session.address, WriteConfig())
    meanwhile.submit([item("meanwhile")], last=[{"blob": json.dumps({"agent_id": "default", "state": {"new": 2}})}])
    meanwhile.drain()
    after = writer(session, path)
    after.recover()
    assert after.drain()
    assert texts(session) == ["meanwhile", "late"]
    events = [event for page in EventReader(session.data, session.address).pages() for event in page]
    assert [event.agent_state["state"] if event.agent_state else None for event in events] == [None, {"new": 2}]


def test_what_is_sent_late_never_lands_behind_the_boundary(session, path):
    one = writer(session, path)
    one.submit([item("said before the process ended")])
    with session.memory.faults.inject("server_error", "CreateEvent"):
        one.drain()  # frozen, with a time of its own
    orphan(path, one)
    elsewhere = session.manager(token_threshold=3_000)  # on another machine, without that file
    agent = session.agent(elsewhere)
    for number in range(8):
        agent.model = ScriptedModel([f"Reply {number}." + " word" * 400])
        agent(f"Message {number}.")
    assert elsewhere.checkpoint.folded_messages > 4
    again = session.manager(token_threshold=3_000, writes=WriteConfig(outbox=path))
    restored = session.agent(again)
    assert again.checkpoint.version == elsewhere.checkpoint.version
    assert restored.messages[-1]["content"] == [{"text": "said before the process ended"}]
    assert texts(session).count("said before the process ended") == 1
    assert rows(path) == []


def test_a_take_over_while_the_service_is_down_loses_nothing(session, path):
    one = writer(session, path)
    one.submit([item("waits")])
    orphan(path, one)
    after = writer(session, path)
    with session.memory.faults.inject("reset", "*"):
        after.recover()
        assert not after.drain()
        assert after.status.pending == 1
    assert after.drain()
    assert texts(session) == ["waits"]


def test_a_full_queue_waits_in_the_outbox_and_drops_nothing(session, path):
    one = writer(session, path, queue_limit=2)
    for number in range(7):
        one.submit([item(str(number))])
    assert len(one.queue) == 2
    assert (one.status.pending, one.status.dropped) == (7, 0)
    assert one.drain()
    assert texts(session) == [str(number) for number in range(7)]


def test_a_redaction_is_carried_out_by_the_next_process(session, path):
    agent = session.agent(session.manager(writes=WriteConfig(outbox=path)), ["Hello."])
    agent("my secret")
    manager = agent._session_manager
    secret = agent.messages[0]
    secret["content"] = [{"text": "[removed]"}]
    with session.memory.faults.inject("server_error", "*"):
        manager.redact_latest_message(secret, agent)
    assert [kind for kind, *_ in rows(path)] == ["redaction"]
    orphan(path, manager._writer)
    again = session.agent(session.manager(writes=WriteConfig(outbox=path)))
    assert again.messages[0]["content"] == [{"text": "[removed]"}]
    assert "my secret" not in json.dumps(session.data.list_events(**session.address.parameters()), default=str)


def test_processes_that_share_a_file_take_each_entry_once(session, path):
    first, second = Outbox(path), Outbox(path)
    lost = Outbox(path)
    for number in range(20):
        lost.keep_events(session.address, [([(str(number), 0)], {"payload": []})], set())
    lost.close()
    taken = [entry.seq for box in (first, second) for entry in box.take_over(session.address, set())[0]]
    assert len(taken) == len(set(taken)) == 20


def test_the_outbox_of_a_forked_process_is_its_own(path):
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    script = f"""
        import os
        from agentmem.events.outbox import open_outbox
        parent = open_outbox({str(path)!r})
        child = os.fork()
        if child == 0:
            ours = open_outbox({str(path)!r})
            os._exit(0 if ours is not parent and not ours._owner.is_gone(parent._owner.name) else 1)
        raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False).returncode == 0


# ---- processes that die

NURSERY = """
import json, os, signal, sys, time
from pathlib import Path
from strands import Agent, tool
from strands.hooks import AfterInvocationEvent, HookOrder
from agentmem import HookConfig, MemoryConfig, WriteConfig
from agentmem.hook import MemoryHook
from agentmem.session_manager.manager import CompactingSessionManager
from agentmem.local import LocalMemory
from agentmem.testing import Reply, ScriptedModel, ToolCall


def scenario(kind, moment, folder):
    \"\"\"One turn, and the end of the process: moment says when and how.\"\"\"
    service = LocalMemory(folder + "/memory.db")
    outbox = folder + "/outbox.db" if moment in ("answer", "kill", "lost", "aside") else None
    flush = "background" if moment == "aside" else "turn"
    config = MemoryConfig.local(service, namespaces=()).replace(
        hook=HookConfig(restore="off", retrieve=False),
        writes=WriteConfig(outbox=outbox, breaker_failures=2, flush=flush),
    )
    session = config.bind("ann", "s1")

    class DieAfterAnswer:
        def register_hooks(self, registry, **_):
            # Before anything is written.
            end = lambda _: os.kill(os.getpid(), signal.SIGKILL)
            registry.add_callback(AfterInvocationEvent, end, order=HookOrder.SDK_FIRST - 100)

    @tool
    def work() -> str:
        \"\"\"Work for long.\"\"\"
        print("ready", flush=True)
        time.sleep(20)

    script = [Reply("One.", [ToolCall("work")])] if moment == "busy" else ["One."]
    hooks = [DieAfterAnswer()] if moment == "answer" else []
    options = {"session_manager": session.session_manager()} if kind == "manager" else {}
    if kind == "hook":
        hooks.append(session.hook())
    agent = Agent(model=ScriptedModel(script), hooks=hooks, tools=[work], callback_handler=None, **options)
    if moment == "busy":
        agent("First.")
    kind = {"lost": "lost_response", "aside": "latency"}.get(moment, "access_denied")
    fault = service.faults.inject(kind, "CreateEvent", seconds=20)
    agent("First.")
    if moment in ("kill", "lost", "aside"):
        os.kill(os.getpid(), signal.SIGKILL)
    if moment != "unsent":
        fault.remove()
    if moment == "term":
        print("ready", flush=True)
        time.sleep(20)


for kind, moment, folder in json.loads(sys.argv[1]):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writer, 1)
        os.dup2(os.open(folder + "/errors", os.O_CREAT | os.O_WRONLY), 2)
        scenario(kind, moment, folder)
        sys.exit(0)
    os.close(writer)
    if moment in ("term", "busy") and os.read(reader, 5) == b"ready":
        os.kill(child, signal.SIGTERM)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    Path(folder, "code").write_text(str(code))
"""

SCENARIOS = [
    (kind, moment) for kind in ("hook", "manager") for moment in ("answer", "kill", "lost", "aside", "exit", "term")
]
SCENARIOS += [("hook", "unsent"), ("hook", "busy"), ("manager", "busy")]


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Let a process die in each way; returns the folder of each, its exit code and what it said at the end."""
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    folders = {one: tmp_path_factory.mktemp("-".join(one)) for one in SCENARIOS}
    for folder in folders.values():
        LocalMemory(folder / "memory.db").close()
    arguments = json.dumps([[*one, str(folder)] for one, folder in folders.items()])
    subprocess.run([sys.executable, "-c", NURSERY, arguments], check=True, timeout=120)
    return {
        one: (folder, int((folder / "code").read_text()), (folder / "errors").read_text())
        for one, folder in folders.items()
    }


def said(folder, kind):
    """Open the session in this process, as the next one would, take a turn, and return what is in the log."""
    service = LocalMemory(folder / "memory.db")
    writes = WriteConfig(outbox=folder / "outbox.db")
    config = MemoryConfig.local(service, namespaces=()).replace(hook=HookConfig(retrieve=False), writes=writes)
    session = config.bind("ann", "s1")
    options = {"hooks": [session.hook()]} if kind == "hook" else {"session_manager": session.session_manager()}
    agent = Agent(model=ScriptedModel(["Again."]), callback_handler=None, **options)
    shown = f"{agent.system_prompt} {agent.messages}"
    assert "First." in shown
    assert "One." in shown
    agent("Next.")
    assert rows(folder / "outbox.db") == []
    reader = EventReader(session.client, SessionAddress(config.memory_id, "ann", "s1"))
    logged = in_order(event for page in reader.pages() for event in page)
    return [block["text"] for one in logged for block in one.message["content"] if "text" in block]


@pytest.mark.parametrize("kind", ["hook", "manager"])
@pytest.mark.parametrize("moment", ["answer", "kill", "lost", "aside"])
def test_after_kill_9_the_next_process_stores_the_turn_once(ended, kind, moment):
    """Killed between the answer and the flush, after a failed one, after a lost answer, and during one aside."""
    folder, code, errors = ended[kind, moment]
    assert code == -signal.SIGKILL, errors
    assert said(folder, kind) == ["First.", "One.", "Next.", "Again."]


@pytest.mark.parametrize("kind", ["hook", "manager"])
def test_what_is_unsent_is_sent_when_the_interpreter_exits(ended, kind):
    folder, code, errors = ended[kind, "exit"]
    assert code == 0, errors
    assert "UnsentMessagesError" not in errors
    assert said(folder, kind) == ["First.", "One.", "Next.", "Again."]


@pytest.mark.parametrize("kind", ["hook", "manager"])
def test_what_is_unsent_is_sent_on_sigterm_and_the_process_dies_of_it(ended, kind):
    folder, code, errors = ended[kind, "term"]
    assert code == -signal.SIGTERM, errors
    assert said(folder, kind) == ["First.", "One.", "Next.", "Again."]


@pytest.mark.parametrize("kind", ["hook", "manager"])
def test_on_sigterm_a_turn_in_progress_is_saved_as_far_as_it_is(ended, kind):
    folder, code, errors = ended[kind, "busy"]
    assert code == -signal.SIGTERM, errors
    assert said(folder, kind) == ["First.", "One.", "Next.", "Again."]


def test_what_cannot_be_sent_at_exit_is_counted(ended):
    _, _, errors = ended["hook", "unsent"]
    assert "UnsentMessagesError: 2 messages are not saved" in errors


def test_a_handler_of_the_application_is_left_alone():
    script = """
        import signal
        def own(*_): pass
        signal.signal(signal.SIGTERM, own)
        from agentmem import MemoryConfig, MemoryHook
        MemoryHook(MemoryConfig.local(":memory:", namespaces=()))
        assert signal.getsignal(signal.SIGTERM) is own
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_one_process_has_one_outbox_at_a_path(path):
    assert open_outbox(path) is open_outbox(str(path))
