"""`agentmem sessions`, `events` and `records` on an embedded memory, and how every command finds its memory."""

from __future__ import annotations

import json

import pytest
from filled import CommandLine, refused

from agentmem import MemoryConfig

ANN = ("--actor", "ann", "--session", "ann-1")


def test_sessions_are_listed_for_every_actor_or_for_one(look):
    assert [(one["actor"], one["session"]) for one in look.json("sessions")] == [("ann", "ann-1"), ("bob", "bob-1")]
    assert [one["session"] for one in look.json("sessions", "--actor", "bob")] == ["bob-1"]
    shown = look("sessions").stdout.splitlines()
    assert [line.split()[:2] for line in shown] == [["actor", "session"], ["ann", "ann-1"], ["bob", "bob-1"]]


def test_a_limit_that_leaves_something_out_says_so(look):
    done = look("sessions", "--limit", 1)
    assert len(done.stdout.splitlines()) == 2
    assert "more than 1" in done.stderr
    assert "more than" not in look("sessions", "--limit", 2).stderr


def test_a_memory_without_the_actor_says_so(look):
    assert "there is no session of actor 'zoe'" in look("sessions", "--actor", "zoe").stdout
    assert look.json("sessions", "--actor", "zoe") == []


def test_events_are_listed_newest_first_with_what_they_hold(look):
    found = look.json("events", "list", *ANN)
    assert [one["text"].partition(" / ")[0] for one in found] == [
        "Thank you.",
        "Look up [blue] boats.",
        "I prefer tea over coffee.",
        "My name is Ann and I live in Porto.",
        "",
    ]
    assert found[0]["holds"] == "1 user, 1 assistant, state"
    assert found[1]["holds"] == "2 user, 2 assistant, state"
    assert found[-1]["holds"] == "session"
    assert found[0]["metadata"]["stateType"] == "AGENT"
    assert [one["event"] for one in look.json("events", "list", *ANN, "--limit", 2)] == [
        one["event"] for one in found[:2]
    ]


def test_text_in_brackets_is_shown_as_it_is(look):
    assert "Look up [blue] boats." in look("events", "list", *ANN).stdout


def test_a_branch_is_listed_alone(look):
    assert look.json("events", "list", *ANN, "--branch", "other") == []


def test_an_event_is_shown_whole(look):
    event = look.json("events", "list", *ANN)[1]["event"]
    shown = look("events", "show", event, *ANN).stdout
    assert "user:\nLook up [blue] boats." in shown
    assert 'look({"query": "boats"})' in shown
    assert shown.count("A [blue] boat is a boat") == 100
    assert look.json("events", "show", event, *ANN)["eventId"] == event


def test_an_event_that_is_not_there_is_an_error_without_a_traceback(filled_folder, monkeypatch, capsys):
    message = refused(
        monkeypatch, capsys, "events", "show", "0000000000000000001#00000000", *ANN, "--local", filled_folder
    )
    assert "ResourceNotFound" in message
    assert "Traceback" not in message


def test_records_of_an_actor_are_listed_over_all_namespaces_or_of_one(look):
    everything = look.json("records", "list", "--actor", "ann")
    assert {one["namespace"] for one in everything} == {
        "/users/ann/facts/",
        "/users/ann/preferences/",
        "/summaries/ann/ann-1/",
    }
    facts = look.json("records", "list", "--actor", "ann", "--name", "facts")
    assert "My name is Ann and I live in Porto." in [one["text"] for one in facts]
    assert {one["namespace"] for one in facts} == {"/users/ann/facts/"}


def test_records_of_one_session_or_of_any_path_are_listed(look):
    assert [one["namespace"] for one in look.json("records", "list", "--actor", "ann", "--session", "ann-1")].count(
        "/summaries/ann/ann-1/"
    ) == 1
    assert look.json("records", "list", "--actor", "ann", "--session", "other", "--name", "summaries") == []
    assert {one["namespace"].split("/")[2] for one in look.json("records", "list", "--namespace", "/users/")} == {
        "ann",
        "bob",
    }


def test_a_search_shows_scores_best_first(look):
    found = look.json("records", "search", "where does the user live", "--actor", "ann", "--name", "facts")
    assert found[0]["text"] == "My name is Ann and I live in Porto."
    assert [one["score"] for one in found] == sorted((one["score"] for one in found), reverse=True)
    best = look.json(
        "records", "search", "where does the user live", "--actor", "ann", "--min-score", found[0]["score"]
    )
    assert 0 < len(best) < len(found) + 2
    assert "score" in look("records", "search", "tea", "--actor", "ann").stdout.splitlines()[0]


