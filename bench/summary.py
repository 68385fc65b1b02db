"""Measure what summaries keep: planted requests, false requests, open requests, counters, languages.

    python bench/summary.py --airline FILE --locomo FILE [--write]    # --write: docs/reference/figures/summary.md

Nothing of the two data files or of `conpact` (COMPINT's 15 constraints, from the registry) was used for the sample
sentences of `agentmem.meaning`. A measurement whose data or package is missing is left out and says so. The summarizer
is called on blocks of messages as a session manager folds them; no agent and no model is involved.
"""

from __future__ import annotations

import argparse
import json
import re
import runpy
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agentmem.checkpoints.summary import HELD, OPEN, Summary
from agentmem.compaction.summary.entities import values_of
from agentmem.compaction.summary.extractive import ExtractiveSummarizer
from agentmem.meaning.loading import wait_until_ready
from agentmem.messages.tokens import count_text

ROOT = Path(__file__).parent.parent
FIGURES = ROOT / "docs" / "reference" / "figures" / "summary.md"
DATA = ROOT.parent / "shared" / "data"
BLOCK = 60
BUDGET = 2_000

LANGUAGES = {
    "English": (
        "Never quote a price without tax.",
        "Please write to my assistant and not to me.",
        "No meetings on Fridays, ever.",
    ),
    "German": (
        "Nenn nie einen Preis ohne Steuer.",
        "Schreib bitte immer meiner Assistentin und nicht mir.",
        "Freitags bitte nie Termine.",
    ),
    "Spanish": (
        "Nunca des un precio sin impuestos.",
        "Escribe siempre a mi asistente y no a mí.",
        "Nada de reuniones los viernes, nunca.",
    ),
    "French": (
        "Ne donne jamais un prix hors taxes.",
        "Écris toujours à mon assistante, pas à moi.",
        "Jamais de réunion le vendredi, s'il te plaît.",
    ),
    "Italian": (
        "Non indicare mai un prezzo senza IVA.",
        "Scrivi sempre alla mia assistente e non a me.",
        "Mai riunioni di venerdì, per favore.",
    ),
    "Portuguese": (
        "Nunca indiques um preço sem imposto.",
        "Escreve sempre à minha assistente e não a mim.",
        "Nunca marques reuniões à sexta-feira.",
    ),
    "Dutch": (
        "Noem nooit een prijs zonder btw.",
        "Schrijf altijd mijn assistente en niet mij.",
        "Plan nooit vergaderingen op vrijdag.",
    ),
    "Polish": (
        "Nigdy nie podawaj ceny bez podatku.",
        "Zawsze pisz do mojej asystentki, a nie do mnie.",
        "Nigdy nie planuj spotkań w piątki.",
    ),
    "Japanese": (
        "税抜きの値段は絶対に書かないでください。",
        "連絡は必ず私ではなく秘書にしてください。",
        "金曜日には会議を入れないでください。",
    ),
    "Chinese": (
        "报价时绝对不要写不含税的价格。",
        "以后请写信给我的助理，不要写给我。",
        "星期五不要安排任何会议。",
    ),
}
"""Standing requests in ten languages, written for this file."""

TALK = (
    ("The ferry was late again today.", "That happens a lot in autumn, I am told."),
    ("My neighbour painted her fence blue.", "Blue suits a garden that faces the sea."),
    ("We had soup for lunch, it was all right.", "Soup is good for a cold day."),
    ("How old is the lighthouse, do you think?", "About a hundred and fifty years."),
    ("I saw a heron by the canal.", "They come back every spring."),
    ("The market moved to the other square.", "I see. Is it larger now?"),
    ("My cousin sold his bicycle.", "Did he buy another one?"),
    ("It rained all night.", "Then the fields will be green soon."),
)
"""Talk around them, written for this file."""


