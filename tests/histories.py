"""Histories as Strands agents make them, for property tests.

What is drawn is the course of a conversation: which kinds of turns, how many tool cycles in each, which blocks beside
the texts. The words themselves come from a seed; drawing them one by one would take longer than what is tested.
"""

from __future__ import annotations

import random
import uuid
from typing import Any

from hypothesis import strategies as st

from agentmem.messages.cutting import RECALL_TOOL

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
    "</conversation_summary>",
]
_LENGTHS = (1, 3, 8, 20, 60, 200, 600)
_PNG, _PDF, _MP4 = b"\x89PNG", b"%PDF", b"ftyp"

UNKNOWN = "hologram"
"""A kind of block that nobody knows yet."""

TURNS = ("plain", "tools", "cancelled", "interrupted", "direct", "structured", "unanswered", "continued", "silent")
"""Ways a turn can go: answered with or without tools; its tools ran and nothing came after; steered by the user in the
middle of its tools; a direct tool call; structured output, which ends in a tool result; never answered; answered in
two messages; answered with nothing at all."""


def _text(random: random.Random, most: int = len(_LENGTHS)) -> str:
    start, words = random.randrange(1_000), random.choice(_LENGTHS[:most])
    return " ".join(_WORDS[(start * (at + 7) + at * at) % len(_WORDS)] for at in range(words))


def _result_item(random: random.Random) -> dict[str, Any]:
    text = _text(random)
    items: list[dict[str, Any]] = [
        {"text": text},
        {"text": text},
        {"json": {"value": text, "n": [random.randrange(10), None, True]}},
        {"image": {"format": "png", "source": {"bytes": _PNG}}},
        {"document": {"format": "pdf", "name": "plan", "source": {"bytes": _PDF}}},
        {"video": {"format": "mp4", "source": {"bytes": _MP4}}},
    ]
    return random.choice(items)


def _reasoning(random: random.Random) -> dict[str, Any]:
    if random.random() < 0.2:
        return {"reasoningContent": {"redactedContent": b"\x00sealed"}}
    return {"reasoningContent": {"reasoningText": {"text": _text(random), "signature": "sig"}}}


class _Teller:
    """Tells one history; ids are unique in it."""

    def __init__(self, random: random.Random, *, reasoning: bool, odd: bool) -> None:
        self.random = random
        self.reasoning = reasoning
        self.odd = odd
        self.uses = 0

    def user(self, *blocks: dict[str, Any]) -> dict[str, Any]:
        content = [*blocks, {"text": _text(self.random)}]
        extras: list[dict[str, Any]] = [
            {"document": {"format": "pdf", "name": "plan", "source": {"bytes": _PDF}}},
            {"image": {"format": "png", "source": {"bytes": _PNG}}},
            {"video": {"format": "mp4", "source": {"bytes": _MP4}}},
            {"guardContent": {"text": {"text": _text(self.random)}}},
            {"cachePoint": {"type": "default"}},
            {"text": " "},
            {UNKNOWN: {"depth": [1, 2, 3]}},
        ]
        content += [extra for extra in extras if self.odd and self.random.random() < 0.12]
        return {"role": "user", "content": content}

    def answer(self, most: int = 5) -> dict[str, Any]:
        text = _text(self.random, most)
        content: list[dict[str, Any]] = [{"text": text}]
        if self.odd and self.random.random() < 0.2:
            content.append({"citationsContent": {"content": [{"text": text}], "citations": []}})
        if self.odd and self.random.random() < 0.1:
            content.append({"cachePoint": {"type": "default"}})
        if self.reasoning and self.random.random() < 0.5:
            content.insert(0, _reasoning(self.random))
        return {"role": "assistant", "content": content}

    def cycle(self, *, steered: bool = False) -> list[dict[str, Any]]:
        random = self.random
        opening = [_reasoning(random)] if self.reasoning and random.random() < 0.7 else []
        if random.random() < 0.5:
            opening.append({"text": _text(random, 4) if not self.odd or random.random() < 0.8 else "\n\n"})
        asks, answers = [], []
        for _ in range(random.choice((1, 1, 2, 3))):
            self.uses += 1
            name = random.choice(("search", "book", RECALL_TOOL) if self.odd else ("search", "book"))
            given = {"query": _text(random, 5), "lines": [_text(random)] if random.random() < 0.2 else []}
            asks.append({"toolUse": {"toolUseId": f"tooluse_{self.uses}", "name": name, "input": given}})
            status = random.choice(("success", "success", "error"))
            content = [_result_item(random) for _ in range(random.choice((1, 1, 2)))]
            answers.append({"toolResult": {"toolUseId": f"tooluse_{self.uses}", "status": status, "content": content}})
        random.shuffle(answers)
        if steered:
            answers.append({"text": _text(random, 4)})
        return [{"role": "assistant", "content": opening + asks}, {"role": "user", "content": answers}]

    def turn(self, kind: str, cycles: int) -> list[dict[str, Any]]:
        if kind == "direct":
            said = {"role": "assistant", "content": [{"text": "agent.tool.search was called."}]}
            called = {"role": "user", "content": [{"text": "agent.tool.search direct tool call."}]}
            return [called, *self.cycle(), said]
        messages = [self.user()]
        if kind not in {"plain", "unanswered"}:
            for at in range(cycles):
                messages += self.cycle(steered=kind == "interrupted" and at == cycles // 2)
        if kind == "structured":
            ask = {"role": "user", "content": [{"text": "You must format the previous response as structured output."}]}
            messages += [self.answer(), ask, *self.cycle()]
        elif kind == "continued":
            messages += [self.answer(), self.answer()]
        elif kind == "silent":
            messages.append({"role": "assistant", "content": []})
        elif kind not in {"cancelled", "unanswered"}:
            messages.append(self.answer())
        return messages


@st.composite
def histories(draw: st.DrawFn, *, max_turns: int = 8, at_model: bool = True, odd: bool = True) -> list[dict[str, Any]]:
    """A history of whole turns.

    Args:
        draw: Hypothesis' own.
        max_turns: Turns at the most.
        at_model: End where a model is about to be called; otherwise anywhere, also in a tool use without results.
        odd: With media, guarded text, citations, cache points, blank texts, recalls and blocks of unknown kinds.
    """
    courses = draw(st.lists(st.tuples(st.sampled_from(TURNS), st.integers(0, 6)), min_size=1, max_size=max_turns))
    seed, reasoning = draw(st.integers(0, 2**32)), draw(st.booleans())
    teller = _Teller(random.Random(seed), reasoning=reasoning, odd=odd)
    messages = [message for kind, cycles in courses for message in teller.turn(kind, cycles)]
    if at_model and not _awaits_model(messages[-1]):
        messages.append(teller.user())
    if not at_model and draw(st.booleans()):
        messages.append(teller.cycle()[0])
    for number, message in enumerate(messages):
        message["tracking_id"] = str(uuid.UUID(int=(number + seed) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128))
    return messages


def _awaits_model(message: dict[str, Any]) -> bool:
    return message["role"] == "user" and bool(message["content"])
