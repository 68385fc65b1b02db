"""Server-Sent Events: what is sent arrives as it was, at once, and goes on after a lost connection."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time

import pytest
from chat_app import App
from hypothesis import example, given
from hypothesis import strategies as st
from serving import Client, serve, until, wire
from slow_model import SlowModel
from sse_standard import read_by_the_standard
from starlette.applications import Starlette
from starlette.routing import Route

from agentmem import ConfigurationError
from agentmem.streaming import (
    MessageEvent,
    ResumeBuffer,
    ToolResultEvent,
    event_from_dict,
    parse_stream,
    sse_encode,
    sse_response,
    stream_turn,
)
from sessions import Session, texts

TEXT = st.text(st.characters())  # any character, half surrogate pairs too
STORY = "Es war einmal 日本の 🌊\nund\r\n\r es endete. " * 12


@given(TEXT)
@example("")
@example("a\nb\r\nc\rd\n\n")
@example("data: x\n\nevent: y\n: z")
@example("\ud800 \u2028\u2029\x85\x00 \ufeff")
def test_any_text_arrives_unchanged(text):
    frame = sse_encode(MessageEvent(text), event_id="s-1")
    frame.encode()
    ((name, data, event_id),) = read_by_the_standard(frame)
    assert (name, event_id) == ("message", "s-1")
    assert event_from_dict(json.loads(data)) == MessageEvent(text)
    assert [event.content for event in parse_stream([frame]) if isinstance(event, MessageEvent)] == (
        [text] if text else []
    )


def test_what_json_cannot_hold_is_sent_as_what_it_can():
    event = ToolResultEvent("t", [{"n": float("nan"), "b": b"\xff", "o": object(), 3: {1}}], "t1")
    ((_, data, _),) = read_by_the_standard(sse_encode(event))
    assert json.loads(data)["tool_result"] == [{"n": None, "b": "/w==", "o": "[object]", "3": [1]}]


# ---- over HTTP


def ask(port, **headers):
    return Client(port, body={"prompt": "A story!"}, **headers)


def said(frames):
    return "".join(data["content"] for _, _, data in frames if data["type"] == "message")


def test_the_headers_keep_proxies_from_gathering_events():
    with serve(App("Hello.").app) as port, ask(port, Accept_Encoding="gzip") as client:
        headers = client.response.headers
        assert client.response.status == 200
        assert headers["content-type"].startswith("text/event-stream")
        assert headers["x-accel-buffering"] == "no"
        assert headers["cache-control"] == "no-store, no-transform"
        assert headers["content-encoding"] is None
        kinds = [name for _, name, _ in client.frames()]
    assert kinds[-2:] == ["metadata", "done"]


def test_each_delta_arrives_within_fifty_milliseconds_of_the_model():
    app = App("Once upon a time there was a boat. " * 4, seconds=0.02)
    waits = []
    with serve(app.app) as port, ask(port) as client:
        for _, name, _data in client.frames():
            if name == "message":
                waits.append(time.monotonic() - app.model.given[len(waits)][1])
    assert len(waits) == len(app.model.given)
    # A busy machine delays a few of them; a stream that is gathered anywhere delays all.
    assert sorted(waits)[len(waits) // 2] < 0.05
    assert min(waits) < 0.05


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_shows_frames_as_they_come():
    app = App("One. Two. Three. Four.", seconds=0.1, chunk_size=5)
    with serve(app.app) as port:
        url = f"http://127.0.0.1:{port}/chat"
        command = ["curl", "-sN", url, "-d", '{"prompt": "Count."}', "-H", "Content-Type: application/json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
            seen = [(json.loads(line[6:]), len(app.model.given)) for line in curl.stdout if line.startswith("data: ")]
    first, given = next((data, given) for data, given in seen if data["type"] == "message")
    assert (first["content"], given) == ("One. ", 1)  # the model had not given the second yet
    assert seen[-1][0] == {"type": "done"}


def test_a_comment_keeps_a_silent_connection_alive():
    with serve(App("Late.", seconds=0.3, heartbeat=0.05).app) as port, ask(port) as client:
        stream = b"".join(iter(client.arrived, b"")).decode()
    assert stream.count(": keep-alive\n\n") >= 2
    assert [name for name, _, _ in read_by_the_standard(stream)][-1] == "done"


def test_a_client_that_hangs_up_cancels_the_turn_and_the_session_stays_valid():
    app = App("A long story. " * 100, "Gladly.")
    with serve(app.app) as port:
        with ask(port) as client:
            next(client.frames())
        until(lambda: app.model.ended)
        assert len(app.model.given) < 200
        until(lambda: not app.agent._concurrency._invocation_lock.locked())
        with ask(port) as client:
            assert said(client.frames()) == "Gladly."
    assert texts(app.session.agent(script=["x"]).messages) == ["A story!", "Cancelled by user", "A story!", "Gladly."]


@pytest.mark.parametrize("buffer", [None, ResumeBuffer()], ids=["plain", "resumable"])
def test_a_stream_that_fails_ends_in_an_error_event(buffer):
    async def broken():
        yield MessageEvent("a")
        raise RuntimeError("secret")

    async def chat(_request):
        return sse_response(broken(), buffer=buffer)

    with serve(Starlette(routes=[Route("/chat", chat)])) as port, Client(port, method="GET") as client:
        frames = [data for _, _, data in client.frames()]
    assert frames == [
        {"content": "a", "type": "message"},
        {"message": "The answer could not be sent to its end.", "details": "RuntimeError", "type": "error"},
        {"type": "done"},
    ]


def test_a_plain_iterable_is_sent_too_and_closed_when_the_client_has_gone():
    closed = []

    def numbers():
        try:
            for number in range(10_000):
                time.sleep(0.002)
                yield MessageEvent(str(number))
        finally:
            closed.append(True)

    async def chat(_request):
        return sse_response(numbers())

    with serve(Starlette(routes=[Route("/chat", chat)])) as port:
        with Client(port, method="GET") as client:
            assert next(client.frames())[2] == {"content": "0", "type": "message"}
        until(lambda: closed)


# ---- going on after a lost connection


@pytest.mark.parametrize("step", [1, 97, 1_000])
def test_a_connection_cut_again_and_again_loses_and_doubles_nothing(step):
    app = App(STORY, seconds=0.001, buffer=ResumeBuffer())
    cuts = [450 + step * number for number in range(12)]
    said_so_far, last_id, connections = "", "", 0
    with serve(app.app) as port, wire(port, cuts) as port_of_wire:
        kinds = []
        while "done" not in kinds:
            connections += 1
            assert connections < 30
            with ask(port_of_wire, **({"Last_Event_ID": last_id} if last_id else {})) as client:
                try:
                    for event_id, name, data in client.frames():
                        last_id = event_id
                        kinds.append(name)
                        said_so_far += data["content"] if name == "message" else ""
                except (OSError, ValueError):  # the connection is lost
                    pass
                except Exception as error:
                    if type(error).__name__ != "IncompleteRead":
                        raise
    assert connections > 3
    assert app.turns == 1
    assert said_so_far == STORY
    assert kinds.count("done") == 1
    assert app.session.agent(script=["x"]).messages[1]["content"] == [{"text": STORY}]


def test_a_finished_stream_can_be_fetched_to_its_end():
    app = App(STORY, seconds=0, buffer=ResumeBuffer())
    with serve(app.app) as port:
        with ask(port) as client:
            frames = list(client.frames())
        for at in (0, len(frames) // 2, len(frames) - 1):
            with ask(port, Last_Event_ID=frames[at][0]) as client:
                assert list(client.frames()) == frames[at + 1 :]
    assert app.turns == 1


def test_a_turn_that_nobody_comes_back_to_is_cancelled():
    app = App("A long story. " * 500, buffer=ResumeBuffer(keep_seconds=0.2))
    with serve(app.app) as port:
        with ask(port) as client:
            next(client.frames())
        until(lambda: app.model.ended)
        assert len(app.model.given) < 2_000
        assert app.buffer.streams == 0


@pytest.mark.parametrize(
    "wrong",
    ["nonsense", "0-0", "{stream}-99999", "{stream}-x", "{stream}-\u00b2", "{stream}--1", "{stream}-" + "9" * 5_000],
)
def test_an_id_that_names_nothing_is_an_error_and_no_second_turn(wrong):
    app = App("Hello.", seconds=0, buffer=ResumeBuffer())
    with serve(app.app) as port:
        with ask(port) as client:
            stream = next(client.frames())[0].rpartition("-")[0]
        with ask(port, Last_Event_ID=wrong.format(stream=stream).encode("latin-1").decode("latin-1")) as client:
            assert [(name, data.get("details")) for _, name, data in client.frames()] == [
                ("error", "NotResumable"),
                ("done", None),
            ]
    assert app.turns == 1


def test_nobody_reads_on_in_anothers_stream():
    app = App("Secret.", seconds=0, buffer=ResumeBuffer(), owner=lambda request: request.headers["x-user"])
    with serve(app.app) as port:
        with ask(port, X_User="ann") as client:
            first = next(client.frames())[0]
        with ask(port, X_User="bob", Last_Event_ID=first) as client:
            assert [name for _, name, _ in client.frames()] == ["error", "done"]


def test_the_buffer_is_bounded_and_says_when_too_much_was_missed():
    buffer = ResumeBuffer(max_bytes=2_000)
    app = App("A long story. " * 40, seconds=0, buffer=buffer)
    with serve(app.app) as port:
        with ask(port) as client:
            ids = [event_id for event_id, _, _ in client.frames() if event_id]
        with ask(port, Last_Event_ID=ids[0]) as client:
            assert [data.get("details") for _, _, data in client.frames()] == ["NotResumable", None]
        (held,) = buffer._streams.values()
        assert sum(map(len, held._frames.values())) <= 2_000


def test_more_streams_than_wanted_go_oldest_first():
    app = App(*["Hello."] * 5, seconds=0, buffer=ResumeBuffer(max_streams=2))
    with serve(app.app) as port:
        ids = []
        for _ in range(4):
            with ask(port) as client:
                ids.append(next(client.frames())[0])
        assert app.buffer.streams == 2
        answers = []
        for last_id in ids:
            with ask(port, Last_Event_ID=last_id) as client:
                answers.append([name for _, name, _ in client.frames()][-2])
    assert answers == ["error", "error", "metadata", "metadata"]


async def test_closing_the_buffer_ends_the_turns_under_way():
    session = Session()
    model = SlowModel(["A long story. " * 100], chunk_size=3)
    buffer = ResumeBuffer()
    frames = buffer.start(stream_turn(session.agent(script=model), "A story!"))
    await anext(frames)
    await buffer.close()
    assert model.ended
    assert texts(session.agent(script=["x"]).messages)[0] == "A story!"
    await frames.aclose()


@pytest.mark.parametrize("setting", ["keep_seconds", "max_bytes", "max_streams"])
def test_a_buffer_needs_positive_numbers(setting):
    with pytest.raises(ConfigurationError, match=setting):
        ResumeBuffer(**{setting: 0})


# ---- without the extra


def test_the_package_is_imported_without_the_extra_and_says_what_is_missing():
    code = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in ('sse_starlette', 'ag_ui', 'fastapi'):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
import agentmem.streaming as streaming
print(*streaming.parse_stream([b'{"text": "a"}']))
for use in (lambda: streaming.sse_encode(streaming.DoneEvent()), lambda: streaming.sse_response([])):
    try:
        use()
    except ImportError as error:
        print(error)
"""
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.count("pip install 'strands-agentmem[web]") == 2
    assert printed.startswith("MessageEvent(content='a'")


def test_importing_loads_nothing_of_the_extra():
    code = "import sys, agentmem.streaming; print([name for name in ('sse_starlette', 'ag_ui') if name in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
