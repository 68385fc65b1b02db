"""Figures of recall: what a plain question finds again, in how many calls, with how much memory.

Run:

    python bench/recall.py                   # prints the tables
    python bench/recall.py --write           # also writes docs/reference/figures/recall.md
    python bench/recall.py --data FILE       # the LoCoMo conversations (snap-research/LoCoMo, never shipped here)
    python bench/recall.py --only turn costs # some of: locomo turn turns languages costs path; the page keeps the rest

Everything runs on the embedded memory; the model is scripted, so what is counted is whether the text that answers a
question is in view or comes back in one recall, not what a model would make of it.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import re
import sys
import threading
import time
import tracemalloc
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig
from recall_languages import CONVERSATIONS
from strands import Agent, tool

import agentmem
from agentmem.checkpoints.checkpoint import CheckpointKey
from agentmem.checkpoints.event_log import EventLogCheckpointStore
from agentmem.checkpoints.restore import read_session
from agentmem.checkpoints.summary import Summary
from agentmem.events.reader import EventReader
from agentmem.events.serializer import encode_message
from agentmem.local import LocalMemory
from agentmem.messages.truncation import TruncationSettings
from agentmem.recall.recall import SessionRecall
from agentmem.scope.address import SessionAddress
from agentmem.session_manager.backfill import Backfill
from agentmem.session_manager.manager import CompactingSessionManager
from agentmem.testing import Reply, ScriptedModel, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from agentmem.recall.recalled import RecalledMessage

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/reference/figures/recall.md"
REGION = "us-west-2"
BUDGETS = (1_000, 2_000, 4_000)
TUNED_ON = 3
"""Weights were chosen on the first three conversations of LoCoMo; the others are for checking."""


class Place:
    """One session on an embedded memory, its calls counted."""

    def __init__(self) -> None:
        """Begin with an empty session."""
        self.memory = LocalMemory()
        self.boto = self.memory.boto_session(REGION)
        self.calls: Counter[str] = Counter()
        self.boto.events.register("before-call.bedrock-agentcore.*", lambda model, **_: self.calls.update([model.name]))
        control = self.boto.client("bedrock-agentcore-control")
        self.memory_id = control.create_memory(name="bench", eventExpiryDuration=365)["memory"]["id"]
        self.address = SessionAddress(self.memory_id, "ann", "bench")
        self.data = self.boto.client("bedrock-agentcore")

    def manager(self, **settings: Any) -> CompactingSessionManager:
        """A manager of the session, as a new process would make it."""
        config = AgentCoreMemoryConfig(memory_id=self.memory_id, actor_id="ann", session_id="bench")
        return CompactingSessionManager(config, REGION, boto_session=self.boto, **settings)

    def agent(self, script: Sequence[Any] = (), tools: Sequence[Any] = (), **settings: Any) -> Agent:
        """An agent of the session, restored."""
        return Agent(
            model=ScriptedModel(list(script)),
            session_manager=self.manager(**settings),
            tools=list(tools),
            callback_handler=None,
        )

    def recall(self) -> SessionRecall:
        """Recall as a process has it that knows nothing but what is stored."""
        key = CheckpointKey(self.memory_id, "ann", "bench", "default")
        return SessionRecall(EventReader(self.data, self.address), EventLogCheckpointStore(self.data), key)


def talk(place: Place, said: Iterable[tuple[str, str]], **settings: Any) -> Agent:
    """Hold a conversation: of each turn the user's words and the agent's answer."""
    agent = place.agent(**settings)
    for text, answer in said:
        agent.model = ScriptedModel([answer])
        agent(text)
    return agent


def text_of(messages: Iterable[Any]) -> str:
    """Everything that is said in messages, tool results included, as one text without line ends."""
    return _plain(json.dumps(list(messages), ensure_ascii=False, default=str).replace("\\n", " ").replace('\\"', '"'))


def _plain(text: str) -> str:
    return " ".join(text.split())


# ---- LoCoMo


def locomo_lines(conversation: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Id, speaker and text of each line; a picture that is shared stands as its caption."""
    lines = []
    number = 1
    while f"session_{number}" in conversation:
        for line in conversation[f"session_{number}"]:
            picture = f" [shares a picture: {line['blip_caption']}]" if line.get("blip_caption") else ""
            lines.append((line["dia_id"], line["speaker"], _plain(f"{line['speaker']}: {line['text']}{picture}")))
        number += 1
    return lines


