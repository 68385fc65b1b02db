"""Every shell and Python block of the README and the documentation does what it says; see `docs_blocks` for how."""

from __future__ import annotations

import json
import os
import re
import sys
from itertools import islice
from pathlib import Path

import pytest
from strands import Agent

from agentmem import LocalMemory, MemoryConfig
from agentmem.support import telemetry
from agentmem.testing import OfflineModel
from docs_blocks import BEFORE, ON_AWS, OUTPUT, ROOT, RUN, Page, blocks_of

PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
    if any(block.language in RUN for block in blocks_of(path.read_text(encoding="utf-8")))
)

A_CLONE = {
    ".venv": Path(sys.executable).parent.parent,
    "bench": ROOT / "bench",
    "examples": ROOT / "examples",
}
"""What readers have in their folder from the clone."""

RECORDED = ROOT / "tests" / "data" / "workshop.jsonl"
"""Recorded conversations; readers have some too."""

MEMORY_ID = "support_bot-a1b2c3d4e5"
"""The id of a memory on AWS in the documentation; here it is that of a memory of that name."""


@pytest.fixture(scope="module")
def on_aws(dynamodb_endpoint):
    """Return the variables that point at AWS's services on this machine, started when they are first asked for."""
    started = {}

    def variables():
        if not started:
            memory = started["memory"] = LocalMemory()
            server = started["server"] = memory.serve()
            server.__enter__()
            local = MemoryConfig.local(memory, name=MEMORY_ID.partition("-")[0], region="us-west-2")
            started["id"] = local.memory_id
            started["variables"] = {
                **server.env(),
                "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_endpoint,
                "AWS_ACCESS_KEY_ID": "testing",
                "AWS_SECRET_ACCESS_KEY": "testing",
                "AWS_REGION": "us-west-2",
                "AGENTMEM_HOOK__RETRIEVE_TIMEOUT": "30",  # a busy machine is no reason to find nothing
            }
        return started["variables"]

    variables.memory_id = lambda: (variables(), started["id"])[1]
    yield variables
    if started:
        started["server"].__exit__(None, None, None)
        started["memory"].close()


@pytest.fixture
def page(tmp_path, on_aws, warm_python):
    folder = tmp_path / "page"
    folder.mkdir()
    for name, there in A_CLONE.items():
        (folder / name).symlink_to(there)
    with RECORDED.open(encoding="utf-8") as recorded:
        (folder / "conversations.jsonl").write_text("".join(islice(recorded, 2)), encoding="utf-8")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))},
        "PATH": os.pathsep.join([str(warm_python), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "COLUMNS": "200",
        "TERM": "dumb",
    }
    return Page(folder, environment, on_aws, {"model": OfflineModel(), "Agent": Agent})


@pytest.mark.parametrize("name", PAGES)
def test_the_blocks_of_the_page_run_in_order(name, page, on_aws):
    text = (ROOT / name).read_text(encoding="utf-8")
    if MEMORY_ID in text:
        text = text.replace(MEMORY_ID, on_aws.memory_id())
    for block in blocks_of(text):
        page.run(block)
    assert page.refused() == []
    if name == "README.md":
        said = "I live in Porto and I never fly before nine."
        assert said in [record["content"]["text"] for record in page.names["records"]]
        assert said in page.names["agent"].model.last_request


def test_every_block_is_of_a_known_kind():
    known = {"", ON_AWS, BEFORE, OUTPUT}
    odd = [
        f"{path.relative_to(ROOT)}:{block.line} {block.language} {block.title!r}"
        for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
        for block in blocks_of(path.read_text(encoding="utf-8"))
        if block.language in {"bash", "shell", "console", "py"}
        or (block.title not in known and "." not in block.title)
        or (block.title == BEFORE and block.language != "python")
    ]
    assert odd == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("pip install '.[all,nothing]'", "no extra 'nothing'"),
        ("pip install 'strands-agentmem[nothing] @ git+https://example.org/agentmem'", "no extra 'nothing'"),
        ("uv pip install 'strands-agentmem[all] @ git+https://example.org/agentmem'", None),
        ("pip install -e '.[local]' jupyterlab", None),
        ("pip install 'agentmem[local]'", "another project"),
        ("uv pip install agentmem", "another project"),
        ("make nonsense", "no target 'nonsense'"),
        ("make test PYTHON=python3", None),
        ("aws iam put-role --role-name x", "no operation 'put-role'"),
        ("aws iam put-role-policy --role-name x --policy-name y --document z", "no option --document"),
        ("aws iam put-role-policy --role-name x --policy-name y", "--policy-document is missing"),
        ("aws iam put-role-policy --role-name x --policy-name y --policy-document '{\"a b\": 1}'", None),
    ],
)
def test_commands_that_are_not_run_are_held_against_what_there_is(code, said, page):
    page.run(*blocks_of(f"```sh\n{code}\n```"))
    refused = "\n".join(page.refused())
    assert said in refused if said else refused == ""


@pytest.mark.parametrize(
    "text",
    [
        "```sh\nfalse\n```",
        '```sh\necho one\n```\n\n```text title="output"\ntwo\n```',
        "```python\nprint('one')\n```\n\n```text title=\"output\"\none …two\n```",
        '```python title="before"\nimport (\n```',
        "```sh\nagentmem sessions --no-such-option\n```",
    ],
)
def test_a_block_that_does_not_do_what_it_says_is_an_error(text, page):
    *before, wrong = blocks_of(text)
    for block in before:
        page.run(block)
    with pytest.raises((AssertionError, SyntaxError)):
        page.run(wrong)


def test_alarms_and_dashboard_are_about_metrics_there_are():
    page = blocks_of((ROOT / "docs" / "how-to" / "operate.md").read_text(encoding="utf-8"))
    [dashboard] = [json.loads(block.code) for block in page if block.title == "dashboard.json"]
    plotted = [metric for widget in dashboard["widgets"] for metric in widget["properties"]["metrics"]]
    watched = [name for block in page for name in re.findall(r"--metric-name (\S+)", block.code)]
    assert len(watched) == 3
    known = telemetry._COUNTERS.keys() | telemetry._HISTOGRAMS.keys()
    assert {*watched, *(metric[1] for metric in plotted)} <= known
