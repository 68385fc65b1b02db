"""The chat streams a session's turns, goes on after a lost connection, and saves what was said."""

from __future__ import annotations

import contextlib
import http.client
import json
import sys
from pathlib import Path

import pytest
from looked_at import BASE, browser, memory_of, text_of

from agentmem.inspector.chat import ChatAgents, ChatSettings
from agentmem.inspector.server import InspectorServer
from agentmem.testing import ScriptedModel

sys.path.append(str(Path(__file__).parents[1] / "streaming"))
from serving import until, wire
from slow_model import SlowModel

STORY = "Es war einmal 日本の 🌊\nund es endete. " * 12


@contextlib.contextmanager
def served(config, chat, **options):
    server = InspectorServer(config, chat, **options)
    thread = server.run_in_thread()
    try:
        yield server
    finally:
        server.stop()
        thread.join(10)


def opened(port, server):
    """Return headers of a browser that has signed in through a port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    connection.request("GET", server.url.removeprefix(server.base_url), headers={"Connection": "close"})
    answer = connection.getresponse()
    cookie = answer.getheader("set-cookie").partition(";")[0]
    answer.read()
    connection.close()
    return {
        "Cookie": cookie,
        "Content-Type": "application/json",
        "Origin": f"http://127.0.0.1:{port}",
        "Connection": "close",
    }


def frames(port, headers, prompt, session="chat-1", last_id=None):
    """Send a message and yield the frames of the answer as they come, until the connection ends."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    body = json.dumps({"actor": "ann", "session": session, "prompt": prompt})
    connection.request("POST", "/chat/turn", body, {**headers, **({"Last-Event-ID": last_id} if last_id else {})})
    answer = connection.getresponse()
    assert answer.status == 200
    rest = b""
    with contextlib.suppress(http.client.IncompleteRead, ConnectionError):
        while piece := answer.read1(65_536):
            rest += piece
            *whole, rest = rest.split(b"\n\n")
            for frame in whole:
                fields = dict(line.split(": ", 1) for line in frame.decode().splitlines() if ": " in line)
                if "data" in fields:
                    yield fields["id"], json.loads(fields["data"])
    connection.close()


def test_a_turn_streams_and_is_saved_with_memory_s_doings_at_its_end():
    memory = memory_of(session="chat-1", events=1)
    chat = ChatSettings(lambda _name: SlowModel([STORY], chunk_size=5, seconds=0.0))
    with served(memory.config, chat, writable=True) as server:
        port = int(server.base_url.rpartition(":")[2])
        events = [event for _, event in frames(port, opened(port, server), "A story!")]
    assert "".join(event["content"] for event in events if event["type"] == "message") == STORY
    assert [event["type"] for event in events[-2:]] == ["metadata", "done"]
    assert events[-2]["data"]["memory"]["saving"] == {"pending": 0, "dropped": 0, "error": None}
    timeline = text_of(browser(memory.config).get(memory.place.link("/session")).text)
    assert "A story!" in timeline
    assert "Es war einmal 日本の 🌊" in timeline


def test_a_lost_connection_goes_on_without_a_lost_or_doubled_character():
    memory = memory_of(session="chat-1", events=0)
    models = []

    def model(_name):
        models.append(SlowModel([STORY], chunk_size=3, seconds=0.001))
        return models[-1]

    with served(memory.config, ChatSettings(model), writable=True) as server:
        port = int(server.base_url.rpartition(":")[2])
        cuts = []
        with wire(port, cuts) as through:
            headers = opened(through, server)
            cuts += [1_800, 2_500, 2_500]
            said, last_id, connections = "", None, 0
            done = False
            while not done:
                connections += 1
                for name, event in frames(through, headers, "A story!", last_id=last_id):
                    last_id = name
                    said += event["content"] if event["type"] == "message" else ""
                    done = event["type"] == "done"
    assert said == STORY
    assert connections == 4
    assert len(models) == 1