def locomo_turns(lines: Sequence[tuple[str, str, str]], user: str) -> list[tuple[str, str]]:
    """The lines as turns: the first speaker is the user; lines of one speaker in a row are one message."""
    turns: list[tuple[list[str], list[str]]] = []
    for _, speaker, text in lines:
        if (speaker == user and (not turns or turns[-1][1])) or not turns:
            turns.append(([], []))
        turns[-1][0 if speaker == user else 1].append(text)
    return [("\n".join(said) or "Go on.", "\n".join(answered) or "Hm.") for said, answered in turns]


def locomo(path: Path) -> list[str]:
    """Evidence in view or in one recall, at 8,000 tokens of context."""
    if not path.exists():
        return ["", "## LoCoMo", "", f"Skipped: there is no {path.name}; give its path with `--data`."]
    found: defaultdict[tuple[str, int, bool], list[tuple[bool, bool, bool]]] = defaultdict(list)
    for at, sample in enumerate(json.loads(path.read_text())):
        conversation = sample["conversation"]
        lines = locomo_lines(conversation)
        texts = {name: text for name, _, text in lines}
        agent = talk(Place(), locomo_turns(lines, conversation["speaker_a"]), token_threshold=8_000)
        in_view = text_of(agent.messages)
        recall = agent._session_manager.recall  # noqa: SLF001 - Strands has no public name for it
        part = "conversations 1 to 3" if at < TUNED_ON else "conversations 4 and 5"
        for question in sample["qa"]:
            names = {name for item in question["evidence"] for name in re.findall(r"D\d+:\d+", item)} & texts.keys()
            if question["category"] == 5 or not names:
                continue
            for budget in BUDGETS:
                recall.by_words("", max_tokens=1)  # so that the question is not one asked again
                recalled = text_of([one.text for one in recall.by_words(question["question"], max_tokens=budget)])
                reached = [texts[name] in in_view or texts[name] in recalled for name in names]
                alone = all(texts[name] in recalled for name in names)
                found[part, budget, len(names) > 1].append((any(reached), all(reached), alone))
    rows = [
        "| questions | recall of | any evidence | all evidence | all of it in the recall alone |",
        "|---|---|---|---|---|",
    ]
    for part in ("conversations 1 to 3", "conversations 4 and 5", "all five"):
        for budget in BUDGETS:
            chosen = [
                one
                for (where, tokens, _), several in found.items()
                for one in several
                if tokens == budget and part in (where, "all five")
            ]
            shares = " | ".join(f"{sum(one[at] for one in chosen) / len(chosen):.1%}" for at in range(3))
            rows.append(f"| {part} ({len(chosen)}) | {budget:,} tokens | {shares} |")
    several = [one for (_, tokens, many), all_of in found.items() for one in all_of if many and tokens == 1_000]
    share = sum(one[1] for one in several) / len(several)
    return [
        "",
        "## LoCoMo: evidence in view or in one recall, at 8,000 tokens of context",
        "",
        "Five conversations of two people, the first as the user and the second as the agent; every question names the",
        "lines that hold its evidence. The weights were chosen on conversations 1 to 3. A picture stands as its",
        "caption.",
        "",
        *rows,
        "",
        f"Of the {len(several)} questions whose evidence lies in several lines, all of it is reached for {share:.1%}",
        "with a recall of 1,000 tokens.",
    ]


# ---- one long turn, and many turns


