"""A supervisor and its researcher in two processes: one actor, two linked sessions, one trace.

python examples/supervisor.py

The researcher answers over HTTP as it would on AgentCore Runtime. The memory is the embedded one, served over HTTP to
both processes; on AWS nothing of `main` is needed but the question.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from bedrock_agentcore import BedrockAgentCoreApp, RequestContext
from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import TracerProvider
from strands import Agent, tool
from strands.models import Model

from agentmem import LocalMemory, MemoryConfig, WriteConfig, new_session_id
from agentmem.testing import Reply, ScriptedModel, ToolCall

ACTOR = "ana"
SESSION_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
trace.set_tracer_provider(TracerProvider())
tracer = trace.get_tracer("examples.supervisor")


def model_or(script: list[Any]) -> Model:
    """Give Bedrock's model where one is named, and a scripted one elsewhere."""
    if "BEDROCK_MODEL_ID" in os.environ:
        from strands.models import BedrockModel

        return BedrockModel(model_id=os.environ["BEDROCK_MODEL_ID"])
    return ScriptedModel(script)


def open_config(supervisor: str) -> MemoryConfig:
    """Describe the memory; every event says which supervisor's work and which trace it belongs to."""
    context = trace.get_current_span().get_span_context()
    writes = WriteConfig(metadata={"supervisor": supervisor, "trace": f"{context.trace_id:032x}"})
    return MemoryConfig.from_env(namespaces=(), writes=writes)  # the memory and its endpoints, as on AWS


# ---- the researcher's process

app = BedrockAgentCoreApp()


@app.entrypoint
def research(payload: dict[str, Any], context: RequestContext) -> dict[str, Any]:
    """Answer a question of the supervisor's, in a session of its own."""
    with tracer.start_as_current_span("research", context=propagate.extract(payload["trace"])):
        memory = open_config(payload["supervisor"]).bind(ACTOR, str(context.session_id))
        with memory.session_manager() as sessions:
            model = model_or(["The harbour of Porto is in Leixoes."])
            agent = Agent(model=model, agent_id="researcher", session_manager=sessions, callback_handler=None)
            return {"process": os.getpid(), "answer": str(agent(payload["prompt"])).strip()}


# ---- the supervisor's process


def ask(url: str, session_id: str) -> Any:
    """Make the tool that asks the researcher; its session is the supervisor's to name."""
    researcher_session = new_session_id(ACTOR, "researcher")

    @tool
    def ask_researcher(question: str) -> str:
        """Ask the researcher.

        Args:
            question: The question.
        """
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        payload = {"prompt": question, "supervisor": session_id, "trace": carrier}
        answer = httpx.post(
            f"{url}/invocations", json=payload, headers={SESSION_HEADER: researcher_session}, timeout=60
        )
        answer.raise_for_status()
        told = answer.json()
        print(f"[process {told['process']}] researcher: {told['answer']}")
        return str(told["answer"])

    return ask_researcher


def supervise(url: str) -> None:
    """Answer a question with the researcher's help, and show what is stored of it."""
    session_id = new_session_id(ACTOR, "supervisor")
    script = [
        Reply(tool_calls=[ToolCall("ask_researcher", {"question": "Where is the harbour of Porto?"})]),
        "It is in Leixoes.",
    ]
    with tracer.start_as_current_span("supervise"):
        config = open_config(session_id)
        with config.bind(ACTOR, session_id).session_manager() as sessions:
            agent = Agent(
                model=model_or(script),
                agent_id="supervisor",
                tools=[ask(url, session_id)],
                session_manager=sessions,
                callback_handler=None,
            )
            print(f"[process {os.getpid()}] supervisor: {str(agent('Where do ships land in Porto?')).strip()}")
    client, ids = config.data_plane(), {"memoryId": config.memory_id, "actorId": ACTOR}
    for session in client.list_sessions(**ids)["sessionSummaries"]:
        event = client.list_events(**ids, sessionId=session["sessionId"], maxResults=1)["events"][0]
        told = {key: value["stringValue"] for key, value in event["metadata"].items()}
        linked = "linked" if told["supervisor"] == session_id else "not linked"
        print(f"session of {told['agentId']}: {linked}, trace {told['trace']}")


@contextmanager
def researcher_process(environment: dict[str, str]) -> Iterator[str]:
    """Run the researcher in a process of its own, and give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([sys.executable, __file__, "--port", str(port)], env={**os.environ, **environment})
    try:
        for _ in range(300):
            try:
                httpx.get(f"{url}/ping").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def main() -> None:
    """Serve the embedded memory, start the researcher, and ask the supervisor."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, help="be the researcher, on this port")
    given = parser.parse_args()
    if given.port:
        app.run(port=given.port, host="127.0.0.1")
        return
    with LocalMemory() as local, local.serve() as server:
        config = MemoryConfig.local(local, namespaces=())
        environment = {
            "AWS_ACCESS_KEY_ID": "local",  # unless there are real ones, for a model on Bedrock
            "AWS_SECRET_ACCESS_KEY": "local",
            **os.environ,
            **server.env(),
            "BEDROCK_AGENTCORE_MEMORY_ID": config.memory_id,
            "AWS_REGION": config.region or "us-west-2",
        }
        os.environ.update(environment)
        with researcher_process(environment) as url:
            supervise(url)


if __name__ == "__main__":
    main()
