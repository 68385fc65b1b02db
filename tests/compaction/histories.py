"""Histories as Strands agents make them, for property tests."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

from hypothesis import strategies as st

_WORDS = [
    "book",
    "flight",
    "the refund",
    "window 42",
    "A-17",
    "Porto",
    "please cancel",
    "$120",
    "order_991",
    "航班",
    "🙂",
]


def _text(seed: int, words: int) -> str:
    """Words from a seed: drawing them one by one would take longer than what is tested."""
    return " ".join(_WORDS[(seed * (word + 7) + word * word) % len(_WORDS)] for word in range(words))


texts = st.builds(_text, st.integers(0, 50), st.integers(1, 40))
long_texts = st.builds(_text, st.integers(0, 50), st.sampled_from([1, 5, 30, 150, 600]))

result_items = st.one_of(
    st.builds(lambda text: {"text": text}, long_texts),
    st.builds(lambda text, number: {"json": {"value": text, "n": [number, None, True]}}, long_texts, st.integers(0, 9)),
    st.just({"image": {"format": "png", "source": {"bytes": b"\x89PNG" * 50}}}),
)


@st.composite
def _cycle(draw: st.DrawFn, ids: Any, *, reasoning: bool) -> list[dict[str, Any]]:
    uses = draw(st.integers(1, 3))
    names = [f"tooluse_{next(ids)}" for _ in range(uses)]
    opening: list[dict[str, Any]] = []
    if reasoning and draw(st.booleans()):
        opening.append({"reasoningContent": {"reasoningText": {"text": draw(texts), "signature": "sig"}}})
    if draw(st.booleans()):
        opening.append({"text": draw(texts)})
    asks = [
        {"toolUse": {"toolUseId": name, "name": draw(st.sampled_from(["search", "book"])), "input": {"q": draw(texts)}}}
        for name in names
    ]
    answers = [
        {
            "toolResult": {
                "toolUseId": name,
                "status": draw(st.sampled_from(["success", "error"])),
                "content": draw(st.lists(result_items, min_size=1, max_size=2)),
            }
        }
        for name in names
    ]
    return [{"role": "assistant", "content": opening + asks}, {"role": "user", "content": answers}]


@st.composite
def _turn(draw: st.DrawFn, ids: Any, *, reasoning: bool) -> list[dict[str, Any]]:
    opening: list[dict[str, Any]] = [{"text": draw(long_texts)}]
    if draw(st.integers(0, 9)) == 0:
        opening.append({"document": {"format": "pdf", "name": "plan", "source": {"bytes": b"%PDF" * 400}}})
    turn = [{"role": "user", "content": opening}]
    for _ in range(draw(st.integers(0, 6))):
        turn += draw(_cycle(ids, reasoning=reasoning))
    # A cancelled turn ends in its tool results, an interrupted one in the user's own message.
    if draw(st.integers(0, 7)):
        turn.append({"role": "assistant", "content": [{"text": draw(texts)}]})
    return turn


@st.composite
def histories(draw: st.DrawFn, *, max_turns: int = 8, at_model: bool = True) -> list[dict[str, Any]]:
    """A history of whole turns; with ``at_model`` the last one stands where a model is about to be called."""
    ids = itertools.count()
    reasoning = draw(st.booleans())
    messages = [
        message
        for turn in draw(st.lists(_turn(ids, reasoning=reasoning), min_size=1, max_size=max_turns))
        for message in turn
    ]
    if at_model and messages[-1]["role"] == "assistant":
        messages.append({"role": "user", "content": [{"text": draw(texts)}]})
    for number, message in enumerate(messages):
        message["tracking_id"] = str(uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128))
    return messages
