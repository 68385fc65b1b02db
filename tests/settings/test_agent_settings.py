"""One object configures an agent: what is read from where, what is refused, and what Bedrock is really sent."""

import contextlib
import json
import pickle
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from strands import Agent
from strands.hooks import BeforeInvocationEvent, HookProvider

from agentmem import AgentSettings, ConfigurationError, GuardrailConfig, MemoryConfig, ModelConfig
from agentmem.testing import Reply, ScriptedModel

MODEL_ID, MEMORY_ID = "amazon.nova-lite-v1:0", "support_bot-a1b2c3d4e5"
FILE = """
memory_id = "support_bot-a1b2c3d4e5"
region = "eu-central-1"

[model]
model_id = "amazon.nova-lite-v1:0"
read_timeout = 300

[guardrail]
guardrail_id = "gr1a2b3c4d5e"
version = 7

[compaction]
token_threshold = 50_000
"""


@pytest.fixture
def env(monkeypatch):
    for name in ("BEDROCK_AGENTCORE_MEMORY_ID", "BEDROCK_MODEL_ID", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch.setenv


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "agentmem.toml"
    path.write_text(FILE)
    return path


def test_one_file_serves_the_agent_and_its_memory(file, env):
    settings = AgentSettings.from_toml(file)
    assert settings.model == ModelConfig(model_id=MODEL_ID, read_timeout=300)
    assert settings.guardrail == GuardrailConfig(guardrail_id="gr1a2b3c4d5e", version="7")
    assert settings.compaction.token_threshold == 50_000
    memory = MemoryConfig.from_toml(file)
    assert (memory.memory_id, memory.compaction) == (settings.memory_id, settings.compaction)


def test_the_environment_wins_over_the_file_field_by_field(file, env):
    env("BEDROCK_MODEL_ID", "us.amazon.nova-pro-v1:0")
    env("AGENTMEM_GUARDRAIL__VERSION", "8")
    env("AGENTMEM_MODEL__TEMPERATURE", "0.2")
    settings = AgentSettings.from_toml(file)
    assert settings.model == ModelConfig(model_id="us.amazon.nova-pro-v1:0", read_timeout=300, temperature=0.2)
    assert settings.guardrail.version == "8"
    assert settings.guardrail.guardrail_id == "gr1a2b3c4d5e"


def test_the_environment_alone_is_enough_and_serves_the_memory_too(env):
    env("BEDROCK_AGENTCORE_MEMORY_ID", MEMORY_ID)
    env("AWS_REGION", "us-west-2")
    env("AGENTMEM_MODEL", MODEL_ID)
    assert AgentSettings.from_env().model == ModelConfig(model_id=MODEL_ID)
    env("AGENTMEM_MODEL__MAX_TOKENS", "500")
    env("BEDROCK_MODEL_ID", MODEL_ID)
    env("AGENTMEM_MODEL", "")
    assert AgentSettings.from_env().model.max_tokens == 500
    assert MemoryConfig.from_env().memory_id == MEMORY_ID
    assert AgentSettings.from_env(model="other.model").model.model_id == "other.model"


def test_a_model_by_its_id_in_a_file_takes_the_environments_limits(tmp_path, env):
    path = tmp_path / "agentmem.toml"
    path.write_text(f'memory_id = "{MEMORY_ID}"\nmodel = "{MODEL_ID}"\n')
    env("AGENTMEM_MODEL__READ_TIMEOUT", "9")
    assert AgentSettings.from_toml(path).model == ModelConfig(model_id=MODEL_ID, read_timeout=9)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "AgentSettings.model is missing.*BEDROCK_MODEL_ID"),
        ({"model": object()}, "neither a model's id nor a Strands model"),
        ({"model": "two words"}, "id or ARN of a model"),
        ({"model": {"model_id": MODEL_ID, "read_timeout": 0}}, "read_timeout = 0.*above 0"),
        ({"model": {"model_id": MODEL_ID, "timeout": 5}}, "did you mean|ModelConfig has"),
        ({"model": {"model_id": MODEL_ID, "temperature": True}}, "not true or false"),
        ({"model": MODEL_ID, "guardrail": {"guardrail_id": "No Such"}}, "guardrail's id"),
        ({"model": MODEL_ID, "guardrail": {"guardrail_id": "gr1", "version": "newest"}}, "version = 'newest'"),
        ({"model": ScriptedModel(), "guardrail": {"guardrail_id": "gr1"}}, r"BedrockModel\(guardrail_id"),
    ],
)
def test_what_cannot_work_is_refused_by_name(fields, said, env):
    with pytest.raises(ConfigurationError, match=f"(?s){said}"):
        AgentSettings(memory_id=MEMORY_ID, region="us-west-2", **fields)


def test_a_memory_alone_has_no_model(env):
    with pytest.raises(ConfigurationError, match="model is not a setting"):
        MemoryConfig(memory_id=MEMORY_ID, model=MODEL_ID)


def test_a_misspelt_section_of_the_environment_is_refused(env):
    env("AGENTMEM_GUARDRAILS__VERSION", "1")
    with pytest.raises(ConfigurationError, match="AGENTMEM_GUARDRAIL"):
        MemoryConfig.from_env(memory_id=MEMORY_ID)


