"""Retrieval quality of the embedded memory on LoCoMo: can the sessions that hold the evidence be found?

    python bench/retrieval_locomo.py [locomo-5.json]

Each conversation is one actor's; every turn is saved as an event (the first speaker as USER, the second as ASSISTANT)
and read by the semantic, preference and summary strategies into namespaces by session. Each question is searched over
the actor's namespaces. Recall@k is the part of a question's evidence sessions that the first k records come from,
averaged over the questions; category 5 (no answer exists) is left out, as are questions without evidence.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from agentmem.local import LocalMemory

DATA = Path(__file__).parents[2] / "shared" / "data" / "locomo-5.json"
CUTS = (5, 10)
RANKINGS = ("words", "meaning", "hybrid")
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


def recall(path: Path, memory_id: str, samples: list[dict[str, Any]], ranking: Any) -> tuple[dict[int, float], int]:
    """Recall at each cut, and the number of questions."""
    sums, count = dict.fromkeys(CUTS, 0.0), 0
    with LocalMemory(path, ranking=ranking) as memory:
        data = memory.boto_session().client("bedrock-agentcore")
        for number, sample in enumerate(samples):
            for question in sample["qa"]:
                wanted = evidence(question)
                if question["category"] == 5 or not wanted:
                    continue
                found = data.retrieve_memory_records(
                    memoryId=memory_id,
                    namespacePath=f"/a{number}/",
                    searchCriteria={"searchQuery": question["question"], "topK": max(CUTS)},
                )["memoryRecordSummaries"]
                places = [record["namespaces"][0].split("/")[2] for record in found]
                for cut in CUTS:
                    sums[cut] += len(wanted & set(places[:cut])) / len(wanted)
                count += 1
    return {cut: total / count for cut, total in sums.items()}, count


def main() -> None:
    """Print the figures."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    if not path.exists():
        print(f"skipped: there is no {path.name}; give its path as the argument")
        return
    samples = json.loads(path.read_text())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "locomo.db"
        memory_id, events = save(file, samples)
        print(f"{events} events of {len(samples)} conversations")
        print("ranking   " + "".join(f"recall@{cut:<6}" for cut in CUTS))
        for ranking in RANKINGS:
            figures, count = recall(file, memory_id, samples, ranking)
            print(f"{ranking:<10}" + "".join(f"{figures[cut]:<13.3f}" for cut in CUTS))
        print(f"{count} questions")


if __name__ == "__main__":
    main()
