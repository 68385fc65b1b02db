"""ARCHITECTURE.md describes the code that is there, and imports point down."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
SCRIPT = runpy.run_path(str(ROOT / "docs" / "architecture.py"))


@pytest.fixture(scope="module")
def rooms():
    return SCRIPT["read"](ROOT / "src" / "agentmem")


def test_every_import_points_down(rooms):
    assert SCRIPT["problems"](rooms) == []


def test_an_import_that_points_up_is_found(tmp_path):
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "writer.py").write_text("def late():\n    from agentmem.session import MemorySession\n")
    (tmp_path / "attic.py").write_text("import agentmem.errors\n")
    assert SCRIPT["problems"](SCRIPT["read"](tmp_path)) == [
        "attic has no storey in docs/architecture.py",
        "events imports session, which is above it",
    ]


def test_every_room_has_a_paragraph_and_a_box(rooms):
    described = set(re.findall(r"^\*\*(\w+)\*\*", PAGE, re.MULTILINE))
    assert rooms.lines.keys() - described == set()
    picture = (ROOT / "docs" / "images" / "rooms.svg").read_text(encoding="utf-8")
    assert {room for room in rooms.lines if f">{room}</text>" not in picture} == set()


def test_every_file_it_names_is_there():
    named = set(re.findall(r"`((?:src/agentmem/)?[\w/]+\.py)`", PAGE)) - {"__init__.py", "docs/architecture.py"}
    assert len(named) >= 12
    source = ROOT / "src" / "agentmem"
    places = {name: [ROOT / name, source / name, *source.rglob(name)] for name in named}
    assert [name for name, paths in places.items() if not any(path.exists() for path in paths)] == []
