"""The pytest plugin, run by pytest: what its fixtures do, what they leave behind, and what they cost unused."""

from __future__ import annotations

import subprocess
import sys

import bedrock_agentcore.memory.client
import boto3
import freezegun
import moto.moto_server.werkzeug_app
import pytest
import strands

import agentmem.hook
import agentmem.records.waiting
import agentmem.runtime.shutdown
import agentmem.session_manager.manager
import agentmem.testing
from inner_pytest import SETTINGS, load_the_embedding_model

pytest_plugins = ["pytester"]

# Loaded here, because pytester unloads what a run inside this process has loaded, and numpy can be loaded only once.
LOADED = (agentmem, bedrock_agentcore, boto3, freezegun, moto, strands)


@pytest.fixture(autouse=True, scope="module")
def _embedding_model():
    load_the_embedding_model()


@pytest.fixture
def run(pytester):
    """Run a test file in this process and return the result."""

    def run(code, **files):
        pytester.makeini(SETTINGS)
        for name, text in files.items():
            pytester.makepyfile(**{name: text})
        pytester.makepyfile(code)
        return pytester.runpytest_inprocess("-q")

    return run


def test_an_agent_s_memory_is_extracted_when_the_test_says_so_and_searched_in_the_next_turn(run):
    result = run(
        """
        def test_it(agentmem_agent, agentmem_model, agentmem_local, settled_memories, agentmem_session):
            agentmem_agent("My favourite drink is oolong tea.")
            assert agentmem_local.pending == 1
            assert agentmem_session.search("facts", "favourite drink") == []

            [fact] = settled_memories("facts")

            assert fact.text == "My favourite drink is oolong tea."
            assert fact.namespace == "/users/test-user/facts/"
            assert {record.namespace.split("/")[3] for record in settled_memories()} > {"facts"}
            assert agentmem_local.pending == 0
            agentmem_model.add("Oolong!")
            assert str(agentmem_agent("What is my favourite drink?")).strip() == "Oolong!"
            assert any("oolong tea" in text for text in agentmem_model.requests[-1].texts("user")[-2:])
        """
    )
    result.assert_outcomes(passed=1)


def test_each_test_has_a_service_of_its_own(run):
    result = run(
        """
        import pytest

        @pytest.mark.parametrize("number", [1, 2])
        def test_it(number, agentmem_session, agentmem_agent, settled_memories):
            assert settled_memories() == []
            assert agentmem_agent.messages == []
            agentmem_agent("I have a dog named Rex.")
            assert len(settled_memories("facts")) == 1
        """
    )
    result.assert_outcomes(passed=2)


def test_the_session_is_restored_by_the_next_agent(run):
    result = run(
        """
        from strands import Agent

        def test_it(agentmem_agent, agentmem_session, agentmem_model):
            agentmem_agent("Remember the number 7.")
            with agentmem_session.session_manager() as manager:
                again = Agent(model=agentmem_model, session_manager=manager, callback_handler=None)
            assert [m["content"][0]["text"] for m in again.messages] == ["Remember the number 7.", "Noted."]
        """
    )
    result.assert_outcomes(passed=1)


