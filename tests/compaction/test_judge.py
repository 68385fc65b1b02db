"""Judging many texts at a time gives the judgements of one by one."""

from __future__ import annotations

import pytest

from agentmem.compaction.summary.judge import MOST_SENTENCES, Judge
from agentmem.meaning import loading

TEXTS = [
    "Never call me before nine. I live in Porto, and my sister lives in Braga!",
    "Bitte immer auf Deutsch antworten. Wie spät ist es?",
    "",
    "```python\nprint(1)\n```",
    "\n".join(f"Sentence number {number} tells something." for number in range(2 * MOST_SENTENCES)),
    "今後は敬語で書いてください。明日は雨です。",
    "Thanks!",
]


@pytest.fixture(scope="module", autouse=True)
def _encoder():
    loading.wait_until_ready(60)


@pytest.mark.parametrize("repeated", [1, 40])
def test_texts_judged_together_are_judged_as_one_by_one(repeated):
    texts = [f"{text} ({number})" if number else text for number in range(repeated) for text in TEXTS]
    together, alone = Judge(), Judge()
    together.judge_all(texts)
    for text in texts:
        pairs = zip(together.sentences(text), alone.sentences(text), strict=True)
        for (sentence, judged), (same, expected) in pairs:
            assert sentence == same
            # Products of matrices of other sizes differ in their last digits.
            assert judged.scores == pytest.approx(expected.scores, abs=1e-3)
            assert judged.standing == pytest.approx(expected.standing, abs=1e-3)


def test_without_an_encoder_nothing_is_judged():
    judge = Judge(None)
    judge.judge_all(TEXTS)
    assert all(judgement is None for _, judgement in judge.sentences(TEXTS[0]))
