"""The README's Python is run as it stands, on the embedded memory; only the model is scripted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agentmem.testing import ScriptedModel

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture
def blocks():
    return re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_examples_run_in_order_and_remember(blocks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"model": ScriptedModel(["Noted.", "In Porto."])}
    for block in blocks:
        if "ensure_memory" not in block:  # that one needs an AWS account; its parts have tests of their own
            exec(block, names)
    assert "The user lives in Porto." in [record["content"]["text"] for record in names["records"]]
    shown = names["agent"].model.requests[-1].texts("user")
    assert any("The user lives in Porto." in text for text in shown)


def test_the_aws_example_compiles(blocks):
    (block,) = [block for block in blocks if "ensure_memory" in block]
    assert compile(block, "README.md", "exec")
