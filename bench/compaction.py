"""Measure the cost of a restore and a turn, and the requests of a long session with tools.

Run:

    python bench/compaction.py                  # prints the tables
    python bench/compaction.py --write          # also writes docs/reference/figures/compaction.md
    python bench/compaction.py --data FILE      # the conversations to replay (JSONL)

Everything runs on the embedded memory. Speed is shown as ratios within this run wherever it can be: the machine's own
speed cancels out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig
from strands import Agent
from strands.hooks import BeforeModelCallEvent

from agentmem.events.serializer import encode_message
from agentmem.local import LocalMemory
from agentmem.messages.converse import for_model
from agentmem.replay.formats import load_conversation
from agentmem.replay.run import Replay
from agentmem.session_manager.manager import CompactingSessionManager
from agentmem.settings.sections import InMemoryCheckpoints
from agentmem.testing import ScriptedModel

if TYPE_CHECKING:
    from agentmem.testing import ModelRequest

ROOT = Path(__file__).resolve().parent.parent
REGION = "us-west-2"
SIZES = (1_000, 10_000, 100_000)
MESSAGES_AN_EVENT = 4
LATENCY = 0.005


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write docs/reference/figures/compaction.md")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data/tau-airline-100.jsonl")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="messages of the sessions to restore")
    options = parser.parse_args()
    parts = [restores(options.sizes), turns(), workload(options.data)]
    page = "\n".join(
        ["# Cost and effect of compaction", "", "Written by `python bench/compaction.py --write`.", *parts]
    )
    print(page)
    if options.write:
        target = ROOT / "docs/reference/figures/compaction.md"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page + "\n", encoding="utf-8")


class Place:
    """An embedded memory with one session of many messages, its calls counted."""

    def __init__(self, messages: int) -> None:
        """Fill the session as turns of four messages an event."""
        self.memory = LocalMemory()
        self.boto = self.memory.boto_session(REGION)
        self.calls: Counter[str] = Counter()
        self.boto.events.register("before-call.bedrock-agentcore.*", lambda model, **_: self.calls.update([model.name]))
        control = self.boto.client("bedrock-agentcore-control")
        self.memory_id = control.create_memory(name="bench", eventExpiryDuration=365)["memory"]["id"]
        self.ids = {"memory_id": self.memory_id, "actor_id": "ann", "session_id": "bench"}
        self._fill(messages)

    def _fill(self, messages: int) -> None:
        data = self.boto.client("bedrock-agentcore")
        begin = int(time.time()) - messages
        for number in range(messages // MESSAGES_AN_EVENT):
            data.create_event(
                memoryId=self.memory_id,
                actorId="ann",
                sessionId="bench",
                eventTimestamp=begin + number,
                extractionMode="SKIP",
                payload=[encode_message(message) for message in _turn(number)],
            )

    def agent(self, **settings: Any) -> Agent:
        """Open the session."""
        manager = CompactingSessionManager(
            AgentCoreMemoryConfig(**self.ids), REGION, boto_session=self.boto, token_threshold=20_000, **settings
        )
        return Agent(model=ScriptedModel([]), session_manager=manager, callback_handler=None)


def restores(sizes: list[int] | tuple[int, ...]) -> str:
    """Restore sessions of different lengths, with 5 ms a call."""
    rows = []
    first: dict[str, float] = {}
    for size in sizes:
        place = Place(size)
        for name, settings in (("event log", {}), ("in memory", {"checkpoints": InMemoryCheckpoints()})):
            agent = place.agent(**settings)
            agent.model = ScriptedModel(["Noted."] * 3)
            for number in range(3):  # the first opening folds the past; these turns make the session an ordinary one
                agent(f"One more question {number}.")
            with place.memory.faults.inject("latency", seconds=LATENCY):
                seconds, calls = [], Counter[str]()
                for _ in range(5):
                    before, began = Counter(place.calls), time.perf_counter()
                    place.agent(**settings)
                    seconds.append(time.perf_counter() - began)
                    calls = place.calls - before
            best = min(seconds)
            first.setdefault(name, best)
            rows.append(f"| {size:,} | {name} | {calls.total()} | {best * 1000:.0f} ms | {best / first[name]:.2f} |")
        place.memory.close()
    return "\n".join(
        [
            "",
            "## Restoring, with 5 ms a call (best of five)",
            "",
            "| messages | checkpoints | API calls | time | against the shortest session |",
            "|---|---|---|---|---|",
            *rows,
        ]
    )


def turns() -> str:
    """Time our own part of a turn with about 100,000 tokens in view."""
    place = Place(0)
    manager = CompactingSessionManager(
        AgentCoreMemoryConfig(**place.ids), REGION, boto_session=place.boto, token_threshold=1_000_000
    )
    agent = Agent(model=ScriptedModel([]), session_manager=manager, callback_handler=None)
    agent.messages.extend(message for number in range(560) for message in _turn(number))
    tokens = manager.plan(agent).tokens_before
    deciding, mending = [], []
    with asyncio.Runner() as runner:
        for _ in range(51):
            began = time.process_time()
            runner.run(agent.hooks.invoke_callbacks_async(BeforeModelCallEvent(agent=agent)))
            deciding.append(time.process_time() - began)
            began = time.process_time()
            for_model(agent.messages)
            mending.append(time.process_time() - began)
    deciding, mending = deciding[1:], mending[1:]  # the first counts every message, once
    rows = [
        f"| deciding before a model call | {statistics.median(deciding) * 1000:.2f} ms |",
        f"| making the request valid | {statistics.median(mending) * 1000:.2f} ms |",
    ]
    return "\n".join(
        [
            "",
            f"## A turn without compaction, {len(agent.messages):,} messages and {tokens:,} tokens in view (median)",
            "",
            "| our part | CPU time |",
            "|---|---|",
            *rows,
        ]
    )


def workload(path: Path) -> str:
    """Replay real conversations as one session, restored every seventh turn, and look at what was sent."""
    title = "\n## A long session with tools, at a threshold of 30,000 tokens\n"
    if not path.exists():
        return f"{title}\nSkipped: there is no {path.name} here; give --data FILE."
    shares: list[float] = []
    last = ""

    def seen(request: ModelRequest) -> None:
        nonlocal last
        text = json.dumps(request.messages, default=str)
        if last:
            shares.append(_common(last, text) / len(last))
        last = text

    place = Place(0)
    conversation = load_conversation(path)
    report = Replay(
        conversation,
        lambda: CompactingSessionManager(
            AgentCoreMemoryConfig(**place.ids), REGION, boto_session=place.boto, token_threshold=30_000
        ),
        restart_every=7,
        on_request=seen,
    ).run()
    facts = report.as_json()
    new = facts["peak_request_tokens_without_compaction"]
    rows = [
        ("requests", f"{facts['requests']:,}"),
        ("largest request", f"{facts['peak_request_tokens']:,} tokens"),
        ("largest request without compaction", f"{new:,} tokens"),
        ("compactions", f"{facts['compactions']}, one for every {new // facts['compactions']:,} new tokens"),
        ("share of a request that begins the next one unchanged", f"{statistics.mean(shares):.1%} on average"),
    ]
    return "\n".join([title, "| what | figure |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _common(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _turn(number: int) -> list[dict[str, Any]]:
    use = {"toolUse": {"toolUseId": f"t{number}", "name": "look", "input": {"shelf": number}}}
    result = {
        "toolUseId": f"t{number}",
        "status": "success",
        "content": [{"text": f"Shelf {number} holds paper. " * 8}],
    }
    contents: list[tuple[str, list[Any]]] = [
        ("user", [{"text": f"What is on shelf {number}? I need it for order {number * 7919 % 100_000}."}]),
        ("assistant", [use]),
        ("user", [{"toolResult": result}]),
        ("assistant", [{"text": f"Shelf {number} holds paper."}]),
    ]
    return [{"role": role, "content": content, "tracking_id": str(uuid.uuid4())} for role, content in contents]


if __name__ == "__main__":
    sys.exit(main())
