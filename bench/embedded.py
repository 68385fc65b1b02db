"""Speed of the embedded memory, in process, boto3 included.

    python bench/embedded.py [--events 100000] [--records 100000]

Targets: CreateEvent under 1.5 ms at the median; pages of 100 events under 15 ms each, the last as fast as the first;
opening a file of 100,000 events under 100 ms; a search over 100,000 records under 30 ms at the median.
"""

from __future__ import annotations

import argparse
import functools
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentmem.local import LocalMemory

if TYPE_CHECKING:
    from collections.abc import Callable

PAGES = 20
PEOPLE = ("sister", "brother", "neighbour", "colleague", "friend", "boss", "cousin", "teacher", "doctor", "landlord")
VERBS = ("bought", "sold", "repaired", "painted", "lost", "found", "borrowed", "cleaned", "photographed", "designed")
THINGS = (
    "bicycle",
    "piano",
    "garden",
    "kitchen",
    "camera",
    "laptop",
    "boat",
    "sofa",
    "telescope",
    "greenhouse",
    "guitar",
    "carpet",
)
PLACES = ("Porto", "Lisbon", "Braga", "Faro", "Madrid", "Paris", "Oslo", "Rome", "Vienna", "Berlin", "Prague", "Dublin")


def milliseconds(call: Callable[[], Any]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def show(what: str, values: list[float], target: float) -> None:
    """Print the figures of one measurement, in milliseconds."""
    middle, worst = statistics.median(values), max(values)
    print(f"{what:<58} median {middle:8.3f} ms   max {worst:8.1f} ms   target {target:g} ms")


def events(path: Path, count: int) -> None:
    """CreateEvent, ListEvents, opening."""
    with LocalMemory(path) as memory:
        session = memory.boto_session()
        control, data = session.client("bedrock-agentcore-control"), session.client("bedrock-agentcore")
        memory_id = control.create_memory(name="bench", eventExpiryDuration=365)["memory"]["id"]
        where = {"memoryId": memory_id, "actorId": "bob", "sessionId": "one"}

        def create() -> None:
            text = f"This is what somebody said in turn {time.perf_counter()}, about as long as such things are. " * 3
            payload = [{"conversational": {"content": {"text": text}, "role": "USER"}}]
            data.create_event(**where, eventTimestamp=datetime.now(UTC), payload=payload)

        show(f"CreateEvent, file, {count} into one session", [milliseconds(create) for _ in range(count)], 1.5)
        times, arguments = [], {}

        def page() -> None:
            answer = data.list_events(**where, maxResults=100, **arguments)
            arguments.update(nextToken=answer.get("nextToken", ""))

        for _ in range(max(PAGES, count // 100)):
            times.append(milliseconds(page))
            if not arguments["nextToken"]:
                break
        show(f"ListEvents, the first {PAGES} pages of 100", times[:PAGES], 15)
        show(f"ListEvents, the last {PAGES} of {len(times)} pages", times[-PAGES:], 15)
    show(f"opening a file of {count} events", [milliseconds(lambda: LocalMemory(path).close()) for _ in range(10)], 100)


def sentences(count: int) -> list[str]:
    """Facts that differ."""
    chance = random.Random(7)  # noqa: S311
    pick = chance.choice
    return [
        f"The user's {pick(PEOPLE)} {pick(VERBS)} a {pick(THINGS)} in {pick(PLACES)}"
        f" for {chance.randrange(10_000)} euros."
        for _ in range(count)
    ]


def records(path: Path, count: int) -> None:
    """Writing, embedding and searching records in one namespace."""
    with LocalMemory(path) as memory:
        session = memory.boto_session()
        control, data = session.client("bedrock-agentcore-control"), session.client("bedrock-agentcore")
        memory_id = control.create_memory(name="records", eventExpiryDuration=365)["memory"]["id"]
        texts, times = sentences(count), []
        for start in range(0, count, 100):
            batch = [
                {
                    "requestIdentifier": f"r{number}",
                    "namespaces": ["/facts/bob/"],
                    "content": {"text": text},
                    "timestamp": 1_700_000_000,
                }
                for number, text in enumerate(texts[start : start + 100])
            ]
            write = functools.partial(data.batch_create_memory_records, memoryId=memory_id, records=batch)
            times.append(milliseconds(write))
        show("BatchCreateMemoryRecords of 100", times, 0)

        def search(query: str, **place: str) -> None:
            data.retrieve_memory_records(memoryId=memory_id, searchCriteria={"searchQuery": query, "topK": 10}, **place)

        first = milliseconds(lambda: search("Who repaired the telescope?", namespace="/facts/bob/"))
        print(f"the first search, which embeds {count} records: {first / 1000:.1f} s")
        chance = random.Random(1)  # noqa: S311
        queries = [
            f"Which {chance.choice(PEOPLE)} {chance.choice(VERBS)} something in {chance.choice(PLACES)}?"
            for _ in range(60)
        ]
        exact = [milliseconds(functools.partial(search, query, namespace="/facts/bob/")) for query in queries]
        show(f"search over {count} records, one namespace", exact, 30)
        below = [milliseconds(functools.partial(search, query, namespacePath="/facts/")) for query in queries]
        show(f"search over {count} records, namespacePath", below, 30)
        plain = [milliseconds(lambda: search("a gift for music lovers", namespace="/facts/bob/")) for _ in queries]
        show(f"search over {count} records, no word in common", plain, 30)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--records", type=int, default=100_000)
    options = parser.parse_args()
    program = "import time; t = time.perf_counter(); import agentmem.local; print((time.perf_counter() - t) * 1000)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    imports = [float(done.stdout)]
    show("import agentmem.local (botocore included)", imports, 0)
    with tempfile.TemporaryDirectory() as folder:
        if options.events:
            events(Path(folder) / "events.db", options.events)
        if options.records:
            records(Path(folder) / "records.db", options.records)


if __name__ == "__main__":
    main()
