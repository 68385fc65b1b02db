"""One filled memory for all tests that only look, and a copy of it for those that change something."""

import shutil

import pytest
from filled import CommandLine, filled


@pytest.fixture(scope="session")
def filled_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filled") / "memory"
    filled(folder)
    return folder


@pytest.fixture(scope="session")
def look(filled_folder):
    """Commands on a memory that no test may change."""
    return CommandLine("--local", filled_folder)


@pytest.fixture
def change(filled_folder, tmp_path):
    """Commands on a copy of that memory."""
    shutil.copytree(filled_folder, tmp_path / "memory")
    return CommandLine("--local", tmp_path / "memory")
