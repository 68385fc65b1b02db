"""Runs Python programs in forks of a process that has imported what they need, so that each starts at once.

A folder holds the commands ``python`` and ``agentmem``. Each hands its arguments, folder, environment and files to the
waiting process and ends as its fork does: a fork is a process like any other, with its own exit handlers, signals and
exit status. What cannot be forked (``python -m``, options of the interpreter) is run by the interpreter itself.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

CLIENT = """#!{python} -IS
import json, os, signal, socket, sys
arguments = sys.argv[1:]
if {name!r} == "python" and (not arguments or arguments[0] != "-c" and arguments[0].startswith("-")):
    os.execv({python!r}, [{python!r}, *arguments])
line = socket.socket(socket.AF_UNIX)
line.connect({address!r})
request = {{"name": {name!r}, "arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}}
socket.send_fds(line, [b"!"], [0, 1, 2])
line.sendall(json.dumps(request).encode() + b"\\n")
answers = line.makefile()
process = int(answers.readline())
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda number, _: os.kill(process, number))
status = int(answers.readline())
if status < 0:
    if status != -signal.SIGKILL:
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
"""


@contextlib.contextmanager
def warm_commands(folder):
    """Put the commands into a folder, and keep the process that is forked alive meanwhile; yields the folder."""
    address = str(folder / "fork")
    with subprocess.Popen(
        [sys.executable, __file__, address], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout.readline() == b"ready\n"
            for name in ("python", "agentmem"):
                command = folder / name
                command.write_text(CLIENT.format(python=sys.executable, name=name, address=address), encoding="utf-8")
                command.chmod(0o755)
            yield folder
        finally:
            process.stdin.close()
            process.terminate()


def _import_what_programs_need():
    import boto3
    import strands

    from agentmem.config import MemoryConfig
    from agentmem.local.embedding import PackagedEmbedder
    from agentmem.messages.tokens import count_text
    from agentmem.testing import ScriptedModel

    count_text("loads the vocabulary")
    PackagedEmbedder().encode(["loads the model"])
    config = MemoryConfig.local(":memory:", region="us-east-1")
    config.bind("nobody", "loads-the-rest").session_manager()
    strands.Agent(model=ScriptedModel(), callback_handler=None)
    boto3.DEFAULT_SESSION = None


def _program():
    """Wait for requests; returns, in a fork for each, the program it is to run."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen(64)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        line, _ = listener.accept()
        if os.fork() == 0:
            break
        line.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    listener.close()
    _, files, _, _ = socket.recv_fds(line, 1, 3)
    with line.makefile() as lines:
        request = json.loads(lines.readline())
    if process := os.fork():
        line.sendall(b"%d\n" % process)
        for file in files:
            os.close(file)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        with contextlib.suppress(OSError):  # whoever asked was killed meanwhile
            line.sendall(b"%d\n" % status)
        os._exit(0)
    line.close()
    return request, files


def _become(request, files):
    """Take over folder, environment and files of a request."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, encoding="utf-8", closefd=False, buffering=1 if number == 2 else -1)
        for number, mode in enumerate("rww")
    )
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    random.seed()


def _run(request):
    arguments = request["arguments"]
    if request["name"] == "agentmem":
        from agentmem.cli import main

        sys.argv = ["agentmem", *arguments]
        sys.path[0] = str(Path(sys.executable).parent)
        main()
    elif arguments[0] == "-c":
        sys.argv = ["-c", *arguments[2:]]
        sys.path[0] = ""
        exec(compile(arguments[1], "<string>", "exec", dont_inherit=True), {"__name__": "__main__"})
    else:
        sys.argv = arguments
        sys.path[0] = str(Path(arguments[0]).resolve().parent)
        runpy.run_path(arguments[0], run_name="__main__")


def _end(request):
    """Run the program and end the process as the interpreter does, but for taking every object apart."""
    try:
        _run(request)
        status = 0
    except SystemExit as ended:
        status = ended.code
        if isinstance(status, str):
            sys.stderr.write(f"{status}\n")
            status = 1
    except BaseException:  # noqa: BLE001 - as the interpreter does
        sys.excepthook(*sys.exc_info())
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)


if __name__ == "__main__":
    _import_what_programs_need()
    gc.freeze()
    asked, opened = _program()
    _become(asked, opened)
    _end(asked)