def report(number: int, size: int, code: str) -> str:
    """A report of about that many characters with a code somewhere in the middle."""
    dice = random.Random(number)  # noqa: S311 - made-up reports, not secrets
    words = "pallet gasket invoice carrier shelf batch motor filter label crate sensor cable valve rotor panel".split()  # noqa: SIM905 - a list of words
    lines: list[str] = []
    while sum(map(len, lines)) < size:
        lines.append(
            f"{dice.choice(words)} {dice.randint(1_000, 9_999)}, {dice.choice(words)} {dice.choice(words)}: "
            f"{dice.randint(1, 90)} of {dice.randint(90, 400)} at ${dice.randint(5, 900)}.{dice.randint(10, 99)}"
        )
    lines.insert(dice.randint(1, len(lines) - 1), f"release code: {code}")
    return "\n".join(lines)


CODES = [f"{name}-{7_919 * (at + 3) % 100_000:05d}" for at, name in enumerate(["KITE", "LARK", "MOTH", "NEWT"] * 15)]


def long_turn() -> list[str]:
    """Codes of one turn of sixty tool calls."""

    @tool
    def read_file(path: str) -> str:
        """Read a file.

        Args:
            path: Its path.
        """
        number = int(re.findall(r"\d+", path)[0])
        return report(number, 2_000 + 305 * number, CODES[number])

    place = Place()
    asked: dict[str, int] = {}

    @tool
    def look_back() -> str:
        """Ask for every code while the turn is running."""
        asked["in the turn"] = reached(manager.recall)
        return "done"

    def reached(recall: SessionRecall) -> int:
        texts = (
            recall.by_words(f"what is the release code in report_{number:02d}.txt?", max_tokens=1_000)
            for number in range(60)
        )
        return sum(any(code in one.text for one in found) for code, found in zip(CODES, texts, strict=True))

    agent = place.agent(tools=[read_file, look_back], token_threshold=20_000)
    manager = agent._session_manager  # noqa: SLF001 - Strands has no public name for it
    calls = [
        Reply(tool_calls=[ToolCall("read_file", {"path": f"/data/report_{number:02d}.txt"})]) for number in range(60)
    ]
    agent.model = ScriptedModel([*calls, Reply(tool_calls=[ToolCall("look_back")]), "All read."])
    agent("Read all the reports, please.")
    in_view = text_of(agent.messages)
    asked["after it, same process"] = reached(manager.recall)
    restarted = place.agent(tools=[read_file], token_threshold=20_000)
    asked["after a restart"] = reached(restarted._session_manager.recall)  # noqa: SLF001 - see above
    asked["without an agent, from the log alone"] = reached(place.recall())
    return [
        "",
        "## One turn of 60 tool calls, files of 2 to 20 KB, at 20,000 tokens of context",
        "",
        f"Codes in view at the end: {sum(code in in_view for code in CODES)} of 60. Asked, with 1,000 tokens for the",
        'answer: "what is the release code in report_07.txt?"',
        "",
        "| when | codes found |",
        "|---|---|",
        *(f"| {when} | {count} of 60 |" for when, count in asked.items()),
    ]


def many_turns() -> list[str]:
    """Codes of forty turns, as docs/explanation/compaction.md tells them."""
    place = Place()
    said = [
        (
            f"For turn {number}, note that the approval code is {CODES[number]}. " + report(number, 1_500, "none"),
            f"Noted for turn {number}. " + "That is done and filed. " * 12,
        )
        for number in range(40)
    ]
    agent = talk(place, said, token_threshold=8_000)
    in_view = text_of(agent.messages)
    recall = agent._session_manager.recall  # noqa: SLF001 - Strands has no public name for it
    count = 0
    for number in range(40):
        found = recall.by_words(f"what was the approval code of turn {number}?", max_tokens=1_000)
        count += CODES[number] in in_view or any(CODES[number] in one.text for one in found)
    return ["", "## Forty turns", "", f"Codes in view or in one recall of 1,000 tokens: {count} of 40."]


def languages() -> list[str]:
    """Facts of conversations in other languages."""
    rows = ["| language | facts found | not found |", "|---|---|---|"]
    for language, (turns, facts) in CONVERSATIONS.items():
        agent = talk(Place(), turns, token_threshold=2_500)
        recall = agent._session_manager.recall  # noqa: SLF001 - Strands has no public name for it
        missing = []
        for question, answer in facts:
            found = recall.by_words(question, max_tokens=400)
            if not any(answer in one.text for one in found):
                missing.append(question)
        rows.append(f"| {language} | {len(facts) - len(missing)} of {len(facts)} | {'; '.join(missing) or 'none'} |")
    return [
        "",
        "## Other languages",
        "",
        "Conversations written for this page, a fact a turn between turns of small talk, one plain question for each,",
        "400 tokens for the answer.",
        "",
        *rows,
    ]


