"""Judges sentences: which kind each one is, and how sure that is."""

from __future__ import annotations

import io
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from .prototypes import Group
from .sentences import Sentence, split_sentences

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from .encoder import Encoder
    from .kernel import KernelModel
    from .prototypes import Prototypes

STANDING_THRESHOLD = 0.6
"""At this confidence and above a sentence is taken for a standing request. Chosen for few false ones: of the hundreds
of sentences in a conversation almost none is a request that holds from now on (docs/figures/meaning.md)."""

SMALL_TALK_THRESHOLD = 0.5
"""At this confidence and above a sentence is taken for small talk."""

_SMALL_TALK = "small_talk"
_PACKAGED = "prototypes.npz"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The kind of a sentence.

    Attributes:
        kind: The most probable kind.
        confidence: How sure that is, 0 to 1. It is calibrated by cross-validation over the prototypes: of those given
            0.8 about eight in ten are of the kind. In a text where a kind is rarer than among the prototypes, fewer.
        standing: How sure it is that the sentence asks for something that holds from now on: the sum over the kinds
            of that group (standing request, prohibition, bound).
        scores: The confidence of each kind. They add up to 1.
    """

    kind: str
    confidence: float
    standing: float
    scores: Mapping[str, float]

    @property
    def is_standing(self) -> bool:
        """Whether the sentence is to be treated as a standing request."""
        return self.standing >= STANDING_THRESHOLD


class SentenceClassifier:
    """Judges sentences by their nearness to prototypes. Safe to share between threads.

    Making one with the packaged prototypes and the packaged encoder reads a file of fitted weights. With other
    prototypes the new ones are embedded and the weights fitted, about half a second of one core; with another encoder
    all of them are embedded.
    """

    def __init__(self, encoder: Encoder, prototypes: Prototypes) -> None:
        self.encoder = encoder
        self.prototypes = prototypes
        self._kinds = prototypes.kinds
        self._standing = [self._kinds.index(kind) for kind in prototypes.of_group(Group.STANDING)]
        self._model = _packaged_model(encoder, prototypes) or fit_model(encoder, prototypes)

    def judge(self, sentences: Sequence[Sentence | str]) -> list[Judgement]:
        """Judge sentences, all in one batch.

        A sentence with a label ("Important: never call me") is judged with and without it, and the reading that is
        more surely a standing request counts.

        Args:
            sentences: The sentences, as `split_sentences` gives them or as text.

        Returns:
            One judgement for each, in order. The same sentence has the same one whatever it is judged with.
        """
        readings = [_readings(sentence) for sentence in sentences]
        texts = [text for reading in readings for text in reading]
        if not texts:
            return []
        judged = iter([self._judgement(row) for row in self._model.probabilities(self.encoder.encode(texts))])
        return [max((next(judged) for _ in reading), key=_standing) for reading in readings]

    def standing(self, sentence: Sentence | str) -> float:
        """Say how sure it is that a sentence asks for something that holds from now on, 0 to 1."""
        return self.judge([sentence])[0].standing

    def nearness(self, sentences: Sequence[Sentence | str], phrases: Sequence[str]) -> list[float]:
        """Say how near each sentence is to the nearest of some phrases, such as "dietary restrictions".

        Args:
            sentences: The sentences.
            phrases: Plain words for what is wanted, in any language.

        Returns:
            A cosine for each sentence, at most 1; 0 if there are no phrases.
        """
        if not sentences or not phrases:
            return [0.0] * len(sentences)
        texts = [sentence.text if isinstance(sentence, Sentence) else sentence for sentence in sentences]
        cosines = self.encoder.encode(texts) @ self.encoder.encode(list(phrases)).T
        return [round(float(cosine), 4) for cosine in cosines.max(axis=1)]

    def worth_searching(self, text: str, *, language: str | None = None) -> float:
        """Say how sure it is that a message is more than small talk, thanks or a confirmation, 0 to 1.

        Args:
            text: A user's message.
            language: Its ISO 639-1 code, if it is known.

        Returns:
            The confidence for the sentence that is least like small talk. 0 for a text without letters or digits, 1 for
            one that is nothing but code or data.
        """
        sentences = split_sentences(text, language=language)
        if not sentences:
            return 1.0 if any(character.isalnum() for character in text) else 0.0
        return max(1.0 - judgement.scores.get(_SMALL_TALK, 0.0) for judgement in self.judge(sentences))

    def is_small_talk(self, text: str, *, language: str | None = None) -> bool:
        """Tell whether a message is nothing but small talk, thanks or a confirmation."""
        return self.worth_searching(text, language=language) <= 1.0 - SMALL_TALK_THRESHOLD

    def _judgement(self, row: NDArray[np.float32]) -> Judgement:
        values = [round(float(value), 4) for value in row]  # vectors agree to seven digits, not to the last
        best = max(range(len(values)), key=values.__getitem__)
        standing = round(min(1.0, sum(values[index] for index in self._standing)), 4)
        return Judgement(self._kinds[best], values[best], standing, dict(zip(self._kinds, values, strict=True)))


def fit_model(encoder: Encoder, prototypes: Prototypes) -> KernelModel:
    """Embed the prototypes and fit the weights, reusing packaged vectors of the same encoder."""
    import numpy as np

    from . import kernel

    known = _packaged_vectors(encoder.name)
    texts = [sample.text for sample in prototypes.samples]
    missing = [text for text in dict.fromkeys(texts) if text not in known]
    if missing:
        known = known | dict(zip(missing, _rounded(encoder.encode(missing)), strict=True))
    numbers = {kind: number for number, kind in enumerate(prototypes.kinds)}
    kinds = np.array([numbers[sample.kind] for sample in prototypes.samples], dtype=np.int64)
    return kernel.fit(np.stack([known[text] for text in texts]), kinds, len(numbers))


def packed_model(encoder: Encoder, prototypes: Prototypes) -> bytes:
    """Fit from the beginning and pack the result for ``prototypes.npz`` (``python bench/meaning.py --fit``)."""
    import numpy as np

    model = fit_model(encoder, prototypes)
    packed = io.BytesIO()
    np.savez_compressed(
        packed,
        encoder=np.array(encoder.name),
        digest=np.array(prototypes.digest),
        texts=np.array([sample.text for sample in prototypes.samples]),
        samples=model.samples.astype(np.float16),
        weights=model.weights,
        gamma=np.array(model.gamma),
        temperature=np.array(model.temperature),
    )
    return packed.getvalue()


def _packaged_model(encoder: Encoder, prototypes: Prototypes) -> KernelModel | None:
    from .kernel import KernelModel

    packed = _packed()
    if packed.get("encoder") != encoder.name or packed["digest"] != prototypes.digest:
        return None
    samples = packed["samples"].astype("float32")
    return KernelModel(samples, packed["weights"], float(packed["gamma"]), float(packed["temperature"]))


def _packaged_vectors(encoder_name: str) -> dict[str, NDArray[np.float32]]:
    packed = _packed()
    if packed.get("encoder") != encoder_name:
        return {}
    return dict(zip(packed["texts"].tolist(), packed["samples"].astype("float32"), strict=True))


def _packed() -> dict[str, Any]:
    import numpy as np

    file = resources.files(__package__) / _PACKAGED
    if not file.is_file():
        return {}
    with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as packed:
        return dict(packed)


def _rounded(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors as the packaged file holds them, so that packed and fresh ones are alike."""
    import numpy as np

    return vectors.astype(np.float16).astype(np.float32)


def _readings(sentence: Sentence | str) -> tuple[str, ...]:
    if isinstance(sentence, str):
        return (sentence,)
    return (sentence.text, sentence.statement) if sentence.statement_at else (sentence.text,)


def _standing(judgement: Judgement) -> float:
    return judgement.standing
