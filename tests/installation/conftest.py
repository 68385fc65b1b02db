"""The built wheel, made once."""

import sys

import pytest
from environments import ROOT, run


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    [built] = folder.glob("strands_agentmem-*.whl")
    return built
