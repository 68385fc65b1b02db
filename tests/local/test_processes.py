"""Several processes on one file, and processes that die."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import pytest
from memory_api import SEMANTIC, MemoryApi, said

from agentmem.local import LocalMemory

WRITER = """
import sys, threading
from datetime import datetime, timezone
from agentmem.local import LocalMemory

path, memory_id, name, threads, seconds = sys.argv[1:4] + [int(sys.argv[4]), float(sys.argv[5])]
data = LocalMemory(path).boto_session().client("bedrock-agentcore")
lock, stop = threading.Lock(), threading.Event()


def write(number):
    session, count = f"{name}-{number}", 0
    while not stop.is_set():
        text = f"{session}:{count}"
        event = data.create_event(
            memoryId=memory_id, actorId="bob", sessionId=session, eventTimestamp=datetime.now(timezone.utc),
            payload=[{"conversational": {"content": {"text": text}, "role": "USER"}}],
        )["event"]
        with lock:
            print(session, event["eventId"], count, flush=True)
        count += 1
        if count % 20 == 0:
            data.list_events(memoryId=memory_id, actorId="bob", sessionId=session, maxResults=5)


workers = [threading.Thread(target=write, args=(number,), daemon=True) for number in range(threads)]
[worker.start() for worker in workers]
if seconds:
    stop.wait(seconds)
    stop.set()
[worker.join() for worker in workers]
"""


def start(path, memory_id, name, threads, seconds, output=subprocess.PIPE):
    arguments = [sys.executable, "-c", WRITER, str(path), memory_id, name, str(threads), str(seconds)]
    return subprocess.Popen(arguments, stdout=output, stderr=subprocess.PIPE, text=True)


def acknowledged(lines):
    """Acknowledged event ids by session, in order."""
    found = {}
    for line in lines:
        words = line.split()
        if len(words) == 3:
            found.setdefault(words[0], []).append(words[1])
    return found


@pytest.fixture
def shared(tmp_path):
    path = tmp_path / "shared.db"
    memory = LocalMemory(path)
    api = MemoryApi(memory.boto_session())
    api.create()
    yield path, api
    memory.close()


def test_kill_9_in_the_middle_of_concurrent_writes_loses_no_acknowledged_event(shared):
    path, api = shared
    report = path.with_suffix(".txt")
    with report.open("w") as output:
        process = start(path, api.memory_id, "killed", threads=4, seconds=0, output=output)
        deadline = time.monotonic() + 20
        while report.read_text().count("\n") < 200 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=10)
    whole_lines = report.read_text().rpartition("\n")[0].splitlines()
    written = acknowledged(whole_lines)
    assert sum(map(len, written.values())) >= 200
    for session, event_ids in written.items():
        stored = [event["eventId"] for event in api.all_events(session=session)][::-1]
        assert stored[: len(event_ids)] == event_ids
        assert len(stored) - len(event_ids) <= 1  # at most the one that was written and not yet reported


def concurrently(shared, seconds):
    path, api = shared
    processes = [start(path, api.memory_id, f"p{number}", threads=4, seconds=seconds) for number in range(2)]
    outputs = [process.communicate(timeout=seconds + 30) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], [errors for _, errors in outputs]
    assert [errors for _, errors in outputs] == ["", ""]
    written = acknowledged(line for output, _ in outputs for line in output.splitlines())
    assert len(written) == 8
    for session, event_ids in written.items():
        events = api.all_events(session=session)[::-1]
        assert [event["eventId"] for event in events] == event_ids
        texts = [event["payload"][0]["conversational"]["content"]["text"] for event in events]
        assert texts == [f"{session}:{count}" for count in range(len(texts))]
    return sum(map(len, written.values()))


def test_two_processes_with_four_threads_each_lose_and_double_nothing(shared):
    assert concurrently(shared, seconds=2) > 100


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("AGENTMEM_SOAK"), reason="set AGENTMEM_SOAK=1 for the run of 20 seconds")
def test_the_same_for_twenty_seconds(shared):
    assert concurrently(shared, seconds=20) > 1_000


def test_another_process_sees_events_records_and_deletions_at_once(tmp_path):
    path = tmp_path / "shared.db"
    with LocalMemory(path) as one, LocalMemory(path) as other:
        first, second = MemoryApi(one.boto_session()), MemoryApi(other.boto_session())
        first.create(SEMANTIC)
        second.memory_id = first.memory_id
        first.say("I live in Porto.")
        assert second.texts("/users/bob/facts/") == ["I live in Porto."]
        assert second.search("home town", "/users/bob/facts/")[0]["content"]["text"] == "I live in Porto."
        [record] = first.records("/users/bob/facts/")
        first.data.delete_memory_record(memoryId=first.memory_id, memoryRecordId=record["memoryRecordId"])
        assert second.search("home town", "/users/bob/facts/") == []
        first.write("The user lives in Faro.", namespace="/users/bob/facts/")
        assert second.search("home town", "/users/bob/facts/")[0]["content"]["text"] == "The user lives in Faro."


def test_processes_that_open_a_new_file_together_do_not_collide(tmp_path):
    program = "import sys; from agentmem.local import LocalMemory; LocalMemory(sys.argv[1]).close()"
    path = str(tmp_path / "new.db")
    processes = [subprocess.Popen([sys.executable, "-c", program, path]) for _ in range(3)]
    assert [process.wait(timeout=30) for process in processes] == [0, 0, 0]


def test_threads_share_a_memory_in_process(api):
    api.create()

    def write(session):
        for number in range(25):
            api.event(said(str(number)), session=session, at=datetime.now(UTC))

    threads = [threading.Thread(target=write, args=(f"s{number}",)) for number in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for number in range(8):
        events = api.all_events(session=f"s{number}")
        assert sorted(event["payload"][0]["conversational"]["content"]["text"] for event in events) == sorted(
            map(str, range(25))
        )


def test_an_extraction_is_done_by_one_process_only(tmp_path):
    program = """
import sys
from agentmem.local import LocalMemory
data = LocalMemory(sys.argv[1]).boto_session().client("bedrock-agentcore")
found = data.list_memory_records(memoryId=sys.argv[2], namespace="/users/bob/facts/", maxResults=100)
print(len(found["memoryRecordSummaries"]))
"""
    path = tmp_path / "shared.db"
    with LocalMemory(path) as memory:
        api = MemoryApi(memory.boto_session())
        api.create(SEMANTIC)
        for number in range(60):
            api.say(f"My cousin number {number} lives in town {number}.", session=f"s{number}")
        processes = [
            subprocess.Popen([sys.executable, "-c", program, str(path), api.memory_id], stdout=subprocess.PIPE)
            for _ in range(2)
        ]
        [process.communicate(timeout=30) for process in processes]
        deadline = time.monotonic() + 5
        while len(api.records("/users/bob/facts/")) < 60 and time.monotonic() < deadline:
            time.sleep(0.05)
        texts = api.texts("/users/bob/facts/")
    assert len(texts) == len(set(texts)) == 60
