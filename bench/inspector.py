"""What the inspector's pages cost: calls to the service, time on the server, and size.

    python bench/inspector.py            # print the tables
    python bench/inspector.py --write    # and write docs/reference/figures/inspector.md

The memory is embedded. It holds the demo's sessions, a session of 10,000 messages that was never compacted, and an
actor with 1,000 sessions. A page is asked for over HTTP; its time is the best of five.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from agentmem import MemoryConfig
from agentmem.cli.demo import filled_demo
from agentmem.inspector.chat import ChatSettings
from agentmem.inspector.server import InspectorServer
from agentmem.inspector.views.actors import list_sessions
from agentmem.inspector.views.place import Place
from agentmem.local import LocalMemory
from agentmem.testing import OfflineModel

if TYPE_CHECKING:
    from collections.abc import Callable

FIGURES = Path(__file__).parent.parent / "docs" / "reference" / "figures" / "inspector.md"
MESSAGES, SESSIONS, ROUNDS = 10_000, 1_000, 5
PAGES = {
    "Timeline": "/session",
    "- older turns, while scrolling": "/part/timeline",
    "- the chart of request sizes": "/part/sizes",
    "What the model sees": "/context",
    "Compactions": "/compactions",
    "Long-term memory": "/long-term",
    "Chat": "/chat",
}


def fill(config: MemoryConfig, actor: str, session: str, events: int) -> None:
    """Write a session of events with two messages each, as the session manager does."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    client = config.data_plane()
    for number in range(events):
        payload = [
            {"conversational": {"role": role.upper(), "content": {"text": _message(session, number, role)}}}
            for role in ("user", "assistant")
        ]
        client.create_event(
            memoryId=config.memory_id,
            actorId=actor,
            sessionId=session,
            eventTimestamp=start + timedelta(seconds=number),
            payload=payload,
        )


def _message(session: str, number: int, role: str) -> str:
    text = f"{role} says sentence {number} of a long conversation about ships. " * 3
    usage = {"inputTokens": 90 * number + 100, "outputTokens": 40, "totalTokens": 90 * number + 140}
    message = {"role": role, "content": [{"text": text}], "tracking_id": f"{session}-{number}-{role}"}
    return json.dumps(
        {"message": {**message, **({"metadata": {"usage": usage}} if role == "assistant" else {})}, "message_id": 0}
    )


class Browser:
    """Asks for pages over one connection."""

    def __init__(self, server: InspectorServer) -> None:
        """Sign in."""
        self._connection = http.client.HTTPConnection(server.base_url.removeprefix("http://"))
        self._connection.request("GET", server.url.removeprefix(server.base_url))
        answer = self._connection.getresponse()
        self._cookie = (answer.getheader("set-cookie") or "").partition(";")[0]
        answer.read()

    def ask(self, link: str) -> tuple[str, int, float]:
        """Return a page, the calls it made, and the milliseconds it took, the best of some rounds."""
        best = float("inf")
        for _ in range(ROUNDS):
            began = time.perf_counter()
            self._connection.request("GET", link, headers={"Cookie": self._cookie})
            answer = self._connection.getresponse()
            text = answer.read().decode()
            best = min(best, (time.perf_counter() - began) * 1000)
        told = answer.getheader("x-service-calls")
        if told is None:
            found = re.search(r'data-calls="(\d+)"', text)
            calls = int(found[1]) if found else 0
        else:
            calls = sum(int(pair.partition("=")[2]) for pair in told.split("&") if pair)
        return text, calls, best

    def figures(self, link: str) -> tuple[int, float, int]:
        """Return the calls, the milliseconds and the bytes of a page."""
        text, calls, milliseconds = self.ask(link)
        return calls, milliseconds, len(text.encode())


def opened(config: MemoryConfig) -> tuple[Browser, Callable[[], None]]:
    """Serve a memory; return a browser that has signed in, and what stops it."""
    server = InspectorServer(config, ChatSettings(lambda _name: OfflineModel()))
    thread = server.run_in_thread()

    def stop() -> None:
        server.stop()
        thread.join(10)

    return Browser(server), stop


def measured(browser: Browser, place: Place) -> list[tuple[str, int, float, int]]:
    """Return name, calls, milliseconds and bytes of every page about a session."""
    rows = []
    for name, path in PAGES.items():
        if path == "/part/timeline":
            more = re.search(r'data-more="([^"]+)"', browser.ask(place.link("/session"))[0])
            if more is None:
                continue
            link = more[1].replace("&amp;", "&")
        else:
            link = place.link(path)
        rows.append((name, *browser.figures(link)))
    return rows


def table(rows: list[tuple[str, int, float, int]]) -> str:
    """Return rows as Markdown."""
    lines = ["| page | calls to the service | ms | KB |", "| --- | --- | --- | --- |"]
    lines += [f"| {name} | {calls} | {ms:.0f} | {size / 1000:.0f} |" for name, calls, ms, size in rows]
    return "\n".join(lines)


def main() -> None:
    """Measure every page and print, or write, the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write docs/reference/figures/inspector.md")
    arguments = parser.parse_args()
    with LocalMemory() as service:
        config = filled_demo(service)
        browser, stop = opened(config)
        demo = measured(browser, Place("ana", list_sessions(config, "ana").sessions[0].session_id))
        stop()
    # Nothing of these is extracted meanwhile, which would be the service's time and not the pages'.
    with LocalMemory(extraction_delay=1e6) as service:
        config = MemoryConfig.local(service)
        fill(config, "ann", "large", MESSAGES // 2)
        for number in range(SESSIONS):
            fill(config, "bob", f"s-{number:04}", 1)
        browser, stop = opened(config)
        large = measured(browser, Place("ann", "large"))
        lists = [
            (name, *browser.figures(link))
            for name, link in (
                ("Actors", "/"),
                (f"Sessions of an actor with {SESSIONS:,}, first page", "/sessions?actor=bob"),
                ("- a search among them", "/sessions?actor=bob&search=s-0007"),
            )
        ]
        stop()
    parts = [
        ("Lists", table(lists)),
        ("A session of 10,000 messages", table(large)),
        ("The demo's session of 40 messages", table(demo)),
    ]
    drawn = "\n\n".join(f"## {title}\n\n{rows}" for title, rows in parts)
    print(drawn)
    if arguments.write:
        FIGURES.write_text(
            "# Pages of the inspector\n\nCalls to the service, time on the server with the way over HTTP, and size of "
            "each page of `agentmem inspect`, on the embedded service; the best of five. The session of 10,000 "
            "messages was never compacted: what the model sees is then read back to the threshold, and checkpoints in "
            "the event log are looked for to its beginning. With a checkpoint both take the calls of the demo's. "
            f"Made by `python bench/inspector.py --write`.\n\n{drawn}\n",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