def test_the_marker_says_how_the_fixtures_are_made(run):
    result = run(
        """
        import pytest
        from agentmem import CompactionConfig, Namespace

        NOTES = Namespace.semantic("notes", "/tenants/{tenant}/{actorId}/notes/", variables=("tenant",))

        @pytest.mark.agentmem(namespaces=(NOTES,), extraction_delay=10, script=["one", "two"], actor_id="ann")
        class TestMarked:
            @pytest.mark.agentmem(
                session_id="s-1", variables={"tenant": "acme"}, script=["other"], compaction=CompactionConfig(),
            )
            def test_it(self, agentmem_agent, agentmem_session, agentmem_local, agentmem_model, settled_memories):
                assert (agentmem_session.actor_id, agentmem_session.session_id) == ("ann", "s-1")
                assert agentmem_session.namespace("notes") == "/tenants/acme/ann/notes/"
                assert str(agentmem_agent("I have a dog named Rex.")).strip() == "other"
                assert agentmem_model.remaining == 0
                assert agentmem_local.tick(9) == 0
                assert agentmem_local.tick(1) == 1
                assert [record.namespace for record in settled_memories("notes")] == ["/tenants/acme/ann/notes/"]
        """
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("agentmem(namespace=())", "*MemoryConfig.namespace*"),
        ("agentmem(extraction_delay=-1)", "*extraction_delay must not be negative*"),
        ("agentmem(10)", "*takes options by name only, not (10,)*"),
    ],
)
def test_a_malformed_marker_is_an_error_that_names_it(run, marker, message):
    result = run(f"import pytest\n@pytest.mark.{marker}\ndef test_it(agentmem_session): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])


def test_failed_extraction_is_no_empty_answer(run):
    result = run(
        """
        import pytest
        from agentmem import ExtractionFailedError

        class Broken:
            def extract(self, *arguments):
                raise OSError("no model")

        @pytest.mark.agentmem(extractor=Broken())
        def test_it(agentmem_agent, settled_memories):
            agentmem_agent("I have a dog named Rex.")
            with pytest.raises(ExtractionFailedError, match="no model"):
                settled_memories()
            assert settled_memories() == []  # nothing more has failed
        """
    )
    result.assert_outcomes(passed=1)


def test_sixty_seconds_of_waiting_pass_at_once_frozen_or_not(run):
    result = run(
        """
        from datetime import UTC, datetime

        import pytest
        from freezegun import freeze_time
        from agentmem.support import clock

        @pytest.fixture(autouse=True)
        def took():
            began = clock.monotonic()
            yield
            assert clock.monotonic() - began < 3

        def test_not_frozen(agentmem_agent, agentmem_session):
            agentmem_agent("I have a dog named Rex.")
            assert len(agentmem_session.wait_for_memories("facts")) == 1

        @freeze_time("2026-03-01T12:00:00Z")
        def test_frozen(agentmem_agent, agentmem_session):
            agentmem_agent("I have a dog named Rex.")
            assert len(agentmem_session.wait_for_memories("facts")) == 1
            assert datetime.now(UTC) == datetime(2026, 3, 1, 12, 1, tzinfo=UTC)

        @freeze_time("2026-03-01T12:00:00Z")
        def test_nothing_to_wait_for(agentmem_session):
            assert agentmem_session.wait_for_memories("facts", max_wait=60) == []

        def test_frozen_tick_moves_the_service_s_clock(agentmem_agent, agentmem_session):
            with freeze_time("2026-03-01T12:00:00Z") as frozen:
                agentmem_agent("I have a dog named Rex.")
                frozen.tick(59)
                assert agentmem_session.search("facts", "dog") == []
                frozen.tick(1)
                assert len(agentmem_session.search("facts", "dog")) == 1

        @freeze_time("2026-03-01T12:00:00Z")
        def test_two_facts(agentmem_agent, agentmem_session, settled_memories):
            agentmem_agent("I have a dog named Rex.")
            assert len(settled_memories("facts")) == 1
            agentmem_agent("My favourite drink is oolong tea.")
            found = agentmem_session.wait_for_memories("facts")
            assert ["oolong" in record["content"]["text"] for record in found] == [True]
        """
    )
    result.assert_outcomes(passed=5)


@pytest.mark.parametrize("query", [None, "dog"])
def test_two_minutes_of_extraction_are_awaited_in_no_time(run, query):
    result = run(
        f"""
        import pytest
        from agentmem.support import clock
        from freezegun import freeze_time

        @pytest.mark.agentmem(extraction_delay=120)
        def test_it(agentmem_agent, agentmem_session):
            with freeze_time("2026-03-01T12:00:00Z"):
                agentmem_agent("I have a dog named Rex.")
                began = clock.monotonic()
                assert agentmem_session.wait_for_memories("facts", {query!r}, max_wait=180)
                assert clock.monotonic() - began < 0.5  # seconds of real time
        """
    )
    result.assert_outcomes(passed=1)


def test_checkpoints_in_dynamodb(run):
    result = run(
        """
        import boto3
        from strands import Agent
        from agentmem import CompactionConfig, DynamoDBCheckpoints

        def test_it(agentmem_config, agentmem_dynamodb, agentmem_model):
            checkpoints = agentmem_dynamodb.checkpoints("mine")
            assert boto3.client("dynamodb").list_tables()["TableNames"] == ["mine"]
            small = CompactionConfig(token_threshold=1_000)
            config = agentmem_config.replace(checkpoints=checkpoints, compaction=small)
            with config.bind("ann", "s1").session_manager() as manager:
                agent = Agent(model=agentmem_model, session_manager=manager, callback_handler=None)
                for number in range(6):
                    agent(f"{number} " + "word " * 300)
                assert manager.last_compaction is not None
            assert agentmem_dynamodb.client.scan(TableName="mine")["Count"] >= 1

        def test_the_address_may_be_left_out(agentmem_config, agentmem_dynamodb):
            agentmem_dynamodb.checkpoints("ours")
            config = agentmem_config.replace(checkpoints=DynamoDBCheckpoints(table="ours"))
            assert config.bind("ann", "s1").recall("anything") == []

        def test_it_is_empty_again(agentmem_dynamodb):
            assert agentmem_dynamodb.client.list_tables()["TableNames"] == []
        """
    )
    result.assert_outcomes(passed=3)


def test_the_next_test_s_clients_of_dynamodb_are_aws_s_again(run):
    result = run(
        """
        import boto3

        def address():
            return boto3.client("dynamodb", region_name="eu-north-1").meta.endpoint_url

        def test_here(agentmem_dynamodb):
            assert address() == agentmem_dynamodb.endpoint_url

        def test_next():
            assert address() == "https://dynamodb.eu-north-1.amazonaws.com"
            boto3.DEFAULT_SESSION = None
        """
    )
    result.assert_outcomes(passed=2)


def test_without_moto_the_extra_is_named(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "moto.moto_server.werkzeug_app", None)
    result = run("def test_it(agentmem_dynamodb): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*agentmem_dynamodb: *pip install 'strands-agentmem[[]testing-dynamodb[]]*"])


