"""Measure through real agents whether requests that hold are still in view after many folds, pinned and not.

    python bench/held.py                       # prints the tables
    python bench/held.py --write               # and writes docs/reference/figures/held.md
    python bench/held.py --locomo FILE --airline FILE --only compint,pinned,languages

COMPINT's 15 side constraints (`conpact` on the registry, MIT) are put before the words of a user's message, as the
benchmark does, all 15 into one chat: a third at its beginning, a third in its middle, a third in front of its last
three folds. The runs turn the thirds, so that each constraint stands at each place once, and the four wordings take
turns (`--every` tries all 180 combinations). Every chat goes through a real agent with `CompactingSessionManager` on
the embedded memory; the model answers as recorded. A constraint is kept when the last request of the chat has it word
for word. Nothing of the data was used for the sample sentences of `agentmem.meaning`.
"""

from __future__ import annotations

import argparse
import json
import runpy
import time
from collections import defaultdict
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from summary import DATA, ROOT, dialogues, said
from talk_in_languages import FRESH, LANGUAGES, THIRD, turns

from agentmem import CompactionConfig, MemoryConfig
from agentmem.meaning.loading import wait_until_ready
from agentmem.messages.summary_fence import SUMMARY_TAG
from agentmem.messages.tokens import count_text
from agentmem.replay.conversation import Conversation
from agentmem.replay.formats import load_conversation
from agentmem.replay.run import Replay

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agentmem.testing.model_base import ModelRequest

FIGURES = ROOT / "docs" / "reference" / "figures" / "held.md"
THRESHOLD = 10_000
SMALL = 2_000
"""A threshold with which a summary has 400 tokens."""
TARGET = 0.6
FOLDS = 10
PLACES = ("beginning", "middle", "three folds before the end")
WORDINGS = {"plain": (False, False), "important": (True, False), "session": (False, True), "both": (True, True)}
"""COMPINT's framings by their arguments ``strict`` and ``direct``; its default is "session"."""

FLOOD = (
    "Never leave the {0} without its lid.",
    "From now on the {0} goes on the left shelf.",
    "Please always rinse the {0} twice.",
    "No more than {1} of the {0}, ever.",
    "Don't let anyone touch the {0} before noon.",
    "Whatever happens, keep the {0} dry.",
)
FLOOD_TURNS = 400
OTHERS = (
    "Five others a language, written after the first were measured, before the sample sentences and the sharing of the "
    "room were last changed. Before that, 47 of 50 were kept of each set: of the first, one prohibition was not "
    "recognized in three languages; of these, one bound was recognized in three and found no room in its share."
)
THINGS = (
    "ladle",
    "teapot",
    "sieve",
    "ladder",
    "rake",
    "lantern",
    "kettle",
    "basket",
    "anvil",
    "loom",
    "crate",
    "flask",
)


@dataclass(frozen=True)
class Outcome:
    """What a chat left.

    Attributes:
        last: The text of the last request, as JSON.
        summary: The summary in it.
        largest: Tokens of the largest request.
        folds: Compactions.
        without_pin: How often a request lacked a statement that was pinned before it.
    """

    last: str
    summary: str
    largest: int
    folds: int
    without_pin: int = 0


def constraints() -> tuple[list[str], Callable[[str, bool, bool], str]] | None:
    """Read COMPINT's constraints as a file: importing the package wants clients of models."""
    found = find_spec("conpact")
    if found is None or not found.submodule_search_locations:
        return None
    module = runpy.run_path(str(Path(found.submodule_search_locations[0]) / "constraints.py"))
    return [one["sc"] for one in module["SCS"]], module["render_sc"]


def chat(
    messages: Sequence[dict[str, Any]],
    *,
    pins: Sequence[str] = (),
    pin_after: int = 0,
    threshold: int = THRESHOLD,
    target: float = TARGET,
) -> Outcome:
    """Hold a recorded chat with a real agent.

    Args:
        messages: The chat.
        pins: Statements to pin on the way.
        pin_after: After how many calls of the agent.
        threshold: Tokens at which to compact.
        target: Share of it to compact down to.
    """
    compaction = CompactionConfig(token_threshold=threshold, target_ratio=target)
    memory = MemoryConfig.local(":memory:", namespaces=(), compaction=compaction).bind("ann", "bench")
    requests: list[ModelRequest] = []
    missing = 0
    pinned: list[str] = []

    def seen(request: ModelRequest) -> None:
        nonlocal missing
        requests[:] = [request]
        if pinned:
            text = json.dumps(request.messages, ensure_ascii=False, default=str)
            missing += sum(json.dumps(one, ensure_ascii=False)[1:-1] not in text for one in pinned)

    def progress(done: int) -> None:
        if done == pin_after:
            for one in pins:
                memory.pin(one)
                pinned.append(one)

    conversation = Conversation(None, tuple(messages), "strands", 1, {})  # type: ignore[arg-type]
    replay = Replay(conversation, memory.session_manager, on_request=seen, on_progress=progress)
    report = replay.run()
    replay.close()
    last = json.dumps(requests[-1].messages, ensure_ascii=False, default=str)
    summary = (
        last[last.find(f"<{SUMMARY_TAG} ") :].partition(f"</{SUMMARY_TAG}>")[0] if f"<{SUMMARY_TAG} " in last else ""
    )
    return Outcome(last, summary, max(one.tokens for one in report.requests), report.compactions, missing)


