"""Adds folded exchanges to a summary: requests that hold, requests with their outcome, and passages worth keeping.

Nothing is taken out here because it seems to be replaced: passages stand in order, and a later one overrides an earlier
one in the reader's eyes. A request is closed by its outcome, never by a guess about its words.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from agentmem.checkpoints.summary import DONE, HELD, OPEN, QUOTED, TOLD, Statement, Summary, ToolNote
from agentmem.compaction.summary.entities import letters_in, names_in, values_of
from agentmem.compaction.summary.exchanges import exchanges_of
from agentmem.messages.text import clip

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from strands.types.content import Message

    from agentmem.compaction.summary.exchanges import Call, Exchange, Text
    from agentmem.compaction.summary.judge import Judge
    from agentmem.meaning.classifier import Judgement
    from agentmem.meaning.sentences import Sentence

SHORT = 24
"""Letters below which a passage means little alone: it is shown with the one before it, or as an answer to it."""

MAX_PASSAGE = 360
"""Characters kept of one passage."""

# Worth of a passage by its kind, for a reader who goes on with the conversation: first what others build on, then what
# happened, last what can be said again at any time.
_WORTH = {
    "standing_request": 1.2,
    "prohibition": 1.2,
    "bound": 1.2,
    "preference": 1.0,
    "decision": 1.0,
    "identifier": 1.0,
    "fact_person": 0.9,
    "fact_thing": 0.9,
    "plan": 0.7,
    "narration": 0.6,
    "open_task": 0.5,
    "advice": 0.4,
    "opinion": 0.4,
    "explanation": 0.35,
    "technical": 0.3,
    "question": 0.2,
    "small_talk": 0.02,
}
_UNJUDGED = 0.5
# What the assistant says follows from what the user said, and after a tool call from its result.
_ASSISTANT, _RETOLD = 0.6, 0.5
_ANSWERED, _WORKED = 0.5, 0.5
_ASKS = 0.5
_NOTHING = 0.08
_NEAR = 0.3
_QUESTION_MARKS = ("?", "？", "؟", "՞", ";")  # the last is the Greek question mark
_CLOSERS = " \"'”’»」』)*_"


def collect(previous: Summary, folded: Iterable[Message], judge: Judge) -> Summary:
    """Add folded messages to a summary, without regard to its size.

    Args:
        previous: The summary so far.
        folded: The newly folded messages, oldest first; never changed.
        judge: Judges the sentences.

    Returns:
        A summary of everything that may be kept.
    """
    messages = list(folded)
    collection = _Collection(list(previous.statements), {tool.name: tool for tool in previous.tools}, judge)
    exchanges = list(exchanges_of(messages))
    judge.judge_all(text.text for one in exchanges for text in (*one.asked, *one.answered))
    for exchange in exchanges:
        collection.add(exchange)
    return replace(
        previous,
        statements=tuple(sorted(collection.statements, key=lambda one: one.order)),
        tools=tuple(collection.tools[name] for name in sorted(collection.tools)),
        messages=previous.messages + len(messages),
    )


@dataclass
class _Passage:
    """Neighbouring sentences of one text that are kept or left together."""

    text: str
    judgements: list[Judgement | None]
    source: str
    at: str
    near: float = 0.0

    def worth(self, by: str) -> float:
        known = [judgement for judgement in self.judgements if judgement is not None]
        if known:
            worth = max(sum(share * _WORTH.get(kind, 0.5) for kind, share in one.scores.items()) for one in known)
            if by == "user":
                worth = max(worth, 1.5 * max(one.standing for one in known))
        else:
            worth = _UNJUDGED if letters_in(self.text) >= SHORT or values_of(self.text) else 0.1
        told = len(values_of(self.text)) + 0.5 * min(names_in(self.text), 4)
        worth *= 1 + 0.15 * min(told, 6)
        return round(worth * (1 + 3 * max(0.0, self.near - _NEAR)), 4)

    @property
    def kind(self) -> str:
        known = [judgement for judgement in self.judgements if judgement is not None]
        return max(known, key=lambda one: one.confidence).kind if known else ""


@dataclass
class _Collection:
    """The statements and tool notes of a summary that grows."""

    statements: list[Statement]
    tools: dict[str, ToolNote]
    judge: Judge
    next_order: int = field(init=False)

    def __post_init__(self) -> None:
        self.next_order = max((one.order for one in self.statements), default=-1) + 1

    def add(self, exchange: Exchange) -> None:
        """Add one exchange."""
        requests = self._read_user(exchange)
        for call in exchange.calls:
            self._note(call)
        replied = [(text, self.judge.sentences(text.text)) for text in exchange.answered]
        used = self._close(exchange, requests, replied)
        for text, judged in replied:
            rest = [pair for pair in judged if pair[0].text not in used]
            self._tell(
                _passages(text, rest, self.judge), "assistant", _ASSISTANT * (_RETOLD if exchange.calls else 1.0)
            )

    def _read_user(self, exchange: Exchange) -> list[_Passage]:
        """Take in the user's words; return those that ask for something."""
        requests: list[_Passage] = []
        for text in exchange.asked:
            judged = self.judge.sentences(text.text)
            rest: list[tuple[Sentence, Judgement | None]] = []
            for index, (sentence, judgement) in enumerate(judged):
                if judgement is not None and judgement.is_standing:
                    self._hold(sentence, judgement, judged[index - 1][0] if index else None, text)
                elif judgement is not None and _asks(judgement) >= _ASKS:
                    requests.append(_Passage(clip(sentence.text, MAX_PASSAGE), [judgement], text.source, text.at))
                else:
                    rest.append((sentence, judgement))
            self._tell(_passages(text, rest, self.judge), "user", 1.0)
        return requests

    def _hold(self, sentence: Sentence, judgement: Judgement, before: Sentence | None, text: Text) -> None:
        said = clip(sentence.text, MAX_PASSAGE)
        if letters_in(said) < SHORT and before is not None:
            said = f"{clip(before.text, MAX_PASSAGE // 2)} {said}"
        if any(one.section == HELD and _same(one.text, said) for one in self.statements):
            # Said again: it stands where it was said last.
            self.statements = [one for one in self.statements if one.section != HELD or not _same(one.text, said)]
        worth = _Passage(said, [judgement], text.source, text.at).worth("user")
        self._put(Statement(said, HELD, 0, "user", judgement.kind, judgement.standing, worth, text.source, text.at))

    def _tell(self, passages: Sequence[_Passage], by: str, share: float) -> None:
        for one in passages:
            worth = round(share * one.worth(by), 4)
            if worth < _NOTHING:
                continue  # an exclamation, thanks: nobody would look for it
            sure = max((judgement.confidence for judgement in one.judgements if judgement is not None), default=0.0)
            self._put(Statement(one.text, TOLD, 0, by, one.kind, round(sure, 4), worth, one.source, one.at))

    def _note(self, call: Call) -> None:
        old = self.tools.get(call.name, ToolNote(call.name, 0))
        self.tools[call.name] = ToolNote(
            call.name, old.calls + 1, old.failures + call.failed, call.line, self.next_order
        )

    def _close(
        self,
        exchange: Exchange,
        requests: Sequence[_Passage],
        replied: Sequence[tuple[Text, list[tuple[Sentence, Judgement | None]]]],
    ) -> set[str]:
        """Give a request its outcome, as far as there is one; return the sentences of the answer that it holds."""
        last = self._last_request()
        if not exchange.asked and (last is None or last.section == DONE or not exchange.ended):
            return set()  # a part of a turn whose request is not folded yet
        if last is not None and (not exchange.asked or _goes_on(exchange, requests, last)):
            request = last
        elif requests or (exchange.calls and exchange.asked):
            request = self._request(exchange, requests)
        else:
            return set()
        answer = [pair for _, judged in replied for pair in judged]
        back = _asked_back(answer) if exchange.ended else None
        if request is last and last.section == DONE and not exchange.calls:
            return set()
        said = _answer(answer, request, exchange.calls)
        calls = [
            f"{call.name}({clip(call.given, 80)}){' failed' if call.failed else ''}" for call in exchange.calls[-2:]
        ]
        has_ended = exchange.ended or self._did_it(exchange)
        is_open = not has_ended or back is not None
        parts = [*calls, *([clip(back, MAX_PASSAGE // 2)] if back is not None and not said else []), *said]
        outcome = "; ".join(parts) or request.outcome
        at = next((text.at for text in (*exchange.answered, *exchange.asked) if text.at), request.at)
        worked = any(not call.failed for call in exchange.calls)
        worth = round(max(request.weight, _ANSWERED) + (_WORKED if worked and request is not last else 0.0), 4)
        closed = replace(
            request,
            section=OPEN if is_open else DONE,
            outcome=outcome,
            at=at,
            weight=worth,
            unanswered=not has_ended,
        )
        self.statements = [one for one in self.statements if one is not request]
        self._put(closed)
        return set(said)

    def _did_it(self, exchange: Exchange) -> bool:
        """Whether a turn without an answer has an outcome all the same: its last call did something and succeeded.

        Nothing that was called may have failed the last time, and looking something up is not doing it.
        """
        latest = {call.name: call for call in exchange.calls}
        succeeded = bool(latest) and all(call.returned and not call.failed for call in latest.values())
        return succeeded and self.judge.does_something(exchange.calls[-1].name)

    def _request(self, exchange: Exchange, requests: Sequence[_Passage]) -> Statement:
        """Make the request of an exchange: its asking sentences, or of an unjudged one its first and last words."""
        if requests:
            text = clip(" ".join(dict.fromkeys(one.text for one in requests)), MAX_PASSAGE)
            kind, source = requests[0].kind, requests[0].source
            sure = max(one.judgements[0].confidence for one in requests if one.judgements[0] is not None)
            worth = max(one.worth("user") for one in requests)
        else:
            text = clip(exchange.asked[-1].text, MAX_PASSAGE // 2)
            kind, sure, source, worth = "", 0.0, exchange.asked[-1].source, _UNJUDGED
            # They were taken for something told; as the request they stand once.
            self.statements = [
                one for one in self.statements if one.section != TOLD or one.source != source or one.text not in text
            ]
        self._settle()
        request = Statement(text, OPEN, 0, "user", kind, round(sure, 4), worth, source, exchange.asked[-1].at)
        self._put(request)
        return self.statements[-1]

    def _settle(self) -> None:
        """Close what was answered by a question and not come back to: its outcome is that question.

        What a model quoted as open stays so, whatever was answered to it, and so does what was not answered at all.
        """
        self.statements = [
            replace(one, section=DONE)
            if one.section == OPEN and one.outcome and not one.unanswered and one.kind != QUOTED
            else one
            for one in self.statements
        ]

    def _last_request(self) -> Statement | None:
        """Return the request that an answer belongs to; one that a model quoted as open is the model's to close."""
        own = (one for one in self.statements if one.section in (OPEN, DONE) and one.kind != QUOTED)
        return max(own, key=_order, default=None)

    def _put(self, statement: Statement) -> None:
        self.statements.append(replace(statement, order=self.next_order))
        self.next_order += 1


def _goes_on(exchange: Exchange, requests: Sequence[_Passage], last: Statement) -> bool:
    """Whether the user's words answer a question, agree or add to the last request, instead of asking anew."""
    letters = sum(letters_in(text.text) for text in exchange.asked)
    if requests:
        named = any(values_of(one.text) for one in requests)
        # Where the turn broke off, nothing was asked back that these could answer.
        return last.section == OPEN and not last.unanswered and not named and letters < 2 * SHORT
    # A few words after an outcome are thanks or assent, unless there was work to do for them.
    return last.section == OPEN or (bool(exchange.asked) and letters < SHORT and not exchange.calls)


def _order(statement: Statement) -> int:
    return statement.order


def _asks(judgement: Judgement) -> float:
    return judgement.scores.get("open_task", 0.0) + judgement.scores.get("question", 0.0)


def _same(one: str, other: str) -> bool:
    return " ".join(one.casefold().split()) == " ".join(other.casefold().split())


def _is_question(sentence: Sentence, judgement: Judgement | None) -> bool:
    """Whether the assistant wants an answer before it goes on; an offer to help further wants none."""
    if not sentence.text.rstrip(_CLOSERS).endswith(_QUESTION_MARKS):
        return False
    if judgement is None:
        return True
    return judgement.scores.get("offer", 0.0) + judgement.scores.get("small_talk", 0.0) < judgement.scores.get(
        "question", 0.0
    )


def _asked_back(answer: Sequence[tuple[Sentence, Judgement | None]]) -> str | None:
    """Return the question with which the assistant ended its answer."""
    for sentence, judgement in reversed(answer[-2:]):
        if _is_question(sentence, judgement):
            return sentence.text
    return None


def _answer(
    answer: Sequence[tuple[Sentence, Judgement | None]], request: Statement, calls: Sequence[Call]
) -> list[str]:
    """Choose the sentence of an answer that says most of what came of a request."""
    wanted = values_of(request.text) | frozenset(value for call in calls for value in values_of(call.given))
    best, most = "", 0.0
    for place, (sentence, judgement) in enumerate(answer):
        if _is_question(sentence, judgement):
            continue
        values = values_of(sentence.text)
        worth = (
            1.0
            if judgement is None
            else 1.0 - judgement.scores.get("small_talk", 0.0) - judgement.scores.get("offer", 0.0)
        )
        score = worth * (1.0 + 0.5 * len(values & wanted) + 0.2 * min(len(values), 3)) - 0.02 * place
        if letters_in(sentence.text) < SHORT // 2 and not values:
            score /= 2
        if score > most:
            best, most = sentence.text, score
    return [clip(best, MAX_PASSAGE // 2)] if best else []


def _passages(text: Text, judged: Sequence[tuple[Sentence, Judgement | None]], judge: Judge) -> list[_Passage]:
    """Put short sentences together with their neighbour, so that each passage means something alone."""
    near = [0.0] * len(judged)
    classifier = judge.classifier
    if judge.keep and classifier is not None and judged:
        near = classifier.nearness([sentence for sentence, _ in judged], judge.keep)
    found: list[_Passage] = []
    for (sentence, judgement), nearness in zip(judged, near, strict=True):
        said = clip(sentence.text, MAX_PASSAGE)
        last = found[-1] if found else None
        joins = last is not None and (letters_in(said) < SHORT or letters_in(last.text) < SHORT)
        if last is not None and joins and len(last.text) + len(said) < MAX_PASSAGE:
            last.text, last.near = f"{last.text} {said}", max(last.near, nearness)
            last.judgements.append(judgement)
        else:
            found.append(_Passage(said, [judgement], text.source, text.at, nearness))
    return found
