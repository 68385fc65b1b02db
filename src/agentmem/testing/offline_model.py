"""Answers without a network by quoting the request, in place of a language model.

It is no language model. A question is answered with the sentence of the request that shares the most telling words
with it; without one good enough it looks through the tools (`recall_session` above all), and failing that it says
that it does not know. So whatever it knows, memory has put into its request.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentmem.testing.model_base import Answer, AnsweringModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from strands.types.content import ContentBlock, Message, Messages
    from strands.types.tools import ToolSpec

    from agentmem.testing.model_base import ModelRequest

DOES_NOT_KNOW = "I do not know: nothing I was given says so."
NOTED = "Noted."
DONE = "Done."
RECALL_TOOL = "recall_session"

GOOD_ENOUGH = 0.5
"""Share of the question's words, weighted by how rare they are, that an answer must hold."""

_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=\));\s+|\s→\s+")
"""The end of a sentence, and in a line of a summary what stands between a request, its tool calls and its outcome."""
_TAG = re.compile(r"</?[a-zA-Z_][^<>]*>")
_FUNCTION_WORDS = """
a about am an and any are as at be been but by can could did do does for from had has have he her his how i if in is it
its me my of on or our please s she should so some such that the their them then there they this to us was we were what
when where which who whom whose why will with would you your tell know remember
"""
_STOP_WORDS = frozenset(_FUNCTION_WORDS.split())
_SUFFIXES = ("ing", "ed", "es", "s", "e")


@dataclass(frozen=True)
class _Situation:
    """The question of a request and the material for an answer.

    Attributes:
        question: The user's last own words.
        known: Sentences of the request outside the present turn's tool results.
        found: Sentences of the present turn's tool results.
        called: Names of the tools called in the present turn.
    """

    question: str
    known: list[str]
    found: list[str]
    called: list[str]


class OfflineModel(AnsweringModel):
    """A Strands model that needs no network and quotes its request.

    Args:
        context_window_limit: The window it claims to have, in tokens.

    Attributes:
        request_tokens: The size of every request so far, in tokens (tiktoken).
        last_request: The text of everything in the last request, system prompt and tool results included.
    """

    def __init__(self, context_window_limit: int = 200_000) -> None:
        """Start without any knowledge, which it never gains."""
        super().__init__("offline", context_window_limit=context_window_limit)
        self.request_tokens: list[int] = []
        self.last_request = ""

    def answer(self, request: ModelRequest) -> Answer:
        """Quote the sentence that answers the last question, call a tool, or say that it does not know.

        Args:
            request: What the agent sent.

        Returns:
            One text or one tool call.
        """
        messages, system = request.messages, request.system
        self.request_tokens.append(request.tokens)
        self.last_request = "\n".join([system or "", *(text for m in messages for text in _texts(m["content"]))])
        call_id = f"offline-{len(messages)}-{request.tokens}"
        return Answer(_answer(_situation(messages, system), request.tools, call_id))


def best_sentence(question: str, sentences: Sequence[str], *, ignoring: str = "") -> str | None:
    """Find the sentence that answers a question best.

    Args:
        question: The question.
        sentences: Candidates, oldest first; questions among them are passed over.
        ignoring: Words of the question that do not count, such as the name of the tool it asked for.

    Returns:
        The sentence whose words, the rare ones counting more, cover the most of the question's words, the latest of
        equals; None when the best covers less than half.
    """
    wanted = set(_stems(question)) - set(_stems(ignoring))
    words = [set(_stems(sentence)) for sentence in sentences]
    seen = Counter(word for found in words for word in found & wanted)
    weight = {word: math.log(1 + len(sentences) / seen[word]) for word in seen}
    if not weight:
        return None
    # A word that no sentence holds tells nothing about which is best, only about how good it is.
    unseen = sum(weight.values()) / len(weight) * len(wanted - set(seen))
    total = sum(weight.values()) + unseen
    best, best_score = None, GOOD_ENOUGH
    for sentence, found in zip(sentences, words, strict=True):
        score = sum(weight[word] for word in found & wanted) / total
        if score >= best_score and not sentence.rstrip().endswith("?"):
            best, best_score = sentence, score
    return best


