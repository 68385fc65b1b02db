"""`agentmem serve` as a process, and a client of another process on it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime

import boto3
from filled import CommandLine, refused

COMMAND = [sys.executable, "-c", "from agentmem.cli import main; main()", "serve"]


@contextmanager
def serving(*arguments):
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    try:
        lines = [process.stdout.readline().strip() for _ in range(2)]
        yield process, dict(line.removeprefix("export ").split("=", 1) for line in lines)
    finally:
        process.kill()
        process.communicate()


def test_any_client_works_on_what_it_prints_and_the_folder_keeps_what_was_written(tmp_path, monkeypatch):
    with serving("--path", tmp_path / "kept", "--port", 0) as (process, environment):
        assert set(environment) == {
            "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE",
            "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL",
        }
        for name, value in environment.items():
            assert value.startswith("http://127.0.0.1:")
            monkeypatch.setenv(name, value)
        session = boto3.Session(region_name="eu-west-1")
        memory = session.client("bedrock-agentcore-control").create_memory(name="served", eventExpiryDuration=30)
        memory_id = memory["memory"]["id"]
        session.client("bedrock-agentcore").create_event(
            memoryId=memory_id,
            actorId="ann",
            sessionId="s-1",
            eventTimestamp=datetime(2026, 11, 3, tzinfo=UTC),
            payload=[{"conversational": {"role": "USER", "content": {"text": "Over HTTP."}}}],
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert "Stop it with Ctrl-C" in process.stderr.read()
    events = CommandLine("--local", tmp_path / "kept").json("events", "list", "--actor", "ann", "--session", "s-1")
    assert [event["text"] for event in events] == ["Over HTTP."]


def test_a_new_memory_is_creating_for_as_long_as_it_is_told(monkeypatch):
    with serving("--path", ":memory:", "--port", 0, "--activation-delay", 3_600) as (_, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        control = boto3.client("bedrock-agentcore-control", region_name="eu-west-1")
        made = control.create_memory(name="slow", eventExpiryDuration=30)["memory"]
        assert made["status"] == control.get_memory(memoryId=made["id"])["memory"]["status"] == "CREATING"


def test_changes_of_records_are_appended_to_a_file(tmp_path, monkeypatch):
    file = tmp_path / "changes.jsonl"
    content = [{"type": "MEMORY_RECORDS", "level": "FULL_CONTENT"}]
    stream = {"dataStreamArn": "arn:aws:kinesis:eu-west-1:000000000000:stream/x", "contentConfigurations": content}
    with serving("--path", ":memory:", "--port", 0, "--record-stream", file) as (_, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        session = boto3.Session(region_name="eu-west-1")
        memory = session.client("bedrock-agentcore-control").create_memory(
            name="told",
            eventExpiryDuration=30,
            memoryExecutionRoleArn="arn:aws:iam::000000000000:role/memory",
            streamDeliveryResources={"resources": [{"kinesis": stream}]},
        )["memory"]
        record = {"requestIdentifier": "r", "namespaces": ["/x/"], "content": {"text": "a"}, "timestamp": 1}
        session.client("bedrock-agentcore").batch_create_memory_records(memoryId=memory["id"], records=[record])
    kinds = [json.loads(line)["memoryStreamEvent"]["eventType"] for line in file.read_text().splitlines()]
    assert kinds == ["StreamingEnabled", "MemoryRecordCreated"]


def test_ctrl_c_ends_it_and_other_than_loopback_addresses_are_warned_about():
    with serving("--path", ":memory:", "--port", 0, "--host", "0.0.0.0") as (process, environment):
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert "reachable by others" in process.stderr.read()
    assert len(environment) == 2


def test_a_port_that_is_taken_is_named(tmp_path, monkeypatch, capsys):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        message = refused(monkeypatch, capsys, "serve", "--path", ":memory:", "--port", port)
    signal.signal(signal.SIGINT, before[0])
    signal.signal(signal.SIGTERM, before[1])
    assert f"cannot listen on 127.0.0.1:{port}" in message


def test_a_file_of_another_kind_is_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "memory.db").write_text("not a database" * 100)
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    message = refused(monkeypatch, capsys, "serve", "--path", tmp_path)
    signal.signal(signal.SIGINT, before[0])
    signal.signal(signal.SIGTERM, before[1])
    assert "cannot be opened" in message
