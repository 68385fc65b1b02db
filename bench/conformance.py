"""Run compaction-conformance-kit against the extractive summarizer and print the surviving statements.

    python bench/conformance.py            # print the tables
    python bench/conformance.py --write    # and write docs/reference/figures/conformance.md

The kit plants statements of five kinds in a conversation, compacts it five times over (each round is given nothing but
the text of the round before) and looks for them word for word. Budgets are characters, a share of the conversation.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compaction_kit.benchmark import run_budget_benchmark
from compaction_kit.canaries import CanaryType, seeded_canaries
from compaction_kit.compacted import CompactedContext
from compaction_kit.corpus import build_random_session
from compaction_kit.generated import build_generated_session
from compaction_kit.report import build_report
from compaction_kit.runner import run_conformance
from compaction_kit.session import build_seeded_session

from agentmem.compaction.summary.extractive import ExtractiveSummarizer
from agentmem.meaning.loading import wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROUNDS = 5
SEEDS = tuple(range(1, 13))
BUDGETS = (0.30, 0.20, 0.10)
FIGURES = Path(__file__).parent.parent / "docs" / "reference" / "figures" / "conformance.md"
_UNLIMITED = 1_000_000_000
ABOUT_ROUNDS = (
    "Each round is given nothing but the text of the round before. A session manager hands on more: each statement",
    "with its kind, its speaker and its place; [another page](held.md) has figures of whole sessions. Nothing is",
    "deleted because it seems to be replaced, so superseded values stand beside the new ones, and the kit counts them",
    "as stale.",
)

Session = tuple[Any, list[Any]]


class ExtractiveCompactor:
    """The library's summarizer behind the kit's protocol; it carries nothing from round to round but the text."""

    name = "agentmem-extractive"

    def compact(self, turns: list[Any], round_num: int = 1, budget_chars: int | None = None) -> CompactedContext:
        """Summarize all turns into at most `budget_chars` characters."""
        messages: list[Any] = [
            {"role": "assistant" if turn.role == "assistant" else "user", "content": [{"text": turn.text}]}
            for turn in turns
        ]
        summary = ExtractiveSummarizer().summarize(None, messages, max_tokens=budget_chars or _UNLIMITED, count=len)
        return CompactedContext(text=summary.render(), compactor_name=self.name, round_num=round_num)


def _seeded(_: int) -> Session:
    return build_seeded_session(), seeded_canaries()


CORPORA: dict[str, tuple[Callable[[int], Session], Iterable[int]]] = {
    "seeded": (_seeded, (0,)),
    "randomized": (build_random_session, SEEDS),
    "generated": (build_generated_session, SEEDS),
}


def measure(build: Callable[[int], Session], seeds: Iterable[int], budget: float) -> dict[str, Any]:
    """Compact every session of a corpus and collect what the kit says.

    Args:
        build: Makes a session and its canaries from a seed.
        seeds: The seeds.
        budget: Share of the conversation's characters.

    Returns:
        `survival` after the last round, `by_type` of it, `worst` verdicts by type, `cliffs`, `stale` and `updates`
        (superseded values still there, and how many there were), `over_budget` rounds, and `lost` canaries.
    """
    kept = total = stale = updates = over = cliffs = 0
    by_type: dict[str, list[float]] = defaultdict(list)
    verdicts: dict[str, set[str]] = defaultdict(set)
    lost: list[str] = []
    for seed in seeds:
        session, canaries = build(seed)
        run = run_conformance(session, ExtractiveCompactor(), ROUNDS, canaries, budget_fraction=budget)
        final = run.rounds[-1]
        over += sum(not result.within_budget for result in run.rounds)
        kept += sum(final.survived.values())
        total += len(canaries)
        lost += [f"{seed}: {c.content}" for c in canaries if not final.survived[c.id]]
        for finding in build_report(run).findings:
            verdicts[finding.canary_type].add(finding.verdict)
            by_type[finding.canary_type].append(finding.final_survival)
            cliffs += finding.cliff_round is not None
        text = final.context.text.lower()
        for canary in canaries:
            if canary.superseded_tokens:
                updates += 1
                stale += any(token.lower() in text for token in canary.superseded_tokens)
    order = ("FLAG", "WARN", "SILENT")
    return {
        "survival": kept / total,
        "by_type": {kind: sum(rates) / len(rates) for kind, rates in by_type.items()},
        "worst": {kind: next(v for v in order if v in seen) for kind, seen in verdicts.items()},
        "cliffs": cliffs,
        "stale": stale,
        "updates": updates,
        "over_budget": over,
        "lost": lost,
    }


def tables() -> tuple[str, list[str]]:
    """Run everything.

    Returns:
        The tables as markdown, and the canaries lost.
    """
    kinds = [kind.value for kind in CanaryType]
    about = (
        f"compaction-conformance-kit {version('compaction-conformance-kit')}, {ROUNDS} rounds, seeds {SEEDS[0]} to "
        f"{SEEDS[-1]}. Survival after the last round; the worst verdict of any seed after the first."
    )
    lines = [
        about,
        "",
        *ABOUT_ROUNDS,
        "",
        f"| corpus | budget | survival | {' | '.join(kinds)} | verdict | cliffs | stale values | over budget |",
        f"| --- | ---: | ---: | {' | '.join('---:' for _ in kinds)} | --- | ---: | ---: | ---: |",
    ]
    lost: list[str] = []
    for corpus, (build, seeds) in CORPORA.items():
        for budget in BUDGETS:
            result = measure(build, seeds, budget)
            worst = min(result["worst"].values(), key=("FLAG", "WARN", "SILENT").index)
            lost += [f"{corpus} {budget:.0%} {line}" for line in result["lost"]]
            lines.append(
                f"| {corpus} | {budget:.0%} | {result['survival']:.1%} | "
                f"{' | '.join(format(result['by_type'][kind], '.0%') for kind in kinds)} | {worst} | "
                f"{result['cliffs']} | {result['stale']} of {result['updates']} | {result['over_budget']} |"
            )
    payload = run_budget_benchmark(
        {ExtractiveCompactor.name: ExtractiveCompactor}, budgets=BUDGETS, seeds=SEEDS, rounds=ROUNDS
    )
    lines += [
        "",
        "The kit's own benchmark: updates said in other words (semantic corpora), and pairs that only look alike.",
        "",
        "| budget | randomized survival | semantic resolved | stale values | distinct pairs kept | within budget |",
        "| ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for entry in sorted(payload["entries"], key=lambda e: -e["budget_fraction"]):
        conflicts = entry["semantic"]["conflicts"]
        lines.append(
            f"| {entry['budget_fraction']:.0%} | {entry['randomized']['overall_final_survival']:.1%} | "
            f"{entry['semantic']['resolved_rate']:.1%} | {conflicts['stale']} of {conflicts['n']} | "
            f"{entry['semantic']['distinct_pair_rate']:.1%} | {'yes' if entry['budget_compliant'] else 'no'} |"
        )
    return "\n".join(lines) + "\n", lost


def main() -> None:
    """Print the tables; with `--write` also write them to docs/reference/figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {FIGURES.name}")
    parser.add_argument("--lost", action="store_true", help="list the canaries that were lost")
    options = parser.parse_args()
    wait_until_ready()
    text, lost = tables()
    print(text)
    if options.lost:
        print("\n".join(lost))
    if options.write:
        FIGURES.parent.mkdir(parents=True, exist_ok=True)
        FIGURES.write_text(
            f"# Statements after compaction\n\nWritten by `python bench/conformance.py --write`.\n\n{text}",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