READ_LOCOMO = (
    "COMPINT's 15 constraints in two conversations of LoCoMo. The other lines were read by hand in November 2026: "
    "nobody asked the assistant for any of them. So 3 of 33 lines are false, 9 %."
)
READ_AIRLINE = (
    "Read by hand in November 2026: of the ten lines under *Asked to hold* four are requests or bounds that hold (two "
    "of them say the same: a number in numeric form), and six are not, such as "
    '"Yes, please proceed with downgrading all passengers to economy." '
    "Before sample sentences for one-off answers and go-aheads were added, ten of 14 were not. Three of those ten had "
    "been seen when the sentences were written, so this is no blind test. The open request is of a turn that broke off "
    "in the recording: its reservations were looked up, and none was upgraded. COMPINT's constraints through a real "
    "agent are on [a page of their own](held.md)."
)


def said(role: str, text: str) -> dict[str, Any]:
    """Return a message."""
    return {"role": role, "content": [{"text": text}]}


def folded(messages: list[dict[str, Any]], budget: int = BUDGET) -> Summary:
    """Fold messages block by block, as a session manager does."""
    summarizer, summary = ExtractiveSummarizer(), Summary()
    for at in range(0, len(messages), BLOCK):
        summary = summarizer.summarize(summary, messages[at : at + BLOCK], max_tokens=budget, count=count_text)
    return summary


