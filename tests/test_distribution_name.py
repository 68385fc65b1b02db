"""The distribution is strands-agentmem: nothing here leads anybody to install another project's agentmem."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from agentmem.errors import MissingExtraError
from agentmem.support.installation import other_distribution
from syntax_trees import tree_of

ROOT = Path(__file__).parent.parent
FOLDERS = ("bench", "docs", "examples", "notebooks", "src", "tests", ".ci")
TEXTS = {"", ".cfg", ".ipynb", ".json", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml"}
NOT_READ = {"__pycache__", "node_modules"}
NAMED = {"test_distribution_name.py", "docs_blocks.py", "test_docs_blocks.py"}
"""Files that name the wrong line in order to refuse it."""

INSTALLS = re.compile(
    r"\b(?:pip3?|uv|uvx|pipx|poetry|pdm|conda|mamba)\b[^\n]*\b(?:install|add|from|with|run --with)\b[^\n&;#|`]*"
    r"(?<![\w./@:-])agentmem(?=[\[\s'\"`=<>~!;,)\\]|$)"
)
EXTRA = re.compile(r"(?<![\w-])agentmem\[(?:all|cli|dev|docs|local|notebooks|testing|web)[\],]")


def texts():
    """Return every text of the repository with its place."""
    paths = [path for path in ROOT.iterdir() if path.is_file() and path.suffix in TEXTS]
    for folder in FOLDERS:
        paths += [path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix in TEXTS]
    read = [path for path in paths if path.name not in NAMED and not NOT_READ & set(path.parts)]
    return {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in read}


def wrong_lines(text):
    """Return what installs the other distribution, or an extra of it."""
    without_removals = re.sub(r"\buninstall\b[^\n]*", "", text)
    return [found[0] for pattern in (INSTALLS, EXTRA) for found in pattern.finditer(without_removals)]


def test_no_text_of_the_repository_installs_the_other_distribution():
    read = texts()
    assert len(read) > 300
    assert {place: found for place, text in read.items() if (found := wrong_lines(text))} == {}


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("pip install agentmem", True),
        ("pip install 'agentmem[local]'", True),
        ("uv add agentmem==0.1", True),
        ("uvx --from agentmem agentmem demo", True),
        ("pip install -U boto3 agentmem", True),
        ("the extra `agentmem[cli]`", True),
        ("pip install 'strands-agentmem[local]'", False),
        ("pip install 'strands-agentmem[all] @ git+https://example.org/agentmem'", False),
        ("pip install '.[all]' && agentmem demo", False),
        ("`agentmem --install-completion` sets it up", False),
        ("pip uninstall agentmem strands-agentmem", False),
    ],
)
def test_what_is_looked_for(line, wrong):
    assert bool(wrong_lines(line)) is wrong


def extra_of(node):
    """Return the extra of this project that a call names when something is not installed."""
    position = {"require": 1, "MissingExtraError": 2}.get(getattr(getattr(node, "func", None), "id", ""))
    if position is None or any(keyword.arg == "of" for keyword in node.keywords):
        return None
    return getattr(node.args[position], "value", None)


def test_the_extras_that_errors_name_are_there():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == "strands-agentmem"
    named = set()
    for place, text in texts().items():
        if place.parts[0] == "src" and place.suffix == ".py":
            named |= {extra for call in ast.walk(tree_of(text)) if (extra := extra_of(call)) is not None}
    assert {"cli", "local", "testing-dynamodb"} <= named
    assert named <= project["optional-dependencies"].keys()


def test_an_error_names_the_source_that_the_package_was_installed_from():
    told = str(MissingExtraError("a part", "a_package", "local"))
    assert re.search(r"pip install 'strands-agentmem\[local\]( @ (file|git\+https)://\S+)?'$", told)
    assert str(MissingExtraError("a model", "openai", "openai", of="strands-agents")).endswith(
        "pip install 'strands-agents[openai]'"
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("agentmem-0.3.0.dist-info", "'agentmem' 0.3.0"),
        ("agentmem-0.4.egg-info", "'agentmem' 0.4"),
        ("strands_agentmem-0.1.0.dist-info", None),
        ("agentmem_tools-1.0.dist-info", None),
    ],
)
def test_the_other_distribution_is_known_by_what_lies_beside(name, told, tmp_path):
    (tmp_path / name).mkdir()
    (tmp_path / "agentmem").mkdir()
    found = other_distribution(tmp_path)
    assert (found is None) is (told is None)
    assert told is None or told in found
