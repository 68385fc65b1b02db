"""The documentation site builds without a warning, from the repository alone, and leaves no public name out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

import agentmem
from docs_blocks import ROOT


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return how the build went, and where its pages are."""
    site = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done, site


class Fetched(HTMLParser):
    """Collects the addresses that a browser fetches by itself for a page."""

    def __init__(self, text):
        super().__init__()
        self.addresses = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag in {"script", "img", "iframe", "source"}:
            self.addresses.append(given.get("src") or "")
        if tag == "link":
            self.addresses.append(given.get("href") or "")


def pages(site):
    found = {str(path.relative_to(site)): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    assert len(found) > 20
    return found


@pytest.mark.slow
def test_the_site_builds_strictly_and_without_a_warning(built):
    done, _ = built
    assert re.findall(r"^(?:WARNING|ERROR).*", done.stderr, re.MULTILINE) == []
    assert done.returncode == 0


def test_every_page_but_the_first_stands_in_one_of_the_four_folders():
    pages_written = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    assert {page.parts[0] for page in pages_written} == {"index.md", "tutorial", "how-to", "explanation", "reference"}


@pytest.mark.slow
def test_every_public_name_is_in_the_reference(built):
    _, site = built
    text = "\n".join(page for name, page in pages(site).items() if name.startswith("reference"))
    assert [name for name in agentmem.__all__ if f'id="agentmem.{name}"' not in text] == []


@pytest.mark.slow
def test_every_setting_and_command_is_in_the_reference(built):
    _, site = built
    commands = (site / "reference" / "command-line.html").read_text(encoding="utf-8")
    shown = subprocess.run(
        [sys.executable, "-c", "from agentmem.cli import main; main()", "--help"],
        env={**os.environ, "COLUMNS": "200", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = re.findall(r"^. ([a-z][a-z-]+) {2,}\S", shown.partition("Commands")[2], re.MULTILINE)
    assert len(names) >= 15
    assert [name for name in names if not re.search(rf'<h2 id="{name}[-"]', commands)] == []
    variables = (site / "reference" / "environment.html").read_text(encoding="utf-8")
    assert "AGENTMEM_COMPACTION__TOKEN_THRESHOLD" in variables
    configuration = (site / "reference" / "configuration.html").read_text(encoding="utf-8")
    sections = (agentmem.MemoryConfig, agentmem.CompactionConfig, agentmem.HookConfig, agentmem.WriteConfig)
    fields = {field.alias or name for section in sections for name, field in section.model_fields.items()}
    assert {name for name in fields if f"<code>{name}</code>" not in configuration} == set()


@pytest.mark.slow
def test_no_page_fetches_anything_from_elsewhere(built):
    _, site = built
    elsewhere = {
        (name, address)
        for name, page in pages(site).items()
        for address in Fetched(page).addresses
        if address.startswith(("http:", "https:", "//"))
    }
    assert elsewhere == set()
