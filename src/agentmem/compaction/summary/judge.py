"""Judges the sentences of messages by their meaning, ahead of time where it can, and remembers the judgements."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from agentmem.meaning import loading
from agentmem.meaning.sentences import split_sentences

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agentmem.meaning.classifier import Judgement, SentenceClassifier
    from agentmem.meaning.encoder import Encoder
    from agentmem.meaning.sentences import Sentence

MOST_SENTENCES = 40
"""Sentences judged of one text, the first and the last half of these: people ask before or after what they paste."""

_LOADING = 60.0
_BATCH = 32
"""Texts judged at a time: the prototypes are read once for all of them, 14 MB of memory."""
_REMEMBERED = 4_000
"""Texts whose judgements are remembered, about 20 MB: those of the messages that a session shows."""


class Judge:
    """Gives each sentence of a text with its judgement. Safe to share between threads.

    Attributes:
        keep: Plain words for what is to be kept.
    """

    def __init__(
        self,
        encoder: Encoder | str | None = "packaged",
        *,
        keep: Sequence[str] = (),
        prototypes: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Judge with an encoder.

        Args:
            encoder: ``"packaged"``, which is loaded in the background; an encoder of your own; None to judge nothing.
            keep: Plain words for what is to be kept.
            prototypes: Further sample sentences by kind.
        """
        self.keep = tuple(keep)
        self._encoder = encoder
        self._prototypes = dict(prototypes or {})
        self._own: SentenceClassifier | None = None
        self._judged: OrderedDict[str, list[tuple[Sentence, Judgement | None]]] = OrderedDict()
        self._acts: dict[str, bool] = {}
        self._lock = threading.Lock()
        if encoder == "packaged":
            loading.start_loading()

    @property
    def classifier(self) -> SentenceClassifier | None:
        """The classifier, or None when nothing is to be judged or the packaged encoder is not loaded yet."""
        if self._encoder is None:
            return None
        if self._encoder == "packaged" and not self._prototypes:
            return loading.ready_classifier()
        if self._own is None:
            encoder = loading.ready_encoder() if self._encoder == "packaged" else self._encoder
            if encoder is None or isinstance(encoder, str):
                return None
            self._own = _classifier(encoder, self._prototypes)
        return self._own

    def wait(self, timeout: float) -> None:
        """Wait for the packaged encoder where nobody waits for an answer, at most so many seconds."""
        if self._encoder == "packaged":
            try:
                loading.wait_until_ready(timeout)
            except (TimeoutError, loading.EncoderUnavailableError):
                return  # logged where it is loaded; what is summarized now is chosen without it

    def prepare(self, texts: Iterable[str]) -> None:
        """Judge texts ahead of the compaction that will ask for them; not on a user's time, for it may wait."""
        if self._encoder is None:
            return
        self.wait(_LOADING)
        self.judge_all(texts)

    def judge_all(self, texts: Iterable[str]) -> None:
        """Judge the texts that are not judged yet, many at a time, which takes a third of the time of one by one."""
        classifier = self.classifier
        if classifier is None:
            return
        with self._lock:
            new = [text for text in dict.fromkeys(texts) if not _is_judged(self._judged.get(text))]
        for at in range(0, len(new), _BATCH):
            some = new[at : at + _BATCH]
            split = [_split(text) for text in some]
            judgements = iter(classifier.judge([sentence for sentences in split for sentence in sentences]))
            for text, sentences in zip(some, split, strict=True):
                self._remember(text, [(sentence, next(judgements)) for sentence in sentences])

    def sentences(self, text: str) -> list[tuple[Sentence, Judgement | None]]:
        """Return the sentences of a text, each with its judgement; None where nothing judges.

        Args:
            text: A message's text. Of one with more than `MOST_SENTENCES` sentences the middle is left out.
        """
        classifier = self.classifier
        with self._lock:
            known = self._judged.get(text)
            if known is not None and (classifier is None or _is_judged(known)):
                self._judged.move_to_end(text)
                return known
        sentences = _split(text)
        judgements = [None] * len(sentences) if classifier is None else classifier.judge(sentences)
        found: list[tuple[Sentence, Judgement | None]] = list(zip(sentences, judgements, strict=True))
        self._remember(text, found)
        return found

    def does_something(self, tool: str) -> bool:
        """Tell whether a tool surely does something and does not only look something up; False where nothing judges."""
        classifier = self.classifier
        if classifier is None:
            return False
        if tool not in self._acts:
            from agentmem.meaning.calls import does_something

            self._acts[tool] = does_something(tool, classifier.encoder)
        return self._acts[tool]

    def _remember(self, text: str, found: list[tuple[Sentence, Judgement | None]]) -> None:
        with self._lock:
            self._judged[text] = found
            while len(self._judged) > _REMEMBERED:
                self._judged.popitem(last=False)


def _is_judged(known: list[tuple[Sentence, Judgement | None]] | None) -> bool:
    return known is not None and (not known or known[0][1] is not None)


def _split(text: str) -> list[Sentence]:
    sentences = split_sentences(text)
    if len(sentences) > MOST_SENTENCES:
        sentences = [*sentences[: MOST_SENTENCES // 2], *sentences[-MOST_SENTENCES // 2 :]]
    return sentences


def _classifier(encoder: Encoder, prototypes: Mapping[str, Sequence[str]]) -> SentenceClassifier:
    from agentmem.meaning.classifier import SentenceClassifier
    from agentmem.meaning.encoder import CachedEncoder
    from agentmem.meaning.prototypes import packaged_prototypes

    cached = encoder if isinstance(encoder, CachedEncoder) else CachedEncoder(encoder)
    return SentenceClassifier(cached, packaged_prototypes().with_added(prototypes))