def test_an_actor_id_that_reaches_into_anothers_namespace_is_refused(filled_folder, monkeypatch, capsys):
    message = refused(monkeypatch, capsys, "records", "list", "--actor", "ann/facts", "--local", filled_folder)
    assert "ann/facts" in message


def test_records_need_an_actor_or_a_namespace(look):
    assert "say whose records" in look("records", "list").output
    assert look("records", "list", "--actor", "ann", "--namespace", "/users/").exit_code == 2


def test_a_record_is_shown_whole(look):
    [record] = look.json("records", "list", "--actor", "ann", "--name", "preferences")
    assert look.json("records", "show", record["record"])["text"] == record["text"]
    assert record["text"] in look("records", "show", record["record"]).stdout


def test_records_are_deleted_after_a_yes_only(change):
    records = change.json("records", "list", "--actor", "ann", "--name", "facts")
    refusal = change("records", "delete", records[0]["record"], answer="n\n")
    assert refusal.exit_code == 1
    assert records[0]["text"] in refusal.stderr
    assert len(change.json("records", "list", "--actor", "ann", "--name", "facts")) == len(records)
    assert change("records", "delete", records[0]["record"], answer="y\n").stdout.endswith("deleted 1 record\n")
    assert change("records", "delete", records[1]["record"], "--yes").exit_code == 0
    left = change.json("records", "list", "--actor", "ann", "--name", "facts")
    assert [one["record"] for one in left] == [one["record"] for one in records[2:]]


def test_without_any_configuration_the_remedies_are_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    message = refused(monkeypatch, capsys, "sessions")
    assert "--memory-id" in message
    assert "agentmem init" in message


def test_a_folder_without_a_memory_is_refused_and_not_made(tmp_path, monkeypatch, capsys):
    message = refused(monkeypatch, capsys, "sessions", "--local", tmp_path / "absent")
    assert "there is no embedded memory" in message
    assert not (tmp_path / "absent").exists()


def test_the_file_in_the_current_folder_is_found(filled_folder, tmp_path, monkeypatch):
    (tmp_path / "agentmem.toml").write_text(f"local_path = '{filled_folder}'\n")
    monkeypatch.chdir(tmp_path)
    assert len(CommandLine().json("sessions")) == 2
    assert len(CommandLine("--config", tmp_path / "agentmem.toml").json("sessions")) == 2


def test_of_several_memories_in_a_folder_one_has_to_be_chosen(tmp_path, monkeypatch, capsys):
    made = [MemoryConfig.local(tmp_path, name=name).memory_id for name in ("one", "two")]
    message = refused(monkeypatch, capsys, "sessions", "--local", tmp_path)
    assert all(memory_id in message for memory_id in made)
    assert CommandLine("--local", tmp_path, "--memory-id", made[1]).json("sessions") == []


def test_local_wins_over_the_memory_of_the_environment(look, monkeypatch):
    monkeypatch.setenv("BEDROCK_AGENTCORE_MEMORY_ID", "elsewhere-a1b2c3d4e5")
    assert len(look.json("sessions")) == 2


def test_the_policy_is_of_the_configured_memory(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    where = ("--memory-id", "support_bot-a1b2c3d4e5", "--region", "us-west-2")
    policy = json.loads(CommandLine(*where)("iam-policy", "--account-id", "123456789012").stdout)
    assert policy["Statement"][0]["Resource"] == (
        "arn:aws:bedrock-agentcore:us-west-2:123456789012:memory/support_bot-a1b2c3d4e5"
    )
    setup = CommandLine("--region", "us-west-2")("iam-policy", "--setup").stdout
    assert "bedrock-agentcore:CreateMemory" in setup
    assert "--memory-id" in refused(monkeypatch, capsys, "iam-policy")


@pytest.mark.parametrize("command", [("sessions",), ("events", "list", *ANN), ("records", "list", "--actor", "ann")])
def test_the_same_commands_work_over_http(command, filled_folder, look, monkeypatch):
    config = MemoryConfig.local(filled_folder)
    from agentmem.local import LocalMemory

    with LocalMemory(filled_folder / "memory.db") as memory, memory.serve() as server:
        for name, value in server.env().items():
            monkeypatch.setenv(name, value)
        remote = CommandLine("--memory-id", config.memory_id, "--region", config.region)
        assert remote.json(*command) == look.json(*command)
