"""Count the API calls of a turn and of a restore for each integration, and multiply them by prices.

    python bench/cost.py                                        # count
    python bench/cost.py --write                                # and write docs/reference/figures/cost.md
    python bench/cost.py --price CreateEvent=P --input-price Q  # and multiply

The same conversation, tool calls included, is held by agents on the embedded service, and what they really call is
counted by a handler in the boto3 session. Prices are arguments: of one call by operation, in any currency, and of a
million input tokens. An operation without a price is counted and not charged.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig
from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager
from strands import Agent, tool
from strands.agent.conversation_manager import NullConversationManager

from agentmem import CompactionConfig, EventLogCheckpoints, HookConfig, LocalMemory, MemoryConfig
from agentmem.replay.calls import ApiCalls
from agentmem.testing import LocalDynamoDB, Reply, ScriptedModel, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agentmem import MemorySession

FIGURES = Path(__file__).parent.parent / "docs" / "reference" / "figures" / "cost.md"
TOOL_CALLS = 5
THRESHOLD = 30_000
ORDER = (
    "CreateEvent",
    "ListEvents",
    "GetEvent",
    "RetrieveMemoryRecords",
    "GetItem",
    "TransactWriteItems",
    "UpdateItem",
)


@tool
def look(query: str) -> str:
    """Look something up."""
    return f"Results for {query}: the warehouse in Lyon is open until nine. " * 40


def _sdk(memory: MemorySession) -> dict[str, Any]:
    config = AgentCoreMemoryConfig(memory_id=memory.memory_id, actor_id="ann", session_id=memory.session_id)
    return {"session_manager": AgentCoreMemorySessionManager(config, boto_session=memory.config.boto_session())}


def _sdk_whole(memory: MemorySession) -> dict[str, Any]:
    return {**_sdk(memory), "conversation_manager": NullConversationManager()}


def _manager(memory: MemorySession) -> dict[str, Any]:
    return {"session_manager": memory.session_manager()}


def _hook(memory: MemorySession) -> dict[str, Any]:
    return {"hooks": [memory.hook()]}


def _both(memory: MemorySession) -> dict[str, Any]:
    return {"session_manager": memory.session_manager(), "hooks": [memory.hook()]}


INTEGRATIONS: dict[str, tuple[Callable[[MemorySession], dict[str, Any]], bool]] = {
    "the SDK's session manager": (_sdk, False),
    "the SDK's session manager, whole history": (_sdk_whole, False),
    "session manager": (_manager, False),
    "session manager, checkpoints in DynamoDB": (_manager, True),
    "hook": (_hook, False),
    "session manager and hook": (_both, False),
}
"""By name: how the agent gets its memory, and whether checkpoints are in DynamoDB."""


@dataclass(frozen=True)
class Measured:
    """What one integration did.

    Attributes:
        turns: Calls by operation over all turns.
        restore: Calls by operation of one restore at the end.
        input_tokens: Tokens of all requests to the model together, as counted here.
        largest: Tokens of the largest request.
    """

    turns: Mapping[str, int]
    restore: Mapping[str, int]
    input_tokens: int
    largest: int


def measure(make: Callable[[MemorySession], dict[str, Any]], turns: int, checkpoints: Any) -> Measured:
    """Hold a conversation of so many turns with five tool calls each, restore it, and count."""
    calls = ApiCalls()
    with LocalMemory() as service:
        config = MemoryConfig.local(
            service,
            compaction=CompactionConfig(token_threshold=THRESHOLD),
            checkpoints=checkpoints,
            hook=HookConfig(retrieve_timeout=30),
        )
        config.bind("ann", "warm").search("facts", "anything")  # loads the embedding model
        session = config.boto_session()
        session.__dict__.pop("_agentmem_clients")  # made before anyone counted
        calls.attach(session)
        memory = config.bind("ann", "counted")
        script = [
            Reply("I will look.", [ToolCall("look", {"query": f"stock {turn}.{call}"})])
            if call < TOOL_CALLS
            else f"Turn {turn}: they are open until nine."
            for turn in range(turns)
            for call in range(TOOL_CALLS + 1)
        ]
        model = ScriptedModel(script)
        given = make(memory)
        agent = Agent(model=model, tools=[look], callback_handler=None, **given)
        calls.by_operation.clear()  # opening an empty session is no turn
        for turn in range(turns):
            agent(f"Question {turn}: until when is the warehouse open?")
        in_turns = Counter(calls.by_operation)
        _close(given)
        calls.by_operation.clear()
        restored = make(memory)
        Agent(model=model, tools=[look], callback_handler=None, **restored)
        at_restore = Counter(calls.by_operation)
        _close(restored)
    sizes = [request.tokens for request in model.requests]
    return Measured(in_turns, at_restore, sum(sizes), max(sizes))


def _close(given: Mapping[str, Any]) -> None:
    for one in (given.get("session_manager"), *given.get("hooks", ())):
        if one is not None:
            one.close()


def count(turns: int) -> dict[str, Measured]:
    """Measure every integration."""
    with ExitStack() as stack:
        dynamodb = stack.enter_context(LocalDynamoDB())
        return {
            name: measure(make, turns, dynamodb.checkpoints("costs") if in_dynamodb else EventLogCheckpoints())
            for name, (make, in_dynamodb) in INTEGRATIONS.items()
        }


def table(measured: Mapping[str, Measured], turns: int) -> str:
    """Return what was counted as a Markdown table."""
    rows = [
        (
            name,
            _calls(one.turns, turns),
            _calls(one.restore, 1),
            f"{one.input_tokens / turns:,.0f}",
            f"{one.largest:,}",
        )
        for name, one in measured.items()
    ]
    heads = (
        "memory",
        "calls of a turn, on average",
        "calls of a restore at the end",
        "input tokens of a turn",
        "largest request",
    )
    return _markdown(heads, rows)


def priced(measured: Mapping[str, Measured], turns: int, prices: Mapping[str, float], input_price: float) -> str:
    """Return what it costs as a Markdown table, for a thousand turns and a thousand restores."""
    rows = []
    for name, one in measured.items():
        calls = 1_000 / turns * sum(number * prices.get(operation, 0) for operation, number in one.turns.items())
        tokens = 1_000 / turns * one.input_tokens * input_price / 1_000_000
        restores = 1_000 * sum(number * prices.get(operation, 0) for operation, number in one.restore.items())
        rows.append((name, f"{calls:,.2f}", f"{tokens:,.2f}", f"{calls + tokens:,.2f}", f"{restores:,.2f}"))
    return _markdown(("memory", "calls", "input tokens", "1,000 turns", "1,000 restores"), rows)


def _calls(calls: Mapping[str, int], turns: int) -> str:
    named = sorted(calls, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    shown = [f"{calls[name] / turns:.2f}".rstrip("0").rstrip(".") + f" {name}" for name in named if calls[name]]
    return ", ".join(shown) or "none"


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _price(text: str) -> tuple[str, float]:
    operation, _, price = text.partition("=")
    return operation, float(price)


def main() -> None:
    """Count, and print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=40, help="turns of the conversation (40)")
    parser.add_argument("--price", type=_price, action="append", default=[], metavar="OPERATION=PRICE")
    parser.add_argument("--input-price", type=float, default=0.0, help="price of a million input tokens")
    parser.add_argument("--write", action="store_true", help="write docs/reference/figures/cost.md")
    arguments = parser.parse_args()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        os.environ.setdefault(name, "nobody")  # the local DynamoDB wants a signature, whoever's
    measured = count(arguments.turns)
    counted = table(measured, arguments.turns)
    print(counted)
    prices = dict(arguments.price)
    if prices or arguments.input_price:
        print(f"\n{priced(measured, arguments.turns, prices, arguments.input_price)}")
    if arguments.write:
        FIGURES.write_text(
            "# API calls\n\nWritten by `python bench/cost.py --write`; [the cost model](../../explanation/cost.md) "
            "explains the columns.\n\n"
            f"One session of {arguments.turns} turns with {TOOL_CALLS} tool calls each, a `token_threshold` of "
            f"{THRESHOLD:,}, three namespaces, on the embedded service. An agent with the SDK's session manager, or "
            "with only a hook, also has Strands' default conversation manager, which keeps 40 messages; "
            "the second row is without it.\n\n"
            f"{counted}\n",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
