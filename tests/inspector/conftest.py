from types import SimpleNamespace

import pytest

from agentmem.cli.demo import filled_demo
from agentmem.inspector.views.actors import list_sessions
from agentmem.inspector.views.place import Place
from agentmem.local import LocalMemory


@pytest.fixture(scope="session")
def demo():
    """The demo's memory: `long` is its compacted session, `facts` the one whose user states facts."""
    with LocalMemory() as service:
        config = filled_demo(service)
        sessions = list_sessions(config, "ana").sessions
        newest, oldest = sessions[0].session_id, sessions[-1].session_id
        yield SimpleNamespace(config=config, long=Place("ana", newest), facts=Place("ana", oldest), service=service)
