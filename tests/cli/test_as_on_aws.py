"""Every command against the service over HTTP, found by AWS's own variables: the same as with a folder.

The operations called on the way are held to the policies: an operator's names all of them and no other.
"""

from __future__ import annotations

import json

import pytest
from filled import CommandLine
from test_commands import commands
from typer.testing import CliRunner

from agentmem import MemoryConfig, iam_policy
from agentmem.cli.app import app
from agentmem.clients.boto import default_session
from agentmem.local import LocalMemory
from recording import Recorded

ANN = ("--actor", "ann", "--session", "ann-1")
WALKED = ("--actor", "me", "--session", "s-1")
STORY = "A long report about the harbour of Bergen, number {}: " + "ships come and ships go. " * 40
NOT_WALKED = {"demo", "replay", "serve", "iam-policy", "inspect", "template"}
"""They call no service, or run until they are stopped; what the inspector calls is in tests/inspector."""


@pytest.fixture(scope="module")
def over_http(filled_folder, tmp_path_factory):
    """Commands on the filled memory, by HTTP."""
    opened = MemoryConfig.local(filled_folder)
    with pytest.MonkeyPatch.context() as patch, LocalMemory(filled_folder / "memory.db") as memory:
        patch.chdir(tmp_path_factory.mktemp("nowhere"))
        with memory.serve() as server:
            for name, value in {**server.env(), "AWS_REGION": opened.region}.items():
                patch.setenv(name, value)
            yield CommandLine("--memory-id", opened.memory_id)


@pytest.mark.parametrize(
    "command",
    [
        ["sessions"],
        ["events", "list", *ANN],
        ["records", "list", "--actor", "ann"],
        ["records", "search", "boats", "--actor", "ann"],
        ["context", *ANN],
        ["compact", *ANN, "--dry-run"],
        ["checkpoints", "list", *ANN],
        ["wait", "/users/ann/facts/", "--max-wait", "0"],
        ["forget", "--actor", "ann", "--dry-run"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_what_is_shown_is_the_same_as_of_the_folder(look, over_http, command):
    assert over_http.json(*command) == look.json(*command)


def test_tables_are_the_same_as_of_the_folder(look, over_http):
    for command in (["sessions"], ["events", "list", *ANN], ["context", *ANN]):
        shown = [side(*command) for side in (look, over_http)]
        assert shown[0].stdout == shown[1].stdout
        assert [side.exit_code for side in shown] == [0, 0]


def test_one_event_and_one_record_are_the_same_as_of_the_folder(look, over_http):
    event = look.json("events", "list", *ANN)[0]["event"]
    record = look.json("records", "list", "--actor", "ann")[0]["record"]
    for command in (("events", "show", event, *ANN), ("records", "show", record)):
        assert over_http.json(*command) == look.json(*command)


class Walk:
    """Runs commands in a folder whose configuration file says which memory, and notes what each calls."""

    def __init__(self):
        self.recorded = Recorded(default_session())
        self.called = {}

    def __call__(self, *arguments, said=None):
        done = CliRunner().invoke(app, list(map(str, arguments)), input=said)
        assert done.exit_code == 0, (arguments, done.output, done.exception)
        words = list(arguments[:2]) if list(arguments[:2]) in list(commands()) else [arguments[0]]
        self.called.setdefault(" ".join(words), set()).update(self.recorded.take())
        return done

    def json(self, *arguments):
        return json.loads(self(*arguments, "--json").stdout)

    def actions_of(self, *names):
        return set().union(*(self.called[name] for name in names))


def actions(policy):
    return {action for statement in policy["Statement"] for action in statement["Action"]}


def look_through(walk):
    """Every command that shows something or changes one thing."""
    assert {one["status"] for one in walk.json("doctor", *WALKED)} == {"ok", "warning"}  # the place is not AWS
    assert [one["session"] for one in walk.json("sessions")] == ["s-1"]
    events = walk.json("events", "list", *WALKED)
    walk("events", "show", events[0]["event"], *WALKED)
    records = walk.json("records", "list", "--actor", "me")
    assert walk.json("records", "search", "harbour", "--actor", "me")
    walk("records", "show", records[0]["record"])
    walk("records", "delete", records[0]["record"], "--yes")
    assert len(walk.json("records", "list", "--actor", "me")) == len(records) - 1
    walk("wait", "facts", "--actor", "me", "--since", events[-1]["event"], "--max-wait", 0)
    assert walk.json("recall", "harbour", *WALKED)
    assert walk.json("context", *WALKED)["folded_messages"] > 0
    pin = walk.json("pins", "add", "No onions, please.", *WALKED)["id"]
    assert [one["text"] for one in walk.json("pins", "list", *WALKED)] == ["No onions, please."]
    walk("pins", "remove", pin, *WALKED)
    walk("compact", *WALKED)
    assert walk.json("checkpoints", "list", *WALKED)[0]["version"] >= 1
    walk("checkpoints", "show", *WALKED)
    walk("checkpoints", "create-table")


def copy_and_forget(walk, control):
    """Copy the memory into one whose records expire unless told otherwise, and forget the person in the first."""
    walk("export", "memory.jsonl")
    kept = {"recordExpirySpecification": {"recordExpiryDurationDays": 40}}
    facts = {"name": "facts", "namespaceTemplates": ["/users/{actorId}/facts/"], **kept}
    control.create_memory(name="copy", eventExpiryDuration=30, memoryStrategies=[{"semanticMemoryStrategy": facts}])
    walk("init", "--name", "copy", "--config", "copy.toml", "--table", "walked")
    copied = walk.json("import", "memory.jsonl", "--config", "copy.toml")
    assert (copied["left_out"], copied["session"]) == (0, 1)
    assert copied["checkpoint"] >= 1
    counted = walk.json("forget", "--actor", "me", "--dry-run")
    assert counted["checkpoints"] == 1
    assert walk.json("forget", "--actor", "me", "--yes") == {**counted, "deleted": True}
    assert walk.json("checkpoints", "list", *WALKED) == []
    assert walk.json("events", "list", *WALKED) == []
    assert walk.json("checkpoints", "list", *WALKED, "--config", "copy.toml") != []
    walk("checkpoints", "delete", *WALKED, "--config", "copy.toml", "--yes")
    assert walk.json("checkpoints", "list", *WALKED, "--config", "copy.toml") == []


def test_every_command_works_and_operators_need_exactly_their_policy(dynamodb_endpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with LocalMemory() as memory, memory.serve() as server:
        environment = {**server.env(), "AWS_REGION": "us-west-2", "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_endpoint}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        walk = Walk()
        walk("init", "--name", "walked", "--table", "walked")
        said = ["I live in Porto.", "I work as a nurse.", *(STORY.format(number) for number in range(8))]
        walk("chat", "--session", "s-1", "--token-threshold", 2_000, said="\n".join(said))
        look_through(walk)
        copy_and_forget(walk, memory.boto_session("us-west-2").client("bedrock-agentcore-control"))
        config = MemoryConfig.from_toml()
    assert set(walk.called) == {" ".join(command) for command in commands()} - NOT_WALKED
    agent, operator = actions(iam_policy(config)), actions(iam_policy(config, operate=True))
    assert walk.called["chat"] <= agent
    setting_up = {"init", "checkpoints create-table"}
    operated = walk.actions_of(*set(walk.called) - setting_up - {"chat"})
    assert operator - agent <= operated <= operator
    set_up = walk.actions_of(*setting_up)
    assert actions(iam_policy(config, setup=True)) - agent == set_up