# ---- what it costs


def filled(messages: int, *, checkpoints: bool) -> Place:
    """A session of that many short messages, two an event."""
    dice = random.Random(messages)  # noqa: S311 - made-up talk, not secrets
    words = Path(random.__file__).read_text(encoding="utf-8").split()
    place = Place()
    for number in range(messages // 2):
        payload = []
        for part, role in enumerate(("user", "assistant")):
            text = (
                " ".join(dice.choices(words, k=24))
                + f" and locker {2 * number + part} has code Z{number * 37 % 9973:04d}."
            )
            message: Any = {"role": role, "content": [{"text": text}], "tracking_id": f"m-{2 * number + part}"}
            payload.append(encode_message(message))
        place.data.create_event(
            **place.address.parameters(), eventTimestamp=1_700_000_000 + number, payload=payload, extractionMode="SKIP"
        )
    if checkpoints:
        # As if the session had been compacted all along: every page of events made a checkpoint.
        key = CheckpointKey(place.memory_id, "ann", "bench", "default")
        reader, store = EventReader(place.data, place.address), EventLogCheckpointStore(place.data)
        unread = read_session(reader, store, key, enough=lambda events: len(events) >= 100)
        Backfill(reader, store, key, TruncationSettings(), NoSummarizer(), 500, max_events=messages).fold(unread)
    return place


class NoSummarizer:
    """Summarizes nothing: of a checkpoint only the index matters here."""

    def summarize(self, previous: Summary | None, folded: Sequence[Any], **_: Any) -> Summary:
        """Count the messages."""
        return Summary(messages=(0 if previous is None else previous.messages) + len(folded))


def costs(sizes: Sequence[int]) -> list[str]:
    """Calls, time and memory."""
    rows = [
        "| messages | found | calls: first, most, again | CPU of our code: first, median | kept |",
        "|---|---|---|---|---|",
    ]
    index_rows = []
    once = 0.0
    for size in sizes:
        place = filled(size, checkpoints=True)
        clock = ClientClock(place)
        first = []
        for number in range(6):
            started = clock.own()
            place.recall().by_words(f"Which code has locker {number}?", max_tokens=1_000)
            first.append((clock.own() - started) * 1e3)
        once = once or first[0] - sorted(first)[2]  # what a process loads with its first recall
        first = sorted(first[1:])
        recall = place.recall()
        calls, cpu, hits = [], [], 0
        numbers = [size // 2, *range(5, size, size // 11)][:12]
        for number in numbers:
            began, started = place.calls.copy(), clock.own()
            found = recall.by_words(f"Which code has locker {number}?", max_tokens=1_000)
            cpu.append((clock.own() - started) * 1e3)
            calls.append((place.calls - began).total())
            hits += any(f"locker {number} has" in one.text for one in found)
        began = place.calls.copy()
        recall.by_words(f"Which code has locker {size // 2}?", max_tokens=1_000)
        again = (place.calls - began).total()
        gc.collect()
        tracemalloc.start()
        fresh = place.recall()
        for number in numbers:
            fresh.by_words(f"Which code has locker {number}?", max_tokens=1_000)
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0] / 1e6
        tracemalloc.stop()
        rows.append(
            f"| {size:,} | {hits} of 12 | {calls[0]}, {max(calls)}, {again} | "
            f"{first[2]:.0f} ms, {sorted(cpu)[6]:.0f} ms | {kept:.1f} MB |"
        )
        carried = [
            event.ours["checkpoint"]
            for page in EventReader(place.data, place.address).pages()
            for event in page
            if "checkpoint" in event.ours
        ]
        own = sum(len(json.dumps(one["checkpoint"]["index"])) for one in carried) / size
        merged = max(len(json.dumps(one.get("merged", []))) for one in carried) / 1e3
        index_rows.append(f"| {size:,} | {own:,.0f} KB | {merged:,.0f} KB |")
    return [
        "",
        "## What a recall by words costs",
        "",
        "Short messages, two an event, folded by checkpoints in the event log; a process that knows nothing yet asks",
        "twelve questions. The CPU of our code is the process's without the service's and its client's, the median of",
        "five first questions and of the twelve; two cores that other work shared. The first recall of a process also",
        f"loads the language model, the date parser and the tokenizer, once ({once / 1e3:.1f} s). `kept` is what is",
        "allocated after the twelve questions.",
        "",
        *rows,
        "",
        "## The size of the index",
        "",
        "| messages | for each 1,000 messages, as stored | most that a checkpoint carries of earlier ones |",
        "|---|---|---|",
        *index_rows,
    ]


class ClientClock:
    """This process's CPU time without what passes inside calls to the service."""

    def __init__(self, place: Place) -> None:
        """Begin to watch a place's client."""
        self._inside = 0.0
        self._began: dict[int, float] = {}
        # A client has its session's handlers as they were when it was made.
        place.data.meta.events.register("before-parameter-build.bedrock-agentcore.*", self._enter)
        place.data.meta.events.register("after-call.bedrock-agentcore.*", self._leave)

    def own(self) -> float:
        """Seconds of CPU outside of calls."""
        return time.process_time() - self._inside

    def _enter(self, **_: Any) -> None:
        self._began[threading.get_ident()] = time.thread_time()

    def _leave(self, **_: Any) -> None:
        self._inside += time.thread_time() - self._began.pop(threading.get_ident())


def path_of() -> list[str]:
    """Functions and files of the package that a recall passes."""
    place = filled(400, checkpoints=True)
    recall = place.recall()
    root = str(Path(agentmem.__file__).parent)
    rows = ["| recall by words | functions | files |", "|---|---|---|"]
    for name in ("first in a process", "again, when nothing is new"):
        functions, files = traced(lambda: recall.by_words("Which code has locker 40?"), root)
        rows.append(f"| {name} | {len(functions)} | {len(files)}: {', '.join(sorted(files))} |")
    return ["", "## The way of a recall through the package", "", *rows]


def traced(call: Callable[[], list[RecalledMessage]], root: str) -> tuple[set[tuple[str, str]], set[str]]:
    """Run something and return which functions and files of the package ran, those of the embedded service apart."""
    functions: set[tuple[str, str]] = set()

    def note(frame: Any, event: str, _: Any) -> None:
        code = frame.f_code
        file = code.co_filename.removeprefix(f"{root}/")
        if event == "call" and file != code.co_filename and not file.startswith("local/") and code.co_name[0] != "<":
            functions.add((file, code.co_qualname))

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return functions, {file for file, _ in functions}


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write docs/reference/figures/recall.md")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data/locomo-5.json")
    parser.add_argument("--sizes", type=int, nargs="+", default=(1_000, 20_000), help="messages of the sessions to ask")
    parser.add_argument("--only", nargs="+", default=("locomo", "turn", "turns", "languages", "costs", "path"))
    options = parser.parse_args()
    parts = {
        "locomo": lambda: locomo(options.data),
        "turn": long_turn,
        "turns": many_turns,
        "languages": languages,
        "costs": lambda: costs(options.sizes),
        "path": path_of,
    }
    for name in options.only:
        text = "\n".join(parts[name]()).strip()
        print(f"{text}\n", flush=True)
        if options.write:
            write(name, text, list(parts))


def write(name: str, text: str, names: list[str]) -> None:
    """Put one part in its place on the page."""
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    found = dict(re.findall(r"<!-- (\w+) -->\n\n(.*?)\n(?=\n<!-- |\Z)", page, re.DOTALL)) | {name: text}
    body = (f"\n<!-- {one} -->\n\n{found[one]}\n" for one in names if one in found)
    PAGE.write_text(f"# Results and cost of recall\n\nWritten by `python bench/recall.py --write`.\n{''.join(body)}")


if __name__ == "__main__":
    main()
