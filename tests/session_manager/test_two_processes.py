"""Processes of the operating system that work on one session and compact it, all at the same time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from crashing import REGION
from shared_session import SharedSession

from agentmem.checkpoints.dynamodb.store import DynamoDBCheckpointStore
from agentmem.checkpoints.sqlite import SqliteCheckpointStore
from agentmem.local import LocalMemory

CONTAINER = Path(__file__).with_name("container.py")
TURNS = 8


class Containers:
    """The services of one session, and processes that use them."""

    def __init__(self, memory, order, environment, make_store):
        control = memory.boto_session(REGION).client("bedrock-agentcore-control")
        self.memory_id = control.create_memory(name="shared", eventExpiryDuration=30)["memory"]["id"]
        self.order = {"memory_id": self.memory_id, "session_id": "s-1", **order}
        self.environment = {**os.environ, **environment}
        self.session = SharedSession(
            self.memory_id, "s-1", memory.boto_session(REGION).client("bedrock-agentcore"), make_store
        )

    def start(self, writer, turns):
        order = json.dumps({**self.order, "writer": writer, "turns": turns})
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, str(CONTAINER), order],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
            env=self.environment,
        )

    def work(self, *orders):
        """Let processes work at once; return what each showed at first, and what it said in the end."""
        processes = [self.start(writer, turns) for writer, turns in orders]
        try:
            shown = [json.loads(process.stdout.readline() or "{}") for process in processes]
            for process in processes:
                process.stdin.write("go\n")
                process.stdin.flush()
            said = [process.communicate(timeout=120) for process in processes]
        finally:
            for process in processes:
                process.kill()
                process.communicate()
        for process, (_, errors) in zip(processes, said, strict=True):
            assert process.returncode == 0, errors
        return [one | json.loads(output) for one, (output, _) in zip(shown, said, strict=True)]


@pytest.fixture
def on_files(tmp_path):
    """A memory and checkpoints in files, as several processes of one machine use them."""
    with LocalMemory(tmp_path / "memory.db", ranking="words") as memory:
        order = {"memory": str(tmp_path / "memory.db"), "checkpoints": str(tmp_path / "checkpoints.db")}
        yield Containers(memory, order, {}, lambda: SqliteCheckpointStore(tmp_path / "checkpoints.db"))


@pytest.fixture
def over_http(dynamodb, dynamodb_endpoint, checkpoint_table):
    """A memory and a table behind endpoints, as containers use them."""
    with LocalMemory(ranking="words") as memory, memory.serve() as server:
        environment = {**server.env(), "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_endpoint}
        store = DynamoDBCheckpointStore(dynamodb, checkpoint_table)
        yield Containers(memory, {"table": checkpoint_table}, environment, lambda: store)


@pytest.fixture(params=["on_files", pytest.param("over_http", marks=pytest.mark.slow)])
def containers(request):
    return request.getfixturevalue(request.param)


def test_processes_that_compact_one_session_at_once_converge(containers):
    reports = containers.work(("left", TURNS), ("right", TURNS))
    session = containers.session
    log = session.log()
    stored = [one.name for one in log]
    assert min(report["compactions"] for report in reports) >= 3
    assert len(set(stored)) == len(stored), "a message is stored twice"
    for report in reports:
        assert report["acknowledged"] == report["written"]
        assert [name for name in stored if name in set(report["written"])] == report["written"]
    assert len(stored) == 2 * TURNS * 6
    session.check_history(log)
    # A third process is shown everything from the boundary on, and told of everything before it.
    session.check_checkpoint(log)
    checkpoint = session.store().load(session.key)
    assert checkpoint.version >= 4
    (third,) = containers.work(("third", 2))
    folded = checkpoint.summary.extra["folded"]
    assert sorted([*third["shown"], *folded]) == sorted(stored)
    log = session.log()
    session.check_history(log)
    session.check_checkpoint(log)
