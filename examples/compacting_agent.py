"""CompactingSessionManager: a long session with long tool results stays inside a budget, and nothing is lost.

python examples/compacting_agent.py
"""

import random

from backend import open_memory, open_model
from strands import Agent, tool

from agentmem import CompactingSessionManager, CompactionConfig, new_session_id

BUDGET = 4_000
"""Tokens of a request at which it is compacted; far too few for real work, so that a few requests show it."""

SHIPS = ("Aurora", "Borealis", "Corona", "Dorado", "Electra", "Fornax")


@tool
def read_report(ship: str) -> str:
    """Read a ship's report; it is long, as tool results are.

    Args:
        ship: The ship's name.
    """
    name = next(known for known in SHIPS if known in ship)
    chance = random.Random(name)
    lines = [f"Container {chance.randint(10_000, 99_999)} weighs {chance.randint(2, 30)} tonnes." for _ in range(100)]
    lines[50] = f"The spare key of the {name} lies in locker {chance.randint(100, 999)}."
    return "\n".join(lines)


def make_agent(sessions: CompactingSessionManager) -> Agent:
    """Make the session's agent; with the same session id it is restored, in any process."""
    return Agent(
        model=open_model(),
        system_prompt="You answer questions about ships.",
        tools=[read_report],
        session_manager=sessions,
        callback_handler=None,
    )


def main() -> None:
    """Work until the session is compacted, restore it, and ask for a detail that is out of sight."""
    config = open_memory(compaction=CompactionConfig(token_threshold=BUDGET))
    memory = config.bind("ana", new_session_id("ana"))

    with memory.session_manager() as sessions:  # leaving writes what is left, or says that it could not
        agent = make_agent(sessions)
        for ship in SHIPS:
            before = sessions.last_compaction
            agent(f"Read the report of the {ship}.")
            done = sessions.last_compaction
            print(f"{ship}: {len(agent.messages)} messages in view")
            if done is not None and done is not before:
                print(
                    f"  compacted from {done.tokens_before:,} to {done.tokens_after:,} tokens: "
                    f"{done.shortened} messages shortened, {done.folded} folded into the summary"
                )

    # The agent and its manager are gone. A new pair reads the tail of the session, not all of it.
    with memory.session_manager() as sessions:
        agent = make_agent(sessions)
        print(f"restored: {len(agent.messages)} messages in view")
        question = f"Where is the spare key of the {SHIPS[0]}?"
        answer = agent(question)  # the model calls the manager's tool recall_session for what is not in view
        print(f"user:  {question}\nagent: {str(answer).strip()}")

    # The same without an agent: word for word, from the events of this session.
    for found in memory.recall(f"spare key of the {SHIPS[1]}", max_tokens=2_000)[:1]:
        line = next(line for line in found.text.splitlines() if "spare key" in line)
        print(f"recalled from event {found.event_id}: {line}")


if __name__ == "__main__":
    main()