WATCH = """
import os, sys, tempfile, threading, time
import boto3, pytest
from botocore import handlers
from agentmem import HookConfig, WriteConfig
from agentmem.events.writer_registry import registry

def environment():
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}

def open_files():
    folder = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    found = []
    for number in os.listdir(folder):
        try:
            found.append(os.readlink(f"{folder}/{number}") if folder.startswith("/proc") else number)
        except OSError:
            pass  # the listing itself
    return sorted(found)

def written_files():
    return sorted(os.path.join(at, name) for root in (os.getcwd(), tempfile.gettempdir())
                  for at, _, names in os.walk(root) for name in names if "__pycache__" not in at)

BEFORE, KEPT = {}, []

def test_before(monkeypatch):
    import boto3
    BEFORE.update(threads=set(threading.enumerate()), environment=environment(), open=open_files(),
                  written=written_files(), session=boto3.DEFAULT_SESSION, handlers=list(handlers.BUILTIN_HANDLERS),
                  unsent=registry.waiting(), cwd=os.getcwd())

{test}

def test_no_thread_is_left():
    assert set(threading.enumerate()) <= BEFORE["threads"]

def test_no_file_is_left():
    assert open_files() == BEFORE["open"]
    assert written_files() == BEFORE["written"]

def test_the_environment_is_as_it_was():
    assert environment() == BEFORE["environment"]
    assert os.getcwd() == BEFORE["cwd"]

def test_boto3_is_as_it_was():
    assert boto3.DEFAULT_SESSION is BEFORE["session"]
    assert handlers.BUILTIN_HANDLERS == BEFORE["handlers"]

def test_nothing_waits_to_be_sent():
    assert registry.waiting() == BEFORE["unsent"]
"""

