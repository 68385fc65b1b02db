"""The Runtime example, as a server of its own process on a port, called as AgentCore Runtime calls it."""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from strands import Agent

from agentmem import CompactionConfig, LocalMemory, MemoryConfig, SessionAgents, actor_id_for
from agentmem.testing import ScriptedModel, ToolCall
from code_interpreter_service import serve
from providers import Provider

EXAMPLES = Path(__file__).parents[2] / "examples"
SESSION, OTHER_SESSION = "chat-" + "1" * 33, "chat-" + "2" * 33
UNKNOWN = "I do not know: nothing I was given says so."


class Container:
    """The example's process."""

    def __init__(self, folder, **environment):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / f"{port}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, EXAMPLES / "runtime_agent.py"],
                cwd=folder,
                env={**os.environ, "PORT": str(port), **environment},
                stdout=log,
                stderr=log,
            )

    def ping(self):
        with urllib.request.urlopen(f"{self.url}/ping", timeout=5) as answer:
            return json.load(answer)["status"]

    def wait(self):
        end = time.monotonic() + 60
        while True:
            try:
                return self.ping()
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < end, self.log.read_text()
                time.sleep(0.1)

    def invoke(self, prompt, user="ana@example.org", session=SESSION):
        """Return the status, and the events of the answer or the error."""
        headers = {
            "Content-Type": "application/json",
            "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id": session,
            "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Actor": user,
        }
        request = urllib.request.Request(
            f"{self.url}/invocations",
            json.dumps({"prompt": prompt}).encode(),
            {name: value for name, value in headers.items() if value},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert answer.headers["content-type"].startswith("text/event-stream")
                lines = [line.decode() for line in answer if line.strip()]
                return answer.status, [json.loads(line.removeprefix("data: ")) for line in lines]
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)["error"]

    def ask(self, *arguments, **options):
        status, events = self.invoke(*arguments, **options)
        assert status == 200
        assert [event["type"] for event in events[-2:]] == ["metadata", "done"]
        return "".join(event["content"] for event in events if event["type"] == "message").strip()

    def stop(self):
        """Stop it as a container is stopped."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


@contextmanager
def container(folder, **environment):
    started = Container(folder, **environment)
    try:
        started.wait()
        yield started
    finally:
        started.process.kill()
        started.process.wait()


@pytest.mark.slow
def test_sessions_are_kept_apart_and_come_back_after_a_restart(tmp_path):
    with container(tmp_path) as first:
        assert first.ping() == "Healthy"
        first.ask("Please remind me to buy the ticket for Lisbon.")
        assert first.ask("Which ticket do I have to buy?") == "Please remind me to buy the ticket for Lisbon."
        assert first.ask("Which ticket do I have to buy?", session=OTHER_SESSION) == UNKNOWN
        assert first.ask("Which ticket do I have to buy?", user="bob@example.org") == UNKNOWN
        for prompt, user, session, why in [
            ("Hello.", "ana@example.org", "", "Runtime-Session-Id"),
            ("Hello.", "ana@example.org", "too-short", "at least 33"),
            ("Hello.", "", SESSION, "actor_id is missing"),
            ("", "ana@example.org", SESSION, "prompt is missing"),
        ]:
            status, error = first.invoke(prompt, user, session)
            assert (status, why in error) == (400, True)
        first.stop()
    with container(tmp_path) as second:
        assert second.ask("Which ticket do I have to buy?") == "Please remind me to buy the ticket for Lisbon."


@pytest.mark.slow
def test_what_is_still_on_its_way_is_saved_when_the_container_is_told_to_stop(tmp_path):
    with LocalMemory() as memory, memory.serve() as server:
        config = MemoryConfig.local(memory)
        environment = {
            **server.env(),
            "BEDROCK_AGENTCORE_MEMORY_ID": config.memory_id,
            "AWS_REGION": config.region,
            "AGENTMEM_WRITES__FLUSH": "background",
        }
        with container(tmp_path, **environment) as running:
            running.ask("Hello.")
            memory.faults.inject("latency", "CreateEvent", seconds=1.0)
            running.ask("Please remind me to buy the ticket for Lisbon.")
            running.stop()
        memory.faults.clear()
        manager = config.bind(actor_id_for("ana@example.org"), SESSION).session_manager()
        agent = Agent(model=ScriptedModel(), session_manager=manager, callback_handler=None)
        texts = [block["text"] for message in agent.messages for block in message["content"]]
        assert "Please remind me to buy the ticket for Lisbon." in texts


@pytest.mark.slow
def test_with_a_model_on_aws_code_runs_in_a_sandbox_that_is_stopped_with_the_container(tmp_path):
    script = [("run_python", {"code": "print(6 * 7)"}), "<thinking>Easy.</thinking>It is 42.", "Gladly."]
    with serve("42") as (sandbox, called), Provider(script).running() as bedrock:
        environment = {
            "BEDROCK_MODEL_ID": "amazon.tiny-v1:0",
            "AWS_REGION": "us-west-2",
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": bedrock.url,
            "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE": sandbox,
        }
        with container(tmp_path, **environment) as running:
            assert running.ask("What is 6 times 7?") == "It is 42."
            assert running.ask("Thank you.", session=OTHER_SESSION) == "Gladly."
            assert called == ["start", "print(6 * 7)"]
            running.stop()
        assert called == ["start", "print(6 * 7)", "stop"]
    assert "run_python" in json.dumps(bedrock.requests[0]["toolConfig"])
    assert '"text": "42"' in json.dumps(bedrock.requests[1]["messages"])


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setenv("AGENTMEM_LOCAL_PATH", ":memory:")
    yield importlib.import_module("runtime_agent")
    for name in ("runtime_agent", "backend"):
        sys.modules.pop(name, None)


def test_the_sandbox_is_started_once_and_always_stopped_and_its_output_is_compacted(example, monkeypatch):
    line = "row of the result, with a number in it: "
    output = "\n".join(f"{line}{number}" for number in range(2_000))
    config = example.config.replace(compaction=CompactionConfig(token_threshold=8_000, protected_turns=1))
    code = [ToolCall("run_python", {"code": f"show({number})"}) for number in (1, 2)]
    with serve(output) as (url, called):
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", url)
        model = ScriptedModel([code[0], "There.", code[1], "There, too.", "Gladly."])

        @contextmanager
        def make_agent(actor_id, session_id):
            with example.code_interpreter("us-west-2") as run_python:
                manager = config.bind(actor_id, session_id).session_manager()
                yield Agent(model=model, tools=[run_python], session_manager=manager, callback_handler=None)

        with SessionAgents(make_agent) as agents, agents.use("ann", SESSION) as agent:
            for prompt in ("Show 1.", "Show 2.", "Thank you."):
                agent(prompt)
            assert called == ["start", "show(1)", "show(2)"]
        assert called[-1] == "stop"
    assert f"{line}1999" in next(iter(model.requests[1].tool_results().values()))
    assert all(len(result) < 1_000 for result in model.requests[-1].tool_results().values())
    assert model.requests[-1].tokens < 8_000
