"""A folder with an embedded memory in which two people have talked to an agent, and the command line on it."""

from __future__ import annotations

import json
import sys

import pytest
from strands import Agent, tool
from typer.testing import CliRunner

from agentmem import MemoryConfig
from agentmem.cli import main
from agentmem.cli.app import app
from agentmem.testing import ScriptedModel, ToolCall

SAID = ("My name is Ann and I live in Porto.", "I prefer tea over coffee.", "Look up [blue] boats.", "Thank you.")
LONG = "A [blue] boat is a boat that is blue. " * 100


@tool
def look(query: str) -> str:
    """Look something up.

    Args:
        query: What.
    """
    return f"{query}: {LONG}"


def talk(config, actor, session, said=SAID):
    """Hold a conversation with one tool call in its last turn but one."""
    manager = config.bind(actor, session).session_manager()
    script = [*["Noted."] * (len(said) - 2), ToolCall("look", {"query": "boats"}), "They are blue.", "You are welcome."]
    agent = Agent(model=ScriptedModel(script), tools=[look], session_manager=manager, callback_handler=None)
    for text in said:
        agent(text)
    manager.close()
    return agent


def filled(folder):
    """Fill the memory in a folder."""
    config = MemoryConfig.local(folder)
    talk(config, "ann", "ann-1")
    talk(config, "bob", "bob-1", ("My name is Bob and I live in Turin.", *SAID[1:]))
    return config


class CommandLine:
    """Runs commands on one memory."""

    def __init__(self, *where):
        self.where = [str(one) for one in where]

    def __call__(self, *arguments, answer=None):
        return CliRunner().invoke(app, [*map(str, arguments), *self.where], input=answer)

    def json(self, *arguments):
        done = self(*arguments, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)


def refused(monkeypatch, capsys, *arguments):
    """Run as the installed script does and return the error it ends with."""
    monkeypatch.setattr(sys, "argv", ["agentmem", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code
    return ended.value.code if isinstance(ended.value.code, str) else capsys.readouterr().err
