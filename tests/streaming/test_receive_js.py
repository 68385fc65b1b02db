"""receive.js: a page receives a turn, comes back when the connection is lost, and aborts; in Node and in Chromium."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from chat_app import App
from hypothesis import given, settings
from hypothesis import strategies as st
from serving import serve, until, wire
from sse_standard import read_by_the_standard
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from agentmem.streaming import RECEIVE_JS, MessageEvent, ResumeBuffer, sse_encode
from sessions import texts

HERE = Path(__file__).parent / "node"
STORY = "Es war einmal 日本の 🌊\nund\r\n\r es endete. " * 12
NODE = shutil.which("node")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
TSC = HERE / "node_modules" / ".bin" / "tsc"

needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")


def receive(url, **order):
    """Run the module in Node; returns what it printed."""
    order = {"url": url, "body": {"prompt": "A story!"}, **order}
    done = subprocess.run(
        [NODE, HERE / "receive.mjs", RECEIVE_JS, json.dumps(order)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def said(lines):
    return "".join(line["content"] for line in lines if line.get("type") == "message")


@needs_node
def test_a_turn_arrives_whole_and_in_order():
    app = App(STORY, seconds=0.001)
    with serve(app.app) as port:
        lines = receive(f"http://127.0.0.1:{port}/chat")
    assert said(lines) == STORY
    assert [line.get("type") for line in lines[-3:]] == ["metadata", "done", None]
    assert lines[-1] == {"end": True}


@needs_node
@pytest.mark.parametrize("step", [0, 331])
def test_a_lost_connection_is_resumed_without_a_lost_or_doubled_character(step):
    app = App(STORY, seconds=0.001, buffer=ResumeBuffer(), retry_milliseconds=10)
    with serve(app.app) as port, wire(port, [600 + step * number for number in range(6)]) as port_of_wire:
        lines = receive(f"http://127.0.0.1:{port_of_wire}/chat")
    assert said(lines) == STORY
    assert sum("reconnect" in line for line in lines) == 6
    assert app.turns == 1
    assert lines[-2:] == [{"type": "done"}, {"end": True}]


@needs_node
def test_a_request_that_cannot_be_resumed_is_not_sent_again():
    app = App(STORY, seconds=0.001)
    with serve(app.app) as port, wire(port, [600]) as port_of_wire:
        lines = receive(f"http://127.0.0.1:{port_of_wire}/chat")
    assert lines[-1]["thrown"] == "ReceiveError"
    assert "cannot be resumed" in lines[-1]["message"]
    assert app.turns == 1


@needs_node
def test_it_gives_up_after_some_attempts():
    app = App(STORY, seconds=0.001, buffer=ResumeBuffer(), retry_milliseconds=1)
    with serve(app.app) as port, wire(port, [700, *[1] * 10]) as port_of_wire:
        lines = receive(f"http://127.0.0.1:{port_of_wire}/chat", retries=2)
    assert [line["reconnect"] for line in lines if "reconnect" in line] == [1, 2]
    assert lines[-1]["thrown"] == "ReceiveError"


@needs_node
@pytest.mark.parametrize("way", ["abortAfter", "leaveAfter"])
def test_aborting_or_leaving_the_loop_cancels_the_turn(way):
    app = App("A long story. " * 200)
    with serve(app.app) as port:
        lines = receive(f"http://127.0.0.1:{port}/chat", **{way: 2})
        until(lambda: app.model.ended)
        assert len(app.model.given) < 500
    assert lines[-1] == {"end": True} if way == "leaveAfter" else lines[-1]["thrown"] == "AbortError"
    until(lambda: texts(app.session.agent(script=["x"]).messages) == ["A story!", "Cancelled by user"])


@needs_node
def test_a_refusal_and_a_stream_of_something_else_are_errors():
    async def refuse(_request):
        return PlainTextResponse("Sign in first.", 401)

    async def page(_request):
        return PlainTextResponse("data: <html>\n\n", media_type="text/event-stream")

    routes = [Route("/refuse", refuse, methods=["POST"]), Route("/page", page, methods=["POST"])]
    with serve(Starlette(routes=routes)) as port:
        assert receive(f"http://127.0.0.1:{port}/refuse")[-1] == {
            "thrown": "ReceiveError",
            "message": "Sign in first.",
            "status": 401,
        }
        assert receive(f"http://127.0.0.1:{port}/page")[-1]["thrown"] == "ReceiveError"


LINE = st.sampled_from(
    ["data: a", "data:b", "data", "event: x", "id: 7", ": c", "", "", "foo: d", "data:  e", "data: 日🌊"]
)


@needs_node
@given(
    st.lists(
        st.tuples(st.lists(LINE, max_size=12), st.sampled_from(["\n", "\r\n", "\r"]), st.integers(1, 9)),
        min_size=40,
        max_size=40,
    )
)
@settings(max_examples=8, deadline=None)
def test_frames_are_read_as_the_standard_says_however_they_are_cut(cases):
    streams = [
        ("".join(line + end for line in lines) + end + "data: last" + end + end + ": z\n", size)
        for lines, end, size in cases
    ]
    pieces = [[stream[at : at + size] for at in range(0, len(stream), size)] for stream, size in streams]
    done = subprocess.run(
        [NODE, HERE / "frames.mjs", RECEIVE_JS], input=json.dumps(pieces), capture_output=True, text=True, check=True
    )
    expected = [[list(frame) for frame in read_by_the_standard(stream)] for stream, _ in streams]
    assert json.loads(done.stdout) == expected


@needs_node
def test_every_text_survives_the_way_to_javascript():
    characters = "".join(map(chr, [*range(0x300), 0x2028, 0x2029, 0xFEFF, 0xD800, 0x1F30A, 0xDFFF]))
    frame = sse_encode(MessageEvent(characters), event_id="1")
    done = subprocess.run(
        [NODE, HERE / "frames.mjs", RECEIVE_JS], input=json.dumps([[frame]]), capture_output=True, text=True, check=True
    )
    (((_, data, _),),) = json.loads(done.stdout)
    assert json.loads(data)["content"] == characters


@pytest.mark.skipif(
    NODE is None or not TSC.exists(), reason=f"typescript is not installed: npm install in {HERE.name}/"
)
def test_its_types_hold():
    options = "--noEmit --checkJs --allowJs --strict --target es2022 --module es2022 --lib es2022,dom,dom.iterable"
    done = subprocess.run(
        [TSC, *options.split(), "--types", "", RECEIVE_JS], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium")
async def test_a_page_in_a_browser_receives_a_turn_over_a_connection_that_is_cut():
    playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    app = App(STORY, seconds=0.001, buffer=ResumeBuffer(), retry_milliseconds=10)
    problems = []
    cuts = []
    with serve(app.app) as port, wire(port, cuts) as port_of_wire:
        async with playwright.async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = await browser.new_page()
            page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: problems.append(str(error)))
            await page.goto(f"http://127.0.0.1:{port_of_wire}/")
            await page.wait_for_function("document.title === 'ready'")
            cuts += [700, 700, 900]
            await page.evaluate("ask('A story!')")
            answer = await page.evaluate("document.getElementById('answer').textContent")
            reconnects = await page.evaluate("window.reconnects")
            title = await page.title()
            await browser.close()
    assert answer == STORY
    assert title == "done"
    assert reconnects == 3
    assert app.turns == 1
    # Chromium itself reports each lost connection.
    assert [problem for problem in problems if "net::ERR_" not in problem] == []
