"""What streaming costs: CPU of a turn, time to the browser, and parsing in tiny pieces.

    python bench/streaming.py            # print the tables
    python bench/streaming.py --write    # and write docs/reference/figures/streaming.md

Every figure is a ratio or a difference within one run, on one machine, with the parts compared taking turns. A turn is
measured with Strands' own BedrockModel, whose answers come over HTTP from another process, and with a scripted model
that costs nothing, which shows what streaming costs by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import statistics
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import uvicorn
from bedrock_stand_in import bedrock_stand_in
from starlette.applications import Starlette
from starlette.routing import Route
from strands import Agent, tool
from strands.models import BedrockModel, Model

from agentmem import MemoryConfig
from agentmem.streaming import parse_stream, sse_response, stream_turn
from agentmem.testing import Reply, ScriptedModel, ToolCall

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request
    from starlette.responses import Response
    from strands.types.streaming import StreamEvent

FIGURES = Path(__file__).parent.parent / "docs" / "reference" / "figures" / "streaming.md"
ROUNDS = 60
CHUNK = 12
"""Characters of a delta; Bedrock sends one to a few words."""

TEXT = "The sea is blue because it scatters light, <b>mostly</b> that of short waves; 海は青い 🌊. " * 12


@tool
def look(query: str) -> str:
    """Look something up.

    Args:
        query: What.
    """
    return f"{query} is blue. " * 20


class TimedModel(ScriptedModel):
    """Notes when it gave each delta, and waits a little before each."""

    def __init__(self, *script: Any, **options: Any) -> None:
        """Begin with nothing given."""
        super().__init__(list(script), **options)
        self.given: list[float] = []

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[StreamEvent, None]:
        """Answer as scripted, slowly."""
        async for event in super().stream(*args, **kwargs):
            await asyncio.sleep(0.01)
            if "text" in event.get("contentBlockDelta", {}).get("delta", {}):
                self.given.append(time.monotonic())
            yield event


def agent_of(model: Model, *, memory: bool) -> Agent:
    """Return an agent, with a session in an embedded memory or without."""
    manager = MemoryConfig.local(":memory:", namespaces=()).bind("ann", "s-1").session_manager() if memory else None
    return Agent(model=model, tools=[look], session_manager=manager, callback_handler=None)


def scripted_model() -> Model:
    """Return a model that costs nothing."""
    turn = [Reply(tool_calls=[ToolCall("look", {"query": "sea"})]), TEXT]
    return ScriptedModel(turn * (2 * ROUNDS + 4), chunk_size=CHUNK)


def bedrock_model(endpoint: str) -> Model:
    """Return Strands' model of Bedrock against another endpoint."""
    session = boto3.Session("a", "b", region_name="us-west-2")
    return BedrockModel(model_id="amazon.stand-in-v1:0", endpoint_url=endpoint, boto_session=session)


async def cpu_of_turns(model: Model, *, memory: bool) -> tuple[float, float, float]:
    """Return CPU milliseconds of a turn without and with `stream_turn`, and the median ratio of neighbours."""
    agent = agent_of(model, memory=memory)

    async def plain() -> None:
        agent.messages.clear()
        async for _ in agent.stream_async("The sea?"):
            pass

    async def streamed() -> None:
        agent.messages.clear()
        async for _ in stream_turn(agent, "The sea?"):
            pass

    seconds: dict[Any, list[float]] = {plain: [], streamed: []}
    for number in range(ROUNDS + 2):
        for way in (plain, streamed) if number % 2 else (streamed, plain):
            began = time.process_time()
            await way()
            seconds[way].append(time.process_time() - began)
    without, with_it = seconds[plain][2:], seconds[streamed][2:]
    ratio = statistics.median(b / a for a, b in zip(without, with_it, strict=True))
    return statistics.median(without) * 1000, statistics.median(with_it) * 1000, ratio


