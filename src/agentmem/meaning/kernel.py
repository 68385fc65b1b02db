"""Fits a classifier to sample vectors in closed form, and calibrates it.

The model is kernel ridge regression on the kinds (a radial kernel, so that it sees neighbourhoods and not only
directions), with a softmax whose temperature is set by cross-validation. Figures of it and of what it was chosen over
are in docs/figures/meaning.md. Fitting 1,400 samples takes about half a second of one core, and the result is the same
each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Integers = NDArray[np.int64]

# Both by cross-validation over the packaged prototypes; the optimum is flat.
_WIDTH = 1.8  # of the kernel, over the median squared distance between samples
_RIDGE = 0.1
_FOLDS = 5
# Samples nearer than this are translations or variants of each other, and are left out together.
_SAME = 0.72
_TEMPERATURES = np.geomspace(0.01, 1.0, 80)


@dataclass(frozen=True, slots=True, eq=False)
class KernelModel:
    """A fitted classifier.

    Attributes:
        samples: Shape (n, d), unit rows.
        weights: Shape (n, k), of each sample for each kind.
        gamma: The kernel is ``exp(-gamma * squared distance)``.
        temperature: Of the softmax over the kinds.
    """

    samples: Floats
    weights: Floats
    gamma: float
    temperature: float

    def probabilities(self, vectors: Floats) -> Floats:
        """Give each vector a probability for each kind.

        Args:
            vectors: Shape (m, d), unit rows.

        Returns:
            Shape (m, k), rows that add up to 1.
        """
        return softmax(_kernel(vectors, self.samples, self.gamma) @ self.weights, self.temperature)


def fit(samples: Floats, kinds: Integers, count: int) -> KernelModel:
    """Fit and calibrate a classifier.

    Args:
        samples: Shape (n, d), unit rows.
        kinds: Shape (n,), the number of each sample's kind, from 0.
        count: The number of kinds.
    """
    gamma = _gamma(samples)
    scores = held_out_scores(samples, kinds, count, groups(samples, kinds))
    return KernelModel(samples, _weights(samples, kinds, count, gamma), gamma, _temperature(scores, kinds))


def held_out_scores(samples: Floats, kinds: Integers, count: int, group: Integers) -> Floats:
    """Score each sample by a model that has not seen it, nor any other sample of its group.

    Args:
        samples: Shape (n, d), unit rows.
        kinds: Shape (n,), the number of each sample's kind.
        count: The number of kinds.
        group: Shape (n,), numbers from 0; the groups are dealt over five folds.

    Returns:
        Shape (n, count), to be given to `softmax`.
    """
    gamma = _gamma(samples)
    scores = np.zeros((len(samples), count), dtype=np.float32)
    for fold in range(_FOLDS):
        out = group % _FOLDS == fold
        if out.any() and not out.all():
            weights = _weights(samples[~out], kinds[~out], count, gamma)
            scores[out] = _kernel(samples[out], samples[~out], gamma) @ weights
    return scores


def groups(samples: Floats, kinds: Integers) -> Integers:
    """Number the groups of samples that say nearly the same, such as translations, within each kind."""
    near = (samples @ samples.T > _SAME) & (kinds[:, None] == kinds[None, :])
    np.fill_diagonal(near, val=True)
    lowest = np.arange(len(samples))
    while True:  # each takes the lowest number among its neighbours, until all that hang together have one
        spread = np.where(near, lowest[None, :], len(samples)).min(axis=1)
        if (spread == lowest).all():
            return np.unique(lowest, return_inverse=True)[1].astype(np.int64)
        lowest = spread


def softmax(scores: Floats, temperature: float) -> Floats:
    """Turn scores, shape (m, k), into probabilities."""
    raised = np.exp((scores - scores.max(axis=1, keepdims=True)) / temperature)
    return (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)


def _temperature(scores: Floats, kinds: Integers) -> float:
    """The temperature under which the held-out kinds are most probable."""
    rows = np.arange(len(kinds))
    losses = [-np.log(softmax(scores, float(t))[rows, kinds] + 1e-9).mean() for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def _gamma(samples: Floats) -> float:
    squared = 2.0 - 2.0 * (samples @ samples.T)
    return _WIDTH / max(1e-6, float(np.median(squared)))


def _weights(samples: Floats, kinds: Integers, count: int, gamma: float) -> Floats:
    sizes = np.bincount(kinds, minlength=count)
    # A kind with many samples is held back in proportion, or far-away sentences would be taken for it.
    ridge = _RIDGE * sizes[kinds] / sizes[sizes > 0].mean()
    gram = _kernel(samples, samples, gamma) + np.diag(ridge.astype(np.float32))
    wanted = np.eye(count, dtype=np.float32)[kinds] - np.float32(1 / count)
    return np.linalg.solve(gram, wanted).astype(np.float32)


def _kernel(left: Floats, right: Floats, gamma: float) -> Floats:
    product: Floats = np.exp(np.float32(-2 * gamma) * (1 - left @ right.T)).astype(np.float32)
    return product
