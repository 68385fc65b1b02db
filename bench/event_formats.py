"""Measure the input that each way of writing a conversation gives to extraction, on the embedded service.

    python bench/event_formats.py            # print the table
    python bench/event_formats.py --write    # and write docs/reference/figures/event-formats.md

The same conversations, tool traffic included, are held by agents that write with the SDK's own session manager, with
ours in both formats, and with the hook. Counted is what an extraction is given (the text of the conversational items),
how much of it anybody said, and how many of the planted facts a search finds among the records made by rule: once as
the embedded service reads it, which unwraps the SDK's JSON, and once with every item taken as it stands.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig
from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager
from strands import Agent, tool

from agentmem import HookConfig, MemoryConfig, Namespace, WriteConfig
from agentmem.local import LocalMemory
from agentmem.testing import Reply, ScriptedModel, ToolCall

FIGURES = Path(__file__).parent.parent / "docs" / "reference" / "figures" / "event-formats.md"
FACTS = Namespace.semantic("facts", "/users/{actorId}/facts/", top_k=3)
PLANTED = [
    ("I am allergic to peanuts.", "What is the user allergic to?", "peanuts"),
    ("My daughter Mia was born in 2014.", "When was the daughter born?", "2014"),
    ("I work as a nurse in Bergen.", "Where does the user work?", "Bergen"),
    ("I always fly with an aisle seat.", "Which seat does the user fly in?", "aisle"),
    ("My dog is called Rex.", "What is the dog's name?", "Rex"),
    ("I prefer oolong tea to coffee.", "What does the user like to drink?", "oolong"),
    ("We are moving to Trondheim in May.", "Where is the user moving to?", "Trondheim"),
    ("My car is a blue Volvo.", "Which car does the user have?", "Volvo"),
]


@tool
def look(query: str) -> str:
    """Look something up."""
    return f"Results for {query}: the warehouse in Lyon is open until nine. " * 20


def _sdk(session: Any) -> dict[str, Any]:
    config = AgentCoreMemoryConfig(memory_id=session.memory_id, actor_id="ann", session_id=session.session_id)
    return {"session_manager": AgentCoreMemorySessionManager(config, boto_session=session.config.boto_session())}


def _ours(session: Any) -> dict[str, Any]:
    return {"session_manager": session.session_manager()}


def _hook(session: Any) -> dict[str, Any]:
    return {"hooks": [session.hook()]}


WRITERS = {
    "SDK session manager": ("sdk", _sdk),
    'session manager, event_format="sdk"': ("sdk", _ours),
    'session manager, event_format="clean"': ("clean", _ours),
    "hook": ("sdk", _hook),
}


def measure(form: str, make: Any) -> list[str]:
    """Hold the conversation and count."""
    config = MemoryConfig.local(LocalMemory(), namespaces=(FACTS,)).replace(
        hook=HookConfig(retrieve=False, restore="off"), writes=WriteConfig(event_format=form)
    )
    session = config.bind("ann", "s1")
    script = [
        Reply(f"<thinking>Step {number} of a plan.</thinking>I will look.", [ToolCall("look", {"query": "stock"})])
        if call == 0
        else f"Noted, thank you ({number})."
        for number in range(len(PLANTED))
        for call in range(2)
    ]
    agent = Agent(model=ScriptedModel(script), tools=[look], callback_handler=None, **make(session))
    for fact, _, _ in PLANTED:
        agent(fact)
    events = session.client.list_events(memoryId=session.memory_id, actorId="ann", sessionId="s1", maxResults=100)
    read = [
        item["conversational"]["content"]["text"]
        for event in events["events"]
        for item in event["payload"]
        if "conversational" in item
    ]
    said = sum(len(fact) for fact, _, _ in PLANTED) + sum(
        len("I will look.") + len(f"Noted, thank you ({number}).") for number in range(len(PLANTED))
    )
    given = sum(map(len, read))
    return [
        f"{len(events['events'])}",
        f"{given:,}",
        f"{100 * said / given:.0f} %",
        f"{sum('toolUse' in text or 'toolResult' in text for text in read)}",
        f"{sum('thinking' in text for text in read)}",
        *found_in(session),
        *found_in(as_it_stands(events["events"])),
    ]


def found_in(session: Any) -> list[str]:
    """Return how many of the facts a search finds among the records, and how many characters a record has."""
    pages = session.client.get_paginator("list_memory_records").paginate(
        memoryId=session.memory_id, namespace=session.namespace("facts")
    )
    records = [record for page in pages for record in page["memoryRecordSummaries"]]
    found = sum(
        any(word in record.text for record in session.search("facts", question)) for _, question, word in PLANTED
    )
    characters = sum(len(record["content"]["text"]) for record in records) / max(len(records), 1)
    return [f"{found} of {len(PLANTED)}", f"{characters:.0f}"]


def as_it_stands(events: list[dict[str, Any]]) -> Any:
    """Write the conversational items of events to another memory, so that none is taken for JSON."""
    session = MemoryConfig.local(LocalMemory(), namespaces=(FACTS,)).bind("ann", "s1")
    for event in reversed(events):
        items = [item["conversational"] for item in event["payload"] if "conversational" in item]
        if items:
            session.client.create_event(
                memoryId=session.memory_id,
                actorId="ann",
                sessionId="s1",
                eventTimestamp=event["eventTimestamp"],
                payload=[
                    {"conversational": {"role": item["role"], "content": {"text": " " + item["content"]["text"]}}}
                    for item in items
                ],
            )
    return session


def main() -> None:
    """Measure every writer and print, or write, the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write docs/reference/figures/event-formats.md")
    heads = [
        "written by",
        "events",
        "characters given",
        "share of text",
        "tool items",
        "thinking items",
        "found",
        "characters a record",
        "found, wrapped",
        "characters a record, wrapped",
    ]
    rows = [heads, ["---"] * len(heads)] + [[name, *measure(*how)] for name, how in WRITERS.items()]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    print(table)
    if parser.parse_args().write:
        FIGURES.parent.mkdir(parents=True, exist_ok=True)
        FIGURES.write_text(
            "# Input of extraction\n\n"
            "Eight turns with a tool call each, on the embedded service with extraction by rule. It unwraps the SDK's "
            "JSON before\nextraction, so the records are the same in every row; only the size of the input differs. "
            "The last two columns show a\nservice that does not unwrap the JSON. Made by "
            "`python bench/event_formats.py --write`.\n\n" + table + "\n"
        )


if __name__ == "__main__":
    main()