def in_languages() -> list[str]:
    """Count the standing requests of each language that 60 turns of talk and 400 tokens of summary leave."""
    lines = ["| language | kept |", "|---|---:|"]
    kept = total = 0
    for language, requests in LANGUAGES.items():
        turns = [pair for n in range(60) for pair in (TALK[n % len(TALK)],)]
        messages = []
        for n, (user, assistant) in enumerate(turns):
            user = requests[n // 7] if n % 7 == 3 and n // 7 < len(requests) else f"{user} ({n})"  # noqa: PLW2901
            messages += [said("user", user), said("assistant", assistant)]
        text = folded(messages, 400).render()
        found = sum(request in text for request in requests)
        kept, total = kept + found, total + len(requests)
        lines.append(f"| {language} | {found} of {len(requests)} |")
    return [*lines, f"| **all** | **{kept} of {total}** |"]


def dialogues(file: Path) -> list[list[dict[str, Any]]]:
    """Read LoCoMo's conversations; the first speaker is the user."""
    found = []
    for item in json.loads(file.read_text(encoding="utf-8")):
        talk = item["conversation"]
        numbers = sorted(int(match[1]) for key in talk if (match := re.fullmatch(r"session_(\d+)", key)))
        found.append(
            [
                said("user" if one["speaker"] == talk["speaker_a"] else "assistant", one["text"])
                for number in numbers
                for one in talk[f"session_{number}"]
            ]
        )
    return found


def nothing_planted(talks: list[list[dict[str, Any]]]) -> list[str]:
    """Count the lines under "Asked to hold" in conversations in which nobody asked the assistant for anything."""
    lines = ["| conversation | messages | lines under *Asked to hold* |", "|---|---:|---:|"]
    total = 0
    for number, messages in enumerate(talks, 1):
        held = len(folded(messages).of_section(HELD))
        total += held
        lines.append(f"| {number} | {len(messages)} | {held} |")
    return [*lines, f"| **all** | | **{total}** |"]


def planted(talks: list[list[dict[str, Any]]]) -> list[str]:
    """Plant COMPINT's constraints in two conversations and list the other lines under "Asked to hold", to be read."""
    found = find_spec("conpact")
    if found is None or not found.submodule_search_locations:
        return ["Left out: the package `conpact` is not installed."]
    # Read as a file: importing the package wants clients of models.
    module = runpy.run_path(str(Path(found.submodule_search_locations[0]) / "constraints.py"))
    texts = [module["render_sc"](one["sc"], strict=False, direct=True) for one in module["SCS"]]
    lines = ["| conversation | lines under *Asked to hold* | planted, of 15 | others |", "|---|---:|---:|---|"]
    for number in (4, 5):
        messages = list(talks[number - 1])
        users = [at for at, one in enumerate(messages) if one["role"] == "user"]
        for place, text in enumerate(texts, 1):
            at = users[place * len(users) // (len(texts) + 1)]
            messages[at] = said("user", f"{text}\n{messages[at]['content'][0]['text']}")
        held = [one.text for one in folded(messages).of_section(HELD)]
        others = [one for one in held if one not in texts]
        lines.append(f"| {number} | {len(held)} | {len(held) - len(others)} | {' / '.join(others)} |")
    return lines


def airline(file: Path) -> list[str]:
    """Fold recorded service conversations as one session and compare the counters of tools with the truth."""
    messages: list[dict[str, Any]] = []
    calls: Counter[str] = Counter()
    for line in file.read_text(encoding="utf-8").splitlines():
        for one in json.loads(line)["messages"]:
            if one["role"] == "user":
                messages.append(said("user", one["content"]))
            elif one["role"] == "assistant":
                content = [{"text": one["content"]}] if one.get("content") else []
                for call in one.get("tool_calls") or []:
                    function = call["function"]
                    calls[function["name"]] += 1
                    use = {
                        "toolUseId": call["id"],
                        "name": function["name"],
                        "input": json.loads(function["arguments"]),
                    }
                    content.append({"toolUse": use})
                messages.append({"role": "assistant", "content": content})
            elif one["role"] == "tool":
                result = {"toolUseId": one["tool_call_id"], "status": "success", "content": [{"text": one["content"]}]}
                messages.append({"role": "user", "content": [{"toolResult": result}]})
    summary = folded(messages)
    counted = {tool.name: tool.calls for tool in summary.tools}
    values = Counter(
        found for line in summary.render().splitlines() if line.startswith("- ") and (found := values_of(line))
    )
    wrong = sum(counted.get(name) != number for name, number in calls.items())
    return [
        "| measured | figure |",
        "|---|---:|",
        f"| messages folded | {len(messages):,} |",
        f"| tools with a wrong counter, of {len(calls)} | {wrong} |",
        f"| open requests at the end | {len(summary.of_section(OPEN))} |",
        f"| lines with the same values as another line | {sum(count - 1 for count in values.values())} |",
        f"| lines under *Asked to hold* | {len(summary.of_section(HELD))} |",
        f"| tokens of the summary | {count_text(summary.render()):,} |",
    ]


def main() -> None:
    """Measure and print; with `--write` also write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--airline", type=Path, default=DATA / "tau-airline-100.jsonl")
    parser.add_argument("--locomo", type=Path, default=DATA / "locomo-5.json")
    parser.add_argument("--write", action="store_true", help=f"write {FIGURES.name}")
    options = parser.parse_args()
    wait_until_ready()
    lines = [
        "# Summaries",
        "",
        "Written by `python bench/summary.py --write`.",
        "",
        "## Standing requests by language",
        "",
    ]
    lines += ["Three requests a language in 60 turns of talk, 400 tokens of summary.", "", *in_languages()]
    if options.locomo.exists():
        talks = dialogues(options.locomo)
        lines += [
            "",
            "## Nothing planted",
            "",
            "Five conversations of LoCoMo; nobody asks for anything that holds.",
            "",
        ]
        lines += nothing_planted(talks)
        lines += ["", "## False requests among real ones", "", READ_LOCOMO, "", *planted(talks)]
    else:
        lines += ["", f"Left out: {options.locomo.name} is not there."]
    lines += ["", "## A long service session", ""]
    if options.airline.exists():
        lines += [*airline(options.airline), "", READ_AIRLINE]
    else:
        lines.append(f"Left out: {options.airline.name} is not there.")
    text = "\n".join(lines) + "\n"
    print(text)
    if options.write:
        FIGURES.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
