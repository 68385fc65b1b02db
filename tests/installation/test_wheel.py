"""The built wheel, from outside: a project that tests its agent with it, and one where a stranger of its name is.

Nothing is downloaded: the wheel is built by the installed hatchling, and what it depends on is this environment's.
"""

from __future__ import annotations

import sysconfig
import zipfile

import pytest
from environments import Environment, run

pytestmark = pytest.mark.slow

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


@pytest.fixture
def environment(tmp_path):
    """An environment of its own that finds this one's packages, but for the project itself."""
    made = Environment.empty(tmp_path / "environment")
    # As a path file's line, not a site folder: this environment's own editable install stays out.
    dependencies = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (made.packages / "dependencies.pth").write_text("\n".join(sorted(dependencies)), encoding="utf-8")
    return made


def other_project(folder, *, with_init):
    """Build the wheel of another project whose distribution and package are called agentmem."""
    path = folder / "agentmem-0.3.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("agentmem/their_memory.py", "class Memory: ...\n")
        if with_init:
            wheel.writestr("agentmem/__init__.py", "from agentmem.their_memory import Memory\n")
        info = "agentmem-0.3.0.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: agentmem\nVersion: 0.3.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


def test_a_project_that_installs_the_wheel_passes_its_own_tests(wheel, environment, tmp_path):
    for name, text in PROJECT.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    environment.install("--no-deps", wheel)

    shown = run(environment.python, "-m", "pytest", "-q", "test_guide.py", cwd=tmp_path).stdout

    assert "3 passed" in shown


def test_the_wheel_is_called_strands_agentmem_and_imported_as_agentmem(wheel, environment, tmp_path):
    environment.install("--no-deps", wheel)
    code = "import agentmem, importlib.metadata as m; print(m.version('strands-agentmem') == agentmem.__version__)"
    done = run(environment.python, "-W", "error", "-c", f"{code}; agentmem.MemoryConfig", cwd=tmp_path)
    assert done.stdout == "True\n"
    assert done.stderr == ""
    with zipfile.ZipFile(wheel) as packed:
        assert {name.partition("/")[0].partition("-")[0] for name in packed.namelist()} == {
            "agentmem", "strands_agentmem"
        }  # fmt: skip


def test_another_project_s_agentmem_beside_it_is_told_at_the_first_import_and_by_doctor(wheel, environment, tmp_path):
    environment.install("--no-deps", wheel)
    environment.install("--no-deps", other_project(tmp_path, with_init=False))

    imported = run(environment.python, "-c", "from agentmem import LocalMemory", cwd=tmp_path)
    assert "RuntimeWarning: agentmem: the distribution 'agentmem' 0.3.0 is installed in" in imported.stderr
    assert "pip uninstall agentmem strands-agentmem" in imported.stderr
    assert imported.stderr.count("0.3.0") == 1

    run(environment.command("agentmem"), "init", "--local", tmp_path / "memory", cwd=tmp_path)
    examined = run(environment.command("agentmem"), "doctor", cwd=tmp_path)
    assert "the distribution 'agentmem' 0.3.0 is installed in" in " ".join(examined.stdout.split())
    assert "pip uninstall agentmem strands-agentmem" in " ".join(examined.stdout.split())


def test_another_project_s_agentmem_over_it_is_told_by_the_command_line(wheel, environment, tmp_path):
    environment.install("--no-deps", wheel)
    environment.install("--no-deps", other_project(tmp_path, with_init=True))

    told = run(environment.command("agentmem"), "--version", cwd=tmp_path)

    assert "the distribution 'agentmem' 0.3.0 is installed in" in told.stderr
