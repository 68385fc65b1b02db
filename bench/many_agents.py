"""Measures several agents on one log: runs that are killed, restores beside long neighbours, and what one agent costs.

    python bench/many_agents.py --killed               # graphs and a swarm, killed at every node and service call
    python bench/many_agents.py --restore              # opening an agent beside 10 and 10,000 messages of another
    python bench/many_agents.py --calls                # service calls of a session of one agent
    python bench/many_agents.py --schedules 1000       # three agents in two processes
    python bench/many_agents.py --killed --shapes chain swarm --every 5

A run is killed by SIGKILL in a process of its own, at one point of it after another: before and after each node and
each call of the service. Another process goes on with it. At the end every node must have been done as often as the
graph says and every message of its agent must be stored once; every request any model got is checked to be valid.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests")]

from strands import Agent  # noqa: E402
from strands.hooks.events import AfterNodeCallEvent, BeforeNodeCallEvent  # noqa: E402
from strands.multiagent import GraphBuilder, Swarm  # noqa: E402

from agentmem import CompactionConfig, MemoryConfig  # noqa: E402
from agentmem.testing import Reply, ScriptedModel, ToolCall  # noqa: E402
from converse import validate_request  # noqa: E402 - beside the tests

TASK = "Write about the harbour."
DONE = {
    "chain": ["a", "b", "c"],
    "fan-out": ["a", "b", "c", "d"],
    "cycle": ["a", "b", "a", "b", "a", "b", "c"],
    "nested": ["x", "inner", "y"],
    "swarm": ["a", "b", "c"],
}
"""The nodes of each run in the order in which they are done; those of a batch in any order."""

MESSAGES = {
    "chain": {"a": 2, "b": 2, "c": 2},
    "fan-out": {"a": 2, "b": 2, "c": 2, "d": 2},
    "cycle": {"a": 6, "b": 6, "c": 2},
    "nested": {"x": 2, "p": 2, "q": 2, "y": 2},
    "swarm": {"a": 4, "b": 4, "c": 2},
}
"""Messages of each node's agent at the end: of a swarm's that hands over also the tool call and its result."""


class Killer:
    """Kills its process at one point of a run, by number."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.count = 0

    def point(self, *_: Any, **__: Any) -> None:
        """Note a point; the one that was chosen is the last."""
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def agent_of(memory: Any, name: str, script: list[Any]) -> Agent:
    """Return a node's agent with a memory of its own."""
    model = ScriptedModel(script * 8)
    return Agent(model=model, name=name, hooks=[memory.node(name).hook()], callback_handler=None)


def graph_of(memory: Any, graph_id: str, nodes: dict[str, Any], edges: list[tuple[Any, ...]]) -> tuple[Any, Any]:
    """Return a graph and its session manager."""
    builder = GraphBuilder()
    for name, executor in nodes.items():
        builder.add_node(executor, name)
    for edge in edges:
        builder.add_edge(*edge[:2], condition=edge[2] if len(edge) > 2 else None)
    builder.set_entry_point(next(iter(nodes)))
    builder.set_max_node_executions(30)
    builder.set_graph_id(graph_id)
    builder.reset_on_revisit(enabled=True)
    manager = memory.session_manager()
    builder.set_session_manager(manager)
    return builder.build(), manager


def visits(state: Any, name: str) -> int:
    """Return how often a node was done."""
    return sum(node.node_id == name for node in state.execution_order)


