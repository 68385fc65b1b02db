"""Retrieval quality of the embedded memory on LoCoMo: can the sessions that hold the evidence be found?

    python bench/retrieval_locomo.py [--data locomo-5.json]
    python bench/retrieval_locomo.py --write       # also writes docs/reference/figures/search.md

Each conversation is one actor's; every turn is saved as an event (the first speaker as USER, the second as ASSISTANT)
and read by the semantic, preference and summary strategies into namespaces by session. Each question is searched over
the actor's namespaces. Recall@k is the part of a question's evidence sessions that the first k records come from,
averaged over the questions; category 5 (no answer exists) is left out, as are questions without evidence.

The last row ranks the same records as recall ranks the passages of a session.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agentmem.events.position import Position
from agentmem.local import LocalMemory
from agentmem.recall.passages import index_entries
from agentmem.recall.question import read_question
from agentmem.recall.ranking import PassageIndex

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data" / "locomo-5.json"
PAGE = ROOT / "docs" / "reference" / "figures" / "search.md"
CUTS = (5, 10)
RANKINGS = {
    "words": "full text alone",
    "meaning": "embeddings alone",
    "hybrid": "both (as served)",
    "passages": "passages, as recall does",
}
STRATEGIES = [
    {"semanticMemoryStrategy": {"name": "facts", "namespaceTemplates": ["/{actorId}/{sessionId}/facts/"]}},
    {"userPreferenceMemoryStrategy": {"name": "likes", "namespaceTemplates": ["/{actorId}/{sessionId}/likes/"]}},
    {"summaryMemoryStrategy": {"name": "summary", "namespaceTemplates": ["/{actorId}/{sessionId}/summary/"]}},
]


def sessions(conversation: dict[str, Any]) -> list[tuple[str, datetime, list[dict[str, Any]]]]:
    """The dated sessions of a conversation, in order."""
    found = []
    number = 1
    while f"session_{number}" in conversation:
        when = datetime.strptime(conversation[f"session_{number}_date_time"] + " +0000", "%I:%M %p on %d %B, %Y %z")
        found.append((f"D{number}", when, conversation[f"session_{number}"]))
        number += 1
    return found


def save(path: Path, samples: list[dict[str, Any]]) -> tuple[str, int]:
    """Save all turns; returns the memory's id and the number of events."""
    with LocalMemory(path) as memory:
        session = memory.boto_session()
        control, data = session.client("bedrock-agentcore-control"), session.client("bedrock-agentcore")
        memory_id = control.create_memory(name="locomo", eventExpiryDuration=365, memoryStrategies=STRATEGIES)[
            "memory"
        ]["id"]
        count = 0
        for number, sample in enumerate(samples):
            conversation = sample["conversation"]
            for session_id, when, turns in sessions(conversation):
                for turn in turns:
                    role = "USER" if turn["speaker"] == conversation["speaker_a"] else "ASSISTANT"
                    data.create_event(
                        memoryId=memory_id,
                        actorId=f"a{number}",
                        sessionId=session_id,
                        eventTimestamp=when,
                        payload=[{"conversational": {"content": {"text": turn["text"]}, "role": role}}],
                    )
                    count += 1
    return memory_id, count


def evidence(question: dict[str, Any]) -> set[str]:
    """The sessions a question's evidence lies in."""
    return {f"D{number}" for item in question["evidence"] for number in re.findall(r"D(\d+):", item)}


def found_by_search(data: Any, memory_id: str, number: int, question: str) -> list[str]:
    """The sessions of the first records of a search."""
    found = data.retrieve_memory_records(
        memoryId=memory_id,
        namespacePath=f"/a{number}/",
        searchCriteria={"searchQuery": question, "topK": max(CUTS)},
    )["memoryRecordSummaries"]
    return [record["namespaces"][0].split("/")[2] for record in found]


def as_passages(data: Any, memory_id: str, number: int) -> tuple[PassageIndex, dict[str, str]]:
    """All records of an actor as recall indexes messages, and the session of each."""
    messages: list[Any] = []
    pages = data.get_paginator("list_memory_records").paginate(memoryId=memory_id, namespacePath=f"/a{number}/")
    for page in pages:
        for record in page["memoryRecordSummaries"]:
            at = Position(f"{int(record['createdAt'].timestamp() * 1_000):019d}#0a", len(messages))
            text = [{"text": record["content"]["text"]}]
            message = {"role": "user", "content": text, "tracking_id": record["memoryRecordId"]}
            messages.append((message, at, record["namespaces"][0].split("/")[2]))
    messages.sort(key=lambda one: one[1])
    index = PassageIndex()
    entries = index_entries((message, at) for message, at, _ in messages)
    for entry in entries:
        index.add(entry)
    return index, {entry.handle: place for entry, (_, _, place) in zip(entries, messages, strict=True)}


def recall(path: Path, memory_id: str, samples: list[dict[str, Any]], ranking: Any) -> tuple[dict[int, float], int]:
    """Recall at each cut, and the number of questions."""
    sums, count = dict.fromkeys(CUTS, 0.0), 0
    with LocalMemory(path, ranking="words" if ranking == "passages" else ranking) as memory:
        data = memory.boto_session().client("bedrock-agentcore")
        for number, sample in enumerate(samples):
            index, sessions_of = as_passages(data, memory_id, number) if ranking == "passages" else (None, {})
            for question in sample["qa"]:
                wanted = evidence(question)
                if question["category"] == 5 or not wanted:
                    continue
                if index is None:
                    places = found_by_search(data, memory_id, number, question["question"])
                else:
                    hits = index.rank(read_question(question["question"], index.languages, datetime.now(UTC)))
                    places = [sessions_of[handle] for handle in dict.fromkeys(hit.message.handle for hit in hits)]
                for cut in CUTS:
                    sums[cut] += len(wanted & set(places[:cut])) / len(wanted)
                count += 1
    return {cut: total / count for cut, total in sums.items()}, count


def main() -> None:
    """Print the figures, and write them if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="the conversations (snap-research/LoCoMo)")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    if not options.data.exists():
        print(f"skipped: there is no {options.data.name}; give its path with --data")
        return
    samples = json.loads(options.data.read_text())
    rows = ["| ranked by | recall@5 | recall@10 |", "|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "locomo.db"
        memory_id, events = save(file, samples)
        for ranking, name in RANKINGS.items():
            figures, count = recall(file, memory_id, samples, ranking)
            rows.append(f"| {name} | {figures[5]:.3f} | {figures[10]:.3f} |")
            print(rows[-1], flush=True)
    page = [
        "# Search of the embedded service",
        "",
        "Written by `python bench/retrieval_locomo.py --write`.",
        "",
        f"LoCoMo: {len(samples)} conversations, {events:,} events, {count} questions, all three strategies by rule.",
        "Recall@k is the share of a question's evidence sessions among the sessions of the first k records. The weight",
        "of words beside meaning was chosen on the same conversations; stems and stop words were not.",
        "",
        *rows,
        "",
        "Recall's ranking of passages, with what neighbours lend, finds less in records than SQLite's full text: a",
        "record stands for itself, its neighbour is another matter. So the two share stems and languages",
        "(`agentmem.meaning.terms`), and search keeps its own ranking.",
    ]
    if options.write:
        PAGE.write_text("\n".join(page) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
