import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import agentmem
import agentmem.testing
from agentmem.errors import AgentMemError
from syntax_trees import tree_of

HEAVY = {"boto3", "botocore", "strands", "bedrock_agentcore", "pydantic", "tiktoken", "numpy", "typer", "rich"}


@pytest.mark.parametrize("name", agentmem.__all__)
def test_every_public_name_is_there_and_documented(name):
    value = getattr(agentmem, name)
    if name != "__version__":
        assert value.__doc__


def test_every_public_name_has_a_typed_example_call():
    examples = (Path(__file__).parent / "typing" / "api.py").read_text()
    assert [name for name in agentmem.__all__ if name not in examples and name != "__version__"] == []


def test_the_package_lists_its_names():
    assert set(dir(agentmem)) == set(agentmem.__all__)


@pytest.mark.parametrize("package", [agentmem, agentmem.testing], ids=lambda package: package.__name__)
def test_type_checkers_and_the_interpreter_find_each_name_in_the_same_module(package):
    stub = tree_of(Path(package.__file__).with_suffix(".pyi").read_text())
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    assert len(imports) == len(stub.body)
    typed = {(node.module, alias.name, alias.asname) for node in imports for alias in node.names}
    assert typed == {(module, name, name) for module, names in package._NAMES.items() for name in names}


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Memory'"):
        agentmem.Memory  # noqa: B018


def test_importing_the_package_loads_nothing_heavy():
    program = "import sys, agentmem; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert set(loaded.split()) & HEAVY == set()


def test_every_error_is_under_one_root():
    errors = importlib.import_module("agentmem.errors")
    public = [getattr(errors, name) for name in errors.__all__]
    assert all(issubclass(error, AgentMemError) for error in public)
    assert {error.__name__ for error in public} <= set(agentmem.__all__)


def test_the_version_is_the_projects():
    project = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    assert f'version = "{agentmem.__version__}"' in project
