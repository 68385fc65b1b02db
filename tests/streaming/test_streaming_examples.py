"""The examples for FastAPI and for Lambda, each as a server on a port."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest
from runtime_service import SESSION, Runtime
from serving import Client, serve

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setenv("AGENTMEM_LOCAL_PATH", ":memory:")
    yield importlib.import_module
    for name in ("fastapi_chat", "lambda_chat", "backend"):
        sys.modules.pop(name, None)


def ask(port, prompt, path="/chat", session=SESSION, **headers):
    with Client(port, path, {"session_id": session, "prompt": prompt}, **headers) as client:
        if client.response.status != 200:
            return client.response.status
        return list(client.frames())


def said(frames):
    return "".join(data["content"] for _, _, data in frames if data["type"] == "message")


def test_the_fastapi_example_streams_remembers_and_resumes(example):
    module = example("fastapi_chat")
    with serve(module.app) as port:
        ask(port, "Please remind me to buy the ticket for Lisbon.")
        frames = ask(port, "Which ticket do I have to buy?")
        assert said(frames) == "Please remind me to buy the ticket for Lisbon."
        assert ask(port, "Which ticket do I have to buy?", Last_Event_ID=frames[0][0]) == frames[1:]
        assert ask(port, "Hello.", session="short") == 400
        with Client(port, "/", method="GET") as client:
            assert b"./receive.js" in client.response.read()
        with Client(port, "/receive.js", method="GET") as client:
            assert client.response.headers["content-type"].startswith("text/javascript")
            assert b"export async function* receive" in client.response.read()


def test_the_fastapi_example_speaks_ag_ui(example):
    module = example("fastapi_chat")
    asked = {
        "threadId": SESSION,
        "runId": "run-1",
        "state": {},
        "messages": [{"id": "1", "role": "user", "content": "Hello."}],
        "tools": [],
        "context": [],
        "forwardedProps": {},
    }
    with serve(module.app) as port:
        with Client(port, "/agent", asked) as client:
            kinds = [data["type"] for _, _, data in client.frames()]
        with Client(port, "/agent", {**asked, "messages": []}) as client:
            assert client.response.status == 400
    assert (kinds[0], kinds[-1]) == ("RUN_STARTED", "RUN_FINISHED")


def test_the_lambda_example_passes_on_an_agent_of_runtime(example, monkeypatch):
    runtime = Runtime("<thinking>x</thinking>青い 🌊\nblue.")
    with serve(runtime) as runtime_port:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", f"http://127.0.0.1:{runtime_port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
        monkeypatch.setenv(
            "AGENT_RUNTIME_ARN", "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/chat-a1b2c3d4e5"
        )
        module = example("lambda_chat")
        with serve(module.app) as port:
            frames = ask(port, "The sea?")
            assert said(frames) == "青い 🌊\nblue."
            assert [name for _, name, _ in frames[-2:]] == ["metadata", "done"]
            assert ask(port, "Hello.", session="short") == 400
            with Client(port, body=json.loads("[]")) as client:
                assert client.response.status == 400
