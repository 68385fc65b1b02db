"""What the contracts of import-linter in pyproject.toml cannot say of the imports, annotations counted."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

import agentmem
from syntax_trees import tree_of

SOURCE = Path(agentmem.__file__).parent
PURE = [
    SOURCE / "compaction" / "policy.py",
    *(path for room in ("drawing", "meaning", "messages") for path in (SOURCE / room).glob("*.py")),
]


def test_no_module_is_part_of_a_circle():
    graph = grimp.build_graph("agentmem", exclude_type_checking_imports=False, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_pure_module_knows_strands_messages_and_nothing_else_of_strands(path):
    nodes = list(ast.walk(tree_of(path.read_text())))
    imported = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    imported |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    strands = {name for name in imported if name.partition(".")[0] == "strands"}
    assert strands <= {"strands.types.content", "strands.types.exceptions", "strands.types.tools"}


def test_a_pure_module_reads_no_clock():
    read = {"now", "utcnow", "today"}
    for path in PURE:
        attributes = {node.attr for node in ast.walk(tree_of(path.read_text())) if isinstance(node, ast.Attribute)}
        assert not attributes & read, path


def test_only_strands_compat_touches_what_strands_and_the_sdk_keep_private():
    """Private modules of theirs are imported nowhere else, nor are private attributes of an agent read."""
    for path in SOURCE.rglob("*.py"):
        if path.name == "strands_compat.py":
            continue
        for node in ast.walk(tree_of(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("strands", "bedrock_agentcore")):
                names = [*node.module.split("."), *(alias.name for alias in node.names)]
                assert not any(name.startswith("_") for name in names), f"{path}:{node.lineno}"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "agent":
                assert not node.attr.startswith("_"), f"{path}:{node.lineno}"