class Counted(HookProvider):
    def __init__(self):
        self.turns = 0

    def register_hooks(self, registry, **_):
        registry.add_callback(BeforeInvocationEvent, lambda _: setattr(self, "turns", self.turns + 1))


def test_the_arguments_make_an_agent_whose_session_is_kept():
    model, counted = ScriptedModel([Reply("Noted."), Reply("Porto.")]), Counted()
    settings = AgentSettings.local(":memory:", model=model)
    for text in ("I live in Porto.", "Where do I live?"):
        memory = settings.bind("ana", "monday")
        arguments = settings.agent_arguments(memory, hooks=[counted])
        with arguments["session_manager"]:
            Agent(**arguments, callback_handler=None)(text)
    assert "I live in Porto." in model.requests[-1].texts("user")
    assert counted.turns == 2
    assert settings.replace(region="us-west-2").model is model


def test_it_survives_a_pickle_and_opens_its_model_again(env):
    settings = AgentSettings(memory_id=MEMORY_ID, region="us-west-2", model=MODEL_ID)
    opened = settings.open_model()
    assert settings.open_model() is opened
    again = pickle.loads(pickle.dumps(settings))
    assert again == settings
    assert again.open_model() is not opened
    assert again.open_model().config["model_id"] == MODEL_ID


@pytest.mark.parametrize(
    ("given", "region"),
    [
        ({"region": "eu-central-1"}, "eu-central-1"),
        ({"region": "eu-central-1", "model": {"model_id": MODEL_ID, "region": "us-east-1"}}, "us-east-1"),
        ({"region": "eu-central-1", "boto_session": boto3.Session(region_name="us-west-1")}, "eu-central-1"),
        ({"boto_session": boto3.Session(region_name="us-west-1")}, "us-west-1"),
    ],
)
def test_the_model_is_asked_in_its_region(given, region, env):
    settings = AgentSettings(**{"memory_id": MEMORY_ID, "model": MODEL_ID, **given})
    assert settings.open_model().client.meta.region_name == region


def test_the_region_of_an_embedded_memory_is_not_the_models(env):
    env("AWS_DEFAULT_REGION", "eu-west-1")
    settings = AgentSettings.local(":memory:", region="us-east-1", model=MODEL_ID)
    assert settings.open_model().client.meta.region_name == "eu-west-1"


class Bedrock(BaseHTTPRequestHandler):
    """Takes Converse requests, and hangs, throttles or answers them."""

    seen, pause, failures = None, 0.0, 0

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.path, body))
        time.sleep(self.pause)
        failing = len(self.seen) <= self.failures
        message = {"role": "assistant", "content": [{"text": "Good morning."}]}
        usage = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
        answer = {"output": {"message": message}, "stopReason": "end_turn", "usage": usage, "metrics": {"latencyMs": 1}}
        text = json.dumps({"message": "later"} if failing else answer).encode()
        self.send_response(503 if failing else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # whoever asked has left
            self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture
def bedrock(env):
    """Serve Converse on this machine; answers in one piece, which need no event stream."""
    handler = type("Handler", (Bedrock,), {"seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", f"http://127.0.0.1:{server.server_port}")
    env("AWS_ACCESS_KEY_ID", "testing")
    env("AWS_SECRET_ACCESS_KEY", "testing")
    env("AWS_DEFAULT_REGION", "us-west-2")
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()


def ask(**model):
    settings = AgentSettings.local(
        ":memory:",
        model={"model_id": MODEL_ID, "streaming": False, **model},
        guardrail={"guardrail_id": "gr1a2b3c4d5e", "version": "7", "trace": "enabled_full"},
    )
    arguments = settings.agent_arguments(settings.bind("ana", "monday"))
    with arguments["session_manager"]:
        return str(Agent(**arguments, callback_handler=None, retry_strategy=None)("Hello."))


def test_bedrock_is_sent_the_model_and_the_guardrail(bedrock):
    assert ask(max_tokens=200, temperature=0.1).strip() == "Good morning."
    [(path, body)] = bedrock.seen
    assert path.startswith("/model/amazon.nova-lite-v1%3A0/converse")
    assert body["inferenceConfig"] == {"maxTokens": 200, "temperature": 0.1}
    assert body["guardrailConfig"] == {
        "guardrailIdentifier": "gr1a2b3c4d5e",
        "guardrailVersion": "7",
        "trace": "enabled_full",
    }


def test_a_model_that_hangs_is_left_at_the_time_limit(bedrock):
    bedrock.pause = 3
    began = time.monotonic()
    with pytest.raises(Exception, match=r"(?i)read timeout"):
        ask(read_timeout=0.3, max_attempts=1)
    assert time.monotonic() - began < 3
    assert len(bedrock.seen) == 1


def test_a_busy_service_is_asked_as_often_as_allowed(bedrock):
    bedrock.failures = 1
    assert ask(max_attempts=2).strip() == "Good morning."
    assert len(bedrock.seen) == 2
