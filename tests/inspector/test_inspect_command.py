"""`agentmem inspect` prints the address with its token, and says at once what is missing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from agentmem import MemoryConfig

RUN = "from agentmem.cli import main; main()"


def command(*arguments, program=RUN, **options):
    return [sys.executable, "-c", f"import sys; sys.argv = ['agentmem', 'inspect', *{arguments!r}]; {program}"]


def test_a_missing_package_ends_it_at_once_with_the_remedy(tmp_path):
    blocked = (
        "import importlib.util as u; found = u.find_spec; "
        "u.find_spec = lambda name, *rest: None if name == 'sse_starlette' else found(name, *rest); "
    )
    done = subprocess.run(
        command("--demo", program=blocked + RUN), capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "strands-agentmem[inspector]" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_takes_no_other_memory(tmp_path):
    done = subprocess.run(
        command("--demo", "--local", "x"), capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "--demo" in done.stderr


def test_a_port_that_is_taken_is_explained(tmp_path):
    import socket

    MemoryConfig.local(tmp_path / "memory")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            command("--local", str(tmp_path / "memory"), "--no-open", "--port", str(port)),
            capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "--port" in done.stderr


@pytest.mark.parametrize(("options", "mode"), [((), "read-only"), (("--write",), "may change")])
def test_it_serves_a_memory_until_it_is_interrupted(tmp_path, options, mode):
    config = MemoryConfig.local(tmp_path / "memory")
    config.data_plane().create_event(
        memoryId=config.memory_id, actorId="ann", sessionId="s-1", eventTimestamp=1_800_000_000,
        payload=[{"conversational": {"role": "USER", "content": {"text": "Hello"}}}],
    )  # fmt: skip
    process = subprocess.Popen(
        command("--local", str(tmp_path / "memory"), "--no-open", "--port", "0", *options),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=os.environ,
    )  # fmt: skip
    try:
        address = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}", address)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(address.partition("?")[0], timeout=15)
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        assert "ann" in opener.open(address, timeout=15).read().decode()
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=15)
    assert mode in said
    assert "Traceback" not in said
    assert address.rpartition("=")[2] not in said