def _answer(situation: _Situation, tools: Sequence[ToolSpec], call_id: str) -> list[ContentBlock]:
    """Decide between an answer, a tool call and not knowing."""
    question = situation.question
    asks = question.rstrip().endswith("?")
    quote = best_sentence(question, situation.found, ignoring=" ".join(situation.called).replace("_", " "))
    if quote is None and asks:
        quote = best_sentence(question, situation.known)
    if quote is not None:
        return [{"text": quote}]
    if situation.called and not asks:
        return [{"text": DONE}]
    tool = _tool_for(question, [tool for tool in tools if tool["name"] not in situation.called], asks=asks)
    if tool is not None:
        return [{"toolUse": {"toolUseId": call_id, "name": tool["name"], "input": _arguments(tool, question)}}]
    return [{"text": DOES_NOT_KNOW if asks else NOTED}]


def _tool_for(question: str, tools: Sequence[ToolSpec], *, asks: bool) -> ToolSpec | None:
    """Choose the tool whose name shares the most words with the question; for a question else the recall."""
    wanted = set(_stems(question))
    best, best_score = None, 0
    for tool in tools:
        score = len(wanted & set(_stems(tool["name"].replace("_", " "))))
        if tool["name"] != RECALL_TOOL and score > best_score:
            best, best_score = tool, score
    if best is None and asks:
        best = next((tool for tool in tools if tool["name"] == RECALL_TOOL), None)
    return best


def _arguments(tool: ToolSpec, question: str) -> dict[str, Any]:
    """Fill the tool's query, or its required texts, with the question."""
    schema: Mapping[str, Any] = tool["inputSchema"].get("json", {})
    if "query" in schema.get("properties", {}):
        return {"query": question}
    return dict.fromkeys(schema.get("required", []), question)


def _situation(messages: Messages, system_prompt: str | None) -> _Situation:
    """Read the request."""
    turn = max((index for index, message in enumerate(messages) if _own_text(message)), default=0)
    own = _own_text(messages[turn]) if messages else []
    question = own[-1] if own else ""
    known = list(_sentences(system_prompt or ""))
    found: list[str] = []
    called: list[str] = []
    for index, message in enumerate(messages):
        if index > turn:
            called += [block["toolUse"]["name"] for block in message["content"] if "toolUse" in block]
        for text in _texts(message["content"]):
            if text == question or text in {DOES_NOT_KNOW, NOTED, DONE}:
                continue
            # What repeats the question, as a search that found nothing does, answers nothing.
            sentences = [one for one in _sentences(text) if not (question.endswith("?") and question in one)]
            (found if index > turn else known).extend(sentences)
    return _Situation(question, known, found, called)


def _own_text(message: Message) -> list[str]:
    """Return the user's own text, without fenced blocks of memory; nothing for an assistant's message."""
    if message["role"] != "user":
        return []
    return [
        block["text"] for block in message["content"] if "text" in block and not block["text"].lstrip().startswith("<")
    ]


def _texts(content: Sequence[ContentBlock]) -> Iterator[str]:
    """Yield every text of a message, those of tool results included."""
    for block in content:
        if "text" in block:
            yield block["text"]
        for item in block["toolResult"]["content"] if "toolResult" in block else ():
            if "text" in item:
                yield item["text"]
            elif "json" in item:
                yield json.dumps(item["json"], ensure_ascii=False)


def _sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a text, line by line; JSON is read object by object."""
    for line in text.splitlines():
        stripped = _TAG.sub("", line).strip().lstrip("-*• ").strip()
        if not stripped:
            continue
        if stripped[0] in "{[" and stripped[-1] in "}]":
            try:
                yield from _objects(json.loads(stripped))
                continue
            except ValueError:
                pass
        # What is left of JSON that was cut is read up to the end of each object.
        for piece in stripped.split("}"):
            yield from _SENTENCE.split(piece)


def _objects(value: Any) -> Iterator[str]:
    """Yield one sentence for each innermost object of a JSON value, and for each text outside one."""
    if isinstance(value, dict):
        plain = {key: item for key, item in value.items() if not isinstance(item, (dict, list))}
        if plain:
            yield ", ".join(f"{key}: {item}" for key, item in plain.items())
        for key, item in value.items():
            if key not in plain:
                yield from _objects(item)
    elif isinstance(value, list):
        for item in value:
            yield from _objects(item)
    else:
        yield str(value)


def _stems(text: str) -> list[str]:
    """Return the telling words of a text, lower case and without common endings."""
    stems = []
    for word in _WORD.findall(text.lower()):
        if word in _STOP_WORDS:
            continue
        suffix = next((end for end in _SUFFIXES if word.endswith(end) and len(word) - len(end) >= 3), "")
        stems.append(word[: len(word) - len(suffix)])
    return stems