def waits_over_http() -> list[float]:
    """Return the milliseconds from the model's giving each delta to a client's having it, over HTTP."""
    model = TimedModel(TEXT, chunk_size=CHUNK)
    agent = agent_of(model, memory=True)

    async def chat(_request: Request) -> Response:
        return sse_response(stream_turn(agent, "The sea?"))

    app = Starlette(routes=[Route("/chat", chat)])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    connection = http.client.HTTPConnection("127.0.0.1", server.servers[0].sockets[0].getsockname()[1])
    connection.request("GET", "/chat")
    response = connection.getresponse()
    arrived = [
        (event["content"], time.monotonic())
        for line in response
        if line.startswith(b"data: ") and (event := json.loads(line[6:]))["type"] == "message"
    ]
    server.should_exit = True
    thread.join()
    # A delta that ends in the beginning of a tag is sent with the next: compare by characters, not by number.
    waits, characters, sent = [], 0, 0
    for content, at in arrived:
        sent += len(content)
        while characters + CHUNK <= sent:
            characters += CHUNK
        waits.append((at - model.given[min((sent - 1) // CHUNK, len(model.given) - 1)]) * 1000)
    return waits


def parse_seconds(size: int) -> float:
    """Return the CPU seconds for parsing a stream of deltas in pieces of four bytes."""
    line = json.dumps({"event": {"contentBlockDelta": {"delta": {"text": TEXT[:40]}, "contentBlockIndex": 0}}})
    stream = (f"data: {line}\n\n".encode() * (size // len(line) + 1))[:size]
    pieces = [stream[at : at + 4] for at in range(0, len(stream), 4)]
    began = time.process_time()
    for _ in parse_stream(pieces):
        pass
    return time.process_time() - began


def turn_rows() -> list[tuple[str, str, str, str]]:
    """Return what was measured of turns: the model, CPU without and with `stream_turn`, and the difference."""
    rows = []
    with bedrock_stand_in(TEXT, CHUNK) as endpoint:
        for name, model in (
            ("BedrockModel", partial(bedrock_model, endpoint)),
            ("a model for nothing", scripted_model),
        ):
            for memory in (True, False):
                without, with_it, ratio = asyncio.run(cpu_of_turns(model(), memory=memory))
                where = "a session in the embedded memory" if memory else "no memory"
                rows.append(
                    (f"{name}, {where}", f"{without:.1f} ms", f"{with_it:.1f} ms", f"{(ratio - 1) * 100:+.1f} %")
                )
    return rows


def parse_rows() -> list[tuple[str, str, str]]:
    """Return what was measured of parsing: size, CPU, and CPU for a megabyte."""
    rows = []
    for size in (250_000, 500_000, 1_000_000, 2_000_000):
        seconds = min(parse_seconds(size) for _ in range(3))
        rows.append((f"{size:,} bytes", f"{seconds:.2f} s", f"{seconds / size * 1e6:.2f} s"))
    return rows


def table(heads: tuple[str, ...], rows: list[Any]) -> str:
    """Return rows as Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))


def main() -> None:
    """Measure and print, or write, the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write docs/reference/figures/streaming.md")
    arguments = parser.parse_args()
    turns = table(("model", "CPU of a turn", "streamed", "more"), turn_rows())
    waits = waits_over_http()
    told = (
        f"From the model's giving a delta to a client's having it, over HTTP: the first {waits[0]:.1f} ms, the median "
        f"{statistics.median(waits):.1f} ms, the worst {max(waits):.1f} ms of {len(waits)}."
    )
    parsed = table(("a stream in pieces of four bytes", "CPU", "CPU for a megabyte"), parse_rows())
    deltas = len(TEXT) // CHUNK
    print(f"{turns}\n\n{told}\n\n{parsed}")
    if arguments.write:
        FIGURES.write_text(
            f"# Cost of streaming\n\nA turn of two model calls, a tool call and {deltas} deltas, with and without "
            f"`stream_turn`, {ROUNDS} rounds taking turns; the difference is the median of neighbours. Made by "
            f"`python bench/streaming.py --write`.\n\n{turns}\n\n{told}\n\nThe way back, `parse_stream`, is linear:\n\n"
            f"{parsed}\n",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
