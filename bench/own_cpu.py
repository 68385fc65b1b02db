"""Measure our own CPU time of a turn of six model calls, with few and with many messages in view.

    python bench/own_cpu.py                 # print the table
    python bench/own_cpu.py --write         # and write docs/reference/figures/own-cpu.md

What counts is everything the session manager does between the beginning of an invocation and its end: its hooks, its
part in the request, its threads, the serialization and the sending of the turn. The embedded service answers those
calls in this very process, which an agent on AgentCore does not have to pay; so the time inside its calls is taken
away again. Strands' own time is not counted. What the summarizer reads ahead, behind the turn, is a column of its own.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig
from strands import Agent, tool

from agentmem import LocalMemory
from agentmem.session_manager.manager import CompactingSessionManager
from agentmem.testing import Reply, ScriptedModel, ToolCall

FIGURES = Path(__file__).parent.parent / "docs" / "reference" / "figures" / "own-cpu.md"
REGION = "us-west-2"
SIZES = (160, 1_000, 10_000)
CALLS = 6
TURNS = 15
THRESHOLD = 10_000_000


@tool
def look(query: str) -> str:
    """Look something up."""
    return f"Results for {query}: the warehouse in Lyon is open until nine."


class Stopwatch:
    """Adds up the CPU time of all threads while at least one timed part is running."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.seconds = 0.0
        self._running = 0

    async def around(self, part: Any, *arguments: Any) -> Any:
        """Time one asynchronous part; parts may stand inside one another."""
        began = time.process_time()
        self._running += 1
        try:
            return await part(*arguments)
        finally:
            self._running -= 1
            if not self._running:
                self.seconds += time.process_time() - began


class Timed(CompactingSessionManager):
    """The session manager with a stopwatch around each of its parts in a turn."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        """Start a stopwatch."""
        self.watch = Stopwatch()
        super().__init__(*arguments, **settings)

    async def _on_message(self, event: Any) -> None:
        await self.watch.around(super()._on_message, event)

    async def _before_model(self, event: Any) -> None:
        await self.watch.around(super()._before_model, event)

    async def _after_model(self, event: Any) -> None:
        await self.watch.around(super()._after_model, event)

    async def _after_invocation(self, event: Any) -> None:
        await self.watch.around(super()._after_invocation, event)

    async def _to_model(self, context: Any) -> Any:
        return await self.watch.around(super()._to_model, context)


def measure(messages: int, turns: int) -> tuple[float, float]:
    """Hold turns with so many messages in view.

    Returns:
        Milliseconds of CPU time: the median of a turn, and of what is read ahead behind it.
    """
    with LocalMemory() as service:
        boto = service.boto_session(REGION)
        in_service = [0.0]
        _time_service(boto, in_service)
        memory_id = boto.client("bedrock-agentcore-control").create_memory(name="bench", eventExpiryDuration=365)
        config = AgentCoreMemoryConfig(memory_id=memory_id["memory"]["id"], actor_id="ann", session_id="bench")
        manager = Timed(config, REGION, boto_session=boto, token_threshold=THRESHOLD)
        script: list[Any] = []
        model = ScriptedModel(script)
        agent = Agent(model=model, tools=[look], session_manager=manager, callback_handler=None)
        agent.messages.extend(message for number in range(messages // 4) for message in _turn(number))
        manager.flush(agent)
        own, behind = [], []
        for number in range(turns + 2):
            model.add(
                *[
                    Reply("I will look.", [ToolCall("look", {"query": f"{number}.{call}"})])
                    for call in range(CALLS - 1)
                ],
                f"Turn {number}: they are open until nine.",
            )
            manager.watch.seconds = in_service[0] = 0.0
            agent(f"Question {number}: until when is the warehouse open?")
            own.append(manager.watch.seconds - in_service[0])
            began = time.process_time()
            for thread in threading.enumerate():
                if thread.name == "agentmem-judge":
                    thread.join()
            behind.append(time.process_time() - began)
        # The first turns count and look at everything once, load the encoder and open connections.
        return statistics.median(own[2:]) * 1000, statistics.median(behind[2:]) * 1000


def _time_service(boto: Any, seconds: list[float]) -> None:
    """Add up the CPU time of the embedded service's answers: of the thread that asks for them."""
    client = "before-send.bedrock-agentcore.*"
    begun: dict[int, float] = {}

    def begin(**_: Any) -> None:
        begun[threading.get_ident()] = time.thread_time()

    def end(**_: Any) -> None:
        seconds[0] += time.thread_time() - begun.pop(threading.get_ident(), time.thread_time())

    boto.events.register_first(client, begin)
    boto.events.register("response-received.bedrock-agentcore.*", end)


def _turn(number: int) -> list[Any]:
    use = {"toolUse": {"toolUseId": f"t{number}", "name": "look", "input": {"shelf": number}}}
    result = {"toolUseId": f"t{number}", "status": "success", "content": [{"text": f"Shelf {number} holds paper."}]}
    contents: list[tuple[str, list[Any]]] = [
        ("user", [{"text": f"What is on shelf {number}? I need it for order {number * 7919 % 100_000}."}]),
        ("assistant", [use]),
        ("user", [{"toolResult": result}]),
        ("assistant", [{"text": f"Shelf {number} holds paper."}]),
    ]
    return [{"role": role, "content": content, "tracking_id": str(uuid.uuid4())} for role, content in contents]


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {FIGURES.name}")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="messages in view")
    parser.add_argument("--turns", type=int, default=TURNS, help="turns to measure")
    options = parser.parse_args()
    rows = []
    first = 0.0
    for size in options.sizes:
        own, behind = measure(size, options.turns)
        first = first or own
        rows.append(f"| {size:,} | {own:.1f} ms | {own / first:.2f} | {behind:.1f} ms |")
    table = "\n".join(
        [
            f"CPU time of a turn of {CALLS} model calls, median of {options.turns}.",
            "",
            "| messages in view | our part of a turn | against the shortest | read ahead behind it |",
            "| ---: | ---: | ---: | ---: |",
            *rows,
        ]
    )
    print(table)
    if options.write:
        text = f"# Our own CPU time of a turn\n\nWritten by `python bench/own_cpu.py --write`.\n\n{table}\n"
        FIGURES.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