def test_a_reader_who_goes_away_for_good_leaves_a_valid_session():
    memory = memory_of(session="chat-1", events=0)
    chat = ChatSettings(lambda _name: SlowModel(["A long story. " * 400, "Yes."], chunk_size=3, seconds=0.002))
    with served(memory.config, chat, writable=True) as server:
        port = int(server.base_url.rpartition(":")[2])
        next(frames(port, opened(port, server), "A story!"))
    until(lambda: memory.config.data_plane().list_events(
        memoryId=memory.config.memory_id, actorId="ann", sessionId="chat-1"
    )["events"])  # fmt: skip
    assert "A story!" in text_of(browser(memory.config).get(memory.place.link("/session")).text)


def test_a_model_that_cannot_be_made_is_an_error_in_the_stream():
    from agentmem.cli.chat.providers import open_model

    memory = memory_of(session="chat-1", events=0)
    client = browser(memory.config, writable=True, chat=ChatSettings(open_model))
    body = {"actor": "ann", "session": "chat-1", "prompt": "Hello", "model": "openai:"}
    answer = client.post("/chat/turn", json=body, headers={"Origin": BASE})
    assert '"type":"error"' in answer.text
    assert "the model's name is missing" in answer.text
    assert answer.text.count('"type":"done"') == 1


def test_the_chat_goes_on_with_the_session_and_another_model():
    memory = memory_of(session="chat-1", events=0)
    asked = []

    class Named(ScriptedModel):
        def __init__(self, name):
            super().__init__([f"from {name}"] * 3)
            self.name = name

        async def stream(self, messages, *arguments, **options):
            asked.append((self.name, len(messages)))
            async for event in super().stream(messages, *arguments, **options):
                yield event

    client = browser(memory.config, writable=True, chat=ChatSettings(Named, "first"))
    for model in ("", "", "second", "first"):
        body = {"actor": "ann", "session": "chat-1", "prompt": "Hello", "model": model}
        assert "from" in client.post("/chat/turn", json=body, headers={"Origin": BASE}).text
    assert asked == [("first", 1), ("first", 3), ("second", 5), ("first", 7)]


def test_agents_are_let_go_when_there_are_many():
    memory = memory_of(events=0)
    agents = ChatAgents(memory.config, ChatSettings(lambda _name: ScriptedModel(["x"])))
    from agentmem.inspector.views.place import Place

    made = [agents._agent(Place("ann", f"s-{number}"), "offline") for number in range(10)]
    assert agents._agent(Place("ann", "s-9"), "offline") is made[9]
    assert agents._agent(Place("ann", "s-0"), "offline") is not made[0]
    agents.close()


@pytest.mark.parametrize("path", ["/events/wait"])
def test_a_wait_streams_its_looks_and_ends_with_what_is_new(path):
    memory = memory_of(events=0)
    config = memory.config
    config.data_plane().batch_create_memory_records(
        memoryId=config.memory_id,
        records=[
            {
                "requestIdentifier": "r1",
                "namespaces": ["/users/ann/facts/"],
                "content": {"text": "An old one."},
                "timestamp": 1_800_000_000,
            }
        ],
    )
    with served(config, ChatSettings(lambda _name: ScriptedModel([]))) as server:
        port = int(server.base_url.rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
        connection.request("GET", memory.place.link(path, namespace="facts"), headers=opened(port, server))
        answer = connection.getresponse()
        text = answer.read1(65_536).decode()
        assert '"polls":1' in text
        config.data_plane().batch_create_memory_records(
            memoryId=config.memory_id,
            records=[
                {
                    "requestIdentifier": "r2",
                    "namespaces": ["/users/ann/facts/"],
                    "content": {"text": "A new one."},
                    "timestamp": 1_800_000_001,
                }
            ],
        )
        while piece := answer.read1(65_536):
            text += piece.decode()
        connection.close()
    assert "A new one." in text
    assert "An old one." not in text
    assert text.count('"type":"done"') == 1
