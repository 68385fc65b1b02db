"""The built wheel, from outside: a small project installs it and tests its own agent with what it brings.

Nothing is downloaded: the wheel is built by the installed hatchling, and what it depends on is this environment's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PROJECT = {
    "pytest.ini": """
[pytest]
addopts = --strict-markers --assert=plain -p no:cacheprovider -p no:hypothesispytest -p no:langsmith_plugin
asyncio_default_fixture_loop_scope = function
""",
    "guide.py": '''
from strands import Agent, tool


@tool
def opening_hours(day: str) -> str:
    """Tell when the museum is open.

    Args:
        day: Which day.
    """
    return f"On {day} from ten to six."


def guide(session, model):
    return Agent(
        model=model, tools=[opening_hours], session_manager=session.session_manager(), hooks=[session.hook()],
        callback_handler=None,
    )
''',
    "test_guide.py": """
from pathlib import Path

import agentmem
import pytest
from agentmem import CompactionConfig
from agentmem.testing import ToolCall
from freezegun import freeze_time
from guide import guide


def test_a_visitor_s_taste_is_remembered_in_the_next_session(
    agentmem_config, agentmem_session, agentmem_model, settled_memories
):
    assert Path(agentmem.__file__).is_relative_to(Path(__file__).parent)
    guide(agentmem_session, agentmem_model)("My favourite painter is Vermeer.")
    assert settled_memories("facts")
    agentmem_model.add(ToolCall("opening_hours", {"day": "Sunday"}), "Upstairs, from ten.")
    guide(agentmem_config.bind("test-user", "second-visit"), agentmem_model)("Who is my favourite painter?")
    request = agentmem_model.requests[-1]
    assert "On Sunday from ten to six." in request.tool_results().values()
    assert any("Vermeer" in text for text in request.texts("user"))


@freeze_time("2026-03-01T12:00:00Z")
@pytest.mark.agentmem(extraction_delay=60)
def test_a_minute_of_extraction_is_waited_for(agentmem_agent, agentmem_session):
    agentmem_agent("I have a dog named Rex.")
    [fact] = agentmem_session.wait_for_memories("facts", raise_on_timeout=True)
    assert "Rex" in fact["content"]["text"]


@pytest.mark.agentmem(compaction=CompactionConfig(token_threshold=1_500))
def test_a_long_visit_is_compacted_and_goes_on_after_a_restart(agentmem_session, agentmem_model):
    for number in range(6):
        guide(agentmem_session, agentmem_model)(f"{number}: " + "word " * 300)
    assert agentmem_model.requests[-1].tokens < 2_000
    assert agentmem_model.requests[-1].texts("user")[-1].startswith("5: ")
""",
}


def run(*command, cwd):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "PIP_"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**clean, "PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    [built] = folder.glob("agentmem-*.whl")
    return built


def test_a_project_that_installs_the_wheel_passes_its_own_tests(wheel, tmp_path):
    for name, text in PROJECT.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    environment = tmp_path / "environment"
    venv.create(environment, symlinks=os.name != "nt")
    paths = {name: sysconfig.get_path(name, "venv", vars={"base": str(environment)}) for name in ("purelib", "scripts")}
    python = Path(paths["scripts"]) / ("python.exe" if os.name == "nt" else "python")
    # As a path file's line, not a site folder: this environment's own editable install stays out.
    dependencies = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (Path(paths["purelib"]) / "dependencies.pth").write_text("\n".join(sorted(dependencies)), encoding="utf-8")
    run(
        sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "--python", python, "install",
        "--no-deps", "--no-index", "--no-cache-dir", wheel, cwd=tmp_path,
    )  # fmt: skip

    shown = run(python, "-m", "pytest", "-q", "test_guide.py", cwd=tmp_path)

    assert "3 passed" in shown
