"""What `--json` prints is what the table in `agentmem.cli.shapes` says, which `--help` shows."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from filled import CommandLine
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, create_model
from test_commands import commands

from agentmem import MemoryConfig
from agentmem.cli.app import app
from agentmem.cli.shapes import BOOLEAN, INTEGER, JSON, NUMBER, POSITION, SHAPES, TEXT, TIME, Lines, Named, described

ANN = ("--actor", "ann", "--session", "ann-1")
WORKSHOP = Path(__file__).parents[1] / "data" / "workshop.jsonl"
KINDS = {
    TEXT: str, TIME: datetime, INTEGER: int, NUMBER: int | float, BOOLEAN: bool, JSON: Any, POSITION: tuple[str, int],
}  # fmt: skip


def model_of(shape):
    """Return a shape as a type that pydantic holds values to: no name more, no name less, nothing converted."""
    if isinstance(shape, Named):
        return dict[str, model_of(shape.values)]
    if isinstance(shape, list):
        return list[model_of(shape[0])]
    if isinstance(shape, str):
        kind = KINDS[shape.removesuffix(" or null")]
        return kind | None if shape.endswith(" or null") else kind
    fields = {
        f"field_{number}": (model_of(inner), Field(None if name.endswith("?") else ..., alias=name.rstrip("?")))
        for number, (name, inner) in enumerate(shape.items())
    }
    return create_model("Shape", __config__=ConfigDict(extra="forbid", strict=True), **fields)


def fits(shape, printed):
    """Hold a command's output to its shape; JSON's own arrays and times may be tuples and times."""
    if isinstance(shape, Lines):
        kinds = {kind: TypeAdapter(model_of({"kind": TEXT, **fields})) for kind, fields in shape.kinds.items()}
        found = printed.splitlines()
        for line in found:
            kinds[json.loads(line)["kind"]].validate_json(line)
        return {json.loads(line)["kind"] for line in found}
    TypeAdapter(model_of(shape)).validate_json(printed)
    return json.loads(printed)


@pytest.fixture
def compacted(change):
    """A copy of the memory in which Ann's session has a checkpoint and a pin, and the id of each thing in it."""
    folder = change.where[1]
    config = MemoryConfig.local(folder, compaction={"token_threshold": 1_000, "protected_turns": 1})
    Path(folder, "agentmem.toml").write_text("[compaction]\ntoken_threshold = 1000\nprotected_turns = 1\n")
    run = CommandLine("--local", folder, "--config", Path(folder, "agentmem.toml"))
    assert config.bind("ann", "ann-1").pin("Never call.").text
    return run


def command_of(words):
    command = typer.main.get_command(app)
    for word in words:
        command = command.commands[word]
    return command


def shown(run, *arguments, answer=None):
    done = run(*arguments, "--json", answer=answer)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_every_command_with_json_is_in_the_table_and_no_other():
    with_json = {
        " ".join(words) for words in commands() if any("--json" in option.opts for option in command_of(words).params)
    }
    assert with_json == SHAPES.keys()


@pytest.mark.parametrize("name", SHAPES)
def test_the_help_shows_the_shape(name):
    assert f"With --json: {described(SHAPES[name])}." in command_of(name.split()).help


def test_a_value_of_another_kind_or_name_does_not_fit():
    shape = {"a": INTEGER, "b?": [TEXT + " or null"], "c": Named(TIME), "d": POSITION}
    good = {"a": 1, "b": ["x", None], "c": {"x": "2026-03-01T12:00:00+00:00"}, "d": ["e", 2]}
    fits(shape, json.dumps(good))
    fits(shape, json.dumps({name: value for name, value in good.items() if name != "b"}))
    for wrong in ({"a": "1"}, {"a": True}, {"a": 1.5}, {"b": [1]}, {"c": {"x": "yesterday"}}, {"d": ["e"]}, {"e": 1}):
        with pytest.raises(ValidationError):
            fits(shape, json.dumps(good | wrong))
    with pytest.raises(ValidationError):
        fits(shape, json.dumps({"a": 1}))


def test_what_is_read_fits(compacted):
    assert fits(SHAPES["compact"], shown(compacted, "compact", *ANN))["checkpoint_version"] == 1
    for name, arguments in {
        "checkpoints list": ANN,
        "checkpoints show": ANN,
        "compact": (*ANN, "--dry-run"),
        "context": ANN,
        "doctor": (),
        "events list": ANN,
        "pins list": ANN,
        "recall": ("tea", *ANN, "--explain"),
        "records list": ("--actor", "ann"),
        "records search": ("tea", "--actor", "ann"),
        "sessions": (),
        "wait": ("/users/ann/facts/", "--max-wait", 0),
    }.items():
        assert fits(SHAPES[name], shown(compacted, *name.split(), *arguments)), name
    event = compacted.json("events", "list", *ANN)[0]["event"]
    fits(SHAPES["events show"], shown(compacted, "events", "show", event, *ANN))
    record = compacted.json("records", "list", "--actor", "ann")[0]["record"]
    fits(SHAPES["records show"], shown(compacted, "records", "show", record))


def test_what_is_changed_fits(compacted, tmp_path):
    pin = fits(SHAPES["pins add"], shown(compacted, "pins", "add", "No onions.", *ANN))["id"]
    fits(SHAPES["pins remove"], shown(compacted, "pins", "remove", pin, *ANN))
    file = tmp_path / "all.jsonl"
    assert fits(SHAPES["export"], shown(compacted, "export", file))["event"]
    other = CommandLine("--local", tmp_path / "other")
    made = CommandLine("--local", tmp_path / "other", "--config", tmp_path / "other.toml")
    assert fits(SHAPES["init"], shown(made, "init"))["file_written"]
    assert fits(SHAPES["import"], shown(other, "import", file))["event"]
    compacted("compact", *ANN)
    assert fits(SHAPES["checkpoints delete"], shown(compacted, "checkpoints", "delete", *ANN, "--yes"))["deleted"]
    assert not fits(SHAPES["forget"], shown(compacted, "forget", "--actor", "ann", "--dry-run"))["deleted"]
    assert fits(SHAPES["forget"], shown(compacted, "forget", "--actor", "ann", "--yes"))["deleted"]


def test_a_table_fits(dynamodb_endpoint):
    where = ("--region", "us-west-2", "--endpoint-url", dynamodb_endpoint)
    made = shown(CommandLine(), "checkpoints", "create-table", "--table", "shaped", *where)
    assert fits(SHAPES["checkpoints create-table"], made) == {"table": "shaped", "region": "us-west-2", "created": True}


def test_a_replay_fits():
    run = CommandLine()
    printed = shown(run, "replay", WORKSHOP, "--token-threshold", 5_000, "--restart-every", 20)
    assert fits(SHAPES["replay"], printed)["restores"]


def test_a_conversation_fits(compacted):
    said = "My favourite drink is oolong tea.\nWhat do I drink?\n/status\n/recall tea\n/memories\n/compact\n/help\n"
    kinds = fits(SHAPES["chat"], shown(compacted, "chat", answer=said))
    assert kinds >= {"opened", "user", "text", "turn", "status", "recalled", "memories", "compacted", "help", "closed"}


def test_times_are_in_utc(look):
    [first, *_] = look.json("sessions")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00", first["created_at"])
