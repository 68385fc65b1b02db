"""The fast gear of these tests, on the built wheel with the oldest and with the newest dependencies.

The oldest are the lower bounds of pyproject.toml, the newest what an installation without constraints brings today.
The packages are downloaded, from where uv or pip is told to.
"""

from __future__ import annotations

import tomllib

import pytest
from environments import ROOT, Environment, run
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_000)]

DEVELOPMENT = "dev"
TOOLS = {"mypy", "ruff", "boto3-stubs", "cfn-lint", "import-linter"}  # what checks the code has no part in running it


def requirements():
    """Return every requirement of the project and of its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return [one for one in map(Requirement, lines) if one.name != project["name"]]


def oldest():
    """Return the lower bounds as constraints."""
    bounds = {
        f"{one.name}=={limit.version}"
        for one in requirements()
        if one.name not in TOOLS
        for limit in one.specifier
        if limit.operator == ">="
    }
    return "\n".join(sorted(bounds))


def pinned():
    """Return constraints.txt as names and versions."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version for name, version in pairs}


def passes(environment, tmp_path):
    """Run the fast gear in an environment; the working copy's sources are not on its path."""
    run(
        environment.python, "-m", "pytest", "-q", "-n", "auto", "--dist", "worksteal", "-m", "not slow",
        "-p", "no:cacheprovider", "--basetemp", tmp_path / "tests", cwd=ROOT, timeout=2_900,
    )  # fmt: skip


def test_every_requirement_names_the_oldest_release_it_works_with():
    assert [str(one) for one in requirements() if not one.extras and ">=" not in str(one.specifier)] == []


def test_with_the_oldest_dependencies(wheel, tmp_path):
    environment = Environment.empty(tmp_path / "environment")
    (tmp_path / "oldest.txt").write_text(oldest(), encoding="utf-8")
    environment.install(f"strands-agentmem[{DEVELOPMENT}] @ {wheel.as_uri()}", constraints=tmp_path / "oldest.txt")
    passes(environment, tmp_path)


def test_with_the_newest_dependencies(wheel, tmp_path):
    environment = Environment.empty(tmp_path / "environment")
    environment.install(f"strands-agentmem[{DEVELOPMENT}] @ {wheel.as_uri()}")
    newer = {
        name: version for name, version in environment.versions().items() if pinned().get(name, version) != version
    }
    if not newer.keys() - {canonicalize_name(tool) for tool in TOOLS}:
        pytest.skip("nothing newer than constraints.txt was released; all other tests ran with that")
    passes(environment, tmp_path)
