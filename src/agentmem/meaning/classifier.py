"""Judges sentences: which kind each one is, and how sure that is."""

from __future__ import annotations

import io
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from .blas import one_blas_thread
from .language import script_of
from .prototypes import Group, packaged_prototypes
from .sentences import Sentence, split_sentences

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from .encoder import Encoder
    from .kernel import Calibration, KernelModel
    from .prototypes import Prototypes

STANDING_THRESHOLD = 0.8
"""At this confidence and above a sentence is taken for a standing request. Chosen for few false ones, for of the
hundreds of sentences in a conversation almost none is a request that holds from now on: in cross-validation over the
prototypes two counterparts in a hundred reach it, of which many were written to be near (docs/figures/meaning.md)."""

UNKNOWN = "unknown"
"""The kind of a sentence in a writing system that the encoder does not know."""

SMALL_TALK_THRESHOLD = 0.5
"""At this confidence and above a sentence is taken for small talk."""

_SMALL_TALK = "small_talk"
_PACKAGED = "prototypes.npz"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The kind of a sentence.

    Attributes:
        kind: The most probable kind, or `UNKNOWN`, with confidences of 0, where the encoder cannot tell.
        confidence: How sure that is, 0 to 1. It is calibrated by cross-validation over the prototypes: of those given
            0.8 about eight in ten are of the kind. In a text where a kind is rarer than among the prototypes, fewer.
        standing: How sure it is that the sentence asks for something that holds from now on, as a standing request,
            a prohibition or a bound. Calibrated by itself, so it is not the sum of those three.
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

    Making one with the packaged prototypes and the packaged encoder reads a file of fitted weights. Sentences that were
    added to them are fitted behind them, in milliseconds; with another encoder, or without the packaged sentences, all
    are embedded and fitted and the confidences calibrated anew, some forty seconds of one core.
    """

    def __init__(self, encoder: Encoder, prototypes: Prototypes) -> None:
        self.encoder = encoder
        self.prototypes = prototypes
        self._kinds = prototypes.kinds
        self._model = _packaged_model(encoder, prototypes) or fit_model(encoder, prototypes)

    def judge(self, sentences: Sequence[Sentence | str]) -> list[Judgement]:
        """Judge sentences, all in one batch.

        A sentence with a label ("Important: never call me") is judged with and without it, and the reading that is
        more surely a standing request counts.

        Args:
            sentences: The sentences, as `split_sentences` gives them or as text.

        Returns:
            One judgement for each, in order. Confidences differ by less than 0.001 with what else is judged beside.
        """
        readings = [_readings(sentence) for sentence in sentences]
        texts = [text for reading in readings for text in reading]
        if not texts:
            return []
        rows, standing = self._model.confidences(self.encoder.encode(texts))
        judged = iter([self._judgement(*one) for one in zip(texts, rows, standing, strict=True)])
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
        ours, theirs = self.encoder.encode(texts), self.encoder.encode(list(phrases))
        with one_blas_thread():
            cosines = ours @ theirs.T
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

    def _judgement(self, text: str, row: NDArray[np.float32], standing: np.float32) -> Judgement:
        if self.encoder.scripts is not None and script_of(text) not in self.encoder.scripts | {""}:
            return Judgement(UNKNOWN, 0.0, 0.0, dict.fromkeys(self._kinds, 0.0))
        values = [round(float(value), 4) for value in row]  # vectors agree to seven digits, not to the last
        best = max(range(len(values)), key=values.__getitem__)
        scores = dict(zip(self._kinds, values, strict=True))
        return Judgement(self._kinds[best], values[best], round(float(standing), 4), scores)


def fit_model(encoder: Encoder, prototypes: Prototypes, *, afresh: bool = False) -> KernelModel:
    """Embed prototypes and fit the weights.

    Args:
        encoder: The encoder.
        prototypes: The prototypes.
        afresh: Whether to use nothing of the packaged file. Otherwise its vectors and its calibration are reused, if
            they are of the same encoder.
    """
    import numpy as np

    from . import kernel

    packed = {} if afresh else _packed()
    reusable = packed.get("encoder") == encoder.name and packed.get("digest") == packaged_prototypes().digest
    known: dict[str, NDArray[np.float32]] = {}
    if reusable:
        texts = (sample.text for sample in packaged_prototypes().samples)
        known = dict(zip(texts, _unpacked(packed["samples"]), strict=True))
    missing = list(dict.fromkeys(sample.text for sample in prototypes.samples if sample.text not in known))
    if missing:
        known.update(zip(missing, _unpacked(_packed_vectors(encoder.encode(missing))), strict=True))
    numbers = {kind: number for number, kind in enumerate(prototypes.kinds)}
    return kernel.fit(
        np.stack([known[sample.text] for sample in prototypes.samples]),
        np.array([numbers[sample.kind] for sample in prototypes.samples], dtype=np.int64),
        len(numbers),
        tuple(numbers[kind] for kind in prototypes.of_group(Group.STANDING)),
        calibration=_calibration(packed) if reusable else None,
    )


def packed_model(encoder: Encoder, prototypes: Prototypes) -> bytes:
    """Fit from the beginning and pack the result for ``prototypes.npz`` (``python bench/meaning.py --fit``)."""
    import numpy as np

    model = fit_model(encoder, prototypes, afresh=True)
    packed = io.BytesIO()
    np.savez_compressed(
        packed,
        encoder=np.array(encoder.name),
        digest=np.array(prototypes.digest),
        samples=_packed_vectors(model.samples),
        weights=model.weights,
        gamma=np.array(model.gamma),
        temperature=np.array(model.calibration.temperature),
        blend=np.array(model.calibration.blend),
    )
    return packed.getvalue()


def _packaged_model(encoder: Encoder, prototypes: Prototypes) -> KernelModel | None:
    """Return the packaged fit, with the sentences that were added; None when it is not of these prototypes."""
    import numpy as np

    from . import kernel

    packed, own = _packed(), packaged_prototypes()
    is_fitted = packed.get("encoder") == encoder.name and packed.get("digest") == own.digest
    if not is_fitted or prototypes.groups != own.groups or prototypes.samples[: len(own.samples)] != own.samples:
        return None
    group = tuple(prototypes.kinds.index(kind) for kind in prototypes.of_group(Group.STANDING))
    samples = _unpacked(packed["samples"])
    model = kernel.KernelModel(samples, packed["weights"], float(packed["gamma"]), group, _calibration(packed))
    added = prototypes.samples[len(own.samples) :]
    if not added:
        return model
    vectors = _unpacked(_packed_vectors(encoder.encode([sample.text for sample in added])))
    kinds = np.array([prototypes.kinds.index(sample.kind) for sample in added], dtype=np.int64)
    return kernel.extended(model, vectors, kinds, len(prototypes.kinds))


def _calibration(packed: Mapping[str, Any]) -> Calibration:
    from .kernel import Calibration

    of_score, of_odds, constant = packed["blend"].tolist()
    return Calibration(float(packed["temperature"]), (of_score, of_odds, constant))


def _packed() -> dict[str, Any]:
    """What the packaged file holds; nothing if it was not made yet."""
    import numpy as np

    file = resources.files(__package__) / _PACKAGED
    if not file.is_file():
        return {}
    with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as packed:
        return dict(packed)


def _packed_vectors(vectors: NDArray[np.float32]) -> NDArray[np.int8]:
    """Unit rows at a quarter of their size; cosines change by less than 0.01."""
    import numpy as np

    packed: NDArray[np.int8] = np.rint(vectors * (127 / np.abs(vectors).max(axis=1, keepdims=True))).astype(np.int8)
    return packed


def _unpacked(vectors: NDArray[np.int8]) -> NDArray[np.float32]:
    import numpy as np

    rows = vectors.astype(np.float32)
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _readings(sentence: Sentence | str) -> tuple[str, ...]:
    if isinstance(sentence, str):
        return (sentence,)
    return (sentence.text, sentence.statement) if sentence.statement_at else (sentence.text,)


def _standing(judgement: Judgement) -> float:
    return judgement.standing
