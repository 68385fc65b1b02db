"""Fits a classifier to sample vectors in closed form, and calibrates it.

The model is kernel ridge regression on the kinds (a radial kernel, so that it sees neighbourhoods and not only
directions), with a softmax whose temperature is set by cross-validation. For one group of kinds against all others a
second regression is fitted, and the group's confidence is a logistic regression on both. Figures of it and of what it
was chosen over are in docs/figures/meaning.md. Fitting 6,500 samples and calibrating takes
about forty seconds of one core, and the result is the same each time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .blas import one_blas_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Integers = NDArray[np.int64]

_ROWS = 256
"""Vectors compared with all samples at a time; their kernel takes 7 MB."""

# Both by cross-validation over the packaged prototypes; the optimum is flat.
_WIDTH = 1.8  # of the kernel, over the median squared distance between samples
_RIDGE = 0.1
_FOLDS = 5
# Samples nearer than this are translations or variants of each other, and are left out together.
_SAME = 0.72
_NEWTON_STEPS = 30
# To add samples: of the old ones so many of the nearest to each, of so many new ones, and every such one of all.
_NEAREST = 100
_MOST_ADDED = 20
_EVERY = 5
_TEMPERATURES = np.geomspace(0.01, 1.0, 80)


@dataclass(frozen=True, slots=True)
class Calibration:
    """How scores become confidences.

    Attributes:
        temperature: Of the softmax over the kinds.
        blend: Three weights of a logistic regression: of the group's own score, of the log odds that the softmax gives
            the group, and a constant.
    """

    temperature: float
    blend: tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class KernelModel:
    """A fitted classifier of k kinds, some of which form a group.

    Attributes:
        samples: Shape (n, d), unit rows.
        weights: Shape (n, k + 1), of each sample for each kind and, last, for the group against all others.
        gamma: The kernel is ``exp(-gamma * squared distance)``.
        group: The numbers of the group's kinds.
        calibration: How scores become confidences.
    """

    samples: Floats
    weights: Floats
    gamma: float
    group: tuple[int, ...]
    calibration: Calibration

    def confidences(self, vectors: Floats) -> tuple[Floats, Floats]:
        """Give each vector a confidence for each kind, and one for the group.

        Args:
            vectors: Shape (m, d), unit rows.

        Returns:
            Shape (m, k), rows that add up to 1, and shape (m,), from 0 to 1.
        """
        with one_blas_thread():
            parts = [vectors[at : at + _ROWS] for at in range(0, len(vectors), _ROWS)] or [vectors]
            scores = np.concatenate([_kernel(part, self.samples, self.gamma) @ self.weights for part in parts])
        return confidences(scores, self.group, self.calibration)


def fit(
    samples: Floats, kinds: Integers, count: int, group: tuple[int, ...], *, calibration: Calibration | None = None
) -> KernelModel:
    """Fit a classifier.

    Args:
        samples: Shape (n, d), unit rows.
        kinds: Shape (n,), the number of each sample's kind, from 0.
        count: The number of kinds.
        group: The numbers of the kinds that form the group.
        calibration: That of a model of nearly the same samples; None finds it by cross-validation.
    """
    with one_blas_thread():
        if calibration is None:
            together = alike(samples, kinds)
            if min(len(np.unique(together[kinds == kind])) for kind in np.unique(kinds)) < _FOLDS:
                together = np.arange(len(samples))  # a kind that says one thing only would be left out as a whole
            scores = held_out_scores(samples, kinds, count, group, together)
            calibration = calibrate(scores, kinds, group)
        gamma = _gamma(samples)
        return KernelModel(samples, _weights(samples, kinds, count, group, gamma), gamma, group, calibration)


def extended(model: KernelModel, samples: Floats, kinds: Integers, count: int) -> KernelModel:
    """Add a few samples to a fitted classifier, for far less than fitting it anew.

    The new samples are fitted to what the model leaves to be desired of them, by the kernel that is left once the old
    samples are accounted for, so that what is far from the new ones keeps its scores. Of the old samples it takes those
    that are near to new ones, and some of all the others: so it is nearly, and not exactly, the fit of all.

    Args:
        model: The classifier.
        samples: Shape (m, d), unit rows.
        kinds: Shape (m,), the number of each sample's kind.
        count: The number of kinds.
    """
    with one_blas_thread():
        missing = _wanted(kinds, count, model.group) - _kernel(samples, model.samples, model.gamma) @ model.weights
        nearest = np.argsort(-(samples @ model.samples.T), axis=1)[:, :_NEAREST]
        known = np.union1d(nearest[:_MOST_ADDED], np.arange(0, len(model.samples), _EVERY))
        old = model.samples[known]
        shared = _kernel(old, samples, model.gamma)
        gram = _kernel(old, old, model.gamma) + np.float32(_RIDGE) * np.eye(len(old), dtype=np.float32)
        explained = np.linalg.solve(gram, shared).astype(np.float32)
        left = _kernel(samples, samples, model.gamma) - shared.T @ explained
        added = np.linalg.solve(left + np.float32(_RIDGE) * np.eye(len(left), dtype=np.float32), missing).astype(
            np.float32
        )
        weights = model.weights.copy()
        weights[known] -= explained @ added
        return replace(model, samples=np.vstack([model.samples, samples]), weights=np.vstack([weights, added]))


def held_out_scores(samples: Floats, kinds: Integers, count: int, group: tuple[int, ...], together: Integers) -> Floats:
    """Score each sample by a model that has not seen it, nor any other that says nearly the same.

    Args:
        samples: Shape (n, d), unit rows.
        kinds: Shape (n,), the number of each sample's kind.
        count: The number of kinds.
        group: The numbers of the kinds that form the group.
        together: Shape (n,), numbers from 0; samples with the same number are left out together.

    Returns:
        Shape (n, count + 1), the last column for the group; to be given to `confidences`.
    """
    gamma = _gamma(samples)
    scores = np.zeros((len(samples), count + 1), dtype=np.float32)
    for fold in range(_FOLDS):
        out = together % _FOLDS == fold
        if out.any() and not out.all():
            weights = _weights(samples[~out], kinds[~out], count, group, gamma)
            scores[out] = _kernel(samples[out], samples[~out], gamma) @ weights
    return scores


def alike(samples: Floats, kinds: Integers) -> Integers:
    """Give the samples of a kind that say nearly the same, such as translations, the same number."""
    number = np.zeros(len(samples), dtype=np.int64)
    for kind in np.unique(kinds):
        (of_kind,) = np.nonzero(kinds == kind)
        near = samples[of_kind] @ samples[of_kind].T > _SAME
        np.fill_diagonal(near, val=True)
        lowest = of_kind
        while True:  # each takes the lowest number among its neighbours, until all that hang together have one
            spread = np.where(near, lowest[None, :], len(samples)).min(axis=1)
            if (spread == lowest).all():
                break
            lowest = spread
        number[of_kind] = lowest
    return np.asarray(np.unique(number, return_inverse=True)[1], dtype=np.int64)


def calibrate(scores: Floats, kinds: Integers, group: tuple[int, ...]) -> Calibration:
    """Find the calibration under which the kinds of held-out samples are most probable."""
    rows = np.arange(len(kinds))
    losses = [-np.log(softmax(scores[:, :-1], float(t))[rows, kinds] + 1e-9).mean() for t in _TEMPERATURES]
    temperature = float(_TEMPERATURES[int(np.argmin(losses))])
    seen, wanted = _group_features(scores, group, temperature), np.isin(kinds, group).astype(np.float64)
    blend = np.zeros(3)
    for _ in range(_NEWTON_STEPS):
        chance = _logistic(seen @ blend)
        curvature = (seen * (chance * (1 - chance))[:, None]).T @ seen + 1e-3 * np.eye(3)
        blend -= np.linalg.solve(curvature, seen.T @ (chance - wanted) + 1e-3 * blend)
    return Calibration(temperature, (float(blend[0]), float(blend[1]), float(blend[2])))


def confidences(scores: Floats, group: tuple[int, ...], calibration: Calibration) -> tuple[Floats, Floats]:
    """Turn scores, shape (m, k + 1), into confidences for the kinds and for the group."""
    features = _group_features(scores, group, calibration.temperature)
    return softmax(scores[:, :-1], calibration.temperature), _logistic(features @ np.array(calibration.blend)).astype(
        np.float32
    )


def softmax(scores: Floats, temperature: float) -> Floats:
    """Turn scores, shape (m, k), into probabilities."""
    raised = np.exp((scores - scores.max(axis=1, keepdims=True)) / temperature)
    chances: Floats = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
    return chances


def _group_features(scores: Floats, group: tuple[int, ...], temperature: float) -> NDArray[np.float64]:
    chance = softmax(scores[:, :-1], temperature)[:, list(group)].sum(axis=1, dtype=np.float64).clip(1e-6, 1 - 1e-6)
    return np.column_stack([scores[:, -1], np.log(chance / (1 - chance)), np.ones(len(scores))])


def _logistic(values: NDArray[np.float64]) -> NDArray[np.float64]:
    chance: NDArray[np.float64] = 1 / (1 + np.exp(-values.clip(-50, 50)))
    return chance


def _gamma(samples: Floats) -> float:
    squared = 2.0 - 2.0 * (samples @ samples.T)
    return _WIDTH / max(1e-6, float(np.median(squared)))


def _weights(samples: Floats, kinds: Integers, count: int, group: tuple[int, ...], gamma: float) -> Floats:
    gram = _kernel(samples, samples, gamma)
    sizes = np.bincount(kinds, minlength=count)
    # A kind with many samples is held back in proportion, or far-away sentences would be taken for it.
    ridge = _RIDGE * sizes[kinds] / sizes[sizes > 0].mean()
    wanted = _wanted(kinds, count, group)
    diagonal = np.einsum("ii->i", gram)  # a view: matrices for the ridges would take as much memory again
    kernel_diagonal = diagonal.copy()
    diagonal += ridge.astype(np.float32)
    for_kinds = np.linalg.solve(gram, wanted[:, :-1])
    diagonal[:] = kernel_diagonal + np.float32(_RIDGE)
    for_group = np.linalg.solve(gram, wanted[:, -1])
    return np.column_stack([for_kinds, for_group]).astype(np.float32)


def _wanted(kinds: Integers, count: int, group: tuple[int, ...]) -> Floats:
    """Return the scores that samples should have, shape (n, count + 1)."""
    of_kind = np.eye(count, dtype=np.float32)[kinds] - np.float32(1 / count)
    in_group = np.isin(kinds, group).astype(np.float32) - np.float32(len(group) / count)
    return np.column_stack([of_kind, in_group]).astype(np.float32)


def _kernel(left: Floats, right: Floats, gamma: float) -> Floats:
    product: Floats = np.exp(np.float32(-2 * gamma) * (1 - left @ right.T)).astype(np.float32)
    return product