def build(shape: str, memory: Any) -> tuple[Any, Any, list[Agent], list[Any]]:
    """Return a graph or swarm, its session manager, the agents in it, and everything that has nodes."""

    def agents(names: str) -> dict[str, Agent]:
        return {name: agent_of(memory, name, [f"{name} says something of the harbour."]) for name in names}

    if shape == "swarm":
        first, second = (
            agent_of(
                memory,
                name,
                [
                    Reply(tool_calls=[ToolCall("handoff_to_agent", {"agent_name": to, "message": f"Go on, {to}."})]),
                    f"{name} has handed over.",
                ],
            )
            for name, to in (("a", "b"), ("b", "c"))
        )
        last = agent_of(memory, "c", ["c is done."])
        manager = memory.session_manager()
        swarm = Swarm([first, second, last], session_manager=manager)
        return swarm, manager, [first, second, last], [swarm]
    if shape == "nested":
        within = agents("pq")
        inner, _ = graph_of(memory, "inner", within, [("p", "q")])
        around = agents("xy")
        nodes = {"x": around["x"], "inner": inner, "y": around["y"]}
        outer, manager = graph_of(memory, "outer", nodes, [("x", "inner"), ("inner", "y")])
        return outer, manager, [*within.values(), *around.values()], [inner, outer]
    names = {"chain": "abc", "fan-out": "abcd", "cycle": "abc"}[shape]
    edges: list[tuple[Any, ...]] = {
        "chain": [("a", "b"), ("b", "c")],
        "fan-out": [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")],
        "cycle": [
            ("a", "b"),
            ("b", "a", lambda state: visits(state, "a") < 3),
            ("b", "c", lambda state: visits(state, "a") >= 3),
        ],
    }[shape]
    nodes = agents(names)
    graph, manager = graph_of(memory, "graph", nodes, edges)
    return graph, manager, list(nodes.values()), [graph]


def work(shape: str, path: str, kill_at: int, told: Any) -> None:
    """Do a run, or what is left of it, in this process."""
    logging.disable(logging.CRITICAL)
    killer = Killer(kill_at)
    config = MemoryConfig.local(path=path, namespaces=())
    for moment in ("before-call", "after-call"):
        config.boto_session().events.register(f"{moment}.bedrock-agentcore.*", killer.point)
    memory = config.bind("ann", "s-1")
    source, manager, agents, systems = build(shape, memory)
    for system in systems:
        system.hooks.add_callback(BeforeNodeCallEvent, killer.point)
        system.hooks.add_callback(AfterNodeCallEvent, killer.point)
    if manager.run is None or not manager.run.is_finished:
        source(TASK)
    for agent in agents:
        for request in agent.model.requests:
            validate_request(request.messages)
    told.put(killer.count)


def in_process(shape: str, path: str, kill_at: int = 0) -> int | None:
    """Do a run in a process of its own; return its points, or None when it was killed."""
    context = multiprocessing.get_context("fork")
    told = context.Queue()
    process = context.Process(target=work, args=(shape, path, kill_at, told))
    process.start()
    process.join(120)
    if process.exitcode == -signal.SIGKILL:
        return None
    if process.exitcode != 0:
        raise SystemExit(f"{shape}, killed at {kill_at}: the process ended with {process.exitcode}")
    return int(told.get(timeout=10))


def look(shape: str, path: str, told: Any) -> None:
    """Return what is stored of a run, in a process of its own."""
    logging.disable(logging.CRITICAL)
    memory = MemoryConfig.local(path=path, namespaces=()).bind("ann", "s-1")
    _, manager, agents, _ = build(shape, memory)
    ids = [[message["tracking_id"] for message in agent.messages] for agent in agents]
    told.put(
        {
            "done": list(manager.run.done),
            "finished": manager.run.is_finished,
            "messages": {agent.name: len(agent.messages) for agent in agents},
            "twice": sum(len(one) - len(set(one)) for one in ids),
        }
    )


def stored(shape: str, path: str) -> dict[str, Any]:
    """Return what is stored of a run."""
    context = multiprocessing.get_context("fork")
    told = context.Queue()
    process = context.Process(target=look, args=(shape, path, told))
    process.start()
    found = told.get(timeout=60)
    process.join(60)
    return dict(found)


def wrong(shape: str, found: dict[str, Any]) -> str | None:
    """Say what is wrong with what is stored of a finished run."""
    done, expected = found["done"], DONE[shape]
    if Counter(done) != Counter(expected) or (shape != "fan-out" and done != expected):
        return f"nodes done {done}"
    if not found["finished"] or found["twice"] or found["messages"] != MESSAGES[shape]:
        return f"stored {found}"
    return None


def killed(shapes: list[str], every: int = 1) -> dict[str, dict[str, Any]]:
    """Kill each shape's run at every point, go on in another process, and count what is wrong at the end."""
    figures: dict[str, dict[str, Any]] = {}
    for shape in shapes:
        root = tempfile.mkdtemp(prefix="many-agents-")
        try:
            points = in_process(shape, f"{root}/0")
            problem = wrong(shape, stored(shape, f"{root}/0"))
            problems = [] if problem is None else [f"not killed: {problem}"]
            kills = 0
            for at in range(1, (points or 0) + 1, every):
                path = f"{root}/{at}"
                kills += in_process(shape, path, at) is None
                in_process(shape, path)
                problem = wrong(shape, stored(shape, path))
                if problem is not None:
                    problems.append(f"killed at {at}: {problem}")
                shutil.rmtree(path, ignore_errors=True)
        finally:
            shutil.rmtree(root, ignore_errors=True)
        figures[shape] = {"points": points, "kills": kills, "wrong": len(problems), "problems": problems[:5]}
        print(json.dumps({shape: figures[shape]}), flush=True)
    return figures


def turns(agent: Agent, count: int, text: str) -> None:
    """Have an agent take turns."""
    for number in range(count):
        agent(f"{text} {number}")


def open_figures(config: MemoryConfig, agent_id: str, calls: list[tuple[str, int]], times: int) -> dict[str, Any]:
    """Return the median time, the calls and the bytes read of opening an agent's session."""
    taken = []
    calls.clear()
    for _ in range(times):
        manager = config.bind("ann", "s-1").session_manager()
        began = time.perf_counter()
        Agent(model=ScriptedModel([]), agent_id=agent_id, session_manager=manager, callback_handler=None)
        taken.append(time.perf_counter() - began)
    return {
        "ms": round(statistics.median(taken) * 1000, 1),
        "calls": len(calls) / times,
        "kB read": round(sum(size for _, size in calls) / times / 1000, 1),
    }


def restore(sizes: tuple[int, ...] = (10, 10_000), times: int = 25) -> dict[str, Any]:
    """Measure opening one agent, of 40 messages, beside another one of so many that has worked since."""
    figures: dict[str, Any] = {}
    for small in ("main", "other"):
        for size in sizes:
            config = MemoryConfig.local(path=":memory:", namespaces=())
            read: list[tuple[str, int]] = []
            config.boto_session().events.register(
                "after-call.bedrock-agentcore.*",
                lambda model, parsed, read=read, **_: read.append((model.name, len(json.dumps(parsed, default=str)))),
            )
            ids = ("small", "large") if small == "main" else ("large", "small")
            opened = {
                name: Agent(
                    model=ScriptedModel(["Yes, it is."] * 100),
                    agent_id=name,
                    session_manager=config.bind("ann", "s-1").session_manager(),
                    callback_handler=None,
                )
                for name in ids
            }
            turns(opened[ids[0]], 1, "Is the lake green?")
            turns(opened["small"], 20, "Is the harbour blue?")
            turns(opened["large"], 5, "Is the lake green?")
            repeat_last_turn(config, (size - 10) // 2)
            name = f"{small} agent beside {size:,} messages of another"
            figures[name] = open_figures(config, "small", read, times)
            print(json.dumps({name: figures[name]}), flush=True)
    return figures


def repeat_last_turn(config: MemoryConfig, count: int) -> None:
    """Write the newest event of the session again, as other turns, through the service's own operation."""
    from datetime import UTC, datetime

    client, session = config.data_plane(), config.bind("ann", "s-1")
    ids = {"memoryId": session.memory_id, "actorId": "ann", "sessionId": "s-1"}
    newest = client.list_events(**ids, maxResults=1, includePayloads=True)["events"][0]
    for number in range(count):
        payload = [
            {"blob": item["blob"].replace("tracking_id", f"t{number}_tracking_id")} if "blob" in item else item
            for item in newest["payload"]
        ]
        client.create_event(
            **ids, eventTimestamp=datetime.now(UTC), payload=payload, metadata=newest["metadata"], extractionMode="SKIP"
        )


def calls() -> dict[str, int]:
    """Count the service's calls of a session of one agent: begun, ten turns, and opened again."""
    config = MemoryConfig.local(path=":memory:", namespaces=())
    counted: Counter[str] = Counter()
    config.boto_session().events.register(
        "before-call.bedrock-agentcore.*", lambda model, **_: counted.update([model.name])
    )

    def agent() -> Agent:
        manager = config.bind("ann", "s-1").session_manager()
        return Agent(model=ScriptedModel(["Yes."] * 20), session_manager=manager, callback_handler=None)

    turns(agent(), 10, "Is it blue?")
    agent()
    return dict(counted)


def schedule_process(path: str, seed: int, ids: list[str], rounds: int, told: Any) -> None:
    """Take turns of several agents of one session, in a random order."""
    logging.disable(logging.CRITICAL)
    choice = random.Random(seed)  # noqa: S311 - a schedule, no secret
    config = MemoryConfig.local(path=path, namespaces=(), compaction=CompactionConfig(token_threshold=1_000))
    opened: dict[str, Agent] = {}
    said: dict[str, list[str]] = {name: [] for name in ids}
    for number in range(rounds):
        name = choice.choice(ids)
        if name not in opened or choice.random() < 0.15:
            manager = config.bind("ann", "s-1").session_manager()
            opened[name] = Agent(
                model=ScriptedModel([f"Noted by {name}. " * 20] * 40),
                agent_id=name,
                session_manager=manager,
                callback_handler=None,
            )
        text = f"{name} {os.getpid()} {number} " + "Please keep this in mind. " * 25
        opened[name](text)
        said[name].append(f"{name} {os.getpid()} {number}")
    told.put(said)


def check_schedule(path: str, said: dict[str, list[str]], told: Any) -> None:
    """Count messages that are lost, or in a history that is not their agent's."""
    logging.disable(logging.CRITICAL)
    from agentmem.events.reader import EventReader
    from agentmem.scope.address import SessionAddress

    config = MemoryConfig.local(path=path, namespaces=(), compaction=CompactionConfig(token_threshold=1_000))
    session = config.bind("ann", "s-1")
    address = SessionAddress(session.memory_id, "ann", "s-1")
    lost = strange = twice = 0
    for name, texts in said.items():
        reader = EventReader(config.data_plane(), address, name, is_agent=True)
        stored_texts = [
            block["text"]
            for page in reader.pages()
            for event in page
            for one in event.messages
            for block in one.message["content"]
            if "text" in block
        ]
        for text in texts:
            count = sum(one.startswith(f"{text} ") for one in stored_texts)
            lost += count == 0
            twice += count > 1
        strange += sum(one.split()[0] in said and one.split()[0] != name for one in stored_texts)
        manager = session.session_manager()
        agent = Agent(model=ScriptedModel([]), agent_id=name, session_manager=manager, callback_handler=None)
        shown = " ".join(str(message["content"]) for message in agent.messages)
        folded = manager.checkpoint.folded_messages if manager.checkpoint else 0
        for text in texts:
            if f"{text} " in shown:
                continue
            found = manager.recall.by_words(text, max_tokens=20_000) if folded else []
            lost += not any(one.text.startswith(f"{text} ") for one in found)
        strange += sum(other != name and f"{other} " in shown and f"'{other} " in shown for other in said)
    told.put((lost, strange, twice))


def schedules(count: int, seed: int = 1) -> dict[str, int]:
    """Run schedules of three agents in two processes; two of them work in both."""
    context = multiprocessing.get_context("fork")
    figures = Counter[str]()
    for number in range(count):
        root = tempfile.mkdtemp(prefix="many-agents-")
        try:
            told = context.Queue()
            ids = (["first", "second"], ["second", "third"]) if number % 2 else (["first"], ["second", "third"])
            workers = [
                context.Process(target=schedule_process, args=(root, seed + 2 * number + at, names, 6, told))
                for at, names in enumerate(ids)
            ]
            for worker in workers:
                worker.start()
            said: dict[str, list[str]] = {}
            for _ in workers:
                for name, texts in told.get(timeout=120).items():
                    said.setdefault(name, []).extend(texts)
            for worker in workers:
                worker.join(60)
            checker = context.Process(target=check_schedule, args=(root, said, told))
            checker.start()
            lost, strange, twice = told.get(timeout=120)
            checker.join(60)
            figures.update(schedules=1, turns=sum(map(len, said.values())), lost=lost, strange=strange, twice=twice)
            if lost or strange or twice:
                print(json.dumps({"schedule": number, "lost": lost, "strange": strange, "twice": twice}), flush=True)
        finally:
            shutil.rmtree(root, ignore_errors=True)
    return dict(figures)


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--killed", action="store_true")
    parser.add_argument("--shapes", nargs="+", choices=sorted(DONE), default=list(DONE))
    parser.add_argument("--every", type=int, default=1, help="kill at every so many-th point only")
    parser.add_argument("--restore", action="store_true")
    parser.add_argument("--calls", action="store_true")
    parser.add_argument("--schedules", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if given.killed:
        killed(given.shapes, given.every)
    if given.schedules:
        print(json.dumps({"schedules": schedules(given.schedules, given.seed)}))
    if given.calls:
        print(json.dumps({"calls": calls()}))
    if given.restore:
        restore()


if __name__ == "__main__":
    main()