def users_of(messages: Sequence[dict[str, Any]]) -> list[int]:
    """Return the indices of the user's own messages that say something."""
    return [at for at, one in enumerate(messages) if one["role"] == "user" and "text" in one["content"][0]]


def planted(messages: Sequence[dict[str, Any]], groups: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """Put each group's texts before the words of consecutive user messages at its place, as COMPINT does."""
    users = users_of(messages)
    made = list(messages)
    late = len(users) - int(len(users) * 3.5 / (FOLDS + 2))
    for start, group in zip((0, len(users) // 2, late), groups, strict=True):
        for offset, text in enumerate(group):
            at = users[start + offset]
            before = made[at]["content"]
            made[at] = {**made[at], "content": [{"text": f"{text}\n{before[0]['text']}"}, *before[1:]]}
    return made


def has(outcome: Outcome, text: str) -> bool:
    """Whether the last request has a constraint word for word, however its first letter is written."""
    wanted = json.dumps(text, ensure_ascii=False)[1:-1].casefold()
    return wanted in outcome.last.casefold()


def compint(chats: dict[str, list[dict[str, Any]]], *, every: bool) -> list[str]:
    """Plant COMPINT's constraints and look for them in the last request.

    Args:
        chats: The chats by name.
        every: Try each constraint in each wording at each place: twelve runs a chat. Otherwise three runs: each
            constraint at each place once, the wordings taking turns.
    """
    found = constraints()
    if found is None:
        return ["Left out: the package `conpact` is not installed."]
    texts, render = found
    names = list(WORDINGS)
    kept: dict[tuple[str, str], list[bool]] = defaultdict(list)
    lost: list[str] = []
    folds, largest = [], 0
    for name, messages in chats.items():
        for run in range(12 if every else 3):
            groups: list[list[str]] = [[], [], []]
            cells: list[tuple[str, str, str]] = []
            for number, text in enumerate(texts):
                place, wording = (number + run) % 3, names[(number // 3 + run + run // 3) % 4]
                groups[place].append(render(text, *WORDINGS[wording]))
                cells.append((text, wording, PLACES[place]))
            began = time.process_time()
            outcome = chat(planted(messages, groups))
            folds.append(outcome.folds)
            largest = max(largest, outcome.largest)
            for text, wording, place in cells:
                is_kept = has(outcome, text)
                for cell in ((wording, place), (wording, "all"), (f"chat: {name}", "all")):
                    kept[cell].append(is_kept)
                lost += [] if is_kept else [f"{text} ({wording}, {place}, {name})"]
            print(
                name, run, f"{outcome.folds} folds, {time.process_time() - began:.0f} s, {len(lost)} lost", flush=True
            )
    lines = [f"| wording | {' | '.join(PLACES)} | all |", "|---|" + "---:|" * (len(PLACES) + 1)]
    rows = ((wording, [_share(kept[wording, place]) for place in (*PLACES, "all")]) for wording in names)
    lines += [f"| {wording} | {' | '.join(cells)} |" for wording, cells in rows]
    everything = [one for wording in names for one in kept[wording, "all"]]
    by_place = (_share([one for wording in names for one in kept[wording, place]]) for place in PLACES)
    lines.append(f"| **all** | {' | '.join(by_place)} | **{_share(everything)}** |")
    lines += ["", *(f"- {who}: {_share(cell)}" for (who, _), cell in kept.items() if who.startswith("chat: "))]
    lines += [f"- folds a chat: {min(folds)} to {max(folds)}; largest request {largest:,} of {THRESHOLD:,} tokens"]
    return [*lines, *(["", "Lost:", "", *(f"- {one}" for one in lost)] if lost else [])]


def flood(number: int) -> list[dict[str, Any]]:
    """Return many turns of rule-like text."""
    made = []
    for at in range(number):
        rules = " ".join(
            FLOOD[(at + n) % len(FLOOD)].format(THINGS[(at * 5 + n * 7) % len(THINGS)], at % 9 + 2) for n in range(6)
        )
        made += [said("user", f"{rules} Shelf {at}."), said("assistant", f"Noted for shelf {at}.")]
    return made


def pinned(messages: list[dict[str, Any]]) -> list[str]:
    """Pin COMPINT's constraints early in a chat, let a flood of rule-like text follow, and look at every request."""
    found = constraints()
    if found is None:
        return ["Left out: the package `conpact` is not installed."]
    texts, _ = found
    outcome = chat([*messages, *flood(FLOOD_TURNS)], pins=texts, pin_after=2)
    kept = sum(has(outcome, text) for text in texts)
    return [
        "| measured | figure |",
        "|---|---:|",
        f"| pinned statements in the last request | {kept} of {len(texts)} |",
        f"| statements missing in a request before it | {outcome.without_pin} |",
        f"| folds | {outcome.folds} |",
        f"| largest request, of {THRESHOLD:,} tokens | {outcome.largest:,} |",
    ]


def languages(statements: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Say five standing statements in each language among 60 turns of talk in it, with a summary of 400 tokens."""
    lines = ["| language | in the summary of the last request | lost |", "|---|---:|---|"]
    kept = total = 0
    for name, said_in in statements.items():
        messages: list[dict[str, Any]] = []
        for at, (user, answer) in enumerate(turns(LANGUAGES[name], 60)):
            number, is_place = divmod(at - 2, 6)
            if is_place == 0 and 0 <= number < len(said_in):
                user = said_in[number]  # noqa: PLW2901
            messages += [said("user", user), said("assistant", answer)]
        outcome = chat(messages, threshold=SMALL, target=0.3)
        lost = [text for text in said_in if json.dumps(text, ensure_ascii=False)[1:-1] not in outcome.summary]
        kept, total = kept + len(said_in) - len(lost), total + len(said_in)
        lines.append(f"| {name} | {len(said_in) - len(lost)} of {len(said_in)} | {' / '.join(lost)} |")
        print(lines[-1], outcome.folds, outcome.largest, flush=True)
    return [*lines, f"| **all** | **{kept} of {total}** | |"]


def _share(cell: Sequence[bool]) -> str:
    return f"{sum(cell) / len(cell):.0%} ({sum(cell)} of {len(cell)})" if cell else ""


def joined(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a chat of two speakers in which they take turns: neighbouring messages of one are one."""
    made: list[dict[str, Any]] = []
    for message in messages:
        if made and made[-1]["role"] == message["role"]:
            made[-1] = {
                **made[-1],
                "content": [{"text": f"{made[-1]['content'][0]['text']}\n{message['content'][0]['text']}"}],
            }
        else:
            made.append(message)
    return made


def cut(messages: Sequence[dict[str, Any]], tokens: int) -> list[dict[str, Any]]:
    """Return the beginning of a chat of about so many tokens, up to a user's own message."""
    total = 0
    for at, message in enumerate(messages):
        total += count_text(json.dumps(message["content"], ensure_ascii=False, default=str))
        if total > tokens and message["role"] == "user" and "text" in message["content"][0]:
            return list(messages[:at])
    return list(messages)


def main() -> None:
    """Measure and print; with `--write` also write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--airline", type=Path, default=DATA / "tau-airline-100.jsonl")
    parser.add_argument("--locomo", type=Path, default=DATA / "locomo-5.json")
    parser.add_argument("--only", default="compint,pinned,languages", help="parts to run, separated by commas")
    parser.add_argument("--every", action="store_true", help="try every wording at every place: an hour of one core")
    parser.add_argument("--write", action="store_true", help=f"write {FIGURES.name}")
    options = parser.parse_args()
    wait_until_ready()
    chats: dict[str, list[dict[str, Any]]] = {}
    if options.locomo.exists():
        talks = dialogues(options.locomo)
        chats["two friends (LoCoMo)"] = cut(joined([*talks[2], *talks[3], *talks[0], *talks[4]]), 50_000)
    if options.airline.exists():
        recorded = load_conversation(options.airline)
        chats["airline desk (tau-bench)"] = cut([dict(one) for one in recorded.messages], 55_000)
    lines = ["# Requests that hold, through many folds", "", "Written by `python bench/held.py --write`.", ""]
    if not chats:
        lines += ["Left out: no chats are there."]
    if "compint" in options.only:
        lines += ["## COMPINT's 15 constraints, not pinned", "", *compint(chats, every=options.every)]
    if "pinned" in options.only and chats:
        lines += ["", "## The same, pinned, and a flood of rule-like text behind them", ""]
        lines += pinned(cut(next(iter(chats.values())), 15_000))
    if "languages" in options.only:
        lines += ["", "## Standing statements in ten languages, not pinned", ""]
        lines += [
            "Five a language among 60 turns of talk in the same language; 400 tokens of summary.",
            "",
            *languages({name: language.statements for name, language in LANGUAGES.items()}),
            "",
            OTHERS,
            "",
            *languages(FRESH),
            "",
            "Five more a language, written after both and after every change, and measured once.",
            "",
            *languages(THIRD),
        ]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.write:
        FIGURES.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
