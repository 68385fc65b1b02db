"""Every test that the threat model names exists, and every threat names one."""

from __future__ import annotations

import ast
import re

import pytest

from docs_blocks import ROOT

PAGE = (ROOT / "docs" / "explanation" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)*)`", PAGE)))


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_the_threat_model_names_exists(name):
    path, *names = name.split("::")
    body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    for wanted in names:
        found = [one for one in body if getattr(one, "name", None) == wanted]
        assert found, f"{path} has no {wanted}"
        body = found[0].body


def test_every_threat_has_a_test():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| threat", "| ---"))]
    assert len(rows) >= 14
    assert [row for row in rows if "`tests/" not in row] == []
