"""Every example runs as its first lines say, in a process of its own, and shows what it is about."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run(tmp_path, warm_python):
    """Run an example without arguments in an empty folder, and return what it prints."""

    def run(name):
        done = subprocess.run(
            [warm_python / "python", EXAMPLES / name],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    return run


def test_the_hook_restores_a_session_and_brings_up_what_others_taught(run):
    printed = run("hook_agent.py")
    same, new, stranger = printed.split("Another agent in the same session")[1].split("  user:  ")[1:]
    assert "agent: Please remind me to buy the ticket for Lisbon." in same
    assert "I live in Porto." in same  # extracted
    assert "agent: I prefer trains to planes." in new
    assert "agent: I do not know" in stranger


def test_the_compacting_agent_stays_inside_its_budget_and_recalls(run):
    printed = run("compacting_agent.py")
    sizes = re.findall(r"compacted from ([\d,]+) to ([\d,]+) tokens", printed)
    assert len(sizes) >= 1
    assert all(int(after.replace(",", "")) < 4_000 for _, after in sizes)
    restored = int(re.search(r"restored: (\d+) messages", printed)[1])
    assert restored < 24  # of six turns of four messages
    assert re.search(r"agent: The spare key of the Aurora lies in locker \d{3}\.", printed)
    assert re.search(r"recalled from event \d{19}#\w+: The spare key of the Borealis lies in locker \d{3}\.", printed)


def test_the_direct_client_reads_messages_and_memories(run):
    printed = run("direct_client.py")
    assert "USER: I work as a nurse. I live in Porto.\nASSISTANT: Noted." in printed
    assert re.search(r"^0\.\d\d I work as a nurse\.$", printed, re.MULTILINE)


def test_langgraph_keeps_its_threads_and_finds_memories_of_the_same_namespaces(run):
    printed = run("langgraph_agent.py")
    first, second, third = re.findall(r"^agent: (.*)$", printed, re.MULTILINE)
    assert first == "This is message 1 here. I know of you: nothing"
    assert second.startswith("This is message 3 here.")
    assert third.startswith("This is message 1 here.")
    assert "I work as a nurse." in third


def test_langgraph_says_what_to_install_when_it_is_missing(tmp_path):
    program = "import sys, runpy; sys.modules['langgraph_checkpoint_aws'] = None; runpy.run_path(sys.argv[1])"
    environment = {"PYTHONPATH": str(EXAMPLES)}
    done = subprocess.run(
        [sys.executable, "-c", program, EXAMPLES / "langgraph_agent.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.strip().endswith("Install it: pip install langgraph langgraph-checkpoint-aws")


@pytest.mark.slow
def test_a_session_is_handed_over_between_processes(run):
    printed = run("handover.py")
    processes = re.findall(r"^\[process (\d+)\] opened with (\d+) messages in view$", printed, re.MULTILINE)
    assert len({process for process, _ in processes}) == 2
    assert int(processes[0][1]) == 0 < int(processes[1][1]) < 20  # of five turns of four messages
    assert re.search(r"spare key of the Aurora\? -> The spare key of the Aurora lies in locker \d{3}\.", printed)
    versions = re.findall(r"checkpoint (\d+): (\d+) messages folded", printed)
    assert len(versions) == 2
    assert int(versions[0][0]) < int(versions[1][0])
    assert 0 < int(versions[0][1]) < int(versions[1][1])


def test_a_supervisor_and_its_researcher_share_an_actor_and_a_trace_across_processes(run):
    printed = run("supervisor.py")
    processes = re.findall(r"^\[process (\d+)\] (researcher|supervisor): (.*)$", printed, re.MULTILINE)
    assert [(name, said) for _, name, said in processes] == [
        ("researcher", "The harbour of Porto is in Leixoes."),
        ("supervisor", "It is in Leixoes."),
    ]
    assert processes[0][0] != processes[1][0]
    traces = re.findall(r"^session of (researcher|supervisor): linked, trace ([0-9a-f]{32})$", printed, re.MULTILINE)
    assert {name for name, _ in traces} == {"researcher", "supervisor"}
    assert len({trace for _, trace in traces}) == 1
    assert int(traces[0][1], 16)
