"""Asks a session's recall for what a replay folded away.

The questions are made from the recording: a passage with an identifier that stands nowhere else, such as an order's
number, is asked for by that identifier.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentmem.meaning.terms import language_of, terms_of
from agentmem.recall.passages import passages_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from strands.types.content import Message

    from agentmem.recall.recall import SessionRecall
    from agentmem.replay.calls import ApiCalls

QUESTIONS, TOKENS = 20, 1_000
"""Questions at most, and tokens of an answer."""

SHORTEST_NAME = 4
"""Characters of the shortest identifier that is asked for."""


@dataclass(frozen=True)
class RecallCheck:
    """How much of what is out of view recall finds.

    Attributes:
        asked: How many passages were asked for.
        found: How many of them were in the answer, word for word.
        most_calls: API calls of the dearest question.
        tokens: Tokens of an answer at most.
    """

    asked: int
    found: int
    most_calls: int
    tokens: int = TOKENS


def check_recall(
    recall: SessionRecall, recording: Sequence[Message], shown: Iterable[Message], calls: ApiCalls
) -> RecallCheck:
    """Ask for passages of a recording by identifiers that the agent does not have before it any more.

    Args:
        recall: The session's recall.
        recording: All messages of the recording.
        shown: The messages that the agent holds.
        calls: Counts the API calls.
    """
    passages = [one.text.strip() for message in recording for one in passages_of(message)]
    terms = [terms_of(text, language_of(text)) for text in passages]
    counts = Counter(term for own in terms for term in own)
    in_view = json.dumps(list(shown), ensure_ascii=False, default=str).casefold()
    questions = []
    for text, own in zip(passages, terms, strict=True):
        names = (term for term in own if counts[term] == 1 and _is_identifier(term) and term not in in_view)
        questions += [(name, text) for name in list(names)[:1]]
    found, most = 0, 0
    chosen = questions[:: max(-(-len(questions) // QUESTIONS), 1)]
    for name, text in chosen:
        before = calls.total
        answer = recall.by_words(name, max_tokens=TOKENS)
        most = max(most, calls.total - before)
        found += any(text in one.text for one in answer)
    return RecallCheck(len(chosen), found, most)


def _is_identifier(term: str) -> bool:
    return len(term) >= SHORTEST_NAME and " " not in term and any(map(str.isdigit, term))
