"""One of several processes that work on one session at once; started by the tests with an order in JSON.

It opens the session, says so, waits for the word to begin, and does its turns; in the
end it reports which messages it wrote, and which of them it was told are stored.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from crashing import filler, look
from shared_session import Ledger
from strands import Agent
from strands.hooks import MessageAddedEvent

from agentmem import CompactionConfig, DynamoDBCheckpoints, MemoryConfig, SqliteCheckpoints
from agentmem.local import LocalMemory
from agentmem.testing import Reply, ScriptedModel, ToolCall
from converse import validate_request


def configuration(order: dict[str, Any]) -> MemoryConfig:
    checkpoints = (
        SqliteCheckpoints(path=order["checkpoints"])
        if "checkpoints" in order
        else DynamoDBCheckpoints(table=order["table"])
    )
    compaction = CompactionConfig(
        token_threshold=1_800, protected_turns=1, max_tool_content_length=100, summarizer=Ledger()
    )
    settings: dict[str, Any] = {"memory_id": order["memory_id"], "checkpoints": checkpoints, "compaction": compaction}
    if "memory" in order:
        boto = LocalMemory(order["memory"], ranking="words").boto_session("us-west-2")
        return MemoryConfig(region="us-west-2", boto_session=boto, **settings)
    return MemoryConfig(region="us-west-2", **settings)  # both endpoints are in the environment


def turn(name: str) -> list[Reply]:
    calls = [
        ToolCall("look", {"query": f"{name} {number}", "words": 150}, f"use-{name}-{number}") for number in range(2)
    ]
    return [Reply(tool_calls=[call]) for call in calls] + [Reply(text=f"Answer {name}. {filler(30)}")]


def say(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main() -> None:
    order = json.loads(sys.argv[1])
    with configuration(order).bind("ann", order["session_id"]).session_manager() as manager:
        agent = Agent(model=ScriptedModel(), session_manager=manager, tools=[look], callback_handler=None)
        written: list[Any] = []
        agent.hooks.add_callback(MessageAddedEvent, lambda event: written.append(event.message["tracking_id"]))
        say(shown=[message["tracking_id"] for message in agent.messages])
        sys.stdin.readline()
        compactions = acknowledged = 0
        for number in range(order["turns"]):
            name = f"{order['writer']}-{number}"
            agent.model = ScriptedModel(turn(name))
            last = manager.last_compaction
            agent(f"Question {name}? {filler(30)}")
            compactions += manager.last_compaction is not last
            for request in agent.model.requests:
                validate_request(request.messages, request.system, request.tools)
            if manager.status.pending == 0:
                acknowledged = len(written)
    say(written=written, acknowledged=written[:acknowledged], compactions=compactions)


if __name__ == "__main__":
    main()
