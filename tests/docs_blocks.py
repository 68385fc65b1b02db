"""The code blocks of a Markdown page, and what it takes to run them as a reader would.

| block | what happens to it |
|---|---|
| ``python`` | run, with the page's earlier ones, in one namespace; ``model`` is there from the start |
| ``sh`` | run by bash; folder and exported variables stay from block to block |
| ``text title="output"`` | what the block before printed, where ``…`` stands for anything |
| any language, ``title="name.ext"`` | written to that file |
| ``title="on AWS"`` | the same, with the endpoints of AWS set to services on this machine |
| ``title="before"`` | other people's code, which is not installed: compiled only |

``pip``, ``uv``, ``make``, ``aws``, ``npm`` and ``agentcore`` are not run: they are checked against pyproject.toml, the
Makefile, botocore and the options of the AgentCore CLI.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

import botocore.session
from botocore import xform_name
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
ON_AWS, BEFORE, OUTPUT = "on AWS", "before", "output"
RUN = {"python", "sh"}

_BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)(?: title=\"(?P<title>[^\"]*)\")?[^\n]*\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_PRELUDE = """set -aeuo pipefail
for name in pip uv make aws npm agentcore; do eval "$name() { printf '%s\\n' \\"$name \\${*@Q}\\" >> '{calls}'; }"; done
[ ! -f '{state}' ] || . '{state}'
"""
_EPILOGUE = """
{{ export -p; printf 'cd %q\\n' "$PWD"; }} > '{state}'
"""


@dataclass(frozen=True)
class Block:
    """One code block: its language, title and code, and the line it begins at."""

    language: str
    title: str
    code: str
    line: int


def blocks_of(text):
    """Return the blocks of a page in order."""
    return [
        Block(
            found["language"],
            found["title"] or "",
            re.sub(rf"^{found['indent']}", "", found["code"], flags=re.MULTILINE),
            text.count("\n", 0, found.start()) + 2,
        )
        for found in _BLOCK.finditer(text)
    ]


class Page:
    """Runs the blocks of one page in a folder of its own."""

    def __init__(self, folder, environment, on_aws, names):
        self.folder = folder
        self.names = {"__name__": "__page__", **names}
        self._environment = environment
        self._on_aws = on_aws
        self._state = folder.parent / f"{folder.name}.state"
        self._calls = folder.parent / f"{folder.name}.calls"
        self._printed = ""

    def run(self, block):
        """Do with a block what the table above says."""
        here = Path(self._shell_folder())
        if block.title == OUTPUT:
            self._compare(block)
        elif block.title == BEFORE:
            compile(block.code, f"line {block.line}", "exec")
        elif re.fullmatch(r"[\w.-]+\.\w+", block.title):
            (here / block.title).write_text(block.code, encoding="utf-8")
        elif block.language == "python":
            self._run_python(block, here)
        elif block.language == "sh":
            self._run_shell(block)

    def refused(self):
        """Return what is wrong with the commands that were not run."""
        if not self._calls.exists():
            return []
        commands = [shlex.split(line) for line in self._calls.read_text(encoding="utf-8").splitlines()]
        return [problem for command in commands for problem in _CHECKS[command[0]](command[1:])]

    def _run_python(self, block, here):
        code = compile("\n" * (block.line - 1) + block.code, "page", "exec")
        printed = io.StringIO()
        with contextlib.chdir(here), contextlib.redirect_stdout(printed), self._variables(block):
            exec(code, self.names)
        self._printed = printed.getvalue()

    def _run_shell(self, block):
        places = {"state": self._state, "calls": self._calls}
        script = _PRELUDE.replace("{calls}", str(self._calls)).replace("{state}", str(self._state))
        done = subprocess.run(
            ["bash", "-c", script + self._settings(block) + block.code + _EPILOGUE.format(**places)],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"line {block.line}: exit status {done.returncode}\n{done.stdout}{done.stderr}"
        self._printed = done.stdout

    def _compare(self, block):
        pattern = ".*".join(re.escape(part) for part in block.code.strip().split("…"))
        printed = "\n".join(line.rstrip() for line in self._printed.strip().splitlines())
        assert re.fullmatch(pattern, printed, re.DOTALL), f"line {block.line}: printed was\n{printed}"

    def _settings(self, block):
        if ON_AWS not in block.title:
            return f"unset {' '.join(self._on_aws())}\n" if self._state.exists() else ""
        return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in self._on_aws().items())

    @contextlib.contextmanager
    def _variables(self, block):
        before = dict(os.environ)
        if ON_AWS in block.title:
            os.environ.update(self._on_aws())
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def _shell_folder(self):
        if not self._state.exists():
            return self.folder
        return shlex.split(self._state.read_text(encoding="utf-8").splitlines()[-1])[1]


def _pip(arguments):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].keys()
    packages = [argument for argument in arguments[1:] if not argument.startswith("-")]
    wanted = [Requirement(re.sub(r"^\.(?=\[|$)", "strands-agentmem", package)) for package in packages]
    asked = {extra for one in wanted if one.name.endswith("agentmem") for extra in one.extras}
    return [
        *(f"pip: there is no extra {extra!r}" for extra in sorted(asked - extras)),
        *("pip: 'agentmem' on the registry is another project" for one in wanted if one.name == "agentmem"),
    ]


def _uv(arguments):
    tool, *rest = arguments
    return _pip(rest) if tool == "pip" else [f"uv: {tool!r} is not checked here"]


def _make(arguments):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    return [f"make: there is no target {name!r}" for name in arguments if "=" not in name and name not in targets]


def _aws(arguments):
    service, operation, *options = arguments
    if (service, operation) in _AWS_OWN:
        return _unknown(f"aws {service} {operation}", options, _AWS_OWN[service, operation] | _GLOBAL)
    model = botocore.session.get_session().get_service_model(service)
    shapes = {xform_name(name, "-"): model.operation_model(name).input_shape for name in model.operation_names}
    if operation not in shapes:
        return [f"aws {service}: there is no operation {operation!r}"]
    known = {xform_name(name, "-") for name in shapes[operation].members}
    given = {option.removeprefix("--") for option in options if option.startswith("--")}
    missing = {xform_name(name, "-") for name in shapes[operation].required_members} - given
    return [
        *(f"aws {service} {operation}: there is no option --{name}" for name in sorted(given - known - _GLOBAL)),
        *(f"aws {service} {operation}: --{name} is missing" for name in sorted(missing)),
    ]


def _npm(arguments):
    return [] if arguments == ["install", "-g", "@aws/agentcore"] else [f"npm: {arguments} is not checked here"]


def _agentcore(arguments):
    command = next((name for name in _AGENTCORE if arguments[: len(name.split())] == name.split()), None)
    if command is None:
        return [f"agentcore: there is no command {arguments}"]
    return _unknown(f"agentcore {command}", arguments, _AGENTCORE[command])


def _unknown(command, arguments, known):
    given = {argument.lstrip("-") for argument in arguments if argument.startswith("-")}
    return [f"{command}: there is no option {name!r}" for name in sorted(given - known)]


_GLOBAL = {"region", "profile", "output", "query"}
_AWS_OWN = {
    ("cloudformation", "deploy"): {"stack-name", "template-file", "parameter-overrides", "capabilities"},
}
"""Commands of the AWS CLI that are no operation of an API."""

_AGENTCORE = {
    "create": {"name", "no-agent"},
    "add agent": {
        "name", "type", "code-location", "entrypoint", "language", "request-header-allowlist",
    },
    "deploy": {"yes"},
    "invoke": {"runtime", "session-id", "stream", "H"},
}  # fmt: skip
"""Commands of the AgentCore CLI and options that the documentation may use, as `@aws/agentcore` 0.30 declares them."""

_CHECKS = {"pip": _pip, "uv": _uv, "make": _make, "aws": _aws, "npm": _npm, "agentcore": _agentcore}
