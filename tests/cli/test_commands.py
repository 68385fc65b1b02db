"""The command line as a user meets it: output, exit status, errors, how fast it starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import typer
from filled import refused
from typer.testing import CliRunner

from agentmem.cli import main
from agentmem.cli.app import app
from agentmem.errors import MissingExtraError

WORKSHOP = Path(__file__).parents[1] / "data" / "workshop.jsonl"
HEAVY = {
    "bedrock_agentcore", "boto3", "botocore", "numpy", "ollama", "openai", "opentelemetry", "starlette", "strands",
    "tiktoken",
}  # fmt: skip


def agentmem(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def replay(*arguments):
    return agentmem("replay", WORKSHOP, "--token-threshold", 5_000, *arguments)


def test_json_is_one_object_with_what_was_promised():
    done = replay("--restart-every", 7, "--json")
    assert done.exit_code == 0
    report = json.loads(done.stdout)
    promised = {
        "requests", "peak_request_tokens", "total_input_tokens", "total_input_tokens_without_compaction",
        "compactions", "restores", "api_calls",
    }  # fmt: skip
    assert promised <= set(report)
    assert report["requests"] == 103
    assert report["peak_request_tokens"] <= 5_500
    assert report["total_input_tokens"] < report["total_input_tokens_without_compaction"] / 3
    assert len(report["restores"]) == 8
    assert {"api_calls", "seconds"} <= set(report["restores"][0])
    assert report["api_calls"]["CreateEvent"] >= 53


def test_a_table_is_shown_and_a_picture_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = replay()
    assert done.exit_code == 0
    assert "largest request" in done.stdout
    assert "API calls: CreateEvent" in done.stdout
    assert "repaired: tool call ids made unique" in done.stdout
    assert "picture written to agentmem-replay.html" in done.stdout
    assert "<svg" in (tmp_path / "agentmem-replay.html").read_text()
    assert "replayed 100 %" in done.stderr


def test_no_picture_is_written_when_none_is_wanted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert replay("--no-picture").exit_code == 0
    assert replay("--json").exit_code == 0
    assert list(tmp_path.iterdir()) == []


def test_picture_and_requests_go_where_they_are_sent(tmp_path):
    done = replay("--picture", tmp_path / "a" / "p.svg", "--requests", tmp_path / "b" / "r.jsonl", "--json")
    assert done.exit_code == 0
    assert ET.parse(tmp_path / "a" / "p.svg").getroot().tag.endswith("svg")
    requests = [json.loads(line) for line in (tmp_path / "b" / "r.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(requests) == 103
    assert {tuple(request) for request in requests} == {("messages", "system", "tools")}


@pytest.mark.parametrize("store", ["sqlite", "memory"])
def test_every_place_for_checkpoints_needs_no_more_than_its_name(store, tmp_path):
    done = replay("--checkpoints", store, "--restart-every", 20, "--json", "--local", tmp_path / "kept")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["checkpoints"] == store
    assert (tmp_path / "kept").is_dir()


def test_dynamodb_is_found_by_its_endpoint_and_its_table_created(dynamodb_endpoint, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_endpoint)
    table = ("--dynamodb-table", "made-by-replay", "--create-table")
    done = replay("--checkpoints", "dynamodb", *table, "--restart-every", 20, "--json")
    assert done.exit_code == 0
    calls = json.loads(done.stdout)["api_calls"]
    assert calls["TransactWriteItems"] >= 5
    assert "CreateTable" not in calls


def test_a_broken_line_is_an_error_with_its_number_and_no_traceback(tmp_path, monkeypatch, capsys):
    file = tmp_path / "broken.jsonl"
    file.write_text('{"role": "user", "content": "x"}\n{"role": \n')
    message = refused(monkeypatch, capsys, "replay", file)
    assert message.startswith("agentmem: line 2: not valid JSON")
    assert "Traceback" not in message


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["replay", "absent.jsonl"], "'absent.jsonl' cannot be read"),
        (["replay", WORKSHOP, "--picture", "p.png"], "made as .html or .svg"),
        (["replay", WORKSHOP, "--create-table"], "only --checkpoints dynamodb"),
        (["replay", WORKSHOP, "--token-threshold", "10"], "Invalid value for '--token-threshold'"),
        (["replay", WORKSHOP, "--checkpoints", "paper"], "paper"),
        (["demo", "--extraction-delay", "-1"], "Invalid value for '--extraction-delay'"),
    ],
)
def test_a_bad_argument_is_named(arguments, expected, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    assert expected in refused(monkeypatch, capsys, *arguments)


def test_the_demo_ends_with_status_0_with_and_without_memory():
    assert agentmem("demo", "--extraction-delay", 0.3).exit_code == 0
    assert agentmem("demo", "--no-memory").exit_code == 0


def test_a_demo_whose_story_does_not_come_true_ends_with_status_1():
    done = agentmem("demo", "--extraction-delay", 3_600, "--max-wait", 0)
    assert done.exit_code == 1
    assert "Not as announced: the long-term memories did not arrive" in done.stdout


def commands(group=None, before=()):
    """Every command there is, as the words it is called by."""
    group = typer.main.get_command(app) if group is None else group
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*before, name))
        else:
            yield [*before, name]


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_every_command_has_an_example_that_its_options_fit(command):
    help_text = " ".join(agentmem(*command, "--help").stdout.split())
    words = ["agentmem", *command]
    assert f"Example: {' '.join(words)}" in help_text
    example = help_text.partition("Example: ")[2].partition("╭")[0].split()
    options = [option.rstrip(":") for option in example if option.startswith("--")]
    assert all(option in help_text.partition("╭")[2] for option in options)


def test_the_version_is_shown():
    assert agentmem("--version").stdout.startswith("agentmem 0.")


@pytest.mark.parametrize("command", [[], ["demo"], ["replay"], ["chat"], ["records", "list"], ["import"]], ids=" ".join)
def test_help_imports_nothing_heavy(command):
    code = (
        f"import sys; from agentmem.cli import main; sys.argv = ['agentmem', *{command!r}, '--help']\n"
        "try: main()\n"
        "finally: print('LOADED', *sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    help_text, _, loaded = done.stdout.rpartition("LOADED")
    assert "Usage: agentmem" in help_text
    assert not command or "Example: agentmem" in help_text
    assert set(loaded.split()) & HEAVY == set()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("agentmem rec", {"recall", "records"}),
        ("agentmem records ", {"list", "search", "show", "delete"}),
        ("agentmem records list --na", {"--name", "--namespace"}),
        ("agentmem replay x.jsonl --checkpoints ", {"event-log", "sqlite", "dynamodb", "memory"}),
    ],
)
def test_a_shell_completes_commands_options_and_choices(line, expected):
    code = "from agentmem.cli import main; main()"
    environment = {
        **os.environ, "_AGENTMEM_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))
    }  # fmt: skip
    program = f"import sys; sys.argv = ['agentmem']; {code}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    assert set(done.stdout.split()) == expected


@pytest.mark.parametrize("missing", [["typer"], ["rich"], ["typer", "rich"]])
def test_a_missing_extra_is_named(missing, monkeypatch, capsys):
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(
        f"agentmem: the command line needs the package '{missing[0]}', which is not installed. "
        "Install the extra: pip install 'strands-agentmem[cli]"
    )
    assert said.endswith("'\n")


def test_serving_without_its_extra_ends_before_anything_is_made(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    place = tmp_path / "memory"
    with pytest.raises(MissingExtraError, match=r"strands-agentmem\[local\]"):
        agentmem("serve", "--path", place)
    assert not place.exists()