USES = {
    "agentmem_local": "agentmem_local.boto_session().client('bedrock-agentcore-control').list_memories()",
    "agentmem_config": "agentmem_config.data_plane()",
    "agentmem_session": "agentmem_session.wait_for_memories('facts', 'anything')",
    "agentmem_model": "agentmem_model.add('Hello')",
    "agentmem_agent": "agentmem_agent('I have a dog.'); agentmem_agent('What is its name?')",
    "settled_memories": "settled_memories()",
    "agentmem_dynamodb": "boto3.client('dynamodb').list_tables()\n    KEPT.append(agentmem_dynamodb)",
    "an agent nobody closes": (
        "from strands import Agent\n"
        "    agent = Agent(model=agentmem_model, hooks=[agentmem_session.hook()], callback_handler=None)\n"
        "    agent('I have a dog.')\n"
        "    KEPT.append(agent)"
    ),
    "an outage": (
        "agentmem_local.faults.inject('server_error')\n"
        "    agentmem_agent('I have a dog.')\n"
        "    assert registry.waiting() != BEFORE['unsent']"
    ),
    "a search that goes on": (
        "agentmem_local.faults.inject('latency', 'RetrieveMemoryRecords', seconds=0.3)\n"
        "    agentmem_agent('I have a dog.')\n"
        "    assert set(threading.enumerate()) > BEFORE['threads']"
    ),
    "a failing test": "agentmem_agent('I have a dog.')\n    assert False",
}
FIXTURES = {
    "an agent nobody closes": "agentmem_session, agentmem_model",
    "an outage": "agentmem_agent, agentmem_local",
    "a search that goes on": "agentmem_agent, agentmem_local",
    "a failing test": "agentmem_agent, agentmem_dynamodb, settled_memories",
}

MARKS = {
    "an outage": "@pytest.mark.agentmem(writes=WriteConfig(breaker_failures=1))\n",
    "a search that goes on": "@pytest.mark.agentmem(hook=HookConfig(retrieve_timeout=0.05))\n",
}


@pytest.mark.parametrize("use", USES)
def test_nothing_leaks_into_the_next_test(run, use, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    test = f"{MARKS.get(use, '')}def test_use({FIXTURES.get(use, use)}):\n    {USES[use]}"
    result = run(WATCH.replace("{test}", test))
    failed = use == "a failing test"
    result.assert_outcomes(passed=7 - failed, failed=int(failed))


def test_unused_it_imports_nothing_but_the_package_itself():
    code = (
        "import sys, pytest\n"
        "before = set(sys.modules)\n"
        "import agentmem.testing.plugin\n"
        "print(*sorted(name for name in set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    own = ["agentmem", "agentmem.support", "agentmem.support.lazy_names", "agentmem.testing", "agentmem.testing.plugin"]
    assert done.stdout.split() == own


def test_pytest_finds_it_and_lists_what_it_offers(run, pytester):
    run("def test_it(pytestconfig): assert pytestconfig.pluginmanager.has_plugin('agentmem')").assert_outcomes(passed=1)
    listed = pytester.runpytest_inprocess("--fixtures", "--markers", "-q").stdout.str()
    names = (
        "agentmem_local", "agentmem_config", "agentmem_session", "agentmem_model", "agentmem_agent",
        "agentmem_dynamodb", "settled_memories",
    )  # fmt: skip
    shown = pytester.runpytest_inprocess("--fixtures", "-q").stdout.str()
    assert [name for name in names if f"\n{name} --" not in shown] == []
    assert "no docstring available" not in shown[shown.index("agentmem_") :].split("------", 1)[0]
    assert "@pytest.mark.agentmem(" in listed
